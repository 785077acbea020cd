"""A real Buildbot master in the tests' own process, on a clock that can be advanced."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import sqlalchemy
from buildbot.config.master import MasterConfig
from buildbot.interfaces import IConfigLoader
from buildbot.master import BuildMaster
from buildbot.plugins import changes, schedulers, util, worker
from twisted.internet import reactor
from zope.interface import implementer

from buildbot_koji.changes.options import SourceLimits
from tests.buildbot_koji.databases import make_tables, write_database
from tests.support import until
from txkoji.testing import FakeHub


class ForwardReactor:
    """The reactor, with a clock that may be ahead of the real one."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(reactor, name)

    def seconds(self) -> float:
        """Return the time."""
        return float(reactor.seconds()) + self.ahead


COUNTED = [("changes", None, "new"), ("buildsets", None, "new"), ("builds", None, "finished")]


@implementer(IConfigLoader)
class Loader:
    """Gives the configuration that a test has made."""

    def __init__(self, configuration: dict[str, Any]) -> None:
        self.configuration = configuration

    def loadConfig(self) -> MasterConfig:  # noqa: N802 - Buildbot's name
        """Return the configuration, checked."""
        return MasterConfig.loadFromDict(self.configuration, "<dict>")


class Master:
    """A master with one builder without work, and the change sources of a test.

    Every change of any source is built by the builder; its build requests are counted, not its
    builds: no worker comes.

    Args:
        directory: its base directory.
        sources: its change sources.
        database: the address of its database; by default SQLite on disk.
        more: what else is in its configuration.
    """

    def __init__(
        self, directory: Path, *sources: Any, database: str | None = None, **more: Any
    ) -> None:
        self.directory = directory
        self.database = database
        self.reactor = ForwardReactor()
        self.sources = list(sources)
        self.more = more
        self.loader = Loader({})
        self.master: Any = None
        self._events = 0

    def configuration(self) -> dict[str, Any]:
        """Return what would be master.cfg."""
        return {
            "buildbotNetUsageData": None,
            "db": self._database(),
            "protocols": {"null": {}},
            "workers": [worker.LocalWorker("never", missing_timeout=0, max_builds=1)],
            "builders": [
                util.BuilderConfig(
                    name="test",
                    workernames=["never"],
                    factory=util.BuildFactory(),
                    canStartBuild=lambda *_: False,
                    collapseRequests=False,
                )
            ],
            "schedulers": [schedulers.AnyBranchScheduler(name="all", builderNames=["test"])],
            "change_source": self.sources,
            **self.more,
        }

    def _database(self) -> dict[str, Any]:
        if self.database is not None:
            return {"db_url": self.database}
        # Buildbot opens SQLite's file again for each query, which takes ten times the query.
        keep_open = {"poolclass": sqlalchemy.QueuePool}
        url = f"sqlite:///{self.directory}/state.sqlite"
        return {"db_url": url, "engine_kwargs": keep_open}

    async def start(self) -> None:
        """Start it, with a new database where there is none."""
        self.loader.configuration = self.configuration()
        file = self.directory / "state.sqlite"
        if self.database is not None or not (file.exists() or write_database(file)):
            await self._make_database()
        self.master = self._new_master()
        await self.master.startService()
        for event in COUNTED:
            await self.master.mq.startConsuming(self._count_event, event)

    def _new_master(self) -> Any:
        return BuildMaster(str(self.directory), reactor=self.reactor, config_loader=self.loader)

    async def _make_database(self) -> None:
        new = self._new_master()
        new.config = self.loader.loadConfig()
        await new.db.setup(check_version=False)
        await make_tables(new.db)
        await new.db.pool.stop()

    def _count_event(self, *_: Any) -> None:
        self._events += 1

    async def until_stored(self, condition: Callable[[], Awaitable[bool]]) -> None:
        """Wait until a condition on changes, buildsets or builds in the database holds."""
        while True:
            seen = self._events
            if await condition():
                return
            await until(lambda: self._events > seen)  # noqa: B023 - it is called in this round

    async def reconfigure(self, *sources: Any) -> None:
        """Give it other change sources."""
        self.sources = list(sources)
        self.loader.configuration = self.configuration()
        await self.master.reconfig()

    async def stop(self) -> None:
        """Stop it."""
        master, self.master = self.master, None
        if master is not None:
            try:
                await master.stopService()
            finally:
                await master.db.pool.stop()

    @property
    def source(self) -> Any:
        """The first change source, as it runs."""
        return self.master.change_svc.namedServices[self.sources[0].name]

    async def changes(self) -> list[dict[str, Any]]:
        """Return all changes, oldest first, with the bare values of their properties."""
        found = sorted(
            await self.master.data.get(("changes",)), key=lambda change: change["changeid"]
        )
        for change in found:
            change["properties"] = {
                name: value for name, (value, _) in change["properties"].items()
            }
        return found

    async def keys(self) -> list[str]:
        """Return the keys of the events of all changes, oldest first."""
        return [change["properties"]["koji_event_key"] for change in await self.changes()]

    async def until_changes(self, count: int) -> list[dict[str, Any]]:
        """Wait until there are so many changes; returns them."""

        async def enough() -> bool:
            return len(await self.changes()) >= count

        await self.until_stored(enough)
        found = await self.changes()
        assert len(found) == count
        return found

    async def until_scheduled(self, changes: list[int]) -> None:
        """Wait until builds were requested for so many changes; check their ids."""

        async def enough() -> bool:
            return len(await self.scheduled()) >= len(changes)

        await self.until_stored(enough)
        assert await self.scheduled() == changes

    async def scheduled(self) -> list[int]:
        """Return the changes that builds were requested for, by id."""
        found = []
        for each in await self.master.data.get(("buildsets",)):
            for stamp in each["sourcestamps"]:
                change = await self.master.data.get(("sourcestamps", stamp["ssid"], "changes"))
                found += [one["changeid"] for one in change]
        return sorted(found)


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
def _never_sync(connection: Any, _: Any) -> None:
    """Never wait for a disk: no test ends the machine, and what the kernel has is safe."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


class Site:
    """A hub, and a directory for a master that listens to it."""

    def __init__(self, hub: FakeHub, directory: Path) -> None:
        self.hub = hub
        self.directory = directory
        self.master: Any = None
        self._count = 0

    async def listen(self, *sources: Any, **more: Any) -> Master:
        """Start a master; returns when its sources have polled for the first time."""
        if self.master is not None:
            await self.master.stop()
        self.master = Master(self.directory, *sources, **more)
        await self.master.start()
        await self.polled()
        return self.master

    async def change(self, **build: Any) -> dict[str, Any]:
        """Make a build, let the first source poll, and return the only change."""
        self.build(**build)
        await self.polled()
        [change] = await self.master.until_changes(1)
        return dict(change)

    def damage(self, **columns: Any) -> None:
        """Write odd values into columns of the newest build."""
        with self.hub.state.transaction():
            newest = max(self.hub.state.rows("build"), key=lambda row: row["id"])
            self.hub.state.update("build", newest["id"], **columns)

    async def polled(self, name: str | None = None) -> None:
        """Let a source poll again, and wait for it."""
        sources = self.master.master.change_svc.namedServices
        run = sources[name or self.master.sources[0].name]._running
        before = run.polls
        run.wake()
        # When it sleeps again, what it gathered is stored.
        await until(lambda: run.polls > before and run.is_idle)

    async def open(self, home: Path) -> None:
        """Start the hub, with a profile in a home."""
        self.hub.add_demo_content()
        await self.hub.start()
        (home / ".koji").mkdir()
        (home / ".koji" / "config").write_text(self.hub.profile_text(), encoding="utf-8")

    async def close(self) -> None:
        """Stop everything."""
        try:
            if self.master is not None:
                await self.master.stop()
        finally:
            await self.hub.stop()

    def build(self, package: str = "hello", *, tag: str | None = "demo-candidate") -> str:
        """Make a build, tagged; returns its NVR."""
        self._count += 1
        nvr = f"{package}-1.0-{self._count}"
        build = self.hub.call("createEmptyBuild", package, "1.0", str(self._count), None)
        if tag is not None:
            self.hub.call("tagBuildBypass", tag, build)
        return nvr


def koji(*, limits: SourceLimits | None = None, **options: Any) -> Any:
    """Return a change source that polls only on request, with limits of its own."""
    given = {"profile": "fake", "tags": ["demo-candidate"], "poll_interval": 600}
    source = changes.KojiChangeSource(**{**given, "stale_after": 9000, **options})
    if limits is not None:
        source.limits = limits
    return source
