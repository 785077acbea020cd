"""How long builds take, from how long they took."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from txkoji import build_states
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import HubConnection

__all__ = [
    "average_build_duration",
    "average_build_durations",
    "average_last_builds",
]


class EstimateSource(HubConnection, Protocol):
    """What estimates are asked through: a :class:`txkoji.Connection`."""

    MultiCall: Callable[[], Any]


@returns_deferred
async def average_build_duration(
    connection: HubConnection, package: str
) -> datetime.timedelta | None:
    """Ask the hub how long a package's builds take on average.

    Args:
        connection: a :class:`txkoji.Connection`.
        package: the package's name.

    Returns:
        A Deferred of a timedelta, None if the hub has no build.
    """
    return await connection.call("getAverageBuildDuration", package)  # type: ignore[no-any-return]


@returns_deferred
async def average_build_durations(
    connection: EstimateSource, packages: Iterable[str]
) -> list[datetime.timedelta | None]:
    """Ask the hub for the average durations of many packages, in one multicall.

    Args:
        connection: a :class:`txkoji.Connection`.
        packages: the packages' names.

    Returns:
        A Deferred of a list, in the order of the names.
    """
    multicall = connection.MultiCall()
    for package in packages:
        multicall.getAverageBuildDuration(package)
    return list(await multicall())


@returns_deferred
async def average_last_builds(
    connection: HubConnection, package: str, limit: int = 5
) -> datetime.timedelta | None:
    """Average the durations of a package's last complete builds.

    The hub's own average leaves out the builds of content generators (containers).

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
