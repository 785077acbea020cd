"""A real Buildbot master in a process of its own, driven from outside as its users do."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from http.client import IncompleteRead, RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from twisted.internet.threads import deferToThread

from tests.support import PROCESS_LIMIT, forks, free_port, poll

BUILDBOT = Path(sys.executable).with_name("buildbot")
SQLITE = "sqlite:///state.sqlite"
HERE = "<the base directory>"

_CREATED: list[tuple[str, bytes]] = []
"""What create-master made once: it takes longer than to start a master."""

OWN_ERRORS = (
    # A stop meets a step that starts.
    "process.buildstep.BuildStepCancelled",
    # A master leaves its router.
    "TransportLost",
    # A scheduler is released while another master looks up who has it.
    "'NoneType' object has no attribute 'masterid'",
)
"""Errors that Buildbot logs with no fault of ours."""

COMMON = """
BuildmasterConfig["db"] = {{"db_url": "{database}"}}
BuildmasterConfig["buildbotURL"] = "{url}"
BuildmasterConfig["buildbotNetUsageData"] = None
BuildmasterConfig.setdefault("protocols", {{"null": {{}}}})
BuildmasterConfig.setdefault("www", {{}})["port"] = "tcp:{port}:interface=127.0.0.1"
"""
"""What every configuration ends with."""

KEEP_OPEN = """
import sqlalchemy

BuildmasterConfig["db"]["engine_kwargs"] = {"poolclass": sqlalchemy.QueuePool}
"""
"""Buildbot opens SQLite's file again for each query: half of the work of a master that is asked."""

RUNNING = "BuildMaster is running"
RECONFIGURED = "configuration update complete"
CONFIG = """\
from buildbot.plugins import schedulers, steps, util, worker

SOURCE = "git+https://git.example.test/rpms/%(prop:package)s.git#%(prop:ref)s"

def koji(scratch):
    return util.BuildFactory([
        steps.KojiBuild(util.Property("profile"), target=util.Property("target"),
                        source=util.Interpolate(SOURCE), scratch=scratch)])

FACTORIES = {"scratch": koji(True), "official": koji(False)}
BuildmasterConfig = {
    "workers": [worker.KojiPlace(name) for name in FACTORIES],
    "builders": [
        util.BuilderConfig(name=name, workernames=[name], factory=factory)
        for name, factory in FACTORIES.items()
    ],
    "schedulers": [
        schedulers.ForceScheduler(
            name="force",
            builderNames=list(FACTORIES),
            codebases=[util.CodebaseParameter("", hide=True)],
            properties=[
                util.StringParameter(name=name, default="")
                for name in ("profile", "target", "package", "ref")
            ],
        )
    ],
    "collapseRequests": False,
}
"""


class MasterProcess:
    """A master in a directory of its own, whose profile is in its own home.

    Args:
        directory: the base directory, and the home.
        profile: Koji's configuration.
        config: the master's, without its database and its port.
        database: the address of the database, by default SQLite on disk.
    """

    def __init__(
        self,
        directory: Path,
        profile: str,
        config: str = CONFIG,
        database: str = SQLITE,
    ) -> None:
        self.directory = directory
        self.database = database
        port = free_port()
        self.url = f"http://127.0.0.1:{port}/"
        self._environment = {**os.environ, "HOME": str(directory / "home")}
        self._process: forks.ForkedProcess | None = None
        (directory / "home" / ".koji").mkdir(parents=True)
        (directory / "home" / ".koji" / "config").write_text(profile, encoding="utf-8")
        self._port = port
        self.configure(config)

    def configure(self, config: str) -> None:
        """Write the configuration, for the next start or :meth:`reconfigure`."""
        text = config + COMMON.format(database=self.database, url=self.url, port=self._port)
        if self.database == SQLITE:
            text += KEEP_OPEN
        (self.directory / "master.cfg").write_text(text, encoding="utf-8")

    async def create(self) -> None:
        """Make the base directory and the database."""
        application, tables = self.directory / "buildbot.tac", self.directory / "state.sqlite"
        if self.database == SQLITE and _CREATED:
            text, content = _CREATED[0]
            application.write_text(text.replace(HERE, str(self.directory)), encoding="utf-8")
            tables.write_bytes(content)
            return
        arguments = ["create-master", "--quiet", "--force", f"--db={self.database}"]
        made = await deferToThread(
            forks.run, BUILDBOT, *arguments, str(self.directory), env=self._environment
        )
        assert made.returncode == 0, made.stderr
        if self.database == SQLITE:
            text = application.read_text(encoding="utf-8").replace(str(self.directory), HERE)
            _CREATED.append((text, tables.read_bytes()))

    async def start(self) -> None:
        """Start the master, with a new database the first time; returns when it answers."""
        if not (self.directory / "buildbot.tac").exists():
            await self.create()
        before = self.log.count(RUNNING)
        self.spawn()
        await poll(lambda: self._runs(before))

    def spawn(self) -> None:
        """Start the master, and don't wait for it."""
        with (self.directory / "output").open("ab") as output:
            self._process = forks.start(
                BUILDBOT,
                *("start", "--nodaemon", str(self.directory)),
                env=self._environment,
                stdout=output,
                stderr=output,
            )

    def _runs(self, before: int) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        return self.log.count(RUNNING) > before

    async def reconfigure(self, config: str) -> None:
        """Let the master take a new configuration; returns when it has."""
        assert self._process is not None
        self.configure(config)
        before = self.log.count(RECONFIGURED)
        self._process.send_signal(signal.SIGHUP)
        await poll(lambda: self.log.count(RECONFIGURED) > before)

    def send(self, number: int) -> None:
        """Send the master a signal that does not end it: freeze it, or let it resume."""
        assert self._process is not None
        self._process.send_signal(number)

    async def fetch(self, path: str) -> bytes:
        """Return what the master serves at a path.

        Raises:
            OSError: it does not answer, or with an error (``urllib.error.HTTPError``).
        """
        return await deferToThread(_fetch, f"{self.url}{path}", None)

    async def end(self, number: int = signal.SIGTERM) -> int:
        """End the master by a signal; returns its exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            return await deferToThread(process.wait, PROCESS_LIMIT)
        finally:
            process.kill()

    @property
    def pid(self) -> int:
        """The master's process."""
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the master runs."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The master's log."""
        paths = [self.directory / name for name in ("twistd.log", "output")]
        return "".join(path.read_text() for path in paths if path.exists())

    @property
    def errors(self) -> list[str]:
        """The tracebacks in the log, except Buildbot's own."""
        entries = re.split(r"^(?=\d{4}-\d\d-\d\d )", self.log, flags=re.MULTILINE)
        return [
            entry
            for entry in entries
            if "Traceback" in entry and not any(each in entry for each in OWN_ERRORS)
        ]

    async def get(self, path: str) -> Any:
        """Read from the REST API."""
        return await read_json(f"{self.url}api/v2/{path}")

    async def control(self, path: str, method: str, **parameters: Any) -> Any:
        """Press a button; returns the master's answer, None if it was cut off."""
        request = {"id": 1, "jsonrpc": "2.0", "method": method, "params": parameters}
        body = json.dumps(request).encode()
        try:
            reply = await deferToThread(_fetch, f"{self.url}api/v2/{path}", body)
        except IncompleteRead:
            return None
        return json.loads(reply)["result"]

    async def force(self, builder: str, *, package: str = "hello", **parameters: Any) -> int:
        """Ask for a build; returns the id of the build request."""
        builders = (await self.get("builders"))["builders"]
        builder_id = next(each["builderid"] for each in builders if each["name"] == builder)
        given = {"profile": "fake", "target": "demo", "ref": "main", "package": package}
        answer = await self.control(
            "forceschedulers/force", "force", builderid=builder_id, **{**given, **parameters}
        )
        if answer is not None:
            return int(answer[1][str(builder_id)])
        newest = f"builders/{builder_id}/buildrequests?order=-buildrequestid&limit=1"
        return int((await self.get(newest))["buildrequests"][0]["buildrequestid"])

    async def builds(self, request: int) -> list[dict[str, Any]]:
        """Return the builds of a request, oldest first."""
        builds = (await self.get(f"buildrequests/{request}/builds"))["builds"]
        return sorted(builds, key=lambda build: build["buildid"])

    async def ended(self, request: int) -> dict[str, Any]:
        """Wait until a request is answered; returns its last build."""

        async def complete() -> bool:
            [found] = (await self.get(f"buildrequests/{request}"))["buildrequests"]
            return bool(found["complete"])

        await poll(complete)
        return (await self.builds(request))[-1]

    async def step(self, build: dict[str, Any]) -> dict[str, Any]:
        """Return the Koji step of a build."""
        steps = (await self.get(f"builds/{build['buildid']}/steps"))["steps"]
        return next(step for step in steps if step["name"] == "koji build")

    async def properties(self, build: dict[str, Any]) -> dict[str, Any]:
        """Return the values of a build's properties."""
        [found] = (await self.get(f"builds/{build['buildid']}/properties"))["properties"]
        return {name: value for name, (value, _) in found.items()}

    async def log_text(self, step: dict[str, Any], name: str) -> str:
        """Return the text of a step's log."""
        logs = (await self.get(f"steps/{step['stepid']}/logs"))["logs"]
        log = next(each for each in logs if each["name"] == name)
        chunks = (await self.get(f"logs/{log['logid']}/contents"))["logchunks"]
        return "".join(chunk["content"] for chunk in chunks)


async def read_json(url: str) -> Any:
    """Read from a master's REST API."""
    for _ in range(3):
        try:
            return json.loads(await deferToThread(_fetch, url, None))
        except (IncompleteRead, RemoteDisconnected):
            # A busy master may close the connection before it has sent all, or anything.
            continue
    raise AssertionError(f"{url} never came whole")


def _fetch(url: str, body: bytes | None) -> bytes:
    with urlopen(
        Request(url, body, {"Content-Type": "application/json"}), timeout=PROCESS_LIMIT
    ) as reply:
        return bytes(reply.read())
