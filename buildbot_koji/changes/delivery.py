"""From events to stored and scheduled changes: each exactly once, never more than may come.

The database says what was stored: the keys of recent changes are read back at the start, and an
event that is older than those is looked for by itself. A change that was stored just before the
master died, and that no scheduler took, is announced again.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from buildbot.data.resultspec import Filter
from twisted.logger import Logger

from buildbot_koji.changes.storage import Backlog, Standing, Storage, change_key
from buildbot_koji.properties import CHANGE_SOURCE, EVENT_KEY

__all__ = ["Delivery"]

HOUR = 3600.0

SETTLED = 600.0
"""Seconds after which the schedulers have surely seen a change, also in a flood: they take some
twenty a second on SQLite, one after the other."""

PORTION = 500
"""Values in one question to the database."""

UNDATED = ("koji-build-deleted", "koji-build-promoted")
"""Events that a message may tell of at any time afterwards, where the hub can't list them."""


class Delivery:
    """Stores changes.

    Args:
        master: the Buildbot master.
        name: the change source's name.
        storage: what it keeps in the database.
        max_per_hour: how many changes may come in an hour; the rest is held back. None for any.
        announced: see below.

    Attributes:
        announced: the last change that the schedulers were told of while this master runs.
        standing: where the source stands; :meth:`save` writes it.
        backlog: what is held back.
        stored: how many changes this one has stored.
    """

    _log = Logger()

    def __init__(
        self,
        master: Any,
        name: str,
        storage: Storage,
        max_per_hour: int | None,
        *,
        announced: int = 0,
    ) -> None:
        self.announced = announced
        self._master = master
        self._name = name
        self._storage = storage
        self._max_per_hour = max_per_hour
        self._recent: dict[str, float] = {}
        self._read_from = 0.0
        # The numbers of changes that the schedulers may not have seen, and since when.
        self._unsettled: deque[tuple[int, float]] = deque()
        self.standing = Standing()
        self.backlog = Backlog(storage)
        self.stored = 0

    async def start(self, horizon: float | None) -> None:
        """Find out what was stored before.

        Args:
            horizon: what happened before it does not come up again, in seconds since the epoch;
                None for a source that never ran.
        """
        await self.backlog.load()
        if horizon is None:
            return
        self._read_from = horizon
        for change in await self._changes("when_timestamp", "ge", int(horizon)):
            self._recent[change["properties"][EVENT_KEY][0]] = float(change["when_timestamp"])
        await self._announce_again()

    async def _changes(self, field: str, comparison: str, value: Any) -> list[dict[str, Any]]:
        """Read the changes of this source for which a comparison holds."""
        found = await self._master.data.get(
            ("changes",), filters=[Filter(field, comparison, [value])]
        )
        return [
            change
            for change in sorted(found, key=lambda change: change["changeid"])
            if change["properties"].get(CHANGE_SOURCE, (None,))[0] == self._name
            and EVENT_KEY in change["properties"]
        ]

    async def _announce_again(self) -> None:
        changes = await self._changes("changeid", "gt", self.standing.scheduled)
        taken = await self._master.db.pool.do(_taken, self._master.db.model, changes)
        for change in changes:
            self._unsettled.append((change["changeid"], self._master.reactor.seconds()))
            # What this master was told it does not forget; another would have it done twice.
            if change["changeid"] in taken or change["changeid"] <= self.announced:
                continue
            self._log.info(
                "change {number} was stored when the master ended: announcing it again",
                number=change["changeid"],
            )
            key = ("changes", str(change["changeid"]), "new")
            self._master.mq.produce(key, copy.deepcopy(change))
            self.announced = change["changeid"]

    def knows(self, key: str) -> bool:
        """Tell whether the change of an event is stored or held back already."""
        return key in self._recent or key in self.backlog.keys

    def dismiss(self, key: str, when: float, now: float) -> None:
        """Note an event that becomes no change, so that it is not asked about again.

        Args:
            key: its key.
            when: when it happened, in seconds since the epoch.
            now: the time, likewise.
        """
        self._recent[key] = max(when, now)

    def forget(self, horizon: float) -> None:
        """Forget the keys of what happened before: it does not come up again."""
        self._read_from = max(self._read_from, horizon)
        self._recent = {key: when for key, when in self._recent.items() if when >= horizon}

    async def deliver(
        self, changes: Sequence[dict[str, Any]], now: float, goes_on: Callable[[], bool]
    ) -> int:
        """Store changes, or hold them back.

        Args:
            changes: the arguments of ``addChange``.
            now: the time, in seconds since the epoch.
            goes_on: tells whether to go on with the next.

        Returns:
            How many are dealt with.
        """
        done = 0
        for change in changes:
            if len(self.backlog) or not self._may_store(now):
                break
            if not goes_on():
                return done
            await self._store(change, now)
            done += 1
        rest = [change for change in changes[done:] if not self.knows(change_key(change))]
        if rest:
            if not len(self.backlog):
                self._log.warn(
                    "{name}: {count} changes in an hour, as many as may be: the rest waits",
                    name=self._name,
                    count=self.standing.count,
                )
            await self.backlog.append(rest)
        return len(changes)

    def may_drain(self, now: float) -> bool:
        """Tell whether something is held back that may come now."""
        return bool(len(self.backlog)) and self._may_store(now)

    async def drain(self, count: int, now: float) -> None:
        """Store what is held back, as much as may come now.

        Args:
            count: how many at most.
            now: the time, in seconds since the epoch.
        """
        for _ in range(count):
            if not self.may_drain(now):
                return
            [change] = self.backlog.head(1)
            # Its end may have been cut off by the master's.
            await self._store(change, now, surely_new=False)
            await self.backlog.drop(1)
        if not len(self.backlog):
            self._log.info("{name}: nothing waits any more", name=self._name)

    def drains_at(self) -> float | None:
        """Return when what is held back may come, in seconds since the epoch; None for nothing."""
        return self.standing.hour + HOUR if len(self.backlog) else None

    def _may_store(self, now: float) -> bool:
        if now - self.standing.hour >= HOUR:
            self.standing.hour, self.standing.count = now, 0
        return self._max_per_hour is None or self.standing.count < self._max_per_hour

    async def _store(
        self, change: dict[str, Any], now: float, *, surely_new: bool | None = None
    ) -> None:
        key = change_key(change)
        if key in self._recent:
            return
        when = change["when_timestamp"]
        if surely_new is None:
            surely_new = (
                when is not None and when >= self._read_from and change["category"] not in UNDATED
            )
        if surely_new or not await self._is_stored(change):
            # Buildbot changes the properties that it is given.
            given = {**change, "properties": dict(change["properties"]), "files": []}
            number = await self._master.data.updates.addChange(**given)
            self._unsettled.append((number, self._master.reactor.seconds()))
            self.announced = number
            self.standing.count += 1
            self.stored += 1
        self._recent[key] = max(when or 0.0, now)

    async def _is_stored(self, change: dict[str, Any]) -> bool:
        same = await self._changes("revision", "eq", change["revision"])
        return any(each["properties"][EVENT_KEY][0] == change_key(change) for each in same)

    async def add_health(self, change: dict[str, Any]) -> None:
        """Store a change that tells of the source itself."""
        await self._master.data.updates.addChange(**change, files=[])

    async def save(self) -> None:
        """Write where the source stands."""
        settled = self._master.reactor.seconds() - SETTLED
        while self._unsettled and self._unsettled[0][1] <= settled:
            self.standing.scheduled, _ = self._unsettled.popleft()
        await self._storage.save(self.standing)


def _taken(connection: Any, model: Any, changes: Sequence[dict[str, Any]]) -> set[int]:
    """Return the numbers of those changes that a scheduler gathers, or had built."""
    gathered, asked = model.scheduler_changes.c.changeid, model.buildset_sourcestamps.c
    taken: set[int] = set()
    for begin in range(0, len(changes), PORTION):
        portion = changes[begin : begin + PORTION]
        stamps = {change["changeid"]: change["sourcestamp"]["ssid"] for change in portion}
        rows = connection.execute(gathered.table.select().where(gathered.in_(list(stamps))))
        taken.update(row.changeid for row in rows)
        rows = connection.execute(
            asked.sourcestampid.table.select().where(asked.sourcestampid.in_(list(stamps.values())))
        )
        built = {row.sourcestampid for row in rows}
        taken.update(number for number, stamp in stamps.items() if stamp in built)
    return taken
