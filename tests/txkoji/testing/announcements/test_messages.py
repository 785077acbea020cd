"""The messages of the embedded hub, compared with a real hub's for the same actions."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.support import DATA
from txkoji.exceptions import GenericError
from txkoji.testing import FakeHub
from txkoji.testing.announcements.messages import Announcement

pytestmark = pytest.mark.hub(on_clock=True, content=False, build_seconds=10)

GIT = "git+https://git.example.test/rpms/{}.git#{}"
EMPTY: dict[str, Any] = {"wait_builds": [], "custom_user_metadata": {}}
SCRATCH = {"scratch": True, **EMPTY}
DRAFT = {"wait_builds": [], "draft": True, "custom_user_metadata": {}}
OWN_NUMBERS = {
    *("id", "parent", "build_id", "task_id", "repo_id", "tag_id", "package_id", "channel_id"),
    *("creation_event_id", "create_event", "begin_event", "size", "buildtime", "payloadhash"),
    *("host_id", "owner", "owner_id", "creator_id", "promoter_id"),
}
"""Ids that differ from hub to hub."""

MOCK_LOG = re.compile(r".*/(root|state|mock_output|mock_config|hw_info|installed_pkgs)\.log")
"""The recorded builder had no mock, which writes these logs."""


def recorded() -> list[Announcement]:
    lines = (DATA / "protonmsg.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        Announcement(line["address"], line["properties"], line["body"])
        for line in map(json.loads, lines)
    ]


def masked(value: Any, key: str = "") -> Any:
    """Replace values that differ from hub to hub or run to run by their types."""
    if isinstance(value, dict):
        # The recorded builder had no build roots either, and kept no source RPM.
        empty = {"brootid": None, "buildroot_id": None, "srpms": []}
        return {name: masked(empty.get(name, each), name) for name, each in value.items()}
    if isinstance(value, list):
        kept = [each for each in value if not MOCK_LOG.fullmatch(str(each))]
        return [masked(each, "in a list") for each in kept]
    if key in OWN_NUMBERS or key.endswith(("_ts", "_time")):
        return type(value).__name__
    if isinstance(value, int) and not isinstance(value, bool) and key == "in a list":
        return "int"
    if isinstance(value, str):
        # The recorded builder checked nothing out: it knew no commit.
        text = value.partition("#")[0] if key == "source" else value
        text = re.sub(r"tasks/\d+/\d+", "tasks/N/N", text)
        text = re.sub(r"draft_\d+", "draft_N", text)
        return re.sub(r"<int>\d+</int>", "<int>N</int>", text)
    return value


def shape(message: Announcement) -> str:
    body = json.loads(message.body)
    # The recorded builder said once {} and then [].
    body.pop("brmap", None)
    if message.properties.get("method") == "newRepo":
        # For lack of children.
        body["info"].pop("waiting", None)
    return json.dumps([message.address, masked(message.properties), masked(body)], sort_keys=True)


def life(messages: list[Announcement]) -> list[list[str]]:
    """Return the messages of each task and build, in order."""
    lives: dict[Any, list[str]] = {}
    for message in messages:
        subject = message.properties.get("id") or message.properties.get("name")
        lives.setdefault(subject, []).append(message.address)
    return sorted(lives.values())


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    """Give a hub that has what the recorded one had."""
    hub.noarch_packages |= {"hello", "world", "foo", "failarch"}
    hub.add_tag("test-build", arches="x86_64")
    hub.add_host("builder1", "x86_64 noarch")
    for tag in ("test-candidate", "test-released"):
        hub.add_tag(tag)
    hub.add_target("test-target", "test-build", "test-candidate")
    for package in ("hello", "world", "foo", "failarch"):
        hub.add_package("test-candidate", package)
        hub.add_package("test-released", package)
    hub.add_repo("test-build")
    return hub


def act(hub: FakeHub, clock: Clock) -> None:
    """Repeat the recorded actions."""

    def build(package: str, ref: str, options: dict[str, Any] = EMPTY) -> int:
        return int(hub.call("build", GIT.format(package, ref), "test-target", options))

    def finish() -> None:
        clock.pump([0.05] * 400)

    build("hello", "bus1")
    build("world", "bus2", SCRATCH)
    build("failarch", "bus3")
    finish()
    hub.call("tagBuild", "test-released", "hello-1.0-bus1")
    finish()
    hub.call("untagBuild", "test-released", "hello-1.0-bus1")
    hub.call("packageListAdd", "test-candidate", "busdemo", owner="kojiadmin")
    canceled = build("world", "bus4")
    while not any(task["label"] == "tag" for task in hub.task_children(canceled)):
        clock.advance(0.05)
    hub.call("cancelTask", canceled)
    finish()
    build("foo", "bus5", DRAFT)
    finish()
    [draft] = hub.call("listBuilds", packageID="foo")
    hub.call("promoteBuild", draft["build_id"])
    hub.call("newRepo", "test-build")
    finish()


def test_messages_are_the_recorded_ones(hub: FakeHub, clock: Clock) -> None:
    """The embedded hub announces the same actions with the same messages, key by key."""
    ours: list[Announcement] = []
    hub.on_message(ours.append)
    act(hub, clock)
    # A real newRepo has such children; the recorded builder's did without.
    ours = [message for message in ours if message.properties.get("method") != "createrepo"]
    theirs = recorded()
    difference = Counter(map(shape, theirs))
    difference.subtract(map(shape, ours))
    more = [(count, text[:3000]) for text, count in difference.items() if count]
    assert not more, "\n".join(f"{count:+d} {text}" for count, text in sorted(more))
    assert life(ours) == life(theirs)


def test_message_of_what_is_undone(hub: FakeHub) -> None:
    """A rollback announces nothing; a commit announces its changes afterwards, in order."""
    told: list[str] = []
    hub.on_message(lambda message: told.append(message.address))

    def undone() -> None:
        with hub.state.transaction():
            hub.call("packageListAdd", "test-candidate", "one", owner="kojiadmin")
            hub.call("packageListRemove", "test-candidate", "two")

    with pytest.raises(GenericError):
        undone()
    assert told == []
    with hub.state.transaction():
        hub.call("packageListAdd", "test-candidate", "one", owner="kojiadmin")
        hub.call("packageListBlock", "test-candidate", "one")
        assert told == []
    assert told == ["package.add", "package.block"]
