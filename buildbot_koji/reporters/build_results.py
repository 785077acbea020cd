"""Which result of a Buildbot build counts, and which properties go with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildbot.process.results import RETRY
from buildbot.util import datetime2epoch

BEGINS_WITHIN = 60.0
"""Seconds within which a master begins a build of a request that it has claimed."""


async def counting_result(master: Any, build: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return a build with the result that counts, None while that is unknown.

    A master that declares another one dead closes that one's builds with RETRY, and takes their
    requests. If that one was only frozen, such a build may end nevertheless, and with it its
    request. The result of the next attempt counts; if none begins, that of the request.
    """
    path = ("buildrequests", build["buildrequestid"])
    request = await master.data.get(path)
    if request is None:
        return build
    # A released claim says nothing: a master that starts after a kill releases its own.
    is_taken = request["claimed_by_masterid"] not in (None, build["masterid"])
    if build["results"] != RETRY and not is_taken:
        return build
    attempts = await master.data.get((*path, "builds"))
    if any(each["buildid"] > build["buildid"] for each in attempts):
        return {**build, "results": RETRY}
    if not request["complete"]:
        return None
    age = master.reactor.seconds() - datetime2epoch(request["complete_at"])
    if is_taken and 0 <= age < BEGINS_WITHIN:
        # The master that took the request may still begin a build of it.
        return None
    return {**build, "results": request["results"]}


async def counting_properties(
    master: Any, build: Mapping[str, Any], counting: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the properties of a build whose result counts, as :func:`counting_result` says.

    A build that another master closed may have none itself: those of its earlier attempts count.
    """
    if counting is build:
        found: dict[str, Any] = await master.data.get(("builds", build["buildid"], "properties"))
        return found
    found = {}
    attempts = await master.data.get(("buildrequests", build["buildrequestid"], "builds"))
    for attempt in sorted(each["buildid"] for each in attempts):
        found |= await master.data.get(("builds", attempt, "properties"))
    return found
