"""A demonstration: a Buildbot master, its workers and an embedded Koji hub on one reactor."""

from __future__ import annotations

import os
import re
import shutil
import socket
import sqlite3
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from buildbot.config.master import FileLoader, MasterConfig
from buildbot.interfaces import IConfigLoader
from buildbot.master import BuildMaster
from buildbot.process import results
from buildbot.util.service import AsyncMultiService
from buildbot.util.twisted import async_to_deferred
from buildbot.www.rest import BadJsonRpc2
from twisted.internet.defer import Deferred
from twisted.internet.task import LoopingCall
from zope.interface import implementer

from buildbot_koji.cli.demo_past import day_of_tasks, live_a_day, uneven
from buildbot_koji.durable.store import MasterState
from buildbot_koji.hubs.survey import HISTORY_CLASS
from buildbot_koji.reporters.base import reporters_of
from buildbot_koji.words import outcome, result_name
from txkoji.bus import AMQP
from txkoji.exceptions import BusError, ConfigurationError
from txkoji.testing import FakeHub, broker_settings

EXAMPLE = Path(__file__).parents[1] / "example_master.cfg"
PROFILE = "demo"
BUILDER = "official"
FORCE_SCHEDULER = "build-package"
REBUILD = "rebuild"
REBUILD_SCHEDULER = "rebuild-all"
CAPACITY = 12.0
"""The weight of tasks that the hub's host takes: a rebuild's twenty ``build`` tasks at once, which
only wait, and some of their architectures; others queue. Less, and the tasks that wait for a repo
leave no room for the one that makes it."""
PACKAGES = tuple(f"package-{number}" for number in range(1, 34))
"""Packages beside those of the embedded hub's demo content: 40 to rebuild."""
PUSHED = ("hello", "failarch")
"""The packages whose commits a lively demonstration starts with."""
RELEASED = "foo"
"""The package of which it makes a real build: a change of Koji's, which is tested and tagged."""
TESTED_TAG = "demo-released"
"""The tag that is locked until it has refused a build."""
GIT = "https://git.example.test/rpms"
HUB_STATE = "hub.sqlite"
PORTS = "ports"
"""The file with the ports of the hub and of the pages."""


class DemoError(Exception):
    """The demonstration can't start; the text says why, in one line."""


@implementer(IConfigLoader)
class _OnFreePort:
    """Load the example with a free port for its pages: its own may be taken here."""

    def __init__(self, directory: Path, port: int, url: str) -> None:
        self._loader = FileLoader(str(directory), "master.cfg")
        self._port = port
        self._url = url

    def loadConfig(self) -> MasterConfig:
        config = self._loader.loadConfig()
        config.www = {**config.www, "port": f"tcp:{self._port}:interface=127.0.0.1"}
        config.buildbotURL = self._url
        return config


class Demo:
    """A master that runs the example configuration, with an embedded hub.

    Changes ``HOME`` in the environment: Koji profiles are read from there.

    Args:
        reactor: the reactor; the master needs the global one.
        directory: the base directory of the master: new, empty, or that of an earlier
            demonstration, which resumes; None makes a temporary one that is removed at the end.
        build_seconds: how long a Koji build takes.
        bus: a broker for the hub's messages, such as ``amqp://guest:guest@127.0.0.1``, or None.
        lively: the hub has a day of builds behind it, and the master begins with some work: two
            commits, a real build, whose tagging is refused, and a rebuild of all packages.

    Attributes:
        no_bus: why there is no message bus, in words; None if there is one.
        url: the address of Buildbot's pages.
        resumes: whether an earlier demonstration resumes.
        hub: the :class:`txkoji.testing.FakeHub`, once prepared.
        master: the BuildMaster, once started.
        directory: the base directory.
    """

    hub: FakeHub

    def __init__(
        self,
        reactor: Any,
        *,
        directory: Path | None = None,
        build_seconds: float = 10.0,
        bus: str | None = None,
        lively: bool = False,
    ) -> None:
        self._reactor = reactor
        self._keep = directory is not None
        self._wanted = directory
        self._services = AsyncMultiService()
        self._stopping = False
        self._build_seconds = build_seconds
        self._bus = bus
        self._lively = lively
        self._freeze = LoopingCall(self._end_freeze)
        self._freeze.clock = reactor
        self.no_bus: str | None = "none was named with --bus"
        self.directory = Path()
        self.url = ""
        self.resumes = False
        self.master: Any = None

    def prepare(self) -> Path:
        """Make the base directory and the hub; returns the directory's path.

        Raises:
            DemoError: it can't be used.
        """
        if self._wanted is None:
            self.directory = Path(tempfile.mkdtemp(prefix="buildbot-koji-demo-"))
            self.hub = self._make_hub(None)
            return self.directory
        self.directory = self._wanted.absolute()
        state = self.directory / HUB_STATE
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            self.resumes = state.is_file()
            if not self.resumes and any(self.directory.iterdir()):
                raise DemoError(
                    f"{self.directory} is neither empty nor that of an earlier demo:"
                    " name another directory"
                )
            self.hub = self._make_hub(state)
        except OSError as error:
            raise DemoError(f"can't use {self.directory}: {error.strerror}") from error
        except sqlite3.Error as error:
            why = f"can't use {state}: {error}"
            if "locked" in str(error):
                why += ": another demo uses it, end that first"
            elif "another version" in str(error):
                # The master's database refers to its tasks.
                why = f"{self.directory} is that of another version: name another directory"
            raise DemoError(why) from error
        return self.directory

    def _make_hub(self, state: Path | None) -> FakeHub:
        return FakeHub(
            self._reactor,
            build_seconds=self._build_seconds,
            anonymous_user="kojiadmin",
            state_file=state,
        )

    @async_to_deferred
    async def start(self) -> None:
        """Start the hub, then the master.

        Returns:
            A Deferred that fires when the pages can be opened.

        Raises:
            DemoError: the master did not start.
        """
        self._reactor.addSystemEventTrigger("before", "shutdown", self.stop)
        if self._lively:
            self.hub.builder.pace = uneven
        if not self.resumes:
            self._add_content()
        settings = await self._use_bus()
        # Links in the builds of an earlier demo lead to its ports.
        kept = self.directory / PORTS
        wanted = map(int, kept.read_text().split()) if kept.exists() else (0, 0)
        hub_port, port = map(_free_port, wanted)
        await self.hub.start(hub_port)
        kept.write_text(f"{hub_port} {port}\n")
        self._write_profile()
        self._write_configuration(settings)
        self.url = f"http://127.0.0.1:{port}/"
        loader = _OnFreePort(self.directory, port, self.url)
        await self._make_database(loader)
        await self._services.startService()
        self.master = BuildMaster(str(self.directory), reactor=self._reactor, config_loader=loader)
        await self.master.setServiceParent(self._services)
        # A master that can't start stops the reactor, and only its log says why.
        turn: Deferred[None] = Deferred()
        self._reactor.callLater(0, turn.callback, None)
        await turn
        if self._stopping:
            raise DemoError(f"the master did not start: see {self.directory}/twistd.log")
        if self._lively:
            if not self.resumes:
                await self._begin_work()
            self._freeze.start(1.0, now=False)

    def _add_content(self) -> None:
        self.hub.add_demo_content(capacity=CAPACITY)
        names = ("hello", "world", "foo", *PACKAGES)
        for package in PACKAGES:
            self.hub.add_package("demo-candidate", package, owner="alice")
            self.hub.add_package(TESTED_TAG, package, owner="alice")
        self.hub.add_tag("demo-stable")
        for package in names:
            self.hub.add_package("demo-stable", package, owner="alice")
        if self._lively:
            live_a_day(self.hub, names, f"git+{GIT}/%s.git#%s", "demo")

    async def _begin_work(self) -> None:
        """Push two commits, make a real build, which is tested, and rebuild all packages."""
        self.hub.call("editTag2", TESTED_TAG, locked=True)
        for package in PUSHED:
            await self.master.data.updates.addChange(
                author="alice",
                comments=f"{package}: fix what was reported",
                project=package,
                repository=f"{GIT}/{package}.git",
                branch="main",
                revision="f00d1e",
            )
        for builder, scheduler, more in (
            (BUILDER, FORCE_SCHEDULER, {"package": RELEASED, "ref": "main"}),
            (REBUILD, REBUILD_SCHEDULER, {}),
        ):
            number = await self._builder_id(builder)
            arguments = {"builderid": number, "owner": "alice", **more}
            await self.master.data.control("force", arguments, ("forceschedulers", scheduler))

    def _end_freeze(self) -> None:
        """Unlock the tag once there is a dead letter, which then can be redelivered."""
        if any(each.status().dead for each in reporters_of(self.master)):
            self.hub.call("editTag2", TESTED_TAG, locked=False)
            self._freeze.stop()

    async def _use_bus(self) -> AMQP | None:
        """Let the hub publish to the named broker, if it is reachable."""
        if self._bus is None:
            return None
        try:
            settings = broker_settings(self._bus, "koji")
            await self.hub.publish_to(settings)
        except ConfigurationError as error:
            raise DemoError(str(error)) from error
        except BusError as error:
            self.no_bus = str(error)
            return None
        self.no_bus = None
        return settings

    def _write_configuration(self, bus: AMQP | None) -> None:
        path = self.directory / "master.cfg"
        if not path.exists():
            shutil.copyfile(EXAMPLE, path)
        # The demo leaves nothing on the broker.
        words = bus and (
            f"util.KojiAMQP({bus.url!r}, user={bus.user!r}, password={bus.password!r},"
            " allow_insecure_login=True, queue='buildbot-koji-demo', routing_keys=['koji.#'],"
            " durable=False, exclusive=True, auto_delete=True)"
        )
        text = path.read_text(encoding="utf-8")
        text = re.sub(r"^BUS = .*$", lambda _: f"BUS = {words}", text, count=1, flags=re.MULTILINE)
        path.write_text(text, encoding="utf-8")

    def _write_profile(self) -> None:
        home = self.directory / "home"
        (home / ".koji").mkdir(parents=True, exist_ok=True)
        (home / ".koji" / "config").write_text(self.hub.profile_text(PROFILE), encoding="utf-8")
        os.environ["HOME"] = str(home)

    async def _make_database(self, loader: _OnFreePort) -> None:
        master: Any = BuildMaster(str(self.directory), reactor=self._reactor, config_loader=loader)
        master.config = loader.loadConfig()
        await master.db.setup(check_version=False)
        await master.db.model.upgrade()
        if self._lively and not self.resumes:
            state = MasterState(master, f"{master.name} {PROFILE}", HISTORY_CLASS)
            points = list(day_of_tasks(self.hub))
            await state.put("day", points)
        await master.db.pool.stop()

    @async_to_deferred
    async def stop(self) -> None:
        """Stop the master, then the hub, and remove a temporary base directory."""
        if self._stopping:
            return
        self._stopping = True
        if self._freeze.running:
            self._freeze.stop()
        if self._services.running:
            await self._services.stopService()
        await self.hub.stop()
        if not self._keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    async def _builder_id(self, name: str = BUILDER) -> int:
        for builder in await self.master.data.get(("builders",)):
            if builder["name"] == name:
                return int(builder["builderid"])
        raise DemoError(f"the example has no builder {name!r}")

    @async_to_deferred
    async def build_page(self) -> str:
        """Return a Deferred of the address of the page on which to start a build."""
        return f"{self.url}#/builders/{await self._builder_id()}"

    @async_to_deferred
    async def build_once(self, package: str, out: TextIO) -> bool:
        """Start a build as the button on the page does, wait for it, and print its outcome.

        Returns:
            A Deferred of whether the build succeeded.

        Raises:
            DemoError: the scheduler refuses the package's name.
        """
        data = self.master.data
        ended: Deferred[Any] = Deferred()

        def build_ended(_key: Any, message: Any) -> None:
            """Take the message that the build has ended."""
            if not ended.called:
                ended.callback(message)

        builder_id = await self._builder_id()
        consumer = await self.master.mq.startConsuming(
            build_ended, ("builders", str(builder_id), "builds", None, "finished")
        )
        arguments = {"builderid": builder_id, "owner": "demo", "package": package, "ref": "main"}
        try:
            await data.control("force", arguments, ("forceschedulers", FORCE_SCHEDULER))
        except BadJsonRpc2 as error:
            mistakes, _ = error.args
            raise DemoError("; ".join(mistakes.values())) from error
        build = await ended
        consumer.stopConsuming()
        result = build["results"]
        print(f"{result_name(result).upper()}: {outcome(build['state_string'])}", file=out)
        print(f"  {self.url}#/builders/{builder_id}/builds/{build['number']}", file=out)
        for step in await data.get(("builds", build["buildid"], "steps")):
            for link in step["urls"]:
                print(f"  {link['name']}: {link['url']}", file=out)
        print("The pages and the hub end now, and these links with them.", file=out)
        out.flush()
        return bool(result == results.SUCCESS)


def _free_port(wanted: int) -> int:
    """Return a port if it is free, else another one."""
    for port in (wanted, 0):
        with socket.socket() as free, suppress(OSError):
            # Connections that were closed a moment ago don't count.
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))
            return int(free.getsockname()[1])
    raise DemoError("there is no free port")
