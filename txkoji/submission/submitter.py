"""Submit a task once, whatever happens to the reply.

If the outcome of a call is unknown, the hub is searched for the task of the call before the call is
sent again. :mod:`txkoji.submission.recognition` recognizes that task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from operator import itemgetter
from types import MappingProxyType
from typing import Any
from uuid import uuid4

from txkoji._deferreds import returns_deferred
from txkoji._values import seconds
from txkoji.exceptions import (
    KojiException,
    RetryError,
    SequenceError,
    UnknownOutcome,
    UnusableAnswer,
)
from txkoji.hub.answers import a_struct, an_id
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.hub.session import CallNumber
from txkoji.retry import was_not_carried_out
from txkoji.submission.recognition import (
    TASK_METHODS,
    is_marked_by,
    may_have_made,
    with_marker,
)
from txkoji.submission.search import CLOCKS_DIFFER, Candidate, Submission, TaskSearch

PAUSES = (0.0, 2.0, 8.0)
"""Seconds before each look for a task whose submission may still be in flight."""

NEWEST = 5
"""Tasks that are read if the newest, which may be anybody's, has no usable id."""

MAX_CLAIMS = 10_000


class Submitter:
    """Submits tasks to one hub, each exactly once; see :meth:`txkoji.Connection.submit`.

    Args:
        client: the hub.
        pauses: seconds before each look for a task whose submission may still be in flight.

    Attributes:
        recorded: called with ids of tasks without a marker and the time of the submission (seconds
            since the epoch); returns which of them other processes have recorded as theirs. None if
            no one records that.
    """

    def __init__(self, client: HubClient, *, pauses: Sequence[float] = PAUSES) -> None:
        self._client = client
        self._search = TaskSearch(client)
        self._pauses = pauses
        self.recorded: Callable[[Collection[int], float], Awaitable[set[int]]] | None = None
        self._uncertain: set[int] = set()
        # For each task the marker of its submission, and since when it is claimed.
        self._owners: dict[int, tuple[str, float]] = {}

    @returns_deferred
    async def begin(self, call: Call) -> Submission:
        """Begin a submission: return what must be stored before the call is submitted.

        Raises:
            ValueError: the method is not one of :data:`txkoji.TASK_METHODS`, or an argument can't
                be sent.
        """
        _checked(call)
        owner = await self._client.user_id()
        submitted = self._client.reactor.seconds()
        newest = await self._newest_task()
        return Submission(
            marker=uuid4().hex,
            submitted=submitted,
            newest_task=0 if newest is None else newest["id"],
            owner=owner,
            newest_created=None if newest is None else seconds(newest.get("create_ts")),
        )

    async def _newest_task(self) -> Mapping[str, Any] | None:
        """Return the hub's newest task with an id, None if it has no tasks."""
        for limit in (1, NEWEST):
            call = Call("listTasks", ({}, {"order": "-id", "limit": limit}))
            rows = await self._client.send(call)
            tasks = self._client.read_answer(call, rows)
            if tasks or not rows:
                return max(tasks, key=itemgetter("id"), default=None)
        raise UnusableAnswer("listTasks", rows, "tasks with ids")

    @returns_deferred
    async def submit(
        self,
        call: Call,
        submission: Submission | None = None,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> int:
        """Submit a task exactly once; see :meth:`txkoji.Connection.submit`.

        Args:
            call: a call of a hub method that makes a task.
            submission: what :meth:`begin` returned for this call; by default a new one. If it may
                have been submitted before, call :meth:`find` first.
            before: awaited right before the call is sent or sent again, after all waiting; what it
                raises ends the submission.
        """
        call = _checked(call)
        if submission is None:
            submission = await self.begin(call)
        marked = with_marker(call, submission.marker)
        elapsed = self._client.requester.elapsed
        started = elapsed.seconds()
        number, again = CallNumber(), False
        while True:
            unknown: KojiException | None = None
            try:
                task_id = an_id(await self._client.send(marked, number, before=before), call.method)
            except KojiException as error:
                if not _may_be_done(error, again=again):
                    raise
                unknown, again = error, True
            else:
                if self.claim(task_id, submission, is_new=True):
                    return task_id
                # An equal submission, whose outcome was unknown, has claimed this task meanwhile:
                # the task that it made itself, if any, serves as well.
                number = CallNumber()
            try:
                found = await self.find(call, submission)
            except KojiException as error:
                raise self._unknown(call, unknown or error) from error
            if found is not None:
                return found
            if isinstance(unknown, RetryError):
                raise unknown
            if elapsed.seconds() - started > self._client.requester.limits.deadline:
                raise self._unknown(call, unknown) from unknown
            # The hub has no such task after all this time: the request was lost. If it arrives
            # after all, a hub that checks call numbers carries out only one of the two.
            if isinstance(unknown, SequenceError):
                number = CallNumber()

    @returns_deferred
    async def find(self, call: Call, submission: Submission) -> int | None:
        """Find the task of a submission; see :meth:`txkoji.Connection.find_submitted`."""
        [found] = await self.find_all([(_checked(call), submission)])
        return found

    @returns_deferred
    async def find_all(self, wanted: Sequence[tuple[Call, Submission]]) -> list[int | None]:
        """Find the tasks of submissions, like :meth:`find`, with one look at the hub for all.

        Args:
            wanted: what was called, with JSON values for arguments, each with what was stored
                before the call.

        Returns:
            A Deferred of the id of each task, None for those that the hub does not have.
        """
        found: dict[int, int] = {}
        for look, pause in enumerate(self._pauses, 1):
            missing = [place for place in range(len(wanted)) if place not in found]
            if not missing:
                break
            await self._client.requester.elapsed.pause(pause)
            if self._client.session is not None:
                # A hub runs the calls of one session one after the other: once this one is
                # answered, a submission that the hub had begun to carry out is done.
                await self._client.call("getLoggedInUser")
            left = [wanted[place] for place in missing]
            candidates = await self._search.candidates(left)
            await self._drop_recorded(left, candidates)
            for place, tasks in zip(missing, candidates, strict=True):
                call, submission = wanted[place]
                if TASK_METHODS[call.method].marker and look < len(self._pauses):
                    # One without it is hardly ours: ours may still be in flight.
                    tasks = {task: each for task, each in tasks.items() if each.is_marked}
                task_id = self._first_unclaimed(submission, tasks)
                if task_id is not None:
                    found[place] = task_id
        return [found.get(place) for place in range(len(wanted))]

    def _first_unclaimed(
        self, submission: Submission, candidates: Mapping[int, Candidate]
    ) -> int | None:
        """Claim the most likely task that no other submission has."""
        for task_id, candidate in candidates.items():
            has_new_id = task_id > submission.newest_task
            if candidate.is_marked or not has_new_id:
                self._drop_claim_before(task_id, candidate.created)
            if self.claim(task_id, submission, is_new=candidate.is_marked or has_new_id):
                if not candidate.is_marked:
                    self._uncertain.add(task_id)
                return task_id
        return None

    def is_certain(self, task_id: int) -> bool:
        """Return False for a task that :meth:`find` recognized without a marker.

        Another process may have submitted it: an equal request, as the same user, at the same time.
        """
        return task_id not in self._uncertain

    @returns_deferred
    async def is_lost(self, task_id: int, call: Call, submission: Submission) -> bool:
        """Return whether a hub that was restored from a backup has lost a task.

        Args:
            task_id: the task, as an earlier process stored it.
            call: what was called.
            submission: what was stored before the call.

        Returns:
            A Deferred of True if the hub has no task of that id, or gave the id to another task. A
            task without the marker counts as another one if the hub has also lost the newest task
            from before the submission; of an adopted task, that is the task itself.
        """
        task = await self._client.call("getTaskInfo", task_id, request=True)
        if task is None:
            return True
        task, call = a_struct(task, "getTaskInfo"), call.as_received()
        if is_marked_by(call, submission.marker, task):
            return False
        is_adopted = task_id == submission.newest_task
        if not is_adopted:
            others = await self._search.others(call)
            if not self.may_have_made(task, call, submission, others):
                return True
        return await self._search.was_restored(submission)

    @returns_deferred
    async def is_task_of(self, task: Mapping[str, Any], call: Call, submission: Submission) -> bool:
        """Return whether a task that was watched is that of a submission; see :meth:`is_lost`.

        The hub is asked only if the task does not tell.
        """
        if task["id"] != submission.newest_task:
            if not self.may_have_made(task, call, submission):
                return False
            created = seconds(task.get("create_ts"))
            if created is None or created <= submission.submitted + CLOCKS_DIFFER:
                return True
            # The hub's clock is wrong, or the request is that of an earlier task of the id.
        return not await self.is_lost(task["id"], call, submission)

    @returns_deferred
    async def adopt(self, task_id: int, submission: Submission) -> Submission:
        """Return the submission with someone else's task in place of its own.

        It tells the task by its time from another one that a restored hub gives the same id.
        """
        task = await self._client.call("getTaskInfo", task_id)
        created = None if task is None else a_struct(task, "getTaskInfo").get("create_ts")
        return replace(submission, newest_task=task_id, newest_created=seconds(created))

    def may_have_made(
        self,
        task: Mapping[str, Any],
        call: Call,
        submission: Submission,
        others: Mapping[str, Any] = MappingProxyType({}),
    ) -> bool:
        """Return whether a submission may have made a task that has the id of its task.

        A hub that was restored from a backup reuses ids. The marker decides. A build whose request
        has none is compared by its source; other tasks by method, source, and the ids of builds and
        tags. A task whose request is unknown is not compared. In doubt the task is ours: a second
        build is worse.

        Args:
            task: the task, with its request.
            call: what was called, with JSON values for arguments.
            submission: what was stored before the call.
            others: the objects on the hub that arguments refer to, by argument name, as far as they
                were looked up.
        """
        if not isinstance(task.get("request"), list):
            return True
        return may_have_made(call, submission.marker, task, others)

    def claim(self, task_id: int, submission: Submission, *, is_new: bool = False) -> bool:
        """Record that a task belongs to a submission; see :meth:`txkoji.Connection.claim`.

        Args:
            task_id: the task.
            submission: what was stored before the call.
            is_new: the task is newer than the submission. Claims from before then don't count: they
                are for a task that had the same id before the hub was restored from a backup.

        Returns:
            False if the task belongs to another submission.
        """
        owner, since = self._owners.get(task_id, ("", 0.0))
        if not owner or (is_new and since < submission.submitted):
            owner = submission.marker
            self._owners[task_id] = owner, self._client.reactor.seconds()
        if len(self._owners) > MAX_CLAIMS:
            del self._owners[next(iter(self._owners))]
        return owner == submission.marker

    def _drop_claim_before(self, task_id: int, created: float | None) -> None:
        """Forget a claim that is older than the task: a restored hub reuses the id."""
        _, since = self._owners.get(task_id, ("", 0.0))
        if created is not None and since < created - CLOCKS_DIFFER:
            self._owners.pop(task_id, None)

    async def _drop_recorded(
        self,
        wanted: Sequence[tuple[Call, Submission]],
        found: Sequence[dict[int, Candidate]],
    ) -> None:
        """Drop tasks without a marker that other processes have recorded."""
        unmarked = [
            (submission.submitted, task_id, tasks)
            for (_, submission), tasks in zip(wanted, found, strict=True)
            for task_id, candidate in tasks.items()
            if not candidate.is_marked
        ]
        if not unmarked or self.recorded is None:
            return
        since = min(submitted for submitted, _, _ in unmarked) - CLOCKS_DIFFER
        others = await self.recorded(list({task_id for _, task_id, _ in unmarked}), since)
        for _, task_id, tasks in unmarked:
            if task_id in others:
                del tasks[task_id]

    def _unknown(self, call: Call, error: KojiException | None) -> UnknownOutcome:
        return UnknownOutcome(
            f"{self._client.url} may or may not have the task of {call.method}: {error};"
            " look for it (find_submitted) before you submit it again",
            url=self._client.url,
        )


def _checked(call: Call) -> Call:
    """Return a call that makes a task as the hub receives it, to compare it with requests."""
    if call.method not in TASK_METHODS:
        known = ", ".join(sorted(TASK_METHODS))
        raise ValueError(
            f"{call.method} can't be submitted: it is none of {known}; call it instead"
        )
    return call.as_received()


def _may_be_done(error: KojiException, *, again: bool) -> bool:
    if isinstance(error, SequenceError):
        # Another write of the session was carried out after this number was first sent.
        return again
    return isinstance(error, RetryError) or not was_not_carried_out(error)
