"""The plan of a mass build: what may start, what is skipped, what is left. Pure.

::

    WAITING -- NEEDS_MET --> HELD -- IN_REPO --> READY -- STORED --> SUBMITTING -- ACCEPTED --+
                                                   ^                     |                    |
                                                   +--- INFRASTRUCTURE --+---- RUNNING <------+

A package that has ended is BUILT, ADOPTED, FAILED or SKIPPED; :data:`TRANSITIONS` has it all. What
ends each other state:

- WAITING: the end of all that it requires.
- HELD: a repo; a requirement that is blocked in the build tag; ``repo_patience``.
- READY: a free place in ``at_once``, unless the mass build is paused or the retry is not due yet.
  When the plan is stopped, nothing ends it: the package is left.
- SUBMITTING: the hub's answer, or a search of the hub if that was lost; a pause, a stop.
- RUNNING: the end of its task; ``package_timeout`` and ``max_queue_time``.
"""

from __future__ import annotations

import enum
import graphlib
import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import attrs

from buildbot_koji.database_values import clean_line
from buildbot_koji.words import duration

LONGEST_REASON = 300
"""Characters of the reason of a failure, or for skipping a package, that are kept."""


LONGEST_DELAY = 3600.0
"""Seconds until a retry at most: if more are left, the clock was set back, and it is due now."""


class _Named(enum.Enum):
    """An enum with a fast hash: its members are looked up for each of 17,000 packages."""

    __hash__ = object.__hash__


class PackageState(_Named):
    """How far a package has come."""

    WAITING = "waiting"
    HELD = "held"
    READY = "ready"
    SUBMITTING = "submitting"
    RUNNING = "running"
    BUILT = "built"
    ADOPTED = "adopted"
    FAILED = "failed"
    SKIPPED = "skipped"


class PackageEvent(_Named):
    """What happens to a package."""

    NEEDS_MET = "everything that it requires is built"
    IN_REPO = "the build repo has everything that it requires"
    STORED = "the intent to submit it is about to be stored"
    ACCEPTED = "the hub has its task"
    REFUSED = "the hub refused to submit it"
    CLOSED = "its task closed"
    BROKE = "its task failed"
    INFRASTRUCTURE = "the build system failed, not the package: it is retried"
    WITHDRAWN = "there is nothing to build it for any more: it counts as not started"
    REPLACED = "another task is building the same source"
    EXISTS = "there is a build of it already"
    DROPPED = "something that it requires was not built, or the hub does not know it"


MADE = frozenset([PackageState.BUILT, PackageState.ADOPTED])
"""The states of a package that has a build."""

FINAL = MADE | {PackageState.FAILED, PackageState.SKIPPED}

_DERIVED = (PackageEvent.NEEDS_MET, PackageEvent.IN_REPO)
"""What follows from the states of other packages, and is not stored."""

IDLE = (PackageState.WAITING, PackageState.HELD, PackageState.READY)
"""The states of a package that has not begun."""

TRANSITIONS: Mapping[tuple[PackageState, PackageEvent], PackageState] = {
    (PackageState.WAITING, PackageEvent.NEEDS_MET): PackageState.HELD,
    (PackageState.HELD, PackageEvent.IN_REPO): PackageState.READY,
    (PackageState.READY, PackageEvent.STORED): PackageState.SUBMITTING,
    (PackageState.SUBMITTING, PackageEvent.ACCEPTED): PackageState.RUNNING,
    (PackageState.SUBMITTING, PackageEvent.REFUSED): PackageState.FAILED,
    (PackageState.RUNNING, PackageEvent.CLOSED): PackageState.BUILT,
    (PackageState.RUNNING, PackageEvent.BROKE): PackageState.FAILED,
    (PackageState.RUNNING, PackageEvent.EXISTS): PackageState.ADOPTED,
    (PackageState.RUNNING, PackageEvent.REPLACED): PackageState.RUNNING,
    (PackageState.RUNNING, PackageEvent.INFRASTRUCTURE): PackageState.READY,
    (PackageState.SUBMITTING, PackageEvent.WITHDRAWN): PackageState.READY,
    (PackageState.RUNNING, PackageEvent.WITHDRAWN): PackageState.READY,
    **{(state, PackageEvent.DROPPED): PackageState.SKIPPED for state in IDLE},
}


@dataclass(slots=True)
class MassPackage:
    """A package of a mass build.

    Attributes:
        index: its place in the plan.
        name: its name.
        source: what it is built from; empty for one that is not to be built.
        owner: its owner in the tag, or None.
        requires: the places of the packages that must be built before it.
        level: the level it is in; all lower levels must be built before it.
        was_built: whether an earlier mass build has built it.
        state: how far it has come.
        attempt: how many tasks of it the build system failed.
        task_id: its task, or None.
        is_foreign: whether someone else started the task, or may have: it is never canceled.
        is_excluded: whether the configuration says that it need not be built.
        begun: what must be known of the submission to find its task: the hub's newest task, the
            time, the owner, and when the newest task was created; an adopted task is the newest.
        usual: how many seconds a build of it takes on average, None if that was not asked.
        since: when its task was submitted, in seconds since the epoch.
        duration: how many seconds its task took.
        reason: why it failed or was skipped, or what is odd about its build.
        nvr: the build.
        build_id: the build's id.
        arch: the architecture that failed.
        log_url: the log that says why.
        not_before: when it may be submitted again, in seconds since the epoch.
    """

    index: int
    name: str
    source: str = ""
    owner: str | None = None
    requires: tuple[int, ...] = ()
    level: int = 0
    was_built: bool = False
    state: PackageState = PackageState.WAITING
    attempt: int = 0
    task_id: int | None = None
    is_foreign: bool = False
    is_excluded: bool = False
    begun: tuple[int, float, int | None, float | None] | None = None
    usual: float | None = None
    since: float | None = None
    duration: float | None = None
    reason: str = ""
    nvr: str | None = None
    build_id: int | None = None
    arch: str | None = None
    log_url: str | None = None
    not_before: float = 0.0

    def skip(self, reason: str) -> None:
        """Plan to build nothing for it, and why; it has not begun."""
        self.state, self.source = PackageState.SKIPPED, ""
        self.reason = clean_line(reason)[:LONGEST_REASON]

    @property
    def may_have_task(self) -> bool:
        """Whether we submitted, or may have submitted, a task for it that has not ended."""
        is_begun = self.state in (PackageState.SUBMITTING, PackageState.RUNNING)
        return is_begun and not self.is_foreign and self.begun is not None

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens to it."""
        return self.state in FINAL

    @property
    def is_regression(self) -> bool:
        """Whether it failed, and an earlier mass build has built it."""
        return self.was_built and self.state is PackageState.FAILED

    @property
    def remark(self) -> str:
        """Why it failed or was skipped, why it is retried, or what is odd about its build."""
        retried = (PackageState.READY, PackageState.SUBMITTING, PackageState.RUNNING)
        if not (self.attempt and self.reason and self.state in (*retried, PackageState.BUILT)):
            return self.reason
        waits = self.state is PackageState.READY
        return f"{'to be ' if waits else ''}retried: {self.reason}"


@attrs.define(eq=False, repr=False, slots=False)
class MassPlan:
    """The packages, and what may happen next.

    Args:
        packages: the packages, each at its index. Those that an earlier run of the master left
            have the state that it stored.
        holds: whether what a package requires must be in the build repo, too.
        stop_after: after so many failures nothing more starts; None for any number.

    Attributes:
        packages: the packages.
        changed: the places of packages whose facts are not stored yet.
        counts: how many packages are in each state.
        failed: the packages that failed, in the order in which they did.
        held: the packages that wait for a repo, by their places.
    """

    packages: Sequence[MassPackage]
    _holds: bool = attrs.field(default=False, kw_only=True)
    _stop_after: int | None = attrs.field(default=None, kw_only=True)

    def __attrs_post_init__(self) -> None:
        self.changed: set[int] = set()
        self.counts: Counter[PackageState] = Counter(each.state for each in self.packages)
        self.failed = failed_of(self.packages)
        self.held: dict[int, MassPackage] = {}
        self._stopped = ""
        self._is_abandoned = False
        # The levels are nodes of the graph too, numbered after the packages.
        self._dependants: dict[int, list[int]] = {}
        self._unmet: Counter[int] = Counter()
        self._rank: dict[int, int] = {}
        self._closed_gates: set[int] = set()
        self._lowest = min((each.level for each in self.packages), default=0)
        self._ready: list[tuple[int, int]] = []
        self._delayed: list[tuple[float, int]] = []
        self._connect()
        self._resume()

    def _connect(self) -> None:
        """Link each package to those that require it."""
        needs: dict[int, Iterable[int]] = {each.index: each.requires for each in self.packages}
        levels = sorted({each.level for each in self.packages})
        gates = {level: len(self.packages) + place for place, level in enumerate(levels)}
        if len(levels) > 1:
            members: dict[int, list[int]] = {level: [] for level in levels}
            for each in self.packages:
                members[each.level].append(each.index)
            for lower, level in pairwise(levels):
                # The gate opens when all levels below it are built, one with nothing to build too.
                below = () if lower == levels[0] else (gates[lower],)
                needs[gates[level]] = (*members[lower], *below)
                for index in members[level]:
                    needs[index] = (*needs[index], gates[level])
        order = list(graphlib.TopologicalSorter(needs).static_order())
        for node, required in needs.items():
            for other in required:
                self._dependants.setdefault(other, []).append(node)
                self._unmet[node] += 1
        heights: dict[int, int] = {}
        for node in reversed(order):
            heights[node] = 1 + max(
                (heights[each] for each in self._dependants.get(node, ())), default=0
            )
        # The package that the longest chain waits for starts first.
        self._rank = {each.index: -heights[each.index] for each in self.packages}

    def _resume(self) -> None:
        """Derive what follows from the states that an earlier run stored."""
        for package in [each for each in self.packages if each.state is PackageState.READY]:
            self._enqueue(package)
        for package in [each for each in self.packages if each.is_final]:
            self._ended(package)
        for package in self.packages:
            if package.state is PackageState.WAITING and not self._unmet[package.index]:
                self._released(package)

    # What may start

    @property
    def stopped(self) -> str:
        """Why nothing more starts, as ``stopped ...``; empty if more may start."""
        limit = self._stop_after
        if limit is not None and self.counts[PackageState.FAILED] >= limit:
            return "stopped after too many failures"
        return self._stopped

    def stop(self, why: str) -> None:
        """Start nothing more, and say why in the summary; what runs continues."""
        self._stopped = f"stopped: {why}"

    def abandon(self, why: str, *, cancels: bool) -> None:
        """Wait for nothing more, and note why; someone else's task is never canceled."""
        self._stopped, self._is_abandoned = why, True
        for package in self.packages:
            if package.state in (PackageState.SUBMITTING, PackageState.RUNNING):
                is_canceled = cancels and not package.is_foreign
                package.reason = f"{why}: its task {'is canceled' if is_canceled else 'continues'}"
                self.changed.add(package.index)

    @property
    def active(self) -> int:
        """How many packages are on the hub, or about to be, and waited for."""
        if self._is_abandoned:
            return 0
        return self.counts[PackageState.SUBMITTING] + self.counts[PackageState.RUNNING]

    @property
    def ended(self) -> int:
        """How many packages have ended."""
        return sum(self.counts[state] for state in FINAL)

    @property
    def is_over(self) -> bool:
        """Whether nothing more happens."""
        over = self.ended == len(self.packages)
        return over or bool(self.stopped and not self.active)

    def choose(self, count: int, now: float) -> list[MassPackage]:
        """Return at most so many packages that may be submitted now, the most urgent first.

        Args:
            count: how many; 0 or less for none.
            now: the time, in seconds since the epoch.
        """
        while self._delayed and not 0 < self._delayed[0][0] - now <= LONGEST_DELAY:
            _, index = heapq.heappop(self._delayed)
            heapq.heappush(self._ready, (self._rank[index], index))
        chosen: list[MassPackage] = []
        while len(chosen) < count and self._ready and not self.stopped:
            package = self.packages[heapq.heappop(self._ready)[1]]
            if package.state is PackageState.READY:
                chosen.append(package)
        return chosen

    def put_back(self, chosen: Iterable[MassPackage]) -> None:
        """Take back packages that were chosen, and that nothing has happened to."""
        for package in chosen:
            if package.state is PackageState.READY:
                self._enqueue(package)

    def due(self) -> float | None:
        """Return when the next delayed package may be submitted, None if none is delayed."""
        return self._delayed[0][0] if self._delayed else None

    # What happens

    def happened(self, package: MassPackage, event: PackageEvent, **facts: Any) -> None:
        """Apply an event to a package, and to those that require it.

        Args:
            package: the package.
            event: what happened.
            facts: attributes of the package that change with it.
        """
        self._apply(package, event, **facts)
        if package.is_final:
            package.begun = None
            self._ended(package)
        elif package.state is PackageState.READY:
            package.attempt += event is PackageEvent.INFRASTRUCTURE
            package.task_id = package.begun = None
            self._enqueue(package)

    def _apply(self, package: MassPackage, event: PackageEvent, **facts: Any) -> None:
        """Apply an event to one package."""
        state = TRANSITIONS[package.state, event]
        for name, value in facts.items():
            setattr(package, name, clean_line(value) if isinstance(value, str) else value)
        if facts:
            package.reason = package.reason[:LONGEST_REASON]
        self.counts[package.state] -= 1
        self.counts[state] += 1
        package.state = state
        if state is PackageState.FAILED:
            self.failed.append(package)
        if event not in _DERIVED:
            self.changed.add(package.index)
        self.held.pop(package.index, None)

    def _enqueue(self, package: MassPackage) -> None:
        if package.not_before:
            heapq.heappush(self._delayed, (package.not_before, package.index))
        else:
            heapq.heappush(self._ready, (self._rank[package.index], package.index))

    def _released(self, package: MassPackage) -> None:
        self._apply(package, PackageEvent.NEEDS_MET)
        self.held[package.index] = package
        has_needs = package.requires or package.level > self._lowest
        if not (self._holds and has_needs):
            self.happened(package, PackageEvent.IN_REPO)

    def _ended(self, package: MassPackage) -> None:
        if package.state in MADE or package.is_excluded:
            self._meet(package.index)
        else:
            self._drop(package)

    def _meet(self, node: int) -> None:
        met = [node]
        while met:
            for each in self._dependants.get(met.pop(), ()):
                self._unmet[each] -= 1
                if self._unmet[each]:
                    continue
                if each >= len(self.packages):
                    met.append(each)
                elif self.packages[each].state is PackageState.WAITING:
                    self._released(self.packages[each])

    def _drop(self, package: MassPackage) -> None:
        """Skip what requires a package that was not built, directly or indirectly."""
        how = "failed" if package.state is PackageState.FAILED else "was skipped"
        reason = clean_line(f"requires {package.name}, which {how}")[:LONGEST_REASON]
        dropped = [package.index]
        while dropped:
            for each in self._dependants.get(dropped.pop(), ()):
                found = self.packages[each] if each < len(self.packages) else None
                if found is None and each not in self._closed_gates:
                    self._closed_gates.add(each)
                elif found is not None and found.state in IDLE:
                    self._apply(found, PackageEvent.DROPPED)
                    found.reason = reason
                else:
                    continue
                dropped.append(each)

    # In words

    def summary(self, left: float | None) -> str:
        """Return the progress in one line, with the seconds that are left if they are known."""
        total, failed = len(self.packages), self.counts[PackageState.FAILED]
        words = [f"{self.ended:,} of {total:,} done"]
        if failed:
            words.append(f"{failed:,} failed")
        skipped = self.counts[PackageState.SKIPPED]
        if skipped:
            words.append(f"{skipped:,} skipped")
        if self.active:
            words.append(f"{self.active:,} running")
        if left is not None:
            words.append(f"about {duration(left)} left")
        return ", ".join(words)


def failed_of(packages: Iterable[MassPackage]) -> list[MassPackage]:
    """Return the packages that failed."""
    return [each for each in packages if each.state is PackageState.FAILED]


def ended_line(package: MassPackage) -> str:
    """Return the line of the log for a package that has ended."""
    words = [f"{package.name}: {package.state.value}"]
    if package.nvr and package.state is not PackageState.FAILED:
        words.append(package.nvr)
    facts = []
    if package.task_id is not None:
        facts.append(f"task {package.task_id}")
    if package.duration is not None:
        facts.append(duration(package.duration))
    if facts:
        words.append(f"({', '.join(facts)})")
    line = " ".join(words)
    return f"{line}: {package.remark}" if package.remark else line


def find_cycle(requires: Mapping[str, Iterable[str]]) -> str | None:
    """Return packages that require each other, as ``a -> b -> a``; None if there are none."""
    try:
        graphlib.TopologicalSorter(requires).prepare()
    except graphlib.CycleError as error:
        # Each package comes before what it requires: graphlib gives it backwards.
        names = [*reversed(error.args[1])]
    else:
        return None
    if len(names) > 12:
        names = [*names[:6], "...", *names[-5:]]
    return " -> ".join(names)
