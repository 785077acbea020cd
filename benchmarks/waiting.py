"""Many builds that wait for Koji on one master: what they cost, and how a restart takes them up.

The master, its SQLite database on disk, and the embedded hub run in processes of their own. All
builds wait for the same long time; then the master is killed, started again, and watched until each
build follows its task again. Beside it the same with a step that does nothing but wait: what
Buildbot itself takes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

BUILDERS = 5
WORKERS = 100
BUILDS = BUILDERS * WORKERS
REST = 20.0
"""Seconds during which nothing is done but to wait."""

LIMIT = 600.0
BUILDBOT = Path(sys.executable).with_name("buildbot")

CONFIG = """\
import json, os, resource
from buildbot.plugins import schedulers, steps, util, worker
from buildbot.process.buildstep import BuildStep
from buildbot.util.service import BuildbotService
from twisted.internet import task
from twisted.internet.defer import Deferred


class Wait(BuildStep):
    # Waits, and says so in the database as a step that has a task does.
    name = "wait"

    async def run(self):
        self.setProperty("koji_task_id", 0, "benchmark")
        await self.master.data.updates.setBuildProperties(self.build.buildid, self.build)
        await Deferred()


class Probe(BuildbotService):
    # How long the reactor was blocked at most, what the process has used, since the last line.
    def startService(self):
        self.longest = 0.0
        self.last = self.master.reactor.seconds()
        self.ticks = task.LoopingCall(self.tick)
        self.ticks.start(0.01)
        self.lines = task.LoopingCall(self.line)
        self.lines.start(1.0)
        return super().startService()

    def tick(self):
        now = self.master.reactor.seconds()
        self.longest = max(self.longest, now - self.last - 0.01)
        self.last = now

    def line(self):
        used = resource.getrusage(resource.RUSAGE_SELF)
        with open("/proc/self/statm") as statm:
            pages = int(statm.read().split()[1])
        words = dict(stall=self.longest, cpu=used.ru_utime + used.ru_stime,
                     megabytes=pages * os.sysconf("SC_PAGE_SIZE") / 1e6)
        self.longest = 0.0
        with open(os.path.join(self.master.basedir, "probe"), "a") as out:
            out.write(json.dumps(words) + "\\n")

    def stopService(self):
        self.ticks.stop()
        self.lines.stop()
        return super().stopService()


builders = [f"builder-{{number}}" for number in range({builders})]
places = {{name: [f"{{name}}-{{number}}" for number in range({workers})] for name in builders}}
koji = steps.KojiBuild(
    profile="bench", target="demo", scratch=True,
    source=util.Interpolate("git+https://git.example.test/rpms/hello.git#%(prop:ref)s"))
factory = util.BuildFactory([{step}])
BuildmasterConfig = dict(
    workers=[worker.LocalWorker(name, missing_timeout=0) for names in places.values()
             for name in names],
    protocols={{"null": {{}}}},
    builders=[util.BuilderConfig(name=name, workernames=places[name], factory=factory)
              for name in builders],
    schedulers=[schedulers.ForceScheduler(
        name="force", builderNames=builders, codebases=[util.CodebaseParameter("", hide=True)],
        properties=[util.StringParameter(name="ref", default="main")])],
    services=[Probe(name="probe")],
    buildbotNetUsageData=None, collapseRequests=False,
    www=dict(port="tcp:{port}:interface=127.0.0.1"), buildbotURL="http://127.0.0.1:{port}/",
    db=dict(db_url="sqlite:///state.sqlite"),
)
"""


class Master:
    """A master in a process of its own."""

    def __init__(self, directory: Path, hub_profile: str, step: str) -> None:
        self.directory = directory
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}/"
        (directory / "home" / ".koji").mkdir(parents=True)
        (directory / "home" / ".koji" / "config").write_text(hub_profile)
        text = CONFIG.format(builders=BUILDERS, workers=WORKERS, port=port, step=step)
        (directory / "master.cfg").write_text(text)
        self.process: subprocess.Popen[bytes]
        self.environment = {**os.environ, "HOME": str(directory / "home")}
        command = [str(BUILDBOT), "create-master", "--quiet", "--force", str(directory)]
        subprocess.run(command, check=True, capture_output=True, env=self.environment)

    def start(self) -> float:
        """Start it; returns the seconds until it answered."""
        begin = time.monotonic()
        with (self.directory / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [str(BUILDBOT), "start", "--nodaemon", str(self.directory)],
                stdout=output,
                stderr=output,
                env=self.environment,
            )
        wait(self._answers)
        return time.monotonic() - begin

    def _answers(self) -> bool:
        assert self.process.poll() is None, (self.directory / "output").read_text()[-2000:]
        try:
            with urlopen(f"{self.url}api/v2/builders", timeout=20) as reply:
                return len(json.load(reply)["builders"]) == BUILDERS
        except (URLError, ConnectionError, TimeoutError):
            return False

    def force(self, builder: int, ref: str) -> None:
        """Ask for a build."""
        call = {"builderid": builder, "ref": ref}
        body = json.dumps({"id": 1, "jsonrpc": "2.0", "method": "force", "params": call}).encode()
        request = Request(f"{self.url}api/v2/forceschedulers/force", body)
        request.add_header("Content-Type", "application/json")
        with urlopen(request, timeout=60) as reply:
            reply.read()

    def following(self) -> int:
        """Count the builds that are under way and know their task."""
        path = self.directory / "state.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)) as database:
            [[count]] = database.execute(
                "select count(*) from builds join build_properties on buildid = builds.id"
                " where complete_at is null and build_properties.name = 'koji_task_id'"
            )
        return int(count)

    def probe(self) -> list[dict[str, float]]:
        """Return what was measured inside, a line a second."""
        lines = (self.directory / "probe").read_text().splitlines()
        return [json.loads(line) for line in lines]


def wait(condition: Callable[[], bool]) -> float:
    """Wait until a condition holds; returns the seconds."""
    begin = time.monotonic()
    while not condition():
        assert time.monotonic() - begin < LIMIT, "it did not happen in time"
        time.sleep(0.1)
    return time.monotonic() - begin


def tasks(url: str) -> int:
    """Count the builds that the hub was asked for."""
    import koji

    session = koji.ClientSession(url)
    return int(session.listTasks({"method": "build"}, {"countOnly": True}))


def run() -> list[tuple[str, str, float, str]]:
    """Measure; returns rows of name, peer, figure and unit."""
    command = [sys.executable, "-m", "txkoji.testing", "--port", "0", "--build-seconds", "100000"]
    command += ["--anonymous-user", "kojiadmin"]
    hub = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert hub.stdout is not None
        url = hub.stdout.readline().split()[1]
        profile = f"[bench]\nserver = {url}\nweburl = {url[:-3]}\nauthtype = noauth\n"
        rows = with_master("a step that only waits", "Wait()", profile)
        rows += with_master("KojiBuild", "koji", profile)
        # Each task was submitted once, also by the master that was killed.
        rows.append((f"{BUILDS} waiting builds", "tasks submitted twice", tasks(url) - BUILDS, ""))
        return rows
    finally:
        hub.kill()
        hub.wait()


def with_master(peer: str, step: str, profile: str) -> list[tuple[str, str, float, str]]:
    """Measure one kind of step."""
    with tempfile.TemporaryDirectory() as directory:
        master = Master(Path(directory), profile, step)
        try:
            return measure(master, peer)
        finally:
            master.process.kill()
            master.process.wait()


def measure(master: Master, peer: str) -> list[tuple[str, str, float, str]]:
    """Let all builds wait; kill the master and let them wait again."""
    master.start()
    begin = time.monotonic()
    for number in range(BUILDS):
        master.force(number % BUILDERS + 1, f"ref-{number}")
    wait(lambda: master.following() == BUILDS)
    submitted = time.monotonic() - begin
    before = len(master.probe())
    time.sleep(REST)
    resting = master.probe()[before:]
    share = (resting[-1]["cpu"] - resting[0]["cpu"]) / (len(resting) - 1)
    master.process.send_signal(signal.SIGKILL)
    master.process.wait()
    again = len(master.probe())
    begin = time.monotonic()
    master.start()
    wait(lambda: master.following() == BUILDS)
    attached = time.monotonic() - begin
    restart = master.probe()[again:]
    what = f"{BUILDS} waiting builds"
    figures = [
        ("all wait", submitted, "s"),
        ("processor", 100 * share, "% of one core"),
        ("longest stall", 1000 * max(line["stall"] for line in resting), "ms"),
        ("memory", max(line["megabytes"] for line in resting), "MB"),
        ("all wait again after kill -9", attached, "s"),
        ("longest stall meanwhile", 1000 * max(line["stall"] for line in restart), "ms"),
    ]
    return [(f"{what}: {name}", peer, figure, unit) for name, figure, unit in figures]
