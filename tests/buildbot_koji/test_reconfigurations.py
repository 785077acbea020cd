"""Reconfigurations of a real master that fail in the middle, and what runs afterwards."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import reporters, util
from buildbot.secrets.providers.base import SecretProviderBase
from sqlalchemy import event
from twisted.internet.defer import Deferred

from buildbot_koji.hubs.hub import hubs_of
from buildbot_koji.orphans import OrphanReleaser
from tests.buildbot_koji.inprocess import Master, Site, koji
from tests.support import poll, until

pytestmark = pytest.mark.limit(60)


class Secrets(SecretProviderBase):
    """Gives what the test says."""

    name = "test's secrets"
    known: dict[str, str]

    def reconfigService(self, known: dict[str, str]) -> None:  # noqa: N802 - Buildbot's name
        self.known = known

    def get(self, name: str) -> str | None:
        return self.known.get(name)


class Outage:
    """The database of a master, which refuses everything from a statement on.

    Args:
        words: what that statement or its parameters contain.
    """

    def __init__(self, words: str) -> None:
        self._words = words
        self.refused = 0

    def __call__(self, _: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        if self.refused or self._words in f"{statement} {parameters}":
            self.refused += 1
            raise sqlite3.OperationalError("the server closed the connection")


@contextmanager
def outage(master: Master, words: str) -> Iterator[Outage]:
    """Let the database of a master go away."""
    engine, refuse = master.master.db.pool.engine, Outage(words)
    event.listen(engine, "before_cursor_execute", refuse)
    try:
        yield refuse
    finally:
        event.remove(engine, "before_cursor_execute", refuse)


def drop(logged_failures: list[Any], words: str) -> None:
    """Drop what Buildbot says of what it met, and nothing else."""
    found = [each.get("log_failure") or each["failure"] for each in logged_failures]
    assert found
    assert all(words in str(each) for each in found)
    logged_failures.clear()


def tagging(name: str, **options: Any) -> Any:
    given = {"profile": "fake", "on_success": {"tag": "demo"}}
    return reporters.KojiTagReporter(name=name, **{**given, **options})


def configuration() -> tuple[list[Any], list[Any]]:
    """Return change sources and services, made again as each reconfiguration does."""
    return (
        [koji(overlap=20.0), koji(name="other")],
        [tagging("first", retry_for=50.0), tagging("second")],
    )


@pytest.mark.parametrize(
    "words",
    [
        # A reporter that is added resumes what an earlier run left.
        "'buildbot_koji.reporters'",
        # A source is added, then claimed.
        "FROM changesources",
        "INTO changesource_masters",
    ],
)
@pytest_twisted.ensureDeferred
async def test_database_goes_away(site: Site, words: str, logged_failures: list[Any]) -> None:
    """Whatever a reconfiguration was at when the database went away runs after the next one."""
    master = await site.listen(koji(), services=[tagging("first")])
    sources, master.more["services"] = configuration()
    with outage(master, words) as database:
        changing = Deferred.fromCoroutine(master.reconfigure(*sources))
        await until(lambda: database.refused)
    await changing
    sources, master.more["services"] = configuration()
    await master.reconfigure(*sources)

    first, second = (
        master.master.service_manager.namedServices[name] for name in ("first", "second")
    )
    mine = {master.master.masterid}
    await until(lambda: first.status().masters == second.status().masters == mine)
    # Its start got as far as its checks.
    assert hasattr(await OrphanReleaser.getService(master.master), "stuck")
    for source in sources:
        await site.polled(source.name)
    site.build()
    for source in sources:
        await site.polled(source.name)
    assert len(await master.until_changes(2)) == 2
    drop(logged_failures, "closed the connection")


@pytest_twisted.ensureDeferred
async def test_source_is_stopped_while_it_starts(site: Site) -> None:
    """A source that reads its state when it is stopped neither listens nor keeps its hub open."""
    master = await site.listen(koji())
    reading, gate = [], threading.Event()

    def hold(_: Any, __: Any, ___: str, parameters: Any, *____: Any) -> None:
        if "standing" in str(parameters):
            reading.append(parameters)
            gate.wait(30)

    engine = master.master.db.pool.engine
    event.listen(engine, "before_cursor_execute", hold)
    try:
        login = {"user": "u", "password": "swordfish"}
        bus = util.KojiAMQP("amqps://127.0.0.1:9", queue="q", passive=True, **login)
        await master.reconfigure(koji(bus=bus))
        await poll(lambda: reading)
        listener = master.source._running
        stopping = master.source.deactivate()
        gate.set()
        await stopping
    finally:
        gate.set()
        event.remove(engine, "before_cursor_execute", hold)
    assert listener.receiver is None
    await master.reconfigure()
    await until(lambda: hubs_of(master.master) == [])


@pytest_twisted.ensureDeferred
async def test_secret_is_missing(site: Site, logged_failures: list[Any]) -> None:
    """A source whose start or change a missing secret prevents follows the next configuration."""
    secrets: dict[str, str] = {}
    provider = {"secretsProviders": [Secrets(secrets)]}
    master = await site.listen(koji(), **provider)
    bus = util.KojiAMQP(
        "amqps://127.0.0.1:9", user="u", password=util.Secret("bus"), queue="q", passive=True
    )
    options = {"bus": bus, "overlap": 20.0}

    await master.reconfigure(koji(**options))
    await site.polled()
    assert master.source._options["overlap"] == 300.0
    await master.reconfigure(koji(), koji(name="new", **options))
    secrets["bus"] = "swordfish"
    await master.reconfigure(koji(), koji(name="new", **options))
    for name in (master.sources[0].name, "new"):
        await site.polled(name)
    site.build()
    for name in (master.sources[0].name, "new"):
        await site.polled(name)
    assert len(await master.until_changes(2)) == 2
    drop(logged_failures, "secret key bus")
