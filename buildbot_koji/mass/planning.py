"""Makes the plan of a mass build: asks the hub for all that it needs, before anything starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from inspect import iscoroutine
from typing import Any

import attrs
from twisted.internet.defer import Deferred

from buildbot_koji.arguments import checks
from buildbot_koji.database_values import clean_line
from buildbot_koji.error_messages import with_remedy
from buildbot_koji.mass.packages import (
    BadPlan,
    MassOrder,
    PackageQuery,
    PlanMistake,
    find_packages,
    is_name,
    list_in_tag,
    listed_packages,
    ordered_names,
    plan_mistakes,
    refusals,
    sources_in_tag,
    unlisted,
)
from buildbot_koji.mass.plan import MassPackage, PackageState
from buildbot_koji.words import named
from txkoji import Connection, one_line

ROWS_AT_ONCE = 200
"""Sources that a function is asked for before the reactor's next iteration."""


@attrs.define(eq=False, repr=False, slots=False)
class MassPlanner:
    """Makes the plan of one mass build; see the arguments of ``steps.KojiMassBuild``.

    Attributes:
        notes: what may be a mistake, for the log.
        destination: the id of the target's destination tag; None until :meth:`make` has it.
    """

    _connection: Connection
    _pause: Callable[[], Awaitable[None]]
    _in_thread: Callable[[Callable[[], Any]], Awaitable[Any]]
    target: str
    packages: Any
    requires: Mapping[str, Sequence[str]]
    levels: Sequence[Sequence[str]]
    skip: Mapping[str, str] | Collection[str]
    only: Collection[str] | None
    only_words: str
    source: str | Callable[[str], Any] | None
    source_tag: str | None
    since: float | None
    must_be_listed: bool
    holds: bool
    channel: str | None
    limit: int | None
    skip_unknown: bool

    def __attrs_post_init__(self) -> None:
        self._complaints: list[str] = []
        self.notes: list[str] = []
        self.destination: int | None = None

    def complain(self, complaint: str) -> None:
        """Add to what is wrong with the plan, with the command that helps if there is one."""
        self._complaints.append(with_remedy(complaint))

    async def make(self) -> list[MassPackage]:
        """Return the packages.

        Raises:
            BadPlan: with everything that is wrong.
            KojiException: the hub is unreachable.
        """
        target = await self._find("getBuildTarget", "build target", self.target)
        await self._find("getChannel", "channel", self.channel)
        source_tag = await self._find("getTag", "tag", self.source_tag)
        order = None
        try:
            order = await self._order()
        except BadPlan as error:
            self.complain(str(error))
        is_lost = source_tag is None and self.source_tag is not None
        if order is None or target is None or is_lost:
            raise BadPlan(*self._complaints)
        tag = target["dest_tag_name"]
        self.destination = target["dest_tag"]
        for each in await refusals(self._connection, target, tags=self.must_be_listed):
            self.complain(each)
        names = [name for name in order.names if is_name(name)]
        listed = await listed_packages(self._connection, tag, names)
        sources = await self._sources(names, order.skip, listed)
        packages: list[MassPackage] = await self._in_thread(
            partial(_make_packages, order, sources, listed)
        )
        listing = tag if self.must_be_listed else None
        unusable = await self._in_thread(partial(_leave_out, packages, order.skip, listed, listing))
        if self.holds:
            unusable += await self._blocked_in_repo(target["build_tag_name"], packages)
        mistakes = await self._in_thread(
            lambda: [*plan_mistakes(order, self.limit), *_same_sources(packages)]
        )
        wrong = [*self._complaints, *mistakes]
        if not self.skip_unknown:
            wrong += unusable
        if wrong:
            raise BadPlan(*wrong)
        if self.since is not None:
            await self._adopt(tag, packages, self.since)
        return packages

    async def _find(self, method: str, kind: str, name: str | None) -> Any:
        """Return what the hub has of a name; None, with a complaint, if it has nothing."""
        found = None if name is None else await self._connection.checked(method, name)
        if found is None and name is not None:
            self.complain(f"the hub has no {kind} {name}")
        return found

    async def _blocked_in_repo(
        self, build_tag: str, packages: Sequence[MassPackage]
    ) -> list[PlanMistake]:
        """Return a complaint about required packages that are blocked in the build tag, if any."""
        required = {index for each in packages for index in each.requires}
        highest = max((each.level for each in packages), default=0)
        names = [
            each.name
            for each in packages
            if (each.index in required or each.level < highest) and not each.is_final
        ]
        listed = await listed_packages(self._connection, build_tag, list(filter(is_name, names)))
        blocked = [name for name, row in listed.items() if row.get("blocked")]
        return [PlanMistake(f"required, but blocked in {build_tag}", blocked)] if blocked else []

    async def _order(self) -> MassOrder:
        requires = {name: list(needed) for name, needed in self.requires.items()}
        if isinstance(self.packages, PackageQuery):
            names = await find_packages(self._connection, self.packages, self._in_thread)
            if not names:
                tag = self.packages.values["tag"]
                raise BadPlan(f"no package of tag {tag} matches owners, globs and except_")
        else:
            names = ordered_names(self.packages, self.levels, requires)
        known = set(names)
        if self.only is not None:
            names = [name for name in names if name in self.only]
            if not names:
                raise BadPlan(f"no package {self.only_words}: there is nothing to build")
        skip = self.skip
        if not isinstance(skip, Mapping):
            skip = dict.fromkeys(skip, "need not be built")
        needed = (each for several in requires.values() for each in several)
        for words, given in (
            ("requires names packages that are not built here", [*requires, *needed]),
            ("skip names packages that would not be built anyway", skip),
        ):
            unknown = [each for each in dict.fromkeys(given) if each not in known]
            if unknown:
                self.notes.append(f"{words}: {named(unknown)}")
        return MassOrder(names, requires, self.levels, skip)

    async def _sources(
        self, names: Sequence[str], skip: Collection[str], listed: Collection[str]
    ) -> dict[str, str]:
        if self.source_tag is not None:
            return await sources_in_tag(self._connection, self.source_tag, names)
        sources = {}
        for place, name in enumerate(names):
            if name not in skip and (name in listed or not self.must_be_listed):
                sources[name] = self._source_of(name)
            if not place % ROWS_AT_ONCE:
                await self._pause()
        return sources

    def _source_of(self, name: str) -> str:
        source = self.source
        if source is None or isinstance(source, str):
            return (source or "").replace("{package}", name)
        try:
            found = source(name)
        except (Exception, SystemExit) as error:
            what = f"{type(error).__name__}: {one_line(error)}"
            raise BadPlan(f"source({name!r}) failed: {what}") from error
        if found is None or isinstance(found, str):
            return found or ""
        if isinstance(found, Deferred):
            # How it ends matters to nobody.
            found.addErrback(lambda _: None)
        elif iscoroutine(found):
            found.close()
        raise BadPlan(f"source({name!r}) returned {type(found).__name__}, not str")

    async def _adopt(self, tag: str, packages: list[MassPackage], since: float) -> None:
        """Adopt builds that are new enough."""
        rows = await list_in_tag(self._connection, "listTagged", tag, latest=True)
        latest = {row["package_name"]: row for row in rows}
        for package in packages:
            row = latest.get(package.name)
            if row is None or package.is_final:
                continue
            completed = row.completed
            if completed is not None and completed.timestamp() >= since:
                package.state = PackageState.ADOPTED
                package.nvr, package.build_id = row["nvr"], row["build_id"]
                package.reason = "built already"


def _make_packages(
    order: MassOrder, sources: Mapping[str, str], listed: Mapping[str, Mapping[str, Any]]
) -> list[MassPackage]:
    """Make the plan's packages, with what a tag lists of them. Pure."""
    places = {name: place for place, name in enumerate(dict.fromkeys(order.names))}
    level_of = {name: number for number, level in enumerate(order.levels) for name in level}
    packages = []
    for name, place in places.items():
        owner = listed.get(name, {}).get("owner_name")
        requires = dict.fromkeys(order.requires.get(name, ()))
        package = MassPackage(
            place,
            name,
            sources.get(name, ""),
            clean_line(owner) if isinstance(owner, str) else None,
            tuple(places[each] for each in requires if each in places),
            level_of.get(name, 0),
        )
        packages.append(package)
    return packages


def _leave_out(
    packages: Sequence[MassPackage],
    skip: Mapping[str, str],
    listed: Mapping[str, Mapping[str, Any]],
    tag: str | None,
) -> list[PlanMistake]:
    """Skip the packages that need not be built, or can't; return why those can't. Pure.

    Args:
        packages: the packages.
        skip: why some need not be built.
        listed: what the destination tag says of them.
        tag: the tag if it must list them; None for scratch builds, which need no entry.
    """
    unusable: dict[str, list[str]] = {}
    for package in packages:
        if package.name in skip:
            package.is_excluded = True
            package.skip(skip[package.name])
        elif is_name(package.name) and (why := _unusable(package, listed.get(package.name), tag)):
            unusable.setdefault(why, []).append(package.name)
            package.skip(why)
    return [PlanMistake(*each) for each in unusable.items()]


def _same_sources(packages: Iterable[MassPackage]) -> list[PlanMistake]:
    """Return which packages would be built from one source."""
    built_from: dict[str, list[str]] = {}
    for package in packages:
        if package.source:
            built_from.setdefault(package.source, []).append(package.name)
    several = (names for names in built_from.values() if len(names) > 1)
    return [PlanMistake("built from the same source", names) for names in several]


def _unusable(package: MassPackage, row: Mapping[str, Any] | None, tag: str | None) -> str:
    """Return why its entry in a tag, or its source, keeps a package from being built; or empty."""
    why = "" if tag is None else unlisted(row, tag)
    if why or not package.source:
        return why or "no source"
    complaint = checks.source(package.source)
    return "" if complaint is None else f"source {complaint}"
