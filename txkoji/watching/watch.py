"""One watched task: its tree, callbacks, its end, the estimate."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import defer
from twisted.logger import Logger

from txkoji import task_states
from txkoji._deferreds import Deferred
from txkoji._times import moment
from txkoji.watching.records import METHOD, START, STATE, TreeRecords
from txkoji.watching.task_tree import TaskChange, TaskTree, changes_between, states_of


class Watch:
    """One watched task.

    Attributes:
        task_id: the task.
        records: the records of the tree that was read last, None before the first.
        done: a Deferred that fires with the final tree. It fails with :class:`UnknownTask` if the
            hub has no such task, and never for an outage. Cancelling it ends the watch.
        wants_queue_place: whether places in queues are asked for; may be changed at any time.
        queue_places: for each FREE task of the tree whose place is known, by its id, how many tasks
            of its channel are before it.
    """

    # No dict and no list each: the garbage collector would visit all of them.
    __slots__ = (
        "_average",
        "_callbacks",
        "_estimate_callbacks",
        "_is_silent",
        "_stop",
        "_task_callbacks",
        "done",
        "queue_places",
        "records",
        "task_id",
        "wants_queue_place",
    )

    _log = Logger()

    def __init__(
        self,
        task_id: int,
        stop: Callable[[Watch], None],
        *,
        wants_queue_place: bool = False,
        usual: float | None = None,
    ) -> None:
        self.task_id = task_id
        self.records: TreeRecords | None = None
        self.done = _End(self)
        self.wants_queue_place = wants_queue_place
        self.queue_places: Mapping[int, int] = {}
        self._average = usual
        self._callbacks: tuple[Callable[[TaskTree], Any], ...] = ()
        self._task_callbacks: tuple[Callable[[TaskChange], Any], ...] = ()
        self._estimate_callbacks: tuple[Callable[[Watch], Any], ...] = ()
        self._is_silent = False
        self._stop = stop

    @property
    def tree(self) -> TaskTree | None:
        """The last :class:`TaskTree` that was read, None before the first."""
        return None if self.records is None else TaskTree.of_records(self.records)

    @property
    def queue_place(self) -> int | None:
        """How many tasks of its channel are before the watched task.

        None if the task is not FREE, if nobody :attr:`wants_queue_place`, and until the queue was
        read, which happens once a minute at most. :data:`txkoji.QUEUE_LIMIT` stands
        for that many or more.
        """
        return self.queue_places.get(self.task_id)

    @property
    def usual_seconds(self) -> float | None:
        """How many seconds builds of the task's package take on average, None if unknown."""
        return self._average

    @property
    def estimated_end(self) -> datetime.datetime | None:
        """When the watched task should end, an aware UTC datetime.

        It is the task's start plus the average duration of its package's builds: in the past if
        this build takes longer than they did. A ``build`` counts from the ``buildArch`` that
        started last: its source RPM and its repo may take any time. None while the task is not
        OPEN, while a ``build`` has no ``buildArch`` that started, and if the hub knows no average.
        """
        if self._average is None or self.records is None:
            return None
        root = self.records[0]
        started = moment(root[START] if root[METHOD] != "build" else self._start_of_building())
        if root[STATE] != task_states.OPEN or started is None:
            return None
        return started + datetime.timedelta(seconds=self._average)

    def _start_of_building(self) -> float | None:
        """Return when the last ``buildArch`` started, an open one before one that has ended."""
        starts = [
            (record[STATE] == task_states.OPEN, record[START])
            for record in self.records or ()
            if record[METHOD] == "buildArch" and record[START] is not None
        ]
        return max(starts)[1] if starts else None

    def on_change(self, callback: Callable[[TaskTree], Any]) -> None:
        """Call back with the tree at the first poll, and whenever a task in it changed."""
        self._callbacks = (*self._callbacks, callback)

    def on_task_change(self, callback: Callable[[TaskChange], Any]) -> None:
        """Call back with each :class:`TaskChange`, before :meth:`on_change` gets the tree.

        No task of the tree is missed, and its last state is always reported, however late it was
        seen. Tasks that continue come first, parents before their children, then tasks that have
        ended, children before their parents.
        """
        self._task_callbacks = (*self._task_callbacks, callback)

    def on_estimate(self, callback: Callable[[Watch], Any]) -> None:
        """Call back with the watch when its estimated end or its places in queues changed."""
        self._estimate_callbacks = (*self._estimate_callbacks, callback)

    def stop(self) -> None:
        """End the watch; ``done`` no longer fires."""
        self._stop(self)

    def update(self, records: TreeRecords) -> None:
        """Replace the records by those that a poll read; called by the watcher."""
        old, self.records = self.records, records
        if old is records or (old is not None and states_of(old) == states_of(records)):
            return
        if self._task_callbacks:
            for change in changes_between(old, records):
                self._call(self._task_callbacks, change)
        self._call(self._callbacks, TaskTree.of_records(records))

    def estimate(self, average: float | None, places: Mapping[int, int]) -> None:
        """Take the usual duration, in seconds, and places in queues. Called by the watcher."""
        if (average, places) != (self._average, self.queue_places):
            self._average, self.queue_places = average, places
            self._call(self._estimate_callbacks, self)

    def silence(self) -> None:
        """Make no more callbacks. Called by the watcher."""
        self._is_silent = True
        self._callbacks = self._task_callbacks = self._estimate_callbacks = ()

    def _call(self, callbacks: tuple[Callable[[Any], Any], ...], argument: Any) -> None:
        for callback in callbacks:
            if self._is_silent:
                return
            try:
                callback(argument)
            except Exception:  # noqa: BLE001 - one caller's mistake must not blind the others
                self._log.failure("a callback of a watched task failed")


class _End(Deferred[TaskTree]):
    """The end of a watched task, which can be cancelled without a bound method of its own."""

    def __init__(self, watch: Watch) -> None:
        super().__init__(_stop)
        self.watch = watch


def _stop(end: defer.Deferred[Any]) -> None:
    assert isinstance(end, _End)
    end.watch.stop()
