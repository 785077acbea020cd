"""A task and all below it at one poll, and what changed between two polls. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from txkoji import task_states
from txkoji.task_info import TaskInfo
from txkoji.watching.records import (
    HOST,
    ID,
    METHOD,
    START,
    STARTED,
    STATE,
    WAITING,
    TaskRecord,
    TreeRecords,
    info_of,
    is_final,
    record_of,
)

ARCH_METHODS = frozenset(
    [
        "buildArch",
        "buildMaven",
        "createAppliance",
        "createImage",
        "createKiwiImage",
        "createLiveCD",
        "createLiveMedia",
        "createdistrepo",
        "createrepo",
        "runroot",
        "vmExec",
    ]
)
"""Tasks that do their parent's work for one architecture."""

_CHILDLESS_METHODS = (ARCH_METHODS - {"runroot"}) | {
    "buildNotification",
    "buildSRPMFromSCM",
    "rebuildSRPM",
    "tagBuild",
    "tagNotification",
    "waitrepo",
    "wrapperRPM",
}
"""Tasks whose handlers in Koji's builder start no others."""


TreeStates = tuple[tuple[int, int, int | None, bool | None, float | None], ...]


class TaskTree:
    """A task and all below it, as they were at one poll.

    It keeps slim records; a task is made each time that it is asked for. Tasks hold what
    ``getTaskInfo`` returns, with the request, but no result.

    Args:
        root: the watched task.
        children: the children of each task that has any, by its id, oldest first.

    Attributes:
        records: the records of all tasks, parents before their children.
    """

    __slots__ = ("records",)

    def __init__(
        self,
        root: Mapping[str, Any],
        children: Mapping[int, Sequence[Mapping[str, Any]]] | None = None,
    ) -> None:
        children = children or {}
        # A dict: tasks that are each other's parents must not be followed in circles.
        records = {root["id"]: record_of(root)}
        waiting = [root["id"]]
        for parent in waiting:
            below = [each for each in children.get(parent, ()) if each["id"] not in records]
            records.update((each["id"], record_of({**each, "parent": parent})) for each in below)
            waiting += [each["id"] for each in below]
        self.records: TreeRecords = tuple(records.values())

    @classmethod
    def of_records(cls, records: TreeRecords) -> TaskTree:
        """Make a tree of the records of its tasks."""
        tree = cls.__new__(cls)
        tree.records = records
        return tree

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaskTree) and self.records == other.records

    @property
    def root(self) -> TaskInfo:
        """The watched task."""
        return info_of(self.records[0])

    @property
    def children(self) -> dict[int, tuple[TaskInfo, ...]]:
        """The children of each task that has any, by its id, oldest first."""
        found: dict[int, list[TaskInfo]] = {}
        for task in self.descendents():
            if task.parent is not None:
                found.setdefault(task.parent, []).append(task)
        return {parent: tuple(tasks) for parent, tasks in found.items()}

    def descendents(self) -> Iterator[TaskInfo]:
        """Yield every task below the root, parents before their children."""
        return map(info_of, self.records[1:])

    def tasks(self) -> Iterator[TaskInfo]:
        """Yield the root and every task below it, parents before their children."""
        return map(info_of, self.records)

    @property
    def is_queued(self) -> bool:
        """Whether the watched task waits for a builder."""
        return self.records[0][STATE] in (task_states.FREE, task_states.ASSIGNED)

    @property
    def is_final(self) -> bool:
        """Whether the watched task is CLOSED, FAILED or CANCELED."""
        return is_final(self.records[0])

    @property
    def arches(self) -> dict[str, TaskInfo]:
        """The ``buildArch``, ``createImage`` or similar task of each architecture, by its name.

        Where several tasks work for one architecture (a chain, a second try) it is the last of
        them.
        """
        found = {}
        for record in sorted(self.records, key=lambda record: int(record[ID])):
            if record[METHOD] in ARCH_METHODS:
                task = info_of(record)
                arch = arch_of(task)
                if arch is not None:
                    found[arch] = task
        return found


def arch_of(task: Any) -> str | None:
    """Return the architecture that a task does its parent's work for, None for any other task.

    The column ``arch`` only says which hosts may take the task: ``noarch``, or ``i386`` where
    ``i686`` is built.
    """
    if task.get("method") not in ARCH_METHODS:
        return None
    asked = (task.params or {}).get("arch")
    return asked if isinstance(asked, str) else task.get("arch")


def may_have_children(record: TaskRecord) -> bool:
    """Return whether a task may have children: not before it starts, nor for some methods."""
    # One that is FREE again has started, too.
    has_started = record[STATE] in STARTED or record[START] is not None
    return record[METHOD] not in _CHILDLESS_METHODS and has_started


def states_of(records: TreeRecords) -> TreeStates:
    """Return what makes two trees differ: ids, states, hosts, waiting and starts of all tasks."""
    return tuple(
        (record[ID], record[STATE], record[HOST], record[WAITING], record[START])
        for record in records
    )


@dataclass(frozen=True)
class TaskChange:
    """What happened to one task of a tree.

    Attributes:
        task: the task as it is now.
        old_state: its state before, None for a task that was not seen before.
        new_state: its state now.
        restarted: whether a builder has started it again since: its logs start over.
    """

    task: TaskInfo
    old_state: int | None
    new_state: int
    restarted: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the task is CLOSED, FAILED or CANCELED now."""
        return self.new_state in task_states.DONE_GROUP


def changes_between(old: TreeRecords | None, new: TreeRecords) -> list[TaskChange]:
    """List the changes of a tree's tasks since the poll before, None at the first.

    Tasks that continue come first, parents before their children; then tasks that have ended,
    children before their parents.
    """
    before = {} if old is None else {record[ID]: record for record in old}
    active: list[TaskChange] = []
    ended: list[TaskChange] = []
    for record in new:
        change = _change(before.get(record[ID]), record)
        if change is not None:
            (ended if change.is_final else active).append(change)
    return [*active, *reversed(ended)]


def _change(old: TaskRecord | None, new: TaskRecord) -> TaskChange | None:
    if old is new:
        return None
    if old is None:
        return TaskChange(info_of(new), None, new[STATE])
    # A task that goes back to FREE keeps its old start until it starts again.
    restarted = (
        old[START] is not None
        and new[STATE] not in (task_states.FREE, task_states.ASSIGNED)
        and new[START] != old[START]
    )
    if old[STATE] == new[STATE] and not restarted:
        return None
    return TaskChange(info_of(new), old[STATE], new[STATE], restarted)
