"""An embedded hub with many builds under way, moved on by the clock: ``... task_trees COUNT``.

Each build has 7 tasks and takes 20 minutes; at the start each is somewhere in the middle. Two hub
methods are its own: ``countRequests`` (how many came so far) and ``listRoots`` (the builds' tasks).
"""

from __future__ import annotations

import heapq
import random
import sys
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall

from txkoji.testing import FakeHub
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tasks import ASSIGNED, CLOSED, FREE, OPEN, make_task

LIFE = 1200.0
ARCHES = ("x86_64", "aarch64", "ppc64le", "s390x")
PACKAGES = 500
SOURCE = "git+https://git.example.test/rpms/package{}.git#0123456789abcdef0123456789abcdef01234567"
SRPM = "tasks/1/1/package-1.0-1.src.rpm"
LOGS = ("build", "root", "state", "mock_output", "hw_info", "installed_pkgs", "mock_config", "dnf")
STEP = 0.1

Event = tuple[float, str, int]


@hub_method("countRequests")
def count_requests(call: MethodCall) -> int:
    """Return how many requests the hub got."""
    return call.hub.requests


@hub_method("listRoots")
def list_roots(call: MethodCall) -> list[int]:
    """Return the ids of the builds' tasks."""
    return [row["id"] for row in call.state.rows("task", method="build")]


class Build:
    """One build: its tasks, and when each changes to which state."""

    def __init__(self, hub: FakeHub, begin: float, chance: random.Random) -> None:
        self._hub = hub
        self._ids: dict[str, int] = {}
        self._source = SOURCE.format(chance.randrange(PACKAGES))
        shares = [
            *self._task("build", 0.0, 0.005, 0.94),
            *self._task("srpm", 0.01, 0.02, 0.1),
            *self._task("tag", 0.91, 0.92, 0.93),
        ]
        for arch in ARCHES:
            shares += self._task(arch, 0.105, 0.12, chance.uniform(0.5, 0.9))
        self.events = [(begin + share * LIFE, name, state) for share, name, state in sorted(shares)]

    def _task(self, name: str, made: float, begun: float, ended: float) -> list[Event]:
        assigned = (made + begun) / 2
        states = {made: FREE, assigned: ASSIGNED, begun: OPEN, ended: CLOSED}
        return [(share, name, state) for share, state in states.items()]

    def move(self, when: float, name: str, state: int) -> None:
        """Let a task be made, or come to its next state."""
        if state == FREE:
            self._ids[name] = self._make(name)
            changes: dict[str, Any] = {
                "create_ts": when,
                "label": None if name == "build" else name,
            }
        elif state == ASSIGNED:
            changes = {"host_id": 1 + self._ids[name] % 50}
        elif state == OPEN:
            changes = {"start_ts": when}
        else:
            changes = {"completion_ts": when, "result": self._result(name)}
        self._hub.state.update("task", self._ids[name], state=state, **changes)

    def _make(self, name: str) -> int:
        method, request = {
            "build": ("build", [self._source, "demo", {}]),
            "srpm": ("buildSRPMFromSCM", [self._source, 7, {"repo_id": 1, "scratch": None}]),
            "tag": ("tagBuild", [7, 1, False, None, True]),
        }.get(name, ("buildArch", [SRPM, 7, name, False, {"repo_id": 1}]))
        call = MethodCall(self._hub, self._hub.admin)
        parent = self._hub.state.get("task", self._ids["build"]) if self._ids else None
        arch = name if method == "buildArch" else "noarch"
        return make_task(call, method, request, parent=parent, arch=arch)

    def _result(self, name: str) -> Any:
        if name in ("build", "tag"):
            return None
        directory = f"tasks/{self._ids[name] % 10000}/{self._ids[name]}"
        logs = [f"{directory}/{log}.log" for log in LOGS]
        if name == "srpm":
            source = {"source": self._source, "url": self._source}
            return {"srpm": SRPM, "logs": logs, "brootid": 1, "source": source}
        rpms = [
            f"{directory}/package{part}-1.0-1.{name}.rpm" for part in ("", "-devel", "-debuginfo")
        ]
        return {"rpms": rpms, "srpms": [], "logs": logs, "brootid": 1}


class Builds:
    """All of them, and what comes next."""

    def __init__(self, hub: FakeHub, count: int) -> None:
        self._hub = hub
        chance = random.Random(count)
        builds = [
            Build(hub, hub.now() - chance.uniform(0.01, 0.9) * LIFE, chance) for _ in range(count)
        ]
        self._waiting = [
            (event, number, build) for number, build in enumerate(builds) for event in build.events
        ]
        heapq.heapify(self._waiting)
        self.move()

    def move(self) -> None:
        """Let happen what is due."""
        with self._hub.state.transaction():
            while self._waiting and self._waiting[0][0][0] <= self._hub.now():
                event, _, build = heapq.heappop(self._waiting)
                build.move(*event)


async def serve(count: int) -> None:
    """Start the hub and print its address."""
    hub = FakeHub(reactor)
    # Nobody takes the tasks up but the script.
    hub.builder.stop()
    builds = Builds(hub, count)
    await hub.start()
    moving = LoopingCall(builds.move).start(STEP)
    print(hub.url, flush=True)
    await moving


def main() -> None:
    def begin() -> None:
        Deferred.fromCoroutine(serve(int(sys.argv[1]))).addErrback(broken)

    def broken(failure: Any) -> None:
        print(failure.getTraceback(), file=sys.stderr)
        reactor.stop()

    reactor.callWhenRunning(begin)
    reactor.run()


if __name__ == "__main__":
    main()
