"""Places in the queues of a hub's channels: how many tasks are before one that is FREE.

One list of a channel's FREE tasks serves all watches, and is read seldom.
"""

from __future__ import annotations

from collections.abc import Iterable

from txkoji import task_states
from txkoji._deferreds import returns_deferred
from txkoji._interfaces import Clock
from txkoji.elapsed import ElapsedTime
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.watching.records import CHANNEL, ID, STATE, TaskRecord

QUEUE_LIMIT = 500
"""How many tasks of a channel are read: a place further back need not be exact."""

INTERVAL = 60.0
"""Seconds between two reads of a queue."""


class ChannelQueues:
    """The queues of the channels in which watched tasks wait."""

    def __init__(self, client: HubClient, clock: Clock) -> None:
        self._client = client
        self._elapsed = ElapsedTime(clock)
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
        now = self._elapsed.seconds()
        free = (task[CHANNEL] for task in tasks if task[STATE] == task_states.FREE)
        wanted = {channel for channel in free if channel is not None}
        due = [
            channel
            for channel in sorted(wanted)
            if channel not in self._queues or self._queues[channel][0] + INTERVAL <= now
        ]
        for channel in due:
            wanted_tasks = {"channel_id": channel, "state": [int(task_states.FREE)]}
            options = {"order": "priority,id", "limit": QUEUE_LIMIT}
            call = Call("listTasks", (wanted_tasks, options))
            rows = self._client.read_answer(call, await self._client.send(call))
            places = {row["id"]: place for place, row in enumerate(rows)}
            self._queues[channel] = (now, places, len(rows) == QUEUE_LIMIT)
        return bool(due)
