"""What a reporter still has to do about the builds of one master, kept in the database.

The builds themselves are the list of what is to be reported. Below a mark all of them are settled,
except some that are listed as open; above it, those that have no record yet are taken up at the
next look. A record is build data of its build: it is shown with the build, and goes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from buildbot.data.resultspec import Filter
from buildbot.util import datetime2epoch
from twisted.internet.defer import Deferred, DeferredLock
from twisted.logger import Logger, LogLevel

from buildbot_koji.durable.deliveries import Delivery, DeliveryEvent, State
from buildbot_koji.durable.outbox import Outbox, Sender
from buildbot_koji.durable.store import BuildData, MasterState, data_name

__all__ = ["Backlog", "Records", "Work", "dead_letters"]

CLASS = "buildbot_koji.reporters"
"""The class by which Buildbot's table of states knows the reporters' states."""

MOST_DEAD = 1000
"""Dead letters that are listed; older ones are still in the data of their builds."""

PAGE = 500
"""Builds that are read at a time."""


class Records:
    """The deliveries of one reporter, as build data."""

    def __init__(self, master: Any, reporter: str) -> None:
        self._data = BuildData(master, reporter)
        self._reporter = reporter

    def name_of(self, delivery: str) -> str:
        """Return the name of the build data of a delivery."""
        return data_name(f"{self._reporter} {delivery}")

    async def save(self, delivery: Delivery) -> None:
        """Store a delivery in place of what was stored of it before."""
        name = self.name_of(delivery.name)
        await self._data.put(delivery.build_id, name, delivery.to_json())

    async def of_build(self, build_id: int) -> list[Delivery]:
        """Return all that is stored about a build, oldest first."""
        found = [Delivery.from_json(each) for each in await self._data.get_all(build_id)]
        return sorted(found, key=lambda each: each.since)

    async def find(self, build_id: int, name: str) -> Delivery | None:
        """Return what is stored of a delivery, or None."""
        found = await self._data.get(build_id, self.name_of(name))
        return None if found is None else Delivery.from_json(found)


class Work(Protocol):
    """What a reporter makes of builds."""

    async def wanted(self, build: Mapping[str, Any]) -> Sequence[Delivery] | None:
        """Return what is to be delivered about a build, None where that shows later."""


class Backlog:
    """What one reporter has to do about the builds that one master ran.

    Args:
        master: the master that this runs in.
        reporter: the reporter's name.
        master_id: the master that ran the builds.
        work: what the reporter makes of builds.
        sender: brings deliveries to where they go.
        retry_for: returns for how many seconds a delivery is tried.
    """

    _log = Logger()

    def __init__(
        self,
        master: Any,
        reporter: str,
        master_id: int,
        work: Work,
        sender: Sender,
        retry_for: Callable[[], float],
    ) -> None:
        self._master = master
        self._reporter = reporter
        self._master_id = master_id
        self._work = work
        self._records = Records(master, reporter)
        self._state = MasterState(master, reporter, CLASS)
        self._outbox = Outbox(
            reporter,
            self._records,
            sender,
            master.reactor,
            retry_for=retry_for,
            settled=self._settled,
        )
        self._lock = DeferredLock()
        self._taken: set[tuple[int, bool]] = set()
        self._under_way: dict[int, set[str]] = {}
        self._mark = 0
        self._next_mark = 0
        self._open: set[int] = set()
        self._since = 0
        self._dead: list[tuple[int, str]] = []
        self._revived: list[tuple[int, str]] = []
        self._stored: dict[str, Any] | None = None
        self._looking = False

    def stop(self) -> None:
        """Leave everything to the next start; waits for nothing."""
        self._outbox.stop()

    # The state in the database

    @classmethod
    async def exists(cls, master: Any, reporter: str, master_id: int) -> bool:
        """Tell whether a reporter ever ran in a master."""
        return await MasterState(master, reporter, CLASS).get(_key(master_id)) is not None

    async def load(self) -> None:
        """Go on where an earlier run was; the first one begins with what ends from now on."""
        stored = await self._state.get(_key(self._master_id))
        if stored is None:
            self._since = int(self._master.reactor.seconds())
            running = await self._builds_from(0, Filter("complete", "eq", [False]))
            self._open = {build["buildid"] for build in running}
            last = await self._master.data.get(("builds",), order=["-buildid"], limit=1)
            self._mark = self._next_mark = last[0]["buildid"] + 1 if last else 0
            await self._store()
            return
        self._mark = self._next_mark = stored["mark"]
        self._since = stored["since"]
        self._open = set(stored["open"])
        self._taken = {(build_id, True) for build_id in stored["done"]}
        self._dead = [(build_id, name) for build_id, name in stored["dead"]]
        for build_id, name in stored["revived"]:
            await self._revive(build_id, name)

    async def _store(self) -> None:
        """Store where we are; a write costs Buildbot 10 ms, so only where it changed."""
        above = sorted(build_id for build_id, _ in self._taken if build_id >= self._mark)
        value = {
            "mark": self._mark,
            "since": self._since,
            "open": sorted(self._open),
            "done": [build_id for build_id in above if self._is_settled(build_id)],
            "dead": self._dead,
            "revived": self._revived,
        }
        if value != self._stored:
            await self._state.put(_key(self._master_id), value)
            self._stored = value

    # Builds

    async def _builds_from(self, first: int, *filters: Filter) -> list[dict[str, Any]]:
        mine = Filter("masterid", "eq", [self._master_id])
        found: list[dict[str, Any]] = []
        while True:
            wanted = [mine, Filter("buildid", "ge", [first]), *filters]
            page = await self._master.data.get(
                ("builds",), filters=wanted, order=["buildid"], limit=PAGE
            )
            found += page
            if len(page) < PAGE:
                return found
            first = page[-1]["buildid"] + 1

    async def _open_builds(self) -> list[dict[str, Any]]:
        ids = sorted(self._open)
        found: list[dict[str, Any]] = []
        for start in range(0, len(ids), PAGE):
            wanted = [Filter("buildid", "eq", ids[start : start + PAGE])]
            found += await self._master.data.get(("builds",), filters=wanted, order=["buildid"])
        return found

    async def look(self) -> None:
        """Take up every build that was not taken up when it began or ended, and move the mark."""
        if self._looking:
            return
        self._looking = True
        try:
            await self._look()
        finally:
            self._looking = False

    async def _look(self) -> None:
        builds = [*await self._open_builds(), *await self._builds_from(self._mark)]
        for build in builds:
            await self.take(build)
        ids = [build["buildid"] for build in builds]
        # Ids are given before they are committed: the mark goes to where the last look was.
        self._mark, self._next_mark = (
            self._next_mark,
            max([self._next_mark, *(build_id + 1 for build_id in ids)]),
        )
        self._open = {
            build_id for build_id in ids if build_id < self._mark and not self._is_settled(build_id)
        }
        self._taken = {key for key in self._taken if key[0] >= self._mark or key[0] in self._open}
        await self._store()

    def _is_settled(self, build_id: int) -> bool:
        return (build_id, True) in self._taken and not self._under_way.get(build_id)

    async def take(self, build: Mapping[str, Any]) -> None:
        """Store and begin what is to be delivered about a build, once.

        What fails, as when the database is away, is tried again at the next look.

        Args:
            build: the build as Buildbot's data API gives it, at its beginning or at its end.
        """
        await self._lock.acquire()
        try:
            key = (build["buildid"], bool(build["complete"]))
            if key in self._taken or (key[0], True) in self._taken:
                return
            ended = build["complete_at"]
            if ended is None or datetime2epoch(ended) >= self._since:
                deliveries = await self._work.wanted(build)
                if deliveries is None:
                    return
                await self._begin(build["buildid"], deliveries)
            self._taken.add(key)
        except Exception:  # noqa: BLE001 - the database may be away; the build must not be lost
            self._log.failure(
                "{name}: can't take up build {id} yet", name=self._reporter, id=build["buildid"]
            )
        finally:
            self._lock.release()

    async def _begin(self, build_id: int, deliveries: Sequence[Delivery]) -> None:
        stored = await self._records.of_build(build_id)
        for delivery in stored:
            if not delivery.is_final:
                self._deliver(delivery)
            elif delivery.state is State.DEAD:
                # A crash may have come between its end and the list.
                self._list_dead((build_id, delivery.name))
        names = {delivery.name for delivery in stored}
        for delivery in deliveries:
            if delivery.name not in names:
                await self._records.save(delivery)
                self._deliver(delivery)

    def _list_dead(self, key: tuple[int, str]) -> None:
        if key not in self._dead and key not in self._revived:
            self._dead = [*self._dead, key][-MOST_DEAD:]

    def _deliver(self, delivery: Delivery) -> None:
        names = self._under_way.setdefault(delivery.build_id, set())
        if delivery.name not in names:
            names.add(delivery.name)
            self._outbox.add(delivery)

    # Ends

    def _settled(self, delivery: Delivery) -> None:
        key = (delivery.build_id, delivery.name)
        names = self._under_way[delivery.build_id]
        names.discard(delivery.name)
        if not names:
            del self._under_way[delivery.build_id]
        dead = delivery.state is State.DEAD
        words = "gave up {delivery} of build {id}: {said}" if dead else "build {id}: {said}"
        self._log.emit(
            LogLevel.error if dead else LogLevel.info,
            "{name}: " + words,
            name=self._reporter,
            delivery=delivery.name,
            id=delivery.build_id,
            said=delivery.said,
        )
        if dead or key in self._revived:
            self._revived = [each for each in self._revived if each != key]
            if dead:
                self._list_dead(key)
            storing = Deferred.fromCoroutine(self._store())
            storing.addErrback(
                lambda failure: self._log.failure(
                    "{name}: can't store the dead letters", failure, name=self._reporter
                )
            )

    async def retry(self) -> None:
        """Try again what was given up."""
        dead, self._dead = self._dead, []
        self._revived += dead
        # A crash from here on leaves them among the revived, which the next start takes up.
        await self._store()
        for build_id, name in dead:
            await self._revive(build_id, name)

    async def _revive(self, build_id: int, name: str) -> None:
        delivery = await self._records.find(build_id, name)
        if delivery is None:
            return
        if delivery.state is State.DEAD:
            now = self._master.reactor.seconds()
            delivery = delivery.after(DeliveryEvent.RETRIED, now=now)
            await self._records.save(delivery)
        if not delivery.is_final:
            self._revived = [
                *(each for each in self._revived if each != (build_id, name)),
                (build_id, name),
            ]
            self._deliver(delivery)


async def dead_letters(master: Any, reporter: str) -> list[Delivery]:
    """Return what a reporter has given up, on all masters."""
    state = MasterState(master, reporter, CLASS)
    records = Records(master, reporter)
    found = []
    for each in await master.data.get(("masters",)):
        stored = await state.get(_key(each["masterid"]))
        for build_id, name in stored["dead"] if stored else ():
            delivery = await records.find(build_id, name)
            if delivery is not None:
                found.append(delivery)
    return found


def _key(master_id: int) -> str:
    return f"master-{master_id}"
