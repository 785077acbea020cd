"""A master whose database goes away, and that is killed while it starts: no build hangs."""

from __future__ import annotations

import os
import signal
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from buildbot.process.results import FAILURE, SUCCESS
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.buildbot_koji.masters import RUNNING, MasterProcess
from tests.support import mariadb, poll, postgres, until
from tests.support.hubs import hold
from txkoji import task_states
from txkoji.testing import FakeHub

SOAK = bool(os.environ.get("KOJI_TEST_SOAK"))

pytestmark = pytest.mark.limit(7200 if SOAK else 300)

DATABASES = [pytest.param(postgres.PostgreSQL, marks=postgres.marks, id="postgresql")]
if SOAK:
    DATABASES.append(pytest.param(mariadb.MariaDB, marks=mariadb.marks, id="mariadb"))

BUILDS = 6
OUTAGE = 15.0
"""Seconds."""
WRITES = 40
"""About how many writes a start has, with builds that begin."""

CONFIG = """\
import os
import signal

import sqlalchemy
from buildbot.plugins import changes, schedulers, steps, util, worker

def kill_at(number):
    left = iter(range(1, number))

    def count(_connection, _cursor, statement, *_):
        if statement.startswith(("INSERT", "UPDATE", "DELETE")) and next(left, None) is None:
            os.kill(os.getpid(), signal.SIGKILL)

    sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", count)

if os.path.exists("KILL_AT"):
    with open("KILL_AT") as number:
        kill_at(int(number.read()))

SOURCE = "git+https://git.example.test/rpms/%(prop:package)s.git#%(prop:ref)s"
WORKERS = [worker.LocalWorker("local%d" % number) for number in range(6)]
BuildmasterConfig = {
    "workers": WORKERS,
    "change_source": [changes.KojiChangeSource("fake", name="koji", tags=["demo-candidate"])],
    "builders": [
        util.BuilderConfig(
            name="build", workernames=[each.name for each in WORKERS], collapseRequests=False,
            factory=util.BuildFactory([
                steps.KojiBuild("fake", target="demo", source=util.Interpolate(SOURCE))]))
    ],
    "schedulers": [
        schedulers.ForceScheduler(
            name="force", builderNames=["build"],
            codebases=[util.CodebaseParameter("", hide=True)],
            properties=[util.StringParameter(name=name, default="")
                        for name in ("package", "ref")]),
    ],
}
"""


def submitted(hub: FakeHub) -> Counter[str]:
    """Return how many tasks each source has."""
    return Counter(task["request"][0] for task in hub.state.rows("task", method="build"))


async def check(master: MasterProcess, hub: FakeHub, requests: dict[int, int]) -> None:
    """Each request has one task, and the result that is expected."""
    results = {each: (await master.ended(each))["results"] for each in requests}
    assert results == requests
    assert len(submitted(hub)) == len(requests)
    assert set(submitted(hub).values()) == {1}


@pytest.mark.parametrize("server", DATABASES)
@pytest_twisted.ensureDeferred
async def test_database_goes_away_and_master_is_killed_in_its_start(
    tmp_path: Path, server: Any
) -> None:
    """Builds that conclude meanwhile end with the results of their tasks; no claim is left."""
    seed = int(os.environ.get("KOJI_TEST_SEED", 0)) or Random().randrange(1, 1_000_000)
    print(f"KOJI_TEST_SEED={seed}")
    chance = Random(seed)
    hub = FakeHub(reactor, build_seconds=3600, anonymous_user="kojiadmin")
    hub.add_demo_content()
    await hub.start()
    database = server()
    await deferToThread(database.start)
    killer = tmp_path / "kill_at"
    text = CONFIG.replace("KILL_AT", str(killer))
    master = MasterProcess(tmp_path / "master", hub.profile_text(), text, database.url)
    requests: dict[int, int] = {}

    async def force() -> None:
        package, result = ("hello", SUCCESS) if chance.random() < 0.7 else ("failarch", FAILURE)
        request = await master.force("build", package=package, ref=f"r{len(requests)}")
        requests[request] = result

    try:
        await master.start()
        for outage in range(5 if SOAK else 1):
            hub.builder.seconds = 4
            # Buildbot does not retry its own last writes of a step: none ends at that moment.
            release = hold(hub, "buildArch")
            for _ in range(BUILDS):
                await force()
            await until(lambda: len(submitted(hub)) == len(requests))
            await deferLater(reactor, chance.uniform(0, 2 if SOAK else 1))
            await deferToThread(database.halt)
            release()
            await deferLater(reactor, OUTAGE)
            await deferToThread(database.resume)
            await check(master, hub, requests)
            print(f"outage {outage}: {len(requests)} builds have their results")
        hub.builder.seconds = 2
        for number in [4, *chance.sample(range(1, WRITES), 30 if SOAK else 2)]:
            await force()
            await force()
            await master.end(signal.SIGKILL)
            # Claimed already, and not yet "running": Buildbot itself never releases these.
            running = master.log.count(RUNNING)
            killer.write_text(str(number), encoding="utf-8")
            master.spawn()
            await poll(lambda: not master.alive or master.log.count(RUNNING) > running)  # noqa: B023
            print(f"killed before write {number} of the start:", not master.alive)
            await master.end(signal.SIGKILL)
            killer.unlink()
            await master.start()
        await check(master, hub, requests)
        assert (await master.get("builds?complete=false"))["builds"] == []
        [source] = (await master.get("changesources"))["changesources"]
        assert source["master"] is not None
        ended = hub.state.rows("task", method="build")
        assert all(task["state"] in task_states.DONE_GROUP for task in ended)
    finally:
        await master.end(signal.SIGKILL)
        await deferToThread(database.stop)
        await hub.stop()
