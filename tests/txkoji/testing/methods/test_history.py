"""The embedded hub's history, paged lists, signatures and deletions."""

from __future__ import annotations

import re
from typing import Any

import pytest
from twisted.internet.task import Clock

from txkoji import build_states
from txkoji.exceptions import BuildError, GenericError
from txkoji.testing import FakeHub
from txkoji.testing.announcements.messages import Announcement
from txkoji.testing.formats import rpms

pytestmark = pytest.mark.hub(on_clock=True, build_seconds=10)

SOURCE = "git+https://git.example.test/rpms/{}.git#{}"


@pytest.fixture
def hub(hub: FakeHub, clock: Clock) -> FakeHub:
    """Give a hub with three builds of hello."""
    for ref in ("r1", "r2", "r3"):
        hub.call("build", SOURCE.format("hello", ref), "demo")
        clock.pump([0.1] * 150)
    return hub


def last_event(hub: FakeHub) -> int:
    return int(hub.call("getLastEvent")["id"])


def test_tagging_since_an_event(hub: FakeHub) -> None:
    """Rows that were created or revoked after an event are listed, each once."""
    before = last_event(hub)
    hub.call("tagBuildBypass", "demo-released", "hello-1.0-r1")
    hub.call("untagBuild", "demo-candidate", "hello-1.0-r2")
    history = hub.call("queryHistory", tables=["tag_listing"], afterEvent=before)
    rows = [
        (
            row["tag.name"],
            row["release"],
            row["active"],
            row["_created_after_event"],
            row["_revoked_after_event"],
        )
        for row in history["tag_listing"]
    ]
    assert rows == [
        ("demo-candidate", "r2", None, False, True),
        ("demo-released", "r1", True, True, None),
    ]
    again = hub.call("queryHistory", tables=["tag_listing"], afterEvent=last_event(hub))
    assert again == {"tag_listing": []}


def test_forced_tagging(hub: FakeHub) -> None:
    """Tagging again by force revokes one row and creates another at the same event."""
    before = last_event(hub)
    hub.call("tagBuildBypass", "demo-candidate", "hello-1.0-r1", force=True)
    rows = hub.call("queryHistory", tables=["tag_listing"], build="hello-1.0-r1")["tag_listing"]
    [old, new] = rows
    assert old["revoke_event"] == new["create_event"] > before
    assert (old["revoker_name"], new["creator_name"]) == ("kojiadmin", "kojiadmin")


FILTERS: list[tuple[dict[str, Any], dict[str, int]]] = [
    ({"tag": "demo-candidate", "tables": ["tag_listing", "tag_packages"]}, {"tag_listing": 3}),
    ({"package": "world"}, {"tag_listing": 0, "tag_packages": 2}),
    ({"package": "hello", "tag": "demo-released"}, {"tag_listing": 0, "tag_packages": 1}),
    ({"build": "hello-1.0-r2"}, {"tag_listing": 1}),
    ({"build_target": "demo"}, {"build_target_config": 1}),
    ({"tag": "demo-candidate", "tables": ["tag_inheritance"]}, {"tag_inheritance": 1}),
    ({"permission": "runroot"}, {"user_perms": 1, "tag_config": 0}),
    ({"xkey": "anything"}, {"tag_extra": 0}),
    ({"editor": "alice", "tables": ["tag_listing"]}, {"tag_listing": 0}),
    ({"active": False, "tables": ["tag_listing"]}, {"tag_listing": 0}),
    ({"before": 1, "tables": ["tag_config"]}, {"tag_config": 0}),
    ({"after": 1, "tables": ["tag_config"]}, {"tag_config": 3}),
]


@pytest.mark.parametrize(("options", "expected"), FILTERS, ids=str)
def test_history_of(hub: FakeHub, options: dict[str, Any], expected: dict[str, int]) -> None:
    """Each option selects rows; tables that it does not apply to are left out."""
    history = hub.call("queryHistory", **options)
    counts = {table: len(rows) for table, rows in history.items()}
    assert {table: counts.get(table) for table in expected} == expected
    if "tables" not in options:
        assert set(counts) - set(expected) <= {"group_package_listing", "tag_package_owners"}


def test_names_in_history(hub: FakeHub) -> None:
    """Rows show names beside ids."""
    [target] = hub.call("queryHistory", tables=["build_target_config"])["build_target_config"]
    assert target["build_target.name"] == "demo"
    assert (target["build_tag.name"], target["dest_tag.name"]) == ("demo-build", "demo-candidate")
    [link] = hub.call("queryHistory", tables=["tag_inheritance"])["tag_inheritance"]
    assert (link["tag.name"], link["parent.name"]) == ("demo-build", "demo-candidate")


def test_history_in_pages(hub: FakeHub) -> None:
    """Ordered pages hold each row once, and rows can be counted."""
    whole = hub.call("queryHistory", tables=["tag_packages"])["tag_packages"]
    pages: list[Any] = []
    while True:
        options = {"order": "create_event", "offset": len(pages), "limit": 5}
        page = hub.call("queryHistory", tables=["tag_packages"], queryOpts=options)["tag_packages"]
        if not page:
            break
        pages += page
    assert pages == whole
    count = hub.call("queryHistory", tables=["tag_packages"], queryOpts={"countOnly": True})
    assert count == {"tag_packages": len(whole)}


def test_history_of_nothing_known(hub: FakeHub) -> None:
    """An unknown table or name is refused, an unknown option is ignored."""
    for options in ({"tables": ["nope"]}, {"tag": "nope"}, {"build": "a-1-1"}):
        with pytest.raises(GenericError):
            hub.call("queryHistory", **options)
    assert len(hub.call("queryHistory", tables=["tag_listing"], pkg="nope")["tag_listing"]) == 3


def test_builds_since(hub: FakeHub) -> None:
    """Builds completed after a time come in pages, without the one of that time."""
    builds = hub.call("listBuilds", queryOpts={"order": "build_id"})
    first = builds[0]["completion_ts"]
    options = {"order": "completion_ts,build_id", "limit": 1}
    [second] = hub.call("listBuilds", completeAfter=first, queryOpts=options)
    [third] = hub.call("listBuilds", completeAfter=first, queryOpts={**options, "offset": 1})
    assert [second, third] == builds[1:]
    tasks = hub.call("listTasks", {"method": "build", "completedAfter": first}, {"order": "id"})
    # The first build's task ended after the build: it tagged it.
    assert [task["id"] for task in tasks] == [build["task_id"] for build in builds]


def test_builds_of_a_source(hub: FakeHub, clock: Clock) -> None:
    """A build's source names the commit that was checked out; a pattern finds it in any case."""
    build = hub.call("getBuild", "hello-1.0-r2")
    assert build["extra"]["source"]["original_url"] == SOURCE.format("hello", "r2")
    commit = build["source"].removeprefix(SOURCE.format("hello", ""))
    assert re.fullmatch("[0-9a-f]{40}", commit)
    [found] = hub.call("listBuilds", source=f"*/RPMS/hello.git#{commit}")
    assert found["nvr"] == "hello-1.0-r2"
    again = hub.call("build", build["source"], "demo")
    lost = hub.call("build", SOURCE.format("hello", "failcheckout"), "demo")
    clock.pump([0.1] * 150)
    # The same commit has the same release.
    with pytest.raises(GenericError, match=r"Build already exists .*'release': 'r2'"):
        hub.call("getTaskResult", again)
    with pytest.raises(
        BuildError, match=r'"git clone -n https://git\.example\.test/rpms/hello\.git '
    ):
        hub.call("getTaskResult", lost)


def test_signature(hub: FakeHub) -> None:
    """A signature is listed and announced, gives a signed copy, and can be added once."""
    told: list[Announcement] = []
    hub.on_message(told.append)
    nvra = "hello-1.0-r1.x86_64"
    hub.sign_rpm(nvra, "0123456789abcdef")
    rpm = hub.call("getRPM", nvra)
    [row] = [row for row in hub.call("queryRPMSigs", rpm["id"]) if row["sigkey"]]
    assert row["sigkey"] == "89abcdef"
    [message] = told
    assert message.address == "sign.rpm"
    assert message.properties["sigkey"] == "89abcdef"
    assert message.properties["rpm_arch"] == "x86_64"
    with pytest.raises(GenericError, match="Signature already exists for package"):
        hub.sign_rpm(nvra, "0123456789abcdef")
    with pytest.raises(GenericError, match="No cached signature for package"):
        hub.call("writeSignedRPM", nvra, "00000000")
    hub.call("writeSignedRPM", nvra, "89abcdef")
    signed = hub.files.read(f"packages/hello/1.0/r1/data/signed/89abcdef/x86_64/{nvra}.rpm")
    assert rpms.headers(signed)["NAME"] == "hello"
    listed, _ = hub.call("listTaggedRPMS", "demo-candidate", arch="x86_64", rpmsigs=True)
    keys = {each["sigkey"] for each in listed if each["id"] == rpm["id"]}
    assert keys == {"", "89abcdef"}


def test_deleted_build(hub: FakeHub) -> None:
    """A build that no tag holds can be deleted: its files go, its row stays."""
    with pytest.raises(GenericError, match="Cannot delete build, tagged"):
        hub.call("deleteBuild", "hello-1.0-r1")
    hub.call("untagBuild", "demo-candidate", "hello-1.0-r1")
    assert hub.call("deleteBuild", "hello-1.0-r1") is True
    assert hub.call("getBuild", "hello-1.0-r1")["state"] == build_states.DELETED
    assert not list(hub.files.walk("packages/hello/1.0/r1"))


def test_next_release(hub: FakeHub, clock: Clock) -> None:
    """The next release follows the newest complete or building one."""
    proposal = {"name": "world", "version": "1.0"}
    assert hub.call("getNextRelease", proposal) == "1"
    for release, following in (("1", "2"), ("7.fc44", "8.fc44"), ("1.2.3", None)):
        hub.call("createEmptyBuild", "world", "1.0", release, None)
        if following is None:
            with pytest.raises(GenericError, match=r"Unable to increment release value: 1\.2\.3"):
                hub.call("getNextRelease", proposal)
        else:
            assert hub.call("getNextRelease", proposal) == following


def test_build_that_is_under_way(hub: FakeHub, clock: Clock) -> None:
    """Of two tasks that build the same, the second fails and names the first."""
    first = hub.call("build", SOURCE.format("world", "r1"), "demo")
    clock.pump([0.1] * 40)
    second = hub.call("build", SOURCE.format("world", "r1"), "demo")
    clock.pump([0.1] * 150)
    row = hub.state.get("task", second)
    assert row is not None
    assert row["fault"] == (1000, f"Build already in progress (task {first})")


def test_build_that_fails_again(hub: FakeHub, clock: Clock) -> None:
    """A build that fails may be tried any number of times, and is its last task's."""
    hub.add_package("demo-candidate", "failarch-1")
    for _ in range(3):
        task = hub.call("build", SOURCE.format("failarch-1", "r1"), "demo")
        clock.pump([0.1] * 150)
        build = hub.call("getBuild", "failarch-1-1.0-r1")
        assert (build["state"], build["task_id"]) == (build_states.FAILED, task)
        assert [each["build_id"] for each in hub.call("listBuilds", taskID=task)] == [build["id"]]


def test_move_of_all_builds(hub: FakeHub, clock: Clock) -> None:
    """The builds of a package are moved in their order, each by a task that waits for the last."""
    latest = hub.call("getLatestBuilds", "demo-candidate")[0]["nvr"]
    tasks = hub.call("moveAllBuilds", "demo-candidate", "demo-released", "hello")
    requests = [hub.call("getTaskRequest", task) for task in tasks]
    assert [request[0] for request in requests] == [[], tasks[:1], tasks[1:2]]
    clock.pump([0.1] * 200)
    assert {hub.call("getTaskResult", task) for task in tasks} == {None}
    assert hub.call("listTagged", "demo-candidate") == []
    moved = [row["nvr"] for row in hub.call("listTagged", "demo-released")]
    assert moved == ["hello-1.0-r3", "hello-1.0-r2", "hello-1.0-r1"]
    assert moved[0] == latest
    hub.call("untagBuild", "demo-released", "hello-1.0-r3")
    [task, second] = hub.call("moveAllBuilds", "demo-released", "demo-candidate", "hello")
    hub.call("cancelTask", task)
    clock.pump([0.1] * 200)
    with pytest.raises(GenericError, match=f"Dependency {task} failed to complete"):
        hub.call("getTaskResult", second)
