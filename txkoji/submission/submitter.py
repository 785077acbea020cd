"""Submit a task once, whatever happens to the reply.

If the outcome of a call is unknown, the hub is searched for the task of the call before the call is
sent again. :mod:`txkoji.submission.recognition` recognizes that task.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

from twisted.internet.task import deferLater

from txkoji._deferreds import returns_deferred
from txkoji._values import identity, seconds, structs
from txkoji.exceptions import (
    KojiException,
    ProtocolError,
    RetryError,
    SequenceError,
    TransportError,
    UnknownOutcome,
)
from txkoji.gathering import gather
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.hub.replies import a_list, a_struct, an_id
from txkoji.hub.session import CallNumber
from txkoji.submission.recognition import (
    TASK_METHODS,
    arguments_of,
    may_have_made,
    surplus,
    with_marker,
)

__all__ = ["Submission", "Submitter"]

PAGE = 50
"""Tasks of one request."""

MAX_PAGE = 500
"""Tasks of one request that looks for many."""

PAUSES = (0.0, 2.0, 8.0)
"""Seconds before each look for a task whose submission may still be in flight."""

MAX_CLAIMS = 10_000

DAY = 86400.0

CLOCKS_DIFFER = 600.0
"""Seconds by which the clocks of a hub and of its clients may differ."""

A_MOMENT = 0.001
"""Seconds by which two replies may differ about the time of one event."""


@dataclass(frozen=True)
class Submission:
    """What finds the task of a submission, also in another process.

    Every field is plain: ``Submission(**dataclasses.asdict(submission))`` is the same submission,
    also after a round trip through JSON.

    Attributes:
        marker: unique to this submission.
        submitted: when it was made, in seconds since the epoch, by our clock.
        newest_task: the id of the newest task on the hub at that time.
        owner: the id of the user who submits; None if nobody was logged in.
        newest_created: when that newest task was created, in seconds since the epoch by the hub's
            clock; None if unknown. A different time shows that the hub was restored from a backup
            and reuses the id.
    """

    marker: str
    submitted: float
    newest_task: int
    owner: int | None = None
    newest_created: float | None = None


@dataclass(frozen=True)
class _Search:
    """How to search the hub for the task of a submission.

    Attributes:
        method: the hub method.
        arguments: the call's arguments by name, including the marker.
        others: the objects on the hub that arguments refer to, by argument name.
        filter: what the hub is asked for.
        oldest: the task is newer than this one.
    """

    method: str
    arguments: Mapping[str, Any]
    others: Mapping[str, Any]
    filter: Mapping[str, Any]
    oldest: int

    def candidates(self, tasks: Sequence[Any]) -> dict[int, float | None]:
        """Return the tasks that fit, the most likely ones first, and when each was made."""
        found = []
        for task in tasks:
            if task["id"] > self.oldest:
                more = surplus(self.method, self.arguments, task, self.others)
                if more is not None:
                    found.append((more, int(task["id"]), seconds(task.get("create_ts"))))
        return {task_id: created for _, task_id, created in sorted(found, key=_likely)}


class Submitter:
    """Submits tasks to one hub, each exactly once.

    The task of ``build`` is recognized by a marker in its ``custom_user_metadata``, that of
    ``makeTask`` by its label; any other by its owner, its request, and because it is newer than the
    submission. Equal requests of one Submitter each get a task of their own; equal requests that
    another process submits as the same user at the same time look like ours.

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
        self._pauses = pauses
        self.recorded: Callable[[Collection[int], float], Awaitable[set[int]]] | None = None
        self._uncertain: set[int] = set()
        # For each task the marker of its submission, and since when it is claimed.
        self._owners: dict[int, tuple[str, float]] = {}

    @returns_deferred
    async def begin(self, call: Call) -> Submission:
        """Begin a submission: return what must be stored before the call is submitted.

        Args:
            call: a call of a hub method that makes a task.

        Raises:
            ValueError: the method is none of :data:`txkoji.TASK_METHODS`.
            HubFault, TransportError: as for any read.
        """
        _check(call.method)
        owner = await self._client.user_id()
        submitted = self._client.reactor.seconds()
        options = {"order": "-id", "limit": 1}
        reply = await self._client.call("listTasks", {"decode": True}, options)
        newest = [a_struct(each, "listTasks", "id") for each in a_list(reply, "listTasks")]
        return Submission(
            marker=uuid4().hex,
            submitted=submitted,
            newest_task=an_id(newest[0]["id"], "listTasks") if newest else 0,
            owner=owner,
            newest_created=seconds(newest[0].get("create_ts")) if newest else None,
        )

    @returns_deferred
    async def submit(
        self,
        call: Call,
        submission: Submission | None = None,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> int:
        """Submit a task exactly once, whatever happens to the request or to the reply.

        If the outcome is unknown, the hub is searched for the task before it is submitted again.

        Args:
            call: a call of a hub method that makes a task.
            submission: what :meth:`begin` returned for this call; by default a new one. If it may
                have been submitted before, call :meth:`find` first.
            before: awaited right before the call is sent or sent again, after all waiting; what it
                raises ends the submission.

        Returns:
            A Deferred of the id of the task.

        Raises:
            HubFault: the hub refused; nothing was submitted. Except RetryError: it was submitted,
                and the task can't be found.
            UnknownOutcome: the hub could not be asked whether it has the task.
            TransportError: the hub could not be reached; it did not get the request.
            ValueError: the method is none that makes a task, or an argument can't be sent.
        """
        _check(call.method)
        if submission is None:
            submission = await self.begin(call)
        marked = with_marker(call, submission.marker)
        started = self._client.reactor.seconds()
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
                if self._claim(task_id, submission, is_new=True):
                    return task_id
                # Another submission of the same request was in doubt meanwhile and took this task;
                # the task that it started, if any, does the same.
                number = CallNumber()
            try:
                found = await self.find(call, submission)
            except KojiException as error:
                raise self._unknown(call, unknown or error) from error
            if found is not None:
                return found
            if isinstance(unknown, RetryError):
                raise unknown
            if self._client.reactor.seconds() - started > self._client.requester.limits.deadline:
                raise self._unknown(call, unknown) from unknown
            # The hub has no such task after all this time: the request was lost. If it arrives
            # after all, a hub that checks call numbers carries out only one of the two.
            if isinstance(unknown, SequenceError):
                number = CallNumber()

    @returns_deferred
    async def find(self, call: Call, submission: Submission) -> int | None:
        """Find the task of a submission whose outcome is unknown.

        It looks again after some seconds before it gives up: the submission may still be in flight.

        Args:
            call: what was called.
            submission: what was stored before the call.

        Returns:
            A Deferred of the id of the task, None if the hub has none.

        Raises:
            ValueError: the method is none that makes a task.
            HubFault, TransportError: as for any read.
        """
        [found] = await self.find_all([(call, submission)])
        return found

    @returns_deferred
    async def find_all(self, wanted: Sequence[tuple[Call, Submission]]) -> list[int | None]:
        """Find the tasks of submissions, like :meth:`find`, with one look at the hub for all.

        Args:
            wanted: what was called, each with what was stored before the call.

        Returns:
            A Deferred of the id of each task, None for those that the hub does not have.
        """
        for call, _ in wanted:
            _check(call.method)
        found: dict[int, int] = {}
        for pause in self._pauses:
            missing = [place for place in range(len(wanted)) if place not in found]
            if not missing:
                break
            await deferLater(self._client.reactor, pause)
            if self._client.session is not None:
                # A hub runs the calls of one session one after the other: once this one is
                # answered, a submission that the hub had begun to carry out is done.
                await self._client.call("getLoggedInUser")
            candidates = await self._candidates([wanted[place] for place in missing])
            for place, tasks in zip(missing, candidates, strict=True):
                task_id = self._first_unclaimed(*wanted[place], tasks)
                if task_id is not None:
                    found[place] = task_id
        return [found.get(place) for place in range(len(wanted))]

    def _first_unclaimed(
        self, call: Call, submission: Submission, candidates: Mapping[int, float | None]
    ) -> int | None:
        """Claim the most likely task that no other submission has."""
        is_marked = _is_marked(call)
        for task_id, created in candidates.items():
            is_new = is_marked or task_id > submission.newest_task
            self._drop_claim_before(task_id, created)
            if self._claim(task_id, submission, is_new=is_new):
                if not is_marked:
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
            A Deferred of True if the hub has no task of that id, or gave the id to another task.

        Raises:
            HubFault, TransportError: as for any read.
        """
        task = await self._client.call("getTaskInfo", task_id, request=True)
        if task is None:
            return True
        return not self.may_have_made(a_struct(task, "getTaskInfo"), call, submission)

    def may_have_made(self, task: Mapping[str, Any], call: Call, submission: Submission) -> bool:
        """Return whether a submission may have made a task that has the id of its task.

        A hub that was restored from a backup uses ids again. The marker decides; of a build whose
        request has none the source; of other calls the method, the source, and the ids of builds
        and tags. Of a task whose request is unknown nothing is compared. In doubt it is ours: a
        second build is worse.

        Args:
            task: the task, with its request.
            call: what was called.
            submission: what was stored before the call.
        """
        if not isinstance(task.get("request"), list):
            return True
        return may_have_made(call, submission.marker, task)

    def claim(self, task_id: int, submission: Submission) -> bool:
        """Record that a task belongs to a submission, as an earlier process stored it.

        Then no other submission of an equal request takes the task.

        Args:
            task_id: the task.
            submission: what was stored before the call.

        Returns:
            False if the task belongs to another submission.
        """
        return self._claim(task_id, submission, is_new=False)

    def _claim(self, task_id: int, submission: Submission, *, is_new: bool) -> bool:
        """Claim a task; if it is newer than the submission, earlier claims don't count.

        They are for a task that had the same id before the hub was restored from a backup.
        """
        owner, since = self._owners.get(task_id, ("", 0.0))
        if not owner or (is_new and since < submission.submitted):
            owner = submission.marker
            self._owners[task_id] = owner, self._client.reactor.seconds()
        if len(self._owners) > MAX_CLAIMS:
            del self._owners[next(iter(self._owners))]
        return owner == submission.marker

    def _drop_claim_before(self, task_id: int, created: float | None) -> None:
        """Forget a claim that is older than the task: a restored hub uses the id again."""
        _, since = self._owners.get(task_id, ("", 0.0))
        if created is not None and since < created - CLOCKS_DIFFER:
            self._owners.pop(task_id, None)

    async def _candidates(
        self, wanted: Sequence[tuple[Call, Submission]]
    ) -> list[dict[int, float | None]]:
        """Return the tasks that may be those of submissions, the most likely ones first.

        Each comes with when it was made, in seconds since the epoch by the hub's clock.
        """
        restored = await self._restored({submission for _, submission in wanted})
        searches = await gather([self._search(*each, restored) for each in wanted])
        found: list[dict[int, float | None]] = [{} for _ in wanted]
        together: dict[str, list[int]] = {}
        for place, search in enumerate(searches):
            if search is not None:
                together.setdefault(repr(sorted(search.filter.items())), []).append(place)
        for places in together.values():
            one = searches[places[0]]
            oldest = min(searches[place].oldest for place in places)
            tasks = await self._list(one.filter, oldest, max(PAGE, min(len(places), MAX_PAGE)))
            for place in places:
                search = searches[place]
                found[place] = search.candidates(tasks)
                if len(places) > 1:
                    # Each may be compared with all.
                    await deferLater(self._client.reactor, 0)
        await self._drop_recorded(wanted, found)
        return found

    async def _drop_recorded(
        self,
        wanted: Sequence[tuple[Call, Submission]],
        found: Sequence[dict[int, float | None]],
    ) -> None:
        """Drop tasks without a marker that other processes have recorded."""
        unmarked = [
            (submission.submitted, tasks)
            for (call, submission), tasks in zip(wanted, found, strict=True)
            if tasks and not _is_marked(call)
        ]
        if not unmarked or self.recorded is None:
            return
        since = min(submitted for submitted, _ in unmarked) - CLOCKS_DIFFER
        ids = {task_id for _, tasks in unmarked for task_id in tasks}
        others = await self.recorded(list(ids), since)
        for _, tasks in unmarked:
            for task_id in others.intersection(tasks):
                del tasks[task_id]

    async def _search(
        self, call: Call, submission: Submission, restored: Collection[Submission]
    ) -> _Search | None:
        """Return how to search for the task of a submission; None if there can be none."""
        entry = TASK_METHODS[call.method]
        arguments = arguments_of(with_marker(call, submission.marker))
        wanted: dict[str, Any] = {
            "method": arguments.get(entry.task, entry.task),
            "decode": True,
        }
        if call.method == "resubmitTask":
            original = await self._client.call("getTaskInfo", arguments["taskID"], request=True)
            if original is None:
                return None
            original = a_struct(original, "getTaskInfo", "method", "request")
            wanted["method"] = original["method"]
            arguments = {**arguments, "request": original["request"]}
        if submission.owner is not None:
            wanted["owner"] = submission.owner
        if "parent" not in arguments:
            wanted["parent"] = None
        named = {
            name: look_up
            for name, look_up in entry.aliases.items()
            if isinstance(arguments.get(name), (int, str))
        }
        answers = await gather(
            [self._client.call(look_up, arguments[name]) for name, look_up in named.items()]
        )
        oldest = submission.newest_task
        if submission in restored:
            # A hub restored from a backup reuses ids: go by time, and by the marker, which is
            # unique.
            oldest = 0
            marked = _is_marked(call)
            wanted["createdAfter"] = submission.submitted - (DAY if marked else CLOCKS_DIFFER)
        others = dict(zip(named, answers, strict=True))
        return _Search(call.method, arguments, others, wanted, oldest)

    async def _list(self, wanted: Mapping[str, Any], oldest: int, size: int) -> list[Any]:
        """Return the tasks newer than ``oldest``, the newest first."""
        listed: list[Any] = []
        offset = 0
        while True:
            page = {"order": "-id", "limit": size, "offset": offset}
            rows = a_list(await self._client.call("listTasks", dict(wanted), page), "listTasks")
            offset += len(rows)
            # An odd row is none that we submitted.
            tasks = [each for each in structs(rows) if identity(each.get("id")) == each.get("id")]
            listed += tasks
            if len(rows) < size or not tasks or tasks[-1]["id"] <= oldest:
                return listed

    async def _restored(self, submissions: Collection[Submission]) -> set[Submission]:
        """Return the submissions since which the hub lost tasks: a backup was restored."""
        asked = list({replace(each, marker="") for each in submissions})
        answers = await gather([self._was_restored(each) for each in asked])
        lost = {each for each, is_lost in zip(asked, answers, strict=True) if is_lost}
        return {each for each in submissions if replace(each, marker="") in lost}

    async def _was_restored(self, submission: Submission) -> bool:
        """Return whether the hub lost tasks since a submission began: a backup was restored."""
        if not submission.newest_task:
            return False
        newest = await self._client.call("getTaskInfo", submission.newest_task)
        if newest is None:
            return True
        created = seconds(a_struct(newest, "getTaskInfo").get("create_ts"))
        if created is None:
            return False
        if submission.newest_created is not None:
            return abs(created - submission.newest_created) > A_MOMENT
        return created > submission.submitted + CLOCKS_DIFFER

    def _unknown(self, call: Call, error: KojiException | None) -> UnknownOutcome:
        return UnknownOutcome(
            f"{self._client.url} may or may not have the task of {call.method}: {error};"
            " look for it (find_submitted) before you submit it again",
            url=self._client.url,
        )


def _likely(candidate: tuple[int, int, float | None]) -> tuple[int, int]:
    return candidate[:2]


def _is_marked(call: Call) -> bool:
    return TASK_METHODS[call.method].marker is not None


def _check(method: str) -> None:
    if method not in TASK_METHODS:
        known = ", ".join(sorted(TASK_METHODS))
        raise ValueError(f"{method} can't be submitted: it is none of {known}; call it instead")


def _may_be_done(error: KojiException, *, again: bool) -> bool:
    if isinstance(error, TransportError):
        return error.may_have_arrived
    if isinstance(error, SequenceError):
        # Another write of the session was carried out after this number was first sent.
        return again
    return isinstance(error, (ProtocolError, RetryError))
