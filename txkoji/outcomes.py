"""How a watched task ended: its build, and the one line that says why it failed."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from txkoji import paths, task_states
from txkoji._deferreds import returns_deferred
from txkoji.exceptions import HubFault
from txkoji.watcher import TaskTree

__all__ = ["Outcome", "choose_log", "guilty_task", "read_outcome", "reason_of"]

LOGS = ("build.log", "root.log", "checkout.log", "runroot.log", "mock_output.log", "state.log")
"""The logs that say why a task failed, the most telling one first (those of Koji's builders)."""

_SRPM_METHODS = ("buildSRPMFromSCM", "rebuildSRPM")


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        tree: the task and all below it.
        reason: why it did not close, in one line; empty where it did.
        fault: the fault that the hub keeps as the result of a FAILED task, else None.
        guilty: the task that failed first, at the bottom of the tree; None where none did.
        log: the name of the guilty task's log that holds the reason, None where there is none.
        log_url: the address of that log, or None.
        build: the :class:`txkoji.build.Build` that the task made, None for a scratch build and for
            one that failed before the hub had a name for it.
        nvr: name-version-release of the build, of a scratch build too, or None.
    """

    tree: TaskTree
    reason: str = ""
    fault: HubFault | None = None
    guilty: Any = None
    log: str | None = None
    log_url: str | None = None
    build: Any = None
    nvr: str | None = None


def guilty_task(tree: TaskTree) -> Any:
    """Return the deepest FAILED task on the path of failures from the root, None without one.

    A parent fails with its child's fault. Of several failed children the first to end is the
    cause: the others are canceled when it ends.
    """
    if tree.root.state != task_states.FAILED:
        return None
    task = tree.root
    while True:
        failed = [
            child for child in tree.children.get(task.id, ()) if child.state == task_states.FAILED
        ]
        if not failed:
            return task
        task = min(failed, key=lambda child: (child.get("completion_ts") or 0, child.id))


def reason_of(text: str) -> str:
    """Return the line of a fault's text that says most.

    The text of a fault with code 1 is a Python traceback, whose last line names the error.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "the hub gives no reason"
    traceback = any(line.startswith("Traceback (most recent call last)") for line in lines)
    return lines[-1] if traceback else lines[0]


def choose_log(names: Sequence[str], text: str) -> str | None:
    """Choose the log that holds the reason of a failure.

    Args:
        names: the files that the task left.
        text: the text of its fault, which may name a log ("see root.log").
    """
    logs = {posixpath.basename(name): name for name in names if name.endswith(".log")}
    named = re.findall(r"[\w.-]+\.log\b", text)
    return next((logs[name] for name in [*named, *LOGS] if name in logs), None)


@returns_deferred
async def read_outcome(connection: Any, tree: TaskTree) -> Outcome:
    """Ask the hub what came of a task that has ended.

    Args:
        connection: a :class:`txkoji.Connection`.
        tree: the final tree.

    Returns:
        A Deferred of an :class:`Outcome`.

    Raises:
        TransportError: the hub could not be reached.
    """
    build, nvr = await _build(connection, tree)
    if tree.root.state == task_states.CLOSED:
        return Outcome(tree, build=build, nvr=nvr)
    guilty = guilty_task(tree)
    if guilty is None:
        return Outcome(tree, reason=f"task {tree.root.id} was canceled", build=build, nvr=nvr)
    fault = await _fault(connection, guilty.id)
    text = fault.text if fault is not None else ""
    names = await connection.call("listTaskOutput", guilty.id)
    log = choose_log(names, text)
    return Outcome(
        tree,
        reason=reason_of(text),
        fault=fault,
        guilty=guilty,
        log=log,
        log_url=None if log is None else _log_url(connection, guilty.id, log),
        build=build,
        nvr=nvr,
    )


async def _fault(connection: Any, task_id: int) -> HubFault | None:
    try:
        await connection.call("getTaskResult", task_id)
    except HubFault as fault:
        return fault
    return None


def _log_url(connection: Any, task_id: int, log: str) -> str:
    if connection.topurl:
        return paths.task_output_url(connection.topurl, task_id, log)
    return paths.task_file_url(connection.weburl, task_id, log)


async def _build(connection: Any, tree: TaskTree) -> tuple[Any, str | None]:
    builds = await connection.call("listBuilds", taskID=tree.root.id)
    if builds:
        return builds[0], builds[0].nvr
    for task in tree.descendents():
        if task.method in _SRPM_METHODS and task.state == task_states.CLOSED:
            result = await connection.call("getTaskResult", task.id)
            srpm = posixpath.basename(str(result.get("srpm", "")))
            return None, srpm.removesuffix(".src.rpm") or None
    return None, None
