"""What a task tree is doing, in a few words. Pure."""

from __future__ import annotations

from txkoji import task_states
from txkoji.watcher import TaskTree

__all__ = ["describe", "is_queued", "link_name"]

_ACTIVITIES = {
    "waitrepo": "waiting for the repo",
    "buildSRPMFromSCM": "making the source RPM",
    "rebuildSRPM": "making the source RPM",
    "tagBuild": "tagging",
}
"""What a build does while a child of this method is active."""


def is_queued(tree: TaskTree) -> bool:
    """Tell whether the task still waits for a builder."""
    return tree.root.state in (task_states.FREE, task_states.ASSIGNED)


def describe(tree: TaskTree, activity: str = "building") -> str:
    """Say what a task is doing: ``building: 1/3 arches done``.

    Args:
        tree: the task and its children.
        activity: what the task does where none of its children says more.
    """
    if is_queued(tree):
        return "waiting for a builder"
    children = tree.children.get(tree.root.id, ())
    active = [child for child in children if child.state in task_states.ACTIVE_GROUP]
    arches = [child for child in children if child.method == "buildArch"]
    if arches and (not active or any(child.method == "buildArch" for child in active)):
        done = sum(child.state == task_states.CLOSED for child in arches)
        words = f"building: {done}/{len(arches)} arches done"
        failed = [child.arch for child in arches if child.state == task_states.FAILED]
        return f"{words}, {' '.join(failed)} failed" if failed else words
    for child in active:
        if child.method in _ACTIVITIES:
            return _ACTIVITIES[child.method]
    return activity


def link_name(method: str, arch: str | None, task_id: int) -> str:
    """Return the text of the link to a task."""
    words = f"{method} {arch}" if method == "buildArch" and arch else method
    return f"{words} (task {task_id})"
