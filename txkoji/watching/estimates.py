"""What estimates need beside the trees: average durations, and places in the channels' queues."""

from __future__ import annotations

from collections.abc import Iterable

from txkoji import task_states
from txkoji._deferreds import returns_deferred
from txkoji._interfaces import Clock
from txkoji._values import seconds
from txkoji.exceptions import HubFault
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.retry import is_passing
from txkoji.task_info import TaskInfo
from txkoji.watching.records import CHANNEL, ID, STATE, TaskRecord

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
        self._clock = clock
        self._time_to_live = time_to_live
        self._answers: dict[str, tuple[float, float | None]] = {}

    def known(self, package: str | None) -> float | None:
        """Return how many seconds a package's builds take; None if that is not known."""
        return self._answers.get(package or "", (0.0, None))[1]

    def remember(self, package: str | None, usual: float | None) -> None:
        """Take an average that was asked for earlier, unless there is a newer one."""
        if package is not None and usual is not None:
            self._answers.setdefault(package, (self._clock.seconds(), usual))

    @returns_deferred
    async def learn(self, packages: Iterable[str | None]) -> int:
        """Ask about some of the packages, the most urgent first, whose averages are unknown or old.

        Returns:
            A Deferred of the number of packages that were asked about, at most ``AT_ONCE``.

        Raises:
            KojiException: the request failed; nothing is kept.
        """
        now = self._clock.seconds()
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


QUEUE_LIMIT = 500
"""How many tasks of a channel are read: a place further back need not be exact."""

INTERVAL = 60.0
"""Seconds between two reads of a queue."""


class ChannelQueues:
    """The queues of the channels in which watched tasks wait."""

    def __init__(self, client: HubClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._queues: dict[int, tuple[float, dict[int, int], bool]] = {}

    def place(self, task: TaskRecord) -> int | None:
        """Return how many tasks were before a FREE task when its queue was last read.

        A task is before another of its channel if its priority number is smaller, or the same and
        its id is smaller.

        Returns:
            The number, :data:`QUEUE_LIMIT` for that many or more; None for a task that is not FREE,
            and if the queue has not been read since the task was made.
        """
        if task[STATE] != task_states.FREE or task[CHANNEL] not in self._queues:
            return None
        _, places, is_cut = self._queues[task[CHANNEL]]
        return places.get(task[ID], QUEUE_LIMIT if is_cut else None)

    @returns_deferred
    async def read(self, tasks: Iterable[TaskRecord]) -> bool:
        """Read the queues of the FREE ones among the tasks, if it is time to.

        Returns:
            A Deferred of whether any was read.

        Raises:
            KojiException: a request failed.
        """
        now = self._clock.seconds()
        free = (task[CHANNEL] for task in tasks if task[STATE] == task_states.FREE)
        wanted = {channel for channel in free if channel is not None}
        due = [
            channel
            for channel in sorted(wanted)
            if channel not in self._queues or self._queues[channel][0] + INTERVAL <= now
        ]
        for channel in due:
            rows = await self._client.checked(
                "listTasks",
                {"channel_id": channel, "state": [int(task_states.FREE)]},
                {"order": "priority,id", "limit": QUEUE_LIMIT},
            )
            places = {row["id"]: place for place, row in enumerate(rows)}
            self._queues[channel] = (now, places, len(rows) == QUEUE_LIMIT)
        return bool(due)
