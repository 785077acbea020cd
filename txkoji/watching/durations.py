"""Average build durations of packages: each asked for once, and kept for hours."""

from __future__ import annotations

from collections.abc import Iterable

from txkoji._deferreds import returns_deferred
from txkoji._interfaces import Clock
from txkoji._values import seconds
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import HubFault
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.retry import is_passing
from txkoji.task_info import TaskInfo

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


class AverageDurations:
    """Average durations of packages' builds, asked for again after ``time_to_live`` seconds."""

    AT_ONCE = 50
    """How many are asked for in one request: each is a computation on the hub."""

    def __init__(
        self, client: HubClient, clock: Clock, *, time_to_live: float = 6 * 3600.0
    ) -> None:
        self._client = client
        self._elapsed = ElapsedTime(clock)
        self._time_to_live = time_to_live
        self._answers: dict[str, tuple[float, float | None]] = {}

    def known(self, package: str | None) -> float | None:
        """Return how many seconds a package's builds take; None if that is not known."""
        return self._answers.get(package or "", (0.0, None))[1]

    def remember(self, package: str | None, usual: float | None) -> None:
        """Take an average that was asked for earlier, unless there is a newer one."""
        if package is not None and usual is not None:
            self._answers.setdefault(package, (self._elapsed.seconds(), usual))

    @returns_deferred
    async def learn(self, packages: Iterable[str | None]) -> int:
        """Ask about some of the packages, the most urgent first, whose averages are unknown or old.

        Returns:
            A Deferred of the number of packages that were asked about, at most ``AT_ONCE``.

        Raises:
            KojiException: the request failed; nothing is kept.
        """
        now = self._elapsed.seconds()
        old = now - self._time_to_live
        due = dict.fromkeys(
            package
            for package in packages
            if package and self._answers.get(package, (old, None))[0] <= old
        )
        wanted = list(due)[: self.AT_ONCE]
        if not wanted:
            return 0
        results = await self._client.send_all(
            [Call("getAverageBuildDuration", (package,)) for package in wanted]
        )
        for package, result in zip(wanted, results, strict=True):
            if isinstance(result, Exception) and (
                is_passing(result) or not isinstance(result, HubFault)
            ):
                raise result
            # A package that the hub can't answer for does not hide the others.
            self._answers[package] = (now, seconds(result))
        return len(wanted)


def package_with_average(task: TaskInfo) -> str | None:
    """Return the name of the package whose average duration holds for a task, or None."""
    if task.get("method") not in _METHODS_WITH_AVERAGE:
        return None
    package: str | None = task.package
    return package
