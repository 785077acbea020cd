"""A mass build in troubles that come in its middle: nothing doubled, lost, or blamed wrongly."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util
from sqlalchemy.exc import IntegrityError
from twisted.internet import reactor

from buildbot_koji.durable.store import BuildData
from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.mass.ended import EndedMassBuilds
from buildbot_koji.mass.status import running
from buildbot_koji.steps.framework.early_end import StepTiming
from buildbot_koji.steps.mass import KojiMassBuild
from tests.buildbot_koji.mass.test_mass_build import (
    FAST,
    SOURCE,
    add_packages,
    begin_held,
    mass,
    sources,
)
from tests.buildbot_koji.workbench import Workbench
from tests.support import until
from tests.support.fault_proxy import Fate
from tests.support.hubs import hold
from txkoji import RetryPolicy, task_states
from txkoji.exceptions import ActionNotAllowed, AuthError, ServerOffline
from txkoji.testing.methods.table import METHODS

QUICK = RetryPolicy(first=0.1, factor=1.0, ceiling=0.1, jitter=0.0)


class InsufficientPrivilege(sqlite3.ProgrammingError):
    """What the driver of PostgreSQL raises without the privilege."""

    pgcode = "42501"


ERRORS = [
    sqlite3.InternalError("cannot execute INSERT in a read-only transaction"),
    sqlite3.OperationalError(1213, "Deadlock found when trying to get lock"),
    sqlite3.OperationalError(1205, "Lock wait timeout exceeded"),
    InsufficientPrivilege("permission denied for table build_data"),
]
"""What the drivers of PostgreSQL, and of MariaDB, raise: SQLAlchemy makes the same errors of it."""


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses."""
    monkeypatch.setattr(KojiMassBuild, "mass_timing", FAST)
    monkeypatch.setattr(
        KojiMassBuild, "timing", StepTiming(retry=QUICK, database_retry=QUICK, show_interval=0.1)
    )


def rows(ended: Any) -> dict[str, dict[str, Any]]:
    """Return the report's rows by their packages."""
    return {row["package"]: row for row in json.loads(ended.logs["report.json"])["packages"]}


@pytest_twisted.ensureDeferred
async def test_outage_longer_than_the_patience(bench: Workbench) -> None:
    """A mass build that has begun waits for its hub, however long: its tasks run on."""
    names, request, release = await begin_held(bench, 6, at_once=2, hub_patience=0.3)
    bench.proxy.decide = lambda _: Fate.PAGE_BEFORE
    release()
    step = bench.running().currentStep
    await until(lambda: step.results is not None or "a web page instead" in bench.text())
    hub = step.hub.connection
    await until(lambda: step.results is not None or step.now() - hub.trouble_since > 1.5)
    bench.proxy.decide = bench._fate
    ended = await bench.ended(request)
    assert (ended.result, ended.text, ended.attempts) == ("success", "6 of 6 done", 1)
    assert sorted(sources(bench.hub)) == names


@pytest_twisted.ensureDeferred
async def test_renamed_step(bench: Workbench) -> None:
    """The pages, and later mass builds, find a mass build by the name that its step has by then.

    So they do if the janitor has removed what is stored with the first attempt: it ended long ago.
    """
    names = add_packages(bench.hub, "p0", "p1", "failarch-1")
    others = add_packages(bench.hub, "q0")
    release = hold(bench.hub, "buildArch")
    kept = mass(bench, packages=others, name="kept")
    request = await bench.begin(
        mass(bench, packages=names, name="before", haltOnFailure=False), kept
    )
    await until(lambda: "3 running" in bench.text())
    bench.use_steps(mass(bench, packages=names, name="after", haltOnFailure=False), kept)
    bench.lose_worker()
    await until(lambda: bench.running() is None)
    await until(lambda: "3 running" in bench.text())
    await bench.master.db.build_data.deleteOldBuildData(int(reactor.seconds()) + 10)
    release()
    ended = await bench.ended(request)
    assert (ended.text, ended.attempts) == ("1 of 1 done", 2)
    # A master that starts later knows nothing else.
    found = await EndedMassBuilds(bench.master).get()
    assert [[each.name for each in shown.packages] for shown in found] == [names, others]
    earlier = ended.properties["koji_mass_id"]
    again = mass(bench, packages=names, only=["failed"], earlier=earlier, name="after")
    ended = await bench.build(again)
    assert ended.properties["koji_mass_failed_packages"] == ["failarch-1"]
    assert ended.text.startswith("1 of 1 done, 1 failed")


@pytest_twisted.ensureDeferred
async def test_tag_is_deleted(bench: Workbench) -> None:
    """Without its tag nothing more starts, and no package is blamed."""
    bench.hub.add_tag("brief-candidate")
    bench.hub.call("createBuildTarget", "brief", "demo-build", "brief-candidate")
    names = [f"p{number}" for number in range(6)]
    for name in names:
        bench.hub.add_package("brief-candidate", name)
    release = hold(bench.hub, "buildArch")
    step = steps.KojiMassBuild(bench.profile, "brief", names, source=SOURCE, at_once=2)
    request = await bench.begin(step)
    await until(lambda: "2 running" in bench.text())
    bench.hub.call("deleteTag", "brief-candidate")
    release()
    ended = await bench.ended(request)
    found = ended.properties
    assert (ended.result, found["koji_mass_failed"]) == ("failure", 0), rows(ended)
    assert ended.text == (
        "stopped: the hub has no build target brief any more: 0 of 6 done; 6 not started"
    )
    assert len(sources(bench.hub)) == 2


@pytest_twisted.ensureDeferred
async def test_package_is_blocked(bench: Workbench) -> None:
    """A package that is blocked meanwhile fails alone, and its row says why."""
    names, request, release = await begin_held(bench, 4, method="buildSRPMFromSCM", at_once=2)
    for name in ("p1", "p3"):
        bench.hub.call("packageListBlock", "demo-candidate", name)
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("failure", "4 of 4 done, 2 failed")
    assert {rows(ended)[each]["state"] for each in ("p0", "p2")} == {"built"}
    assert "blocked" in rows(ended)["p1"]["reason"]
    assert sorted(sources(bench.hub)) == names


@pytest_twisted.ensureDeferred
async def test_admin_moves_tasks(bench: Workbench) -> None:
    """A task that is freed runs on; one that someone cancels failed, and says so."""
    names, request, release = await begin_held(bench, 4, at_once=2)
    first, second = bench.hub.call("listTasks", {"method": "build"}, {"order": "id"})
    await until(lambda: bench.hub.call("getTaskInfo", first["id"])["state"] == task_states.OPEN)
    bench.hub.call("freeTask", first["id"])
    bench.hub.call("cancelTask", second["id"])
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("failure", "4 of 4 done, 1 failed")
    assert "canceled" in rows(ended)["p1"]["reason"]
    assert sorted(sources(bench.hub)) == names


@pytest_twisted.ensureDeferred
async def test_access_is_taken_away(bench: Workbench) -> None:
    """Without access nothing is submitted or blamed; with it again the mass build resumes."""
    names, request, release = await begin_held(bench, 6, at_once=2)
    refused = []

    def answer(name: str, _: list[Any], run: Any) -> Any:
        if name in ("build", "getTaskChildren", "listBuilds"):
            refused.append(name)
            raise ActionNotAllowed("policy violation (hub): kojiadmin may not")
        return run()

    bench.hub.answer = answer
    release()
    await until(lambda: "build" in refused)
    await until(lambda: "the hub refuses, asking again" in bench.text())
    bench.hub.answer = lambda _name, _params, run: run()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("success", "6 of 6 done")
    assert sorted(sources(bench.hub)) == names


@pytest_twisted.ensureDeferred
async def test_same_build_by_someone_else(bench: Workbench) -> None:
    """A package whose NVR someone else builds from another commit fails alone, and says so."""
    names = add_packages(bench.hub, "p0", "p1")
    release = hold(bench.hub, "buildArch")
    other = SOURCE.replace("{package}", "p0").replace("rpms/", "forks/")
    task = bench.hub.call("build", other, "demo", user="alice")
    await until(lambda: len(bench.hub.call("getTaskChildren", task)) > 1)
    request = await bench.begin(mass(bench, packages=names))
    await until(lambda: "1 running" in bench.text())
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("failure", "2 of 2 done, 1 failed")
    assert f"Build already in progress (task {task})" in rows(ended)["p0"]["reason"]
    assert sorted(sources(bench.hub)) == ["p0", *names]


SOURCES_OF_BUILDS = {"source": None, "source_tag": "demo-candidate", "scratch": True}


@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("listPackages", {"packages": util.KojiPackages("demo-candidate", globs=["p?"])}),
        ("getPackageConfig", {}),
        ("listTagged", {"since": 4_000_000_000}),
        ("getLatestBuilds", SOURCES_OF_BUILDS),
        ("getBuild", SOURCES_OF_BUILDS),
        ("getBuild", {"wait_builds": ["p0-1.0-main"]}),
    ],
)
@pytest_twisted.ensureDeferred
async def test_maintenance_while_it_plans(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, method: str, options: dict[str, Any]
) -> None:
    """A hub that goes into maintenance before anything is submitted is waited for, not refused."""
    add_packages(bench.hub, "p0")
    await bench.built("p0")
    before = len(sources(bench.hub))
    (await get_hub(bench.master, bench.profile)).connection.deadline = 0.3
    answer, is_offline = METHODS[method], [True]

    def refuse(*args: Any, **kwargs: Any) -> Any:
        if is_offline:
            raise ServerOffline("moving to another rack")
        return answer(*args, **kwargs)

    monkeypatch.setitem(METHODS, method, refuse)
    given = {"packages": ["p0"], "source": SOURCE.replace("main", "again"), **options}
    request = await bench.begin(mass(bench, **given))
    await until(lambda: getattr(bench.running(), "currentStep", None) is not None)
    step = bench.running().currentStep
    await until(lambda: step.results is not None or "moving to another rack" in bench.text())
    is_offline.clear()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("success", "1 of 1 done")
    assert sources(bench.hub)[before:] == ["p0"]


@pytest_twisted.ensureDeferred
async def test_no_end_is_foretold_in_an_outage(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the hub is unreachable, the page says that the end of a mass build is unknown."""
    _, request, release = await begin_held(bench, 2)
    status = running(bench.master)[-1]
    monkeypatch.setattr(status.runner.progress, "time_left", lambda *_: 60.0)
    assert status.status()["eta"] == 60.0
    bench.hub.offline("moving to another rack")
    connection = (await get_hub(bench.master, bench.profile)).connection
    await until(lambda: connection.trouble is not None)
    assert status.status()["eta"] is None
    bench.hub.online()
    release()
    ended = await bench.ended(request)
    assert ended.result == "success"


@pytest_twisted.ensureDeferred
async def test_credentials_expire(bench: Workbench) -> None:
    """Without a login nothing is submitted twice or given up; with a new one it resumes."""
    names = add_packages(bench.hub, *(f"p{number}" for number in range(6)))
    release = hold(bench.hub, "buildArch")
    step = steps.KojiMassBuild(bench.logging_in, "demo", names, source=SOURCE, at_once=2)
    request = await bench.begin(step)
    await until(lambda: "2 running" in bench.text())
    refused = []

    def answer(name: str, _: list[Any], run: Any) -> Any:
        if name == "login":
            refused.append(name)
            raise AuthError("invalid username or password")
        return run()

    bench.hub.answer = answer
    bench.hub.sessions.expire_all()
    release()
    await until(lambda: len(refused) > 2 and "the hub refuses, asking again" in bench.text())
    assert sources(bench.hub) == names[:2]
    assert "invalid username or password" in bench.text()
    bench.hub.answer = lambda _name, _params, run: run()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("success", "6 of 6 done")
    assert sorted(sources(bench.hub)) == names


@pytest.mark.parametrize(
    "statement",
    [
        *[f"INSERT INTO {table} " for table in ("logs", "logchunks", "build_properties")],
        "UPDATE logs SET complete",
    ],
)
@pytest_twisted.ensureDeferred
async def test_full_disk_at_the_end(
    bench: Workbench,
    monkeypatch: pytest.MonkeyPatch,
    logged_failures: list[Any],
    statement: str,
) -> None:
    """What the database has no room for at the end is written when there is room, and once."""
    monkeypatch.setattr(KojiMassBuild, "timing", replace(KojiMassBuild.timing, log_part=60))
    names, request, release = await begin_held(bench, 4)
    with bench.full_disk(statement, once=True) as refused:
        release()
        ended = await bench.ended(request)
    assert len(refused) >= 2
    assert (ended.result, ended.text, ended.attempts) == ("success", "4 of 4 done", 1)
    assert sorted(rows(ended)) == sorted(names)
    assert len(ended.logs["report.csv"].splitlines()) == 5
    assert len(json.loads(ended.logs["report.json"])["packages"]) == 4
    assert ended.logs["packages"].count(": built") == 4
    assert ended.properties["koji_mass_built"] == 4
    logged_failures.clear()


@pytest_twisted.ensureDeferred
async def test_database_that_refuses_a_while(bench: Workbench, logged_failures: list[Any]) -> None:
    """Read-only, a deadlock, a lock or privilege it has not: each is waited out in a batch."""
    names = add_packages(bench.hub, *(f"p{number}" for number in range(16)))
    request = await bench.begin(mass(bench, packages=names, at_once=2))
    for error in ERRORS:
        with bench.full_disk("INSERT INTO build_data", 2, error=error) as refused:
            await until(partial(lambda seen: len(seen) == 2, refused))
    ended = await bench.ended(request)
    assert (ended.result, ended.text, ended.attempts) == ("success", "16 of 16 done", 1)
    assert sorted(sources(bench.hub)) == sorted(names)
    data = BuildData(bench.master, "test")
    refusal = sqlite3.IntegrityError("refused")
    with bench.full_disk("INSERT INTO build_data", error=refusal), pytest.raises(IntegrityError):
        await data.put(1, "row", b"value")
    assert await data.rows(1) == {}
    logged_failures.clear()


@pytest_twisted.ensureDeferred
async def test_too_many_failures_while_others_run(bench: Workbench) -> None:
    """What runs ends; what would be retried, or waits, counts as not started, and says why."""
    names = add_packages(bench.hub, "failarch-2", "failbuilder-1", *(f"p{n}" for n in range(6)))
    releases = [hold(bench.hub, method) for method in ("buildArch", "tagBuild")]
    request = await bench.begin(
        mass(bench, packages=names, at_once=5, stop_after_failures=1, infra_retries=9)
    )
    await until(lambda: "5 running" in bench.text())
    releases[0]()

    def reasons(rows: Iterable[Mapping[str, Any]], state: str) -> set[str]:
        return {str(row["reason"]).partition("Error: ")[0] for row in rows if row["state"] == state}

    why = "stopped after too many failures"
    said = {why, f"{why}: Attribute"}
    await until(lambda: reasons(running(bench.master)[-1].package_rows(), "waiting") == said)
    releases[1]()
    ended = await bench.ended(request)
    assert reasons(json.loads(ended.logs["report.json"])["packages"], "left") == said
    [stored] = await EndedMassBuilds(bench.master).get()
    assert reasons(stored.package_rows(), "left") == said
    built, left = (ended.properties[f"koji_mass_{each}"] for each in ("built", "left"))
    assert ended.result == "failure"
    assert ended.text == (
        f"stopped after too many failures: {built + 1} of 8 done, 1 failed; {left} not started"
    )
    assert built + left == 7
    found = [each for each in sources(bench.hub) if each != "failbuilder-1"]
    assert len(found) == len({*found})


@pytest_twisted.ensureDeferred
async def test_reconfigured(bench: Workbench) -> None:
    """The next attempt has the packages of the first one, and the limits of its configuration."""
    names = add_packages(bench.hub, *(f"p{number}" for number in range(6)))
    more = add_packages(bench.hub, "q0", "q1")
    release = hold(bench.hub, "buildArch")
    request = await bench.begin(mass(bench, packages=names, at_once=2))
    await until(lambda: "2 running" in bench.text())
    bench.use_steps(mass(bench, packages=[*more, *names], at_once=4))
    bench.lose_worker()
    await until(lambda: "4 running" in bench.text())
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.text, ended.attempts) == ("success", "6 of 6 done", 2)
    assert sorted(sources(bench.hub)) == names
