"""A mass build whose master and hub are killed at random moments: nothing doubled, lost, forgotten.

``make soak`` builds more and kills more often. A seed from the output of a run, in KOJI_TEST_SEED,
repeats what is killed and when.
"""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from buildbot.process.results import FAILURE
from twisted.internet import reactor
from twisted.internet.task import deferLater

from tests.buildbot_koji.masters import SQLITE, MasterProcess
from tests.buildbot_koji.processes import HubProcess, SlowLine
from tests.support import mariadb, postgres
from txkoji import Connection, task_states

SOAK = bool(os.environ.get("KOJI_TEST_SOAK"))

pytestmark = pytest.mark.limit(7200 if SOAK else 600)

RETRIES = 1

CONFIG = """\
import json
from buildbot.plugins import schedulers, steps, util, worker
from buildbot_koji.mass.options import MassTiming
from txkoji import RetryPolicy

PLAN = json.load(open("plan.json"))

class MassBuild(steps.KojiMassBuild):
    mass_timing = MassTiming(
        tick=0.3, store_interval=0.3, infra_retry=RetryPolicy(first=0.5, factor=1.0),
        repo_polling=RetryPolicy(first=0.5, factor=1.0), retry=RetryPolicy(first=0.5, factor=1.0))

def source(package):
    ref = PLAN["refs"].get(package, "main")
    return f"git+https://git.example.test/rpms/{package}.git#{ref}"

BuildmasterConfig = {
    "workers": [worker.LocalWorker("local")],
    "builders": [util.BuilderConfig(name="mass", workernames=["local"], factory=util.BuildFactory([
        MassBuild("fake", "demo", PLAN["packages"], source=source, requires=PLAN["requires"],
                  at_once=60, infra_retries=1)]))],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=["mass"])],
}
"""

KINDS = ("failarch", "failroot", "failbuilder", "failhost", "failcheckout", "failsrpm")
"""How packages fail, and ``failhost``, which succeeds at the second attempt."""


def make_plan(count: int) -> dict[str, Any]:
    """Return a plan: one package of eighteen fails in some way, one of three requires others."""
    packages, refs, requires = [], {}, {}
    for number in range(count):
        kind = KINDS[number // 18 % len(KINDS)] if number % 18 == 17 else ""
        name = f"{kind if kind not in KINDS[4:] else 'p'}-{number}" if kind else f"p-{number}"
        packages.append(name)
        if kind in KINDS[4:]:
            refs[name] = f"{kind}-{number}"
        if number % 3 == 1 and number > 20:
            requires[name] = [packages[number // 5], packages[number // 7]]
    return {"packages": packages, "refs": refs, "requires": requires}


def right_states(plan: dict[str, Any]) -> dict[str, str]:
    """Return how each package must end."""
    states: dict[str, str] = {}
    for name in plan["packages"]:
        kind = name.partition("-")[0]
        fails = kind in KINDS[:3] or name in plan["refs"]
        dropped = any(states[each] != "built" for each in plan["requires"].get(name, ()))
        states[name] = "skipped" if dropped else "failed" if fails else "built"
    return states


async def list_packages(profile: str, names: list[str]) -> Connection:
    """List packages in the tag of the target; returns a connection to the hub."""
    directory = Path(os.environ["HOME"]) / ".koji"
    directory.mkdir()
    (directory / "config").write_text(profile, encoding="utf-8")
    koji = Connection("fake", reactor=reactor)
    await koji.login()
    multicall = koji.MultiCall()
    for name in names:
        multicall.packageListAdd("demo-candidate", name, owner="kojiadmin")
    list(await multicall())
    return koji


async def attack(
    master: MasterProcess, hub: HubProcess, random: Random, kills: int, hub_kills: int
) -> Counter[str]:
    """Kill the master at random moments, its start included, and the hub now and then."""
    counts: Counter[str] = Counter()
    at_hub = set(random.sample(range(kills), hub_kills))
    for number in range(kills):
        # A moment by chance is what is to be tested.
        await deferLater(reactor, random.uniform(0, 2.5))
        if number in at_hub:
            await hub.end(signal.SIGKILL)
            counts["hub"] += 1
            await deferLater(reactor, random.uniform(0, 1))
            await hub.start()
        by = random.choice([signal.SIGKILL, signal.SIGTERM])
        if master.alive:
            await master.end(by)
            counts[by.name] += 1
        if random.random() < 0.3:
            master.spawn()
            await deferLater(reactor, random.uniform(0.2, 4))
            await master.end(signal.SIGKILL)
            counts["at the start"] += 1
        await master.start()
    return counts


DATABASES = [
    pytest.param(None, id="sqlite"),
    pytest.param(postgres.PostgreSQL, marks=postgres.marks, id="postgresql"),
    pytest.param(mariadb.MariaDB, marks=mariadb.marks, id="mariadb"),
]


@pytest.mark.parametrize("server", DATABASES)
@pytest_twisted.ensureDeferred
async def test_mass_build_survives(tmp_path: Path, server: Any) -> None:
    """Every package of a mass build has one task, and the right result, whatever is killed."""
    seed = int(os.environ.get("KOJI_TEST_SEED", 0)) or Random().randrange(1, 1_000_000)
    print(f"KOJI_TEST_SEED={seed}")
    count = 2000 if SOAK else 300 if server is None else 100
    kills = 20 if SOAK else 10
    plan = make_plan(count)
    (tmp_path / "hub").mkdir()
    hub = HubProcess(tmp_path / "hub", build_seconds=0.7)
    await hub.start()
    koji = await list_packages(hub.profile, plan["packages"])
    line = SlowLine(hub.port, 0.02)
    line.start()
    database = None if server is None else server()
    if database is not None:
        database.start()
    url = SQLITE if database is None else database.url
    master = MasterProcess(tmp_path / "master", line.lead(hub.profile, hub), CONFIG, url)
    (tmp_path / "master" / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    try:
        await master.start()
        request = await master.force("mass")
        began = reactor.seconds()
        counts = await attack(master, hub, Random(seed), kills, hub_kills=2)
        attacked = reactor.seconds()
        build = await master.ended(request)
        times = {"attack": round(attacked - began), "rest": round(reactor.seconds() - attacked)}
        found_steps = (await master.get(f"builds/{build['buildid']}/steps"))["steps"]
        step = found_steps[-1]
        report = json.loads(await master.log_text(step, "report.json"))
        attempts = len(await master.builds(request))
        found = {row["package"]: row["state"] for row in report["packages"]}
        tasks = await koji.listTasks({"method": "build"}, {"order": "id"})
        print({**counts, **times, "attempts": attempts, "tasks": len(tasks)}, step["state_string"])
        check(plan, found, tasks)
        assert build["results"] == FAILURE
        assert [each for each in master.errors if "koji/" in each] == []
    finally:
        await master.end(signal.SIGKILL)
        await line.stop()
        await hub.end()
        await koji.close()
        if database is not None:
            database.stop()


def check(plan: dict[str, Any], found: dict[str, str], tasks: list[Any]) -> None:
    """Each package ended as it must, and no task is one too many."""
    right = right_states(plan)
    assert found == right
    built: dict[str, list[Any]] = {}
    for task in tasks:
        assert task.state in task_states.DONE_GROUP
        name = task.params["src"].rpartition("/")[2].partition(".git")[0]
        built.setdefault(name, []).append(task)
    for name, state in right.items():
        mine = built.get(name, [])
        infrastructure = name.partition("-")[0] in KINDS[1:3]
        wanted = 0 if state == "skipped" else 1 + RETRIES * infrastructure
        assert len(mine) == wanted, (name, state, [(each.id, each.state) for each in mine])
    assert not built.keys() - right.keys()
