"""The tasks of build requests that were canceled between two attempts: no step cancels those."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from buildbot.process.results import CANCELLED, RETRY

from buildbot_koji.durable.attempts import IDENTITY, read_row
from buildbot_koji.durable.database import select
from buildbot_koji.durable.store import SOURCE, BuildData
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.durable.unreadable import UnreadableRow


@dataclass(frozen=True)
class AbandonedTask:
    """A task whose build request was canceled between two attempts.

    Attributes:
        build_id: the build that stored the intent.
        name: the name of the row.
        intent: the intent; its ``cancel_on`` is not None.
    """

    build_id: int
    name: str
    intent: TaskIntent

    async def settle(self, data: BuildData) -> None:
        """Record that the hub's pending cancellations have the task now."""
        value = read_row(await data.get(self.build_id, self.name) or b"") or {}
        await data.put(self.build_id, self.name, json.dumps({**value, "cancel_on": None}).encode())


async def abandoned_tasks(master: Any, request_id: int | None) -> list[AbandonedTask]:
    """Return the tasks of canceled build requests that are still to be canceled.

    Those that the step of the last attempt reached are left out: it has canceled or left them.

    Args:
        master: the Buildbot master.
        request_id: the build request; None for all.
    """
    model = master.db.model
    data, builds, requests = model.build_data.c, model.builds.c, model.buildrequests.c
    query = (
        sqlalchemy.select(data.buildid, data.name, data.value, builds.results)
        .join_from(model.build_data, model.builds, data.buildid == builds.id)
        .join(model.buildrequests, builds.buildrequestid == requests.id)
        .where(data.source == SOURCE, requests.results == CANCELLED)
        .order_by(builds.id)
    )
    if request_id is None:
        retried = sqlalchemy.select(builds.buildrequestid).where(builds.results == RETRY)
        query = query.where(requests.id.in_(retried))
    else:
        query = query.where(requests.id == request_id)
    # The newest build with a submission knows the outcome of its task best.
    newest: dict[str, tuple[AbandonedTask, bool]] = {}
    for row in await select(master, query):
        intent = _intent_in(bytes(row.value))
        if intent is not None:
            found = AbandonedTask(row.buildid, row.name, intent)
            newest[intent.submission.marker] = found, row.results == RETRY
    return [each for each, is_left in newest.values() if is_left and each.intent.cancel_on]


def _intent_in(stored: bytes) -> TaskIntent | None:
    """Return the intent that a step stored; None if the row is something else or unreadable."""
    value = read_row(stored) or {}
    value.pop(IDENTITY, None)
    with suppress(UnreadableRow):
        return TaskIntent.from_struct(value)
    return None
