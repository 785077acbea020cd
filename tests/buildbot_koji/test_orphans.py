"""The build requests of a master that died, in a real master."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import schedulers, steps, util
from buildbot.process.results import RETRY
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred, fail
from twisted.logger import LogEvent, formatEvent

from buildbot_koji.frozen import guard_schedulers
from buildbot_koji.left_tasks import LeftTasks
from buildbot_koji.orphans import OrphanReleaser
from tests.buildbot_koji.inprocess import Master, koji
from tests.buildbot_koji.workbench import BRANCH, SOURCE, Workbench
from tests.support import until
from tests.support.ends import AtEnd

HOUR = 3600.0


class Peers:
    """A master, and another one that exists only in the database."""

    def __init__(self, master: Master) -> None:
        self._master = master
        self.other = 0
        self.request = 0

    async def begin(self) -> None:
        """Start the other master, which claims a build request."""
        master = self._master.master
        self.other = await master.db.masters.findMasterId("another")
        await master.data.updates.masterActive(name="another", masterid=self.other)
        builder = await master.data.get(("builders", "test"))
        _, requests = await master.data.updates.addBuildset(
            waited_for=False,
            builderids=[builder["builderid"]],
            sourcestamps=[{"codebase": "", "repository": "", "project": ""}],
        )
        [self.request] = requests.values()
        requests = master.db.buildrequests
        now = int(self._master.reactor.seconds())
        await requests._claim_buildrequests_for_master([self.request], now, self.other)

    async def expire(self) -> None:
        """Let an hour pass in which only our master sends heartbeats."""
        self._master.reactor.ahead += HOUR
        master = self._master.master
        await master.data.updates.masterActive(name=master.name, masterid=master.masterid)
        await master.data.updates.expireMasters()

    async def is_free(self) -> bool:
        """Return whether the request is unclaimed."""
        return await self.claimed_by() is None

    async def claimed_by(self) -> int | None:
        """Return the master that has the request, or None."""
        found = await self._master.master.data.get(("buildrequests", self.request))
        return found["claimed_by_masterid"]  # type: ignore[no-any-return]


@pytest_twisted.async_fixture
async def peers(tmp_path: Path, request: Any, at_end: AtEnd) -> Peers:
    """Yield the two; ours has the sources of the parameter, or one that brings the releaser."""
    master = Master(tmp_path, *getattr(request, "param", [koji()]))
    at_end(master.stop)
    await master.start()
    peers = Peers(master)
    await peers.begin()
    return peers


@pytest.mark.parametrize("peers", [[]], indirect=True, ids=["no releaser"])
@pytest_twisted.ensureDeferred
async def test_buildbot_still_needs_it(peers: Peers) -> None:
    """Buildbot itself leaves a dead master's requests claimed."""
    await peers.expire()
    assert await peers.claimed_by() == peers.other, (
        "Buildbot releases the requests of a dead master by itself now:"
        " OrphanReleaser is not needed with this version any more"
    )


def with_a_step() -> dict[str, Any]:
    factory = util.BuildFactory([steps.KojiCall("fake", method="getAPIVersion")])
    return {"builders": [util.BuilderConfig("test", workernames=["never"], factory=factory)]}


@pytest.mark.parametrize(
    ("more", "count"),
    [
        (dict, 0),
        (with_a_step, 1),
        (lambda: {"change_source": [koji()]}, 1),
        (lambda: {"www": {"plugins": {"koji": {}}}}, 1),
        (lambda: {"services": [util.KojiOrphanReleaser()]}, 1),
        (lambda: {"services": [util.KojiOrphanReleaser()], **with_a_step()}, 1),
    ],
    ids=["nothing", "step", "source", "pages", "listed", "twice"],
)
@pytest_twisted.ensureDeferred
async def test_who_has_one(tmp_path: Path, at_end: AtEnd, more: Any, count: int) -> None:
    """A master that uses the package has one releaser from its start on, any other has none."""
    master = Master(tmp_path, **more())
    at_end(master.stop)
    await master.start()
    assert sum(isinstance(each, OrphanReleaser) for each in master.master) == count


@pytest_twisted.ensureDeferred
async def test_released(peers: Peers) -> None:
    """A dead master's requests are released, and all masters are told."""
    told: list[Any] = []
    await peers._master.master.mq.startConsuming(
        lambda key, _: told.append(key), ("buildrequests", None, "unclaimed")
    )
    await peers.expire()
    await until(lambda: told)
    assert told == [("buildrequests", str(peers.request), "unclaimed")]
    assert await peers.is_free()


@pytest_twisted.ensureDeferred
async def test_master_that_is_restarted(peers: Peers) -> None:
    """A master that was killed and restarted at once keeps its claims."""
    master = peers._master.master
    # A master that finds itself active in the database does this when it starts.
    await master.data.updates.masterStopped(name="another", masterid=peers.other)
    releaser = await OrphanReleaser.getService(master)
    await releaser._release_dead()
    assert await peers.claimed_by() == peers.other


@pytest_twisted.ensureDeferred
async def test_killed_while_it_started(peers: Peers) -> None:
    """A master releases at its start what it claimed before it was killed in an earlier one.

    It closes the builds that it had begun: a kill while it closes them leaves them to no one.
    """
    master = peers._master.master
    mine, db = master.masterid, master.db
    # Buildbot releases nothing of a master that it has declared dead already.
    await master.data.updates.masterStopped(name=master.name, masterid=mine)
    await db.buildrequests._unclaim_buildrequests_for_master([peers.request], peers.other)
    await db.buildrequests._claim_buildrequests_for_master([peers.request], 1, mine)
    source = await db.changesources.findChangeSourceId("koji")
    await db.changesources.setChangeSourceMaster(source, mine)
    left = await db.schedulers.findSchedulerId("left")
    await db.schedulers.setSchedulerMaster(left, mine)
    [builder] = await master.data.get(("builders",))
    worker = await db.workers.findWorkerId("gone")
    build, _ = await db.builds.addBuild(
        builder["builderid"], peers.request, worker, mine, state_string="created"
    )
    step, _, _ = await db.steps.addStep(build, "koji build", "waiting")
    log = await db.logs.addLog(step, "task", "task", "t")
    await peers._master.stop()
    await peers._master.start()
    master = peers._master.master
    db = master.db
    assert (await master.data.get(("builds", build)))["results"] == RETRY
    assert (await master.data.get(("steps", step)))["results"] == RETRY
    assert (await master.data.get(("logs", log)))["complete"]
    assert await peers.is_free()
    active = await db.changesources.getChangeSources(masterid=mine)
    assert [each.name for each in active] == ["KojiChangeSource-fake"]
    assert [each.name for each in await db.schedulers.getSchedulers(masterid=mine)] == ["all"]
    # What this process claims is its own.
    await db.buildrequests._claim_buildrequests_for_master([peers.request], 1, mine)
    releaser = await OrphanReleaser.getService(master)
    await releaser._release_own()
    assert not await peers.is_free()
    # A master without workers of its own, too, goes on listening.
    master.workers.workers.clear()
    await releaser._release_own()
    active = await db.changesources.getChangeSources(masterid=mine)
    assert [each.name for each in active] == ["KojiChangeSource-fake"]
    assert [each.name for each in await db.schedulers.getSchedulers(masterid=mine)] == ["all"]


@pytest_twisted.ensureDeferred
async def test_frozen(peers: Peers) -> None:
    """A master that was declared dead leaves schedulers and requests to who took them over."""
    master = peers._master.master
    scheduler = next(each for each in master.scheduler_manager if each.name == "all")
    await master.data.updates.masterStopped(name=master.name, masterid=master.masterid)
    await master.db.schedulers.setSchedulerMaster(scheduler.serviceid, None)
    await master.db.schedulers.setSchedulerMaster(scheduler.serviceid, peers.other)
    # The announcements of the other one come before its own heartbeat when it wakes up.
    guard_schedulers(master)
    asked: list[Any] = []
    guard = scheduler.gotChange
    schedule = guard._schedule

    def ask(*change: Any) -> Any:
        asked.append(change)
        return schedule(*change)

    guard._schedule = ask
    await master.data.updates.addChange(author="a", files=[], revision="0", project="p")
    await until(lambda: not scheduler._change_consumption_lock.locked)
    # The claim is checked before any scheduler works, not only by those that store a buildset.
    assert (await peers._master.scheduled(), asked) == ([], [])
    superseded: list[int] = []
    building = master.botmaster.builders["test"].building
    for request in (peers.request, 4711):
        step = SimpleNamespace(supersede=partial(superseded.append, request))
        building.append(SimpleNamespace(currentStep=step, requests=[SimpleNamespace(id=request)]))
    await master.data.updates.masterActive(name=master.name, masterid=master.masterid)
    await until(lambda: not scheduler.active)
    building.clear()
    assert superseded == [peers.request]
    await master.data.updates.addChange(author="a", files=[], revision="1", project="p")
    assert await peers._master.scheduled() == []


@pytest_twisted.ensureDeferred
async def test_frozen_within_a_write(peers: Peers) -> None:
    """A buildset is not stored whose scheduler another master takes after the last check."""
    master = peers._master.master
    [scheduler] = master.scheduler_manager
    guard, claims = scheduler.gotChange, master.db.schedulers
    schedule = guard._schedule

    async def schedule_late(*change: Any) -> Any:
        await claims.setSchedulerMaster(scheduler.serviceid, None)
        await claims.setSchedulerMaster(scheduler.serviceid, peers.other)
        return await schedule(*change)

    guard._schedule = schedule_late
    number = await master.data.updates.addChange(author="a", files=[], revision="0", project="p")
    await until(lambda: not scheduler._change_consumption_lock.locked)
    await guard(SimpleNamespace(number=number), True)
    assert await peers._master.scheduled() == []


@pytest_twisted.ensureDeferred
async def test_force_on_any_master(peers: Peers) -> None:
    """A user may force a build on a master that does not have the scheduler."""
    master = peers._master.master
    await OrphanReleaser.getService(master)
    peers._master.more["schedulers"] = [
        schedulers.AnyBranchScheduler(name="all", builderNames=["test"]),
        schedulers.ForceScheduler(name="force", builderNames=["test"]),
    ]
    await peers._master.reconfigure(*peers._master.sources)
    guard_schedulers(master)
    [force] = [each for each in master.scheduler_manager if each.name == "force"]
    await master.db.schedulers.setSchedulerMaster(force.serviceid, None)
    await master.db.schedulers.setSchedulerMaster(force.serviceid, peers.other)
    _, requests = await force.force("a user", builderNames=["test"])
    assert requests


@pytest_twisted.ensureDeferred
async def test_heartbeat(
    peers: Peers, monkeypatch: pytest.MonkeyPatch, logged_failures: list[LogEvent]
) -> None:
    """A heartbeat that met an unreachable database is not the last one."""
    master = peers._master.master
    releaser = await OrphanReleaser.getService(master)
    heartbeat, masters = master.masterHeartbeatService, master.db.masters

    def refuse(*, masterid: int, active: bool) -> Any:
        assert (masterid, active) == (master.masterid, True)
        return fail(OperationalError("UPDATE masters", {}, Exception("connection refused")))

    with monkeypatch.context() as patch:
        patch.setattr(masters, "setMasterState", refuse)
        heartbeat.stopService()
        heartbeat.startService()
        await releaser._guard()
    assert not heartbeat._loop.running, "Buildbot's heartbeat goes on: keep_heartbeat can go"
    await masters.setMasterState(masterid=master.masterid, active=False)
    await releaser._guard()
    assert heartbeat._loop.running
    logged_failures.clear()
    assert (await masters.getMaster(master.masterid)).active


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("INSERT INTO builds (", "from a running build"),
        ("INSERT INTO steps (", "from a running build"),
        ("UPDATE builds SET complete_at", "from finishing a build"),
        ("UPDATE buildrequests SET complete", "while marking build requests as completed"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_database_goes_away_while_buildbot_writes(
    tmp_path: Path, empty_home: Path, statement: str, words: str, logged_failures: list[LogEvent]
) -> None:
    """A build ends that an outage kept Buildbot from starting or finishing; its task is one."""
    bench = Workbench(tmp_path)
    await bench.open(empty_home)
    releaser = await OrphanReleaser.getService(bench.master)
    try:
        source = SOURCE.format("hello", "main")
        step = steps.KojiBuild(bench.profile, target="demo", source=source, scratch=True)
        with bench.full_disk(statement, 1):
            request = await bench.begin(step)
            await until(lambda: any(words in str(each["why"]) for each in logged_failures))
        for _ in range(2):
            await releaser.stuck.end()
        assert (await bench.ended(request)).result == "success"
        assert len(bench.hub.call("listTasks", {"method": "build"})) == 1
        # The worker takes another one.
        assert (await bench.build(step)).result == "success"
        # Buildbot's own.
        assert all("disk is full" in str(each["failure"]) for each in logged_failures)
        logged_failures.clear()
    finally:
        await bench.close()


@pytest_twisted.ensureDeferred
async def test_first_step_is_stopped_while_the_service_starts(
    tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A user who stops the step that brings the service does not stop the service's start."""
    bench = Workbench(tmp_path)
    await bench.open(empty_home)
    mine, sources = bench.master.masterid, bench.master.db.changesources
    await sources.setChangeSourceMaster(await sources.findChangeSourceId("koji"), mine)
    read, held = sources.getChangeSources, []

    @async_to_deferred
    async def read_later(**which: Any) -> Any:
        held.append(Deferred())
        await held[-1]
        return await read(**which)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(sources, "getChangeSources", read_later)
            request = await bench.begin(steps.KojiCall(bench.profile, method="getAPIVersion"))
            await until(lambda: held)
            await bench.stop_build()
            assert (await bench.ended(request)).result == "cancelled"
        held[0].callback(None)
        [releaser] = [each for each in bench.master if isinstance(each, OrphanReleaser)]
        await until(lambda: hasattr(releaser, "stuck"))
        assert await sources.getChangeSources(masterid=mine) == []
    finally:
        await bench.close()


@pytest_twisted.ensureDeferred
async def test_service_that_can_not_start(
    tmp_path: Path,
    empty_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    logged_failures: list[LogEvent],
) -> None:
    """The log says what is not done where the service fails to start; the step goes on."""
    start = LeftTasks.startService

    async def refuse(service: LeftTasks) -> None:
        await start(service)
        raise RuntimeError("planted")

    bench = Workbench(tmp_path)
    await bench.open(empty_home)
    try:
        monkeypatch.setattr(LeftTasks, "startService", async_to_deferred(refuse))
        ended = await bench.build(steps.KojiCall(bench.profile, method="getAPIVersion"))
        assert ended.result == "success"
        await until(lambda: logged_failures)
        assert [formatEvent(each) for each in logged_failures] == [
            "can't release the claims of dead masters"
        ]
        logged_failures.clear()
    finally:
        await bench.close()


@pytest.mark.parametrize("moment", ["looks for requests", "has claimed one"])
@pytest_twisted.ensureDeferred
async def test_database_goes_away_while_buildbot_looks_for_requests(
    tmp_path: Path,
    empty_home: Path,
    monkeypatch: pytest.MonkeyPatch,
    logged_failures: list[LogEvent],
    moment: str,
) -> None:
    """A request is built that an outage kept Buildbot from finding, or from beginning."""
    bench = Workbench(tmp_path)
    await bench.open(empty_home)
    releaser = await OrphanReleaser.getService(bench.master)
    lost = OperationalError("SELECT", {}, Exception("the server closed the connection"))
    requests = bench.master.data.rtypes.buildrequest
    tell = requests.generateEvent

    def lose_claim(ids: list[int], event: str) -> Any:
        return fail(lost) if event == "claimed" else tell(ids, event)

    try:
        step = steps.KojiCall(bench.profile, method="getAPIVersion")
        if moment == "has claimed one":
            with monkeypatch.context() as patch:
                patch.setattr(requests, "generateEvent", lose_claim)
                request = await bench.begin(step)
                await until(lambda: logged_failures)
            assert "from maybeStartBuild" in logged_failures.pop()["why"]
        else:
            # Buildbot looks only when it is told.
            bench.use_steps(step)
            [builder] = await bench.master.data.get(("builders",))
            _, ids = await bench.master.db.buildsets.addBuildset(
                sourcestamps=[{"codebase": "", **BRANCH}],
                reason="a test",
                properties={},
                builderids=[builder["builderid"]],
                waited_for=False,
            )
            [request] = ids.values()
        await until(lambda: not bench.master.botmaster.brd.active)
        for _ in range(2):
            await releaser.stuck.end()
        assert (await bench.ended(request)).result == "success"
        assert (await bench.build(step)).result == "success"
    finally:
        await bench.close()


@pytest_twisted.ensureDeferred
async def test_build_that_is_between_two_steps_twice(
    tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A build that has gone on since the last look is not ended."""
    bench = Workbench(tmp_path)
    await bench.open(empty_home)
    releaser = await OrphanReleaser.getService(bench.master)
    # Only this test looks.
    releaser._background.stop()
    updates = bench.master.data.updates
    finish, held = updates.finishStep, []

    @async_to_deferred
    async def finish_later(*args: Any) -> None:
        held.append(Deferred())
        await held[-1]
        await finish(*args)

    monkeypatch.setattr(updates, "finishStep", finish_later)
    try:
        first = steps.SetProperty(property="a", value="b")
        request = await bench.begin(first, steps.SetProperty(property="c", value="d"))
        # Buildbot's own step, which prepares the worker, is the first.
        for count in (1, 2, 3):
            await until(lambda: len(held) == count)  # noqa: B023 - it is called in this round
            await releaser.stuck.end()
            held[-1].callback(None)
        ended = await bench.ended(request)
        assert (ended.result, ended.attempts) == ("success", 1)
    finally:
        await bench.close()
