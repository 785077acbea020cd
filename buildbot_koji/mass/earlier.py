"""What earlier mass builds made: to build only the rest, and to tell regressions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Any

from buildbot.data import resultspec

from buildbot_koji.durable.unreadable import UnreadableRow
from buildbot_koji.mass.packages import BadPlan
from buildbot_koji.mass.plan import FINAL, MassPackage, PackageState
from buildbot_koji.mass.stored import MassStore, packages_of
from txkoji import one_line

SEARCHED = 20
"""How many builds of a builder are searched for a mass build to compare with."""

_STATES = {"failed": PackageState.FAILED, "skipped": PackageState.SKIPPED}


class EarlierMassBuilds:
    """The mass builds that are in the master's database.

    Args:
        master: the Buildbot master.
        store_of: returns the store of the mass build of a build.
        until_stored: reads the database, and retries while it is unreachable.

    Attributes:
        notes: which mass builds can't be compared with, for the log.
    """

    def __init__(
        self,
        master: Any,
        store_of: Callable[[int], Awaitable[MassStore]],
        until_stored: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]],
    ) -> None:
        self._master = master
        self._store_of = store_of
        self._until_stored = until_stored
        self.notes: list[str] = []

    async def names_of(self, mass_id: int, kinds: Collection[str]) -> set[str]:
        """Return the packages of a mass build that failed, were skipped, or are missing.

        Raises:
            BadPlan: there is no such mass build.
        """
        packages = await self._packages_of(mass_id)
        states = [_STATES[each] for each in kinds if each in _STATES]
        return {
            each.name
            for each in packages
            if each.state in states or ("missing" in kinds and each.state not in FINAL)
        }

    async def _packages_of(self, mass_id: int) -> list[MassPackage]:
        store = await self._store_of(mass_id)
        packages = packages_of(await self._until_stored(store.load))
        if not packages:
            raise BadPlan(f"there is no mass build {mass_id}: give its property koji_mass_id")
        return packages

    async def built(self, mass_id: int | None, build_id: int, root: int) -> set[str]:
        """Return the packages that the mass build to compare with has built.

        Args:
            mass_id: that mass build; None for the builder's previous one.
            build_id: the build that asks.
            root: the first build of its build request.

        Raises:
            BadPlan: there is no such mass build.
        """
        if mass_id:
            return _built(await self._packages_of(mass_id))
        for each in await self._before(build_id, root):
            try:
                store = await self._store_of(each)
                if (await self._until_stored(store.control)).get("ended"):
                    return _built(packages_of(await self._until_stored(store.load)))
            except UnreadableRow as error:
                self.notes.append(f"no regressions against mass build {each}: {one_line(error)}")
        return set()

    async def _before(self, build_id: int, root: int) -> list[int]:
        """Return the builder's latest builds before a build, the newest first."""
        build = await self._master.data.get(("builds", build_id))
        found = await self._master.data.get(
            ("builders", build["builderid"], "builds"),
            filters=[resultspec.Filter("complete", "eq", [True])],
            order=["-number"],
            limit=SEARCHED,
        )
        ids = (int(each["buildid"]) for each in found)
        return [each for each in ids if each < root]


def _built(packages: Iterable[MassPackage]) -> set[str]:
    states = (PackageState.BUILT, PackageState.ADOPTED)
    return {each.name for each in packages if each.state in states}
