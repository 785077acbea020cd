"""The gates of a tag reporter: Koji builds that need a result of each of several builders."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs
from buildbot.data.resultspec import Filter
from buildbot.process import results
from buildbot.util import datetime2epoch

from buildbot_koji.reporters.build_results import counting_properties, counting_result
from buildbot_koji.reporters.status import OpenGate
from buildbot_koji.reporters.votes import Vote, Votes, newest, subject_of
from buildbot_koji.words import result_name
from txkoji.locks import Lock

MOST_GATES = 200
"""Waiting Koji builds that the status lists, the newest ones."""

REMEMBERED = 200
"""Finished builds of each required builder whose results are read when the master starts."""


@attrs.define(eq=False, repr=False, slots=False)
class Gates:
    """Counts the newest results of the required builders for each Koji build, from all masters.

    Args:
        master: the Buildbot master.
        required: the names of the builders.
        within: seconds that a gate waits for all results.
        tell_undecided: called while it is unknown which result of a build counts: scan again soon.
        complete: called with the newest vote of a gate that a build of another master completed.
    """

    _master: Any
    required: Sequence[str]
    within: float
    _tell_undecided: Callable[[], object]
    _complete: Callable[[Vote], object]

    def __attrs_post_init__(self) -> None:
        self._votes: Votes | None = None
        self._read_again = False
        self._undecided: set[int] = set()
        self._reading = Lock()

    async def count(self, build: Mapping[str, Any]) -> Mapping[str, Vote]:
        """Count a finished build, with its details; returns the votes for its Koji build."""
        return _count(await self._known_votes(), build)

    def missing(self, votes: Mapping[str, Vote]) -> tuple[str, ...]:
        """Return the required builders that have no vote."""
        return tuple(name for name in self.required if name not in votes)

    async def scan(self) -> None:
        """Read the votes, which the status shows, and count those that were undecided."""
        await self._known_votes()
        for build_id in sorted(self._undecided):
            build = await self._master.data.get(("builds", build_id))
            if build is None:
                self._undecided.discard(build_id)
            else:
                await self.count_elsewhere(build)

    async def count_elsewhere(self, build: Mapping[str, Any]) -> None:
        """Count a build that ended on another master."""
        builder = await self._master.data.get(("builders", build["builderid"]))
        if builder["name"] not in self.required:
            return
        votes = await self._count_decided(await self._known_votes(), build, builder)
        if not self.missing(votes):
            self._complete(newest(votes))

    def forget(self) -> None:
        """Read the votes again, also if they are being read: one may have ended since."""
        self._votes = None
        self._read_again = True

    def open(self) -> list[OpenGate]:
        """Return the Koji builds that wait for results, the newest first."""
        if self._votes is None:
            return []
        oldest = self._master.reactor.seconds() - self.within
        waiting = (
            OpenGate(
                subject=str(subject),
                koji_build_id=subject.build_id,
                there={
                    name: result_name(votes[name].result) for name in self.required if name in votes
                },
                missing=missing,
                since=max(vote.at for vote in votes.values()),
            )
            for subject, votes in self._votes.groups()
            if (missing := self.missing(votes))
        )
        return list(itertools.islice((each for each in waiting if each.since > oldest), MOST_GATES))

    async def _known_votes(self) -> Votes:
        async with self._reading:
            while self._votes is None:
                self._read_again = False
                votes = await self._read_votes()
                if not self._read_again:
                    self._votes = votes
            return self._votes

    async def _read_votes(self) -> Votes:
        """Read the newest results of the required builders, from all masters."""
        votes = Votes()
        self._undecided = set()
        data = self._master.data
        for name in self.required:
            builder = await data.get(("builders", name))
            if builder is None:
                continue
            builds = await data.get(
                ("builders", builder["builderid"], "builds"),
                filters=[Filter("complete", "eq", [True])],
                order=["-buildid"],
                limit=REMEMBERED,
            )
            for build in reversed(builds):
                await self._count_decided(votes, build, builder)
        return votes

    async def _count_decided(
        self, votes: Votes, build: Mapping[str, Any], builder: Mapping[str, Any]
    ) -> Mapping[str, Vote]:
        """Count a build if its result is decided; returns the votes for its Koji build."""
        counting = await counting_result(self._master, build)
        if counting is None:
            self._undecided.add(build["buildid"])
            self._tell_undecided()
            return {}
        self._undecided.discard(build["buildid"])
        properties = await counting_properties(self._master, build, counting)
        return _count(votes, {**counting, "builder": builder, "properties": properties})


def _count(votes: Votes, build: Mapping[str, Any]) -> Mapping[str, Vote]:
    subject = subject_of(build["properties"])
    if subject is None or build["results"] in (None, results.RETRY):
        return {}
    ended = build["complete_at"]
    at = 0.0 if ended is None else float(datetime2epoch(ended))
    vote = Vote(build["buildid"], build["results"], at)
    return votes.add(subject, build["builder"]["name"], vote)
