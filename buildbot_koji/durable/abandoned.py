"""The tasks that completed build requests left: no step follows or cancels them any more.

A request that is canceled or collapsed between two attempts leaves the tasks of the earlier one. So
does a request whose last attempt ends before it reaches the step that would have resumed them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sqlalchemy
from buildbot.process.results import RETRY

from buildbot_koji.durable.attempts import IDENTITY, read_row
from buildbot_koji.durable.database import is_recent, select
from buildbot_koji.durable.store import DATA_SOURCE, ROWS, BuildData, data_name
from buildbot_koji.durable.task_intents import TaskIntent, intents_in
from buildbot_koji.durable.unreadable import UnreadableRow

SETTLED = "buildbot_koji settled"
"""The source of the row that says of a completed request that all it left is canceled."""


async def unsettled_requests(
    master: Any, request_id: int | None = None, recent: int | None = None
) -> dict[int, int]:
    """Find the completed build requests that may have left tasks: those that were built again.

    Args:
        master: the Buildbot master.
        request_id: the build request; None for all.
        recent: how many of the newest builds to search, None for all.

    Returns:
        For the id of each request the id of its newest build that ended with RETRY.
    """
    model = master.db.model
    builds, requests, data = model.builds.c, model.buildrequests.c, model.build_data.c
    newest = sqlalchemy.func.max(builds.id).label("newest")
    query = sqlalchemy.select(builds.buildrequestid, newest).where(builds.results == RETRY)
    if request_id is not None:
        query = query.where(builds.buildrequestid == request_id)
    if recent is not None:
        query = query.where(is_recent(model, builds.id, recent))
    retried = query.group_by(builds.buildrequestid).subquery()
    other = model.builds.alias().c
    of_request = other.buildrequestid == retried.c.buildrequestid

    def stored(*sources: str) -> Any:
        """Return the condition that a build of the request has a row of one of these sources."""
        return sqlalchemy.exists().where(
            data.buildid == other.id, of_request, data.source.in_(sources)
        )

    # A build that is still running settles its tasks itself.
    running = sqlalchemy.exists().where(of_request, other.results.is_(None))
    query = (
        sqlalchemy.select(requests.id, retried.c.newest)
        .join_from(retried, model.buildrequests, requests.id == retried.c.buildrequestid)
        .where(requests.complete == 1, ~running, stored(DATA_SOURCE, ROWS), ~stored(SETTLED))
    )
    return {row.id: row.newest for row in await select(master, query)}


async def settle(master: Any, build_id: int) -> None:
    """Record that all that the request of a build left is canceled."""
    await BuildData(master, SETTLED).put(build_id, data_name("settled"), b"")


async def is_settled(master: Any, request_id: int) -> bool:
    """Return whether a master has recorded that all that a request left is canceled."""
    data, builds = master.db.model.build_data, master.db.model.builds
    query = (
        sqlalchemy.select(data.c.id)
        .join_from(data, builds, data.c.buildid == builds.c.id)
        .where(builds.c.buildrequestid == request_id, data.c.source == SETTLED)
    )
    return bool(await select(master, query))


async def left_by_attempts(
    master: Any, build_id: int, say: Callable[[UnreadableRow], object]
) -> list[TaskIntent]:
    """Return the tasks of a completed build request that are to be canceled.

    Tasks whose step the last attempt reached are not among them: it has canceled or left them.

    Args:
        master: the Buildbot master.
        build_id: the newest build of the request that ended with RETRY.
        say: called with the error of each task that can't be read.
    """
    data, builds = master.db.model.build_data.c, master.db.model.builds.c
    request = sqlalchemy.select(builds.buildrequestid).where(builds.id == build_id)
    query = (
        sqlalchemy.select(data.value, builds.results)
        .join_from(master.db.model.build_data, master.db.model.builds, data.buildid == builds.id)
        .where(data.source == DATA_SOURCE, builds.buildrequestid == request.scalar_subquery())
        .order_by(builds.id)
    )
    # The newest build with a submission knows the outcome of its task best.
    newest: dict[str, tuple[TaskIntent, bool]] = {}
    for row in await select(master, query):
        value = read_row(bytes(row.value)) or {}
        value.pop(IDENTITY, None)
        for intent in intents_in(value, say):
            newest[intent.submission.marker] = intent, row.results == RETRY
    return [
        intent
        for intent, is_left in newest.values()
        if is_left and intent.cancel_on and not intent.adopted
    ]
