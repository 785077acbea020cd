"""Two masters that share a database: nothing is lost or doubled when one of them is killed."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import pytest_twisted
from buildbot.process.results import CANCELLED, RETRY, SUCCESS
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.threads import deferToThread

from tests.buildbot_koji.cluster import PACKAGES, config, master_ids, owner
from tests.buildbot_koji.masters import MasterProcess
from tests.buildbot_koji.reporters.support import add_build, settled
from tests.support import PROCESS_LIMIT, crossbar, free_port, mariadb, poll, postgres, until
from tests.support.cables import Cable
from txkoji import task_states
from txkoji.testing import FakeHub

pytestmark = [
    *crossbar.marks,
    pytest.mark.limit(600),
    pytest.mark.xdist_group("router"),
]


LOGIN = """\
authtype = password
user = kojiadmin
password = kojiadmin"""


class Cluster:
    """A hub, a database, a router and two masters."""

    def __init__(
        self,
        directory: Path,
        router: crossbar.Crossbar,
        server: type[postgres.PostgreSQL | mariadb.MariaDB],
    ) -> None:
        self.directory = directory
        self.router = router
        self.hub = FakeHub(reactor, build_seconds=1, anonymous_user="kojiadmin")
        self.database = server()
        self.masters: list[MasterProcess] = []
        self.cables: dict[MasterProcess, Cable] = {}

    async def start(self) -> None:
        self.hub.add_demo_content()
        for tag in ("candidate", "tested", "gated"):
            self.hub.add_tag(tag)
            self.hub.add_package(tag, "hello")
        await self.hub.start()
        await deferToThread(self.database.start)
        for name in ("one", "two"):
            text = config(name, self.router.url, PACKAGES)
            directory = self.directory / name
            port = int(self.hub.url.split(":")[2].split("/")[0])
            cable = Cable(port)
            profile = self.hub.profile_text().replace(f":{port}", f":{cable.start()}")
            profile = profile.replace("authtype = noauth", LOGIN)
            master = MasterProcess(directory, profile, text, self.database.url)
            self.masters.append(master)
            self.cables[master] = cable
        # Two that make the same tables at once would get in each other's way.
        for master in self.masters:
            await master.create()
        await gatherResults(Deferred.fromCoroutine(master.start()) for master in self.masters)
        # What happens before the source has its cursor becomes no change.
        await until(lambda: self.hub.calls["queryHistory"])

    async def stop(self) -> None:
        for master in self.masters:
            await master.end(signal.SIGKILL)
            await self.cables[master].stop()
        await deferToThread(self.database.stop)
        await self.hub.stop()

    def tasks(self, method: str) -> list[dict[str, Any]]:
        return sorted(self.hub.state.rows("task", method=method), key=lambda task: task["id"])

    def tagged(self, tag: str) -> Counter[int]:
        """Return how many tasks each Koji build has that tag it."""
        tag_id = self.hub.call("getTagID", tag)
        requests = [task["request"] for task in self.tasks("tagBuild")]
        return Counter(request[1] for request in requests if request[0] == tag_id)

    def mass_tasks(self) -> list[int]:
        """Return how many tasks each package of the mass build has that was submitted."""
        sources = [str(task["request"][0]) for task in self.tasks("build")]
        return list(Counter(each for each in sources if "/rpms/p" in each).values())

    def is_idle(self) -> bool:
        """Tell whether the hub has no build and no tagging left to do."""
        tasks = [*self.tasks("build"), *self.tasks("tagBuild")]
        return all(task["state"] in task_states.DONE_GROUP for task in tasks)

    def set_hosts(self, change: str) -> None:
        """Let the hub's builders take tasks (``enableHost``), or not (``disableHost``)."""
        for host in self.hub.call("listHosts"):
            self.hub.call(change, host["name"])


@pytest_twisted.async_yield_fixture(scope="module")
async def router() -> AsyncIterator[crossbar.Crossbar]:
    """Yield a router for all: it takes long to start."""
    router = crossbar.Crossbar()
    await router.start()
    yield router
    await router.stop()


@pytest_twisted.async_yield_fixture(
    params=[
        pytest.param(postgres.PostgreSQL, marks=postgres.marks, id="postgresql"),
        pytest.param(mariadb.MariaDB, marks=mariadb.marks, id="mariadb"),
    ]
)
async def cluster(
    tmp_path: Path, router: crossbar.Crossbar, request: pytest.FixtureRequest
) -> AsyncIterator[Cluster]:
    cluster = Cluster(tmp_path, router, request.param)
    try:
        await cluster.start()
        yield cluster
    finally:
        await cluster.stop()


async def results_of(master: MasterProcess) -> dict[int, list[dict[str, Any]]]:
    """Return the finished builds of the tests by the Koji build that they are about."""
    found: dict[int, list[dict[str, Any]]] = {}
    builds = (await master.get("builders/test/builds"))["builds"]
    for build in builds:
        if build["complete"] and build["results"] == SUCCESS:
            properties = await master.properties(build)
            found.setdefault(int(properties["koji_build_id"]), []).append(build)
    return found


async def running(master: MasterProcess, request: int) -> dict[str, Any] | None:
    """Return the build of a request whose task is known, or None."""
    builds = await master.builds(request)
    if builds and "koji_task_id" in await master.properties(builds[-1]):
        return builds[-1]
    return None


@pytest_twisted.ensureDeferred
async def test_a_master_is_killed(cluster: Cluster) -> None:
    """One change an event, one report a build; what a killed master was at, the other finishes."""
    hub = cluster.hub
    one = cluster.masters[0]
    ids = await master_ids(cluster.masters)
    # Both live, one listens to Koji.
    first = await poll(lambda: owner(one))
    # The button of either's page works.
    for number, master in ids.items():
        said = await poll_now(master)
        assert said.startswith("koji polls now"), said
        assert (", on the master " in said) == (number != first)
    builds = [add_build(hub, f"a{number}", "candidate") for number in range(6)]

    await until(lambda: len(cluster.tagged("gated")) == len(cluster.tagged("tested")) == 6)
    await until(cluster.is_idle)
    begun = reactor.seconds()
    # Each master runs a build of Koji's, none of which ends, and no build gets tagged any more.
    hub.builder.seconds = 3600
    requests = [await one.force("build", ref=ref, target="demo") for ref in ("b1", "b2")]
    attempts = [await poll(lambda request=request: running(one, request)) for request in requests]
    assert {attempt["masterid"] for attempt in attempts} == set(ids)
    hub.builder.seconds = 1
    cluster.set_hosts("disableHost")
    victim, survivor = ids[first], next(ids[each] for each in ids if each != first)
    late = add_build(hub, "late")
    while True:
        # Until the victim has one that it reports, and could not see the end of.
        request = await one.force("test", koji_build_id=str(late))
        build = await one.ended(request)
        if build["masterid"] == first:
            break
        late = add_build(hub, f"late{request}")
    await until(lambda: late in cluster.tagged("tested"))
    # These are anywhere between their requests and their reports when it happens.
    before = await scheduled(one)
    hurried = [add_build(hub, f"d{number}", "candidate") for number in range(3)]
    await poll(lambda: has_scheduled(one, before + 2 * len(hurried)))
    await victim.end(signal.SIGKILL)
    killed = reactor.seconds()
    # Nobody listens now.
    builds += [add_build(hub, f"c{number}", "candidate") for number in range(3)]
    cluster.set_hosts("enableHost")
    await poll(lambda: taken_over(survivor, first))
    taken = reactor.seconds() - killed
    # As soon as it has a free worker, the survivor watches the task of the dead master's build.
    attempt, other = sorted(attempts, key=lambda each: each["masterid"] != first)
    hub.call("cancelTask", (await survivor.properties(other))["koji_task_id"])
    request = attempt["buildrequestid"]
    second = await poll(lambda: next_attempt(survivor, request))
    again = reactor.seconds() - killed
    assert (await survivor.builds(request))[0]["results"] == RETRY
    assert second["masterid"] != first
    known = [(await survivor.properties(each))["koji_task_id"] for each in (attempt, second)]
    assert known[0] == known[1]
    # It says what came of what the dead one had delivered.
    assert (await settled(survivor, build)).startswith("delivered: hello-1-late")
    delivered = reactor.seconds() - killed
    everything = {*builds, *hurried}
    await until(lambda: everything <= set(cluster.tagged("gated")))
    await until(lambda: everything <= set(cluster.tagged("tested")))
    # The dead master comes back, and finds nothing left to do.
    await victim.start()
    for task in cluster.tasks("build"):
        hub.call("cancelTask", task["id"])
    for each in requests:
        await survivor.ended(each)
    await until(cluster.is_idle)
    changes = (await survivor.get("changes?limit=1000"))["changes"]
    events = Counter(change["properties"]["koji_event_key"][0] for change in changes)
    tested, gated = cluster.tagged("tested"), cluster.tagged("gated")
    results = await results_of(survivor)
    print(
        f"{len(builds) + len(hurried)} events, {len(changes)} changes,"
        f" {tested.total()} reports of {len(results)} Koji builds, {gated.total()} of the gate;"
        f" {len(cluster.tasks('build'))} Koji tasks of {len(requests)} requests;"
        f" taken over after {taken:.0f} s, watched again after {again:.0f} s,"
        f" reported after {delivered:.0f} s; {reactor.seconds() - begun:.0f} s in all"
    )
    assert set(events.values()) == {1}
    assert len(events) == len(builds) + len(hurried)
    assert all(len(results[each]) == 1 for each in builds)
    assert set(tested.values()) == {1}
    assert set(tested) == set(results)
    assert gated == dict.fromkeys(everything, 1)
    assert len(cluster.tasks("build")) == len(requests)
    for master in cluster.masters:
        assert master.errors == []


async def poll_now(master: MasterProcess) -> str:
    """Press the button on a master's page; returns what it says."""
    request = Request(
        f"{master.url}plugins/koji/api/sources/koji/poll",
        data=b"{}",
        headers={"X-Requested-With": "buildbot-koji", "Content-Type": "application/json"},
    )

    def send() -> str:
        with urlopen(request, timeout=PROCESS_LIMIT) as answer:
            return str(json.load(answer)["message"])

    return await deferToThread(send)


async def taken_over(master: MasterProcess, dead: int) -> bool:
    return (await owner(master)) not in (None, dead)


async def next_attempt(master: MasterProcess, request: int) -> dict[str, Any] | None:
    builds = await master.builds(request)
    return await running(master, request) if len(builds) == 2 else None


async def scheduled(master: MasterProcess) -> int:
    return len((await master.get("buildrequests"))["buildrequests"])


async def has_built(master: MasterProcess, builds: list[int]) -> bool:
    return set(builds) <= set(await results_of(master))


async def has_scheduled(master: MasterProcess, count: int) -> bool:
    return await scheduled(master) >= count


@pytest_twisted.ensureDeferred
async def test_a_master_is_frozen(cluster: Cluster) -> None:
    """A master that wakes up after another one took over doubles nothing and cancels nothing."""
    hub = cluster.hub
    one = cluster.masters[0]
    ids = await master_ids(cluster.masters)
    first = await poll(lambda: owner(one))
    victim, survivor = ids[first], next(ids[each] for each in ids if each != first)
    builds = [add_build(hub, f"a{number}", "candidate") for number in range(3)]
    await until(lambda: set(builds) <= set(cluster.tagged("gated")) & set(cluster.tagged("tested")))
    await until(cluster.is_idle)
    # What waits for a builder then waits for long, too.
    hub.builder.seconds = 1e6
    requests = [await one.force("build", ref=ref, target="demo") for ref in ("l1", "l2")]
    attempts = [await poll(lambda request=request: running(one, request)) for request in requests]
    # Each of them has one; the survivor gets free for the other's.
    frozen, other = sorted(attempts, key=lambda each: each["masterid"] != first)
    hub.call("cancelTask", (await one.properties(other))["koji_task_id"])
    hub.builder.seconds = 1
    # Some of the victim's tag tasks are being submitted when it happens; the others wait for those.
    await set_workers(survivor, "pause")
    cable = cluster.cables[victim]
    cable.swallows = b"<methodName>tagBuild<"
    builds += [add_build(hub, f"b{number}", "candidate") for number in range(10)]
    await poll(lambda: has_pending(victim, 20))
    await until(lambda: cable.swallowed)
    assert cable.swallowed < 20
    victim.send(signal.SIGSTOP)
    await set_workers(survivor, "unpause")
    missed = [add_build(hub, f"c{number}", "candidate") for number in range(3)]
    await poll(lambda: taken_over(survivor, first))
    # Their announcements reach the frozen master as soon as it wakes up.
    await poll(lambda: has_built(survivor, missed))
    builds += missed
    await until(lambda: set(builds) <= set(cluster.tagged("gated")) & set(cluster.tagged("tested")))
    cable.swallows = b""
    cable.cut()
    again = await poll(lambda: next_attempt(survivor, frozen["buildrequestid"]))
    assert again["masterid"] != first
    victim.send(signal.SIGCONT)
    builds += [add_build(hub, f"d{number}", "candidate") for number in range(3)]
    await poll(lambda: "another master runs this build request" in victim.log)
    await poll(lambda: "another master took over while this one was frozen" in victim.log)
    task_id = (await survivor.properties(again))["koji_task_id"]
    assert hub.call("getTaskInfo", task_id)["state"] in task_states.ACTIVE_GROUP
    hub.call("cancelTask", task_id)
    for request in requests:
        assert (await survivor.ended(request))["results"] == CANCELLED
    await until(lambda: set(builds) <= set(cluster.tagged("gated")) & set(cluster.tagged("tested")))
    await until(cluster.is_idle)
    changes = (await survivor.get("changes?limit=1000"))["changes"]
    events = Counter(change["properties"]["koji_event_key"][0] for change in changes)
    assert set(events.values()) == {1}
    assert len(events) == len(builds)
    assert set(cluster.tagged("tested").values()) == {1}
    assert set(cluster.tagged("gated").values()) == {1}
    results = await results_of(survivor)
    assert all(len(results[each]) == 1 for each in missed)
    assert len(cluster.tasks("build")) == len(requests)
    # It stands in line: when the other one dies, it takes over, a mass build too.
    request = await begin_mass(cluster, survivor, victim)
    await survivor.end(signal.SIGKILL)
    await poll(lambda: taken_over(victim, again["masterid"]))
    late = add_build(hub, "late", "candidate")
    await until(lambda: late in cluster.tagged("gated"))
    mass = await victim.ended(request)
    assert (mass["results"], mass["masterid"]) == (SUCCESS, first)
    step = (await victim.get(f"builds/{mass['buildid']}/steps"))["steps"][-1]
    assert step["state_string"] == f"{PACKAGES} of {PACKAGES} done"
    assert cluster.mass_tasks() == [1] * PACKAGES


async def set_workers(master: MasterProcess, action: str) -> None:
    """Pause the workers of a master, or unpause them."""
    for worker in (await master.get("workers"))["workers"]:
        if worker["name"].startswith(f"{master.directory.name}-"):
            await master.control(f"workers/{worker['workerid']}", action, reason="a test")


async def has_pending(master: MasterProcess, count: int) -> bool:
    """Tell whether a master's reporters have so many deliveries that are being sent."""
    shown = json.loads(await master.fetch("plugins/koji/api/deliveries"))
    return sum(each["pending_count"] for each in shown["reporters"]) >= count


async def begin_mass(cluster: Cluster, here: MasterProcess, not_here: MasterProcess) -> int:
    """Run a mass build on one of two masters until a part of it is done."""
    cluster.hub.builder.seconds = 0.6
    for number in range(PACKAGES):
        cluster.hub.add_package("demo-candidate", f"p{number}")
    await set_workers(not_here, "pause")
    request = await here.force("mass")
    await until(lambda: len(cluster.mass_tasks()) > PACKAGES // 3)
    await set_workers(not_here, "unpause")
    assert len(cluster.mass_tasks()) < PACKAGES
    return request


@pytest_twisted.ensureDeferred
async def test_router_is_lost(tmp_path: Path, router: crossbar.Crossbar) -> None:
    """A master without its router says so until it is restarted; then it misses nothing."""
    hub, cable = FakeHub(reactor, anonymous_user="kojiadmin"), Cable(router.port)
    port = cable.start(free_port())
    hub.add_demo_content()
    hub.add_tag("candidate")
    hub.add_package("candidate", "hello")
    await hub.start()
    url = router.url.replace(str(router.port), str(port))
    master = MasterProcess(tmp_path / "one", hub.profile_text(), config("one", url))
    try:
        await master.start()
        await until(lambda: hub.calls["queryHistory"])
        builds = [add_build(hub, "a", "candidate")]
        await poll(lambda: has_scheduled(master, 2))
        await cable.stop()
        # Buildbot closes its web server after this.
        await poll(lambda: "BuildMaster is stopped" in master.log)
        words = "the master has lost its message router: restart it"
        await poll(lambda: words in master.log)
        for path in ("plugins/koji/health", ""):
            with pytest.raises(HTTPError, match="503") as refused:
                await master.fetch(path)
            assert json.loads(refused.value.read())["reasons"] == [words]
        builds.append(add_build(hub, "b", "candidate"))
        await master.end()
        cable.start(port)
        await master.start()
        await poll(lambda: has_scheduled(master, 4))
        await poll(lambda: is_healthy(master))
        changes = (await master.get("changes"))["changes"]
        found = [change["properties"]["koji_build_id"][0] for change in changes]
        assert sorted(found) == builds
    finally:
        await master.end(signal.SIGKILL)
        await cable.stop()
        await hub.stop()


async def is_healthy(master: MasterProcess) -> bool:
    return bool(json.loads(await master.fetch("plugins/koji/health"))["ok"])
