"""Print when a running task will be done, a container build too: ``estimate.py TASK``."""

from __future__ import annotations

import sys
from typing import Any

from txkoji import Connection, run


async def main(reactor: Any, task_id: str) -> None:
    koji = Connection("koji", reactor=reactor)
    task = await koji.getTaskInfo(int(task_id))
    if task is None:
        sys.exit(f"the hub has no task {task_id}")
    when = await task.estimate_completion()
    print(f"{task.method} {task.package}: {task.state_name}, ", end="")
    print(f"done about {when:%Y-%m-%d %H:%M:%S} UTC" if when else "the hub has no estimate")
    await koji.close()


if __name__ == "__main__":
    run(main, *sys.argv[1:])
