"""The changes of one source that the master's database has, and which of them schedulers took."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import sqlalchemy
from buildbot.data.resultspec import Filter
from twisted.logger import Logger

from buildbot_koji.changes.context import SourceContext
from buildbot_koji.durable.claims import schedulers_are_claimed
from buildbot_koji.durable.database import transact
from buildbot_koji.properties import CHANGE_SOURCE, EVENT_KEY

PORTION = 500
"""Values in one database query."""


class StoredChanges:
    """Reads the changes that a source has stored."""

    def __init__(self, context: SourceContext) -> None:
        self._context = context

    async def find(self, field: str, comparison: str, value: Any) -> list[dict[str, Any]]:
        """Return the changes for which a comparison holds, oldest first.

        Args:
            field: a field of a change.
            comparison: an operator of Buildbot's data API, such as ``ge``.
            value: what to compare with.
        """
        found = await self._find(field, comparison, value)
        return [change for change in found if EVENT_KEY in change["properties"]]

    async def get(self, change: dict[str, Any]) -> dict[str, Any] | None:
        """Return a change as it is stored, None if it is not; a health report has no event."""
        key = change["properties"].get(EVENT_KEY)
        same = await self._find("revision", "eq", change["revision"])
        equal = (each for each in same if each["properties"].get(EVENT_KEY, (None,))[0] == key)
        return next(equal, None)

    async def _find(self, field: str, comparison: str, value: Any) -> list[dict[str, Any]]:
        found = await self._context.master.data.get(
            ("changes",), filters=[Filter(field, comparison, [value])]
        )
        return [
            change
            for change in sorted(found, key=lambda change: change["changeid"])
            if change["properties"].get(CHANGE_SOURCE, (None,))[0] == self._context.name
        ]


class Announcements:
    """Makes sure that the schedulers see every change, also after a crash.

    Args:
        context: the change source.
        last: the value of :attr:`last` of an earlier run in this process.

    Attributes:
        last: the last change that was announced while this master runs.
    """

    _log = Logger()

    def __init__(self, context: SourceContext, last: int) -> None:
        self._master = context.master
        self._name = context.name
        self._elapsed = context.elapsed
        self._settled = context.limits.settled
        self._unsettled: deque[tuple[int, float]] = deque()
        self.last = last

    def made(self, number: int) -> None:
        """Record that Buildbot announced a change when it was added."""
        self._unsettled.append((number, self._elapsed.seconds()))
        self.last = number

    async def resume(self, changes: Sequence[dict[str, Any]]) -> None:
        """Announce those of some changes that no scheduler took before the master ended."""
        now = self._elapsed.seconds()
        self._unsettled.extend((change["changeid"], now) for change in changes)
        # A scheduler of this process has what was announced.
        await self.repeat([change for change in changes if change["changeid"] > self.last])

    async def repeat(self, changes: Sequence[dict[str, Any]]) -> None:
        """Announce those of some changes that no scheduler took."""
        find = partial(_taken, model=self._master.db.model, changes=changes)
        taken = await transact(self._master, find)
        missed = [change for change in changes if change["changeid"] not in taken]
        if missed:
            self._log.info(
                "{name}: no scheduler has taken {count} changes from {first} on: announcing them"
                " again",
                name=self._name,
                count=len(missed),
                first=missed[0]["changeid"],
            )
        for change in missed:
            number = change["changeid"]
            self._master.mq.produce(("changes", str(number), "new"), copy.deepcopy(change))
            self.last = max(self.last, number)

    def take_settled(self) -> int | None:
        """Return the last change that the schedulers have certainly seen since the last call."""
        newest = None
        limit = self._elapsed.seconds() - self._settled
        while self._unsettled and self._unsettled[0][1] <= limit:
            newest, _ = self._unsettled.popleft()
        return newest


class MissedAnnouncements:
    """When to announce again what schedulers may have missed; none takes a change twice.

    Args:
        context: the change source.
        wake: called when a master or a scheduler says so.

    Attributes:
        times: when to announce again, in elapsed time.
    """

    def __init__(self, context: SourceContext, wake: Callable[[], None]) -> None:
        self._context = context
        self._pauses = context.limits.announce_again
        self._wake = wake
        self.times: list[float] = []

    def later(self) -> None:
        """Announce again after the pauses."""
        now = self._context.elapsed.seconds()
        self.times = [now + pause for pause in self._pauses]

    def master_changed(self, _: Any, message: Mapping[str, Any]) -> None:
        """Announce again: another master may have ended before its schedulers took a change."""
        if message["masterid"] != self._context.master.masterid:
            self.later()
            self._wake()

    def change_missed(self, _: Any, message: Mapping[str, Any]) -> None:
        """Announce again: a scheduler could not take a change."""
        if message["source"] == self._context.name:
            self.later()
            self._wake()

    async def repeat(self, announce: Callable[[], Awaitable[None]]) -> None:
        """Announce again if it is time and the schedulers are active."""
        now = self._context.elapsed.seconds()
        if not self.times or now < self.times[0]:
            return
        if await schedulers_are_claimed(self._context.master):
            await announce()
            del self.times[0]
        else:
            self.times[0] = now + self._pauses[0]


def _taken(
    connection: sqlalchemy.Connection, model: Any, changes: Sequence[dict[str, Any]]
) -> set[int]:
    """Return the numbers of those changes that a scheduler classified or built."""
    classified, asked = model.scheduler_changes.c.changeid, model.buildset_sourcestamps.c
    taken: set[int] = set()
    for start in range(0, len(changes), PORTION):
        portion = changes[start : start + PORTION]
        stamps = {change["changeid"]: change["sourcestamp"]["ssid"] for change in portion}
        rows = connection.execute(classified.table.select().where(classified.in_(list(stamps))))
        taken.update(row.changeid for row in rows)
        rows = connection.execute(
            asked.sourcestampid.table.select().where(asked.sourcestampid.in_(list(stamps.values())))
        )
        built = {row.sourcestampid for row in rows}
        taken.update(number for number, stamp in stamps.items() if stamp in built)
    return taken
