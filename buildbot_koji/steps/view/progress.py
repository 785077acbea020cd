"""Describe what a task tree is doing, in a few words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildbot_koji.hubs.builders import no_builder
from buildbot_koji.words import counted, duration
from txkoji import QUEUE_LIMIT, TaskTree, arch_of, task_states

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


def describe(
    tree: TaskTree,
    activity: str = "building",
    *,
    places: Mapping[int, int] | None = None,
    missing: Mapping[int, str] | None = None,
    seconds_left: float | None = None,
    usual: float | None = None,
) -> str:
    """Describe what a task is doing: ``building: x86_64 done, aarch64 building, about 5 min left``.

    Args:
        tree: the task and its descendants.
        activity: what the task does unless one of its children says more.
        places: how many tasks are ahead of a FREE one in its queue, by its id.
        missing: the architecture that a FREE task waits for and no builder has, by its id.
        seconds_left: the seconds until the estimated end, None without an estimate.
        usual: the seconds that such a task takes on average.
    """
    waits = {id_: _place(place) for id_, place in (places or {}).items()}
    waits.update((id_, no_builder(arch)) for id_, arch in (missing or {}).items())
    if tree.is_queued:
        return f"waiting for a builder{_after(waits.get(tree.root.id), ': ')}"
    left = "" if seconds_left is None else about(seconds_left, usual)
    children = tree.children.get(tree.root.id, ())
    active = [child for child in children if child.state in task_states.ACTIVE_GROUP]
    arches = tree.arches
    works_for_arches = not active or any(
        task.state in task_states.ACTIVE_GROUP for task in arches.values()
    )
    if arches and works_for_arches:
        words = ", ".join(f"{arch} {_arch_words(task, waits)}" for arch, task in arches.items())
        return f"{activity}: {words}{left}"
    for child in active:
        if child.method in _ACTIVITIES:
            return f"{_ACTIVITIES[child.method]}{_after(waits.get(child.id), ': ')}{left}"
    return f"{activity}{left}"


def _arch_words(task: Any, waits: Mapping[int, str]) -> str:
    wait = waits.get(task.id) if task.state == task_states.FREE else None
    return f"{_WORDS[task.state]}{_after(wait, ' (', ')')}"


def _after(words: str | None, before: str, end: str = "") -> str:
    return f"{before}{words}{end}" if words else ""


def _place(place: int) -> str:
    if place == 0:
        return "next in the queue"
    more = " or more" if place >= QUEUE_LIMIT else ""
    return f"{counted(place, 'task').replace(' ', f'{more} ', 1)} before it"


def about(seconds: float, usual: float | None = None) -> str:
    """Return the time left in words, rounded so that it changes rarely.

    Args:
        seconds: the time until the usual end; negative after it.
        usual: how long such a task takes on average, in seconds.
    """
    if seconds >= 5:
        return f", about {duration(seconds)} left"
    # An average is exceeded half of the time: a tenth more is not worth a word.
    if seconds < -max((usual or 0) / 10, 5):
        return ", longer than usual" + (f", which is {duration(usual)}" if usual else "")
    return ", about to end"


def link_name(task: Any, attempt: str = "") -> str:
    """Return the title of the link to a task; the attempt it belongs to stands first."""
    method, task_id = task.method, task.id
    # A chain builds several packages.
    what = task.package if method == "build" else arch_of(task)
    words = f"{method} {what}" if what else method
    return f"{_after(attempt, '', ': ')}{words} (task {task_id})"
