"""A change source from its activation to its deactivation: wires its parts together.

It has two inputs: polling (complete) and a bus (fast).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, DeferredList, DeferredLock
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji.changes.conversion import ChangeConverter
from buildbot_koji.changes.feed import HubFeed
from buildbot_koji.changes.health import Health, health_change
from buildbot_koji.changes.interruption import Alarm, Interrupted, Interruption
from buildbot_koji.changes.options import SourceLimits, SourceOptions
from buildbot_koji.changes.pacing import PendingEvents, PollSchedule
from buildbot_koji.changes.passing import is_passing
from buildbot_koji.changes.recorder import ChangeRecorder
from buildbot_koji.changes.set_aside import SetAside
from buildbot_koji.changes.status import ListenerStatus
from buildbot_koji.changes.storage import CLAIM_KEY, SourceStorage, change_key
from buildbot_koji.durable.claims import Claim, ClaimLost
from buildbot_koji.error_messages import one_line
from buildbot_koji.hubs.hub import Hub, get_hub, hubs_of
from txkoji import Connection, Cursor, Event
from txkoji.bus import BusMessage, Receiver, ReceiverState, Reject
from txkoji.exceptions import KojiException, MalformedMessage, ServerOffline

__all__ = ["Listener"]

HEALTH_INTERVAL = 60.0
"""Seconds between two looks at the health while the hub is silent; an answer ends the wait."""

SHOWN_UNUSABLE = 50
"""Events that can't become changes, of those that the status names."""

LONGEST_REASON = 300
"""Characters of an error in the log: a database repeats the statement."""


class Listener:
    """Makes changes of the events of a hub.

    Whoever reads the hub and stores changes, the poll or a message, holds one lock. Changes are
    stored under the master's own lock, so that schedulers don't start or stop meanwhile.

    Args:
        master: the Buildbot master.
        name: the change source's name.
        options: its arguments.
        limits: its pauses and limits.
        is_ours: returns whether Buildbot says that this master has the source.
        lost: called once if another master takes the source over; the listener is to be stopped.
        announced: the last change that an earlier listener of this master announced.

    Attributes:
        polls: how many polls were started.
        receiver: listens to the bus; None without one, and before the hub is known.
    """

    _log = Logger()

    def __init__(
        self,
        master: Any,
        name: str,
        options: SourceOptions,
        limits: SourceLimits,
        *,
        is_ours: Callable[[], Awaitable[bool]],
        lost: Callable[[], object],
        announced: int = 0,
    ) -> None:
        self._master = master
        self._reactor = master.reactor
        self._name = name
        self._options = options
        self._limits = limits
        self._converter = ChangeConverter(name, options)
        self._storage = SourceStorage(master, name)
        self._recorder = ChangeRecorder(
            master,
            name,
            self._storage,
            Claim(self._storage, CLAIM_KEY, lost=lost, clock=master.reactor, is_ours=is_ours),
            limits,
            options.max_changes_per_hour,
            refused=self._refused,
            announced=announced,
        )
        self._set_aside = SetAside()
        self._pending = PendingEvents(options.quiet_time, limits.longest_quiet)
        self._retry = replace(limits.retry, ceiling=options.poll_interval)
        self._schedule = PollSchedule(options.poll_interval, self._retry)
        self._health = Health(options.stale_after, self._now())
        self._interruption = Interruption()
        self._alarm = Alarm(self._reactor, self._interruption)
        self._health_alarm = Alarm(self._reactor, self._interruption)
        self._reporting = DeferredLock()
        self._connection: Connection | None = None
        self._lock = DeferredLock()
        self._feed: HubFeed | None = None
        self._hub: Hub | None = None
        self._url: str | None = None
        self._running: list[Deferred[None]] = []
        self._store_not_before = 0.0
        self._is_paused = False
        self._polled_at: float | None = None
        self._saved: tuple[Cursor, int | None] | None = None
        self.polls = 0
        self.receiver: Receiver | None = None

    # Start and stop

    @property
    def announced(self) -> int:
        """The last change that was announced to this master's schedulers."""
        return self._recorder.announced

    @property
    def is_idle(self) -> bool:
        """Whether it waits for the next poll or message."""
        return self._alarm.is_asleep

    @property
    def set_aside(self) -> int:
        """How many events can't become changes."""
        return len(self._set_aside)

    @property
    def pending(self) -> int:
        """How many events wait for the quiet time to pass."""
        return len(self._pending)

    def status(self) -> ListenerStatus:
        """Return what the listener is doing."""
        now, health = self._now(), self._health
        if self._is_paused:
            state = "paused"
        elif health.stale:
            state = "stale"
        elif self._trouble() is not None:
            state = "unreachable"
        else:
            state = "starting" if self._polled_at is None else "listening"
        receiver = self.receiver
        return ListenerStatus(
            state=state,
            reason=self._trouble(),
            silence=health.silence(now),
            polled_at=self._polled_at,
            next_poll=self._schedule.next_at or None,
            pending=len(self._pending),
            held_back=self._recorder.held,
            unusable=len(self._set_aside),
            last_unusable=tuple(self._set_aside.last(SHOWN_UNUSABLE)),
            bus=None if receiver is None else receiver.state is ReceiverState.READY,
            bus_reason=None if receiver is None else receiver.reason,
        )

    def start(self) -> None:
        """Start, in the background."""
        self._go_on(self._run())

    def _go_on(self, work: Coroutine[Deferred[Any], Any, None]) -> None:
        self._running.append(Deferred.fromCoroutine(work).addErrback(self._ended))

    def _ended(self, failure: Failure) -> None:
        if not (self._interruption.is_stopped and failure.check(Interrupted, CancelledError)):
            self._log.failure("{name} ended", failure, name=self._name)

    async def stop(self) -> None:
        """Stop: await a change that is being stored, cancel everything else."""
        if self._hub is not None:
            self._hub.use_broker(self._name, None)
        receiving = None if self.receiver is None else self.receiver.stop()
        self._interruption.stop()
        if receiving is not None:
            await receiving
        ended = DeferredList(self._running, fireOnOneErrback=True, consumeErrors=True)
        try:
            await ended.addTimeout(self._limits.stop, self._reactor)
        except DeferredTimeout:
            self._log.warn("{name}: stopped while the database did not answer", name=self._name)

    def wake(self) -> None:
        """Poll now."""
        self._schedule.wanted = True
        self._alarm.ring()

    async def _run(self) -> None:
        # Buildbot activates change sources before the schedulers listen, under this lock.
        await self._under_master_lock(_nothing)
        await self._until_done(self._prepare)
        # A poll may wait for an unreachable hub, and keep its silence from being reported.
        self._go_on(self._watch_health())
        while True:
            await self._until_done(self._iterate)
            if not self._schedule.wanted:
                await self._alarm.sleep(self._next_time() - self._now())

    async def _until_done(self, function: Callable[[], Any]) -> None:
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
                self._report_trouble(error)
            except CancelledError:
                # Another one cancelled what this one waited for, too.
                if self._interruption.is_stopped:
                    raise
            except Exception as error:  # noqa: BLE001 - most likely the database's
                self._log.failure("{name}: {error}", name=self._name, error=error)
            else:
                return
            failures += 1
            await self._interruption.wait(deferLater, self._reactor, self._retry.pause(failures))

    async def _prepare(self) -> None:
        """Connect to the hub, and read what was stored before."""
        hub = await self._interruption.wait(get_hub, self._master, self._options.profile)
        self._connection = hub.connection
        self._hub, self._url = hub, hub.connection.url
        await self._recorder.load()
        state = self._recorder.state
        self._health.stale, self._health.unusable = state.stale, state.unusable
        cursor = None if state.cursor is None else Cursor.from_json(state.cursor)
        if cursor is not None:
            self._saved = (cursor, self._recorder.counted)
            await self._recorder.read_back(cursor.horizon)
        self._feed = HubFeed(
            hub.connection,
            self._name,
            self._options,
            wanted=self._converter.may_fit,
            interruption=self._interruption,
            cursor=cursor,
        )
        if self._options.bus is not None:
            hub.use_broker(self._name, self._options.bus)
            self.receiver = Receiver(
                self._options.bus,
                self._handle,
                reactor=self._reactor,
                on_state=self._bus_changed,
                is_passing=is_passing,
            )
            self.receiver.start()

    async def _iterate(self) -> None:
        if self._schedule.take(self._now()):
            await self._locked(self._poll)
        await self._locked(self._store_when_quiet)
        await self._report_health()
        self._health_alarm.ring()
        await self._locked(self._report_credentials)

    def _next_time(self) -> float:
        times = [self._schedule.next_at]
        if not self._is_paused:
            others = (self._pending.ready_at, self._recorder.releases_at)
            times += [max(time, self._store_not_before) for time in others if time is not None]
        return min(times)

    def _now(self) -> float:
        return float(self._reactor.seconds())

    async def _locked(self, function: Callable[[], Any]) -> Any:
        await self._interruption.wait(self._lock.acquire)
        try:
            return await function()
        finally:
            self._lock.release()

    async def _under_master_lock(self, function: Callable[[], Any]) -> Any:
        lock = self._master.initLock
        await self._interruption.wait(lock.acquire)
        try:
            return await function()
        finally:
            lock.release()

    # Events

    async def _poll(self) -> None:
        self.polls += 1
        if await self._read_pause():
            # The cursor stays where it is: nothing is lost.
            self._schedule.succeeded(self._now())
            return
        assert self._feed is not None
        try:
            if self._feed.cursor is None:
                await self._feed.start_now(self._options.start_time(self._now()))
                await self._save()
            events = await self._feed.poll(self._is_known)
        except KojiException as error:
            self._report_trouble(error)
            self._schedule.failed(self._now())
            return
        self._report_answer()
        self._polled_at = self._now()
        self._schedule.succeeded(self._now())
        self._pending.add(events, self._now())
        await self._retry_set_aside()

    async def _retry_set_aside(self) -> None:
        """Make those events pending again that could not become changes: they may have changed."""
        assert self._feed is not None
        for event in self._set_aside.first(self._limits.batch):
            key = str(event.key)
            try:
                again = await self._feed.read_again(event)
            except Interrupted:
                raise
            except Exception as error:  # noqa: BLE001 - it must not stop the others
                if is_passing(error):
                    return
                self._put_aside(key, error)
                continue
            if again is None:
                self._set_aside.discard(key)
            else:
                self._pending.add([again], self._now())

    def _for_hubs(self, tell: Callable[[Hub], None]) -> None:
        """Call a function with each of this master's links to the hub, whoever logs in there."""
        for hub in hubs_of(self._master):
            if hub.connection.url == self._url:
                tell(hub)

    def _bus_changed(self, state: ReceiverState, _reason: str | None) -> None:
        is_connected = None if state is ReceiverState.STOPPED else state is ReceiverState.READY
        self._for_hubs(lambda hub: hub.bus_changed(self._name, is_connected))
        if state is ReceiverState.READY:
            # Messages that were sent while nobody listened may be lost.
            self.wake()

    async def _handle(self, message: BusMessage) -> None:
        """Ask the hub for the event that a bus message reports."""
        assert self._feed is not None
        try:
            reported = self._feed.read(message)
        except MalformedMessage as error:
            raise Reject(str(error)) from error
        if reported is not None:
            self._for_hubs(lambda hub: hub.hear(reported, self._name))
            await self._locked(lambda: self._look(reported))

    async def _look(self, reported: Event) -> None:
        assert self._feed is not None
        if self._is_paused or self._feed.cursor is None:
            # The poll finds it.
            return
        found = await self._feed.look(reported)
        self._report_answer()
        news = [event for event in found if not self._is_known(str(event.key))]
        self._pending.add(news, self._now())
        if self._options.quiet_time:
            # The cursor has not moved: if the master dies before, the poll finds it again.
            self._alarm.ring()
        else:
            await self._store()

    def _is_known(self, key: str) -> bool:
        return key in self._pending or key in self._set_aside or self._recorder.knows(key)

    # Changes

    async def _store_when_quiet(self) -> None:
        ready_at = self._pending.ready_at
        if ready_at is not None and self._now() < ready_at:
            return
        try:
            await self._store()
        except KojiException as error:
            self._report_trouble(error)
            self._store_not_before = self._now() + self._retry.pause(1)

    async def _store(self) -> None:
        """Make changes of the pending events, and of held-back changes as the limit allows.

        Raises:
            KojiException: the hub is unreachable, or refused; the events stay pending.
        """
        assert self._feed is not None
        while self._pending and not self._is_paused:
            events = await self._feed.complete(
                self._pending.first(self._limits.batch),
                lambda event, error: self._put_aside(str(event.key), error),
            )
            await self._under_master_lock(partial(self._record, events))
        while self._recorder.may_release(self._now()) and not self._is_paused:
            await self._under_master_lock(self._release)
        await self._save()

    async def _record(self, events: Sequence[Event]) -> None:
        if await self._read_pause():
            # They stay pending.
            return
        changes = []
        for event in events:
            key = str(event.key)
            try:
                change = self._converter.convert(event)
            except Exception as error:  # noqa: BLE001 - it must not stop the others
                self._put_aside(key, error)
                continue
            if change is None:
                self._recorder.dismiss(key, event.when or 0.0, self._now())
                self._done_with(key)
            else:
                changes.append((key, change))
        done = await self._recorder.record(
            [change for _, change in changes],
            self._now(),
            lambda: not self._interruption.is_stopped,
        )
        for key, _ in changes[:done]:
            if key in self._pending:
                self._done_with(key)

    def _done_with(self, key: str) -> None:
        self._pending.discard(key)
        if self._set_aside.discard(key):
            self._log.info("{name}: the event {key} is usable now", name=self._name, key=key)

    def _refused(self, change: dict[str, Any], error: Exception) -> None:
        self._put_aside(change_key(change), error)

    def _put_aside(self, key: str, error: Exception) -> None:
        """Set an event aside that can't become a change, and log it unless that was done."""
        reason = " ".join(f"{type(error).__name__}: {error}"[:LONGEST_REASON].split())
        if self._set_aside.add(key, self._pending.get(key), reason, self._now()):
            self._log.warn(
                "{name}: the event {key} can't become a change: {reason}",
                name=self._name,
                key=key,
                reason=reason,
            )
        self._pending.discard(key)

    async def _release(self) -> None:
        if not await self._read_pause():
            await self._recorder.release(self._limits.batch, self._now())

    async def _read_pause(self) -> bool:
        """Return whether the source is paused; another master may have done it."""
        is_paused = await self._storage.is_paused()
        if is_paused != self._is_paused:
            self._is_paused = is_paused
            words = "is paused" if is_paused else "resumes"
            self._log.info("{name} {words}", name=self._name, words=words)
        return is_paused

    async def _save(self) -> None:
        """Write the state if it changed and no event is pending."""
        cursor = None if self._feed is None else self._feed.cursor
        if cursor is None or self._pending:
            return
        resume_at = self._resume_at(cursor)
        saved = (resume_at, self._recorder.counted)
        if saved != self._saved:
            self._recorder.state.cursor = resume_at.to_json()
            await self._recorder.save()
            self._saved = saved
        # Of events before that, only those of tags that were not known come up, and none of them
        # was given before.
        self._recorder.forget(cursor.begin.time)

    def _resume_at(self, cursor: Cursor) -> Cursor:
        """Return where to continue after a restart: no event that is set aside lies before it."""
        if self._set_aside and self._saved is not None:
            before, _ = self._saved
            if cursor.begin.time - before.begin.time < self._limits.set_aside:
                return before
        return cursor

    # Health

    def _report_answer(self) -> None:
        if self._health.succeeded(self._now()):
            self._log.info("{name}: the hub answers again", name=self._name)

    def _report_trouble(self, error: KojiException) -> None:
        """Log why a request failed, once until the hub answers."""
        # An offline hub refuses any call: which one it was does not matter.
        text = error.text if isinstance(error, ServerOffline) else str(error)
        words = " ".join(text.split())
        if self._health.failed(words):
            self._log.warn("{name}: {error}; trying again", name=self._name, error=words)

    async def _watch_health(self) -> None:
        while True:
            await self._until_done(self._report_health)
            due = self._health.due_in(self._now())
            await self._health_alarm.sleep(HEALTH_INTERVAL if due is None else due)

    async def _report_health(self) -> None:
        await self._interruption.wait(self._reporting.acquire)
        before = self._health.stale, self._health.unusable
        try:
            await self._store_health()
        except BaseException:
            # The next report says it.
            self._health.stale, self._health.unusable = before
            raise
        finally:
            self._reporting.release()

    def _trouble(self) -> str | None:
        """Return why the hub does not answer, also while the first request still waits for it."""
        trouble = None if self._connection is None else self._connection.trouble
        return self._health.trouble or (None if trouble is None else one_line(trouble))

    async def _store_health(self) -> None:
        now = self._now()
        if self._is_paused:
            self._health.not_asked(now)
        silence = self._health.silence(now)
        was_stale = self._health.stale
        left_out: Mapping[str, str] = {} if self._feed is None else self._feed.left_out
        unusable = len(self._set_aside) + len(left_out)
        if not self._health.changed(now, unusable=unusable > 0):
            return
        condition, hub = self._health.condition, self._options.hub_name
        if condition == "stale":
            words = f"no answer from {hub} for {silence:.0f} s: {self._trouble()}"
        elif condition == "unusable":
            reason = self._set_aside.reason
            if left_out:
                reason = ": ".join(list(left_out.items())[-1])
            words = f"events of {hub} that can't become changes: {unusable}, the last one: {reason}"
        else:
            words = f"{hub} answers again" if was_stale else f"all events of {hub} are usable"
        log = self._log.info if condition == "well" else self._log.warn
        log("{name}: {words}", name=self._name, words=words)
        change = health_change(
            self._name, hub, condition=condition, words=words, unusable=unusable, now=now
        )
        await self._under_master_lock(lambda: self._recorder.add_health(change))
        self._recorder.state.stale = self._health.stale
        self._recorder.state.unusable = self._health.unusable
        await self._recorder.save()

    async def _report_credentials(self) -> None:
        """Make a change when a credential begins to run out, and when it is replaced."""
        if self._hub is None or not self._hub.knows_credentials:
            return
        trouble, state = self._hub.credential_trouble, self._recorder.state
        found = "" if trouble is None else f"{trouble.kind} {trouble.name}: {trouble.state}"
        if found == state.credentials:
            return
        hub = self._options.hub_name
        condition = "credentials-well" if trouble is None else "credentials"
        words = f"the credentials for {hub} are good" if trouble is None else trouble.message
        change = health_change(self._name, hub, condition=condition, words=words, now=self._now())
        await self._under_master_lock(lambda: self._recorder.add_health(change))
        state.credentials = found
        await self._recorder.save()


async def _nothing() -> None:
    """Do nothing."""
