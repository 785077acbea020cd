"""Any number of task trees, watched with a handful of requests.

One look reads all trees that are due, whatever their number: :mod:`txkoji.watching.tree_reader`
says how, :mod:`txkoji.watching.schedule` when. The poll is the truth; a message from the bus makes
it early, an outage makes it late, and neither makes it wrong.
"""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger

from txkoji import task_states
from txkoji.estimates import AverageDurations
from txkoji.exceptions import KojiException
from txkoji.watching.queues import ChannelQueues
from txkoji.watching.schedule import Situation, WatchSchedule
from txkoji.watching.task_tree import TaskChange, TaskTree, changes_between
from txkoji.watching.tree_reader import PROBES, Refused, read_trees

__all__ = ["TaskChange", "TaskTree", "TaskWatcher", "UnknownTask", "Watch"]

TREES_AT_ONCE = 1500
"""How many trees one look reads: more are read by the next look, and the reactor rests between."""

TOLD_AT_ONCE = 50
"""Changed trees that are told of in one reactor turn."""

LARGEST_ID = 2**31 - 1
"""A hub numbers its tasks with PostgreSQL's integers, and fails on a larger number."""


class UnknownTask(KojiException):
    """The hub has no task of that id."""


class Watch:
    """One watched task.

    Attributes:
        task_id: the task.
        tree: the last :class:`TaskTree` that was read, None before the first.
        done: a Deferred that fires with the final tree. It fails with :class:`UnknownTask` where
            the hub has no such task, and never for an outage. Cancelling it ends the watch.
        wants_queue_place: whether places in queues are asked for. That may be changed any time.
        queue_places: for each FREE task of the tree whose place is known, by its id, how many tasks
            of its channel stand before it.
    """

    _log = Logger()

    def __init__(
        self, task_id: int, stop: Callable[[Watch], None], *, wants_queue_place: bool = False
    ) -> None:
        self.task_id = task_id
        self.tree: TaskTree | None = None
        self.done: Deferred[TaskTree] = Deferred(lambda _: stop(self))
        self.wants_queue_place = wants_queue_place
        self.queue_places: Mapping[int, int] = {}
        self._average: datetime.timedelta | None = None
        self._callbacks: list[Callable[[TaskTree], Any]] = []
        self._task_callbacks: list[Callable[[TaskChange], Any]] = []
        self._estimate_callbacks: list[Callable[[Watch], Any]] = []
        self._stop = stop

    @property
    def queue_place(self) -> int | None:
        """How many tasks of its channel stand before the watched task.

        None where the task is not FREE, where nobody :attr:`wants_queue_place`, and until the queue
        was read. It is read seldom, once a minute at most;
        :data:`txkoji.watching.queues.QUEUE_LIMIT` stands for that many or more.
        """
        return self.queue_places.get(self.task_id)

    @property
    def estimated_end(self) -> datetime.datetime | None:
        """When the watched task should end, an aware UTC datetime.

        It is the task's start and the average duration of its package's builds: a moment that is
        past where this build takes longer. None while the task is not OPEN, and where the hub knows
        of no builds to compare it with.
        """
        if self._average is None or self.tree is None:
            return None
        root = self.tree.root
        if root.state != task_states.OPEN or root.started is None:
            return None
        started: datetime.datetime = root.started
        return started + self._average

    def on_change(self, callback: Callable[[TaskTree], Any]) -> None:
        """Call back with the tree whenever a task in it changed; at the first look too."""
        self._callbacks.append(callback)

    def on_task_change(self, callback: Callable[[TaskChange], Any]) -> None:
        """Call back with each :class:`TaskChange`, before the tree is told as a whole.

        Every task of the tree is told of, with its last state too, however late it was seen: tasks
        that go on, parents before their children, then tasks that have ended, children before
        their parents.
        """
        self._task_callbacks.append(callback)

    def on_estimate(self, callback: Callable[[Watch], Any]) -> None:
        """Call back with the watch when its estimated end or its places in queues changed."""
        self._estimate_callbacks.append(callback)

    def stop(self) -> None:
        """End the watch; ``done`` does not fire any more."""
        self._stop(self)

    def update(self, tree: TaskTree) -> None:
        """Take what a look read. For the watcher."""
        old, self.tree = self.tree, tree
        if old is tree or (old is not None and old.states() == tree.states()):
            return
        if self._task_callbacks:
            for change in changes_between(old, tree):
                self._call(self._task_callbacks, change)
        self._call(self._callbacks, tree)

    def estimate(self, average: datetime.timedelta | None, places: Mapping[int, int]) -> None:
        """Take how long the task should take, and places in queues. For the watcher."""
        if (average, places) != (self._average, self.queue_places):
            self._average, self.queue_places = average, places
            self._call(self._estimate_callbacks, self)

    def silence(self) -> None:
        """Call nobody back any more. For the watcher."""
        for callbacks in (self._callbacks, self._task_callbacks, self._estimate_callbacks):
            callbacks.clear()

    def _call(self, callbacks: list[Callable[[Any], Any]], argument: Any) -> None:
        for callback in callbacks:
            try:
                callback(argument)
            except Exception:  # noqa: BLE001 - one caller's mistake must not blind the others
                self._log.failure("a callback of a watched task failed")


class _Watched:
    """A task that is watched, by any number of watches.

    Attributes:
        tree: what was read last.
        watches: who is told.
        begun: when the first watch began, in seconds since the epoch.
        changed: when a change was last seen.
        due: when the tree is to be read.
        hinted: whether it is to be read once more, whatever is being read now.
    """

    __slots__ = ("begun", "changed", "due", "hinted", "tree", "watches")

    def __init__(self, now: float) -> None:
        self.tree: TaskTree | None = None
        self.watches: list[Watch] = []
        self.begun = self.changed = self.due = now
        self.hinted = False


class TaskWatcher:
    """Watches task trees over one connection.

    Without a watch it sends nothing and schedules nothing. A few trees are looked at every
    ``interval`` while something is likely to happen, less often in between; the more there are, the
    less often, so that the hub's load stays about the same.

    Args:
        connection: a :class:`txkoji.Connection`.
        clock: an IReactorTime.
        interval: seconds between two looks at a task that just began, while few are watched.
        chance: gives random numbers from 0 to 1.
    """

    _log = Logger()

    def __init__(
        self,
        connection: Any,
        clock: Any,
        *,
        interval: float = 5.0,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._chance = chance
        self._schedule = WatchSchedule(interval)
        self._durations = AverageDurations(connection, clock)
        self._queues = ChannelQueues(connection, clock)
        self._watched: dict[int, _Watched] = {}
        self._root_of: dict[int, int] = {}
        self._refused: Refused = {}
        self._newcomers: list[Watch] = []
        self._look: Deferred[None] | None = None
        self._next: IDelayedCall | None = None
        self._looked_at = 0
        self._rested = 0.0
        self._trouble: str | None = None

    def watch(self, task_id: int, *, queue_place: bool = False) -> Watch:
        """Begin to watch a task.

        A task that is watched already costs the hub nothing more.

        Args:
            task_id: the task's id.
            queue_place: ask for the places in queues of its FREE tasks.

        Raises:
            ValueError: a task can't have that id.
        """
        if not 0 < task_id <= LARGEST_ID:
            raise ValueError(f"no task can have the id {task_id}")
        watch = Watch(task_id, self._remove, wants_queue_place=queue_place)
        watched = self._watched.get(task_id)
        if watched is None:
            watched = self._watched[task_id] = _Watched(self._clock.seconds())
        watched.watches.append(watch)
        if watched.tree is not None:
            self._newcomers.append(watch)
        self._plan_soon()
        return watch

    def hint(self, task_id: int, *, parent: int | None = None) -> bool:
        """Look soon at the tree that a task is in: a message says that something happened to it.

        Many hints at about the same time cost one look.

        Args:
            task_id: a task, watched itself or below one that is.
            parent: the task's parent, where the message tells it: a task that is new is not known.

        Returns:
            Whether the task belongs to a tree that is watched, as far as is known.
        """
        found = False
        for known in (task_id, parent):
            if known is None:
                continue
            for root in {known, self._root_of.get(known, known)} & self._watched.keys():
                self._watched[root].hinted = found = True
        if found:
            self._plan_soon()
        return found

    def wake(self) -> None:
        """Look at all trees now, or after a short rest where they were just looked at."""
        for watched in self._watched.values():
            watched.hinted = True
        self._plan_soon()

    def stop(self) -> None:
        """End all watches."""
        for watched in list(self._watched.values()):
            for watch in list(watched.watches):
                self._remove(watch)
        if self._look is not None:
            self._look.cancel()

    def _remove(self, watch: Watch) -> None:
        watched = self._watched.get(watch.task_id)
        if watched is None or watch not in watched.watches:
            return
        watched.watches.remove(watch)
        watch.silence()
        if not watched.watches:
            self._forget(watch.task_id)
        if not self._watched and self._next is not None and self._next.active():
            self._next.cancel()

    def _forget(self, task_id: int) -> None:
        watched = self._watched.pop(task_id)
        if watched.tree is not None:
            for task in watched.tree.descendents():
                if self._root_of.get(task.id) == task_id:
                    del self._root_of[task.id]

    def _plan_soon(self) -> None:
        self._plan(max(self._clock.seconds(), self._rested))

    def _plan(self, when: float) -> None:
        """Look at that time, or earlier where that is planned; after the look that is under way."""
        if self._look is not None:
            return
        if self._next is not None and self._next.active():
            if self._next.getTime() <= when:
                return
            self._next.cancel()
        self._next = self._clock.callLater(max(when - self._clock.seconds(), 0), self._start)

    def _start(self) -> None:
        self._next = None
        if self._watched:
            self._look = Deferred.fromCoroutine(self._look_around())
            self._look.addErrback(self._failed)
            self._look.addCallback(self._rest)

    def _failed(self, failure: Any) -> None:
        error = failure.value
        if not self._watched:
            return
        later = self._clock.seconds() + self._schedule.eager(len(self._watched))
        for watched in self._watched.values():
            watched.due = max(watched.due, later)
        if not isinstance(error, KojiException):
            self._log.failure("watching Koji tasks failed", failure)
            return
        if self._trouble is None:
            self._log.warn(
                "watching {count} Koji tasks: {error}; going on as soon as the hub answers",
                count=len(self._watched),
                error=error,
            )
        self._trouble = str(error)

    def _rest(self, _: Any) -> None:
        self._look = None
        now = self._clock.seconds()
        self._rested = now + self._schedule.gap(len(self._watched), self._looked_at)
        if self._watched:
            waiting = self._newcomers or any(each.hinted for each in self._watched.values())
            due = now if waiting else min(each.due for each in self._watched.values())
            self._plan(max(due, self._rested))

    # One look

    async def _look_around(self) -> None:
        newcomers, self._newcomers = self._newcomers, []
        for watch in newcomers:
            watched = self._watched.get(watch.task_id)
            if watched is not None and watch in watched.watches and watched.tree is not None:
                watch.update(watched.tree)
                self._estimate_one(watch)
        due = self._due()
        self._looked_at = len(due)
        if not due:
            return
        for watched in due.values():
            watched.hinted = False
        known = {task_id: watched.tree for task_id, watched in due.items()}
        before = set(self._refused)
        trees = await read_trees(
            self._connection,
            known,
            self._let_go,
            self._refused,
            # In an outage there is nothing to find out by asking more.
            probes=PROBES if self._trouble is None else 0,
        )
        for question, task_id in self._refused.keys() - before:
            self._log.warn(
                "the hub can't tell of Koji task {task_id}, {question}: {error}; watching goes on"
                " with what it tells otherwise",
                task_id=task_id,
                question=question,
                error=self._refused[question, task_id],
            )
        if self._trouble is not None:
            self._log.info("watching Koji tasks: the hub answers again")
            self._trouble = None
        await self._tell_all(due, trees)
        for question, task_id in list(self._refused):
            if task_id not in self._watched and task_id not in self._root_of:
                del self._refused[question, task_id]
        await self._estimate([watched for watched in due.values() if watched.watches])

    def _due(self) -> dict[int, _Watched]:
        now = self._clock.seconds()
        first = [
            (watched.due, task_id)
            for task_id, watched in self._watched.items()
            if watched.hinted or watched.due <= now
        ]
        if not first:
            return {}
        until = now + self._schedule.company(len(self._watched))
        company = [
            (watched.due, task_id)
            for task_id, watched in self._watched.items()
            if not watched.hinted and now < watched.due <= until
        ]
        chosen = [*sorted(first), *sorted(company)][:TREES_AT_ONCE]
        return {task_id: self._watched[task_id] for _, task_id in chosen}

    async def _tell_all(self, due: dict[int, _Watched], trees: dict[int, TaskTree | None]) -> None:
        chance = self._chance()
        told = 0
        for task_id, watched in due.items():
            # It may have been stopped meanwhile, and even be watched anew.
            if self._watched.get(task_id) is watched:
                tree = trees.get(task_id, watched.tree)
                if task_id in trees and (tree is None or tree is not watched.tree):
                    told += 1
                    self._tell(task_id, watched, tree)
                self._set_due(watched, chance)
            if told == TOLD_AT_ONCE:
                told = 0
                await self._let_go()

    def _let_go(self) -> Deferred[None]:
        """Give the reactor its turn."""
        return deferLater(self._clock, 0, lambda: None)

    def _set_due(self, watched: _Watched, chance: float) -> None:
        situation = Situation(watched.begun, watched.changed)
        if watched.tree is not None:
            average = self._durations.known(watched.tree.root)
            situation = Situation(
                watched.begun,
                watched.changed,
                watched.tree.root.get("start_ts"),
                None if average is None else average.total_seconds(),
            )
        watched.due = self._schedule.next_look(
            self._clock.seconds(), situation, len(self._watched), chance
        )

    def _tell(self, task_id: int, watched: _Watched, tree: TaskTree | None) -> None:
        if tree is None:
            watches = list(watched.watches)
            self._forget(task_id)
            for watch in watches:
                watch.done.errback(UnknownTask(f"the hub has no task {task_id}"))
            return
        watched.tree = tree
        watched.changed = self._clock.seconds()
        for task in tree.descendents():
            self._root_of[task.id] = task_id
        for watch in list(watched.watches):
            # An earlier callback may have stopped this one.
            if watch in watched.watches:
                watch.update(tree)
        if tree.is_final:
            for watch in list(watched.watches):
                if watch in watched.watches:
                    self._remove(watch)
                    watch.done.callback(tree)

    # Estimates

    async def _estimate(self, looked_at: list[_Watched]) -> None:
        """Ask how long tasks should take and where they stand in queues, as far as it is due."""
        trees = [watched.tree for watched in looked_at if watched.tree is not None]
        await self._ask("average durations", self._durations.learn(tree.root for tree in trees))
        watches = [watch for watched in looked_at for watch in watched.watches]
        waiting = [
            task
            for watch in watches
            if watch.wants_queue_place and watch.tree is not None
            for task in watch.tree.tasks()
        ]
        await self._ask("places in queues", self._queues.read(waiting))
        for watch in watches:
            self._estimate_one(watch)

    async def _ask(self, what: str, asking: Deferred[Any]) -> None:
        try:
            await asking
        except KojiException as error:
            # It can be done without; where the hub is away, the next look says so.
            self._log.debug("no {what} of Koji tasks: {error}", what=what, error=error)

    def _estimate_one(self, watch: Watch) -> None:
        if watch.tree is None:
            return
        places = {}
        if watch.wants_queue_place:
            for task in watch.tree.tasks():
                place = self._queues.place(task)
                if place is not None:
                    places[task.id] = place
        watch.estimate(self._durations.known(watch.tree.root), places)
