"""How a change source listens: a poll that is complete, and a bus that is fast."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji.changes.delivery import Delivery
from buildbot_koji.changes.health import Health, health_change
from buildbot_koji.changes.mapping import change_of
from buildbot_koji.changes.selection import Selection
from buildbot_koji.changes.storage import Storage
from buildbot_koji.hubs.hub import get_hub
from txkoji import messages
from txkoji.bus import BusMessage, Receiver, ReceiverState, Reject
from txkoji.exceptions import KojiException, MalformedMessage, ServerOffline
from txkoji.gathering import gather
from txkoji.history.events import Event
from txkoji.history.poller import Cursor, Interest, Poller
from txkoji.history.tags import is_glob

__all__ = ["Listener"]

BATCH = 20
"""Changes that are stored before others get a turn: a third of a second on SQLite."""

QUIET_AT_MOST = 10
"""How many times ``quiet_time`` the first of a flood waits."""

FIRST_PAUSE = 5.0
"""Seconds after the first failure of a poll; then twice as many, up to the poll's interval."""

STOP_LIMIT = 10.0
"""Seconds that a stop waits for a change that is being stored."""


class _Stopped(Exception):
    """The source is to stop: what is under way is left as it is."""


class Listener:
    """A change source from its activation to its deactivation.

    One lock is held by whoever reads the hub and stores changes, the poll or a message; changes are
    stored under the master's own lock, so that none is while schedulers come and go.

    Args:
        master: the Buildbot master.
        name: the change source's name.
        options: its arguments, all of them.
        hub_name: the name of the hub's profile.
        announced: the last change that an earlier listener of this master told the schedulers of.

    Attributes:
        polls: how many rounds were begun.
    """

    _log = Logger()

    def __init__(
        self,
        master: Any,
        name: str,
        options: dict[str, Any],
        *,
        hub_name: str,
        announced: int = 0,
    ) -> None:
        self._master = master
        self._reactor = master.reactor
        self._name = name
        self._options = options
        self._hub_name = hub_name
        self._selection = Selection(
            packages=tuple(options["packages"]),
            targets=tuple(options["targets"]),
            owners=tuple(options["owners"]),
            types=tuple(options["build_types"]),
            methods=tuple(options["methods"]),
            scratch=options["scratch"],
            ignore_marker=options["ignore_marker"],
            function=options["filter"],
        )
        self._storage = Storage(master, name)
        self._delivery = Delivery(
            master, name, self._storage, options["max_changes_per_hour"], announced=announced
        )
        self._lock = DeferredLock()
        self._waits: set[Deferred[Any]] = set()
        self._stopping = False
        self._done: Deferred[None] | None = None
        self._awake: Deferred[None] | None = None
        self._receiver: Receiver | None = None
        self._gathered: dict[str, Event] = {}
        self._gathering_since = 0.0
        self._gathered_at = 0.0
        self._reached: Cursor | None = None
        self._next_poll = 0.0
        self._flush_not_before = 0.0
        self._trouble: str | None = None
        self._failures = 0
        self.polls = 0
        self._paused = False
        self._poll_wanted = False
        self._names_checked = False
        self._written: Any = None

    # Start and stop

    @property
    def announced(self) -> int:
        """The last change that this master's schedulers were told of."""
        return self._delivery.announced

    def start(self) -> None:
        """Begin, in the background."""
        self._done = Deferred.fromCoroutine(self._run())
        self._done.addErrback(self._ended)

    def _ended(self, failure: Failure) -> None:
        if not (self._stopping and failure.check(_Stopped, CancelledError)):
            self._log.failure("{name} has ended", failure, name=self._name)

    async def stop(self) -> None:
        """End; a change that is being stored is waited for, everything else given up."""
        self._stopping = True
        listening = None if self._receiver is None else self._receiver.stop()
        for wait in list(self._waits):
            wait.cancel()
        if listening is not None:
            await listening
        if self._done is not None:
            try:
                await self._done.addTimeout(STOP_LIMIT, self._reactor)
            except DeferredTimeout:
                self._log.warn("{name}: the database does not answer", name=self._name)

    def wake(self) -> None:
        """Poll now."""
        self._poll_wanted = True
        self._rouse()

    def _rouse(self) -> None:
        """Look anew what there is to do when."""
        if self._awake is not None and not self._awake.called:
            self._awake.callback(None)

    async def _give_up_able(self, begin: Callable[..., Deferred[Any]], *args: Any) -> Any:
        """Wait for something that a stop need not wait for."""
        if self._stopping:
            raise _Stopped
        waited = begin(*args)
        self._waits.add(waited)
        try:
            return await waited
        except CancelledError:
            if self._stopping:
                raise _Stopped from None
            raise
        finally:
            self._waits.discard(waited)

    async def _sleep(self, seconds: float) -> None:
        """Wait so long, or until someone wakes us."""
        if self._poll_wanted:
            return
        awake: Deferred[None] = Deferred()
        self._awake = awake
        timer = self._reactor.callLater(max(seconds, 0.0), self._rouse)
        try:
            await self._give_up_able(lambda: awake)
        finally:
            self._awake = None
            if timer.active():
                timer.cancel()

    # The life of it

    async def _run(self) -> None:
        # Change sources are activated before the schedulers listen, under this lock.
        await self._under_master_lock(_nothing)
        await self._until_it_works(self._prepare)
        self._next_poll = self._now()
        while True:
            await self._until_it_works(self._turn)
            await self._sleep(min(self._next_poll, *self._other_times()) - self._now())

    async def _until_it_works(self, function: Callable[[], Any]) -> None:
        """Do something again until it succeeds: this has to go on for years."""
        pause = FIRST_PAUSE
        while True:
            try:
                await function()
            except _Stopped:
                raise
            except KojiException as error:
                self._say_trouble(error)
            except Exception as error:  # noqa: BLE001 - the database, most likely
                self._log.failure("{name}: {error}", name=self._name, error=error)
            else:
                return
            await self._give_up_able(deferLater, self._reactor, pause)
            pause = min(2 * pause, self._options["poll_interval"])

    async def _turn(self) -> None:
        if self._poll_wanted or self._now() >= self._next_poll:
            self._poll_wanted = False
            self._next_poll = self._now() + await self._locked(self._poll)
        await self._locked(self._flush_when_quiet)
        await self._locked(self._tell_health)

    def _other_times(self) -> list[float]:
        """Return when there is something to do but the poll."""
        times = [self._now() + self._options["poll_interval"]]
        if self._gathered and not self._paused:
            times.append(max(self._quiet_at(), self._flush_not_before))
        drains_at = self._delivery.drains_at()
        if drains_at is not None and not self._paused:
            times.append(max(drains_at, self._flush_not_before))
        return times

    async def _prepare(self) -> None:
        """Get the hub, and what was stored before."""
        hub = await get_hub(self._master, self._options["profile"])
        self._connection = hub.connection
        self._poller = Poller(self._connection, self._interest(), overlap=self._options["overlap"])
        self._delivery.standing = await self._storage.load()
        standing = self._delivery.standing
        self._health = Health(self._options["stale_after"], self._now(), stale=standing.stale)
        if standing.cursor is not None:
            self._reached = Cursor.from_json(standing.cursor)
        await self._delivery.start(None if self._reached is None else self._reached.horizon)
        if self._options["bus"] is not None:
            self._receiver = Receiver(
                self._options["bus"],
                self._handle,
                reactor=self._reactor,
                on_state=self._bus_changed,
            )
            self._receiver.start()

    def _interest(self) -> Interest:
        options = self._options
        return Interest(
            names=frozenset(options["events"]),
            tags=tuple(options["tags"]),
            inherited=options["inherited"],
            methods=tuple(options["methods"]),
            targets=bool(options["targets"]),
            rpms=options["rpms"],
            types=bool(options["build_types"]),
            wanted=self._selection.may_fit,
        )

    def _now(self) -> float:
        return float(self._reactor.seconds())

    async def _locked(self, function: Callable[[], Any]) -> Any:
        await self._give_up_able(self._lock.acquire)
        try:
            return await function()
        finally:
            self._lock.release()

    async def _under_master_lock(self, function: Callable[[], Any]) -> Any:
        lock = self._master.initLock
        await self._give_up_able(lock.acquire)
        try:
            return await function()
        finally:
            lock.release()

    # The poll

    async def _poll(self) -> float:
        """Run a round; returns the seconds until the next."""
        self.polls += 1
        if await self._is_paused():
            # The cursor stays where it is: nothing is lost.
            return float(self._options["poll_interval"])
        try:
            if self._reached is None:
                since = self._since()
                self._reached = await self._give_up_able(self._poller.baseline, since)
                await self._save()
            if not self._names_checked:
                await self._check_names()
            found = await self._give_up_able(
                partial(self._poller.round, self._reached, known=self._is_known)
            )
        except KojiException as error:
            self._say_trouble(error)
            self._failures += 1
            pause: float = min(FIRST_PAUSE * 2**self._failures / 2, self._options["poll_interval"])
            return pause
        self._heard()
        self._failures = 0
        self._gather(found.events)
        self._reached = found.cursor
        return float(self._options["poll_interval"])

    def _since(self) -> float | None:
        since = self._options["since"]
        if isinstance(since, datetime.timedelta):
            return self._now() - since.total_seconds()
        return None if since is None else float(since.timestamp())

    def _heard(self) -> None:
        if self._trouble is not None:
            self._log.info("{name}: the hub answers again", name=self._name)
            self._trouble = None
        self._health.succeeded(self._now())

    def _say_trouble(self, error: Exception) -> None:
        """Log what is wrong, once as long as it is the same."""
        # Which of the calls it was that an offline hub refused, does not matter.
        words = " ".join(str(error.text if isinstance(error, ServerOffline) else error).split())
        if words != self._trouble:
            self._trouble = words
            self._log.warn("{name}: {error}; trying again", name=self._name, error=words)

    async def _check_names(self) -> None:
        """Say which names the hub does not know: a new configuration may have a slip in it."""
        methods = {"packages": "getPackage", "targets": "getBuildTarget", "owners": "getUser"}
        asked = [
            (option, name)
            for option in methods
            for name in self._options[option]
            if not is_glob(name)
        ]
        found = await self._give_up_able(
            lambda: Deferred.fromCoroutine(
                gather([self._connection.call(methods[option], name) for option, name in asked])
            )
        )
        for (option, name), struct in zip(asked, found, strict=True):
            if struct is None:
                self._log.warn(
                    "{source}: {option}: the hub has no {name}: check the spelling",
                    source=self._name,
                    option=option,
                    name=name,
                )
        self._names_checked = True

    # The bus

    def _bus_changed(self, state: ReceiverState, _reason: str | None) -> None:
        if state is ReceiverState.READY:
            # What was sent while nobody listened may be lost.
            self.wake()

    async def _handle(self, message: BusMessage) -> None:
        """Take a message of the bus: it tells where to look."""
        try:
            told = messages.read(message, self._connection)
        except MalformedMessage as error:
            raise Reject(str(error)) from error
        if told is not None:
            await self._locked(lambda: self._look(told))

    async def _look(self, told: Event) -> None:
        if self._paused or self._reached is None:
            # The poll finds it.
            return
        found = await self._give_up_able(self._poller.look, told, self._reached)
        self._heard()
        self._gather([event for event in found if not self._is_known(str(event.key))])
        if self._options["quiet_time"]:
            # The cursor has not moved: should the master end before, the poll finds it again.
            self._rouse()
            return
        await self._flush()

    # From events to changes

    def _is_known(self, key: str) -> bool:
        return key in self._gathered or self._delivery.knows(key)

    def _gather(self, found: Sequence[Event]) -> None:
        now = self._now()
        if found and not self._gathered:
            self._gathering_since = now
        for event in found:
            self._gathered[str(event.key)] = event
            self._gathered_at = now

    def _quiet_at(self) -> float:
        """Return when what is gathered becomes changes."""
        quiet = self._options["quiet_time"]
        return min(self._gathered_at + quiet, self._gathering_since + QUIET_AT_MOST * quiet)

    async def _flush_when_quiet(self) -> None:
        if self._gathered and self._now() < self._quiet_at():
            return
        try:
            await self._flush()
        except KojiException as error:
            self._say_trouble(error)
            self._flush_not_before = self._now() + FIRST_PAUSE

    async def _flush(self) -> None:
        """Make changes of what is gathered, and of what was held back, as far as it may be.

        Raises:
            KojiException: the hub could not be asked; what is gathered stays so.
        """
        while self._gathered and not self._paused:
            batch = list(self._gathered.values())[:BATCH]
            whole = await self._give_up_able(self._poller.complete, batch)
            await self._under_master_lock(partial(self._deliver, whole))
        while self._delivery.may_drain(self._now()) and not self._paused:
            await self._under_master_lock(self._drain)
        await self._save()

    async def _deliver(self, whole: Sequence[Event]) -> None:
        """Deal with some events; where the source is paused meanwhile, they stay gathered."""
        if await self._is_paused():
            return
        wanted = []
        for event in whole:
            if self._fits(event):
                wanted.append(event)
            else:
                self._delivery.dismiss(str(event.key), event.when or 0.0, self._now())
                self._gathered.pop(str(event.key), None)
        changes = [self._change_of(event) for event in wanted]
        done = await self._delivery.deliver(changes, self._now(), lambda: not self._stopping)
        for event in wanted[:done]:
            self._gathered.pop(str(event.key), None)

    async def _is_paused(self) -> bool:
        """Read the switch: whoever turned it may be on another master."""
        paused = await self._storage.is_paused()
        if paused != self._paused:
            self._paused = paused
            words = "is paused" if paused else "goes on"
            self._log.info("{name} {words}", name=self._name, words=words)
        return paused

    def _fits(self, event: Event) -> bool:
        try:
            return self._selection.fits(event)
        except Exception:  # noqa: BLE001 - a mistake in a function of master.cfg must lose nothing
            self._log.failure(
                "{name}: the filter failed at {key}, which becomes a change",
                name=self._name,
                key=event.key,
            )
            return True

    def _change_of(self, event: Event) -> dict[str, Any]:
        change = change_of(
            event, source=self._name, hub=self._hub_name, project=self._options["project"]
        )
        if self._options["codebase"] is not None:
            change["codebase"] = self._options["codebase"]
        return change

    async def _drain(self) -> None:
        if not await self._is_paused():
            await self._delivery.drain(BATCH, self._now())

    async def _save(self) -> None:
        """Write where we stand, if that is another place."""
        standing, reached = self._delivery.standing, self._reached
        if reached is None or self._gathered:
            return
        cursor = reached.to_json()
        counted = None if self._options["max_changes_per_hour"] is None else standing.count
        written = (cursor, counted)
        if written != self._written:
            standing.cursor = cursor
            await self._delivery.save()
            self._written = written
        # Before that, only tags that were not known come up, and with them what was never given.
        self._delivery.forget(reached.begin.time)

    # Health

    async def _tell_health(self) -> None:
        if self._paused:
            self._health.not_asked(self._now())
        silence = self._health.silence(self._now())
        if not self._health.changed(self._now()):
            return
        stale = self._health.stale
        if stale:
            words = f"nothing was heard of {self._hub_name} for {silence:.0f} s: {self._trouble}"
            self._log.warn("{name}: {words}", name=self._name, words=words)
        else:
            words = f"{self._hub_name} is heard again"
            self._log.info("{name}: {words}", name=self._name, words=words)
        change = health_change(
            self._name, self._hub_name, stale=stale, words=words, now=self._now()
        )
        await self._under_master_lock(lambda: self._delivery.add_health(change))
        self._delivery.standing.stale = stale
        await self._delivery.save()


async def _nothing() -> None:
    """Do nothing."""
