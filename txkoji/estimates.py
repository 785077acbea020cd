"""How long builds take, from how long they took."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from txkoji import build_states
from txkoji._deferreds import returns_deferred
from txkoji.exceptions import HubFault, ServerOffline

__all__ = [
    "AverageDurations",
    "average_build_duration",
    "average_build_durations",
    "average_last_builds",
]

_METHODS_WITH_AVERAGE = frozenset(
    [
        "appliance",
        "build",
        "image",
        "kiwiBuild",
        "livecd",
        "livemedia",
        "maven",
        "winbuild",
    ]
)
"""Tasks that make a build, so that the hub's averages hold for them."""


@returns_deferred
async def average_build_duration(connection: Any, package: str) -> datetime.timedelta | None:
    """Ask the hub how long a package's builds take on average.

    Args:
        connection: a :class:`txkoji.Connection`.
        package: the package's name.

    Returns:
        A Deferred of a timedelta, None where the hub knows of no build.
    """
    return await connection.call("getAverageBuildDuration", package)  # type: ignore[no-any-return]


@returns_deferred
async def average_build_durations(
    connection: Any, packages: Iterable[str]
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
    connection: Any, package: str, limit: int = 5
) -> datetime.timedelta | None:
    """Average the durations of a package's last complete builds.

    The hub's own average leaves out the builds of content generators (containers).

    Args:
        connection: a :class:`txkoji.Connection`.
        package: the package's name.
        limit: how many builds.

    Returns:
        A Deferred of a timedelta, None where there are no builds.
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


class AverageDurations:
    """Average durations of packages' builds, each asked for once and remembered for a while.

    Args:
        connection: a :class:`txkoji.Connection`.
        clock: an IReactorTime.
        time_to_live: seconds until an answer is asked for again.
    """

    AT_ONCE = 50
    """How many are asked for in one request: each is a computation on the hub."""

    def __init__(self, connection: Any, clock: Any, *, time_to_live: float = 6 * 3600.0) -> None:
        self._connection = connection
        self._clock = clock
        self._time_to_live = time_to_live
        self._answers: dict[str, tuple[float, datetime.timedelta | None]] = {}

    def known(self, task: Any) -> datetime.timedelta | None:
        """Return how long a task like this takes on average, None where that is not known."""
        package = package_with_average(task)
        return self._answers[package][1] if package in self._answers else None

    @returns_deferred
    async def learn(self, tasks: Iterable[Any]) -> int:
        """Ask about some of the tasks whose averages are not known, or were asked for long ago.

        Args:
            tasks: the tasks, in the order of their urgency.

        Returns:
            A Deferred of the number of packages that were asked about, at most ``AT_ONCE``.

        Raises:
            KojiException: the request failed; nothing is remembered.
        """
        now = self._clock.seconds()
        old = now - self._time_to_live
        wanted: dict[str, None] = {}
        for task in tasks:
            package = package_with_average(task)
            if package is None or len(wanted) == self.AT_ONCE:
                continue
            if package not in self._answers or self._answers[package][0] <= old:
                wanted[package] = None
        if not wanted:
            return 0
        multicall = self._connection.MultiCall()
        for package in wanted:
            multicall.getAverageBuildDuration(package)
        results = await multicall()
        for package in wanted:
            try:
                average = next(results)
            except ServerOffline:
                raise
            except HubFault:
                # What it can't tell of one package is no reason to do without the others.
                average = None
            self._answers[package] = (now, average)
        return len(wanted)


def package_with_average(task: Any) -> str | None:
    """Return the name of the package whose average duration tells that of a task, or None."""
    if task.get("method") not in _METHODS_WITH_AVERAGE:
        return None
    package: str | None = task.package
    return package
