"""A mass build as pages see it: one that runs, or one that has ended; and those of a master."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from heapq import nlargest
from typing import Any

from buildbot_koji.mass.plan import FINAL, MassPackage, PackageState, failed_of
from buildbot_koji.mass.report import FailureCounts, package_row
from buildbot_koji.mass.runner import MassRunner

KEPT = 5
"""How many mass builds that have ended are kept."""


@dataclass
class MassView:
    """A mass build that runs or has ended."""

    id: str
    hub: str
    weburl: str
    builder: str
    builder_id: int
    build_number: int
    packages: Sequence[MassPackage]
    stopped = ""
    has_ended = False

    @cached_property
    def failed(self) -> Sequence[MassPackage]:
        """The packages that failed."""
        return failed_of(self.packages)

    @cached_property
    def _failures(self) -> FailureCounts:
        return FailureCounts(self.failed)

    def _json(self, counts: Counter[PackageState], active: int, **more: Any) -> dict[str, Any]:
        ended = sum(counts[state] for state in FINAL)
        return {
            "id": self.id,
            "hub": self.hub,
            "builder": self.builder,
            "builder_id": self.builder_id,
            "build_number": self.build_number,
            "total": len(self.packages),
            "done": ended,
            "failed": counts[PackageState.FAILED],
            "skipped": counts[PackageState.SKIPPED],
            "running": active,
            "waiting": len(self.packages) - ended - active,
            "failures_by_reason": [list(each) for each in self._failures.by_reason()],
            "failures_by_owner": [list(each) for each in self._failures.by_owner()],
            **more,
        }

    def package_rows(self, name: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the packages, or one, as ``GET api/mass/ID/packages`` gives them."""
        return (self._row(each) for each in self.packages if name in (None, each.name))

    def submitted(self) -> Iterator[str]:
        """Yield the names of the packages that have a task."""
        return (each.name for each in self.packages if each.task_id is not None)

    def last_failures(self, most: int) -> list[dict[str, Any]]:
        """Return the packages that failed, as :meth:`package_rows`; the last submitted first."""
        newest = nlargest(most, self.failed, key=lambda each: each.since or 0.0)
        return [self._row(each) for each in newest]

    def _row(self, package: MassPackage) -> dict[str, Any]:
        return package_row(package, self.weburl, stopped=self.stopped, has_ended=self.has_ended)


@dataclass
class MassStatus(MassView):
    """A mass build that runs, or ran, in this master.

    Attributes:
        runner: runs it.
        stop_build: stops the build for a reason, as a user does.
        has_ended: whether nothing more happens to it.
        is_stopping: whether it was told to stop.
    """

    runner: MassRunner
    stop_build: Callable[[str], Any]
    has_ended: bool = False
    is_stopping: bool = False

    @property
    def failed(self) -> Sequence[MassPackage]:
        """The packages that have failed so far."""
        return self.runner.plan.failed

    @property
    def stopped(self) -> str:  # type: ignore[override]
        """Why nothing more starts; empty if more may."""
        return self.runner.plan.stopped

    def stop(self, reason: str) -> None:
        """Stop the build, as a user does."""
        self.is_stopping = True
        self.stop_build(reason)

    @property
    def state(self) -> str:
        """``"running"``, ``"paused"``, ``"stopping"`` or ``"ended"``."""
        if self.has_ended:
            return "ended"
        if self.is_stopping:
            return "stopping"
        return "paused" if self.runner.paused else "running"

    def status(self) -> dict[str, Any]:
        """Return the progress, as ``GET api/mass`` gives it."""
        runner = self.runner
        return self._json(
            runner.plan.counts,
            runner.plan.active,
            state=self.state,
            summary=runner.summary(has_ended=self.has_ended),
            started=runner.started,
            eta=None if self.has_ended else runner.time_left(),
            at_once=runner.at_once,
            progress=[[each.time, each.done, each.failed] for each in runner.progress.steps],
        )


@dataclass
class EndedMassBuild(MassView):
    """A mass build that has ended, of any master and of long ago.

    Attributes:
        summary: its outcome, in a line.
        started: when it began, in seconds since the epoch.
        progress: how many packages had ended, and failed, at some moments.
        stopped: why nothing more started; empty if it was not stopped.
    """

    summary: str
    started: float
    progress: Sequence[Sequence[float]]
    stopped: str = ""
    has_ended = True

    @cached_property
    def _counts(self) -> Counter[PackageState]:
        return Counter(each.state for each in self.packages)

    def status(self) -> dict[str, Any]:
        """Return the progress, as ``GET api/mass`` gives it."""
        return self._json(
            self._counts,
            0,
            state="ended",
            summary=self.summary,
            started=self.started,
            eta=None,
            at_once=None,
            progress=[point[:3] for point in self.progress],
        )


_builds: weakref.WeakKeyDictionary[Any, dict[str, MassStatus]] = weakref.WeakKeyDictionary()


def register(master: Any, mass_build: MassStatus) -> None:
    """Make a mass build known; replaces one with the same id."""
    found = _builds.setdefault(master, {})
    found.pop(mass_build.id, None)
    found[mass_build.id] = mass_build
    ended = [each.id for each in found.values() if each.has_ended]
    for each in ended[:-KEPT]:
        del found[each]


def running(master: Any) -> list[MassStatus]:
    """Return the mass builds that run in a master, or ended there lately, the newest last."""
    return list(_builds.get(master, {}).values())
