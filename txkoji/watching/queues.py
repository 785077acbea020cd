"""Places in the queues of a hub's channels: how many tasks stand before one that is FREE.

One list of a channel's FREE tasks serves everyone who wants to know, and is asked for seldom.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from txkoji import task_states
from txkoji._deferreds import returns_deferred

__all__ = ["QUEUE_LIMIT", "ChannelQueues"]

QUEUE_LIMIT = 500
"""How many tasks of a channel are read: who stands further back need not know it exactly."""


class ChannelQueues:
    """The queues of the channels that somebody waits in.

    Args:
        connection: a :class:`txkoji.Connection`.
        clock: an IReactorTime.
        interval: seconds until a queue is read again.
    """

    def __init__(self, connection: Any, clock: Any, *, interval: float = 60.0) -> None:
        self._connection = connection
        self._clock = clock
        self._interval = interval
        self._queues: dict[int, tuple[float, dict[int, int], bool]] = {}

    def place(self, task: Any) -> int | None:
        """Return how many tasks stood before a FREE task when its queue was last read.

        A task stands before another of its channel if its priority number is smaller, or the same
        and its id is smaller.

        Args:
            task: the task.

        Returns:
            The number, :data:`QUEUE_LIMIT` for that many or more; None for a task that is not FREE
            and where the queue has not been read since the task was made.
        """
        if task.state != task_states.FREE or task.channel_id not in self._queues:
            return None
        _, places, is_cut = self._queues[task.channel_id]
        return places.get(task.id, QUEUE_LIMIT if is_cut else None)

    @returns_deferred
    async def read(self, tasks: Iterable[Any]) -> bool:
        """Read the queues of the FREE ones among the tasks, if it is time to.

        Returns:
            A Deferred that tells whether any was read.

        Raises:
            KojiException: a request failed.
        """
        now = self._clock.seconds()
        wanted = {task.channel_id for task in tasks if task.state == task_states.FREE}
        due = [
            channel
            for channel in sorted(wanted)
            if channel not in self._queues or self._queues[channel][0] + self._interval <= now
        ]
        for channel in due:
            rows = await self._connection.call(
                "listTasks",
                {"channel_id": channel, "state": [int(task_states.FREE)]},
                {"order": "priority,id", "limit": QUEUE_LIMIT},
            )
            places = {row.id: place for place, row in enumerate(rows)}
            self._queues[channel] = (now, places, len(rows) == QUEUE_LIMIT)
        return bool(due)
