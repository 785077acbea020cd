"""When to read a watched task again. Pure: times and states in, the next time out.

A task is read at the eager interval while something is likely to happen to it: just after it was
submitted or changed, and about when it should end. In between it is read at the calm interval. Both
grow with the number of watched tasks, so that many cost the hub about the same as a few.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

SECONDS_PER_TASK = 0.014
"""What each watched task adds to the interval of all: a thousand are read every 14 s.

Reading a thousand takes 6 to 9 requests; see docs/performance.rst.
"""

CALM = 3.0
"""The calm interval, in eager ones."""

CALM_LIMIT = 18.0
"""The longest calm interval that a few tasks have: a change is reported within 20 s."""

NEW_FOR = 10.0
"""Eager intervals for which a task counts as just submitted."""

CHANGED_FOR = 3.0
"""Eager intervals for which a task counts as just changed: one change seldom comes alone."""

NEAR_THE_END = 60.0
"""Seconds before and after the estimated end, at least."""

NEAR_SHARE = 0.1
"""The same as a share of the estimated duration."""

GAP_SHARE = 0.25
"""The shortest pause after a poll, whatever the hints, as a share of an eager interval."""

GAP_LIMIT = 3.0
"""The longest such pause, unless the poll has read many trees."""

HINTED_GAP = 0.5
"""The shortest pause after a poll, in seconds, while a bus reports changes of a few tasks."""

HINTED_GAP_PER_TASK = 0.0025
"""What each watched task adds to that pause, up to the longest one."""

EARLY_SHARE = 0.5
"""How early a task may be read along with others that are due, as a share of an eager interval."""

JITTER = 0.2
"""How much of its interval a poll may come early: masters started together drift apart."""


@dataclass(frozen=True)
class Situation:
    """A watched task's times, all in elapsed time.

    Attributes:
        began: when the watch began.
        changed: when the last change was seen.
        started: when a builder took the task up, None while it waits for one.
        estimated: how many seconds it should take from its start, None if that is unknown.
    """

    began: float
    changed: float
    started: float | None = None
    estimated: float | None = None


@dataclass(frozen=True)
class WatchSchedule:
    """Plans when to read each task.

    Attributes:
        interval: the eager interval of a few watched tasks, in seconds.
    """

    interval: float

    def eager(self, count: int) -> float:
        """Return the eager interval while so many tasks are watched, in seconds."""
        return max(self.interval, count * SECONDS_PER_TASK)

    def calm(self, count: int) -> float:
        """Return the calm interval while so many tasks are watched, in seconds."""
        eager = self.eager(count)
        return max(eager, min(CALM * eager, CALM_LIMIT))

    def gap(self, count: int, polled: int, *, hinted: bool = False) -> float:
        """Return the shortest pause between the end of a poll and the next, in seconds.

        Args:
            count: how many tasks are watched.
            polled: how many of them the poll has read.
            hinted: whether a bus reports changes, which are to be seen soon.
        """
        share = GAP_SHARE * polled * SECONDS_PER_TASK
        pause = GAP_SHARE * self.eager(count)
        if hinted:
            pause = min(pause, max(HINTED_GAP, HINTED_GAP_PER_TASK * count))
        return max(min(pause, GAP_LIMIT), share)

    def early(self, count: int) -> float:
        """Return how many seconds early a task may be read along with others."""
        return EARLY_SHARE * self.eager(count)

    def next_poll(
        self, now: float, situation: Situation, count: int, chance: float, *, hinted: bool = False
    ) -> float:
        """Return when to read a task again.

        Args:
            now: the time of the poll that just ended.
            situation: what is known of the task.
            count: how many tasks are watched.
            chance: a random number from 0 to 1, the same for the tasks of one poll, so that they
                stay together.
            hinted: whether a bus reports changes: the poll only finds what it lost.
        """
        eager = self.eager(count)
        is_eager = not hinted and self._is_eager(now, situation, eager)
        interval = eager if is_eager else self.calm(count)
        return now + interval * (1 - JITTER * chance)

    def _is_eager(self, now: float, situation: Situation, eager: float) -> bool:
        if now - situation.began < NEW_FOR * eager:
            return True
        if now - situation.changed < CHANGED_FOR * eager:
            return True
        if situation.started is None or situation.estimated is None:
            return False
        margin = max(NEAR_THE_END, NEAR_SHARE * situation.estimated)
        return abs(now - (situation.started + situation.estimated)) < margin


class DueTasks:
    """When each watched task is due, and which ones a hint makes due at once."""

    def __init__(self) -> None:
        self._due: dict[int, float] = {}
        # A pair that differs from `_due` is outdated.
        self._heap: list[tuple[float, int]] = []
        # In the order of the hints.
        self._hinted: dict[int, None] = {}

    @property
    def is_hinted(self) -> bool:
        """Whether a hint waits for the next poll."""
        return bool(self._hinted)

    @property
    def earliest(self) -> float | None:
        """When the most overdue task was or is due, also of those that are being read."""
        return min(self._due.values(), default=None)

    def plan(self, task_id: int, due: float) -> None:
        """Set when a task is due."""
        self._due[task_id] = due
        heapq.heappush(self._heap, (due, task_id))

    def make_due(self, due: float) -> None:
        """Make every task due at this time, or earlier."""
        for task_id, planned in list(self._due.items()):
            self.plan(task_id, min(planned, due))

    def hint(self, task_ids: Iterable[int]) -> None:
        """Let the next poll read tasks, even if they are being read now."""
        self._hinted.update(dict.fromkeys(task_ids))

    def discard(self, task_id: int) -> None:
        """Forget a task."""
        del self._due[task_id]
        self._hinted.pop(task_id, None)
        if not self._due:
            self._heap.clear()

    def first(self) -> float:
        """Return when the first task is due; all that were taken must be planned again before."""
        while self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0]

    def take(self, now: float, soon: float, count: int) -> list[int]:
        """Return the tasks to read: hinted ones, due ones, and those that are due soon.

        Args:
            now: the time.
            soon: tasks that are due until then are read along with others.
            count: how many tasks at most.
        """
        taken = dict.fromkeys(islice(self._hinted, count))
        for task_id in taken:
            del self._hinted[task_id]
        while len(taken) < min(count, len(self._due)) and self.first() <= (soon if taken else now):
            taken[heapq.heappop(self._heap)[1]] = None
        return list(taken)
