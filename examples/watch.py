"""Watch any number of tasks to their ends, and say what came of each: ``watch.py TASK...``."""

from __future__ import annotations

import sys
from typing import Any

from twisted.internet.defer import gatherResults

from txkoji import Connection, TaskWatcher, run
from txkoji.outcomes import read_outcome
from txkoji.watching.watcher import TaskChange, Watch


def show_change(change: TaskChange) -> None:
    words = f"  {change.task.id} {change.task.method} {change.task.arch}: {change.task.state_name}"
    print(f"{words}, from the beginning" if change.restarted else words)


def show_estimate(watch: Watch) -> None:
    if watch.queue_place is not None:
        print(f"{watch.task_id}: {watch.queue_place} tasks stand before it")
    if watch.estimated_end is not None:
        print(f"{watch.task_id}: done about {watch.estimated_end:%H:%M:%S} UTC")


async def main(reactor: Any, *tasks: str) -> None:
    koji = Connection("koji", reactor=reactor)
    watcher = TaskWatcher(koji, reactor, interval=koji.settings.poll_interval)
    watches = [watcher.watch(int(task), queue_place=True) for task in tasks]
    for watch in watches:
        watch.on_task_change(show_change)
        watch.on_estimate(show_estimate)
    for tree in await gatherResults([watch.done for watch in watches]):
        outcome = await read_outcome(koji, tree)
        made = f"{outcome.nvr or tree.root.method}, in {', '.join(outcome.tags) or 'no tag'}"
        print(f"{tree.root.id} {tree.root.state_name}: {outcome.reason or made}")
        if outcome.log_url is not None:
            print(f"  see {outcome.log_url}")
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
