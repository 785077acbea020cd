"""Programs for the existing txkoji: each row of the compatibility list, with its right value.

The rows have the numbers of their lists: what we document, what programs rely on, the embedded hub.
Others test the rest: ``test_messages`` the first documented row and the events of program row 15,
``test_connection`` program rows 9 and 18, ``test_distribution`` row 19; of the embedded hub,
``testing/methods/test_administration`` rows 1 and 2, ``testing/front/test_protocol`` row 3.
"""

from __future__ import annotations

import copy
import datetime
import json
from collections.abc import Callable, Generator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import Clock, deferLater

import txkoji
from tests.support import DATA, HubInMemory
from txkoji import Connection, Profile, build_states, estimates, task_states
from txkoji._rich_base import make
from txkoji._times import moment
from txkoji.build import Build
from txkoji.cache import Cache
from txkoji.channel import Channel
from txkoji.messages import BuildStateChange, TagUntag, TaskStateChange
from txkoji.package import Package
from txkoji.task import NoDescendentsError, Task
from txkoji.testing import FakeHub

Program = Generator[Deferred[Any], Any, list[Any]]

SOURCE = "git+https://git.example.test/rpms/hello.git#{}"
WEB = "http://hub.test/koji"


@pytest.fixture
def site() -> HubInMemory:
    return HubInMemory()


def result(site: HubInMemory, waited: Deferred[Any]) -> Any:
    """Return what a Deferred fires with while the hub answers."""
    found: list[Any] = []
    waited.addBoth(found.append)
    for _ in range(10):
        site.answer()
        if found:
            break
    [value] = found
    if hasattr(value, "raiseException"):
        value.raiseException()
    return value


def task(method: str, *request: Any, **more: Any) -> Task:
    return Task(id=1, method=method, request=list(request), **more)


def frame(kind: str | None, **body: Any) -> Any:
    headers = {"new": body.pop("new", None), **({"type": kind} if kind else {})}
    return SimpleNamespace(headers=headers, body=json.dumps(body))


# What we document


def test_documented_2_and_4_estimates(site: HubInMemory) -> None:
    """Documented rows 2 and 4: a build counts from its open buildArch; an ended task is exact."""
    first = site.hub.call("build", SOURCE.format(1), "demo")
    site.pass_time(40)
    average = result(site, estimates.average_build_duration(site.koji, "hello"))
    done = result(site, site.koji.getTaskInfo(first))
    assert done.state == task_states.CLOSED
    assert result(site, done.estimate_duration()) == done.duration != average
    site.hub.builder.seconds = 60
    running = result(site, site.koji.getTaskInfo(site.hub.call("build", SOURCE.format(2), "demo")))
    assert result(site, running.estimate_completion()) is None
    while True:
        site.pass_time(1)
        started = [
            each["start_ts"]
            for each in site.hub.call("getTaskChildren", running.id)
            if each["method"] == "buildArch" and each["state"] == task_states.OPEN
        ]
        if started:
            break
    running = result(site, site.koji.getTaskInfo(running.id))
    assert result(site, running.estimate_completion()) == moment(max(started)) + average


def test_documented_3_copies() -> None:
    """Documented row 3: a copy keeps its connection."""
    first: Task = make(Task, {"id": 7}, SimpleNamespace(weburl=WEB))  # type: ignore[arg-type]
    for second in (copy.copy(first), first.copy()):
        assert second.url == f"{WEB}/taskinfo?taskID=7"


@pytest.mark.parametrize(
    ("made", "package", "target", "arches", "scratch"),
    [
        (
            task("indirectionimage", {"name": "vm", "target": "f", "arch": "s390x", "scratch": 1}),
            "vm", "f", ["s390x"], True,
        ),
        (task("vmExec", "win", ["git://h/spice?src#1", {"name": "t"}, {}], {}),
            "spice", None, [], False),
        (task("buildNotification", ["a@b"], {"package_name": "bash"}, {"name": "f"}, "http://w"),
            "bash", "f", [], False),
        (task("createrepo", 5, "s390x", None), None, None, ["s390x"], False),
        (task("createdistrepo", "f", 5, "s390x", [], {}), None, None, ["s390x"], False),
        (task("livecd", "n", "1", "x86_64", "f", "k.ks"), "n", "f", ["x86_64"], False),
        (task("build", "git://h/ceph?src#x", "f"), "ceph", "f", [], False),
    ],
)  # fmt: skip
def test_documented_5_requests(
    made: Task, package: str | None, target: str | None, arches: list[str], scratch: bool
) -> None:
    """Documented row 5: package, target and architectures are those of the request."""
    found = (made.package, made.target, made.arches, made.is_scratch)
    assert found == (package, target, arches, scratch)


# What programs rely on


def test_program_1_and_2_frames(site: HubInMemory) -> None:
    """Program rows 1 and 2: ``tag`` is a text; a frame needs ``new`` and ``info`` only."""
    build = {"id": 7, "name": "bash", "version": "5.2", "release": "1"}
    tagged = TagUntag.from_frame(
        frame("Tag", build=build, tag={"id": 3, "name": "f44"}, user={"name": "al"}), site.koji
    )
    assert (tagged.tag, tagged.event) == ("f44", "Tag")
    change = BuildStateChange.from_frame(frame(None, new="COMPLETE", info=build), site.koji)
    assert (change.event, change.build.nvr) == ("COMPLETE", "bash-5.2-1")
    info = {"id": 5, "method": "build"}
    assert TaskStateChange.from_frame(frame(None, new="CLOSED", info=info), site.koji).new == 2


def test_program_3_arch() -> None:
    """Program row 3: ``Task.arch`` is the architecture that the method was asked for."""
    assert task("buildArch", "a.src.rpm", 7, "i686", True, arch="i386").arch == "i686"
    assert task("build", "git://h/a#1", "f44", arch="noarch").arch is None


def test_program_4_containers() -> None:
    """Program row 4: a container's package is named; for its average see ``test_rich``."""
    assert task("buildContainer", "git://h/c#1", "f44", {}).package == "c-container"


def test_program_5_channel(site: HubInMemory) -> None:
    """Program row 5: ``Task.channel`` is a property with a channel."""
    made: Task = make(Task, {"id": 7, "channel_id": 1}, site.koji)
    assert isinstance(made.channel, Channel)
    assert len(result(site, made.channel.hosts())) == len(site.hub.call("listHosts", None, 1))


def test_program_6_params_and_descendents(site: HubInMemory) -> None:
    """Program row 6: parameters go by name and by number; descendents are a list of tasks."""
    made = task("build", "s", "t", {"scratch": True})
    assert (made.params.src, made.params[0], made.params["target"]) == ("s", "s", "t")
    number = site.hub.call("build", SOURCE.format(1), "demo")
    site.pass_time(40)
    below = result(site, site.koji.getTaskDescendents(number))
    assert {type(each) for each in below} == {Task}
    assert {"buildSRPMFromSCM", "buildArch"} <= {each.method for each in below}


@pytest_twisted.ensureDeferred
async def test_program_7_cache(koji: Connection, tmp_path: Path) -> None:
    """Program row 7: a cache in the program's own directory, of names that it puts there."""
    cache = Cache(koji, directory=tmp_path)
    assert cache.get_name("user", 7) is None
    cache.put_name("user", 7, "bob")
    assert (cache.get_name("user", 7), await cache.user_name(7)) == ("bob", "bob")
    assert str(cache.filename("user", 7)).startswith(str(tmp_path))
    assert await cache.user_name("alice") == "alice"
    found = cache.get_or_load_name("tag", "demo-build", koji.getTag)
    assert await found == "demo-build"


def test_program_8_unknown_states() -> None:
    """Program row 8: an unknown state has a text of its own."""
    assert build_states.to_str(999) == task_states.to_str(999) == "(unknown state 999)"
    assert Task(id=1, state=999).state_name == "(unknown state 999)"


def test_program_10_results_of_a_multicall(site: HubInMemory) -> None:
    """Program row 10: results have numbers, can be read twice, and know their calls."""
    multicall = site.koji.MultiCall()
    multicall.getTag("demo-build")
    multicall.call("getTag", "demo")
    results = result(site, multicall())
    assert results[0].name == "demo-build"
    assert list(results) == list(results)
    assert [each.method for each in results.calls] == ["getTag", "getTag"]


def test_program_11_named_arguments(site: HubInMemory) -> None:
    """Program row 11: the first arguments have the names that programs use."""
    site.hub.call("build", SOURCE.format(1), "demo")
    site.pass_time(40)
    build = result(site, site.koji.getBuild(build_id="hello-1.0-1"))
    assert build.package_name == result(site, site.koji.getPackage(name="hello")).name == "hello"
    assert result(site, site.koji.getChannel(channel_id=1)).name == "default"
    assert [each.nvr for each in result(site, site.koji.listBuilds(package="hello"))] == [build.nvr]


def test_program_12_and_13_attributes() -> None:
    """Program rows 12 and 13: a session can be set; these attributes are no hub methods."""
    profile = Profile(name="x", server="http://hub.test/kojihub", serverca="/etc/ca.pem")
    koji = Connection(profile, reactor=Clock())
    koji.session_id, koji.session_key, koji.callnum = 7, "secret", 3
    assert (koji.session_id, koji.session_key, koji.callnum) == (7, "secret", 3)
    assert koji.serverca == "/etc/ca.pem"
    assert hasattr(koji.proxy, "callRemote")


def test_program_13_trust_root() -> None:
    """Program row 13: ``trustRoot`` is what Twisted verifies with."""
    koji = Connection(Profile(name="x", server="http://hub.test/kojihub"), reactor=Clock())
    assert hasattr(koji.trustRoot, "_addCACertsToContext")


def test_program_14_version() -> None:
    """Program row 14: the package has a version."""
    assert txkoji.__version__.count(".") >= 1


def test_program_15_task_without_children(site: HubInMemory) -> None:
    """Program row 15: a task that has no children yet has an error of its own."""
    number = site.hub.call("build", SOURCE.format(1), "demo")
    running = result(site, site.koji.getTaskInfo(number))
    with pytest.raises(NoDescendentsError):
        result(site, running.estimate_descendents())


def test_program_16_branch() -> None:
    """Program row 16: without a commit, the hash is the branch that was named."""
    assert Build(source="git+https://h/a.git#origin/master").gitbuildhash == "origin/master"


def test_program_17_channel_tasks(site: HubInMemory) -> None:
    """Program row 17: a channel lists tasks in all states, by priority and then by creation."""
    first, urgent = (
        site.hub.call("build", SOURCE.format(ref), "demo", {}, priority)
        for ref, priority in ((1, None), (2, -5))
    )
    channel = result(site, site.koji.getChannel("default"))
    top = [first, urgent]
    site.pass_time(60)
    found = [each for each in result(site, channel.tasks()) if each.id in top]
    assert [each.id for each in found] == [urgent, first]
    assert {each.state for each in found} == {task_states.CLOSED}


def test_program_17_packages(site: HubInMemory) -> None:
    """Program row 17: what is like ``getPackage`` is a package too."""
    package = result(site, site.koji.getPackage("hello"))
    listed = result(site, site.koji.listPackages("demo-candidate"))
    config = result(site, site.koji.getPackageConfig("demo-candidate", "hello"))
    for each in (config, *(each for each in listed if each.package_name == "hello")):
        assert type(each) is Package
        assert each.url == package.url == f"{WEB}/packageinfo?packageID={package.id}"


def test_times_of_a_program() -> None:
    """Times are aware; a naive one, as programs subtract it, is UTC."""
    ended = moment(1_000_000_000.5)
    assert ended is not None
    naive = datetime.datetime(2001, 9, 9, 1, 46, 30)  # noqa: DTZ001
    assert ended.utcoffset() == datetime.timedelta()
    assert ended - naive == -(naive - ended) == datetime.timedelta(seconds=10.5)
    assert ended - datetime.timedelta(seconds=1) == moment(999_999_999.5)
    assert type(ended + datetime.timedelta(1)) is type(ended)


# Programs as users of the existing txkoji have them


@inlineCallbacks
def _follower(site: HubInMemory, task_id: int) -> Program:
    """Follow a task to its end, and say what it built."""
    states: list[str] = []
    task = yield site.koji.getTaskInfo(task_id)
    while task.state not in (task_states.CLOSED, task_states.FAILED, task_states.CANCELED):
        states += [] if task.state_name in states else [task.state_name]
        yield deferLater(site.clock, 1, lambda: None)
        task = yield site.koji.getTaskInfo(task_id)
    [listed] = yield site.koji.listBuilds(taskID=task_id)
    build = yield site.koji.getBuild(listed.nvr)
    user = yield site.koji.getUser(build.owner_id)
    tags = yield build.tags()
    same = yield build.task()
    target = yield build.target()
    say = f"{user.name} built {build.nvr} for {target}"
    assert len(build.gitbuildhash) == 40
    assert same.url == task.url == f"{WEB}/taskinfo?taskID={build.task_id}"
    assert build.url == f"{WEB}/buildinfo?buildID={build.id}"
    assert build.started + build.duration == build.completed <= task.completed
    return [*states, task_states.to_str(task.state), say, [tag.name for tag in tags]]


@inlineCallbacks
def _estimate(site: HubInMemory, task_id: int) -> Program:
    """Say when a task ends: nothing at first, then what is still right when it ended."""
    task = yield site.koji.getTaskInfo(task_id)
    said = [(yield task.estimate_completion())]
    average = yield site.koji.getAverageBuildDuration(task.package)
    while said[-1] is None:
        yield deferLater(site.clock, 1, lambda: None)
        said.append((yield task.estimate_completion()))
    latest = yield task.descendents(method="buildArch", state=task_states.OPEN)
    began = max(each.started for each in latest)
    while not (yield site.koji.taskFinished(task_id)):
        yield deferLater(site.clock, 1, lambda: None)
    task = yield site.koji.getTaskInfo(task_id)
    end = yield task.estimate_completion()
    took = yield task.estimate_duration()
    exact = said[-1] == began + average
    return [said[0], exact, end == task.completed, took == task.completed - task.started]


@inlineCallbacks
def _by_state(site: HubInMemory, task_id: int) -> Program:
    """List what runs, and what ended how."""
    user = yield site.koji.getUser("kojiadmin")
    opts = {"state": [task_states.FREE, task_states.OPEN], "method": "build", "owner": user.id}
    running = yield site.koji.listTasks(opts=opts, queryOpts={"order": "id", "limit": 5})
    lines = [(each.package, each.target, each.is_scratch, each.completed) for each in running]
    for state in (build_states.BUILDING, build_states.COMPLETE, build_states.FAILED):
        builds = yield site.koji.listBuilds("hello", state=state, queryOpts={"order": "-nvr"})
        lines += [f"{each.nvr} {build_states.to_str(each.state)}" for each in builds]
    assert [each.id for each in running] == [task_id]
    return lines


@inlineCallbacks
def _pages(site: HubInMemory, task_id: int) -> Program:
    """Say what pages of kojiweb show."""
    said = []
    for page in (
        "buildinfo?buildID=1",
        f"taskinfo?taskID={task_id}",
        "packageinfo?packageID=hello",
        "channelinfo?channelID=1",
        "taginfo?tagID=demo-build",
        "userinfo?userID=kojiadmin",
        "buildinfo?buildID=999",
        "nothing",
    ):
        found = yield site.koji.from_web(f"{WEB}/{page}")
        names = ("nvr", "method", "package_name", "name")
        said.append(found and next(found[name] for name in names if name in found))
    return said


PROGRAMS: dict[str, tuple[Callable[[HubInMemory, int], Deferred[list[Any]]], list[Any]]] = {
    "follower": (
        _follower,
        ["FREE", "OPEN", "CLOSED", "kojiadmin built hello-1.0-2 for demo", ["demo-candidate"]],
    ),
    "estimate": (_estimate, [None, True, True, True]),
    "by state": (_by_state, [("hello", "demo", False, None), "hello-1.0-1 COMPLETE"]),
    "pages": (
        _pages,
        ["hello-1.0-1", "build", "hello", "default", "demo-build", "kojiadmin", None, None],
    ),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(site: HubInMemory, name: str) -> None:
    """A whole program gives the right values; ``test_messages_to_text`` is the chat bot."""
    program, expected = PROGRAMS[name]
    site.hub.call("build", SOURCE.format(1), "demo")
    site.pass_time(40)
    said: list[Any] = []
    program(site, site.hub.call("build", SOURCE.format(2), "demo")).addBoth(said.append)
    for _ in range(60):
        site.pass_time(1)
    assert said == [expected]


# A chat bot's way from messages to text


async def sentence(message: Any, koji: Connection) -> str:
    """Say what a frame reports, as a chat bot does."""
    kinds: dict[str, Any] = {
        "TaskStateChange": TaskStateChange,
        "BuildStateChange": BuildStateChange,
    }
    event: Any = kinds.get(message.headers["type"], TagUntag).from_frame(message, koji)
    user = await event.user()
    word = event.event.lower()
    if isinstance(event, TagUntag):
        preposition = "into" if word == "tag" else "from"
        return f"{user} {word}ged {event.build.nvr} {preposition} {event.tag}"
    if isinstance(event, BuildStateChange):
        return f"{user}'s {event.build.nvr} {word} ({event.url})"
    task, tag = event.task, await event.tag()
    words = [task.package, "scratch" if task.is_scratch else None, task.method]
    words += [f"for {each}" for each in (task.target, task.arch) if each]
    words += [f"for tag {tag}"] if tag else []
    return f"{user}'s {' '.join(filter(None, words))} task {word} ({event.url})"


@pytest.mark.hub(content=False)
@pytest_twisted.ensureDeferred
async def test_messages_to_text(koji: Connection, hub: FakeHub) -> None:
    """Each recorded message of a task, a build or a tag becomes a sentence of its own."""
    for name in ("test-build", "test", "test-candidate", "test-released"):
        hub.add_tag(name)
    hub.add_target("test-target", "test-build", "test-candidate")
    found = []
    for line in (DATA / "protonmsg.jsonl").read_text(encoding="utf-8").splitlines():
        message = json.loads(line)
        if message["properties"]["type"] in ("TaskStateChange", "BuildStateChange", "Tag", "Untag"):
            headers = {key: str(value) for key, value in message["properties"].items()}
            sent = SimpleNamespace(headers=headers, body=message["body"])
            found.append(await sentence(sent, koji))
    assert len(found) == len(set(found)) == 90
    assert not [each for each in found if "None" in each]
    tasks, page = f"{hub.weburl}/taskinfo?taskID=", f"{hub.weburl}/buildinfo?buildID="
    top = "kojiadmin's hello build for test-target for tag test-candidate task"
    assert [each for each in found if "hello" in each and "assigned" not in each] == [
        f"{top} free ({tasks}92)",
        f"{top} open ({tasks}92)",
        *(
            f"kojiadmin's hello buildSRPMFromSCM for tag test-build task {state} ({tasks}93)"
            for state in ("free", "open", "closed")
        ),
        f"kojiadmin's hello-1.0-bus1 building ({page}10)",
        *(
            f"kojiadmin's hello buildArch for noarch for tag test-build task {state} ({tasks}97)"
            for state in ("free", "open", "closed")
        ),
        f"kojiadmin's hello-1.0-bus1 complete ({page}10)",
        "kojiadmin tagged hello-1.0-bus1 into test-candidate",
        f"{top} closed ({tasks}92)",
        "kojiadmin tagged hello-1.0-bus1 into test-released",
        "kojiadmin untagged hello-1.0-bus1 from test-released",
    ]
    ended = [each for each in found if "canceled" in each or "failed" in each or "newRepo" in each]
    top = "for test-target for tag test-candidate task"
    assert ended == [
        f"kojiadmin's failarch buildArch for noarch for tag test-build task failed ({tasks}100)",
        f"kojiadmin's failarch-1.0-bus3 failed ({page}11)",
        f"kojiadmin's failarch build {top} failed ({tasks}96)",
        f"kojiadmin's world build {top} canceled ({tasks}103)",
        f"kojiadmin's tagBuild for tag test-candidate task canceled ({tasks}106)",
        *(
            f"kojiadmin's newRepo for tag test-build task {state} ({tasks}111)"
            for state in ("free", "assigned", "open", "closed")
        ),
    ]
