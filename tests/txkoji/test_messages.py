"""Messages of each dialect, and frames, as event objects."""

from __future__ import annotations

import copy
import json
from collections import Counter
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.support import DATA
from tests.support.ends import AtEnd
from tests.support.odd import JSON_VALUES, Mutator
from txkoji import Connection, Profile, build_states, messages, task_states
from txkoji.exceptions import MalformedMessage
from txkoji.history import events
from txkoji.messages import BuildStateChange, TagUntag, TaskStateChange
from txkoji.task import Task
from txkoji.testing import FakeHub


@dataclass
class Frame:
    """What a STOMP client gives."""

    headers: dict[str, Any]
    body: str


def recorded() -> list[dict[str, Any]]:
    """Return what a real hub put on its bus, in order."""
    text = (DATA / "protonmsg.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def bus_message(line: dict[str, Any]) -> Any:
    return SimpleNamespace(
        dialect="protonmsg", topic=line["address"], headers=line["properties"], body=line["body"]
    )


def fedora(topic: str, **body: Any) -> Any:
    return SimpleNamespace(dialect="fedora", topic=topic, headers={}, body=json.dumps(body))


@pytest.fixture
def connection() -> Connection:
    profile = Profile(name="x", server="http://hub.test/kojihub", weburl="http://hub.test/koji")
    return Connection(profile, reactor=reactor)


def frames(kind: str) -> list[Frame]:
    return [
        Frame({key: str(value) for key, value in line["properties"].items()}, line["body"])
        for line in recorded()
        if line["properties"]["type"] == kind
    ]


def test_all_of_a_real_hub(connection: Connection) -> None:
    """Every message that a real hub sent becomes the event that its address names."""
    found = Counter()
    for line in recorded():
        event = messages.read(bus_message(line), connection)
        assert event is not None
        found[line["address"], event.name] += 1
    assert dict(found.keys()) == {
        "build.building": "build-building",
        "build.complete": "build-complete",
        "build.failed": "build-failed",
        "build.promote": "build-promoted",
        "build.tag": "tagged",
        "build.untag": "untagged",
        "import.build": "import",
        "import.rpm": "import",
        "package.add": "package-listed",
        "repo.done": "repo-done",
        "repo.init": "repo-init",
        "task.assigned": "task-assigned",
        "task.canceled": "task-canceled",
        "task.closed": "task-closed",
        "task.failed": "task-failed",
        "task.free": "task-free",
        "task.open": "task-open",
    }
    assert sum(found.values()) == 103


def test_keys_are_the_hubs_facts(connection: Connection) -> None:
    """An event's key consists of ids and states; a message without the id has no key."""
    found = {}
    for line in recorded():
        event = messages.read(bus_message(line), connection)
        assert event is not None
        found.setdefault(event.name, event.key)
    assert found == {
        "build-building": "build:10:BUILDING:92",
        "build-complete": "build:10:COMPLETE:92",
        "build-failed": "build:11:FAILED:96",
        "build-promoted": "promote:13",
        "import": None,
        "package-listed": None,
        "repo-done": "repo:3:READY",
        "repo-init": "repo:3:INIT",
        "tagged": None,
        "task-assigned": "task:92:ASSIGNED",
        "task-canceled": "task:103:CANCELED",
        "task-closed": "task:93:CLOSED",
        "task-failed": "task:100:FAILED",
        "task-free": "task:92:FREE",
        "task-open": "task:92:OPEN",
        "untagged": None,
    }


def test_task_that_is_taken_again(connection: Connection) -> None:
    """Messages about a task that was freed and taken again are one event: their key is the same."""
    line = next(line for line in recorded() if line["address"] == "task.open")
    again = copy.deepcopy(line)
    body = json.loads(again["body"]) if isinstance(again["body"], str) else again["body"]
    body["info"].update(start_ts=body["info"]["start_ts"] + 60, host_id=2)
    again["body"] = json.dumps(body) if isinstance(line["body"], str) else body
    first, second = (messages.read(bus_message(each), connection) for each in (line, again))
    assert first is not None
    assert second is not None
    assert first.key == second.key
    assert first.task.start_ts < second.task.start_ts


@pytest_twisted.ensureDeferred
async def test_build_frames(connection: Connection) -> None:
    """A frame of a build gives the build, its states by number, its page and its owner."""
    new, complete = (BuildStateChange.from_frame(f, connection) for f in frames_of_build(10))
    assert (new.old, new.new, new.event) == (None, build_states.BUILDING, "BUILDING")
    assert (complete.old, complete.new) == (build_states.BUILDING, build_states.COMPLETE)
    assert complete.build is not None
    assert complete.build.nvr == "hello-1.0-bus1"
    assert complete.build.duration.total_seconds() == pytest.approx(2.248895)
    assert complete.when == 1795454913.945554
    assert complete.url == "http://hub.test/koji/buildinfo?buildID=10"
    assert await complete.user() == "kojiadmin"


def frames_of_build(build_id: int) -> list[Frame]:
    return [
        frame
        for frame in frames("BuildStateChange")
        if json.loads(frame.body)["info"]["id"] == build_id
    ]


@pytest_twisted.ensureDeferred
async def test_new_task(connection: Connection) -> None:
    """A new task comes in a shape of its own, its request encoded; it reads like any other."""
    new, assigned, *_ = (
        TaskStateChange.from_frame(frame, connection)
        for frame in frames("TaskStateChange")
        if json.loads(frame.body)["info"]["id"] == 92
    )
    assert (new.old, new.new, new.event) == (None, task_states.FREE, "FREE")
    assert (assigned.old, assigned.new) == (task_states.FREE, task_states.ASSIGNED)
    for event in (new, assigned):
        task = event.task
        assert task is not None
        assert (task.target, task.package, task.is_scratch) == ("test-target", "hello", False)
        assert event.url == task.url == "http://hub.test/koji/taskinfo?taskID=92"
    assert new.when is None
    assert assigned.when == 1795454910.507284


@pytest_twisted.ensureDeferred
async def test_tag_frames(connection: Connection) -> None:
    """A frame of a tagging gives the build, the tag and who did it."""
    tagged = TagUntag.from_frame(frames("Tag")[0], connection)
    untagged = TagUntag.from_frame(frames("Untag")[0], connection)
    assert (tagged.event, tagged.name) == ("Tag", "tagged")
    assert (untagged.event, untagged.name) == ("Untag", "untagged")
    assert (tagged.tag_id, tagged.tag) == (3, "test-candidate")
    assert (untagged.tag_id, untagged.tag) == (4, "test-released")
    assert await tagged.user() == "kojiadmin"
    assert tagged.build is not None
    assert tagged.url == tagged.build.url == "http://hub.test/koji/buildinfo?buildID=10"


@pytest_twisted.ensureDeferred
async def test_what_only_the_hub_knows(at_end: AtEnd) -> None:
    """The name of an owner is asked of the hub; a target is no tag."""
    hub = FakeHub(reactor)
    at_end(hub.stop)
    hub.add_demo_content()
    await hub.start()
    profile = Profile(name="x", server=hub.url, weburl=hub.weburl)
    connection = Connection(profile, reactor=reactor)
    at_end(connection.close)
    [line] = [line for line in recorded() if line["properties"].get("id") == 92][:1]
    body = json.loads(line["body"])
    body["info"]["request"] = body["info"]["request"].replace("test-target", "demo")
    frame = Frame(line["properties"], json.dumps(body))
    event = TaskStateChange.from_frame(frame, connection)
    assert (await event.user(), await event.tag()) == ("kojiadmin", None)
    frame = frames_of_build(10)[0]
    body = json.loads(frame.body)
    for key in ("owner_name", "user"):
        body["info"].pop(key, None)
    event = BuildStateChange.from_frame(Frame(frame.headers, json.dumps(body)), connection)
    assert await event.user() == "kojiadmin"


def test_fedora_build(connection: Connection) -> None:
    """Fedora's message of a build is the same event, its times in ISO 8601."""
    body = {
        "attribute": "state",
        "build_id": 7,
        "name": "bash",
        "version": "5.2",
        "release": "1.fc44",
        "epoch": None,
        "old": 0,
        "new": 1,
        "owner": "alice",
        "task_id": 70,
        "request": ["git+https://src.test/rpms/bash.git#abc", "f44-candidate", {}],
        "task": {"id": 70, "method": "build"},
        "creation_time": "2026-11-23T17:00:00.5+00:00",
        "completion_time": "2026-11-23T17:20:00+00:00",
        "instance": "primary",
        "base_url": "https://koji.test",
    }
    event = messages.read(fedora("build.state.change", **body), connection)
    assert isinstance(event, events.BuildStateChange)
    assert event.key == "build:7:COMPLETE:70"
    assert event.build is not None
    assert (event.build.nvr, event.build.owner_name) == ("bash-5.2-1.fc44", "alice")
    assert event.task is not None
    assert event.task.target == "f44-candidate"
    assert event.when == 1795454400.0
    other = fedora("build.state.change", **{**body, "attribute": "owner_id", "new": 5})
    assert messages.read(other, connection) is None


def test_fedora_task(connection: Connection) -> None:
    """Fedora's message of a scratch build has its owner's name where the hub has an id."""
    body = {
        "attribute": "state",
        "id": 70,
        "method": "build",
        "old": "OPEN",
        "new": "FAILED",
        "owner": "alice",
        "srpm": "bash.git",
        "info": {
            "id": 70,
            "method": "build",
            "owner": "alice",
            "completion_time": 1795454400.5,
            "request": ["git+https://src.test/rpms/bash.git#abc", "f44", {"scratch": True}],
            "children": [],
        },
    }
    event = messages.read(fedora("task.state.change", **body), connection)
    assert isinstance(event, events.TaskStateChange)
    assert (event.key, event.name, event.when) == ("task:70:FAILED", "task-failed", 1795454400.5)
    assert event.task is not None
    assert (event.task.owner_name, event.task.is_scratch) == ("alice", True)


def test_fedora_others(connection: Connection) -> None:
    """Fedora's flat messages of tags, repos, packages and signatures become the same events."""
    build = {"build_id": 7, "name": "bash", "version": "5.2", "release": "1.fc44"}
    rpm = {"id": 9, "name": "bash", "arch": "x86_64"}
    tag = {"tag": "f44", "tag_id": 5, "user": "bodhi", "owner": "alice", **build}
    found = [
        messages.read(message, connection)
        for message in (
            fedora("tag", **tag),
            fedora("untag", **tag),
            fedora("repo.init", tag="f44-build", tag_id=6, repo_id=3),
            fedora("repo.done", tag="f44-build", tag_id=6, repo_id=3),
            fedora("package.list.change", tag="f44", package="bash", action="add", owner=1),
            fedora("rpm.sign", sigkey="a1b2", sighash="x", build={**build, "id": 7}, rpm=rpm),
            fedora("build.promote", base_url="https://koji.test"),
            fedora("something.new", base_url="https://koji.test"),
        )
    ]
    assert [event and (event.name, event.key, event.package_name) for event in found] == [
        ("tagged", None, "bash"),
        ("untagged", None, "bash"),
        ("repo-init", "repo:3:INIT", None),
        ("repo-done", "repo:3:READY", None),
        ("package-listed", None, "bash"),
        ("rpm-signed", "sign:9:a1b2", "bash"),
        None,
        None,
    ]
    assert found[0] is not None
    assert (found[0].user_name, found[0].tag_name, found[0].tag_id) == ("bodhi", "f44", 5)
    assert found[3] is not None
    assert found[3].url == "http://hub.test/koji/repoinfo?repoID=3"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("BuildStateChange", "{"),
        ("BuildStateChange", "[]"),
        ("BuildStateChange", '{"attribute": "state", "old": 0, "new": 9, "info": {"id": 1}}'),
        ("BuildStateChange", '{"attribute": "state", "old": 0, "new": null, "info": {}}'),
        (
            "TaskStateChange",
            '{"attribute": "state", "old": null, "new": "GONE", "info": {"id": 1}}',
        ),
        ("Tag", '{"build": {"id": "x", "name": "a"}, "tag": {"id": 1, "name": "t"}}'),
        ("RepoDone", "null"),
    ],
)
def test_malformed(kind: str, body: str, connection: Connection) -> None:
    """A message that has not its sender's form is refused in one line that names its kind."""
    line = {"address": None, "properties": {"type": kind}, "body": body}
    with pytest.raises(
        MalformedMessage, match=f"unreadable message of the kind '{kind}': "
    ) as caught:
        messages.read(bus_message(line), connection)
    assert "\n" not in str(caught.value)
    with pytest.raises(MalformedMessage):
        TagUntag.from_frame(Frame({"type": kind}, body), connection)


def test_frame_of_another_event(connection: Connection) -> None:
    """A frame is only read as what it is."""
    with pytest.raises(MalformedMessage, match="a frame of the type 'Tag' is no TaskStateChange"):
        TaskStateChange.from_frame(frames("Tag")[0], connection)


def test_frames_that_say_little(connection: Connection) -> None:
    """A frame needs no more than its new state and the struct."""
    task = TaskStateChange.from_frame(
        Frame({"new": "CLOSED"}, json.dumps({"info": {"id": 5, "method": "build"}})), connection
    )
    assert (task.event, task.new, task.old, task.task.id) == ("CLOSED", 2, None, 5)
    info = {"id": 7, "name": "bash", "version": "5.2", "release": "1"}
    build = BuildStateChange.from_frame(
        Frame({"new": "COMPLETE"}, json.dumps({"info": info})), connection
    )
    assert (build.event, build.new, build.build.nvr) == ("COMPLETE", 1, "bash-5.2-1")
    assert build.connection is build.build.connection is connection
    with pytest.raises(MalformedMessage, match="a frame of the type None is no TagUntag"):
        TagUntag.from_frame(Frame({"new": "COMPLETE"}, "{}"), connection)


def test_events_of_a_program(connection: Connection) -> None:
    """A program makes events of a task or a build and a word, by position too."""
    [frame, *_] = frames_of_build(10)
    build = BuildStateChange.from_frame(frame, connection).build
    change = BuildStateChange(build, "COMPLETE")
    assert (change.event, change.name) == ("COMPLETE", "build-complete")
    assert (change.connection, change.url) == (connection, build.url)
    assert TagUntag(build, "Untag").event == "Untag"
    tagged = TagUntag(build, "Tag", tag_name="f44")
    assert (tagged.event, tagged.tag, tagged.action) == ("Tag", "f44", "tag")
    task = Task(id=5, state=2)
    task.connection = connection
    assert TaskStateChange(task, "CLOSED").url == TaskStateChange(task, event="CLOSED").url
    assert TaskStateChange(task, "CLOSED").url == task.url


@pytest_twisted.ensureDeferred
async def test_tag_of_a_task(koji: Connection, hub: FakeHub) -> None:
    """The tag of a ``buildArch``, which has the tag's id, is the tag's name."""
    tag = hub.call("getTag", "demo-build")
    info = {"id": 5, "method": "buildArch", "request": ["a.src.rpm", tag["id"], "x86_64", True]}
    event = TaskStateChange.from_frame(Frame({"new": "OPEN"}, json.dumps({"info": info})), koji)
    assert event.task.tag == str(tag["id"])
    assert await event.tag() == "demo-build"


def test_odd_frames(connection: Connection) -> None:
    """Whatever a STOMP frame holds, it is read or refused as malformed, in one line."""
    mutator = Mutator(20261126, JSON_VALUES)
    whole = [
        (TagUntag, frames("Tag")[0]),
        (BuildStateChange, frames("BuildStateChange")[0]),
        (TaskStateChange, frames("TaskStateChange")[0]),
    ]
    refusals: list[str] = []
    for number in range(3000):
        event, frame = whole[number % len(whole)]
        headers, body = dict(frame.headers), frame.body
        if number % 4 == 0:
            odd = mutator(headers)
            headers = odd if isinstance(odd, dict) else {}
        elif number % 4 == 1:
            body = mutator.text(body)
        else:
            body = json.dumps(mutator(json.loads(body)))
        try:
            event.from_frame(Frame(headers, body), connection)
        except MalformedMessage as error:
            refusals.append(str(error))
    assert 500 < len(refusals) < 2500
    assert not any("\n" in refusal for refusal in refusals)
