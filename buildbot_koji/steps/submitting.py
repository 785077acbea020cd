"""Submit a task once, and find it again where it is not known whether the hub has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from buildbot.util.twisted import async_to_deferred

from txkoji.submission import find_build_task, submit_build

__all__ = ["HubCall", "find_task", "submit_task"]


@dataclass(frozen=True)
class HubCall:
    """A call that starts a task.

    Attributes:
        method: the hub's method.
        args: its positional arguments, which JSON can hold.
        kwargs: its named arguments.
    """

    method: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)


@async_to_deferred
async def submit_task(connection: Any, call: HubCall, marker: str) -> int:
    """Submit a task; returns its id.

    Args:
        connection: a :class:`txkoji.Connection`, logged in.
        call: what to call.
        marker: what tells this submission from all others.

    Raises:
        HubFault: the hub refused; nothing was submitted.
        TransportError: the hub could not be reached, or whether it has the task could not be found
            out.
    """
    if call.method != "build":
        return int(await connection.call(call.method, *call.args, **call.kwargs))
    source, target, opts, priority, channel = call.args
    return int(
        await submit_build(
            connection, source, target, opts, marker=marker, priority=priority, channel=channel
        )
    )


@async_to_deferred
async def find_task(connection: Any, call: HubCall, marker: str, *, submitted: float) -> int | None:
    """Look for the task of a submission; returns its id, None where the hub has none.

    Args:
        connection: a :class:`txkoji.Connection`.
        call: what was called.
        marker: what tells this submission from all others.
        submitted: when it was submitted, or earlier, in seconds since the epoch.

    Raises:
        TransportError: the hub could not be reached.
    """
    if call.method != "build":
        return None
    task = await find_build_task(connection, marker, submitted=submitted)
    return None if task is None else int(task.id)
