"""What survives a crash of a mass build: its plan, and how far each package has come.

Everything is stored with the first build of the build request, in rows of bounded size, so that any
later attempt finds it, on another master too. The plan is written once. Of the packages only rows
are written in which something changed.
"""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import astuple
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred

from buildbot_koji.durable.attempts import StepIdentity, read_identity
from buildbot_koji.durable.store import BuildData, BuildRows
from buildbot_koji.durable.unreadable import DamagedRow, StoredByNewerVersion, reading
from buildbot_koji.mass.plan import MassPackage, PackageState
from buildbot_koji.words import named

__all__ = ["MassStore", "MassStores", "MixedPlans", "packages_of"]

PLAN_ROW = 500
"""Packages whose plan is in one row."""

STATE_ROW = 64
"""How many packages share a row: the fewer, the less is written when one changes."""

READ_AT_ONCE = 1000
"""Packages whose rows one query reads, before the reactor's next iteration: Buildbot reads one row,
which took most of the time of a restart.
"""

_UNSTORED = (PackageState.WAITING, PackageState.HELD)
"""States that follow from those of other packages."""

_MORE = ("level", "was_built")

_STATES = frozenset(each.value for each in PackageState)

_FACTS = (
    "attempt",
    "task_id",
    "is_foreign",
    "is_excluded",
    "begun",
    "usual",
    "since",
    "duration",
    "reason",
    "nvr",
    "build_id",
    "arch",
    "log_url",
    "not_before",
)


class MassStore:
    """The stored form of one mass build."""

    def __init__(self, rows: BuildRows, name: str, pause: Callable[[], Deferred[None]]) -> None:
        self._rows = rows
        self.name = name
        self._pause = pause
        # Part of the rows' names: a crash may have left rows of a plan that was never whole.
        self._plan = ""

    @property
    def written(self) -> int:
        """The bytes that were written."""
        return self._rows.written

    async def load(self) -> tuple[dict[str, Any], list[MassPackage]] | None:
        """Return the header and the packages; None if no plan was stored as a whole.

        Raises:
            UnreadableRow: a part of it can't be read.
        """
        header = await self._rows.get("header")
        if header is None:
            return None
        what = f"the mass build {self.name}"
        with reading(what):
            # An earlier version gave the rows of a plan no name.
            self._plan = header.get("plan", "")
            total = operator.index(header["total"])
        packages: list[MassPackage] = []
        async for _, rows in self._read("plan", total, PLAN_ROW):
            with reading(what):
                packages.extend(
                    _planned(number, each) for number, each in enumerate(rows, len(packages))
                )
        if len(packages) != total:
            raise DamagedRow(what)
        async for start, rows in self._read("state", total, STATE_ROW):
            with reading(f"the states from {packages[start].name} on of {what}"):
                for package, facts in zip(packages[start : start + STATE_ROW], rows, strict=False):
                    _apply(package, facts)
        return header, packages

    async def _read(
        self, kind: str, total: int, size: int
    ) -> AsyncIterator[tuple[int, Sequence[Any]]]:
        """Yield the rows of a kind, in their order; empty ones for those that were not written."""
        starts, count = range(0, total, size), READ_AT_ONCE // size
        for place in range(0, len(starts), count):
            part = starts[place : place + count]
            found = await self._rows.get_several([self._row(kind, start) for start in part])
            for start, rows in zip(part, found, strict=True):
                yield start, rows or ()
            await self._pause()

    def _row(self, kind: str, start: int) -> str:
        return f"{kind} {self._plan}{start}"

    async def save_plan(self, header: Mapping[str, Any], packages: Sequence[MassPackage]) -> None:
        """Store the plan: it counts as stored once the header is, which comes last."""
        self._plan = f"{uuid4().hex} "
        for start in range(0, len(packages), PLAN_ROW):
            rows = [
                [each.name, each.source, each.owner, each.requires, each.level, each.was_built]
                for each in packages[start : start + PLAN_ROW]
            ]
            await self._rows.put(self._row("plan", start), rows)
            await self._pause()
        await self.save_packages(packages, {each.index for each in packages if each.is_final})
        await self._rows.put("header", {**header, "plan": self._plan, "total": len(packages)})

    async def save_packages(self, packages: Sequence[MassPackage], changed: set[int]) -> None:
        """Store the rows of the packages that changed, and take those off ``changed``."""
        while changed:
            start = min(changed) // STATE_ROW * STATE_ROW
            row = range(start, min(start + STATE_ROW, len(packages)))
            # What changes during the write is written again.
            changed.difference_update(row)
            try:
                facts = [_facts(packages[each]) for each in row]
                await self._rows.put(self._row("state", start), facts)
            except BaseException:
                changed.update(row)
                raise

    async def save_control(self, control: Mapping[str, Any]) -> None:
        """Store what users have asked for, and the progress over time."""
        await self._rows.put("control", control)

    async def control(self) -> dict[str, Any]:
        """Return what :meth:`save_control` stored last, an empty dictionary if nothing."""
        found = await self._rows.get("control")
        with reading(f"the progress of the mass build {self.name}"):
            return dict(found or {})


class MixedPlans(Exception):
    """A plan of an earlier attempt may be that of a step or not: the steps have changed."""


class MassStores:
    """The mass builds of one build request, by the names of the steps that began them."""

    def __init__(self, data: BuildData, root: int, pause: Callable[[], Deferred[None]]) -> None:
        self._data = data
        self._root = root
        self._pause = pause
        self._index = BuildRows(data, root, "koji mass builds")

    async def _begun(self) -> dict[str, StepIdentity | None]:
        """Return whose each mass build is; None for one that an earlier version began."""
        found = await self._index.get("steps") or {}
        with reading("the index of mass builds"):
            return {name: _identity(name, whose) for name, whose in found.items()}

    def _store(self, name: str) -> MassStore:
        return MassStore(BuildRows(self._data, self._root, name), name, self._pause)

    async def _renamed(self) -> dict[str, str]:
        """Return the first name of each step that a later attempt gave another one."""
        found = await self._index.get("renamed")
        with reading("the new names of mass builds"):
            return dict(found or {})

    async def called(self, name: str) -> MassStore:
        """Return the store of the mass build of the step that the last attempt gave a name."""
        return self._store((await self._renamed()).get(name, name))

    async def find(self, name: str) -> MassStore:
        """Return the store of a step's mass build; the only one if no step has that name."""
        store, begun = await self.called(name), await self._begun()
        is_only = store.name not in begun and len(begun) == 1
        return self._store(next(iter(begun))) if is_only else store

    async def rename(self, store: MassStore, name: str) -> None:
        """Note which name a later attempt gave the step of a mass build."""
        renamed = await self._renamed()
        if renamed.get(name, name) != store.name:
            await self._index.put("renamed", {**renamed, name: store.name})

    async def resume(self, name: str, names: Sequence[str], identity: StepIdentity) -> MassStore:
        """Return the store of a step's mass build, which an earlier attempt may have begun.

        Between two attempts a step may be renamed or moved, or its packages may change. If it is
        both, or a step took the name of another one, no plan is certain to be this step's.

        Args:
            name: the step's name.
            names: the names of all mass builds of the build.
            identity: the step's; the first of the two digests is of where it is, the second one of
                which packages are built.

        Raises:
            MixedPlans: a plan of an earlier attempt may be this step's or not.
        """
        begun, renamed = await self._begun(), await self._renamed()
        name = renamed.get(name, name)
        if name in begun:
            earlier = begun[name]
            if earlier is None or identity.is_that_of(earlier):
                return self._store(name)
        there = {renamed.get(each, each) for each in names}
        lost = [each for each in begun if each == name or each not in there]
        same = [
            each
            for each in lost
            if (whose := begun[each]) is not None and whose.rendered == identity.rendered
        ]
        if len(same) == 1:
            return self._store(same[0])
        if lost:
            raise MixedPlans(
                f"an earlier attempt began the mass build {named(lost)}, and the steps have changed"
                " since: give them their earlier names, targets and packages, or start another"
                " build"
            )
        return self._store(name)

    async def add(self, store: MassStore, identity: StepIdentity) -> None:
        """Note that a step begins a mass build."""
        begun = {**await self._begun(), store.name: identity}
        rows = {name: each and astuple(each) for name, each in begun.items()}
        await self._index.put("steps", rows)


def _identity(name: str, whose: Any) -> StepIdentity | None:
    """Return whose a mass build is; None for one of an earlier version, which only its name tells.

    That version stored a digest, the target, and the names of all steps.
    """
    if whose is None or (isinstance(whose, list) and any(isinstance(each, list) for each in whose)):
        return None
    return read_identity(whose, f"the mass build {name}")


def _facts(package: MassPackage) -> list[Any] | None:
    """Return what is stored of a package beside its plan, without unknown values at its end."""
    if package.state in _UNSTORED or (package.state is PackageState.READY and not package.attempt):
        return None
    facts = [package.state.value, *(getattr(package, name) for name in _FACTS)]
    while facts[-1] in (None, "", False, 0):
        facts.pop()
    return facts


def _planned(index: int, row: Sequence[Any]) -> MassPackage:
    name, source, owner, requires, *more = row
    if len(more) > len(_MORE):
        raise StoredByNewerVersion(f"the plan of {name} in a mass build")
    return MassPackage(
        index, name, source, owner, tuple(requires), **dict(zip(_MORE, more, strict=False))
    )


def _apply(package: MassPackage, facts: Sequence[Any] | None) -> None:
    if facts is None:
        return
    if facts[0] not in _STATES or len(facts) > 1 + len(_FACTS):
        raise StoredByNewerVersion(f"the state of {package.name} in a mass build")
    package.state = PackageState(facts[0])
    for name, value in zip(_FACTS, facts[1:], strict=False):
        setattr(package, name, value)
    if package.begun is not None:
        newest, submitted, owner, created = package.begun
        package.begun = (newest, submitted, owner, created)


def packages_of(found: tuple[dict[str, Any], list[MassPackage]] | None) -> list[MassPackage]:
    """Return the packages of a stored mass build, none if there is none."""
    return [] if found is None else found[1]
