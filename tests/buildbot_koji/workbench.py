"""A real Buildbot master in this process that runs any steps, against an embedded hub."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from math import inf
from pathlib import Path
from typing import Any

from buildbot.config.master import MasterConfig
from buildbot.data.resultspec import Filter
from buildbot.interfaces import IConfigLoader
from buildbot.master import BuildMaster
from buildbot.plugins import schedulers, util
from buildbot.process import results
from buildbot.secrets.providers.base import SecretProviderBase
from sqlalchemy import event
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from zope.interface import implementer

from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.place import KojiPlace
from buildbot_koji.steps.framework.early_end import Ending
from tests.buildbot_koji.databases import make_tables
from tests.support import until
from tests.support.fault_proxy import Fate, FaultProxy
from txkoji import Submitter
from txkoji.testing import FakeHub
from txkoji.testing.core import KOJIADMIN

__all__ = ["Ended", "Workbench"]

SOURCE = "git+https://git.example.test/rpms/{}.git#{}"

FULL = sqlite3.OperationalError("database or disk is full")

BRANCH = {"branch": "main", "repository": "https://git.example.test/hello.git", "project": ""}
"""What every build is of."""


@dataclass
class Ended:
    """What became of a build request.

    Attributes:
        result: the name of the result of its last build.
        text: the summary of that build's last step.
        attempts: how many builds the request took.
        properties: the values of the last build's properties.
        logs: the text of each log of its last step, by name.
        urls: the address of each link of its last step, by text.
    """

    result: str
    text: str
    attempts: int
    properties: dict[str, Any] = field(default_factory=dict)
    logs: dict[str, str] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)


class _Secrets(SecretProviderBase):
    """Gives what the test says."""

    name = "test's secrets"

    def reconfigService(self, values: dict[str, str]) -> None:  # noqa: N802
        self.values = values

    def get(self, name: str) -> str | None:
        return self.values.get(name)


@implementer(IConfigLoader)
class _Loader:
    def __init__(
        self,
        factory: Any,
        secrets: dict[str, str],
        services: list[Any],
        database: str,
        workers: list[Any],
        more: dict[str, Any],
    ) -> None:
        self._workers = workers
        self._database = database
        self._more = more
        self._factory = factory
        self._secrets = secrets
        self._services = services

    def loadConfig(self) -> MasterConfig:  # noqa: N802
        names = [each.name for each in self._workers]
        builder = util.BuilderConfig(name="any", workernames=names, factory=self._factory)
        return MasterConfig.loadFromDict(
            {
                "workers": self._workers,
                "builders": [builder],
                # Buildbot refuses a builder without one.
                "schedulers": [schedulers.Triggerable(name="workbench", builderNames=["any"])],
                "secretsProviders": [_Secrets(self._secrets)],
                "services": self._services,
                "protocols": {"null": {}},
                "db": {"db_url": self._database},
                "buildbotNetUsageData": None,
                "collapseRequests": False,
                **self._more,
            },
            "workbench",
        )


class Workbench:
    """A master with one builder and one worker, whose steps are named for each build.

    Args:
        directory: the master's base directory.
        services: what else the master runs.
        database: the address of the master's database; by default SQLite in memory.
        worker_class: the class of the worker; by default one that never rests.
        workers: their names: as many builds run at once.
        more: what else is in its configuration.

    Attributes:
        hub: the :class:`FakeHub` of the test.
        profile: the name of its profile.
        proxy: stands before the hub.
        lost_replies: methods whose next call the hub gets while its reply never comes.
        cut_replies: methods whose next call the hub gets, and whose connection then breaks.
        lost_requests: methods whose next call breaks before the hub has it.
        secrets: what ``util.Secret`` gives, by name.
        directory: the master's base directory.
        master: the BuildMaster.
    """

    hub: FakeHub
    profile: str
    proxy: FaultProxy
    lost_replies: set[str]
    cut_replies: set[str]
    lost_requests: set[str]

    def __init__(
        self,
        directory: Path,
        *services: Any,
        database: str = "sqlite://",
        worker_class: Any = KojiPlace,
        workers: Sequence[str] = ("worker",),
        **more: Any,
    ) -> None:
        self.directory = directory
        self.secrets: dict[str, str] = {}
        self._factory = util.BuildFactory()
        self._hubs, self._masters = AsyncExitStack(), AsyncExitStack()
        made = [worker_class(each, missing_timeout=0) for each in workers]
        loader = _Loader(self._factory, self.secrets, list(services), database, made, more)
        self.master: Any = BuildMaster(str(directory), reactor=reactor, config_loader=loader)
        self.master.config = loader.loadConfig()

    async def open(self, home: Path, **options: Any) -> None:
        """Start the master, and give it a hub."""
        await self.start()
        await self.use_hub(home, **options)

    async def start(self) -> None:
        """Start the master."""
        await self.master.db.setup(check_version=False)
        self._masters.push_async_callback(maybeDeferred, self.master.db.pool.stop)
        await make_tables(self.master.db)
        # A database in memory goes with its connection.
        self.master.db.setup = lambda: None
        self._masters.push_async_callback(self.master.stopService)
        await self.master.startService()
        self._masters.push_async_callback(self._end_builds)

    async def use_hub(self, home: Path, *, profile: str = "hub", **options: Any) -> None:
        """Give the test a hub, with a profile of its own in a home directory."""
        self.profile = profile
        given = {"build_seconds": 0.3, "anonymous_user": "kojiadmin", **options}
        self.hub = FakeHub(reactor, **given)
        self.hub.add_demo_content()
        self._hubs.push_async_callback(self.hub.stop)
        await self.hub.start()
        self.lost_replies = set()
        self.cut_replies = set()
        self.lost_requests = set()
        self.proxy = FaultProxy(self.hub.url, self._fate)
        self._hubs.push_async_callback(self.proxy.stop)
        text = self.hub.profile_text(self.profile)
        if not self.hub.tls:
            # What is encrypted the proxy can't tell apart.
            text = text.replace(self.hub.url, self.proxy.url)
        (home / ".koji").mkdir()
        (home / ".koji" / "config").write_text(text)

    def _fate(self, data: bytes) -> Fate:
        for fate, methods in (
            (Fate.STALL, self.lost_replies),
            (Fate.RESET_AFTER, self.cut_replies),
            (Fate.RESET_BEFORE, self.lost_requests),
        ):
            for method in methods:
                if f"<methodName>{method}</methodName>".encode() in data:
                    methods.discard(method)
                    return fate
        return Fate.PASS

    async def close(self) -> None:
        """Cancel what the test left running, and stop the master and its hub, if they started."""
        async with self._hubs:
            await self._masters.aclose()

    async def _end_builds(self) -> None:
        data = self.master.data
        for left in await data.get(("buildrequests",), filters=[Filter("complete", "eq", [False])]):
            await data.control(
                "cancel", {"reason": "left"}, ("buildrequests", left["buildrequestid"])
            )
        await until(lambda: self.running() is None)

    @property
    def worker_directory(self) -> Path:
        """Where the worker's builds happen."""
        return self.directory / "workers" / "worker" / "any" / "build"

    @property
    def logging_in(self) -> Any:
        """The hub, with a user who logs in: uploads need one."""
        return util.KojiHub(self.profile, user=KOJIADMIN, password=KOJIADMIN)

    async def look_at_once(self, profile: Any = None) -> None:
        """Let lost tasks be looked for without the pauses that a busy hub needs."""
        connection = (await get_hub(self.master, profile or self.profile)).connection
        recorded = connection.submissions.recorded
        connection.submissions = Submitter(connection.client, pauses=(0.0, 0.3))
        connection.submissions.recorded = recorded

    async def built(self, package: str = "hello", *, ref: str = "main", **opts: Any) -> str:
        """Let the hub build a package; returns its NVR."""
        task_id = self.hub.call("build", SOURCE.format(package, ref), "demo", opts)
        await until(lambda: self.hub.call("taskFinished", task_id))
        [build] = self.hub.call("listBuilds", taskID=task_id)
        return str(build["nvr"])

    async def build(self, *steps: Any, **properties: Any) -> Ended:
        """Run a build of some steps, with some properties, to the end of its request."""
        return await self.ended(await self.begin(*steps, **properties))

    async def build_all(self, *steps: Any) -> list[Ended]:
        """Run steps in one build, whatever becomes of those before; returns what became of each.

        A build for each would take three times as long.
        """
        for step in steps:
            step.set_step_arg("alwaysRun", True)
        builds, made = await self._steps(await self.begin(*steps))
        # Buildbot prepares the worker in steps of its own.
        made = made[-len(steps) :]
        return [await self._ended(builds, each, each["results"]) for each in made]

    async def begin(
        self,
        *steps: Any,
        waited_for: bool = False,
        stamp: Mapping[str, Any] = BRANCH,
        **properties: Any,
    ) -> int:
        """Ask for a build, which another one may wait for; returns the id of its request."""
        self.use_steps(*steps)
        data = self.master.data
        [builder] = await data.get(("builders",))
        _, requests = await data.updates.addBuildset(
            waited_for=waited_for,
            scheduler="workbench",
            reason="a test",
            builderids=[builder["builderid"]],
            properties={name: (value, "test") for name, value in properties.items()},
            sourcestamps=[{"codebase": "", "revision": None, **stamp}],
        )
        return int(requests[builder["builderid"]])

    def use_steps(self, *steps: Any) -> None:
        """Configure the steps of the builds that begin from now on."""
        self._factory.steps = [step.get_step_factory() for step in steps]

    def text(self) -> str:
        """Return what the step that runs says, empty where none does."""
        build = self.running()
        step = None if build is None else build.currentStep
        return "" if step is None else str(step.getCurrentSummary()["step"])

    def running(self) -> Any:
        """Return the build that runs, or None."""
        return next(iter(self.master.botmaster.builders["any"].building), None)

    async def stop_build(self) -> None:
        """Stop the build that runs, as a person does."""
        await self.running().stopBuild("enough")

    def expire(self, ending: Ending = Ending.TIMED_OUT) -> None:
        """Let a time limit of the running step expire now, however busy the machine is."""
        self.running().currentStep.early_end.end(ending)

    @contextmanager
    def full_disk(
        self, statement: str, times: float = inf, *, error: Exception = FULL, once: bool = False
    ) -> Iterator[list[Any]]:
        """Refuse, some times, what begins with a statement; yields what was refused so far.

        With ``once`` only the first attempt at each write is refused.
        """
        refused: list[Any] = []

        def refuse(_: Any, __: Any, sent: str, parameters: Any, *___: Any) -> None:
            is_new = not (once and parameters in refused)
            if sent.startswith(statement) and len(refused) < times and is_new:
                refused.append(parameters)
                raise error

        engine = self.master.db.pool.engine
        event.listen(engine, "before_cursor_execute", refuse)
        try:
            yield refused
        finally:
            event.remove(engine, "before_cursor_execute", refuse)

    def lose_worker(self) -> None:
        """Let the running build lose its worker: it is built again, as after a restart."""
        self.running().lostRemote()

    async def ended(self, request: int) -> Ended:
        """Wait until a request is answered; returns what became of it."""
        builds, made = await self._steps(request)
        return await self._ended(builds, made[-1], builds[-1]["results"])

    async def _steps(self, request: int) -> tuple[list[Any], list[Any]]:
        """Wait until a request is answered; returns its builds and the steps of the last one."""
        complete: Deferred[None] = Deferred()
        consumer = await self.master.mq.startConsuming(
            lambda *_: complete.callback(None), ("buildrequests", str(request), "complete")
        )
        found = await self.master.data.get(("buildrequests", request))
        if not found["complete"]:
            await complete
        consumer.stopConsuming()
        builds = await self.master.data.get(("buildrequests", request, "builds"))
        builds.sort(key=lambda each: each["buildid"])
        made = await self.master.data.get(("builds", builds[-1]["buildid"], "steps"))
        return builds, sorted(made, key=lambda each: each["number"])

    async def _ended(self, builds: list[Any], step: Any, result: int) -> Ended:
        data = self.master.data
        found = await data.get(("builds", builds[-1]["buildid"], "properties"))
        ended = Ended(
            results.Results[result],
            step["state_string"],
            len(builds),
            {name: value for name, (value, _) in found.items()},
            urls={link["name"]: link["url"] for link in step["urls"]},
        )
        for log in await data.get(("steps", step["stepid"], "logs")):
            chunk = await data.get(("logs", log["logid"], "contents"))
            ended.logs[log["name"]] = chunk["content"]
        return ended
