"""Estimate how long builds take from how long earlier ones took."""

from __future__ import annotations

import datetime
from collections.abc import Iterable

from txkoji import build_states
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import HubConnection
from txkoji.gathering import gather

__all__ = [
    "average_build_duration",
    "average_build_durations",
    "average_last_builds",
]


@returns_deferred
async def average_build_duration(
    connection: HubConnection, package: str
) -> datetime.timedelta | None:
    """Return how long a package's builds take on average.

    The hub averages only builds that it made itself. Containers are imported from content
    generators, so for a package such as ``bash-container`` this averages its last builds.

    Args:
        connection: a :class:`txkoji.Connection`.
        package: the package's name.

    Returns:
        A Deferred of a timedelta, None if the hub has no build.
    """
    if _is_container(package):
        return await average_last_builds(connection, package)
    return await connection.call("getAverageBuildDuration", package)  # type: ignore[no-any-return]


@returns_deferred
async def average_build_durations(
    connection: HubConnection, packages: Iterable[str]
) -> list[datetime.timedelta | None]:
    """Return how long the builds of many packages take; see :func:`average_build_duration`.

    One multicall asks about all packages except containers.

    Args:
        connection: a :class:`txkoji.Connection`.
        packages: the packages' names.

    Returns:
        A Deferred of a list, in the order of the names.
    """
    names = list(packages)
    multicall = connection.MultiCall()
    asked = [name for name in dict.fromkeys(names) if not _is_container(name)]
    for name in asked:
        multicall.getAverageBuildDuration(name)
    found = dict(zip(asked, await multicall(), strict=True))
    containers = [name for name in dict.fromkeys(names) if _is_container(name)]
    averages = await gather(average_last_builds(connection, name) for name in containers)
    found.update(zip(containers, averages, strict=True))
    return [found[name] for name in names]


def _is_container(package: str) -> bool:
    return package.endswith("-container")


@returns_deferred
async def average_last_builds(
    connection: HubConnection, package: str, limit: int = 5
) -> datetime.timedelta | None:
    """Average the durations of a package's last complete builds.

    Args:
        connection: a :class:`txkoji.Connection`.
        package: the package's name.
        limit: how many builds.

    Returns:
        A Deferred of a timedelta, None if there are no builds.
    """
    builds = await connection.call(
        "listBuilds",
        package,
        state=int(build_states.COMPLETE),
        queryOpts={"limit": limit, "order": "-completion_time"},
    )
    durations = [build.duration for build in builds if build.duration is not None]
    if not durations:
        return None
    return sum(durations, datetime.timedelta()) / len(durations)
