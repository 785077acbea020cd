"""Counts how the tasks of a master ended, and how long they waited for a builder. Pure."""

from __future__ import annotations

import bisect

from buildbot_koji.database_values import number
from txkoji import TaskTree, task_states

WAIT_BOUNDS = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14400.0)
"""The upper bounds of the buckets of :attr:`TaskCounts.waits`, in seconds."""

FAILURE_KINDS = ("failed", "infrastructure")
"""The kinds of ends that are failures."""


class TaskCounts:
    """Counts how the tasks ended that the steps of this master followed.

    Attributes:
        ended: how many tasks ended, by kind: ``succeeded``, ``failed`` (the package),
            ``infrastructure`` (the build system) or ``canceled``.
        waits: how many tasks waited at most :data:`WAIT_BOUNDS` for a builder, each counted in the
            first bucket that takes it; the last bucket takes the rest.
        wait_sum: the seconds that all of them waited.
    """

    def __init__(self) -> None:
        self.ended = dict.fromkeys(("succeeded", *FAILURE_KINDS, "canceled"), 0)
        self.waits = [0] * (len(WAIT_BOUNDS) + 1)
        self.wait_sum = 0.0

    @property
    def total(self) -> int:
        """How many tasks ended."""
        return sum(self.ended.values())

    @property
    def failed(self) -> int:
        """How many of them failed."""
        return sum(self.ended[kind] for kind in FAILURE_KINDS)

    def add(self, tree: TaskTree, *, infrastructure: bool) -> None:
        """Count a tree that has ended."""
        state = tree.root.state
        if state == task_states.CLOSED:
            kind = "succeeded"
        elif state == task_states.CANCELED:
            kind = "canceled"
        else:
            kind = "infrastructure" if infrastructure else "failed"
        self.ended[kind] += 1
        for task in tree.tasks():
            created, started = number(task.get("create_ts")), number(task.get("start_ts"))
            if created is not None and started is not None:
                waited = max(started - created, 0.0)
                self.waits[bisect.bisect_left(WAIT_BOUNDS, waited)] += 1
                self.wait_sum += waited
