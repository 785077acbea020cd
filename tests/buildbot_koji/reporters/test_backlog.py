"""What a reporter finds to do, in a real master whose builds are rows of the database."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import mock
import pytest
import pytest_twisted
from buildbot.plugins import schedulers, util
from buildbot.process.results import RETRY, SUCCESS
from buildbot.reporters import utils
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred, fail, gatherResults, succeed
from twisted.logger import capturedLogs, formatEvent

from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.outbox import Accepted, Attempt, Refused
from buildbot_koji.durable.store import BuildData
from buildbot_koji.reporters import records
from buildbot_koji.reporters.base import REDELIVER, KojiReporter
from buildbot_koji.reporters.tagging import KojiTagReporter
from tests.buildbot_koji.inprocess import Master
from tests.support import poll, until

HOUR = 3600.0


class Ledger(KojiReporter):
    """Records each successful build."""

    written: ClassVar[list[int]] = []
    refusing = False

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.sender = LedgerSender()

    async def deliveries(self, build: Mapping[str, Any]) -> Sequence[Delivery] | None:
        if not build["complete"]:
            return []
        return [Delivery(build["buildid"], "note", f"{build['buildid']}", {}, 0.0)]


class LedgerSender:
    """Writes into the ledger."""

    async def send(self, delivery: Delivery, attempt: Attempt) -> str | Accepted:
        del attempt
        if Ledger.refusing:
            raise Refused("the ledger is closed")
        Ledger.written.append(delivery.build_id)
        return "written down"

    async def follow(self, delivery: Delivery) -> str:
        raise NotImplementedError(delivery.name)


class Gate(KojiTagReporter):
    """Records what it would tag."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.sender = LedgerSender()


class House:
    """A master with a ledger, and builds as if it, or another master, had run them."""

    def __init__(self, directory: Path) -> None:
        self.shell = Master(directory)
        self.shell.more = {"services": []}

    async def start(self, *, ledger: bool = True) -> None:
        self.shell.more = {"services": [Ledger(name="ledger")] if ledger else []}
        await self.shell.start()

    async def restart(self) -> None:
        await self.shell.stop()
        await self.start()

    @property
    def master(self) -> Any:
        return self.shell.master

    @property
    def ledger(self) -> Any:
        return self.master.service_manager.namedServices["ledger"]

    async def build(
        self,
        *,
        builder: str = "test",
        result: int | None = SUCCESS,
        master_id: int | None = None,
        tell: bool = False,
    ) -> int:
        """Add a build; returns its id. Without a result it runs."""
        data, db = self.master.data, self.master.db
        builder_id = (await data.get(("builders", builder)))["builderid"]
        _, requests = await data.updates.addBuildset(
            waited_for=False,
            builderids=[builder_id],
            sourcestamps=[{"codebase": "", "repository": "", "project": ""}],
        )
        [request] = requests.values()
        if master_id is None:
            master_id = int(self.master.masterid)
        await self._claim(request, master_id)
        worker = await db.workers.findWorkerId("never")
        build_id, _ = await db.builds.addBuild(
            builderid=builder_id,
            buildrequestid=request,
            workerid=worker,
            masterid=master_id,
            state_string="",
        )
        if result is not None:
            await self.finish(build_id, result, tell=tell)
        return int(build_id)

    async def finish(self, build_id: int, result: int = SUCCESS, *, tell: bool = False) -> None:
        """End a build; sends the event only if asked to."""
        db = self.master.db
        build = await db.builds.getBuild(build_id)
        request = await db.buildrequests.getBuildRequest(build.buildrequestid)
        if request.claimed_by_masterid is None:
            # A start of the master has released it.
            await self._claim(build.buildrequestid, build.masterid)
        await (self.master.data.updates if tell else db.builds).finishBuild(build_id, result)
        if result != RETRY:
            await db.buildrequests.completeBuildRequests([build.buildrequestid], result)

    async def _claim(self, request: int, master_id: int) -> None:
        now = int(self.shell.reactor.seconds())
        requests = self.master.db.buildrequests
        await requests._claim_buildrequests_for_master([request], now, master_id)

    async def begin_again(self, build_id: int) -> int:
        """Add another attempt of a build's request on this master, which runs."""
        builds = self.master.db.builds
        found = await builds.getBuild(build_id)
        again, _ = await builds.addBuild(
            builderid=found.builderid,
            buildrequestid=found.buildrequestid,
            workerid=found.workerid,
            masterid=self.master.masterid,
            state_string="",
        )
        return int(again)

    async def scan(self) -> None:
        """Let the ledger scan, as it does every five minutes."""
        await self.ledger._backlogs._scan()

    async def state(self, master_id: int | None = None) -> dict[str, Any]:
        """Return the stored position of the ledger."""
        object_id = await self.master.db.state.getObjectId("ledger", records.CLASS)
        key = f"master-{master_id or self.master.masterid}"
        found: dict[str, Any] = await self.master.db.state.getState(object_id, key)
        return found

    def write_state(self, text: str) -> None:
        """Store a position of the ledger that no version may have written."""
        with sqlite3.connect(self.shell.directory / "state.sqlite") as database:
            changed = database.execute(
                "UPDATE object_state SET value_json = ? WHERE name = 'master-1' AND objectid ="
                " (SELECT id FROM objects WHERE name = 'ledger')",
                (text,),
            )
        assert changed.rowcount == 1


@pytest_twisted.async_yield_fixture
async def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[House]:
    monkeypatch.setattr(Ledger, "written", [])
    monkeypatch.setattr(Ledger, "refusing", False)
    house = House(tmp_path)
    yield house
    await house.shell.stop()


async def written(count: int) -> list[int]:
    """Wait until so many builds are written down; returns them in order of their ids."""
    await until(lambda: len(Ledger.written) >= count)
    return sorted(Ledger.written)


@pytest_twisted.ensureDeferred
async def test_first_start(house: House) -> None:
    """The very first start reports builds that end from then on, also those already running."""
    await house.start(ledger=False)
    await house.build()
    begun = await house.build(result=None)
    await house.build()
    # Buildbot keeps times in whole seconds.
    house.shell.more = {"services": [Ledger(name="ledger")]}
    house.shell.reactor.ahead += 2
    await house.shell.reconfigure()
    await house.finish(begun, tell=True)
    new = await house.build(tell=True)
    assert await written(2) == [begun, new]


@pytest_twisted.ensureDeferred
async def test_event_that_did_not_come(house: House) -> None:
    """A build whose end event was lost is found at the next scan, once."""
    await house.start()
    build = await house.build()
    await house.scan()
    assert await written(1) == [build]
    await house.scan()
    await house.restart()
    await house.scan()
    assert Ledger.written == [build]


@pytest_twisted.ensureDeferred
async def test_ended_before_the_start(house: House) -> None:
    """A build that ended while no reporter ran is found at the next start."""
    await house.start()
    await house.shell.stop()
    await house.start(ledger=False)
    builds = [await house.build(), await house.build(result=RETRY), await house.build()]
    await house.shell.stop()
    await house.start()
    assert await written(2) == [builds[0], builds[2]]


@pytest_twisted.ensureDeferred
async def test_unknown_builder(house: House) -> None:
    """A builder that the master lacks is logged: it may be misspelled."""
    with capturedLogs() as events:
        house.shell.more = {"services": [Ledger(name="ledger", builders=["test", "tset"])]}
        await house.shell.start()
    [said] = [formatEvent(event) for event in events if "no builder" in formatEvent(event)]
    assert said.startswith("ledger: this master has no builder tset")


@pytest_twisted.ensureDeferred
async def test_mark(house: House) -> None:
    """The mark follows the builds; below it, only unsettled ones are stored."""
    await house.start()
    long = await house.build(result=None)
    for _ in range(5):
        await house.build(tell=True)
    last = await house.build(tell=True)
    await written(6)
    for _ in range(2):
        await house.scan()
    state = await house.state()
    expected = {"mark": last + 1, "open": [long], "done": [], "dead": [], "revived": []}
    assert {name: state[name] for name in expected} == expected
    await house.shell.stop()
    await house.start(ledger=False)
    await house.finish(long)
    await house.restart()
    await written(7)
    await house.scan()
    assert (await house.state())["open"] == []


@pytest_twisted.ensureDeferred
async def test_database_is_away(house: House, logged_failures: list[Any]) -> None:
    """A build whose delivery can't be stored is taken up again at the next scan."""
    await house.start()
    with mock.patch.object(BuildData, "put", autospec=True) as store:
        store.side_effect = OSError("database is locked")
        build = await house.build(tell=True)
        await until(lambda: logged_failures)
        await house.scan()
    await house.scan()
    assert await written(1) == [build]
    assert all(event["log_failure"].check(OSError) for event in logged_failures)
    logged_failures.clear()


@pytest_twisted.ensureDeferred
async def test_stopped_while_it_reads(house: House, logged_failures: list[Any]) -> None:
    """A stop within several reads of Buildbot's says nothing; the next start takes the build up."""
    await house.start()
    reading = Deferred[None]()
    with mock.patch.object(utils, "getDetailsForBuild") as read:
        read.side_effect = lambda *_, **__: gatherResults([reading], consumeErrors=True)
        build = await house.build(tell=True)
        await until(lambda: read.called)
        await house.shell.stop()
    await house.start()
    assert await written(1) == [build]
    assert logged_failures == []


@pytest_twisted.ensureDeferred
async def test_unreadable_deliveries(house: House, logged: list[str]) -> None:
    """A delivery that can't be read is left alone until a start that can; the others are sent."""
    await house.start()
    builds = [await house.build(result=None) for _ in range(4)]
    row = records.DeliveryRecords(house.master, "ledger").name_of("note")
    data = BuildData(house.master, "ledger")
    delivery = json.loads(Delivery(builds[0], "note", "1", {}, 0.0).to_json())
    newer = [{**delivery, "urgency": 3}, {**delivery, "state": "parked"}]
    stored = [*[json.dumps(each).encode() for each in newer], json.dumps(delivery).encode()[:-7]]
    for build, value in zip(builds, stored, strict=False):
        await data.put(build, row, value)
    for build in builds:
        await house.finish(build, tell=True)
    assert await written(1) == [builds[3]]
    for _ in range(3):
        await house.scan()
    for build, value in zip(builds, stored, strict=False):
        assert await data.get(build, row) == value
        assert len([line for line in logged if f"ledger: {row} of build {build}: " in line]) == 1
    assert await records.dead_letters(house.master, "ledger") == []
    # The master is upgraded.
    await BuildData(house.master, "ledger").put(builds[0], row, json.dumps(delivery).encode())
    await house.restart()
    assert await written(2) == [builds[0], builds[3]]


@pytest.mark.parametrize("stored", ['{"mark": 1, "op', '{"mark": 1}', "[]", '"lanes": {}'])
@pytest_twisted.ensureDeferred
async def test_unreadable_position(house: House, stored: str, logged: list[str]) -> None:
    """A reporter whose position can't be read reports nothing, and resumes once it can."""
    await house.start()
    build = await house.build(tell=True)
    await written(1)
    good = json.dumps(await house.state())
    unreadable = f"{good[:-1]}, {stored}}}" if stored.startswith('"') else stored
    await house.shell.stop()
    house.write_state(unreadable)
    house.shell.more = {"services": [Ledger(name="ledger"), Ledger(name="second")]}
    await house.shell.start()
    missed = await house.build(tell=True)
    assert await written(2) == [build, missed]
    await house.scan()
    said = f"ledger: no build of master {house.master.masterid} is reported: "
    assert len([line for line in logged if said in line]) == 1
    assert await records.dead_letters(house.master, "ledger") == []
    house.write_state(good)
    await house.scan()
    assert await written(3) == [build, missed, missed]


@pytest.mark.limit(60)
@pytest_twisted.ensureDeferred
async def test_vote_in_an_outage(house: House) -> None:
    """A vote whose event can't be read, as the database is away, is counted after the outage."""
    _, ours, theirs = await open_gate(house)
    data = house.master.data
    await house.finish(theirs)
    get, lost = data.get, list[Any]()

    def end(path: tuple[Any, ...], *args: Any, **kwargs: Any) -> Any:
        if path == ("builds", theirs) and not lost:
            lost.append(path)
            return fail(OperationalError("SELECT", {}, Exception("server closed")))
        return get(path, *args, **kwargs)

    with mock.patch.object(data, "get", end):
        house.master.mq.produce(("builds", str(theirs), "finished"), {"buildid": theirs})
        assert await written(1) == [ours]
    assert lost


@pytest.mark.parametrize(("restarted", "died"), [(False, False), (True, False), (True, True)])
@pytest_twisted.ensureDeferred
async def test_vote_of_a_build_that_a_peer_closed(
    house: House, restarted: bool, died: bool
) -> None:
    """The result of a build that was closed with RETRY is its request's, also as a vote.

    Its last attempt, on a master that died before it stored a property, counts as well.
    """
    gate, ours, theirs = await open_gate(house)
    db = house.master.db
    # Its own master's result is overwritten by the one that closes the builds of a dead master.
    await house.finish(theirs, RETRY, tell=True)
    await until(lambda: gate._gates._undecided == {theirs})
    request = (await db.builds.getBuild(theirs)).buildrequestid
    if died:
        peer = (await db.builds.getBuild(theirs)).masterid
        await db.buildrequests._unclaim_buildrequests_for_master([request], peer)
        await house._claim(request, house.master.masterid)
        ours = await house.begin_again(theirs)
        await db.builds.finishBuild(ours, RETRY)
    await db.buildrequests.completeBuildRequests([request], SUCCESS)
    if restarted:
        await house.shell.stop()
        await start_gate(house)
    assert await written(1) == [ours]


@pytest_twisted.ensureDeferred
async def test_vote_is_missed_while_the_votes_are_read(house: House) -> None:
    """Votes of which one is missed while they are read are read again: it may not be among them."""
    await start_gate(house)
    [reporter] = house.master.service_manager
    gates = reporter._gates
    await gates._known_votes()
    read, begun = gates._read_votes, Deferred[None]()

    async def late() -> Any:
        votes = await read()
        await begun
        return votes

    gates._votes = None
    with mock.patch.object(gates, "_read_votes", side_effect=late) as reading:
        known = Deferred.fromCoroutine(gates._known_votes())
        await until(lambda: reading.called)
        reporter.missed()
        begun.callback(None)
        await known
    assert reading.call_count == 2


async def open_gate(house: House) -> tuple[Any, int, int]:
    """Have a gate wait for another master's build; returns the gate, our build and theirs."""
    await start_gate(house)
    data = house.master.data
    peer = await house.master.db.masters.findMasterId("another")
    await data.updates.masterActive(name="another", masterid=peer)
    theirs = await house.build(builder="other", result=None, master_id=peer)
    # The newest is the one that is reported.
    ours = await house.build(result=None)
    for build in (ours, theirs):
        await data.updates.setBuildProperty(build, "koji_build_id", 7, "test")
    await house.finish(ours, tell=True)
    [gate] = house.master.service_manager
    await until(lambda: gate.gates())
    return gate, ours, theirs


async def start_gate(house: House) -> None:
    """Start a master with a gate that requires two builders."""
    builders = [
        util.BuilderConfig(name, "never", factory=util.BuildFactory(), canStartBuild=never)
        for name in ("test", "other")
    ]
    gate = Gate(
        profile="fake", name="gate", requires=["test", "other"], on_success={"tag": "tested"}
    )
    house.shell.more = {
        "services": [gate],
        "builders": builders,
        "schedulers": [schedulers.Triggerable(name="all", builderNames=["test", "other"])],
    }
    await house.shell.start()


def never(*_: object) -> bool:
    return False


@pytest_twisted.ensureDeferred
async def test_revived_before_a_crash(house: House) -> None:
    """A revived dead letter is retried, even if the master dies first."""
    build = await with_a_dead_letter(house)
    await house.restart()
    state = await house.state()
    assert state["dead"] == [[build, "note"]]
    # As if the master had died when someone had just asked for it.
    object_id = await house.master.db.state.getObjectId("ledger", records.CLASS)
    asked = {**state, "dead": [], "revived": state["dead"]}
    await house.master.db.state.setState(object_id, f"master-{house.master.masterid}", asked)
    Ledger.refusing = False
    await house.restart()
    assert await written(1) == [build]
    await poll(lambda: nothing_dead(house))


@pytest_twisted.ensureDeferred
async def test_redelivery(house: House) -> None:
    """A request for another reporter's dead letters does not return these."""
    build = await with_a_dead_letter(house)
    Ledger.refusing = False
    house.master.mq.produce(REDELIVER, {"reporter": "another"})
    await house.scan()
    assert Ledger.written == []
    house.master.mq.produce(REDELIVER, {"reporter": "ledger"})
    assert await written(1) == [build]
    await poll(lambda: nothing_dead(house))


@pytest_twisted.ensureDeferred
async def test_two_letters_die_at_once(house: House) -> None:
    """Both are stored, though the first waits longer for the check of the claim."""
    await house.start()
    [backlog] = house.ledger._backlogs._backlogs.values()
    checked = Deferred[None]()
    with mock.patch.object(backlog._claim, "check", side_effect=[checked, succeed(None)]):
        backlog._list_dead((1, "note"))
        storing = Deferred.fromCoroutine(backlog._store())
        backlog._list_dead((2, "note"))
        await backlog._store()
        checked.callback(None)
        await storing
    assert (await house.state())["dead"] == [[1, "note"], [2, "note"]]


async def with_a_dead_letter(house: House) -> int:
    """Start a master whose ledger refuses; returns the build that it refused."""
    Ledger.refusing = True
    await house.start()
    build = await house.build(tell=True)

    async def is_dead() -> bool:
        return bool((await house.state())["dead"])

    await poll(is_dead)
    return build


async def nothing_dead(house: House) -> bool:
    state = await house.state()
    return state["dead"] == state["revived"] == []


@pytest_twisted.ensureDeferred
async def test_master_that_is_gone(house: House) -> None:
    """The first living master reports what a gone one left, until that one is back."""
    await house.start()
    master = house.master
    other = await master.db.masters.findMasterId("another")
    await master.data.updates.masterActive(name="another", masterid=other)
    object_id = await master.db.state.getObjectId("ledger", records.CLASS)
    begun = {"mark": 0, "first": 0, "open": [], "done": [], "dead": [], "revived": []}
    await master.db.state.setState(object_id, f"master-{other}", begun)
    build = await house.build(master_id=other)
    await house.scan()
    assert Ledger.written == []
    # It stopped just now, and may be only restarted.
    await master.data.updates.masterStopped(name="another", masterid=other)
    await house.scan()
    assert Ledger.written == []
    house.shell.reactor.ahead += HOUR
    await master.data.updates.masterActive(name=master.name, masterid=master.masterid)
    await house.scan()
    assert await written(1) == [build]
    await master.data.updates.masterActive(name="another", masterid=other)
    await until(lambda: house.ledger._backlogs.masters == {master.masterid})
    await house.build(master_id=other, tell=True)
    await house.scan()
    assert Ledger.written == [build]


@pytest_twisted.ensureDeferred
async def test_another_master_took_over(house: House, logged_failures: list[Any]) -> None:
    """A reporter that was frozen while another one reported its builds does not report them."""
    await house.start()
    mine = house.master.masterid
    state = house.ledger._backlogs._backlogs[mine]._state
    await state.put(f"claim-{mine}", "of the other master")
    build = await house.build(tell=True)
    await until(lambda: mine not in house.ledger._backlogs.masters)
    assert Ledger.written == []
    # It is alive: the reports are its own again, and the other one sees that.
    await until(lambda: Ledger.written == [build])
    assert logged_failures == []


@pytest_twisted.ensureDeferred
async def test_clock_is_set_back(house: House) -> None:
    """What ends after the reporter's first start is reported, whatever the time says."""
    await house.start(ledger=False)
    earlier = await house.build()
    await house.restart()
    house.shell.reactor.ahead = -HOUR
    later = await house.build(tell=True)
    assert await written(1) == [later]
    await house.ledger.noticed(await house.master.data.get(("builds", earlier)))
    await house.scan()
    assert earlier not in Ledger.written


@pytest_twisted.ensureDeferred
async def test_build_that_a_peer_closed(house: House) -> None:
    """A build that ends although a peer declared its master dead is reported with its result."""
    await house.start()
    ended, late, retried = [await house.build(result=None) for _ in range(3)]
    builds = house.master.db.builds
    for build in (ended, late, retried):
        await house.finish(build, RETRY)
    request = (await builds.getBuild(ended)).buildrequestid
    await house.master.db.buildrequests.completeBuildRequests([request], SUCCESS)
    again = await house.begin_again(retried)
    await house.scan()
    assert await written(1) == [ended]
    for build in (late, again):
        await house.finish(build)
    await house.scan()
    assert await written(3) == [ended, late, again]


@pytest_twisted.ensureDeferred
async def test_build_of_a_request_that_another_master_runs(house: House) -> None:
    """A frozen master's build is not reported if another master runs its request by now.

    A request that is only released has no other build yet: a restart of the same master does that.
    """
    await house.start()
    requests = house.master.db.buildrequests
    taken, released = [await house.build(result=None) for _ in range(2)]
    for build in (taken, released):
        found = await house.master.data.get(("builds", build))
        await requests.unclaimBuildRequests([found["buildrequestid"]])
        if build == taken:
            request = found["buildrequestid"]
            other = await house.master.db.masters.findMasterId("another")
            await house._claim(found["buildrequestid"], other)
        await house.master.db.builds.finishBuild(build, SUCCESS)
    ours = await house.build()
    await house.scan()
    await until(lambda: sorted(Ledger.written) == sorted([released, ours]))
    # The frozen one completes the request, and the other one dies before it begins a build.
    await requests.completeBuildRequests([request], SUCCESS)
    await house.scan()
    assert taken not in Ledger.written
    house.shell.reactor.ahead += 100
    await house.scan()
    assert await written(3) == [taken, released, ours]
