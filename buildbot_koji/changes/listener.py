"""A change source from its activation to its deactivation: when it polls, and what it listens to.

It has two inputs: polling (complete) and a bus (fast).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger

from buildbot_koji.changes.context import SourceContext
from buildbot_koji.changes.health_reports import HealthReports
from buildbot_koji.changes.intake import EventIntake
from buildbot_koji.changes.interruption import Interrupted
from buildbot_koji.changes.pacing import PollSchedule
from buildbot_koji.changes.set_aside import is_passing
from buildbot_koji.changes.status import ListenerStatus
from buildbot_koji.changes.stored import MissedAnnouncements
from buildbot_koji.durable.background import Background, stop_consuming
from buildbot_koji.durable.claims import ClaimLost, schedulers_are_claimed
from buildbot_koji.durable.database import DatabaseOutage, is_database_unreachable
from buildbot_koji.error_messages import was_cancelled
from buildbot_koji.frozen import MISSED
from buildbot_koji.hubs.hub import Hub, get_hub, hubs_of
from txkoji import Event, messages
from txkoji.bus import BusMessage, Receiver, ReceiverState
from txkoji.elapsed import Alarm
from txkoji.exceptions import KojiException
from txkoji.locks import Lock

POLL = ("koji_source", "poll", "requested")
"""The event that makes a change source poll, on any master."""

SHOWN_UNUSABLE = 50
"""Events that can't become changes, of those that the status names."""


class Listener:
    """Polls a hub and listens to its bus; the intake turns the events into changes.

    The poll, a message and the end of the quiet time use the intake one at a time, under a lock.

    Args:
        context: the change source.
        announced: the last change that an earlier listener of this master announced.

    Attributes:
        polls: how many polls were started.
        receiver: listens to the bus; None without one, and before the hub is known.
    """

    _log = Logger()

    def __init__(self, context: SourceContext, announced: int = 0) -> None:
        self._master = context.master
        self._reactor = context.master.reactor
        self._name = context.name
        self._options = context.options
        self._limits = context.limits
        self._elapsed = context.elapsed
        self._now = context.elapsed.seconds
        self._interruption = context.interruption
        self._alarm = Alarm(self._elapsed)
        self._intake = EventIntake(context, announced)
        self._health = HealthReports(context, self._intake)
        longest = min(self._options.poll_interval, self._limits.retry.ceiling)
        self._retry = replace(self._limits.retry, ceiling=longest)
        self._schedule = PollSchedule(self._options.poll_interval, self._retry)
        self._lock = Lock()
        self._hub: Hub | None = None
        self._consumers: list[Any] = []
        self._background = Background(Interrupted)
        self._running: list[Deferred[None]] = []
        self._store_not_before = 0.0
        self._polled_at: float | None = None
        self.polls = 0
        self._database = DatabaseOutage()
        self._missed = MissedAnnouncements(context, self._alarm.ring)
        self.receiver: Receiver | None = None

    @property
    def announced(self) -> int:
        """The last change that was announced to this master's schedulers."""
        return self._intake.recorder.announced

    @property
    def is_idle(self) -> bool:
        """Whether it waits for the next poll or message."""
        return self._alarm.is_asleep

    def status(self) -> ListenerStatus:
        """Return what the listener is doing."""
        intake, health, receiver = self._intake, self._health, self.receiver
        next_at = self._schedule.next_at
        if intake.is_paused:
            state = "paused"
        elif health.is_stale:
            state = "stale"
        elif health.trouble is not None:
            state = "unreachable"
        else:
            state = "starting" if self._polled_at is None else "listening"
        return ListenerStatus(
            state=state,
            reason=health.trouble,
            silence=health.silence,
            polled_at=self._polled_at,
            next_poll=self._elapsed.moment(next_at) if next_at else None,
            pending=len(intake.pending),
            held_back=intake.recorder.held,
            waiting_since=intake.waiting_since,
            unusable=len(intake.set_aside),
            last_unusable=tuple(
                attrs.evolve(each, since=self._elapsed.moment(each.since))
                for each in intake.set_aside.last(SHOWN_UNUSABLE)
            ),
            bus=None if receiver is None else receiver.state is ReceiverState.READY,
            bus_reason=None if receiver is None else receiver.reason,
        )

    @property
    def is_outdated(self) -> bool:
        """Whether a newer link to its hub has replaced the one that it uses."""
        return self._hub is not None and not self._hub.is_current

    # Start and stop

    def start(self) -> None:
        """Start, in the background."""
        self._spawn(self._run())

    def _spawn(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        self._running.append(self._background.run(work, f"{self._name}: ended"))

    async def stop(self) -> None:
        """Stop: await a change that is being stored, cancel everything else."""
        if self._hub is not None:
            self._hub.buses.use(self._name, None)
            self._hub.users.discard(self)
        receiving = None if self.receiver is None else self.receiver.stop()
        self._interruption.stop()
        self._running.append(Deferred.fromCoroutine(stop_consuming(self._consumers)))
        if receiving is not None:
            await receiving

        def late(ended: Any, _: float) -> Any:
            """Log that what was still at work was canceled."""
            self._log.warn("{name}: stopped while the database did not answer", name=self._name)
            return ended

        await self._elapsed.limit(DeferredList(self._running), self._limits.stop, late)

    def wake(self) -> None:
        """Poll now."""
        self._schedule.wanted = True
        self._alarm.ring()

    async def _run(self) -> None:
        # Buildbot activates change sources before the schedulers listen, under this lock.
        await self._interruption.locked(self._master.initLock, _nothing)
        await self._until_done(self._wait_for_schedulers)
        await self._until_done(self._prepare)
        self._spawn(self._health.watch(self._until_done))
        while True:
            await self._until_done(self._iterate)
            if not self._schedule.wanted:
                await self._interruption.wait(self._alarm.sleep, self._next_time() - self._now())

    async def _until_done(self, function: Callable[[], Awaitable[None]]) -> None:
        """Retry a function until it succeeds: the source has to run for years."""
        failures = 0
        while True:
            try:
                await function()
            except ClaimLost:
                # The caller that is notified stops this listener.
                await self._interruption.wait(Deferred)
            except Interrupted:
                raise
            except KojiException as error:
                self._health.failed(error)
            except Exception as error:
                if not was_cancelled(error):
                    # Most likely the database's.
                    self._failed(error)
                    self._missed.later()
                elif self._interruption.is_stopped:
                    raise
                # Otherwise another task cancelled a Deferred that both waited for: retry.
            else:
                self._database.answered()
                return
            failures += 1
            await self._interruption.wait(self._elapsed.pause, self._retry.pause(failures))

    def _failed(self, error: Exception) -> None:
        if is_database_unreachable(error):
            self._database.failed(self._name, error)
        else:
            self._log.failure("{name}: {error}", name=self._name, error=error)

    async def _wait_for_schedulers(self) -> None:
        """Wait until the schedulers are active: they see no change that was made before.

        A master that takes over from another may get the schedulers later than the source.
        """
        limit = self._now() + self._limits.schedulers
        while self._now() < limit and not await schedulers_are_claimed(self._master):
            pause = self._limits.look_for_schedulers
            await self._interruption.wait(self._elapsed.pause, pause)

    def _asked_to_poll(self, _: Any, message: Mapping[str, Any]) -> None:
        if message["source"] == self._name:
            self.wake()

    async def _prepare(self) -> None:
        """Connect to the hub, and read what was stored before."""
        consume = self._master.mq.startConsuming
        for callback, events in (
            (self._asked_to_poll, POLL),
            (self._missed.master_changed, ("masters", None, None)),
            (self._missed.change_missed, MISSED),
        )[len(self._consumers) :]:
            self._consumers.append(await self._interruption.wait(consume, callback, events))
        hub = await self._interruption.wait(get_hub, self._master, self._options.profile)
        await self._intake.load(hub.connection)
        # Nothing would stop what begins now.
        self._interruption.check()
        self._hub = hub
        hub.users.add(self)
        self._health.load(hub)
        if self._options.bus is not None:
            hub.buses.use(self._name, self._options.bus)
            self.receiver = Receiver(
                self._options.bus,
                self._handle,
                reactor=self._reactor,
                on_state=self._bus_changed,
                is_passing=is_passing,
                name=self._name,
            )
            self.receiver.start()

    async def _iterate(self) -> None:
        if self._schedule.take(self._now()):
            await self._locked(self._poll)
        await self._locked(self._store_when_quiet)
        await self._missed.repeat(partial(self._locked, self._intake.recorder.announce_again))
        await self._health.report()
        self._health.wake()
        await self._locked(self._health.report_credentials)

    def _next_time(self) -> float:
        times = [self._schedule.next_at, *self._missed.times[:1]]
        if self._intake.next_time is not None:
            times.append(max(self._intake.next_time, self._store_not_before))
        return min(times)

    async def _locked(self, function: Callable[[], Awaitable[None]]) -> None:
        await self._interruption.locked(self._lock, function)

    # The poll

    async def _poll(self) -> None:
        self.polls += 1
        if await self._intake.read_pause():
            # The cursor stays where it is: nothing is lost.
            self._schedule.succeeded(self._now())
            return
        try:
            await self._intake.poll()
        except KojiException as error:
            self._health.failed(error)
            self._schedule.failed(self._now())
            return
        self._health.answered()
        self._polled_at = float(self._reactor.seconds())
        self._schedule.succeeded(self._now())
        await self._intake.retry_set_aside()

    async def _store_when_quiet(self) -> None:
        if not self._intake.pending.are_ready(self._now()):
            return
        try:
            await self._intake.store()
        except KojiException as error:
            self._health.failed(error)
            self._store_not_before = self._now() + self._retry.pause(1)

    # The bus

    def _for_hubs(self, tell: Callable[[Hub], None]) -> None:
        """Call a function with each of this master's links to the hub: one for each login."""
        assert self._hub is not None
        url = self._hub.connection.url
        for hub in hubs_of(self._master):
            if hub.connection.url == url:
                tell(hub)

    def _bus_changed(self, state: ReceiverState, _reason: str | None) -> None:
        is_connected = None if state is ReceiverState.STOPPED else state is ReceiverState.READY
        self._for_hubs(lambda hub: hub.buses.changed(self._name, is_connected))
        if state is ReceiverState.READY:
            assert self._hub is not None
            assert self.receiver is not None
            self._hub.buses.use(self._name, self._options.bus, self.receiver.server_expires)
            # Messages that were sent while nobody listened may be lost.
            self.wake()

    async def _handle(self, message: BusMessage) -> None:
        """Ask the hub for the event that a bus message reports."""
        assert self._hub is not None
        reported = messages.read(message, self._hub.connection)
        if reported is not None:
            self._for_hubs(lambda hub: hub.buses.hear(reported, self._name))
            await self._locked(lambda: self._confirm(reported))

    async def _confirm(self, reported: Event) -> None:
        if not await self._intake.confirm(reported):
            return
        self._health.answered()
        if self._options.quiet_time:
            # The cursor has not moved: if the master dies before, the poll finds it again.
            self._alarm.ring()
        else:
            await self._intake.store()


async def _nothing() -> None:
    """Do nothing."""
