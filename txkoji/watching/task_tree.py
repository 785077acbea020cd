"""A task and all below it at one moment, and what became different between two moments. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from txkoji import task_states

__all__ = ["TaskChange", "TaskTree", "arch_of", "changes_between", "may_have_children"]

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


@dataclass(frozen=True)
class TaskTree:
    """A task and all below it, as they were at one look.

    Its tasks hold what ``getTaskInfo`` tells, the request included, but no result.

    Attributes:
        root: the watched task.
        children: the children of each task that has any, by its id, oldest first.
    """

    root: Any
    children: Mapping[int, tuple[Any, ...]] = field(default_factory=dict)

    def descendents(self) -> Iterator[Any]:
        """Yield every task below the root, parents before their children."""
        waiting = [self.root["id"]]
        for parent in waiting:
            for child in self.children.get(parent, ()):
                yield child
                waiting.append(child["id"])

    def tasks(self) -> Iterator[Any]:
        """Yield the root and every task below it, parents before their children."""
        yield self.root
        yield from self.descendents()

    def states(self) -> tuple[tuple[int, int, int | None, bool | None, float | None], ...]:
        """Return what makes two trees differ: ids, states, hosts, waiting and starts of all."""
        return tuple(
            (task["id"], task["state"], task["host_id"], task["waiting"], task.get("start_ts"))
            for task in self.tasks()
        )

    @property
    def is_final(self) -> bool:
        """Whether the watched task is CLOSED, FAILED or CANCELED."""
        return self.root.state in task_states.DONE_GROUP

    @property
    def arches(self) -> dict[str, Any]:
        """The task of each architecture, by its name: of ``buildArch``, ``createImage`` and such.

        Where several tasks work for one architecture (a chain, a second try) it is the last of
        them.
        """
        found = {}
        for task in sorted(self.tasks(), key=lambda task: task.id):
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


def has_started(task: Any) -> bool:
    """Tell whether a builder ever took the task up: one that is FREE again has, too."""
    if task.state in (task_states.OPEN, task_states.CLOSED, task_states.FAILED):
        return True
    return task.get("start_ts") is not None or task.get("start_time") is not None


def may_have_children(task: Any) -> bool:
    """Tell whether there may be tasks below a task: not before it starts, nor for some methods."""
    return task.get("method") not in _CHILDLESS_METHODS and has_started(task)


@dataclass(frozen=True)
class TaskChange:
    """What happened to one task of a tree.

    Attributes:
        task: the task as it is now.
        old_state: its state before, None for a task that was not seen before.
        new_state: its state now.
        restarted: whether a builder took it up anew since: its logs begin again.
    """

    task: Any
    old_state: int | None
    new_state: int
    restarted: bool = False

    @property
    def is_final(self) -> bool:
        """Whether the task is CLOSED, FAILED or CANCELED now."""
        return self.new_state in task_states.DONE_GROUP


def changes_between(old: TaskTree | None, new: TaskTree) -> list[TaskChange]:
    """List what became of the tasks of a tree.

    Args:
        old: the tree before, None at the first look.
        new: the tree now.

    Returns:
        The changes: first of tasks that go on, parents before their children; then of tasks that
        have ended, children before their parents.
    """
    before = {} if old is None else {task.id: task for task in old.tasks()}
    going_on: list[TaskChange] = []
    ended: list[TaskChange] = []
    for task in new.tasks():
        change = _change(before.get(task.id), task)
        if change is not None:
            (ended if change.is_final else going_on).append(change)
    return [*going_on, *reversed(ended)]


def _change(old: Any, new: Any) -> TaskChange | None:
    if old is None:
        return TaskChange(new, None, new.state)
    # A task that goes back to FREE keeps its old start until it is taken up again.
    began = old.get("start_ts")
    restarted = (
        began is not None
        and new.state not in (task_states.FREE, task_states.ASSIGNED)
        and new.get("start_ts") != began
    )
    if old.state == new.state and not restarted:
        return None
    return TaskChange(new, old.state, new.state, restarted)
