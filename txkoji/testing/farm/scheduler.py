"""Which host takes which FREE task.

Pure. Tasks are assigned by priority, then by age; a task that no host has capacity for waits and
does not block the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import inf

from txkoji.task_states import FREE
from txkoji.testing.tables.state import HubState, Row

USUAL_WEIGHT = 1.0
WEIGHTS = {
    method: weight
    for weight, methods in {
        0.1: "chainbuild distRepo newRepo",
        0.2: "build chainmaven maven osbuildImage waitrepo winbuild",
        1.5: "buildArch buildMaven createAppliance createLiveCD createLiveMedia createdistrepo"
        " createrepo wrapperRPM",
        2.0: "buildContainer buildSourceContainer createKiwiImage runroot",
        4.0: "kiwiBuild",
    }.items()
    for method in methods.split()
}
"""The weights of task methods that differ from :data:`USUAL_WEIGHT`."""


def _place(task: Row) -> tuple[float, int]:
    # A task without a priority comes last, as a database has it.
    return inf if task["priority"] is None else task["priority"], task["id"]


class Scheduler:
    """Matches tasks and hosts.

    Args:
        state: the hub's tables.
    """

    def __init__(self, state: HubState) -> None:
        self._state = state
        self._waiting: set[int] = set()
        self._placed: dict[int, tuple[int, float]] = {}
        self._loads: dict[int, float] = {}

    @property
    def waits(self) -> bool:
        """Return whether a task waits for a host."""
        return bool(self._waiting)

    def load(self, host_id: int) -> float:
        """Return the total weight of a host's tasks."""
        # What is left after subtractions may be below zero; adding 0.0 takes the sign of -0.0.
        return round(self._loads.get(host_id, 0.0), 6) + 0.0

    def offer(self, task_id: int) -> None:
        """Add a FREE task."""
        self._waiting.add(task_id)

    def place(self, task_id: int, method: str, host_id: int) -> None:
        """Count a task on a host."""
        self._waiting.discard(task_id)
        self.release(task_id)
        weight = WEIGHTS.get(method, USUAL_WEIGHT)
        self._placed[task_id] = host_id, weight
        self._loads[host_id] = self._loads.get(host_id, 0.0) + weight

    def release(self, task_id: int) -> None:
        """Take a task off its host, if it has one."""
        host_id, weight = self._placed.pop(task_id, (0, 0.0))
        if host_id:
            self._loads[host_id] -= weight

    def matches(self) -> Iterator[tuple[Row, Row]]:
        """Yield tasks with hosts that take them; the caller places each before the next."""
        rows = [row for row in map(self._free_task, list(self._waiting)) if row is not None]
        for task in sorted(rows, key=_place):
            host = self._host_for(task)
            if host is not None:
                yield task, host

    def _free_task(self, task_id: int) -> Row | None:
        task = self._state.get("task", task_id)
        if task is None or task["state"] != FREE:
            self._waiting.discard(task_id)
            return None
        return task

    def _host_for(self, task: Row) -> Row | None:
        links = self._state.active("host_channels", channel_id=task["channel_id"])
        in_channel = {link["host_id"] for link in links}
        hosts = [
            host
            for host in self._state.rows("host", enabled=True, ready=True)
            if host["id"] in in_channel
            and (task["arch"] == "noarch" or task["arch"] in host["arches"].split())
            # A host below its capacity takes one more task, whatever its weight.
            and (not host["limited"] or self.load(host["id"]) < host["capacity"])
        ]
        return min(hosts, key=lambda host: self.load(host["id"]), default=None)
