"""Print how busy the channels of a hub are: ``channel_load.py [CHANNEL...]``."""

from __future__ import annotations

import sys
from typing import Any

from txkoji import Connection, run, task_states


async def main(reactor: Any, *names: str) -> None:
    koji = Connection("koji", reactor=reactor)
    active = list(task_states.ACTIVE_GROUP)
    channels = [
        channel for channel in await koji.listChannels() if channel.name in names or not names
    ]
    for channel in channels:
        tasks = await channel.tasks(state=active)
        capacity = await channel.total_capacity()
        waiting = [task for task in tasks if task.state == task_states.FREE]
        load = sum(task.weight for task in tasks if task.state == task_states.OPEN)
        print(f"{channel.name}: load {load:g} of {capacity:g}, {len(waiting)} tasks wait")
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
