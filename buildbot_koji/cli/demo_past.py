"""A day of builds behind the demonstration's hub, so that its pages have something to show."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence

from twisted.internet.task import Clock

from buildbot_koji.hubs.survey import Point
from txkoji import task_states
from txkoji.testing import FakeHub

DAY = 24 * 3600.0
POINT = 300.0
"""Seconds between two points of the history that the page shows."""

BURSTS = (
    (17.0, 3),
    (14.5, 2),
    (12.0, 4),
    (9.5, 3),
    (8.0, 2),
    (6.0, 4),
    (4.5, 3),
    (3.0, 4),
    (1.0, 2),
)
"""How many hours ago how many packages were built at once."""

ALONE = 18.0
"""How many hours ago each package had been built alone: what it usually takes."""

STEP = 0.25


def uneven(package: str, arch: str, task_id: int) -> float:
    """Return how many times longer than others a package compiles on an architecture. Pure.

    A package is large or small; one in nine tasks meets a slow host.
    """
    size = 0.6 + zlib.crc32(package.encode()) % 100 / 80
    slow = 1.4 if arch == "ppc64le" else 1.0
    return size * slow * (2.2 if task_id % 9 == 0 else 1.0)


def live_a_day(hub: FakeHub, packages: Sequence[str], source: str, target: str) -> None:
    """Let a hub that is not started build packages over a day that ends now.

    Args:
        hub: the hub.
        packages: their names.
        source: their source, with ``%s`` for the name and for the commit.
        target: the build target.
    """
    end = hub.now()
    names = iter(list(packages) * 2)
    release = 0
    with hub.past(end - DAY) as clock:
        for name in packages:
            clock.advance((24.0 - ALONE) * 3600.0 / len(packages) / 2)
            hub.call("build", source % (name, 0), target, user="alice")
            _run(clock)
        for hours, count in BURSTS:
            # Shortly before a point of the history, which then sees them.
            moment = (end - hours * 3600.0) // POINT * POINT - 2 * hub.builder.seconds
            clock.advance(max(moment - clock.seconds(), 0.0))
            for _ in range(count):
                release += 1
                hub.call("build", source % (next(names), release), target, user="alice")
            _run(clock)
        # Otherwise the first builds wait for a new one: the tag's last change is an hour old.
        hub.add_repo(hub.call("getBuildTarget", target)["build_tag_name"])


def _run(clock: Clock) -> None:
    while clock.getDelayedCalls():
        clock.advance(STEP)


def day_of_tasks(hub: FakeHub) -> Iterator[Point]:
    """Yield the points of the last day, as if all builds were ours."""
    now = hub.now()
    tasks = [row for row in hub.state.rows("task") if row["state"] != task_states.FREE]
    moment = (now - DAY) // POINT * POINT + POINT
    while moment < now:
        free = running = ours = ended = 0
        for task in tasks:
            start, end = task["start_ts"] or now, task["completion_ts"] or now
            free += task["create_ts"] <= moment < start
            running += start <= moment < end
            if task["method"] == "build":
                ours += task["create_ts"] <= moment < end
                ended += moment - POINT < end <= moment
        yield moment, free, running, ours, ended, 0
        moment += POINT
