"""Task trees watched: what they cost the hub and the watcher, and how late a change is told.

The hub is in a process of its own, see :mod:`benchmarks.task_trees`, and so is each watcher. The
official client watches a few trees only: what it costs the hub grows with their number.
"""

from __future__ import annotations

import gc
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any
from xmlrpc.client import ServerProxy

from benchmarks.files import resident

INTERVAL = 6.0
"""Koji's own default ``poll_interval``, in seconds."""

MANY, MANY_SECONDS = 1000, 90.0
VERY_MANY, VERY_MANY_SECONDS = 10_000, 130.0
OFFICIAL, OFFICIAL_SECONDS = 5, 36.0

TICK = 0.02
"""Seconds between two ticks: what the process computes from one to the next blocks the reactor.

It is counted in CPU time of the thread, which other programs of the machine hardly touch.
"""


def txkoji(url: str, count: str, seconds: str) -> None:
    """Watch all builds of a hub, and print the figures."""
    from twisted.internet.defer import Deferred
    from twisted.internet.task import LoopingCall, deferLater, react

    from txkoji import Connection, Profile, TaskChange, TaskWatcher

    delays: list[float] = []
    ticks: list[float] = []
    collections: list[float] = []

    def tick() -> None:
        ticks.append(time.thread_time())

    def collecting(phase: str, info: dict[str, int]) -> None:
        if info["generation"] == 2:
            now = time.thread_time()
            collections.append(-now if phase == "start" else collections.pop() + now)

    def told(change: TaskChange) -> None:
        task = change.task
        happened = task.completion_ts or task.start_ts or task.create_ts
        # The hub keeps no time of an assignment.
        if change.task.state_name != "ASSIGNED":
            delays.append(time.time() - happened)

    async def measure(reactor: Any) -> None:
        koji = Connection(Profile(name="b", server=url), reactor=reactor)
        ids = await koji.call("listRoots")
        assert len(ids) == int(count)
        watcher = TaskWatcher(koji, reactor, interval=INTERVAL)
        watches = [watcher.watch(task_id) for task_id in ids]
        for watch in watches:
            watch.on_task_change(told)
        while any(watch.tree is None for watch in watches):
            await deferLater(reactor, 1)
        # A look may be under way: its requests are over soon.
        await deferLater(reactor, 5)
        requests = await koji.call("countRequests")
        delays.clear()
        gc.callbacks.append(collecting)
        ticking = LoopingCall(tick)
        ended = ticking.start(TICK)
        used, begin = time.process_time(), time.time()
        await deferLater(reactor, float(seconds))
        used, spent = time.process_time() - used, time.time() - begin
        ticking.stop()
        await ended
        gc.callbacks.remove(collecting)
        longest = max(collections, default=0.0)
        gc.collect()
        figures = {
            # countRequests is a request, too.
            "requests": (await koji.call("countRequests") - requests - 1) / spent,
            "changes": len(delays),
            "median": statistics.median(delays),
            "latest": max(delays),
            "cpu": used / spent * 100,
            "stall": max(after - before for before, after in pairwise(ticks)) * 1000,
            "memory": resident("VmHWM"),
            "collection": longest * 1000,
            "tracked": len(gc.get_objects()) / len(watches),
        }
        print(json.dumps(figures))
        watcher.stop()
        await koji.close()

    react(lambda reactor: Deferred.fromCoroutine(measure(reactor)))


def official(url: str, count: str) -> None:
    """Watch some builds of a hub as ``koji watch-task`` does, until killed."""
    import koji
    from koji_cli.lib import watch_tasks

    session = koji.ClientSession(url)
    builds = session.listTasks({"method": "build", "state": [1]}, {"limit": int(count)})
    watch_tasks(session, [task["id"] for task in builds], quiet=True, poll_interval=INTERVAL)


@contextmanager
def hub_with(count: int) -> Iterator[str]:
    """Run a hub with so many builds; gives its address."""
    command = [sys.executable, "-m", "benchmarks.task_trees", str(count)]
    hub = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert hub.stdout is not None
        yield hub.stdout.readline().strip()
    finally:
        hub.terminate()
        hub.wait()


def watched(count: int, seconds: float) -> dict[str, float]:
    """Let txkoji watch so many builds; returns the figures."""
    with hub_with(count) as url:
        command = [
            sys.executable,
            "-m",
            "benchmarks.watching",
            "txkoji",
            url,
            str(count),
            str(seconds),
        ]
        output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return dict(json.loads(output))


def watched_officially() -> float:
    """Let the official client watch a few builds; returns its requests a second."""
    command = [sys.executable, "-m", "benchmarks.watching", "official"]
    with hub_with(MANY) as url:
        count = ServerProxy(url).countRequests
        client = subprocess.Popen([*command, url, str(OFFICIAL)], stdout=subprocess.DEVNULL)
        try:
            time.sleep(INTERVAL)
            before = int(str(count()))
            time.sleep(OFFICIAL_SECONDS)
            return (int(str(count())) - before - 1) / OFFICIAL_SECONDS
        finally:
            client.kill()
            client.wait()


def run() -> list[tuple[str, str, float, str]]:
    """Measure; returns rows of name, peer, figure and unit."""
    few = watched_officially()
    many = watched(MANY, MANY_SECONDS)
    very_many = watched(VERY_MANY, VERY_MANY_SECONDS)
    words = f"{MANY} trees of 7 tasks watched"
    rows = [
        (words, f"official client ({OFFICIAL} trees, scaled)", few * MANY / OFFICIAL, "requests/s"),
        (words, "txkoji", many["requests"], "requests/s"),
    ]
    for figures, name in ((many, words), (very_many, f"{VERY_MANY} trees of 7 tasks watched")):
        rows += [
            (f"{name}: a change is told after, median", "txkoji", figures["median"], "s"),
            (f"{name}: a change is told after, longest", "txkoji", figures["latest"], "s"),
            (f"{name}: CPU of one core", "txkoji", figures["cpu"], "%"),
            (f"{name}: the longest that the reactor is blocked", "txkoji", figures["stall"], "ms"),
            (f"{name}: the longest full garbage collection", "txkoji", figures["collection"], "ms"),
            (f"{name}: objects the collector visits", "txkoji", figures["tracked"], "per tree"),
            (f"{name}: peak memory", "txkoji", figures["memory"], "MiB"),
        ]
    rows.append(
        (f"{VERY_MANY} trees of 7 tasks watched", "txkoji", very_many["requests"], "requests/s")
    )
    return rows


if __name__ == "__main__":
    {"official": official, "txkoji": txkoji}[sys.argv[1]](*sys.argv[2:])
