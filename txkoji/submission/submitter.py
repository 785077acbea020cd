"""Submit a task once, whatever happens to the reply.

Where the outcome of a call is unknown, the hub is asked for the task that the call would have made
before the call is sent again. How that task is recognised: :mod:`txkoji.submission.recognition`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from twisted.internet.task import deferLater

from txkoji.exceptions import (
    KojiException,
    ProtocolError,
    RetryError,
    SequenceError,
    TransportError,
    UnknownOutcome,
)
from txkoji.hub.methods import Kind
from txkoji.hub.session import Turn
from txkoji.submission.recognition import TASK_METHODS, named, surplus, with_marker

if TYPE_CHECKING:
    from txkoji.connection import Connection

__all__ = ["Claims", "Submission", "find_submitted", "new_submission", "submit"]

PAGE = 50

PAUSES = (0.0, 2.0, 8.0)
"""Seconds before each look for a task whose submission may still be under way on the hub."""

MAX_CLAIMS = 10_000


@dataclass(frozen=True)
class Submission:
    """What must be known of a submission to find its task, also in another process.

    Every field is plain: ``Submission(**dataclasses.asdict(submission))``, by way of JSON too, is
    the same submission.

    Attributes:
        marker: what no other submission has.
        submitted: when it was made, in seconds since the epoch, by our clock.
        newest_task: the id of the newest task that the hub had by then.
        owner: the id of the user who submits; None where nobody was logged in.
    """

    marker: str
    submitted: float
    newest_task: int
    owner: int | None = None


class Claims:
    """Which tasks of a hub are whose: of two equal submissions each gets a task of its own."""

    def __init__(self) -> None:
        self._markers: dict[int, str] = {}

    def take(self, task_id: int, submission: Submission) -> bool:
        """Let a submission have a task; False if another one has it."""
        owner = self._markers.setdefault(task_id, submission.marker)
        if len(self._markers) > MAX_CLAIMS:
            del self._markers[next(iter(self._markers))]
        return owner == submission.marker


def _check(method: str) -> None:
    if method not in TASK_METHODS:
        known = ", ".join(sorted(TASK_METHODS))
        raise ValueError(f"{method} can't be submitted: it is none of {known}; call it instead")


async def new_submission(connection: Connection, method: str) -> Submission:
    """As :meth:`txkoji.Connection.new_submission`."""
    _check(method)
    owner = await connection.user_id()
    newest = await connection.call("listTasks", {}, {"order": "-id", "limit": 1})
    return Submission(
        marker=uuid4().hex,
        submitted=connection.reactor.seconds(),
        newest_task=int(newest[0].id) if newest else 0,
        owner=owner,
    )


async def submit(
    connection: Connection,
    claims: Claims,
    submission: Submission,
    method: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> int:
    """As :meth:`txkoji.Connection.submit`."""
    _check(method)
    marked, options = with_marker(method, args, kwargs, submission.marker)
    started = connection.reactor.seconds()
    turn, again = Turn(), False
    while True:
        unknown: KojiException | None = None
        try:
            task_id = int(await connection.send(method, marked, options, Kind.WRITE, turn))
        except KojiException as error:
            if not _may_be_done(error, again=again):
                raise
            unknown, again = error, True
        else:
            if claims.take(task_id, submission):
                return task_id
            # Another submission of the same request was in doubt meanwhile, and took this task:
            # the one that it asked for, if there is one, does the same.
            turn = Turn()
        try:
            found = await find_submitted(connection, claims, submission, method, args, kwargs)
        except KojiException as error:
            raise _unknown_outcome(connection, method, unknown or error) from error
        if found is not None:
            return found
        if isinstance(unknown, RetryError):
            raise unknown
        if connection.reactor.seconds() - started > connection.deadline:
            raise _unknown_outcome(connection, method, unknown) from unknown
        # The hub has had its time and has no such task: the request never got there. Should it
        # still come, the call number lets a hub that looks at it carry out only one of the two.
        if isinstance(unknown, SequenceError):
            turn = Turn()


def _may_be_done(error: KojiException, *, again: bool) -> bool:
    if isinstance(error, TransportError):
        return error.may_have_arrived
    if isinstance(error, SequenceError):
        # Another write of the session was done since the number was sent for the first time.
        return again
    return isinstance(error, (ProtocolError, RetryError))


def _unknown_outcome(
    connection: Connection, method: str, error: KojiException | None
) -> UnknownOutcome:
    return UnknownOutcome(
        f"{connection.url} may or may not have the task of {method}: {error};"
        " look for it (find_submitted) before you submit it again",
        url=connection.url,
    )


async def find_submitted(
    connection: Connection,
    claims: Claims,
    submission: Submission,
    method: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> int | None:
    """As :meth:`txkoji.Connection.find_submitted`."""
    _check(method)
    for pause in PAUSES:
        await deferLater(connection.reactor, pause, lambda: None)
        if connection.session_id is not None:
            # A hub lets the calls of one session wait for each other: once this one is answered, a
            # submission that the hub had begun to carry out is done.
            await connection.call("getLoggedInUser")
        for task_id in await _look(connection, submission, method, args, kwargs):
            if claims.take(task_id, submission):
                return task_id
    return None


async def _look(
    connection: Connection,
    submission: Submission,
    method: str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
) -> list[int]:
    """Return the tasks that may be a submission's, the most likely one first."""
    entry = TASK_METHODS[method]
    marked = with_marker(method, args, kwargs, submission.marker)
    arguments = named(entry, *marked)
    wanted: dict[str, Any] = {"method": arguments.get(entry.task, entry.task)}
    if method == "resubmitTask":
        original = await connection.call("getTaskInfo", arguments["taskID"])
        if original is None:
            return []
        wanted["method"] = original.method
        arguments = {**arguments, "request": original.request}
    if submission.owner is not None:
        wanted["owner"] = submission.owner
    if "parent" not in arguments:
        wanted["parent"] = None
    others = {
        name: await connection.call(look_up, arguments[name])
        for name, look_up in entry.aliases.items()
        if isinstance(arguments.get(name), (int, str))
    }
    found: list[tuple[int, int]] = []
    offset = 0
    while True:
        page = {"order": "-id", "limit": PAGE, "offset": offset}
        tasks = await connection.call("listTasks", wanted, page)
        for task in tasks:
            more = surplus(method, arguments, task, others)
            if more is not None and task.id > submission.newest_task:
                found.append((more, int(task.id)))
        if len(tasks) < PAGE or tasks[-1].id <= submission.newest_task:
            return [task_id for _, task_id in sorted(found)]
        offset += PAGE
