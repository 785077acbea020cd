"""Two masters, and all they depend on, in a random schedule of faults: nothing is lost or doubled.

``make soak`` has a long schedule, another one each time; KOJI_TEST_FAULTS sets its length. A seed
from the output of a run, in KOJI_TEST_SEED, repeats which faults there are and when.
"""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_twisted
from buildbot.process.results import EXCEPTION, FAILURE, SUCCESS
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.buildbot_koji.cluster import config, is_declared_dead, master_ids
from tests.buildbot_koji.masters import MasterProcess
from tests.buildbot_koji.processes import HubProcess
from tests.buildbot_koji.reporters.support import add_build
from tests.support import crossbar, poll, postgres
from txkoji import Connection, task_states
from txkoji.testing import FakeHub

SOAK = bool(os.environ.get("KOJI_TEST_SOAK"))
ROUNDS = int(os.environ.get("KOJI_TEST_FAULTS", 100 if SOAK else 4))
"""How many faults: a soak has each of the table several times."""

pytestmark = [
    *postgres.marks,
    *crossbar.marks,
    pytest.mark.limit(7200 if SOAK else 600),
    pytest.mark.xdist_group("router"),
]

SHORT = 42659
"""A seed whose first faults are an outage, a kill in a start, a frozen master, and the router."""
BUILD_SECONDS = 2.0
DAY = 86400.0
HOUR = 3600.0
PATIENCE = 20.0
"""Seconds after which a master is killed that does not stop, as service managers do."""
SETTLED = 120.0
"""Seconds without progress after which what has not ended counts as hanging."""
GIVEN_UP = 40.0
"""Seconds after which a build that Buildbot started before an outage counts as given up."""


CLOCK = """
import os
import time

from twisted.internet import reactor

def seconds():
    try:
        with open("FILE") as offset:
            return time.time() + float(offset.read() or 0)
    except FileNotFoundError:
        return time.time()

reactor.seconds = seconds
"""
"""The part of a master's configuration that lets it go by a clock of its own."""


class Place:
    """Two masters with a database, a router and a hub, what they have to do, and what breaks.

    Attributes:
        events: the Koji builds that were tagged, each of which is to be tested and tagged.
        requests: the source of each forced build, and its result.
        faults: how often each fault happened.
    """

    def __init__(self, directory: Path, chance: Random) -> None:
        self.directory = directory
        self.chance = chance
        self.database = postgres.PostgreSQL()
        self.router = crossbar.Crossbar()
        self.masters: list[MasterProcess] = []
        self.events: list[int] = []
        self.requests: dict[int, tuple[str, int]] = {}
        self.faults: Counter[str] = Counter()
        (directory / "hub").mkdir()
        self.hub = HubProcess(directory / "hub", build_seconds=BUILD_SECONDS)
        self._koji: Connection | None = None
        self._untagged: list[int] = []
        self._in_outage: set[int] = set()
        self._ids: dict[int, MasterProcess] = {}
        self._lost: Counter[MasterProcess] = Counter()

    async def start(self) -> None:
        hub = FakeHub(reactor, state_file=self.directory / "hub" / "hub.sqlite")
        hub.add_demo_content()
        for tag in ("candidate", "tested", "gated"):
            hub.add_tag(tag)
            hub.add_package(tag, "hello")
        self._untagged = [add_build(hub, f"e{number}") for number in range(10 * ROUNDS)]
        await hub.stop()
        await gatherResults(
            [
                Deferred.fromCoroutine(self.hub.start()),
                Deferred.fromCoroutine(self.router.start()),
                deferToThread(self.database.start),
            ]
        )
        home = Path(os.environ["HOME"])
        (home / ".koji").mkdir()
        (home / ".koji" / "config").write_text(self.hub.profile, encoding="utf-8")
        self._koji = Connection("fake", reactor=reactor)
        await self._koji.login()
        for name in ("one", "two"):
            directory = self.directory / name
            clock = CLOCK.replace("FILE", str(directory / "clock"))
            text = config(name, self.router.url) + clock
            master = MasterProcess(directory, self.hub.profile, text, self.database.url)
            await master.create()
            self.masters.append(master)
        await self.start_masters()
        self._ids = await master_ids(self.masters)

    async def start_masters(self) -> None:
        await gatherResults(Deferred.fromCoroutine(master.start()) for master in self.masters)

    async def restart_masters(self) -> None:
        for master in self.masters:
            await master.end(signal.SIGKILL)
        await self.start_masters()

    async def stop(self) -> None:
        for master in self.masters:
            await master.end(signal.SIGKILL)
        if self._koji is not None:
            await self._koji.close()
        await self.hub.end(signal.SIGKILL)
        await self.router.stop()
        await deferToThread(self.database.stop)

    @property
    def koji(self) -> Connection:
        """The hub, for its administrator."""
        assert self._koji is not None
        return self._koji

    # What there is to do

    async def tag(self, count: int) -> None:
        for _ in range(count):
            build_id = self._untagged.pop()
            await self.koji.call("tagBuildBypass", "candidate", build_id)
            self.events.append(build_id)

    async def force(self) -> None:
        package, result = self.chance.choice([("hello", SUCCESS), ("failarch", FAILURE)])
        ref = f"r{len(self.requests)}"
        master = self.chance.choice(self.masters)
        request = await master.force("build", package=package, ref=ref)
        self.requests[request] = (f"git+https://git.example.test/rpms/{package}.git#{ref}", result)

    async def suffer(self, name: str) -> None:
        """Have some work done, and a fault meanwhile."""
        fault, chance = FAULTS[name], self.chance
        self.faults[name] += 1
        await self.force()
        await self.tag(chance.randint(1, 4))
        # A moment by chance is what is to be tested.
        await deferLater(reactor, chance.uniform(0, 1.5))
        victim = chance.choice(self.masters)
        began = reactor.seconds()
        await fault.happens(self, victim)
        if fault.spares_hub:
            await self.tag(chance.randint(1, 2))
        await deferLater(reactor, chance.uniform(*fault.lasts))
        await fault.ends(self, victim)
        print(f"{name}: {reactor.seconds() - began:.1f} s", flush=True)

    # What breaks, and how that ends

    async def kill(self, victim: MasterProcess) -> None:
        await victim.end(signal.SIGKILL)

    async def kill_in_its_start(self, victim: MasterProcess) -> None:
        await victim.end(signal.SIGKILL)
        victim.spawn()
        # From before its configuration is read until after it is running.
        await deferLater(reactor, self.chance.uniform(1, 5))
        await victim.end(signal.SIGKILL)

    async def kill_in_its_stop(self, victim: MasterProcess) -> None:
        victim.send(signal.SIGTERM)
        await deferLater(reactor, self.chance.uniform(0, 1))
        await victim.end(signal.SIGKILL)

    async def stop_master(self, victim: MasterProcess) -> None:
        victim.send(signal.SIGTERM)
        limit = reactor.seconds() + PATIENCE
        while victim.alive and reactor.seconds() < limit:
            await deferLater(reactor, 0.1)
        self.faults["that never stopped"] += victim.alive
        await victim.end(signal.SIGKILL)

    async def start_master(self, victim: MasterProcess) -> None:
        await victim.start()

    async def reconfigure(self, victim: MasterProcess) -> None:
        """Give its change source and a reporter other arguments."""
        path = victim.directory / "master.cfg"
        text = path.read_text(encoding="utf-8")
        for changed in (("overlap=10", "overlap=20"), ('["test"],', '["test"], retry_for=9e5,')):
            before, after = changed if changed[1] not in text else changed[::-1]
            text = text.replace(before, after)
        path.write_text(text, encoding="utf-8")
        victim.send(signal.SIGHUP)

    async def kill_in_its_reconfiguration(self, victim: MasterProcess) -> None:
        await self.reconfigure(victim)
        await deferLater(reactor, self.chance.uniform(0, 1))
        await victim.end(signal.SIGKILL)

    async def leave_it(self, victim: MasterProcess) -> None:
        """Do nothing: it goes on by itself."""

    async def freeze(self, victim: MasterProcess) -> None:
        victim.send(signal.SIGSTOP)
        [peer] = [master for master in self.masters if master is not victim]
        [victim_id] = [number for number, master in self._ids.items() if master is victim]
        await poll(lambda: is_declared_dead(peer, victim_id))

    async def thaw(self, victim: MasterProcess) -> None:
        victim.send(signal.SIGCONT)

    async def set_master_back(self, victim: MasterProcess) -> None:
        """Its timers stop, its heartbeat too: a peer takes over from a master that still works."""
        self._set_clock(victim, -DAY)
        [peer] = [master for master in self.masters if master is not victim]
        [victim_id] = [number for number, master in self._ids.items() if master is victim]
        await poll(lambda: is_declared_dead(peer, victim_id))

    async def set_master_ahead(self, victim: MasterProcess) -> None:
        """It declares its peer dead at each of its heartbeats."""
        self._set_clock(victim, DAY)

    async def set_master_right(self, victim: MasterProcess) -> None:
        self._set_clock(victim, 0.0)

    def _set_clock(self, victim: MasterProcess, offset: float) -> None:
        new = victim.directory / "clock.new"
        new.write_text(str(offset), encoding="utf-8")
        # The master reads it at any moment.
        new.replace(victim.directory / "clock")

    async def halt_database(self, victim: MasterProcess) -> None:
        await self._note_pending(victim)
        await deferToThread(self.database.halt)

    async def resume_database(self, _: MasterProcess) -> None:
        await deferToThread(self.database.resume)
        await self._restart_who_lost_a_build()

    async def make_database_read_only(self, victim: MasterProcess) -> None:
        await self._note_pending(victim)
        await deferToThread(self.database.set_read_only, True)

    async def make_database_writable(self, _: MasterProcess) -> None:
        await deferToThread(self.database.set_read_only, False)
        await self._restart_who_lost_a_build()

    async def _note_pending(self, victim: MasterProcess) -> None:
        pending = (await victim.get("buildrequests?complete=false"))["buildrequests"]
        self._in_outage |= {each["buildrequestid"] for each in pending}

    async def _restart_who_lost_a_build(self) -> None:
        """Restart the masters of which Buildbot says that it gave up a build, as documented."""
        for master in self.masters:
            lost = master.log.count("this is a serious error")
            if lost > self._lost[master]:
                self.faults["that lost a build"] += 1
                await master.end(signal.SIGKILL)
                await master.start()
            self._lost[master] = lost

    async def kill_router(self, _: MasterProcess) -> None:
        await self.router.kill()

    async def start_router(self, _: MasterProcess) -> None:
        """Restart the masters too: without a router Buildbot's own stop may never end."""
        await self.router.start()
        await self.restart_masters()

    async def kill_hub(self, _: MasterProcess) -> None:
        await self.hub.end(signal.SIGKILL)

    async def start_hub(self, _: MasterProcess) -> None:
        await self.hub.start()

    async def set_hub_back(self, _: MasterProcess) -> None:
        await self.hub.end()
        self.hub.clock_offset = -HOUR
        await self.hub.start()

    async def set_hub_right(self, _: MasterProcess) -> None:
        await self.hub.end()
        self.hub.clock_offset = 0.0
        await self.hub.start()

    # What there must be in the end

    async def check(self) -> None:
        """Each event has one change, one test, one tagging; each request has one task."""
        had_outage = any(self.faults[f"the database is {how}"] for how in ("away", "read-only"))
        late = await self.until_finished(GIVEN_UP if had_outage else SETTLED)
        if late and had_outage:
            # Buildbot gave up a build without a word that tells so: as documented, restart it.
            self.faults["that lost a build"] += 1
            await self.restart_masters()
            late = await self.until_finished(SETTLED)
        assert not late, (
            late,
            await self.attempts_at({each[1] for each in late if len(each) == 2}),
        )
        one = self.masters[0]
        builders = {
            each["name"]: each["builderid"] for each in (await one.get("builders"))["builders"]
        }
        changes = (await one.get("changes?limit=100000"))["changes"]
        found = Counter(change["properties"]["koji_build_id"][0] for change in changes)
        assert found == dict.fromkeys(self.events, 1)
        for builder in ("test", "more"):
            path = f"builders/{builders[builder]}/buildrequests"
            requests = (await one.get(path))["buildrequests"]
            assert len(requests) == len(self.events), builder
        for tag in ("tested", "gated"):
            assert await self.tagged(tag) == dict.fromkeys(self.events, 1), tag
        tasks = await self.koji.listTasks({"method": "build"}, {"limit": 100000})
        sources = Counter(task.params["src"] for task in tasks)
        assert sources == dict.fromkeys((source for source, _ in self.requests.values()), 1)
        for request, (source, result) in self.requests.items():
            # Who declares a master dead may close a build of its that ends just then.
            [found] = (await one.get(f"buildrequests/{request}"))["buildrequests"]
            # Buildbot does not retry its own last writes of a step: it is an exception then.
            allowed = {result, EXCEPTION} if request in self._in_outage else {result}
            assert found["results"] in allowed, (source, found)
        for master in self.masters:
            ours = [each for each in master.errors if "koji/" in each]
            if self._in_outage:
                # Buildbot logs what it met of the outage, from whomever it called.
                words = ("OperationalError", "read-only transaction")
                ours = [each for each in ours if not any(word in each for word in words)]
            assert ours == []

    async def until_finished(self, seconds: float) -> list[Any]:
        """Wait until all has ended, or nothing has for so long; return what has not by then."""
        before: list[Any] = []
        limit = reactor.seconds() + seconds
        while (late := await self.unfinished()) and reactor.seconds() < limit:
            if late != before:
                before, limit = late, reactor.seconds() + seconds
            await deferLater(reactor, 0.5)
        return late

    async def unfinished(self) -> list[Any]:
        """Return what has not ended."""
        late = []
        for kind in ("buildrequests", "builds"):
            late += (await self.masters[0].get(f"{kind}?complete=false"))[kind]
        for tag in ("tested", "gated"):
            tagged = await self.tagged(tag)
            late += [(tag, build_id) for build_id in self.events if build_id not in tagged]
        late += await self.koji.listTasks({"state": list(task_states.ACTIVE_GROUP)})
        return late

    async def attempts_at(self, build_ids: set[int]) -> list[dict[str, Any]]:
        """Return the requests and builds of the tests of some Koji builds, to see what was lost."""
        found = []
        one = self.masters[0]
        for build in (await one.get("builds?limit=100000"))["builds"]:
            properties = await one.properties(build)
            if properties.get("koji_build_id") in build_ids:
                request = await one.get(f"buildrequests/{build['buildrequestid']}")
                found += [build, *request["buildrequests"]]
        return found

    async def tagged(self, tag: str) -> Counter[int]:
        """Return how many tasks each Koji build has that tag it."""
        tag_id = await self.koji.getTagID(tag)
        tasks = await self.koji.listTasks({"method": "tagBuild"}, {"limit": 100000})
        requests = [task["request"] for task in tasks]
        return Counter(request[1] for request in requests if request[0] == tag_id)


Change = Callable[[Place, MasterProcess], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """What breaks.

    Attributes:
        happens: breaks it.
        ends: heals it.
        lasts: the range of the seconds in between.
        spares_hub: whether the hub answers meanwhile.
    """

    happens: Change
    ends: Change
    lasts: tuple[float, float] = (0.0, 1.0)
    spares_hub: bool = True


FAULTS = {
    "a master is killed": Fault(Place.kill, Place.start_master),
    "a master is killed while it starts": Fault(Place.kill_in_its_start, Place.start_master),
    "a master is killed while it stops": Fault(Place.kill_in_its_stop, Place.start_master),
    "a master is stopped": Fault(Place.stop_master, Place.start_master),
    "a master is reconfigured": Fault(Place.reconfigure, Place.leave_it, (0.5, 2.0)),
    "a master is killed while it reconfigures": Fault(
        Place.kill_in_its_reconfiguration, Place.start_master
    ),
    "a master is frozen": Fault(Place.freeze, Place.thaw),
    "the database is away": Fault(Place.halt_database, Place.resume_database, (2.0, 5.0)),
    "the database is read-only": Fault(
        Place.make_database_read_only, Place.make_database_writable, (2.0, 5.0)
    ),
    "the router is killed": Fault(Place.kill_router, Place.start_router),
    "the hub is killed": Fault(Place.kill_hub, Place.start_hub, spares_hub=False),
    "a master's clock is set back": Fault(
        Place.set_master_back, Place.set_master_right, (1.0, 3.0)
    ),
    "a master's clock is set ahead": Fault(
        Place.set_master_ahead, Place.set_master_right, (3.0, 6.0)
    ),
    "the hub's clock is set back": Fault(Place.set_hub_back, Place.set_hub_right, (1.0, 3.0)),
}


@pytest_twisted.ensureDeferred
async def test_faults(tmp_path: Path) -> None:
    """Whatever breaks, each event becomes one change and each request one task, and all end."""
    seed = int(
        os.environ.get("KOJI_TEST_SEED", Random().randrange(1, 1_000_000) if SOAK else SHORT)
    )
    print(f"KOJI_TEST_SEED={seed}")
    chance = Random(seed)
    rounds = [chance.sample(list(FAULTS), len(FAULTS)) for _ in range(-(-ROUNDS // len(FAULTS)))]
    place = Place(tmp_path, chance)
    try:
        begun = reactor.seconds()
        await place.start()
        print(f"started after {reactor.seconds() - begun:.1f} s", flush=True)
        for name in [name for each in rounds for name in each][:ROUNDS]:
            await place.suffer(name)
        await place.check()
        print(
            f"{len(place.events)} events, {len(place.requests)} requests, {dict(place.faults)}:"
            f" 0 lost, 0 doubled, 0 hanging; {reactor.seconds() - begun:.0f} s"
        )
    finally:
        await place.stop()
