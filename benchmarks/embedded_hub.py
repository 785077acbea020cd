"""How fast the embedded hub builds many packages at once, and how much memory it takes.

Run it with the number of packages: ``python benchmarks/embedded_hub.py 17000``. The time is the
hub's own: the clock jumps from event to event.
"""

from __future__ import annotations

import heapq
import itertools
import resource
import sys
import time
from collections.abc import Callable
from typing import Any

from twisted.internet.base import DelayedCall

from txkoji.testing import FakeHub

START = 1795454160.0
SOURCE = "git+https://git.example.test/rpms/{}.git#r1"


class JumpingClock:
    """An IReactorTime that jumps to the next call, with a heap as a reactor has."""

    def __init__(self) -> None:
        self._now = START
        self._heap: list[tuple[float, int, DelayedCall]] = []
        self._numbers = itertools.count()

    def seconds(self) -> float:
        """Return the time, in seconds since the epoch."""
        return self._now

    def callLater(  # noqa: N802 - the name of the interface
        self, delay: float, call: Callable[..., Any], *args: Any, **kw: Any
    ) -> Any:
        """Call later."""
        delayed = DelayedCall(
            self._now + delay, call, args, kw, lambda _: None, lambda _: None, self.seconds
        )
        heapq.heappush(self._heap, (delayed.getTime(), next(self._numbers), delayed))
        return delayed

    def step(self) -> bool:
        """Make the next call; returns whether there was one."""
        if not self._heap:
            return False
        when, _, delayed = heapq.heappop(self._heap)
        if not delayed.active():
            return True
        if delayed.getTime() > when:
            heapq.heappush(self._heap, (delayed.getTime(), next(self._numbers), delayed))
            return True
        self._now = when
        delayed.called = 1
        delayed.func(*delayed.args, **delayed.kw)
        return True


def main(packages: int) -> None:
    """Build packages in an embedded hub, all at once."""
    clock = JumpingClock()
    hub = FakeHub(clock, build_seconds=10.0)
    hub.add_demo_content()
    began = time.monotonic()
    for number in range(packages):
        hub.add_package("demo-candidate", f"package{number}")
    listed = time.monotonic()
    tasks = [
        hub.call("build", SOURCE.format(f"package{number}"), "demo") for number in range(packages)
    ]
    submitted = time.monotonic()
    # The builds end long before: what is left is kojira's.
    while clock.seconds() < START + 3600 and clock.step():
        pass
    done = time.monotonic()
    ended = sum(hub.state.row("task", task)["state"] == 2 for task in tasks)
    rows = len(hub.state.rows("task"))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{packages} packages, {ended} built by {rows} tasks, {used:.0f} MiB at most")
    print(f"listing {listed - began:.1f} s, submitting {submitted - listed:.1f} s", end=", ")
    print(f"building {done - submitted:.1f} s, {rows / (done - submitted):.0f} tasks/s")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
