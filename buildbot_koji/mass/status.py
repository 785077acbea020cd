"""A mass build as pages see it: one that runs, or one that has ended; and those of a master."""

from __future__ import annotations

import json
import weakref
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import nlargest
from typing import Any

import sqlalchemy
from buildbot.process.results import RETRY
from twisted.logger import Logger

from buildbot_koji.durable.database import is_recent, transact
from buildbot_koji.durable.store import RowsPlace
from buildbot_koji.durable.unreadable import UnreadableRow, reading
from buildbot_koji.mass.plan import FINAL, MassPackage, PackageState
from buildbot_koji.mass.progress import MassProgress
from buildbot_koji.mass.report import by_owner, by_reason, package_row
from buildbot_koji.mass.runner import MassRunner
from buildbot_koji.mass.stored import MassStores
from buildbot_koji.properties import MASS_ID, SOURCE
from txkoji import one_line

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
            "failures_by_reason": [list(each) for each in by_reason(self.packages)],
            "failures_by_owner": [list(each) for each in by_owner(self.packages)],
            **more,
        }

    def package_rows(self, name: str | None = None) -> Iterator[dict[str, Any]]:
        """Yield the packages, or one, as ``GET api/mass/ID/packages`` gives them."""
        return (
            package_row(each, self.weburl) for each in self.packages if name in (None, each.name)
        )

    def submitted(self) -> Iterator[str]:
        """Yield the names of the packages that have a task."""
        return (each.name for each in self.packages if each.task_id is not None)

    def last_failures(self, most: int) -> list[dict[str, Any]]:
        """Return the packages that failed, as :meth:`package_rows`; the last submitted first."""
        failed = (each for each in self.packages if each.state is PackageState.FAILED)
        newest = nlargest(most, failed, key=lambda each: each.since or 0.0)
        return [package_row(each, self.weburl) for each in newest]


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

    def pause(self) -> None:
        """Submit nothing more until :meth:`resume`; running tasks continue."""
        self.runner.set_paused(True)

    def resume(self) -> None:
        """Submit again."""
        self.runner.set_paused(False)

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
    """

    summary: str
    started: float
    progress: Sequence[Sequence[float]]
    has_ended = True

    def status(self) -> dict[str, Any]:
        """Return the progress, as ``GET api/mass`` gives it."""
        return self._json(
            Counter(each.state for each in self.packages),
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


RECENT = 5000
"""Builds among which mass builds are looked for, the newest ones."""

FRESH_FOR = 30.0
"""Seconds between two looks: what ends in this master is known without one."""


class EndedMassBuilds:
    """Finds the mass builds that ended last."""

    _log = Logger()

    def __init__(self, master: Any) -> None:
        self._master = master
        self._looked = float("-inf")
        self._found: dict[str, EndedMassBuild] = {}
        self._hidden: set[str] = set()

    async def get(self, here: Collection[str] = ()) -> list[EndedMassBuild]:
        """Return them, the newest last, without those that ran in this master."""
        now = self._master.reactor.seconds()
        if not 0 <= now - self._looked < FRESH_FOR:
            rows = await transact(self._master, partial(_rows, model=self._master.db.model))
            found = {
                key: self._found.get(key) or await self._loaded(key, row)
                for key, row in reversed(rows.items())
                if key not in here
            }
            self._found = {key: each for key, each in found.items() if each is not None}
            self._looked = now
        return [each for key, each in self._found.items() if key not in here]

    async def _loaded(self, key: str, row: Mapping[str, Any]) -> EndedMassBuild | None:
        """Return a mass build; None for one that can't be read, which hides no other."""
        try:
            return await self._load(key, row)
        except UnreadableRow as error:
            if key not in self._hidden:
                self._log.warn("can't show mass build {id}: {error}", id=key, error=one_line(error))
            self._hidden.add(key)
            return None

    async def _load(self, key: str, row: Mapping[str, Any]) -> EndedMassBuild | None:
        """Return a mass build; None if the janitor has removed what was stored of it."""
        stores = MassStores(await RowsPlace.find(self._master, row["root"]))
        store = await stores.called(row["step"])
        found = await store.load()
        if found is None:
            return None
        (header, packages), control = found, await store.control()
        with reading(f"the mass build {store.name}"):
            return EndedMassBuild(
                key,
                str(header["hub"]),
                str(header["weburl"]),
                row["builder"],
                row["builderid"],
                row["number"],
                packages,
                summary=row["state_string"],
                started=float(header["began"]),
                progress=MassProgress(control.get("progress") or ()).rows(),
            )


def _rows(connection: sqlalchemy.Connection, model: Any) -> dict[str, dict[str, Any]]:
    """Return all steps of the last builds with a mass build, by its id if the step is one.

    The newest build comes first, and of its steps the last one.
    """
    builds, properties, steps = model.builds.c, model.build_properties.c, model.steps.c
    rows = connection.execute(
        sqlalchemy.select(
            builds.id,
            properties.value,
            steps.name.label("step"),
            steps.number.label("step_number"),
            steps.state_string,
            builds.number,
            builds.builderid,
            model.builders.c.name.label("builder"),
        )
        .join_from(model.builds, model.build_properties, builds.id == properties.buildid)
        .join(model.steps, steps.buildid == builds.id)
        .join(model.builders, model.builders.c.id == builds.builderid)
        .where(
            is_recent(model, builds.id, RECENT),
            builds.complete_at.is_not(None),
            builds.results != RETRY,
            properties.name == MASS_ID,
            properties.source == SOURCE,
        )
        .order_by(builds.id.desc(), steps.number.desc())
    )
    found: dict[str, dict[str, Any]] = {}
    last: set[int] = set()
    for row in rows.mappings():
        last.add(row["id"])
        if len(last) > KEPT:
            break
        root = json.loads(row["value"])
        found[f"{root}-{row['step_number']}"] = {**row, "root": root}
    return found
