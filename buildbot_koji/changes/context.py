"""What all parts of a running change source share: its options, which events fit, how it waits."""

from __future__ import annotations

import datetime
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredLock
from twisted.internet.interfaces import IReactorTime

from buildbot_koji.changes.storage import SourceStorage
from buildbot_koji.database_values import MAX_VALUE, member
from buildbot_koji.durable.claims import Claim
from buildbot_koji.hubs.koji_hub import RenderedHub
from txkoji import (
    SUBMISSION_MARKER,
    Event,
    PackageListChange,
    RepoDone,
    RetryPolicy,
    TaskStateChange,
    matches,
)

T = TypeVar("T")


class Interrupted(Exception):
    """A stop ended the wait."""


class Interruption:
    """Lets :meth:`stop` end all waits, those that start later too."""

    def __init__(self) -> None:
        self._waits: set[Deferred[Any]] = set()
        self.is_stopped = False

    def check(self) -> None:
        """Raise Interrupted if it was stopped, maybe while something else was awaited."""
        if self.is_stopped:
            raise Interrupted

    async def wait(self, start: Callable[..., Deferred[Any]], *args: Any) -> Any:
        """Call a function and await its Deferred; :meth:`stop` cancels it.

        Raises:
            Interrupted: it was stopped.
        """
        self.check()
        waited = start(*args)
        self._waits.add(waited)
        try:
            return await waited
        except CancelledError:
            if self.is_stopped:
                raise Interrupted from None
            raise
        finally:
            self._waits.discard(waited)

    async def locked(self, lock: DeferredLock, function: Callable[[], Awaitable[T]]) -> T:
        """Await a function while holding a lock.

        Raises:
            Interrupted: it was stopped before it got the lock.
        """
        await self.wait(lock.acquire)
        try:
            return await function()
        finally:
            lock.release()

    def stop(self) -> None:
        """End all waits."""
        self.is_stopped = True
        for wait in list(self._waits):
            wait.cancel()


class Alarm:
    """Sleeps until a time has passed or someone calls :meth:`ring`."""

    def __init__(self, clock: IReactorTime, interruption: Interruption) -> None:
        self._clock = clock
        self._interruption = interruption
        self._ringing: Deferred[None] | None = None

    @property
    def is_asleep(self) -> bool:
        """Whether someone sleeps now."""
        return self._ringing is not None

    async def sleep(self, seconds: float) -> None:
        """Sleep.

        Raises:
            Interrupted: it was stopped.
        """
        ringing: Deferred[None] = Deferred()
        self._ringing = ringing
        timer = self._clock.callLater(max(seconds, 0.0), self.ring)
        try:
            await self._interruption.wait(lambda: ringing)
        finally:
            self._ringing = None
            if timer.active():
                timer.cancel()

    def ring(self) -> None:
        """End the sleep, if someone sleeps."""
        if self._ringing is not None and not self._ringing.called:
            self._ringing.callback(None)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The arguments of a ``KojiChangeSource`` that an event must match.

    An empty sequence and None match any event.
    """

    packages: Sequence[str] = ()
    targets: Sequence[str] = ()
    owners: Sequence[str] = ()
    build_types: Sequence[str] = ()
    methods: Sequence[str] = ()
    scratch: bool | None = None
    ignore_marker: bool = False
    filter: Callable[[Event], Any] | None = None

    def may_fit(self, event: Event) -> bool:
        """Return whether an event, whose details may still be missing, can match."""
        return not (
            self._other_package(event)
            or (_owner(event) is not None and self._other_owner(event))
            or (event.task is not None and self._other_task(event))
            or (self.ignore_marker and _has_marker(event))
        )

    def fits(self, event: Event) -> bool:
        """Return whether a complete event matches.

        Raises:
            Exception: whatever :attr:`filter` raises.
        """
        return (
            not self._other_package(event)
            and not self._other_owner(event)
            and not self._other_task(event)
            and not self._other_build(event)
            and not (self.ignore_marker and _has_marker(event))
            and (self.filter is None or bool(self.filter(event)))
        )

    def _other_package(self, event: Event) -> bool:
        has_package = not isinstance(event, RepoDone)
        return has_package and _differs(event.package_name, self.packages)

    def _other_owner(self, event: Event) -> bool:
        has_owner = event.build is not None or event.task is not None
        return has_owner and _differs(_owner(event), self.owners)

    def _other_task(self, event: Event) -> bool:
        task = event.task
        if isinstance(event, TaskStateChange) and task is not None:
            other_kind = self.scratch is not None and task.is_scratch != self.scratch
            if other_kind or (self.methods and task.method not in self.methods):
                return True
        if isinstance(event, (RepoDone, PackageListChange)):
            return False
        target = event.target or (None if task is None else task.target)
        return _differs(target, self.targets)

    def _other_build(self, event: Event) -> bool:
        wanted = set(self.build_types)
        return bool(wanted) and event.build is not None and wanted.isdisjoint(event.types)


def _differs(value: str | None, patterns: Sequence[str]) -> bool:
    return bool(patterns) and not matches(value, patterns)


def _owner(event: Event) -> str | None:
    struct: Any = event.build if event.build is not None else event.task
    return None if struct is None else struct.get("owner_name")


def _has_marker(event: Event) -> bool:
    metadata: Any = None
    build: Any = event.build
    if build is not None:
        metadata = member(build, "extra", "custom_user_metadata")
    elif event.task is not None:
        metadata = member(event.task.params, "opts", "custom_user_metadata")
    return isinstance(metadata, dict) and SUBMISSION_MARKER in metadata


@dataclass(frozen=True, kw_only=True)
class SourceOptions(Selection):
    """The checked arguments of a ``KojiChangeSource``, whose documentation explains them.

    Attributes:
        hub_name: the name of the hub's profile.
    """

    hub_name: str
    profile: str | RenderedHub
    events: Sequence[str]
    tags: Sequence[str]
    inherited: bool
    rpms: bool
    project: str | None
    codebase: str | None
    poll_interval: float
    overlap: float
    since: datetime.datetime | datetime.timedelta | None
    bus: Any  # a util.KojiAMQP or util.KojiAMQP1; an optional extra may be missing
    quiet_time: float
    max_changes_per_hour: int | None
    stale_after: float

    def start_time(self, now: float) -> float | None:
        """Return where a first run starts, in seconds since the epoch; None for "now"."""
        if isinstance(self.since, datetime.timedelta):
            return now - self.since.total_seconds()
        return None if self.since is None else self.since.timestamp()


@dataclass(frozen=True, kw_only=True)
class SourceLimits:
    """The pauses and limits that no argument sets. Times are in seconds.

    Attributes:
        retry: the pauses after failures; none is longer than ``poll_interval``.
        batch: changes stored before the schedulers run: a third of a second on SQLite.
        longest_quiet: how many times ``quiet_time`` the first event of a flood waits at most.
        stop: how long a stop waits for a change that is being stored.
        schedulers: how long to wait for schedulers that no master has claimed: twice as long as
            Buildbot takes to look for them.
        look_for_schedulers: how long to wait between two looks for them.
        settled: how long the schedulers may take to see a change: enough for their master to be
            declared dead, another master to claim them, and a flood to end.
        uptime: returns the time that ``settled`` is measured by: it doesn't jump as clocks do.
        announce_again: when to announce changes again that no scheduler took, after another master
            started or stopped, or the database was unreachable. A scheduler takes none twice.
        set_aside: how far back a restart looks for events that could not become changes.
        chunk: bytes of held-back changes in one row of the database.
    """

    retry: RetryPolicy = field(default_factory=lambda: RetryPolicy(first=5.0))
    batch: int = 20
    longest_quiet: int = 10
    stop: float = 10.0
    schedulers: float = 600.0
    look_for_schedulers: float = 0.5
    settled: float = 1800.0
    uptime: Callable[[], float] = time.monotonic
    announce_again: tuple[float, ...] = (2.0, 30.0)
    set_aside: float = 86400.0
    chunk: int = MAX_VALUE


@dataclass(frozen=True)
class SourceContext:
    """A change source from its activation to its deactivation.

    Attributes:
        master: the Buildbot master.
        name: the source's name.
        options: its arguments.
        limits: its pauses and limits.
        storage: what it keeps in the database.
        claim: the claim to it.
        interruption: ends all its waits.
    """

    master: Any
    name: str
    options: SourceOptions
    limits: SourceLimits
    storage: SourceStorage
    claim: Claim
    interruption: Interruption = field(default_factory=Interruption)

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return float(self.master.reactor.seconds())
