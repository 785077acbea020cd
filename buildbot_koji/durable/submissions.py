"""What is known of a submission, from before it is sent, and how its task is found by that."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from buildbot.util.twisted import async_to_deferred

from txkoji.submission.submitter import Submission

__all__ = ["Attempt", "HubCall", "begin_submission", "find_task", "submit_task"]


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


@dataclass(frozen=True)
class Attempt:
    """What is known of a submission.

    Attributes:
        call: what was called, or is about to be: a later attempt can't make the same call again
            where it names an upload.
        submission: what finds the task on the hub.
        began: when the step began, in seconds since the epoch.
        task_id: the task, None as long as the hub has not told it.
        adopted: whether the task is somebody else's.
        earlier: the tasks of this step that failed before, by a fault of the build system.
    """

    call: HubCall
    submission: Submission
    began: float
    task_id: int | None = None
    adopted: bool = False
    earlier: tuple[int, ...] = ()

    def to_json(self) -> bytes:
        """Return it as it is stored."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_json(cls, stored: bytes | str) -> Attempt:
        """Make it of what was stored."""
        values = json.loads(stored)
        call = values.pop("call")
        return cls(
            HubCall(call["method"], tuple(call["args"]), call["kwargs"]),
            Submission(**values.pop("submission")),
            earlier=tuple(values.pop("earlier")),
            **values,
        )


@async_to_deferred
async def begin_submission(connection: Any, call: HubCall) -> Submission:
    """Return what must be stored before the call is made.

    Args:
        connection: a :class:`txkoji.Connection`, logged in.
        call: what is to be called.

    Raises:
        HubFault, TransportError: as for any read.
    """
    begun: Submission = await connection.new_submission(call.method, *call.args, **call.kwargs)
    return begun


@async_to_deferred
async def submit_task(connection: Any, call: HubCall, submission: Submission) -> int:
    """Submit a task; returns its id.

    Args:
        connection: a :class:`txkoji.Connection`, logged in.
        call: what to call.
        submission: what was stored before.

    Raises:
        HubFault: the hub refused; nothing was submitted.
        TransportError: the hub could not be reached, or whether it has the task could not be found
            out.
    """
    submitting = connection.submit(call.method, *call.args, submission=submission, **call.kwargs)
    return int(await submitting)


@async_to_deferred
async def find_task(connection: Any, call: HubCall, submission: Submission) -> int | None:
    """Look for the task of a submission; returns its id, None where the hub has none.

    Args:
        connection: a :class:`txkoji.Connection`.
        call: what was called.
        submission: what was stored before.

    Raises:
        TransportError: the hub could not be reached.
    """
    found: int | None = await connection.find_submitted(
        submission, call.method, *call.args, **call.kwargs
    )
    return found
