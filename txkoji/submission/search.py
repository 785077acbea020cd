"""Search a hub for the tasks of submissions whose outcome is unknown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.internet.task import deferLater

from txkoji._values import seconds
from txkoji.gathering import gather
from txkoji.hub.answers import a_list, a_struct
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.hub.paging import LongestPage, RepeatedRows
from txkoji.submission.recognition import (
    TASK_METHODS,
    arguments_of,
    surplus,
    with_marker,
)

PAGE = 50
"""Tasks of one request."""

MAX_PAGE = 500
"""Tasks of one request that looks for many."""

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
class Candidate:
    """A task that may be that of a submission.

    Attributes:
        created: when it was made, in seconds since the epoch by the hub's clock; None if unknown.
        is_marked: whether it has the marker of the submission.
    """

    created: float | None
    is_marked: bool


@dataclass(frozen=True)
class _Search:
    """How to search the hub for the task of a submission.

    Attributes:
        method: the hub method.
        arguments: the call's arguments by name, including the marker.
        others: the objects on the hub that arguments refer to, by argument name.
        filter: what the hub is asked for.
        newer_than: the id that the task's exceeds.
        since: when it was made at the earliest, if it has no marker.
    """

    method: str
    arguments: Mapping[str, Any]
    others: Mapping[str, Any]
    filter: Mapping[str, Any]
    newer_than: int
    since: float

    def candidates(self, tasks: Sequence[Any]) -> dict[int, Candidate]:
        """Return the tasks that fit, the most likely ones first."""
        takes_marker = TASK_METHODS[self.method].marker is not None
        found = []
        for task in tasks:
            if task["id"] > self.newer_than:
                more = surplus(self.method, self.arguments, task, self.others)
                created = seconds(task.get("create_ts"))
                is_marked = takes_marker and more == 0
                is_old = not is_marked and created is not None and created < self.since
                if more is not None and not is_old:
                    found.append((more, int(task["id"]), Candidate(created, is_marked)))
        found.sort(key=lambda each: each[:2])
        return {task_id: candidate for _, task_id, candidate in found}


class TaskSearch:
    """Looks for tasks that submissions may have made."""

    def __init__(self, client: HubClient) -> None:
        self._client = client

    async def candidates(
        self, wanted: Sequence[tuple[Call, Submission]]
    ) -> list[dict[int, Candidate]]:
        """Return the candidates for the task of each submission, the most likely ones first."""
        restored = await self._restored({submission for _, submission in wanted})
        searches = await gather([self._search(*each, restored) for each in wanted])
        found: list[dict[int, Candidate]] = [{} for _ in wanted]
        together: dict[str, list[int]] = {}
        for place, search in enumerate(searches):
            if search is not None:
                together.setdefault(repr(sorted(search.filter.items())), []).append(place)
        for places in together.values():
            one = searches[places[0]]
            newer_than = min(searches[place].newer_than for place in places)
            tasks = await self._list(one.filter, newer_than, max(PAGE, min(len(places), MAX_PAGE)))
            for place in places:
                search = searches[place]
                found[place] = search.candidates(tasks)
                if len(places) > 1:
                    # Each may be compared with all.
                    await deferLater(self._client.reactor, 0)
        return found

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
        newer_than, since = submission.newest_task, 0.0
        if submission in restored:
            # A hub restored from a backup reuses ids: go by time, and by the marker, which is
            # unique.
            newer_than, since = 0, submission.submitted - CLOCKS_DIFFER
            wanted["createdAfter"] = submission.submitted - DAY if entry.marker else since
        others = await self.others(call)
        return _Search(call.method, arguments, others, wanted, newer_than, since)

    async def others(self, call: Call) -> dict[str, Any]:
        """Return the objects on the hub that arguments refer to, by argument name."""
        arguments = arguments_of(call)
        named = {
            name: look_up
            for name, look_up in TASK_METHODS[call.method].aliases.items()
            if isinstance(arguments.get(name), (int, str))
        }
        answers = await gather(
            [self._client.call(look_up, arguments[name]) for name, look_up in named.items()]
        )
        return dict(zip(named, answers, strict=True))

    async def _list(self, wanted: Mapping[str, Any], newer_than: int, size: int) -> list[Any]:
        """Return the tasks with ids above ``newer_than``, the newest first."""
        listed: list[Any] = []
        repeated, longest = RepeatedRows("listTasks"), LongestPage()
        offset = 0
        while True:
            page = {"order": "-id", "limit": size, "offset": offset}
            call = Call("listTasks", (dict(wanted), page))
            rows = a_list(await self._client.send(call), "listTasks")
            longest.note(rows)
            repeated.check(offset, rows)
            offset += len(rows)
            # An odd row is not a task of ours, and says nothing about those after it.
            tasks = self._client.read_answer(call, rows)
            listed += tasks
            is_older = bool(tasks) and max(each["id"] for each in tasks) <= newer_than
            if is_older or not longest.may_be_cut(len(rows), size):
                return listed

    async def _restored(self, submissions: Collection[Submission]) -> set[Submission]:
        """Return the submissions since which the hub lost tasks: a backup was restored."""
        asked = list({replace(each, marker="") for each in submissions})
        answers = await gather([self.was_restored(each) for each in asked])
        lost = {each for each, is_lost in zip(asked, answers, strict=True) if is_lost}
        return {each for each in submissions if replace(each, marker="") in lost}

    async def was_restored(self, submission: Submission) -> bool:
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
