"""Whether a master can do its work: reasons why not. Pure.

A paused change source is no trouble: a person did that.
"""

from __future__ import annotations

from collections.abc import Sequence

from buildbot_koji.changes.status import SourceStatus
from buildbot_koji.hubs.hub import HubStatus
from buildbot_koji.words import duration
from buildbot_koji.www.plain import LONG, text

UNREACHABLE_AFTER = 300.0
"""Seconds for which a hub may be unreachable."""


def reasons(
    hubs: Sequence[HubStatus],
    sources: Sequence[SourceStatus],
    now: float,
    *,
    master: Sequence[str | None],
) -> list[str]:
    """Return why a master is not healthy; nothing if it is."""
    found = [each for each in master if each is not None]
    found += warnings(hubs, now, UNREACHABLE_AFTER)
    found += [said for hub in hubs for said in hub.credentials_that(work=False)]
    found += [
        f"{hub.profile}: can't cancel the tasks of stopped builds: {hub.canceling}"
        for hub in hubs
        if hub.canceling
    ]
    for source in sources:
        here = source.listener
        if here is not None and here.state == "stale":
            silence = duration(here.silence)
            found.append(f"the source {source.name} has heard nothing for {silence}: {here.reason}")
    return [text(each, LONG) or "" for each in dict.fromkeys(found)]


def warnings(hubs: Sequence[HubStatus], now: float, after: float = 0.0) -> list[str]:
    """Return a line for each hub that has been down for at least ``after`` seconds."""
    found: dict[str, None] = {}
    for hub in hubs:
        silence = now - (hub.requests.changed_at or now)
        if hub.trouble is not None and silence >= after:
            # A front end that forbids every call is not unreachable.
            words = f"{hub.profile} has been down for {duration(silence)}: {hub.trouble}"
            found[text(words, LONG) or ""] = None
    return list(found)
