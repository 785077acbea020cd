"""The newest result of each builder for each Koji build. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

from buildbot.process.results import worst_status

from buildbot_koji.database_values import id_of
from buildbot_koji.hubs.builds import BuildName
from buildbot_koji.properties import SOURCE

MOST_SUBJECTS = 5000
"""Koji builds that are remembered: a few days' worth, in a few megabytes."""


def subject_of(properties: Mapping[str, tuple[Any, str]]) -> BuildName | None:
    """Return the Koji build that the properties of a Buildbot build name, or None.

    An NVR that a step has set without an id belongs to a scratch build, or to one that failed
    early: Koji has no build of it, though it may have another build with the same NVR.
    """
    build_id, id_source = properties.get("koji_build_id", (None, ""))
    nvr, source = properties.get("koji_nvr", (None, ""))
    nvr = str(nvr) if nvr else None
    # A ForceScheduler sets them too, to text or to nothing.
    if (known := id_of(build_id)) is not None:
        # A scratch build of the same sources must not name the build under test.
        return BuildName(known, nvr if source == id_source else None)
    return BuildName(None, nvr) if nvr and source != SOURCE else None


@dataclass(frozen=True)
class Vote:
    """The result of one builder for a Koji build.

    Attributes:
        build_id: the Buildbot build.
        result: Buildbot's number of its result.
        at: when the build ended, in seconds since the epoch.
    """

    build_id: int
    result: int
    at: float = 0.0


class Votes:
    """The newest vote of each builder for each Koji build."""

    def __init__(self) -> None:
        self._groups: dict[int, dict[str, Vote]] = {}
        self._subjects: dict[int, BuildName] = {}
        self._numbers: dict[int | str, int] = {}
        self._keys: dict[int, set[int | str]] = {}
        self._next = 0

    def add(self, subject: BuildName, builder: str, vote: Vote) -> Mapping[str, Vote]:
        """Count a vote; returns the newest votes for the Koji build by the builders' names."""
        keys = {key for key in (subject.build_id, subject.nvr) if key is not None}
        known = (self._numbers[key] for key in keys if key in self._numbers)
        number = next((each for each in known if subject.may_be(self._subjects[each])), None)
        if number is None:
            number, self._next = self._next, self._next + 1
            self._groups[number] = {}
            self._subjects[number] = subject
            self._keys[number] = set()
            self._numbers.update(dict.fromkeys(keys, number))
        for key in keys:
            self._numbers.setdefault(key, number)
            self._keys[number].add(key)
        group = self._groups[number]
        if builder not in group or group[builder].build_id <= vote.build_id:
            group[builder] = vote
        self._forget_the_oldest()
        return group

    def groups(self) -> Iterator[tuple[BuildName, Mapping[str, Vote]]]:
        """Yield each Koji build with its newest votes, the newest Koji build first."""
        for number in reversed(self._groups):
            yield self._subjects[number], self._groups[number]

    def _forget_the_oldest(self) -> None:
        while len(self._groups) > MOST_SUBJECTS:
            oldest = next(iter(self._groups))
            del self._groups[oldest], self._subjects[oldest]
            for key in self._keys.pop(oldest):
                if self._numbers.get(key) == oldest:
                    del self._numbers[key]


def newest(votes: Mapping[str, Vote]) -> Vote:
    """Return the vote of the newest Buildbot build."""
    return max(votes.values(), key=lambda vote: vote.build_id)


def worst(votes: Iterable[Vote]) -> int:
    """Return the worst result of some votes."""
    return int(reduce(worst_status, [vote.result for vote in votes]))
