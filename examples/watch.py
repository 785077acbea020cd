"""Watch any number of tasks until they end, and print the outcomes: ``watch.py TASK...``."""

from __future__ import annotations

import sys
from typing import Any

from txkoji import Connection, TaskChange, TaskWatcher, Watch, arch_of, read_outcome, run
from txkoji.gathering import gather


def show_change(change: TaskChange) -> None:
    name = f"{change.task.method} {arch_of(change.task) or ''}".rstrip()
    words = f"  {change.task.id} {name}: {change.task.state_name}"
    print(f"{words}, started over" if change.restarted else words)


def show_estimate(watch: Watch) -> None:
    if watch.queue_place is not None:
        print(f"{watch.task_id}: {watch.queue_place} tasks are ahead of it")
    if watch.estimated_end is not None:
        print(f"{watch.task_id}: done about {watch.estimated_end:%H:%M:%S} UTC")


async def main(reactor: Any, *tasks: str) -> None:
    koji = Connection("koji", reactor=reactor)
    watcher = TaskWatcher(koji, reactor, interval=koji.settings.poll_interval)
    watches = [watcher.watch(int(task), queue_place=True) for task in tasks]
    for watch in watches:
        watch.on_task_change(show_change)
        watch.on_estimate(show_estimate)
    for tree in await gather([watch.done for watch in watches]):
        outcome = await read_outcome(koji, tree)
        made = f"{outcome.nvr or tree.root.method}, in {', '.join(outcome.tags) or 'no tag'}"
        print(f"{tree.root.id} {tree.root.state_name}: {outcome.reason or made}")
        if outcome.log_url is not None:
            print(f"  see {outcome.log_url}")
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
