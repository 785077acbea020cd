"""The page *In Koji now*: the watched task trees. Pure: status values in, plain values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildbot_koji.hubs.hub import WatchingBuild
from buildbot_koji.www.plain import LONG, link, number, text
from txkoji import WatchedTask, paths, task_states

__all__ = ["by_trouble", "tree_json"]

SLOW = 1.5
"""A task that takes so many times its usual duration is in trouble."""

STUCK_AFTER = 3600.0
"""Seconds that a task may wait for a builder before that is trouble."""

MOST_ARCHES = 30


def tree_json(
    task: WatchedTask,
    build: WatchingBuild | None,
    builder_id: int | None,
    hub: str,
    weburl: str,
    topurl: str | None,
    now: float,
) -> dict[str, Any]:
    """Return what the page shows of a watched task and the tasks below it.

    Args:
        task: the task.
        build: the build whose step watches it.
        builder_id: the id of that build's builder.
        hub: the name of the hub's profile.
        weburl: the address of its pages.
        topurl: the address of its files.
        now: the time, in seconds since the epoch.
    """
    found: dict[str, Any] = {
        "hub": hub,
        "task_id": task.task_id,
        "label": f"task {task.task_id}",
        "package": None,
        "nvr": None,
        "builder": None if build is None else text(build.builder),
        "builder_id": builder_id,
        "build_number": None if build is None else build.number,
        "build_id": None if build is None else build.build_id,
        "state": "FREE",
        "since": number(task.changed),
        "started": None,
        "arches": [],
        "queue_position": None,
        "elapsed": None,
        "usual": number(task.usual),
        "trouble": None,
        "trouble_level": 0,
        "url": link(paths.task_url(weburl, task.task_id)),
    }
    if task.tree is None:
        return found
    root = task.tree.root
    started = _start(root)
    found.update(
        package=text(root.package),
        label=text(root.package or root.get("method")) or found["label"],
        state=_state(root),
        started=started,
        elapsed=None if started is None else max(now - started, 0.0),
        queue_position=_place(task),
        arches=[
            _arch_json(arch, each, weburl, topurl)
            for arch, each in list(task.tree.arches.items())[:MOST_ARCHES]
        ],
    )
    found["trouble_level"], found["trouble"] = _trouble(root, found, now)
    return found


def by_trouble(tree: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the key that sorts trees: trouble first, then those that wait longest."""
    return (-tree["trouble_level"], tree["since"] or 0.0, tree["task_id"])


def _start(task: Any) -> float | None:
    return number(task.get("start_ts")) if task.get("state") != task_states.FREE else None


def _state(task: Any) -> str:
    return str(task_states.to_str(task.state))


def _place(task: WatchedTask) -> int | None:
    """Return the place of the task, or of the first task below it that waits."""
    return min(task.places.values(), default=None)


def _arch_json(arch: str, task: Any, weburl: str, topurl: str | None) -> dict[str, Any]:
    is_running = task.state in (task_states.OPEN, task_states.CLOSED, task_states.FAILED)
    log = paths.task_output_url(topurl, task.id, "build.log") if topurl and is_running else None
    return {
        "arch": text(arch),
        "method": text(task.get("method")),
        "state": _state(task),
        "task_id": task.id,
        "host": None,
        "url": link(paths.task_url(weburl, task.id)),
        "log_url": link(log),
    }


def _trouble(root: Any, found: Mapping[str, Any], now: float) -> tuple[int, str | None]:
    failed = [each["arch"] for each in found["arches"] if each["state"] in ("FAILED", "CANCELED")]
    if failed:
        return 2, text(f"failed on {', '.join(failed)}", LONG)
    waited = now - (number(root.get("create_ts")) or now)
    if root.state == task_states.FREE and waited > STUCK_AFTER:
        return 1, f"waits for a builder since {waited / 3600:.0f} h"
    elapsed, usual = found["elapsed"], found["usual"]
    if elapsed is not None and usual and elapsed > SLOW * usual:
        return 1, f"usual {_minutes(usual)}, now {_minutes(elapsed)}"
    return 0, None


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"
