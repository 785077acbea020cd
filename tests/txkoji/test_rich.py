"""Rich objects: what programs ask of builds, tasks, packages and channels."""

from __future__ import annotations

import copy
import datetime
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, succeed

from tests.support import HubInMemory, until
from tests.support.odd import VALUES
from txkoji import Call, Connection, build_states, estimates, task_states
from txkoji._rich_base import make
from txkoji.build import Build
from txkoji.cache import TIME_TO_LIVE, Cache
from txkoji.channel import Channel
from txkoji.exceptions import UnusableAnswer
from txkoji.package import Package
from txkoji.rich import convert
from txkoji.task import NoDescendentsError, Task
from txkoji.testing import FakeHub

UTC = datetime.timezone.utc
SOURCE = "git+https://git.example.test/rpms/hello.git#{}"
HASH = "0123456789abcdef0123456789abcdef01234567"


async def built(hub: FakeHub, ref: str) -> int:
    """Build a package; returns the id of the task."""
    task_id = int(hub.call("build", SOURCE.format(ref), "demo"))
    await until(lambda: hub.call("getTaskInfo", task_id)["state"] == task_states.CLOSED)
    return task_id


def arch_tasks(hub: FakeHub, task_id: int, state: int) -> list[Any]:
    """Return a build's tasks for architectures that are in a state."""
    tasks = hub.call("getTaskChildren", task_id)
    return [each for each in tasks if each["method"] == "buildArch" and each["state"] == state]


def task(method: str, *request: Any, **more: Any) -> Task:
    return Task(id=1, method=method, request=list(request), **more)


@pytest.mark.parametrize(
    ("request_of", "package", "target", "arches", "scratch"),
    [
        (task("build", "git+https://h/rpms/bash.git#1", "f44", {}), "bash", "f44", [], False),
        (task("build", "git+https://h/ns/?bash#1", "f44", {"scratch": 1}), "bash", "f44", [], True),
        (task("build", "cli-build/1/bash-5-1.fc44.src.rpm", "f44", {"arch_override": "a b"}),
         "bash", "f44", ["a", "b"], False),
        (task("buildArch", "w/bash-5-1.src.rpm", 7, "s390x", True, {}), "bash", None, ["s390x"],
         False),
        (task("buildContainer", "git://h/c#1", "f44", {"scratch": True}), "c-container", "f44", [],
         True),
        (task("image", "n", "1", ["x86_64"], "f44", "http://t", {}), "n", "f44", ["x86_64"], False),
        (task("buildSRPMFromSCM", "git+https://h/a.git#1", {"name": "x"}), "a", None, [], False),
        (task("unknownMethod", 1, 2), None, None, [], False),
        (task("indirectionimage", {"name": "vm", "target": "f44", "arch": "s390x", "scratch": 1}),
         "vm", "f44", ["s390x"], True),
        (task("vmExec", "win-vm", ["git://h/spice?src#1", {"name": "t"}, {}], {}), "spice", None,
         [], False),
        (task("buildNotification", ["a@b"], {"package_name": "bash"}, {"name": "f44"}, "http://w"),
         "bash", "f44", [], False),
        (task("createrepo", 5, "s390x", None), None, None, ["s390x"], False),
        (task("createdistrepo", "f44", 5, "s390x", [], {}), None, None, ["s390x"], False),
        (task("livecd", "n", "1", "x86_64", "f44", "k.ks"), "n", "f44", ["x86_64"], False),
        (task("build", "git://h/ceph?src#x", "f44"), "ceph", "f44", [], False),
        (task("build", "svn://h/repo?devel/ceph#7", "f44"), "ceph", "f44", [], False),
        (task("buildContainer", "git://h/x-container#1", "t"), "x-container", "t", [], False),
    ],
)  # fmt: skip
def test_what_a_task_builds(
    request_of: Task, package: str | None, target: str | None, arches: list[str], scratch: bool
) -> None:
    """The package, target, architectures and kind of a build are read from the task's request."""
    assert request_of.package == package
    assert request_of.target == target
    assert request_of.arches == arches
    assert request_of.is_scratch is scratch


def test_params() -> None:
    """Parameters have their names; named ones and those of a task made by name are there too."""
    named = task("build", "s", "t", {"opts": {"a": 1}, "__starstar": True})
    assert named.params == {"src": "s", "target": "t", "opts": {"a": 1}}
    assert task("distRepo", {"__method__": "distRepo", "tag": "f"}).params == {"tag": "f"}
    assert task("unknown", 1, 2).params == {"0": 1, "1": 2}
    assert Task(id=1, method="build").params is None
    assert (named.params[0], named.params[1:]) == ("s", ["t", {"opts": {"a": 1}}["opts"]])


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, Task.copy])
def test_copy(copied: Callable[[Task], Task]) -> None:
    """A copy of a rich object has its connection."""

    class Hub:
        weburl = "http://hub.test/koji"

    first: Task = make(Task, {"id": 7, "request": [{"a": 1}], "channel_id": 5}, Hub())
    second = copied(first)
    assert second == first
    assert second is not first
    assert second.url == "http://hub.test/koji/taskinfo?taskID=7"
    assert second.connection is first.connection
    assert "connection" not in second
    assert type(second.request[0]) is not Task
    assert second.channel is not None
    assert (type(second.channel), second.channel.id) == (Channel, 5)
    assert copied(Task(id=1)) == {"id": 1}


def test_arch() -> None:
    """A task's architecture is the one that it was asked for; the column is an item."""
    arch = task("buildArch", "w/bash-5-1.src.rpm", 7, "i686", True, {}, arch="i386")
    assert arch.arch == "i686"
    build = task("build", "git://h/a#1", "f44", arch="noarch")
    assert (build.arch, build["arch"]) == (None, "noarch")
    assert task("createImage", "n", "1", "2", "s390x").arch == "s390x"
    assert Task(id=1, method="build").arch is None


def test_tag_task() -> None:
    """A task that tags knows the tag and the build."""
    tagging = task("tagBuild", 5, 77, False, None, True)
    assert (tagging.tag, tagging.build_id) == ("5", 77)
    assert task("tagNotification", [], True, {"name": "f44"}, None, {"id": 9}).build_id == 9


def test_times() -> None:
    """Times are aware datetimes in UTC; a duration grows until the end."""
    done = Task(id=1, create_ts=10.0, start_ts=20.0, completion_ts=80.5, state=2)
    assert done.created == datetime.datetime(1970, 1, 1, 0, 0, 10, tzinfo=UTC)
    assert done.duration == datetime.timedelta(seconds=60.5)
    assert done.state_name == "CLOSED"
    waiting = Task(id=1, create_ts=10.0, start_ts=None, completion_ts=None)
    assert (waiting.started, waiting.completed, waiting.duration) == (None, None, None)
    assert Task(id=1, start_ts=20.0).duration > datetime.timedelta(days=365)


ODD_BUILD = {
    "id": 5,
    "build_id": 5,
    "package_name": "a",
    "owner_name": "me",
    "state": 1,
    "task_id": 5,
    "source": "git://x/a#1",
    "creation_ts": 1.0,
    "creation_time": "2020-01-01 00:00:00",
    "start_ts": 1.0,
    "start_time": "2020-01-01",
    "completion_ts": 5.0,
    "completion_time": "x",
    "extra": {"source": {"original_url": "git://x/a#1"}, "container_koji_task_id": "7"},
}

ODD_TASK = {
    "id": 5,
    "parent": 4,
    "state": 2,
    "method": "build",
    "host_id": 1,
    "channel_id": 1,
    "create_ts": 1.0,
    "start_ts": 1.0,
    "completion_ts": 5.0,
    "create_time": "2020-01-01",
    "start_time": "2020-01-01",
    "completion_time": "2020-01-01",
    "arch": "noarch",
    "label": "",
    "request": ["git://x/a#1", "demo", {"scratch": True, "arch_override": "x86_64"}],
}


@pytest.mark.parametrize(("kind", "struct"), [(Build, ODD_BUILD), (Task, ODD_TASK)])
def test_properties_of_odd_structs(kind: Any, struct: dict[str, Any]) -> None:
    """Whatever a hub says in one column, each property has a value or is None."""

    class Hub:
        weburl = "https://koji.example.com/koji"

    names = {name for name in dir(kind) if isinstance(getattr(kind, name), property)}
    assert names >= {"started", "completed", "duration", "url"}
    places: list[tuple[Any, ...]] = [(key,) for key in struct if key not in ("id", "state")]
    places += [("extra", key) for key in struct.get("extra", {})]
    places += [("request", number) for number in range(len(struct.get("request", ())))]
    for *path, last in places:
        for value in VALUES:
            odd = copy.deepcopy(struct)
            inner: Any = odd
            for key in path:
                inner = inner[key]
            inner[last] = value
            found = make(kind, odd, Hub)  # type: ignore[arg-type]
            read = {name: getattr(found, name) for name in names}
            assert isinstance(read.get("task_id", 0), (int, type(None)))
            assert isinstance(read.get("package"), (str, type(None)))


def test_states() -> None:
    """States have their names, and nothing else has."""
    assert [task_states.to_str(number) for number in range(6)] == (
        ["FREE", "OPEN", "CLOSED", "CANCELED", "ASSIGNED", "FAILED"]
    )
    assert [build_states.to_str(number) for number in range(5)] == (
        ["BUILDING", "COMPLETE", "DELETED", "FAILED", "CANCELED"]
    )
    assert task_states.to_str(999) == build_states.to_str(999) == "(unknown state 999)"
    assert Task(id=1, state=999).state_name == "(unknown state 999)"


def test_tasks_in_a_circle() -> None:
    """The descendents of a task end, even if tasks are each other's parents."""

    class Circle:
        weburl = ""

        def call(self, method: str, task_id: int) -> Deferred[Any]:
            assert (method, task_id) == ("getTaskDescendents", 1)
            pairs = ((1, 2), (2, 3), (3, 1))
            tree = {str(parent): [{"id": child}] for parent, child in pairs}
            return succeed(convert("getTaskDescendents", tree, self))

    first: Task = make(Task, {"id": 1}, Circle())
    found: list[Any] = []
    first.descendents().addCallback(found.extend)
    assert [each.id for each in found] == [2, 3]


@pytest.mark.parametrize(
    ("struct", "found"),
    [
        ({"source": f"git+https://h/a.git#{HASH}"}, HASH),
        ({"source": None, "extra": {"source": {"original_url": f"git://h/a#{HASH}"}}}, HASH),
        ({"source": "git+https://h/a.git#main", "extra": None}, "main"),
        ({"source": "git+https://h/a.git#origin/master"}, "origin/master"),
        (
            {
                "source": "git://h/a#main",
                "extra": {"source": {"original_url": f"git://h/a#{HASH}"}},
            },
            HASH,
        ),
        ({"source": "git+https://h/a.git", "extra": ["of", "a", "generator"]}, None),
        ({"source": None}, None),
    ],
)
def test_git_hash(struct: dict[str, Any], found: str | None) -> None:
    """The commit of a build is in its source, or in what its source was asked for."""
    assert Build(struct).gitbuildhash == found


def test_task_of_a_build() -> None:
    """A container's build may have its task in its extra information."""
    assert Build(task_id=5).task_id == 5
    assert Build(task_id=None, extra={"container_koji_task_id": 6}).task_id == 6
    assert Build(task_id=None, extra=None).task_id is None


@pytest_twisted.ensureDeferred
async def test_estimates(koji: Connection, hub: FakeHub) -> None:
    """A build's end is estimated from how long the package's builds took."""
    await built(hub, "1")
    average = await estimates.average_build_duration(koji, "hello")
    last = await estimates.average_last_builds(koji, "hello")
    assert average is not None
    assert last is not None
    assert datetime.timedelta() < average < datetime.timedelta(seconds=10)
    both = await estimates.average_build_durations(koji, ["hello", "world"])
    assert both == [average, None]
    task_id = hub.call("build", SOURCE.format("2"), "demo")
    await until(lambda: hub.call("listTasks", {"parent": task_id, "state": [task_states.OPEN]}))
    # The source RPM is soon built, the rest is not.
    hub.builder.seconds = 60
    running = await koji.getTaskInfo(task_id, request=True)
    assert await running.estimate_duration() == average
    assert await running.estimate_completion() is None
    with pytest.raises(NoDescendentsError, match="no buildArch task below"):
        await running.estimate_descendents()
    await until(lambda: arch_tasks(hub, task_id, task_states.OPEN))
    latest = max(each["start_ts"] for each in arch_tasks(hub, task_id, task_states.OPEN))
    start = datetime.datetime.fromtimestamp(latest, UTC)
    assert await running.estimate_completion() == start + average
    assert await running.estimate_descendents("buildArch") == start + average
    told = make(Build, {"name": "hello", "start_ts": latest}, koji)
    assert await told.estimate_completion() == start + average
    with pytest.raises(NoDescendentsError, match="no createImage task below"):
        await running.estimate_descendents("createImage")
    done = await koji.getTaskInfo(1)
    assert await done.estimate_duration() == done.duration != average


@pytest_twisted.ensureDeferred
async def test_package_and_channel(koji: Connection, hub: FakeHub) -> None:
    """A package knows its page; a channel its hosts, its tasks and its capacity."""
    package = await koji.getPackage("hello")
    assert isinstance(package, Package)
    assert package.url == f"{hub.weburl}/packageinfo?packageID={package.id}"
    [listed] = await koji.listPackages("demo-candidate", pkgID="hello")
    assert (listed.id, listed.name, listed.url) == (package.id, "hello", package.url)
    assert listed.blocked is False
    config = await koji.getPackageConfig("demo-candidate", "hello")
    assert (type(config), config.url) == (Package, package.url)
    with pytest.raises(AttributeError, match="id"):
        _ = Package({}).id
    channel = await koji.getChannel("default")
    assert [host.name for host in await channel.hosts(enabled=True)] == ["builder1"]
    hub.builder.seconds = 60
    task_id = hub.call("build", SOURCE.format("3"), "demo")
    assert [each.id for each in await channel.tasks()] == [task_id]
    hub.call("cancelTask", task_id)
    urgent = hub.call("build", SOURCE.format("4"), "demo", {}, -5)
    assert [each.id for each in await channel.tasks()] == [urgent, task_id]
    closed = [int(task_states.CLOSED)]
    assert await channel.tasks(state=closed) == []
    some = await channel.tasks(queryOpts={"limit": 1})
    assert [each.id for each in some] == [urgent]
    odd = [None, "x", {}, {"capacity": "2"}, {"capacity": None}, {"capacity": 1}]
    hub.answer = lambda name, _, run: [*run(), *odd] if name == "listHosts" else run()
    assert await channel.total_capacity() == 3.0
    build, found = make(Build, {"id": 1}, koji), await koji.getTaskInfo(task_id)
    hub.answer = lambda *_: 7
    for ask in (channel.hosts, channel.tasks, build.tags, found.descendents):
        with pytest.raises(UnusableAnswer, match=r"answered \w+ with 7"):
            await ask()


@pytest_twisted.ensureDeferred
async def test_cache(koji: Connection, hub: FakeHub, empty_home: Path) -> None:
    """A name is asked for once, kept on disk, and asked for again when it is old."""
    user = hub.call("getUser", "alice")
    names = [await koji.cache.user_name(user["id"]) for _ in range(3)]
    assert names == ["alice"] * 3
    assert hub.calls["getUser"] == 1
    path = empty_home / ".cache" / "txkoji" / "t" / f"user-{user['id']}.json"
    assert json.loads(path.read_text()) == "alice"
    old = path.stat().st_mtime - TIME_TO_LIVE - 10
    os.utime(path, (old, old))
    assert await koji.cache.user_name(user["id"]) == "alice"
    assert hub.calls["getUser"] == 2
    path.write_text("{half of a fi")
    assert await koji.cache.user_name(user["id"]) == "alice"
    assert hub.calls["getUser"] == 3


@pytest_twisted.ensureDeferred
async def test_cache_of_a_program(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """A program keeps its own names, in its own directory; a user may be known by the name."""
    cache = Cache(koji, directory=tmp_path / "x")
    assert cache.get_name("user", 7) is None
    cache.put_name("user", 7, "bob")
    assert (cache.get_name("user", 7), await cache.user_name(7)) == ("bob", "bob")
    assert Path(cache.filename("user", 7)).is_relative_to(tmp_path / "x")
    assert Path(cache.filename("../../a", "/etc/x")).parent == cache.directory
    assert hub.calls["getUser"] == 0
    cache.put_name("user", "x" * 300, "too long for the name of a file")
    assert [path.name for path in cache.directory.iterdir()] == ["user-7.json"]
    assert await cache.user_name("alice") == "alice"
    assert await cache.get_or_load_name("user", "alice", koji.getUser) == "alice"
    assert await cache.get_or_load_name("tag", "demo-build", "getTag") == "demo-build"
    assert hub.calls["getUser"] == 1


@pytest_twisted.ensureDeferred
async def test_containers(koji: Connection, hub: FakeHub) -> None:
    """The average of a container is that of its last five builds."""
    for release, seconds in enumerate([1000, 10, 20, 30, 40, 50, 2000]):
        about = {"name": "x-container", "version": "1", "release": str(release)}
        hub.call("createImageBuild", about)
        build = hub.call("getBuild", about)["id"]
        state = build_states.COMPLETE if release < 6 else build_states.FAILED
        begun = 10_000.0 * release
        times = {"start_ts": begun, "completion_ts": begun + seconds}
        hub.state.update("build", build, state=int(state), **times)
    found = await estimates.average_build_duration(koji, "x-container")
    assert found == datetime.timedelta(seconds=30)
    both = await estimates.average_build_durations(koji, ["x-container", "world"])
    assert both == [found, None]


@pytest_twisted.ensureDeferred
async def test_cache_of_what_is_not_there(koji: Connection, hub: FakeHub) -> None:
    """An unknown id has no name, and that is not kept: it may be made later."""
    assert await koji.cache.tag_name(99) is None
    assert await koji.cache.tag_name(99) is None
    assert hub.calls["getTag"] == 2


@pytest_twisted.ensureDeferred
async def test_cache_on_a_read_only_disk(koji: Connection, hub: FakeHub, empty_home: Path) -> None:
    """A cache that can't be written costs a call, and nothing else."""
    (empty_home / ".cache").write_text("not a directory")
    user = hub.call("getUser", "alice")
    assert await koji.cache.user_name(user["id"]) == "alice"


@pytest_twisted.ensureDeferred
async def test_large_multicall(koji: Connection, hub: FakeHub) -> None:
    """A multicall of any size travels in requests of at most 100 calls; all have their results."""
    multicall = koji.MultiCall()
    for number in range(250):
        multicall.echo(number)
    results = await multicall()
    assert len(results) == 250
    assert (results[7], results[-1], results[3:5]) == ([7], [249], [[3], [4]])
    assert list(results) == list(results) == [[number] for number in range(250)]
    assert results.calls[7] == Call.of("echo", 7)
    assert [next(results) for _ in range(250)] == [[number] for number in range(250)]
    assert hub.calls["multiCall"] == 3


@pytest_twisted.ensureDeferred
async def test_connect_from_web(hub: FakeHub, empty_home: Path) -> None:
    """The profile of a page is found by the page's address; another host's page has none."""
    (empty_home / ".koji").mkdir()
    text = hub.profile_text("mine") + "[broken]\nserver = nonsense\n"
    (empty_home / ".koji" / "config").write_text(text)
    koji = Connection.connect_from_web(f"{hub.weburl}/taskinfo?taskID=1")
    assert koji is not None
    assert koji.profile == "mine"
    assert koji.lookup("mine", "weburl") == hub.weburl
    assert koji.lookup("mine", "nothing") is None
    assert koji.lookup("nobody", "weburl") is None
    assert Connection.connect_from_web("https://elsewhere.example/koji/taskinfo?taskID=1") is None
    assert Connection.connect_from_web(f"{hub.weburl}/a b") is None
    assert Connection.connect_from_web("https://[elsewhere/koji/taskinfo?taskID=1") is None


def test_long_list(monkeypatch: pytest.MonkeyPatch) -> None:
    """A long list is read and made rich in pieces, between which the reactor does other work."""
    site = HubInMemory()
    words = {"package_name": "a", "version": "1"}
    rows = [
        {"build_id": number, "nvr": f"a-1-{number}", "release": str(number), **words}
        for number in range(1, 2501)
    ]
    site.hub.answer = lambda name, _, run: rows if name == "listTagged" else run()
    client, work = site.koji.client, list[Any]()
    read: Any = client.read_answer

    def reading(call: Call, part: Any) -> Any:
        work.append(len(part))
        site.clock.callLater(0, work.append, "other work")
        return read(call, part)

    monkeypatch.setattr(client, "read_answer", reading)
    found: list[Any] = []
    site.koji.checked("listTagged", "f44").addCallback(found.extend)
    site.answer()
    assert work == [500, "other work"] * 5
    assert [build.build_id for build in found] == list(range(1, 2501))
    assert {type(build) for build in found} == {Build}
