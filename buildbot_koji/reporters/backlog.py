"""The builds of one master that a reporter has not finished with, stored in the database.

The builds themselves are the queue. All builds below a mark are settled, except those that are
listed as open; above it, the next scan takes up the builds that have no record yet.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from buildbot.data.resultspec import Filter
from twisted.internet.defer import CancelledError
from twisted.logger import Logger, LogLevel

from buildbot_koji.durable.background import Background
from buildbot_koji.durable.claims import Claim, ClaimLost
from buildbot_koji.durable.database import is_database_unreachable
from buildbot_koji.durable.deliveries import Delivery, DeliveryEvent, DeliveryState
from buildbot_koji.durable.outbox import DeliveryStore, Outbox
from buildbot_koji.durable.store import MasterState
from buildbot_koji.error_messages import cause_of
from buildbot_koji.reporters.records import (
    CLASS,
    MOST_DEAD,
    DeliveryRecords,
    Position,
    position_key,
)
from txkoji.locks import Lock

PAGE = 500
"""Builds that are read at a time."""

_log = Logger()


def log_settled(reporter: str, about: str, delivery: Delivery) -> None:
    """Log that a delivery is delivered or dead; its ``build_id`` is that of what it is about."""
    dead = delivery.state is DeliveryState.DEAD
    words = "gave up {delivery} of {about} {id}{what}: {said}" if dead else "{about} {id}: {said}"
    _log.emit(
        LogLevel.error if dead else LogLevel.info,
        "{name}: " + words,
        name=reporter,
        delivery=delivery.name,
        about=about,
        id=delivery.build_id,
        what=f" ({delivery.subject})" if delivery.subject else "",
        said=delivery.said,
    )


WantedDeliveries = Callable[[Mapping[str, Any]], Awaitable[Sequence[Delivery] | None]]
"""Returns what to deliver about a build, None if unknown yet."""


class Backlog:
    """The builds of one master that one reporter has not finished with.

    Args:
        master: the master that this runs in.
        reporter: the reporter's name.
        master_id: the master that ran the builds.
        wanted: returns what to deliver about a build.
        outbox: makes the outbox, of a store and a callback for settled deliveries.
        lost: called once if another master takes the builds over; stop the backlog then.
        late: called when a build could not be taken up: the next scan retries it.
    """

    def __init__(
        self,
        master: Any,
        reporter: str,
        master_id: int,
        wanted: WantedDeliveries,
        outbox: Callable[[DeliveryStore, Callable[[Delivery], None]], Outbox],
        lost: Callable[[], object],
        late: Callable[[], object],
    ) -> None:
        self._late = late
        self._master = master
        self._reporter = reporter
        self._master_id = master_id
        self._wanted = wanted
        self._state = MasterState(master, reporter, CLASS)
        key = f"claim-{master_id}"
        self._claim = Claim(self._state, key, lost=lost, clock=master.reactor)
        self._records = DeliveryRecords(master, reporter, self._claim)
        self._outbox = outbox(self._records, self._settled)
        self._background = Background(ClaimLost)
        self._lock = Lock()
        self._taken: set[tuple[int, bool]] = set()
        self._under_way: dict[int, set[str]] = {}
        self._mark = 0
        self._next_mark = 0
        self._open: set[int] = set()
        self._first = 0
        self._dead: list[tuple[int, str]] = []
        self._revived: list[tuple[int, str]] = []
        self._stored: Position | None = None

    def pending(self) -> list[Delivery]:
        """Return the deliveries that are not settled."""
        return self._outbox.pending()

    @property
    def dead(self) -> int:
        """How many dead letters are listed."""
        return len(self._dead)

    def stop(self) -> None:
        """Leave everything to the next start; returns at once."""
        self._outbox.stop()
        self._background.stop()

    # The state in the database

    @classmethod
    async def exists(cls, master: Any, reporter: str, master_id: int) -> bool:
        """Return whether a reporter ever ran on a master."""
        return await MasterState(master, reporter, CLASS).get(position_key(master_id)) is not None

    async def load(self) -> None:
        """Resume an earlier run; the first run takes the builds that end from now on."""
        await self._claim.take()
        stored = await Position.read(self._state, self._reporter, self._master_id)
        if stored is None:
            last = await self._master.data.get(("builds",), order=["-buildid"], limit=1)
            self._first = self._mark = self._next_mark = last[0]["buildid"] + 1 if last else 0
            running = await self._builds_from(0, Filter("complete", "eq", [False]))
            self._open = {build["buildid"] for build in running}
            await self._store()
            return
        self._mark = self._next_mark = stored.mark
        self._first = stored.first
        self._open = set(stored.open)
        self._taken = {(build_id, True) for build_id in stored.done}
        self._dead = stored.dead
        for build_id, name in stored.revived:
            await self._revive(build_id, name)

    async def _store(self) -> None:
        """Store the state if it changed: a write costs Buildbot 10 ms."""
        if self._position() == self._stored:
            return
        await self._claim.check()
        # Read only after the check: another call may have moved the position meanwhile.
        value = self._position()
        await self._state.put(position_key(self._master_id), asdict(value))
        self._stored = value

    def _position(self) -> Position:
        above = sorted(build_id for build_id, _ in self._taken if build_id >= self._mark)
        return Position(
            mark=self._mark,
            open=sorted(self._open),
            done=[build_id for build_id in above if self._is_settled(build_id)],
            dead=self._dead,
            revived=self._revived,
            first=self._first,
        )

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

    async def scan(self) -> None:
        """Take up every build whose event was missed, and advance the mark."""
        builds = [*await self._open_builds(), *await self._builds_from(self._mark)]
        for build in builds:
            await self.take(build)
        ids = [build["buildid"] for build in builds]
        # A build's id is assigned before its row is committed: the mark lags one scan behind.
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
        is_taken = (build_id, True) in self._taken and not self._under_way.get(build_id)
        # A later start, with another version, may read what this one can't.
        return is_taken and not self._records.has_unreadable(build_id)

    async def take(self, build: Mapping[str, Any]) -> None:
        """Store what is to be delivered about a build, and start delivering it, once.

        The next scan retries what fails: the database may be unavailable.
        """
        await self._lock.acquire()
        try:
            key = (build["buildid"], bool(build["complete"]))
            if key in self._taken or (key[0], True) in self._taken:
                return
            # A build that ended before the reporter's first start is not reported. Its id tells,
            # its times don't: the clock may have been set back since.
            if key[0] >= self._first or key[0] in self._open:
                deliveries = await self._wanted(build)
                if deliveries is None:
                    return
                await self._begin(build["buildid"], deliveries)
            self._taken.add(key)
        except Exception as error:
            # A database that is unavailable must not lose the build.
            if isinstance(cause_of(error), (CancelledError, ClaimLost)):
                raise
            if not is_database_unreachable(error):
                _log.failure(
                    "{name}: can't take up build {id}; the next scan retries it",
                    name=self._reporter,
                    id=build["buildid"],
                )
            self._late()
        finally:
            self._lock.release()

    async def _begin(self, build_id: int, deliveries: Sequence[Delivery]) -> None:
        await self._claim.check()
        stored = await self._records.of_build(build_id)
        for delivery in stored:
            if not delivery.is_final:
                self._deliver(delivery)
            elif delivery.state is DeliveryState.DEAD:
                # The master may have crashed before it listed the dead letter.
                self._list_dead((build_id, delivery.name))
        names = {delivery.name for delivery in stored}
        for delivery in deliveries:
            unreadable = self._records.has_unreadable(build_id, delivery.name)
            if delivery.name not in names and not unreadable:
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
        log_settled(self._reporter, "build", delivery)
        dead = delivery.state is DeliveryState.DEAD
        if dead or key in self._revived:
            self._revived = [each for each in self._revived if each != key]
            if dead:
                self._list_dead(key)
            # A scan stores what this fails to store.
            trouble = f"{self._reporter}: can't store the dead letters"
            self._background.run(self._store(), trouble)

    async def retry(self, letters: Collection[tuple[int, str]] | None = None) -> None:
        """Revive dead letters, by their builds' ids and their names; None for all."""
        dead = [each for each in self._dead if letters is None or each in letters]
        chosen = set(dead)
        self._dead = [each for each in self._dead if each not in chosen]
        self._revived += dead
        # After a crash from here on the next start revives them.
        await self._store()
        for build_id, name in dead:
            await self._revive(build_id, name)

    async def _revive(self, build_id: int, name: str) -> None:
        delivery = await self._records.find(build_id, name)
        if delivery is None:
            return
        if delivery.state is DeliveryState.DEAD:
            now = self._master.reactor.seconds()
            delivery = delivery.after(DeliveryEvent.RETRIED, now=now)
            await self._records.save(delivery)
        if not delivery.is_final:
            self._revived = [
                *(each for each in self._revived if each != (build_id, name)),
                (build_id, name),
            ]
            self._deliver(delivery)
