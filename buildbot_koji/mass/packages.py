"""Which packages a mass build builds, and from what: read from the hub before anything starts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple, TypeVar

from buildbot.interfaces import IRenderable
from buildbot.util.twisted import async_to_deferred
from zope.interface import implementer

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, required, words_for
from buildbot_koji.arguments.plugins import DeclaredObject
from buildbot_koji.mass.plan import find_cycle
from buildbot_koji.words import named
from txkoji import Call, Connection, is_refusal, matches, one_line
from txkoji.exceptions import HubFault

K = TypeVar("K")

AT_ONCE = 500
"""Lookups in one multicall: five requests."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
"""A package's name, as the hub takes it by default."""

PLACEHOLDER = re.compile(r"(?<!\{)\{+[^{}]*\}+")
"""What looks as if it were replaced. A search within a row of braces takes the square of it."""


def is_name(text: str) -> bool:
    """Return whether a text may be the name of a package: else no hub is asked about it."""
    return NAME.fullmatch(text) is not None


class PlanMistake(NamedTuple):
    """What is wrong with a plan, and with which packages: as text at most 20 of them."""

    what: str
    names: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.what}: {named(self.names)}" if self.names else self.what


class BadPlan(Exception):
    """The plan can't be built: the text names each mistake once.

    Args:
        mistakes: what is wrong.
    """

    def __init__(self, *mistakes: str | PlanMistake) -> None:
        super().__init__("; ".join(map(str, mistakes)))
        self._mistakes = [each for each in mistakes if isinstance(each, PlanMistake)]

    def lines(self) -> Iterator[str]:
        """Yield a line for each package that something is wrong with."""
        return (f"{name}: {each.what}\n" for each in self._mistakes for name in each.names)


@implementer(IRenderable)
class KojiPackages(DeclaredObject):
    """The packages of a tag, asked from the hub when the step starts."""

    renders: ClassVar[bool] = True

    tag = required(checks.name, "the name of the tag", positional=True)
    inherited = argument(checks.flag, "also the packages of the tags it inherits", default=True)
    owners = argument(checks.texts, "only the packages of these owners")
    globs = argument(
        checks.globs, 'only packages whose names match one of these patterns (``"python-*"``)'
    )
    except_ = argument(checks.globs, "no packages whose names match one of these patterns")
    blocked = flag("also blocked packages")

    def __repr__(self) -> str:
        return f"KojiPackages({words_for(self.declared_values['tag'])})"

    @async_to_deferred
    async def getRenderingFor(self, properties: Any) -> PackageQuery:
        """Return a Deferred of the query, with the values that are known now."""
        values = {
            name: await properties.render(each) for name, each in self.declared_values.items()
        }
        return PackageQuery(values, [f"{self!r}: {each}" for each in self.complaints_about(values)])


@dataclass(frozen=True)
class PackageQuery:
    """A :class:`KojiPackages` whose values are known, and what is wrong with them."""

    values: Mapping[str, Any]
    complaints: Sequence[str]

    def takes(self, row: Mapping[str, Any]) -> bool:
        """Return whether the query selects a row of ``listPackages``."""
        name = row["package_name"]
        owners, globs, except_ = (self.values[each] for each in ("owners", "globs", "except_"))
        return (
            (self.values["blocked"] or not row.get("blocked"))
            and (owners is None or row.get("owner_name") in owners)
            and (globs is None or matches(name, globs))
            and not (except_ and matches(name, except_))
        )


def check_packages(value: Any) -> str | None:
    """Check for names of packages in a list or one string, or a ``util.KojiPackages``."""
    if isinstance(value, (PackageQuery, KojiPackages)):
        return None
    complaint = checks.text_or_texts(value)
    if complaint is not None:
        return "must be a list of package names or a util.KojiPackages"
    odd = [each for each in checks.words(value) if not is_name(each)]
    return f"holds {odd[0]!r}, which is no package name" if odd else None


def check_package_template(value: Any) -> str | None:
    """Check for a template of SCM URLs, or a function that returns the URL for a package."""
    if callable(value) and not isinstance(value, str):
        return None
    complaint = checks.text(value)
    if complaint is not None:
        return "must be a template with {package}, or a function of the package's name"
    if "{package}" not in value:
        return "must contain {package}: all packages would be built from one source"
    others = [each for each in PLACEHOLDER.findall(value) if each != "{package}"]
    if others:
        return f"contains {others[0]}: only {{package}} is replaced"
    return checks.source(value.replace("{package}", "name"))


@dataclass(frozen=True)
class MassOrder:
    """What is to be built, in which order.

    Attributes:
        names: the packages.
        requires: the packages that each package requires.
        levels: the packages of each level.
        skip: why packages need not be built.
    """

    names: Sequence[str]
    requires: Mapping[str, Sequence[str]] = field(default_factory=dict)
    levels: Sequence[Sequence[str]] = ()
    skip: Mapping[str, str] = field(default_factory=dict)


def names_in(content: bytes) -> list[str]:
    """Return the names of packages in a file; raise ValueError if it is no text."""
    # Some editors begin a file with a mark of its encoding.
    lines = content.decode("utf-8-sig").splitlines()
    return [word for line in lines for word in line.partition("#")[0].split()]


def ordered_names(
    packages: Any, levels: Sequence[Sequence[str]], requires: Mapping[str, Sequence[str]]
) -> list[str]:
    """Return the names of packages that are given as such, in levels, or by what they require."""
    if packages is not None:
        return checks.words(packages)
    if levels:
        return [name for level in levels for name in level]
    return [*dict.fromkeys([*requires, *(each for needed in requires.values() for each in needed)])]


async def find_packages(
    connection: Connection,
    query: PackageQuery,
    in_thread: Callable[[Callable[[], list[str]]], Awaitable[list[str]]],
) -> list[str]:
    """Return the names of the packages that a query selects, sorted.

    Args:
        connection: the hub.
        query: the query.
        in_thread: runs a function in a thread; returns an awaitable of its result.

    Raises:
        BadPlan: the tag does not exist.
        KojiException: the hub is unreachable.
    """
    if query.complaints:
        raise BadPlan(*query.complaints)
    tag, inherited = query.values["tag"], query.values["inherited"]
    rows = await list_in_tag(connection, "listPackages", tag, inherited=inherited)
    return await in_thread(
        lambda: sorted({row["package_name"] for row in rows if query.takes(row)})
    )


async def list_in_tag(
    connection: Connection, method: str, tag: str | int, **options: Any
) -> list[Any]:
    """Return what a method lists of a tag; raise BadPlan if the hub refuses."""
    try:
        return list(await connection.checked(method, tag, **options))
    except HubFault as fault:
        if not is_refusal(fault):
            raise
        raise BadPlan(f"can't read tag {tag}: {one_line(fault)}") from fault


async def answers_by_key(connection: Connection, calls: Mapping[K, Call]) -> dict[K, Any]:
    """Make calls at once; return the checked answers, without those that the hub refuses."""
    client = connection.client
    answers = await client.send_all([*calls.values()])
    found: dict[K, Any] = {}
    for (key, call), answer in zip(calls.items(), answers, strict=True):
        if not isinstance(answer, Exception):
            found[key] = client.read_answer(call, answer)
        elif not is_refusal(answer):
            raise answer
    return found


async def refusals(connection: Connection, target: Mapping[str, Any], *, tags: bool) -> list[str]:
    """Return why the hub refuses every build for a target.

    Args:
        connection: the hub, logged in.
        target: the target, as ``getBuildTarget`` returns it.
        tags: whether the builds are tagged: scratch builds aren't.
    """
    found = []
    if not (await connection.checked("getBuildConfig", target["build_tag"]))["arches"]:
        found.append(f"build tag {target['build_tag_name']} has no architectures")
    tag = await connection.checked("getTag", target["dest_tag"]) if tags else None
    if tag is not None and (refusal := await tag_refusal(connection, tag)):
        found.append(refusal)
    return found


async def tag_refusal(connection: Connection, tag: Mapping[str, Any]) -> str:
    """Return why the hub refuses to tag anything with a tag; empty if it does not.

    Args:
        connection: the hub, logged in if the tag requires a permission.
        tag: the tag, as ``getTag`` returns it.
    """
    if tag["locked"]:
        return f"tag {tag['name']} is locked"
    if tag["perm"] and tag["perm"] not in await connection.checked("getPerms"):
        return f"tag {tag['name']} takes builds only from users with the permission {tag['perm']}"
    return ""


async def listed_packages(
    connection: Connection, tag: str | int, names: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """Return a tag's entries of packages, by name; those that it does not list are absent.

    Args:
        connection: the hub.
        tag: the name or id of the tag, whose parents count, too.
        names: the packages.
    """
    wanted = set(names)
    if len(wanted) > AT_ONCE:
        rows = await list_in_tag(connection, "listPackages", tag, inherited=True)
        return {row["package_name"]: row for row in rows if row["package_name"] in wanted}
    calls = {name: Call.of("getPackageConfig", tag, name) for name in sorted(wanted)}
    # The hub refuses one whose package, or tag, is unknown.
    found = await answers_by_key(connection, calls)
    return {name: row for name, row in found.items() if row is not None}


async def latest_in_tag(
    connection: Connection, tag: str | int, names: Iterable[str]
) -> dict[str, int]:
    """Return the ids of the latest builds of packages in a tag and its parents, by their names.

    Raises:
        BadPlan: the tag does not exist.
        KojiException: the hub is unreachable.
    """
    wanted = set(names)
    if len(wanted) > AT_ONCE:
        rows = await list_in_tag(connection, "listTagged", tag, inherit=True, latest=True)
        return {row["package_name"]: row["build_id"] for row in rows}
    calls = {name: Call.of("getLatestBuilds", tag, package=name) for name in sorted(wanted)}
    latest = await answers_by_key(connection, calls)
    return {name: rows[0]["build_id"] for name, rows in latest.items() if rows}


async def sources_in_tag(connection: Connection, tag: str, names: Sequence[str]) -> dict[str, str]:
    """Return the source of the latest build in a tag of each package that has one.

    Raises:
        BadPlan: the tag does not exist.
        KojiException: the hub is unreachable.
    """
    ids = await latest_in_tag(connection, tag, names)
    sources: dict[str, str] = {}
    known = [name for name in names if name in ids]
    for start in range(0, len(known), AT_ONCE):
        calls = {name: Call.of("getBuild", ids[name]) for name in known[start : start + AT_ONCE]}
        for name, build in (await answers_by_key(connection, calls)).items():
            if build is not None and build["source"]:
                sources[name] = build["source"]
    return sources


def unlisted(row: Mapping[str, Any] | None, tag: str) -> str:
    """Return why a tag takes no build of a package, by its entry there; empty if it does."""
    if row is None:
        return f"not in {tag}"
    return f"blocked in {tag}" if row.get("blocked") else ""


def plan_mistakes(order: MassOrder, limit: int | None) -> Iterator[PlanMistake]:
    """Yield what is wrong with an order on any hub, each kind of mistake once."""
    if not order.names:
        yield PlanMistake("there are no packages to build")
        return
    twice = [name for name, count in Counter(order.names).items() if count > 1]
    if twice:
        yield PlanMistake("given twice", twice)
    if limit is not None and len(order.names) > limit:
        yield PlanMistake(f"{len(order.names):,} packages are more than max_packages, {limit:,}")
    odd = [name for name in order.names if not is_name(name)]
    if odd:
        # Not all of them: a file that is no list of packages may hold secrets.
        yield PlanMistake(f"no package names: {named(map(repr, odd))}")
    cycle = find_cycle(order.requires)
    if cycle is not None:
        yield PlanMistake(f"packages require each other: {cycle}")
