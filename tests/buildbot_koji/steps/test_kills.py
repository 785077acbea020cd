"""Masters, hubs and workers, killed at random moments while builds run: nothing doubled or lost.

``make soak`` kills more often. A seed from the output of a run, in KOJI_TEST_SEED, repeats what is
killed and when.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

import pytest
import pytest_twisted
from buildbot.process.results import CANCELLED, FAILURE, SUCCESS
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater

from buildbot_koji.durable.attempts import read_row
from tests.buildbot_koji.masters import MasterProcess
from tests.buildbot_koji.processes import HubProcess, SlowLine, WorkerProcess
from tests.support import free_port
from txkoji import Connection, task_states

SOAK = bool(os.environ.get("KOJI_TEST_SOAK"))
BUILD_SECONDS = 4.0

pytestmark = pytest.mark.limit(7200 if SOAK else 600)

CONFIG = """\
from buildbot.plugins import schedulers, steps, util, worker

SOURCE = "git+https://git.example.test/rpms/%(prop:package)s.git#%(prop:ref)s"
WORKERS = WORKERS_HERE

def koji(**options):
    return util.BuildFactory([steps.KojiBuild(
        "fake", "demo", util.Interpolate(SOURCE), **options)])

FACTORIES = {
    "official": koji(),
    "scratch": koji(scratch=True),
    "runroot": util.BuildFactory([steps.KojiRunroot(
        "fake", tag="demo-build", arch="x86_64", command=util.Interpolate(SOURCE))]),
}
BuildmasterConfig = {
    "workers": WORKERS,
    "builders": [
        util.BuilderConfig(name=name, workernames=[w.name for w in WORKERS], factory=factory)
        for name, factory in FACTORIES.items()
    ],
    "schedulers": [
        schedulers.ForceScheduler(
            name="force",
            builderNames=list(FACTORIES),
            codebases=[util.CodebaseParameter("", hide=True)],
            properties=[
                util.StringParameter(name=name, default="") for name in ("package", "ref")
            ],
        )
    ],
    "collapseRequests": False,
}
"""
LOCAL = CONFIG.replace(
    "WORKERS_HERE", "[worker.LocalWorker(f'local{number}') for number in range(4)]"
)

RESULTS = {
    task_states.CLOSED: SUCCESS,
    task_states.FAILED: FAILURE,
    task_states.CANCELED: CANCELLED,
}


class Victim(Protocol):
    async def start(self) -> None: ...

    async def end(self, number: int) -> Any: ...


async def active(koji: Connection) -> list[Any]:
    """Return the tasks that have not ended."""
    return await koji.listTasks({"state": list(task_states.ACTIVE_GROUP)})


@dataclass
class Siege:
    """Builds of one master, and what is killed meanwhile.

    Attributes:
        master: the master.
        random: what decides.
        name: tells the sources of this siege from those of others at the same hub.
        requests: the source of each build request.
        stopped: the requests of which a user stopped a build.
        counts: what happened.
    """

    master: MasterProcess
    random: Random
    name: str
    requests: dict[int, str] = field(default_factory=dict)
    stopped: set[int] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)

    async def force(self) -> None:
        package = self.random.choice(["hello", "hello", "world", "failarch"])
        ref = f"{self.name}.{len(self.requests)}"
        builder = self.random.choice(["official", "scratch", "runroot"])
        request = await self.master.force(builder, package=package, ref=ref)
        self.requests[request] = f"git+https://git.example.test/rpms/{package}.git#{ref}"

    async def stop_one(self) -> None:
        """Stop a running build, as a user does."""
        running = (await self.master.get("builds?complete=false"))["builds"]
        if running:
            build = self.random.choice(running)
            await self.master.control(f"builds/{build['buildid']}", "stop", reason="not this one")
            self.stopped.add(build["buildrequestid"])

    async def attack(self, victim: Victim, kills: int, signals: list[signal.Signals]) -> None:
        """Kill something at random moments, with new builds before each of them."""
        for _ in range(kills):
            for _ in range(self.random.randint(1, 3)):
                await self.force()
            if self.random.random() < 0.2:
                await self.stop_one()
            # A moment by chance is what is to be tested.
            await deferLater(reactor, self.random.uniform(0, 1.5))
            number = self.random.choice(signals)
            await victim.end(number)
            self.counts[number.name] += 1
            await victim.start()

    async def settle(self) -> None:
        """Wait until all requests are answered."""
        for request in self.requests:
            await self.master.ended(request)

    async def check(self, koji: Connection) -> None:
        """Each request has one task, which has ended; its build ended likewise."""
        left = {task.id for task in await active(koji) if task.method == "build"}
        # A stop that the hub did not answer in time cancels the task later. A runroot, which has no
        # marker, may be somebody else's: no stop cancels it.
        while await active(koji):
            await deferLater(reactor, 0.5)
        tasks: dict[str, list[Any]] = {}
        # A build carries a marker, a runroot is known by what it is to do.
        for method, parameter in (("build", "src"), ("runroot", "command")):
            for task in await koji.listTasks({"method": method}, {"order": "id"}):
                tasks.setdefault(task.params[parameter], []).append(task)
        for request, source in self.requests.items():
            builds = await self.master.builds(request)
            mine = tasks.get(source, [])
            self.counts["builds"] += len(builds)
            self.counts["submitted twice"] += len(mine) > 1
            self.counts["left running"] += any(
                task.id in left and task.state != task_states.CANCELED for task in mine
            )
            words = (source, [(task.id, task.state) for task in mine], builds)
            if request in self.stopped and builds[-1]["results"] == CANCELLED:
                # A task that had ended already is left as it is; or there was none yet.
                continue
            assert len(mine) == 1, words
            assert builds[-1]["results"] == RESULTS[mine[0].state], words
            assert (await self.master.properties(builds[-1]))["koji_task_id"] == mine[0].id, words
            self.counts["right results"] += 1
        self.counts["in the middle of a submission"] += await self.doubts()

    async def doubts(self) -> int:
        """Count the attempts that ended before they knew their task."""
        found = 0
        for request in self.requests:
            for build in (await self.master.builds(request))[:-1]:
                path = f"builds/{build['buildid']}/data"
                for each in (await self.master.get(path))["build_data"]:
                    stored = await self.master.fetch(f"api/v2/{path}/{each['name']}/value")
                    attempt = read_row(stored)
                    found += attempt is not None and attempt["task_id"] is None
        return found


@pytest.fixture
def seed() -> int:
    number = int(os.environ.get("KOJI_TEST_SEED", 0)) or Random().randrange(1, 1_000_000)
    print(f"KOJI_TEST_SEED={number}")
    return number


async def verify(sieges: list[Siege], hub: HubProcess) -> Counter[str]:
    """Wait for the end of all builds, and check them; returns what happened in all."""
    home = Path(os.environ["HOME"])
    (home / ".koji").mkdir()
    (home / ".koji" / "config").write_text(hub.profile, encoding="utf-8")
    koji = Connection("fake", reactor=reactor)
    counts: Counter[str] = Counter()
    for siege in sieges:
        await siege.settle()
        await siege.check(koji)
        counts += siege.counts
        counts["requests"] += len(siege.requests)
        # Buildbot itself logs a lot when a worker is lost before the first step.
        assert [each for each in siege.master.errors if "koji/" in each] == []
    await koji.close()
    doubled, left = counts["submitted twice"], counts["left running"]
    print({**counts, "submitted twice": doubled, "left running": left})
    assert (doubled, left) == (0, 0)
    return counts


async def start_hub(directory: Path) -> HubProcess:
    directory.mkdir()
    hub = HubProcess(directory, build_seconds=BUILD_SECONDS)
    await hub.start()
    return hub


async def start_master(directory: Path, profile: str, config: str = LOCAL) -> MasterProcess:
    master = MasterProcess(directory, profile, config)
    await master.start()
    return master


@pytest_twisted.ensureDeferred
async def test_masters_are_killed(tmp_path: Path, seed: int) -> None:
    """Masters that are killed and stopped at random moments double no task, and lose none."""
    hub = await start_hub(tmp_path / "hub")
    line = SlowLine(hub.port, 0.15)
    line.start()
    profile = line.lead(hub.profile, hub)
    masters = list(
        await gatherResults(
            Deferred.fromCoroutine(start_master(tmp_path / f"master{number}", profile))
            for number in range(4)
        )
    )
    sieges = [
        Siege(master, Random(seed + number), f"{seed}.{number}")
        for number, master in enumerate(masters)
    ]
    signals = [signal.SIGKILL, signal.SIGTERM]
    kills = 25 if SOAK else 5
    try:
        await gatherResults(
            Deferred.fromCoroutine(siege.attack(siege.master, kills, signals)) for siege in sieges
        )
        counts = await verify(sieges, hub)
    finally:
        for master in masters:
            await master.end(signal.SIGKILL)
        await line.stop()
        await hub.end()
    assert counts["SIGKILL"] + counts["SIGTERM"] == 4 * kills


@pytest_twisted.ensureDeferred
async def test_hub_is_killed(tmp_path: Path, seed: int) -> None:
    """A hub that dies at random moments, and comes back with its state, makes builds late only."""
    hub = await start_hub(tmp_path / "hub")
    master = await start_master(tmp_path / "master", hub.profile)
    siege = Siege(master, Random(seed), str(seed))
    kills = 25 if SOAK else 5
    try:
        await siege.attack(hub, kills, [signal.SIGKILL])
        counts = await verify([siege], hub)
    finally:
        await master.end(signal.SIGKILL)
        await hub.end()
    assert counts["SIGKILL"] == kills


@pytest_twisted.ensureDeferred
async def test_worker_is_killed(tmp_path: Path, seed: int) -> None:
    """The loss of a worker, of which a build needs nothing, neither doubles nor cancels a task."""
    hub = await start_hub(tmp_path / "hub")
    port = free_port()
    config = CONFIG.replace("WORKERS_HERE", '[worker.Worker("remote", "secret", max_builds=4)]')
    place = {"port": f"tcp:{port}:interface=127.0.0.1"}
    config += f'BuildmasterConfig["protocols"] = {{"pb": {place}}}'
    master = await start_master(tmp_path / "master", hub.profile, config)
    worker = WorkerProcess(tmp_path / "worker", "remote", port)
    await worker.create()
    await worker.start()
    siege = Siege(master, Random(seed), str(seed))
    kills = 25 if SOAK else 5
    try:
        await siege.attack(worker, kills, [signal.SIGKILL])
        # A build whose worker is lost before the first step, Buildbot holds until its own restart.
        await master.end(signal.SIGKILL)
        await master.start()
        counts = await verify([siege], hub)
    finally:
        await worker.end(signal.SIGKILL)
        await master.end(signal.SIGKILL)
        await hub.end()
    assert counts["SIGKILL"] == kills
