"""The newest result of each builder for each Koji build. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
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


@dataclass(eq=False)
class _Subject:
    """A Koji build, its known names, and the newest vote of each builder."""

    name: BuildName
    keys: set[int | str] = field(default_factory=set)
    votes: dict[str, Vote] = field(default_factory=dict)


class Votes:
    """The newest vote of each builder for each Koji build."""

    def __init__(self) -> None:
        # The oldest first.
        self._subjects: deque[_Subject] = deque()
        self._by_key: dict[int | str, _Subject] = {}

    def add(self, name: BuildName, builder: str, vote: Vote) -> Mapping[str, Vote]:
        """Count a vote; returns the newest votes for the Koji build by the builders' names."""
        keys = [key for key in (name.build_id, name.nvr) if key is not None]
        known = (self._by_key[key] for key in keys if key in self._by_key)
        subject = next((each for each in known if name.may_be(each.name)), None)
        if subject is None:
            subject = _Subject(name)
            self._subjects.append(subject)
            self._by_key.update(dict.fromkeys(keys, subject))
        for key in keys:
            self._by_key.setdefault(key, subject)
        subject.keys.update(keys)
        if builder not in subject.votes or subject.votes[builder].build_id <= vote.build_id:
            subject.votes[builder] = vote
        if len(self._subjects) > MOST_SUBJECTS:
            oldest = self._subjects.popleft()
            for key in oldest.keys:
                if self._by_key.get(key) is oldest:
                    del self._by_key[key]
        return subject.votes

    def groups(self) -> Iterator[tuple[BuildName, Mapping[str, Vote]]]:
        """Yield each Koji build with its newest votes, the newest Koji build first."""
        for each in reversed(self._subjects):
            yield each.name, each.votes


def newest(votes: Mapping[str, Vote]) -> Vote:
    """Return the vote of the newest Buildbot build."""
    return max(votes.values(), key=lambda vote: vote.build_id)


def worst(votes: Iterable[Vote]) -> int:
    """Return the worst result of some votes."""
    return int(reduce(worst_status, [vote.result for vote in votes]))
