"""Any number of task trees, watched with a handful of requests.

One tick reads all trees that are watched: one look-up of all roots, and one list of children for
each level, whatever their number. The poll is the truth; an outage makes a watch late, not failed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from txkoji import task_states
from txkoji.exceptions import KojiException

__all__ = ["TaskTree", "TaskWatcher", "UnknownTask", "Watch"]

BATCH = 500
"""Tasks in one request: far below the hub's 4 MiB, and few enough for its database."""


class UnknownTask(KojiException):
    """The hub has no task of that id."""


@dataclass(frozen=True)
class TaskTree:
    """A task and all below it, as they were at one tick.

    Attributes:
        root: the watched task.
        children: the children of each task that has any, by its id, oldest first.
    """

    root: Any
    children: dict[int, tuple[Any, ...]] = field(default_factory=dict)

    def descendents(self) -> Iterator[Any]:
        """Yield every task below the root, parents before their children."""
        waiting = [self.root.id]
        while waiting:
            for child in self.children.get(waiting.pop(0), ()):
                yield child
                waiting.append(child.id)

    def states(self) -> tuple[tuple[int, int, int | None, bool | None], ...]:
        """Return what makes two trees differ: ids, states, hosts and waiting of all tasks."""
        tasks = [self.root, *self.descendents()]
        return tuple((task.id, task.state, task.host_id, task.waiting) for task in tasks)

    @property
    def is_final(self) -> bool:
        """Whether the watched task is CLOSED, FAILED or CANCELED."""
        return self.root.state in task_states.DONE_GROUP


class Watch:
    """One watched task.

    Attributes:
        task_id: the task.
        tree: the last :class:`TaskTree` that was read, None before the first.
        done: a Deferred that fires with the final tree. It fails with :class:`UnknownTask` where
            the hub has no such task, and never for an outage. Cancelling it ends the watch.
    """

    _log = Logger()

    def __init__(self, task_id: int, stop: Callable[[Watch], None]) -> None:
        self.task_id = task_id
        self.tree: TaskTree | None = None
        self.done: Deferred[TaskTree] = Deferred(lambda _: stop(self))
        self._callbacks: list[Callable[[TaskTree], Any]] = []
        self._stop = stop

    def on_change(self, callback: Callable[[TaskTree], Any]) -> None:
        """Call back with the tree whenever a task in it changed; at the first tick too."""
        self._callbacks.append(callback)

    def stop(self) -> None:
        """End the watch; ``done`` does not fire any more."""
        self._stop(self)

    def update(self, tree: TaskTree) -> None:
        """Take what a tick read. For the watcher."""
        changed = self.tree is None or tree.states() != self.tree.states()
        self.tree = tree
        if changed:
            for callback in self._callbacks:
                try:
                    callback(tree)
                except Exception:  # noqa: BLE001 - one caller's mistake must not blind the others
                    self._log.failure("a callback of a watched task failed")


class TaskWatcher:
    """Watches task trees over one connection.

    Without a watch it sends nothing and schedules nothing.

    Args:
        connection: a :class:`txkoji.Connection`.
        clock: an IReactorTime.
        interval: seconds between two ticks.
    """

    _log = Logger()

    def __init__(self, connection: Any, clock: Any, *, interval: float = 5.0) -> None:
        self._connection = connection
        self._clock = clock
        self._interval = interval
        self._watches: dict[int, list[Watch]] = {}
        self._tick: Deferred[None] | None = None
        self._next: IDelayedCall | None = None
        self._trouble: str | None = None

    def watch(self, task_id: int) -> Watch:
        """Begin to watch a task.

        Args:
            task_id: the task's id.
        """
        watch = Watch(task_id, self._remove)
        self._watches.setdefault(task_id, []).append(watch)
        self.wake()
        return watch

    def wake(self) -> None:
        """Read the trees now, as after a message from the bus."""
        if self._tick is not None:
            return
        if self._next is not None and self._next.active():
            self._next.cancel()
        self._next = self._clock.callLater(0, self._start)

    def stop(self) -> None:
        """End all watches."""
        for watches in list(self._watches.values()):
            for watch in list(watches):
                self._remove(watch)
        if self._tick is not None:
            self._tick.cancel()

    def _remove(self, watch: Watch) -> None:
        watches = self._watches.get(watch.task_id, [])
        if watch in watches:
            watches.remove(watch)
        if not watches:
            self._watches.pop(watch.task_id, None)
        if not self._watches and self._next is not None and self._next.active():
            self._next.cancel()

    def _start(self) -> None:
        self._next = None
        if not self._watches:
            return
        self._tick = Deferred.fromCoroutine(self._read_all())
        self._tick.addErrback(self._failed)
        self._tick.addCallback(self._schedule)

    def _failed(self, failure: Any) -> None:
        error = failure.value
        if not self._watches:
            return
        if not isinstance(error, KojiException):
            self._log.failure("watching Koji tasks failed", failure)
            return
        if self._trouble is None:
            self._log.warn(
                "watching {count} Koji tasks: {error}; going on as soon as the hub answers",
                count=len(self._watches),
                error=error,
            )
        self._trouble = str(error)

    def _schedule(self, _: Any) -> None:
        self._tick = None
        if self._watches:
            self._next = self._clock.callLater(self._interval, self._start)

    async def _read_all(self) -> None:
        ids = sorted(self._watches)
        roots: dict[int, Any] = {}
        for batch in _batches(ids):
            tasks = await self._connection.call("getTaskInfo", batch)
            roots.update(zip(batch, tasks, strict=True))
        known = [task_id for task_id in ids if roots[task_id] is not None]
        children = await self._children(known)
        if self._trouble is not None:
            self._log.info("watching Koji tasks: the hub answers again")
            self._trouble = None
        for task_id in ids:
            for watch in list(self._watches.get(task_id, [])):
                self._tell(watch, roots[task_id], children)

    async def _children(self, parents: list[int]) -> dict[int, tuple[Any, ...]]:
        """Read the children of many parents, level by level."""
        found: dict[int, list[Any]] = {}
        # A task and one below it may both be watched.
        asked = set(parents)
        while parents:
            below: list[int] = []
            for batch in _batches(parents):
                for child in await self._connection.call("listTasks", {"parent": batch}):
                    found.setdefault(child.parent, []).append(child)
                    if child.id not in asked:
                        asked.add(child.id)
                        below.append(child.id)
            parents = below
        return {
            parent: tuple(sorted(tasks, key=lambda task: task.id))
            for parent, tasks in found.items()
        }

    def _tell(self, watch: Watch, root: Any, children: dict[int, tuple[Any, ...]]) -> None:
        if root is None:
            self._remove(watch)
            watch.done.errback(UnknownTask(f"the hub has no task {watch.task_id}"))
            return
        mine: dict[int, tuple[Any, ...]] = {}
        waiting = [root.id]
        while waiting:
            parent = waiting.pop()
            if parent in children:
                mine[parent] = children[parent]
                waiting += [child.id for child in children[parent]]
        tree = TaskTree(root, mine)
        watch.update(tree)
        if tree.is_final and watch in self._watches.get(watch.task_id, []):
            self._remove(watch)
            watch.done.callback(tree)


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]
