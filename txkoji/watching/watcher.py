"""Any number of task trees, watched with a handful of requests.

One poll reads all trees that are due, whatever their number: :mod:`txkoji.watching.tree_reader`
says how, :mod:`txkoji.watching.schedule` when. The poll is the truth; a message from the bus makes
it early, an outage makes it late, and neither makes it wrong.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from txkoji._interfaces import Clock
from txkoji._values import MAX_ID
from txkoji.elapsed import ElapsedTime, ElapsedTimer
from txkoji.exceptions import KojiException, UnusableAnswer
from txkoji.hub.client import HubClient
from txkoji.retry import UNREADABLE, is_passing
from txkoji.watching.durations import AverageDurations, package_with_average
from txkoji.watching.queues import ChannelQueues
from txkoji.watching.records import ID, START, TreeRecords, info_of, is_final
from txkoji.watching.schedule import DueTasks, Situation, WatchSchedule
from txkoji.watching.task_tree import TaskTree
from txkoji.watching.tree_reader import PROBES, ROOT, Refusals, portioned, read_trees
from txkoji.watching.watch import Watch

TREES_AT_ONCE = 1500
"""How many trees one poll reads: more are read by the next poll, after a pause."""

CALLBACKS_AT_ONCE = 50
"""Trees whose callbacks run per reactor iteration."""

UNUSABLE_POLLS = 20
"""Polls in a row with an unusable answer for a task, after which its watches fail."""


_UNUSABLE = (UnusableAnswer, *UNREADABLE)


class UnknownTask(KojiException):
    """The hub has no task of that id."""


class WatchedHub(Protocol):
    """What a watcher needs of a :class:`txkoji.Connection`."""

    @property
    def client(self) -> HubClient:
        """What the watcher sends its requests through."""
        ...


@dataclass(frozen=True, slots=True)
class WatchedTask:
    """A watched task at this moment.

    Attributes:
        task_id: the task.
        tree: the last tree that was read, None before the first.
        begun: when the first watch began, in seconds since the epoch.
        changed: when a change was last seen.
        usual: how many seconds it should take, None if unknown.
        places: for each FREE task of the tree whose place is known, by its id, how many tasks of
            its channel are before it.
    """

    task_id: int
    tree: TaskTree | None
    begun: float
    changed: float
    usual: float | None
    places: Mapping[int, int]


@dataclass(frozen=True)
class WatcherStatus:
    """How a watcher is doing.

    Attributes:
        watched: how many tasks are watched.
        delay: seconds by which the most overdue task is late, None without a watched task.
        trouble: why the last poll failed, None if it did not.
    """

    watched: int
    delay: float | None
    trouble: str | None


@dataclass(slots=True, eq=False)
class _Watched:
    """A task that is watched, by any number of watches.

    Attributes:
        task_id: the task.
        begun: when the first watch began, in elapsed time.
        changed: when a change was last seen.
        records: the records of the tree that was read last, None before the first.
        package: the package whose average duration holds for the task, None for none.
        watches: the watches.
        unusable: the polls in a row that got an unusable answer for the task itself.
    """

    task_id: int
    begun: float
    changed: float
    records: TreeRecords | None = None
    package: str | None = None
    watches: list[Watch] = field(default_factory=list)
    unusable: int = 0


class TaskWatcher:
    """Watches task trees over one connection.

    Without a watch it sends nothing and schedules nothing. A few trees are read every ``interval``
    while something is likely to happen, and less often in between. The more trees there are, the
    longer the intervals, so that the hub's load stays about the same.

    Args:
        connection: a :class:`txkoji.Connection`.
        clock: an IReactorTime.
        interval: seconds between two polls of a task that just began, while few are watched.
        chance: returns random numbers from 0 to 1.
    """

    _log = Logger()

    def __init__(
        self,
        connection: WatchedHub,
        clock: Any,
        *,
        interval: float = 5.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._client = connection.client
        self._clock: Clock = clock
        self._elapsed = ElapsedTime(clock)
        self._chance = chance
        self._schedule = WatchSchedule(interval)
        self._durations = AverageDurations(self._client, clock)
        self._queues = ChannelQueues(self._client, clock)
        self._watched: dict[int, _Watched] = {}
        self._due = DueTasks()
        self._root_of: dict[int, int] = {}
        self._refused: Refusals = {}
        self._newcomers: list[Watch] = []
        self._polling: Deferred[None] | None = None
        self._estimating: Deferred[None] | None = None
        self._polled: dict[int, _Watched] = {}
        self._next: ElapsedTimer | None = None
        self._next_at = 0.0
        self._rested = float("-inf")
        # When to poll again after a failure.
        self._resumed = float("-inf")
        self._trouble: str | None = None
        self._is_refusal_logged = False
        self._hints_expected = False
        # One bound method for all watches.
        self._end_watch = self._remove

    def watch(
        self,
        task_id: int,
        *,
        queue_place: bool = False,
        usual: float | None = None,
    ) -> Watch:
        """Start to watch a task.

        Another watch of the same task costs the hub nothing more.

        Args:
            task_id: the task's id.
            queue_place: ask for the places in queues of its FREE tasks.
            usual: the average duration of its package's builds, in seconds, if an earlier watch
                has learned it: then it is not asked for again.

        Raises:
            ValueError: a task can't have that id.
        """
        if not isinstance(task_id, int) or not 0 < task_id <= MAX_ID:
            raise ValueError(f"no task can have the id {task_id!r}")
        watch = Watch(
            task_id,
            self._end_watch,
            wants_queue_place=queue_place,
            usual=usual,
        )
        watched = self._watched.get(task_id)
        if watched is None:
            now = self._elapsed.seconds()
            watched = self._watched[task_id] = _Watched(task_id, now, now)
            self._due.plan(task_id, now)
        watched.watches.append(watch)
        if watched.records is not None:
            self._newcomers.append(watch)
        self._plan_soon()
        return watch

    def hint(self, task_id: int, *, parent: int | None = None) -> bool:
        """Read the tree of a task soon: a bus message says that something happened to it.

        Many hints at about the same time cost one poll.

        Args:
            task_id: a task, watched itself or below a watched one.
            parent: the task's parent, if the message names it: a new task is not known yet.

        Returns:
            Whether the task belongs to a tree that is watched, as far as is known.
        """
        roots = {
            root
            for known in (task_id, parent)
            if known is not None
            for root in (known, self._root_of.get(known, known))
            if root in self._watched
        }
        self._due.hint(roots)
        if roots:
            self._plan_soon()
        return bool(roots)

    def expect_hints(self, expected: bool) -> None:
        """Poll less often while a bus reports changes through :meth:`hint`."""
        if expected is self._hints_expected:
            return
        self._hints_expected = expected
        if not expected:
            # Messages may have been lost.
            self._due.make_due(self._elapsed.seconds() + self._schedule.eager(len(self._watched)))
            if self._watched:
                self._plan(max(self._due.first(), self._rested))

    def status(self) -> WatcherStatus:
        """Return how many tasks are watched, and how late the watcher is."""
        due = self._due.earliest
        delay = None if due is None else max(self._elapsed.seconds() - due, 0.0)
        return WatcherStatus(len(self._watched), delay, self._trouble)

    def watched(self) -> Iterator[WatchedTask]:
        """Yield each watched task, as it was when the iteration began or later."""
        for watched in list(self._watched.values()):
            places: dict[int, int] = {}
            for watch in watched.watches:
                places.update(watch.queue_places)
            yield WatchedTask(
                watched.task_id,
                None if watched.records is None else TaskTree.of_records(watched.records),
                self._elapsed.moment(watched.begun),
                self._elapsed.moment(watched.changed),
                self._durations.known(watched.package),
                places,
            )

    def stop(self) -> None:
        """End all watches."""
        for watched in list(self._watched.values()):
            for watch in list(watched.watches):
                self._remove(watch)
        for running in (self._polling, self._estimating):
            if running is not None:
                running.cancel()

    def _remove(self, watch: Watch) -> None:
        watched = self._watched.get(watch.task_id)
        if watched is None or watch not in watched.watches:
            return
        watched.watches.remove(watch)
        watch.silence()
        if not watched.watches:
            self._forget(watched)
        if not self._watched and self._next is not None and self._next.active():
            self._next.cancel()

    def _forget(self, watched: _Watched) -> None:
        del self._watched[watched.task_id]
        self._due.discard(watched.task_id)
        for record in (watched.records or ())[1:]:
            if self._root_of.get(record[ID]) == watched.task_id:
                del self._root_of[record[ID]]

    # When to poll

    def _plan_soon(self) -> None:
        self._plan(max(self._elapsed.seconds(), self._rested))

    def _plan(self, when: float) -> None:
        """Poll at that time, or earlier if that is planned; after a poll that is under way."""
        if self._polling is not None:
            return
        if self._next is not None and self._next.active():
            if self._next_at <= when:
                return
            self._next.cancel()
        self._next_at = when
        delay = max(when - self._elapsed.seconds(), 0)
        self._next = self._elapsed.callLater(delay, self._start)

    def _start(self) -> None:
        self._next = None
        if self._watched:
            self._polling = Deferred.fromCoroutine(self._poll())
            self._polling.addErrback(self._failed)
            self._polling.addCallback(self._rest)

    def _failed(self, failure: Failure) -> None:
        error = failure.value
        if isinstance(error, _UNUSABLE):
            self._give_up_unusable()
        if not self._watched:
            return
        later = self._elapsed.seconds() + self._schedule.eager(len(self._watched))
        for watched in self._polled.values():
            self._set_due(watched, later)
        self._resumed = later
        if not isinstance(error, KojiException):
            self._log.failure("watching Koji tasks failed", failure)
            return
        # An outage is in the log already, once for all who ask the hub.
        if self._trouble is None and not is_passing(error):
            self._is_refusal_logged = True
            self._log.warn(
                "watching {count} Koji {tasks}: {error}; watching resumes when it answers",
                count=len(self._watched),
                tasks="task" if len(self._watched) == 1 else "tasks",
                error=error,
            )
        self._trouble = str(error)

    def _rest(self, _: Any) -> None:
        self._polling = None
        now = self._elapsed.seconds()
        gap = self._schedule.gap(len(self._watched), len(self._polled), hinted=self._hints_expected)
        self._rested = now + gap
        self._polled = {}
        if self._watched:
            hurried = self._newcomers or self._due.is_hinted
            due = now if hurried else max(self._due.first(), self._resumed)
            self._plan(max(due, self._rested))

    def _set_due(self, watched: _Watched, due: float) -> None:
        """Plan a task, unless it was stopped meanwhile, or stopped and watched again."""
        if self._watched.get(watched.task_id) is watched:
            self._due.plan(watched.task_id, due)

    def _next_poll(self, watched: _Watched, chance: float) -> float:
        now, started = self._elapsed.seconds(), None
        if watched.records is not None and watched.records[0][START] is not None:
            started = now - self._elapsed.age(watched.records[0][START])
        usual = self._durations.known(watched.package)
        return self._schedule.next_poll(
            now,
            Situation(watched.begun, watched.changed, started, usual),
            len(self._watched),
            chance,
            hinted=self._hints_expected,
        )

    # One poll

    async def _poll(self) -> None:
        await self._update_newcomers()
        now = self._elapsed.seconds()
        soon = now + self._schedule.early(len(self._watched))
        taken = self._due.take(now, soon, TREES_AT_ONCE)
        due = self._polled = {task_id: self._watched[task_id] for task_id in taken}
        if not due:
            return
        known = {task_id: watched.records for task_id, watched in due.items()}
        before = set(self._refused)
        trees = await read_trees(
            self._client,
            known,
            self._yield_to_reactor,
            self._refused,
            # In an outage further requests are pointless.
            probes=PROBES if self._trouble is None else 0,
        )
        self._log_refusals(before)
        if self._trouble is not None:
            if self._is_refusal_logged:
                self._log.info("watching Koji tasks: the hub answers again")
            self._trouble, self._is_refusal_logged = None, False
        self._give_up_unusable()
        await self._notify_all(due, trees)
        for question, task_id in list(self._refused):
            if task_id not in self._watched and task_id not in self._root_of:
                del self._refused[question, task_id]
        self._begin_estimates([watched for watched in due.values() if watched.watches])

    async def _update_newcomers(self) -> None:
        """Give the tree to watches of a task that was watched, and read, before them."""
        newcomers, self._newcomers = self._newcomers, []
        async for watch in portioned(newcomers, self._yield_to_reactor, CALLBACKS_AT_ONCE):
            watched = self._watched.get(watch.task_id)
            if watched is not None and watch in watched.watches and watched.records is not None:
                watch.update(watched.records)
                self._estimate_one(watched, watch)

    def _log_refusals(self, logged: Collection[tuple[str, int]]) -> None:
        for question, task_id in self._refused.keys() - logged:
            self._log.warn(
                "the hub can't answer for Koji task {task_id}, {question}: {error}; watching"
                " continues with its other answers",
                task_id=task_id,
                question=question,
                error=self._refused[question, task_id],
            )

    def _yield_to_reactor(self) -> Deferred[None]:
        clock: Any = self._clock
        return deferLater(clock, 0)

    async def _notify_all(
        self, due: dict[int, _Watched], trees: dict[int, TreeRecords | None]
    ) -> None:
        chance = self._chance()
        async for task_id, watched in portioned(
            list(due.items()), self._yield_to_reactor, CALLBACKS_AT_ONCE
        ):
            # It may have been stopped meanwhile, and even be watched again.
            if self._watched.get(task_id) is watched:
                records = trees.get(task_id, watched.records)
                if records is not watched.records or (records is None and task_id in trees):
                    self._notify(watched, records)
                self._set_due(watched, self._next_poll(watched, chance))

    def _notify(self, watched: _Watched, records: TreeRecords | None) -> None:
        if records is None:
            self._fail(watched, UnknownTask(f"the hub has no task {watched.task_id}"))
            return
        if watched.records is None:
            watched.package = package_with_average(info_of(records[0]))
            for watch in watched.watches:
                self._durations.remember(watched.package, watch.usual_seconds)
        watched.records = records
        watched.changed = self._elapsed.seconds()
        for record in records[1:]:
            self._root_of[record[ID]] = watched.task_id
        for watch in list(watched.watches):
            # An earlier callback may have stopped this one.
            if watch in watched.watches:
                watch.update(records)
        if is_final(records[0]):
            for watch in list(watched.watches):
                if watch in watched.watches:
                    self._remove(watch)
                    watch.done.callback(TaskTree.of_records(records))

    def _fail(self, watched: _Watched, error: KojiException) -> None:
        watches = list(watched.watches)
        self._forget(watched)
        for watch in watches:
            watch.done.errback(error)

    def _give_up_unusable(self) -> None:
        """Fail the watches of tasks for which the hub keeps giving an unusable answer."""
        for task_id, watched in self._polled.items():
            error = self._refused.get((ROOT, task_id))
            watched.unusable = watched.unusable + 1 if isinstance(error, _UNUSABLE) else 0
            if watched.unusable >= UNUSABLE_POLLS and self._watched.get(task_id) is watched:
                assert error is not None
                self._fail(watched, error)

    # Estimates

    def _begin_estimates(self, polled: list[_Watched]) -> None:
        """Ask for estimates, beside the polls: a hub that can't tell them must not delay changes.

        While earlier estimates are asked for, those of this poll wait for a later one.
        """
        if self._estimating is None:
            self._estimating = Deferred.fromCoroutine(self._estimate(polled))
            self._estimating.addBoth(self._end_estimates)

    def _end_estimates(self, outcome: Failure | None) -> None:
        self._estimating = None
        if isinstance(outcome, Failure) and not outcome.check(CancelledError):
            self._log.failure("estimates for Koji tasks failed", outcome)

    async def _estimate(self, polled: list[_Watched]) -> None:
        """Ask for average durations and places in queues, as far as that is due."""
        await self._ask(
            "average durations",
            self._durations.learn(watched.package for watched in polled),
        )
        waiting = [
            record
            for watched in polled
            if any(watch.wants_queue_place for watch in watched.watches)
            for record in watched.records or ()
        ]
        await self._ask("places in queues", self._queues.read(waiting))
        async for watched in portioned(polled, self._yield_to_reactor):
            for watch in list(watched.watches):
                self._estimate_one(watched, watch)

    async def _ask(self, what: str, asking: Deferred[Any]) -> None:
        try:
            await asking
        except KojiException as error:
            # Watching works without them; the next poll reports an outage.
            self._log.debug("no {what} of Koji tasks: {error}", what=what, error=error)

    def _estimate_one(self, watched: _Watched, watch: Watch) -> None:
        if watch.records is None:
            return
        places = {}
        if watch.wants_queue_place:
            for record in watch.records:
                place = self._queues.place(record)
                if place is not None:
                    places[record[ID]] = place
        watch.estimate(self._durations.known(watched.package), places)
