"""What is known of a task, from before its submission on: stored, and enough to find it again."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from dataclasses import asdict, dataclass
from typing import Protocol

from buildbot_koji.durable.once import OnceAction
from txkoji import Call, Connection, Submission

__all__ = ["TaskIntent", "submit_once"]


class Submits(Protocol):
    """The hub that a task is submitted to."""

    connection: Connection

    def log_in(self) -> Awaitable[None]:
        """Make sure that the connection has a session."""


@dataclass(frozen=True)
class TaskIntent:
    """A submission, and its task as soon as that is known.

    Attributes:
        call: the call, stored because a later attempt can't repeat one that names an upload.
        submission: finds the task on the hub.
        began: when the step began, in seconds since the epoch.
        task_id: the task, None until the hub has told it.
        adopted: whether someone else started the task.
        earlier: this step's earlier tasks, which the build system failed.
    """

    call: Call
    submission: Submission
    began: float
    task_id: int | None = None
    adopted: bool = False
    earlier: tuple[int, ...] = ()

    def to_json(self) -> bytes:
        """Return the stored form."""
        return json.dumps({**asdict(self), "call": self.call.to_json()}).encode()

    @classmethod
    def from_json(cls, stored: bytes | str) -> TaskIntent:
        """Return the intent of a stored form."""
        values = json.loads(stored)
        return cls(
            Call.from_json(values.pop("call")),
            Submission(**values.pop("submission")),
            earlier=tuple(values.pop("earlier")),
            **values,
        )


def submit_once(hub: Submits, call: Call, submission: Submission) -> OnceAction[int]:
    """Return the action that submits a task; its result is the task's id."""
    submitter = hub.connection.submissions
    return OnceAction(
        do=lambda: submitter.submit(call, submission),
        look=lambda: submitter.find(call, submission),
        prepare=hub.log_in,
    )
