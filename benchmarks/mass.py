"""A mass build: what it costs the hub and the master, with kills of the master on the way.

``KOJI_BENCH_PACKAGES`` says how many packages (2,000; 17,000 for the size of a distribution),
``KOJI_BENCH_KILLS`` how often the master is killed. The
embedded hub is in this process, the master, with SQLite on disk, in one of its own.

The peer is a loop over Koji's official client, with fewer packages: ``koji build --nowait`` for
each, then one ``koji watch-task`` for all of them. Nothing kills the loop: it would forget all.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater, react
from twisted.internet.utils import getProcessOutputAndValue

from tests.buildbot_koji.masters import MasterProcess
from txkoji.testing import FakeHub
from txkoji.testing.core import KOJIADMIN

PACKAGES = int(os.environ.get("KOJI_BENCH_PACKAGES", "2000"))
AT_ONCE = 500
KILLS = int(os.environ.get("KOJI_BENCH_KILLS", "3"))
LOOP_PACKAGES = 100
BUILD_SECONDS = 30.0

CONFIG = """\
import gc, json, os, pathlib, sys, threading, time, traceback
from buildbot.plugins import schedulers, steps, util, worker
from buildbot.util.service import BuildbotService
from buildbot_koji.mass.status import running
from twisted.internet.task import LoopingCall

LOADED = time.monotonic()


class Probe(BuildbotService):
    # Records how long the reactor was busy with one thing, where, and what the mass build wrote.
    async def startService(self):
        await super().startService()
        self.main = threading.get_ident()
        self.clock = time.pthread_getcpuclockid(self.main)
        self.last, self.cpu, self.written = time.monotonic(), self.used(), 0.0
        self.longest = {"start": [0.0, 0.0], "step": [0.0, 0.0], "later": [0.0, 0.0]}
        self.begun = 0.0
        self.attached = 0.0
        self.found = []
        self.ready = time.monotonic()
        self.collected = 0.0
        self.collection = 0.0
        # As docs/mass.rst advises: a full collection goes through all that Buildbot has.
        gc.freeze()
        gc.callbacks.append(self.collecting)
        LoopingCall(self.look).start(0.01)
        threading.Thread(target=self.watch, daemon=True).start()

    def collecting(self, phase, info):
        if phase == "start":
            self.collected = time.thread_time()
        else:
            self.collection = max(self.collection, time.thread_time() - self.collected)

    def used(self):
        return time.clock_gettime(self.clock)

    def phase(self, now):
        if not self.begun:
            return "start"
        return "step" if now - self.begun < 3 else "later"

    def look(self):
        now, cpu = time.monotonic(), self.used()
        found = self.longest[self.phase(now)]
        found[0] = max(found[0], now - self.last - 0.01)
        found[1] = max(found[1], cpu - self.cpu)
        self.last, self.cpu = now, cpu
        builds = [each.runner for each in running(self.master)]
        if builds and not self.begun:
            self.begun = now
        if builds and not self.attached and self.has_all(builds[-1]):
            self.attached = now
            with open("starts", "a") as out:
                json.dump([LOADED, self.ready, self.begun, now, len(self.found), self.used()], out)
                out.write("\\n")
        if now - self.written > 1:
            self.written = now
            stored = sum(each._store._rows.written for each in builds)
            times = [time.process_time(), self.collection, self.attached]
            with open(f"probe-{os.getpid()}", "w") as out:
                json.dump([self.longest, stored, *times], out)

    def has_all(self, runner):
        # Whether the tree of each task of an earlier attempt was read at least once.
        self.found = self.found or list(runner._tasks._watches.values())
        return bool(self.found) and all(each.tree is not None for each in self.found)

    def watch(self):
        # Another thread sees what the reactor's thread does.
        noted = 0.0
        while True:
            time.sleep(0.005)
            last = self.last
            if last == noted or self.used() - self.cpu < 0.04:
                continue
            noted = last
            frame = sys._current_frames()[self.main]
            with open("stalls", "a") as out:
                out.write(f"--- {self.phase(last)}\\n")
                out.writelines(traceback.format_stack(frame)[-12:])


PACKAGES = json.loads(pathlib.Path("packages.json").read_text())
BuildmasterConfig = {
    "workers": [worker.LocalWorker("local")],
    "builders": [util.BuilderConfig(name="mass", workernames=["local"], factory=util.BuildFactory([
        steps.KojiMassBuild("fake", "demo", PACKAGES, at_once=AT_ONCE, background=True,
                            source="git+https://git.example.test/rpms/{package}.git#main")]))],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=["mass"])],
    "services": [Probe(name="probe")],
}
""".replace("AT_ONCE", str(AT_ONCE))


class Meter:
    """What the master's processes used, one after the other."""

    def __init__(self, master: MasterProcess) -> None:
        self._master = master
        self.begun = 0.0
        self.peak = 0.0
        self.cpu = 0.0
        self.collection = 0.0
        self.longest = {phase: [0.0, 0.0] for phase in ("start", "step", "later")}
        self.written = 0.0
        self._pid = 0

    @property
    def _status(self) -> str:
        return Path(f"/proc/{self._pid}/status").read_text(encoding="utf-8")

    def _megabytes(self, name: str) -> float:
        line = next(line for line in self._status.splitlines() if line.startswith(name))
        return int(line.split()[1]) / 1024

    def begin(self) -> None:
        """Note the memory of a master that has just started."""
        self._pid = self._master.pid
        self.begun = self._megabytes("VmRSS")

    def end(self) -> None:
        """Note what it has used, before it ends."""
        self.peak = max(self.peak, self._megabytes("VmHWM") - self.begun)
        longest, written, cpu, collection, _ = self.probe()
        self.collection = max(self.collection, collection)
        for phase, times in longest.items():
            self.longest[phase] = [*map(max, self.longest[phase], times)]
        self.written += written
        self.cpu += cpu

    def probe(self) -> list[Any]:
        """Return what the master last recorded."""
        path = self._master.directory / f"probe-{self._pid}"
        try:
            found: list[Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return [{}, 0.0, 0.0, 0.0, 0.0]
        return found


LOOP = """\
set -e
while read package; do
    "$@" build --nowait --background demo \
        "git+https://git.example.test/rpms/$package.git#main"
done < packages | sed -n 's/^Created task: //p' > tasks
"$@" watch-task --quiet $(cat tasks)
"""


async def _start_hub(directory: Path, packages: int) -> tuple[FakeHub, list[str]]:
    """Start a hub with so many packages in the directory; returns it and their names."""
    hub = FakeHub(reactor, build_seconds=BUILD_SECONDS, tls=True)
    hub.add_demo_content()
    names = [f"package-{number}" for number in range(packages)]
    for name in names:
        hub.add_package("demo-candidate", name)
    certificates = directory / "hub"
    certificates.mkdir()
    hub.use_certificates_in(certificates)
    await hub.start(0)
    return hub, names


async def _loop(directory: Path) -> list[tuple[str, str, float, str]]:
    """Build some packages with a loop over Koji's official client."""
    hub, names = await _start_hub(directory, LOOP_PACKAGES)
    (directory / "packages").write_text("\n".join([*names, ""]), encoding="utf-8")
    (directory / "koji.conf").write_text(hub.profile_text(user=KOJIADMIN), encoding="utf-8")
    client = Path(sys.executable).with_name("koji")
    before, cpu_before = hub.requests, _cpu_of_children()
    started = time.monotonic()
    output, errors, status = await getProcessOutputAndValue(
        "/bin/sh",
        ["-c", LOOP, "sh", str(client), "--config", "koji.conf", "--profile", "fake"],
        env={"PATH": os.environ["PATH"], "HOME": str(directory), "LANG": "C.UTF-8"},
        path=str(directory),
        reactor=reactor,
    )
    took = time.monotonic() - started
    assert not status, (status, output[-1000:], errors[-1000:])
    requests, cpu = hub.requests - before, _cpu_of_children() - cpu_before
    await hub.stop()
    return [
        (f"{LOOP_PACKAGES} packages, no kill: time", "koji", took, "s"),
        ("requests a build", "koji", requests / LOOP_PACKAGES, "requests"),
        ("CPU a build", "koji", cpu / LOOP_PACKAGES * 1000, "ms"),
    ]


def _own_memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


async def _measure(directory: Path, packages: int, kills: int) -> list[tuple[str, str, float, str]]:
    """Build packages in one step of a master that is killed now and then."""
    hub, names = await _start_hub(directory, packages)
    home = directory / "master"
    home.mkdir()
    master = MasterProcess(home, hub.profile_text(user=KOJIADMIN), CONFIG)
    (home / "packages.json").write_text(json.dumps(names), encoding="utf-8")
    await master.create()
    await master.start()
    meter = Meter(master)
    meter.begin()
    before = hub.requests
    started = time.monotonic()
    request = await master.force("mass")
    attached: list[float] = []
    for number in range(kills):
        wanted = packages * (number + 1) // (kills + 2)
        while hub.calls["build"] < wanted:
            await deferLater(reactor, 0.5)
        meter.end()
        await master.end(signal.SIGTERM if number % 2 else signal.SIGKILL)
        await master.start()
        runs = time.monotonic()
        meter.begin()
        while not (found := meter.probe()[-1]):
            await deferLater(reactor, 0.1)
        attached.append(found - runs)
        print(
            f"{time.monotonic() - started:.0f} s: {hub.calls['build']} submitted,"
            f" {attached[-1]:.1f} s to find its tasks again, load {os.getloadavg()[0]:.1f}",
            flush=True,
        )
    build = await master.ended(request)
    took = time.monotonic() - started
    meter.end()
    tasks = hub.call("listTasks", {"method": "build"})
    step = (await master.get(f"builds/{build['buildid']}/steps"))["steps"][-1]
    states = json.loads(await master.log_text(step, "report.json"))["packages"]
    lost = packages - sum(each["state"] == "built" for each in states)
    print(step["state_string"], f"{len(tasks)} tasks", dict(hub.calls.most_common(12)))
    await master.end(signal.SIGKILL)
    await hub.stop()
    stalls = home / "stalls"
    if stalls.exists():
        print(stalls.read_text(encoding="utf-8"))
    name = f"mass build of {packages:,} packages, {AT_ONCE} at once, {kills} kills"
    requests = hub.requests - before
    if not kills:
        return [
            (f"{packages} packages, no kill: time", "txkoji", took, "s"),
            ("requests a build", "txkoji", requests / packages, "requests"),
            ("CPU a build", "txkoji", meter.cpu / packages * 1000, "ms"),
        ]
    return [
        (f"{name}: time", "txkoji", took, "s"),
        ("tasks too many", "txkoji", len(tasks) - packages, "tasks"),
        ("packages lost", "txkoji", lost, "packages"),
        ("requests a build", "txkoji", requests / packages, "requests"),
        ("memory beyond the start", "txkoji", meter.peak, "MB"),
        ("memory of the embedded hub", "hub", _own_memory(), "MB"),
        ("CPU of the master a build", "txkoji", meter.cpu / packages * 1000, "ms"),
        *(
            (f"longest stall, {phase}", kind, value * 1000, "ms")
            for phase, times in meter.longest.items()
            for kind, value in zip(("wall", "CPU"), times, strict=True)
        ),
        ("longest garbage collection", "CPU", meter.collection * 1000, "ms"),
        ("written to the database", "txkoji", meter.written / took / 1000, "kB/s"),
        ("running again after a kill", "txkoji", max(attached), "s"),
    ]


def run() -> list[tuple[str, str, float, str]]:
    """Measure."""
    rows: list[tuple[str, str, float, str]] = []

    async def main(_: Any) -> None:
        with tempfile.TemporaryDirectory() as directory:
            rows.extend(await _measure(Path(directory), PACKAGES, KILLS))
        with tempfile.TemporaryDirectory() as directory:
            rows.extend(await _measure(Path(directory), LOOP_PACKAGES, 0))
        with tempfile.TemporaryDirectory() as directory:
            rows.extend(await _loop(Path(directory)))

    try:
        react(lambda _: Deferred.fromCoroutine(main(_)))
    except SystemExit as end:
        if end.code:
            raise
    return rows
