"""Older hubs, hubs without plugins, and stricter ones."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from txkoji.exceptions import ActionNotAllowed, GenericError, ParameterError
from txkoji.testing import FakeHub

pytestmark = pytest.mark.hub(on_clock=True, build_seconds=10)

SOURCE = "git+https://git.example.test/rpms/hello.git#{}"


def old_hub(clock: Clock, version: str) -> FakeHub:
    hub = FakeHub(clock, version=version)
    hub.add_demo_content()
    return hub


def test_without_a_plugin(hub: FakeHub) -> None:
    """The methods of a plugin that is not installed are unknown."""
    hub.without_plugins("sidetag", "runroot")
    for method in ("createSideTag", "runroot"):
        with pytest.raises(GenericError, match=f"Invalid method: {method}"):
            hub.call(method, "demo-build", "x86_64", "ls")
    names = hub.call("system.listMethods")
    assert "createSideTag" not in names
    assert "getTag" in names


def test_hub_without_repo_requests(clock: Clock) -> None:
    """Hubs before 1.35 have no repo requests."""
    hub = old_hub(clock, "1.34.1")
    with pytest.raises(GenericError, match=r"Invalid method: repo\.request"):
        hub.call("repo.request", "demo-build")
    with pytest.raises(ParameterError, match="unexpected keyword argument 'min_event'"):
        hub.call("getRepo", "demo-build", min_event=1)
    assert hub.call("getRepo", "demo-build")["tag_name"] == "demo-build"
    assert hub.call("createSideTag", "demo-build").keys() == {"name", "id", "task_id"}
    families = {name.partition(".")[0] for name in hub.call("system.listMethods")}
    assert "repo" not in families


def test_hub_without_drafts(clock: Clock) -> None:
    """Hubs before 1.34 have no drafts: the option is ignored, the arguments are refused."""
    hub = old_hub(clock, "1.33.0")
    task = hub.call("build", SOURCE.format("r1"), "demo", {"draft": True})
    clock.pump([0.1] * 200)
    [build] = hub.call("listBuilds", taskID=task)
    assert build["release"] == "r1"
    assert "draft" not in build
    assert "promoter_name" not in hub.call("getBuild", build["build_id"])
    with pytest.raises(GenericError, match="Invalid method: promoteBuild"):
        hub.call("promoteBuild", build["build_id"])
    with pytest.raises(ParameterError, match="unexpected keyword argument 'draft'"):
        hub.call("listTagged", "demo-candidate", draft=True)


def test_a_past(hub: FakeHub, clock: Clock) -> None:
    """A hub may have lived before, at its own pace: what it did then is its history."""
    hub.builder.pace = lambda package, arch, task_id: 3.0 if package == "hello" else 1.0  # noqa: ARG005
    before = clock.seconds()
    with hub.past(before - 86400) as past:
        task = hub.call("build", SOURCE.format("r1"), "demo")
        other = hub.call("build", SOURCE.format("r1").replace("hello", "world"), "demo")
        past.advance(1)
    assert clock.seconds() == hub.now() == before
    [build], [faster] = hub.call("listBuilds", taskID=task), hub.call("listBuilds", taskID=other)
    assert build["completion_ts"] < before - 86000
    assert build["completion_ts"] - faster["completion_ts"] > 10
    clock.advance(3600)
    assert hub.call("build", SOURCE.format("r2"), "demo") > other


def test_policy_that_denies(hub: FakeHub, clock: Clock) -> None:
    """A policy refuses with its name and reason, unless an admin forces it."""
    hub.call("build", SOURCE.format("r1"), "demo")
    clock.pump([0.1] * 200)
    hub.deny("tag", "frozen for the release")
    text = r"policy violation \(tag\): frozen for the release"
    with pytest.raises(ActionNotAllowed, match=text):
        hub.call("tagBuild", "demo-released", "hello-1.0-r1", user="alice")
    with pytest.raises(ActionNotAllowed, match=text):
        hub.call("tagBuild", "demo-released", "hello-1.0-r1", True, user="alice")
    assert hub.call("tagBuild", "demo-released", "hello-1.0-r1", True)


def test_repo_query(hub: FakeHub) -> None:
    """Repos are selected by clauses, with the requested fields."""
    first, second = hub.call("getRepo", "demo-build")["id"], hub.add_repo("demo-build")
    tag = hub.call("getTag", "demo-build")["id"]
    newer = [["tag_id", "=", tag], ["state", "IN", [1]], ["id", ">", first]]
    assert hub.call("repo.query", newer, ["id", "tag_name"]) == [
        {"id": second, "tag_name": "demo-build"}
    ]
    assert hub.call("repo.query", [["id", str(second)]], ["id"]) == [{"id": second}]
    ids = hub.call("repo.query", newer[:2], ["id"], {"order": "-id", "limit": 1})
    assert ids == [{"id": second}]
    with pytest.raises(ParameterError):
        hub.call("repo.query", [["id", "~", 1]])
    with pytest.raises(ParameterError):
        hub.call("repo.query", newer, ["nothing"])


def test_builds_for_admins(hub: FakeHub, clock: Clock) -> None:
    """The default policies let only admins build in a repo of their choice."""
    repo = hub.call("getRepo", "demo-build")["id"]
    for user, fault in (("alice", 1004), ("kojiadmin", None)):
        task = hub.call("build", SOURCE.format(user), None, {"repo_id": repo}, user=user)
        clock.pump([0.1] * 200)
        row = hub.state.get("task", task)
        assert row is not None
        assert (row["fault"] or (None,))[0] == fault
        if fault:
            reason = "Only admin can do this via default policy"
            refused = (
                f"policy violation (build_from_repo_id): {reason} [rule: all :: deny {reason}]"
            )
            assert row["fault"][1] == refused
