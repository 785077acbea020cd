"""What survives a crash of a mass build: its plan, and how far each package has come.

Everything is stored with the build request (see :class:`RowsPlace`), in rows of bounded size, so
that any later attempt finds it, on another master too. All rows are written before the first
package is submitted, so that a missing one is known to be lost: its packages may have been
submitted. After that, only the rows that changed are written.
"""

from __future__ import annotations

import operator
from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping, Sequence
from dataclasses import astuple
from types import NoneType
from typing import Any
from uuid import uuid4

from buildbot_koji.durable.attempts import StepIdentity, read_identity
from buildbot_koji.durable.store import BuildRows, RowsPlace
from buildbot_koji.durable.unreadable import (
    DamagedRow,
    StoredByNewerVersion,
    UnreadableRow,
    reading,
    saying,
)
from buildbot_koji.mass.plan import MassPackage, PackageState
from buildbot_koji.words import named
from txkoji.exceptions import KojiException

PLAN_ROW = 500
"""Packages whose plan is in one row."""

STATE_ROW = 64
"""How many packages share a row: the fewer, the less is written when one changes."""

READ_AT_ONCE = 1000
"""Packages whose rows one query reads, per reactor iteration. Buildbot itself reads row by row:
that took most of the time of a restart.
"""

_UNSTORED = (PackageState.WAITING, PackageState.HELD)
"""States that follow from those of other packages."""

_STATES = frozenset(each.value for each in PackageState)

_INTEGER, _NUMBER, _TEXT = (int, NoneType), (int, float, NoneType), (str, NoneType)

_PLAN: Mapping[str, Any] = {
    "name": str,
    "source": str,
    "owner": _TEXT,
    "requires": list,
    "level": int,
    "was_built": bool,
}
"""What is stored of the plan of a package, with its types."""

_FACTS: Mapping[str, Any] = {
    "attempt": int,
    "task_id": _INTEGER,
    "is_foreign": bool,
    "is_excluded": bool,
    "begun": (list, NoneType),
    "usual": _NUMBER,
    "since": _NUMBER,
    "duration": _NUMBER,
    "reason": str,
    "nvr": _TEXT,
    "build_id": _INTEGER,
    "arch": _TEXT,
    "log_url": _TEXT,
    "not_before": (int, float),
}
"""What is stored beside that once a package has begun, without unknown values at its end."""


class MassStore:
    """The stored form of one mass build.

    Args:
        rows: its rows.
        name: the name of the step that began it.
        has_begun: whether its plan was stored as a whole.
    """

    def __init__(self, rows: BuildRows, name: str, *, has_begun: bool = False) -> None:
        self._rows = rows
        self.name = name
        self._has_begun = has_begun
        # Part of the rows' names: a crash may have left rows of a plan that was never whole.
        self._plan = ""

    async def load(
        self, say: Callable[[UnreadableRow], object] | None = None
    ) -> tuple[dict[str, Any], list[MassPackage]] | None:
        """Return the header and the packages; None if no plan was stored as a whole.

        Args:
            say: called with the error if states can't be read; their packages count as not begun.

        Raises:
            UnreadableRow: a part of it can't be read.
        """
        header, what = await self._rows.get("header"), f"the mass build {self.name}"
        if header is None:
            if self._has_begun:
                raise DamagedRow(what)
            return None
        with reading(what):
            self._plan, total = header["plan"], operator.index(header["total"])
        packages: list[MassPackage] = []
        async for start, rows in self._read("plan", total, PLAN_ROW):
            with reading(what):
                for index, row in zip(_row(start, PLAN_ROW, total), rows, strict=True):
                    values = _read_values(row, _PLAN, f"the plan of {row[0]} in a mass build")
                    values["requires"] = tuple(range(total)[each] for each in values["requires"])
                    plan = {name: values[name] for name in _PLAN}
                    packages.append(MassPackage(index, **plan))
        async for start, rows in self._read("state", total, STATE_ROW, say):
            with saying(say), reading(f"the states from {packages[start].name} on of {what}"):
                for index, facts in zip(_row(start, STATE_ROW, total), rows, strict=True):
                    _apply(packages[index], facts)
        return header, packages

    async def _read(
        self,
        kind: str,
        total: int,
        size: int,
        say: Callable[[UnreadableRow], object] | None = None,
    ) -> AsyncIterator[tuple[int, Any]]:
        """Yield the rows of a kind, in their order, each with the place of its first package."""
        starts, count = range(0, total, size), READ_AT_ONCE // size
        for place in range(0, len(starts), count):
            part = starts[place : place + count]
            found = await self._rows.get_several([self._row(kind, start) for start in part], say)
            for start, rows in zip(part, found, strict=True):
                yield start, rows
            await self._rows.pause()

    def _row(self, kind: str, start: int) -> str:
        return f"{kind} {self._plan}{start}"

    async def save_plan(self, header: Mapping[str, Any], packages: Sequence[MassPackage]) -> None:
        """Store the plan: it counts as stored once the header is, which comes last."""
        self._plan, total = f"{uuid4().hex} ", len(packages)
        for start in range(0, total, PLAN_ROW):
            rows = [_values(packages[each], _PLAN) for each in _row(start, PLAN_ROW, total)]
            await self._rows.put(self._row("plan", start), rows)
            await self._rows.pause()
        await self.save_packages(packages, set(range(total)))
        await self.save_control({})
        await self._rows.put("header", {**header, "plan": self._plan, "total": total})

    async def save_packages(self, packages: Sequence[MassPackage], changed: set[int]) -> None:
        """Store the rows of the packages that changed, and take those off ``changed``."""
        while changed:
            start = min(changed) // STATE_ROW * STATE_ROW
            row = _row(start, STATE_ROW, len(packages))
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
        """Return what :meth:`save_control` stored last, an empty dictionary if there is no plan."""
        found = await self._rows.get("control")
        if found is None and not (self._plan or self._has_begun):
            return {}
        with reading(f"the progress of the mass build {self.name}"):
            return {**found}


class MixedPlans(KojiException):
    """The steps have changed: to which of them an earlier attempt's plan belongs is unknown."""


class MassStores:
    """The mass builds of one build request, by the names of the steps that began them."""

    def __init__(self, place: RowsPlace) -> None:
        self._place = place
        self._index = BuildRows(place, "koji mass builds")

    async def _begun(self) -> dict[str, StepIdentity]:
        """Return whose each mass build is that was stored as a whole."""
        found = await self._index.get("steps") or {}
        with reading("the index of mass builds"):
            return {
                name: read_identity(whose, f"the mass build {name}")
                for name, whose in found.items()
            }

    def _store(self, name: str, begun: Container[str]) -> MassStore:
        rows = BuildRows(self._place, name)
        return MassStore(rows, name, has_begun=name in begun)

    async def _renamed(self) -> dict[str, str]:
        """Return the first name of each step that a later attempt gave another one."""
        found = await self._index.get("renamed")
        with reading("the new names of mass builds"):
            return dict(found or {})

    async def called(self, name: str) -> MassStore:
        """Return the store of a mass build by the name that its step had in the last attempt."""
        return self._store((await self._renamed()).get(name, name), await self._begun())

    async def all(self) -> list[MassStore]:
        """Return the stores of all mass builds that were begun."""
        begun = await self._begun()
        return [self._store(name, begun) for name in begun]

    async def find(self, name: str) -> MassStore:
        """Return the store of a step's mass build; the only one if no step has that name."""
        store, begun = await self.called(name), await self._begun()
        is_only = store.name not in begun and len(begun) == 1
        return self._store(next(iter(begun)), begun) if is_only else store

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
            MixedPlans: nothing tells whether a plan of an earlier attempt is this step's.
        """
        begun, renamed = await self._begun(), await self._renamed()
        name = renamed.get(name, name)
        if name in begun and identity.is_that_of(begun[name]):
            return self._store(name, begun)
        there = {renamed.get(each, each) for each in names}
        lost = [each for each in begun if each == name or each not in there]
        same = [each for each in lost if begun[each].rendered == identity.rendered]
        if len(same) == 1:
            return self._store(same[0], begun)
        if lost:
            raise MixedPlans(
                f"an earlier attempt began the mass build {named(lost)}, and the steps have changed"
                " since: give them their earlier names, targets and packages, or start another"
                " build"
            )
        return self._store(name, begun)

    async def add(self, store: MassStore, identity: StepIdentity) -> None:
        """Note that a step's mass build is stored: nothing of it may be missing from now on."""
        begun = await self._begun()
        if store.name not in begun:
            rows = {name: astuple(each) for name, each in {**begun, store.name: identity}.items()}
            await self._index.put("steps", rows)


def _row(start: int, size: int, total: int) -> range:
    """Return the places of the packages in a row."""
    return range(start, min(start + size, total))


def _values(package: MassPackage, names: Iterable[str]) -> list[Any]:
    return [getattr(package, name) for name in names]


def _facts(package: MassPackage) -> list[Any] | None:
    """Return what is stored of a package beside its plan, without unknown values at its end."""
    if package.state in _UNSTORED or (package.state is PackageState.READY and not package.attempt):
        return None
    facts = [package.state.value, *_values(package, _FACTS)]
    while facts[-1] in (None, "", False, 0):
        facts.pop()
    return facts


def _read_values(row: Sequence[Any], types: Mapping[str, Any], what: str) -> dict[str, Any]:
    """Return stored values by name; raise an error of damage, or StoredByNewerVersion."""
    if len(row) > len(types):
        raise StoredByNewerVersion(what)
    values = dict(zip(types, row, strict=False))
    if odd := [name for name, value in values.items() if not isinstance(value, types[name])]:
        raise TypeError(odd)
    return values


def _apply(package: MassPackage, facts: Sequence[Any] | None) -> None:
    if facts is None:
        return
    what = f"the state of {package.name} in a mass build"
    if facts[0] not in _STATES:
        raise StoredByNewerVersion(what)
    package.state = PackageState(facts[0])
    for name, value in _read_values(facts[1:], _FACTS, what).items():
        setattr(package, name, value)
    if package.begun is not None:
        newest, submitted, owner, created = package.begun
        package.begun = (newest, submitted, owner, created)
    is_running = package.state is PackageState.RUNNING
    is_begun = is_running or package.state is PackageState.SUBMITTING
    if (is_running and package.task_id is None) or (is_begun and package.begun is None):
        raise ValueError(package.state)
