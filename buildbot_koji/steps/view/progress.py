"""Describe what a task tree is doing, in a few words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from txkoji import QUEUE_LIMIT, TaskTree, task_states

__all__ = ["about", "describe", "is_queued", "link_name"]

_ACTIVITIES = {
    "waitrepo": "waiting for the repo",
    "buildSRPMFromSCM": "making the source RPM",
    "rebuildSRPM": "making the source RPM",
    "tagBuild": "tagging",
}
"""What a build does while a child of this method is active."""

_WORDS = {
    task_states.FREE: "waiting",
    task_states.ASSIGNED: "waiting",
    task_states.OPEN: "building",
    task_states.CLOSED: "done",
    task_states.FAILED: "failed",
    task_states.CANCELED: "canceled",
}
"""What the task of an architecture is doing, by its state."""


def is_queued(tree: TaskTree) -> bool:
    """Tell whether the root task waits for a builder."""
    return tree.root.state in (task_states.FREE, task_states.ASSIGNED)


def describe(
    tree: TaskTree,
    activity: str = "building",
    *,
    places: Mapping[int, int] | None = None,
    seconds_left: float | None = None,
) -> str:
    """Describe what a task is doing: ``building: x86_64 done, aarch64 building, about 5 min left``.

    Args:
        tree: the task and its descendants.
        activity: what the task does unless one of its children says more.
        places: how many tasks are ahead of a FREE one in its queue, by its id.
        seconds_left: the seconds until the estimated end, None without an estimate.
    """
    places = places or {}
    if is_queued(tree):
        return f"waiting for a builder{_place(places.get(tree.root.id))}"
    left = "" if seconds_left is None else about(seconds_left)
    children = tree.children.get(tree.root.id, ())
    active = [child for child in children if child.state in task_states.ACTIVE_GROUP]
    arches = tree.arches
    works_for_arches = not active or any(
        task.state in task_states.ACTIVE_GROUP for task in arches.values()
    )
    if arches and works_for_arches:
        words = ", ".join(f"{arch} {_arch_words(task, places)}" for arch, task in arches.items())
        return f"{activity}: {words}{left}"
    for child in active:
        if child.method in _ACTIVITIES:
            return f"{_ACTIVITIES[child.method]}{_place(places.get(child.id))}{left}"
    return f"{activity}{left}"


def _arch_words(task: Any, places: Mapping[int, int]) -> str:
    place = places.get(task.id) if task.state == task_states.FREE else None
    return _WORDS[task.state] + ("" if place is None else f" behind {_tasks(place)}")


def _place(place: int | None) -> str:
    return "" if place is None else f": {_tasks(place)} before it"


def _tasks(count: int) -> str:
    if count == 1:
        return "1 task"
    return f"{count} or more tasks" if count >= QUEUE_LIMIT else f"{count} tasks"


def about(seconds: float) -> str:
    """Return the time left in words, rounded so that it changes rarely."""
    minutes = seconds / 60
    if minutes < 1:
        return ""
    if minutes < 10:
        words = f"{round(minutes)} min"
    elif minutes < 90:
        words = f"{5 * round(minutes / 5)} min"
    else:
        words = f"{round(minutes / 60)} h"
    return f", about {words} left"


def link_name(method: str, arch: str | None, task_id: int) -> str:
    """Return the title of the link to a task."""
    words = f"{method} {arch}" if method == "buildArch" and arch else method
    return f"{words} (task {task_id})"
