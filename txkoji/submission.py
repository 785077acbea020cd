"""Submit a task once, whatever happens to the reply.

A submission carries a marker that no other has. Where the outcome of the call is unknown, the hub
is asked for a task with the marker before anything is submitted again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from twisted.internet.task import deferLater

from txkoji._deferreds import returns_deferred
from txkoji.exceptions import KojiException, ProtocolError, RetryError, TransportError

__all__ = ["find_build_task", "marker_of", "new_marker", "submit_build"]

KEY = "submission_marker"
"""Where the marker stands in ``custom_user_metadata``, which Koji keeps for its users."""

SLACK = 3600.0
"""Seconds by which the hub's clock may be behind ours."""

PAGE = 100

PAUSES = (0.0, 2.0, 8.0)
"""Seconds before each look for a task whose submission may still be under way on the hub."""


def new_marker() -> str:
    """Return a marker that was never given before."""
    return uuid4().hex


def with_marker(opts: Mapping[str, Any], marker: str) -> dict[str, Any]:
    """Return the options of a build with the marker among its ``custom_user_metadata``."""
    metadata = {**(opts.get("custom_user_metadata") or {}), KEY: marker}
    return {**opts, "custom_user_metadata": metadata}


def marker_of(task: Any) -> str | None:
    """Return the marker of a ``build`` task, None where it has none."""
    opts = (task.params or {}).get("opts")
    metadata = opts.get("custom_user_metadata") if isinstance(opts, dict) else None
    return metadata.get(KEY) if isinstance(metadata, dict) else None


@returns_deferred
async def find_build_task(connection: Any, marker: str, *, submitted: float) -> Any:
    """Look for the ``build`` task that carries a marker.

    Looks again after some seconds before it gives up: the submission may still be under way.

    Args:
        connection: a :class:`txkoji.Connection`.
        marker: the marker.
        submitted: when it was submitted, or later, in seconds since the epoch.

    Returns:
        A Deferred of the :class:`txkoji.task.Task`, None where the hub has none.

    Raises:
        TransportError: the hub could not be reached.
    """
    for pause in PAUSES:
        await deferLater(connection.reactor, pause, lambda: None)
        task = await _look_for_build_task(connection, marker, submitted)
        if task is not None:
            return task
    return None


async def _look_for_build_task(connection: Any, marker: str, submitted: float) -> Any:
    wanted = {"method": "build", "createdAfter": submitted - SLACK}
    offset = 0
    while True:
        page = {"order": "-id", "limit": PAGE, "offset": offset}
        tasks = await connection.call("listTasks", wanted, page)
        for task in tasks:
            if marker_of(task) == marker:
                return task
        if len(tasks) < PAGE:
            return None
        offset += PAGE


@returns_deferred
async def submit_build(
    connection: Any,
    source: str,
    target: str | None,
    opts: Mapping[str, Any],
    *,
    marker: str,
    priority: int | None = None,
    channel: str | None = None,
) -> int:
    """Submit a build exactly once.

    Args:
        connection: a :class:`txkoji.Connection`, logged in.
        source: the SCM URL, or the path of an uploaded source RPM.
        target: the name of the build target; None with ``repo_id`` among the options.
        opts: the options of Koji's ``build``.
        marker: what :func:`new_marker` gave for this submission.
        priority: relative to Koji's 20; higher is later.
        channel: the channel of the task, None for what the hub's policy says.

    Returns:
        A Deferred of the id of the task.

    Raises:
        HubFault: the hub refused; nothing was submitted.
        TransportError: the hub could not be reached, or whether it has the task could not be found
            out; look for the marker later.
    """
    started = connection.reactor.seconds()
    marked = with_marker(opts, marker)
    while True:
        try:
            return int(await connection.call("build", source, target, marked, priority, channel))
        except KojiException as error:
            if not _may_be_done(error):
                raise
            unknown = error
        task = await find_build_task(connection, marker, submitted=started)
        if task is not None:
            return int(task.id)
        if (
            isinstance(unknown, RetryError)
            or connection.reactor.seconds() - started > connection.deadline
        ):
            raise unknown
        # The hub has had its time and has no such task: the request never got there.


def _may_be_done(error: KojiException) -> bool:
    if isinstance(error, TransportError):
        return error.may_have_arrived
    return isinstance(error, (ProtocolError, RetryError))
