"""The tasks that completed build requests left: no step follows or cancels those any more.

A request that was canceled or collapsed between two attempts leaves the tasks of the last one, and
so does one whose last attempt ended before the step that would have resumed them.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy
from buildbot.process.results import RETRY

from buildbot_koji.durable.attempts import IDENTITY, read_row
from buildbot_koji.durable.database import is_recent, select
from buildbot_koji.durable.store import ROWS, SOURCE, BuildData, data_name
from buildbot_koji.durable.task_intents import TaskIntent, intents_in

SETTLED = "buildbot_koji settled"
"""Who stores that a completed request has left nothing, or nothing that is not being canceled."""


async def unsettled_requests(
    master: Any, request_id: int | None = None, recent: int | None = None
) -> dict[int, int]:
    """Return the completed build requests that may have left tasks, with their last retried builds.

    Args:
        master: the Buildbot master.
        request_id: the build request; None for all.
        recent: among how many of the newest builds to look, None for all.
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
        """Return the condition that one of them stored something with a build of the request."""
        return sqlalchemy.exists().where(
            data.buildid == other.id, of_request, data.source.in_(sources)
        )

    # A build that is still running settles its tasks itself.
    running = sqlalchemy.exists().where(of_request, other.results.is_(None))
    query = (
        sqlalchemy.select(requests.id, retried.c.newest)
        .join_from(retried, model.buildrequests, requests.id == retried.c.buildrequestid)
        .where(requests.complete == 1, ~running, stored(SOURCE, ROWS), ~stored(SETTLED))
    )
    return {row.id: row.newest for row in await select(master, query)}


async def settle(master: Any, build_id: int) -> None:
    """Note that the request of a build has left nothing that is not being canceled."""
    await BuildData(master, SETTLED).put(build_id, data_name("settled"), b"")


async def left_by_attempts(master: Any, build_id: int) -> list[TaskIntent]:
    """Return the tasks that the steps of a completed build request left and that are canceled.

    Those that the step of the last attempt reached are left out: it has canceled or left them.

    Args:
        master: the Buildbot master.
        build_id: the last retried build of the request.

    Raises:
        UnreadableRow: what a step stored can't be read.
    """
    data, builds = master.db.model.build_data.c, master.db.model.builds.c
    request = sqlalchemy.select(builds.buildrequestid).where(builds.id == build_id)
    query = (
        sqlalchemy.select(data.value, builds.results)
        .join_from(master.db.model.build_data, master.db.model.builds, data.buildid == builds.id)
        .where(data.source == SOURCE, builds.buildrequestid == request.scalar_subquery())
        .order_by(builds.id)
    )
    # The newest build with a submission knows the outcome of its task best.
    newest: dict[str, tuple[TaskIntent, bool]] = {}
    for row in await select(master, query):
        value = read_row(bytes(row.value)) or {}
        value.pop(IDENTITY, None)
        for intent in intents_in(value):
            newest[intent.submission.marker] = intent, row.results == RETRY
    return [intent for intent, is_left in newest.values() if is_left and intent.cancel_on]
