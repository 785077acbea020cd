"""Programs for the existing txkoji: each row of the compatibility list, with its right value.

Most rows are tested beside what they are about: in ``test_messages`` (documented row 1, program row
15), ``test_rich`` (documented rows 2 to 5, program rows 3 to 8 and 15 to 17), ``test_connection``
(program rows 9 to 13 and 18), ``test_distribution`` (program row 19); of the embedded hub, in
``testing/methods/test_administration`` (rows 1 and 2) and ``testing/front/test_protocol`` (row 3).
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Generator
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.defer import Deferred, inlineCallbacks
from twisted.internet.task import deferLater

import txkoji
from tests.support import DATA, HubInMemory
from txkoji import Connection, build_states, task_states
from txkoji._times import moment
from txkoji.messages import BuildStateChange, TagUntag, TaskStateChange
from txkoji.testing import FakeHub

Program = Generator[Deferred[Any], Any, list[Any]]

SOURCE = "git+https://git.example.test/rpms/hello.git#{}"
WEB = "http://hub.test/koji"


@pytest.fixture
def site() -> HubInMemory:
    return HubInMemory()


def frame(kind: str | None, **body: Any) -> Any:
    headers = {"new": body.pop("new", None), **({"type": kind} if kind else {})}
    return SimpleNamespace(headers=headers, body=json.dumps(body))


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


def test_program_14_version() -> None:
    """Program row 14: the package has a version."""
    assert txkoji.__version__.count(".") >= 1


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
    top = "kojiadmin's hello build for test-target task"
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
    top = "for test-target task"
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
