"""Repos on request, automatic repos, and repos that fail."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from txkoji import task_states
from txkoji.exceptions import GenericError
from txkoji.testing import FakeHub

pytestmark = pytest.mark.hub(on_clock=True, build_seconds=10)

SOURCE = "git+https://git.example.test/rpms/hello.git#r1"


def run(clock: Clock, seconds: float = 20) -> None:
    clock.pump([0.1] * int(seconds * 10))


def test_request(hub: FakeHub, clock: Clock) -> None:
    """A task of kojira's serves a request; a second request is a duplicate."""
    hub.call("createTag", "fresh", arches="x86_64")
    asked = hub.call("repo.request", "fresh", user="alice")["request"]
    again = hub.call("repo.request", "fresh")
    assert again["duplicate"] is True
    assert again["request"]["id"] == asked["id"]
    run(clock)
    checked = hub.call("repo.checkRequest", asked["id"])
    assert (checked["request"]["active"], checked["request"]["tries"]) == (False, 1)
    assert checked["repo"]["tag_name"] == "fresh"
    task = hub.call("getTaskInfo", checked["request"]["task_id"])
    assert hub.call("getUser", task["owner"])["name"] == "kojira"
    assert (
        hub.call("repo.request", "fresh", min_event="last")["repo"]["id"] == (checked["repo"]["id"])
    )


def test_request_with_options(hub: FakeHub, clock: Clock) -> None:
    """A repo of other options, or of an earlier event, is another repo."""
    hub.call("createTag", "fresh", arches="x86_64")
    event = hub.call("getLastEvent")["id"]
    wanted: list[dict[str, Any]] = [{}, {"opts": {"src": True}}, {"at_event": event}]
    asked = [hub.call("repo.request", "fresh", **options)["request"]["id"] for options in wanted]
    assert len(set(asked)) == 3
    run(clock, 60)
    plain, source, past = (hub.call("repo.checkRequest", each)["repo"] for each in asked)
    assert (plain["custom_opts"], source["custom_opts"]) == ({}, {"src": True})
    assert (source["opts"]["src"], past["create_event"]) == (True, event)
    found = hub.call("repo.get", "fresh", opts={"src": True})
    assert found["id"] == source["id"]


def test_request_that_fails(hub: FakeHub, clock: Clock) -> None:
    """A failing repo is tried four times; then its request ends without one."""
    hub.call("createTag", "failrepo", arches="x86_64")
    asked = hub.call("repo.request", "failrepo")["request"]
    run(clock, 60)
    checked = hub.call("repo.checkRequest", asked["id"])
    request = checked["request"]
    assert (request["active"], request["tries"], checked["repo"]) == (False, 4, None)
    assert request["task_state"] == task_states.FAILED
    tasks = hub.call("listTasks", {"method": "newRepo"})
    assert [task["state"] for task in tasks] == [task_states.FAILED] * 4


def test_request_while_the_channel_is_disabled(hub: FakeHub, clock: Clock) -> None:
    """The request waits for the channel, and holds up nothing that was asked for with it."""
    hub.call("disableChannel", "createrepo")
    hub.call("createTag", "fresh", arches="x86_64")
    calls = [("repo.request", ["fresh"]), ("build", [SOURCE, "demo"])]
    [[asked], [build]] = hub.call(
        "multiCall", [{"methodName": method, "params": params} for method, params in calls]
    )
    run(clock, 30)
    assert hub.call("getTaskInfo", build)["state"] == task_states.CLOSED
    assert hub.call("repo.checkRequest", asked["request"]["id"])["request"]["task_id"] is None
    hub.call("enableChannel", "createrepo")
    run(clock)
    assert hub.call("repo.checkRequest", asked["request"]["id"])["repo"]["tag_name"] == "fresh"


def test_wait_for_a_build_that_is_not_tagged(hub: FakeHub, clock: Clock) -> None:
    """Waiting for a build continues until it is tagged and in a repo."""
    hub.call("build", SOURCE, "demo", {"skip_tag": True})
    run(clock)
    task_id = hub.call("makeTask", "waitrepo", ["demo-build", None, ["hello-1.0-r1"]])
    run(clock)
    assert hub.call("getTaskInfo", task_id)["state"] == task_states.OPEN
    hub.call("tagBuildBypass", "demo-candidate", "hello-1.0-r1")
    tagged = hub.call("getLastEvent")["id"]
    run(clock)
    assert hub.call("getTaskResult", task_id)["create_event"] > tagged


def test_who_waits_for_the_same_repo(hub: FakeHub, clock: Clock) -> None:
    """All tasks that wait for the same repo share one request, on a host with little room, too."""
    tasks = [hub.call("makeTask", "waitrepo", ["fresh"]) for _ in range(30)]
    hub.call("createTag", "fresh", arches="x86_64")
    run(clock, 60)
    repos = {hub.call("getTaskResult", task)["id"] for task in tasks}
    assert len(repos) == 1
    assert len(hub.call("listTasks", {"method": "newRepo"})) == 1


def test_wait_for_a_repo_that_fails(hub: FakeHub, clock: Clock) -> None:
    """Waiting for a repo fails if the repo does."""
    hub.call("createTag", "failrepo", arches="x86_64")
    task_id = hub.call("makeTask", "waitrepo", ["failrepo"])
    run(clock, 60)
    with pytest.raises(GenericError, match=r"Repo request inactive: task \d+ state is FAILED"):
        hub.call("getTaskResult", task_id)


def test_wait_for_a_repo_that_is_deleted(hub: FakeHub, clock: Clock) -> None:
    """What waits asks again, and fails if the next repo does: it does not ask forever."""
    hub.call("createTag", "failrepo", arches="x86_64")
    task_id = hub.call("makeTask", "waitrepo", ["failrepo"])
    run(clock, 1)
    [request] = hub.state.rows("repo_queue")
    with hub.state.transaction():
        hub.state.update(
            "repo_queue", request["id"], active=False, repo_id=hub.add_repo("demo-build")
        )
    run(clock, 120)
    assert hub.call("getTaskInfo", task_id)["state"] == task_states.FAILED
    assert len(hub.state.rows("repo_queue")) == 2


def test_build_in_a_current_repo(hub: FakeHub, clock: Clock) -> None:
    """A build waits for a repo that is as new as its tag, or that holds other builds."""
    repo = hub.call("getRepo", "demo-build")["id"]
    hub.call("build", SOURCE, "demo")
    run(clock)
    options = ({}, {"wait_repo": True}, {"wait_builds": ["hello-1.0-r1"]})
    tasks = [hub.call("build", f"{SOURCE}{n}", "demo", each) for n, each in enumerate(options)]
    run(clock, 40)
    roots = {
        root["task_id"]: root["repo_id"] for root in hub.call("listBuildroots") if root["repo_id"]
    }
    used = []
    for task in tasks:
        assert hub.call("getTaskInfo", task)["state"] == task_states.CLOSED
        children = [child["id"] for child in hub.call("getTaskChildren", task)]
        used.append({roots[child] for child in children if child in roots})
    assert used[0] == {repo}
    assert used[1] == used[2] != {repo}


def test_repo_of_an_earlier_event(hub: FakeHub, clock: Clock) -> None:
    """A repo of an event begins with the last change before; there is none before the tag was."""
    tag = hub.call("getTag", "demo-build")["id"]
    changed = hub.call("tagLastChangeEvent", tag)
    hub.call("createTag", "later", arches="x86_64")
    event = hub.call("getLastEvent")["id"]
    hub.call("packageListAdd", "demo-candidate", "newer", owner="alice")
    tasks = [hub.call("newRepo", tag, event=event), hub.call("newRepo", "later", event=changed)]
    run(clock)
    made = hub.call("repoInfo", hub.call("getTaskResult", tasks[0])[0])
    assert (made["begin_event"], made["create_event"]) == (changed, event)
    with pytest.raises(GenericError, match="No such tagInfo: 'later'"):
        hub.call("getTaskResult", tasks[1])


def test_options_of_a_tag(hub: FakeHub, clock: Clock) -> None:
    """A tag says what its repos have, unless a request asks for something else."""
    hub.call("editTag2", "demo-build", extra={"repo.opts": {"src": True}})
    for asked in (None, {"src": False}):
        request = hub.call("repo.request", "demo-build", opts=asked, force=True)["request"]
        run(clock)
        repo = hub.call("repo.checkRequest", request["id"])["repo"]
        assert (repo["opts"]["src"], repo["custom_opts"]) == (asked is None, asked or {})


def repos_after_a_tagging(hub: FakeHub, clock: Clock) -> list[Any]:
    hub.call("build", SOURCE, "demo")
    run(clock, 40)
    tag = hub.call("getTag", "demo-build")["id"]
    return [row for row in hub.state.rows("repo") if row["tag_id"] == tag]


def test_no_repo_of_itself(hub: FakeHub, clock: Clock) -> None:
    """Since 1.35 a changed tag gets a new repo on request only."""
    assert len(repos_after_a_tagging(hub, clock)) == 1


def test_repo_that_follows_its_tag(hub: FakeHub, clock: Clock) -> None:
    """A tag with ``repo.auto`` is regenerated automatically."""
    hub.call("editTag2", "demo-build", extra={"repo.auto": True})
    assert len(repos_after_a_tagging(hub, clock)) == 3


def test_old_hub(clock: Clock) -> None:
    """Before 1.35 each change of a build tag, or of its parents, makes a new repo."""
    hub = FakeHub(clock, version="1.34.0")
    hub.add_demo_content()
    before = len(hub.state.rows("repo"))
    assert len(repos_after_a_tagging(hub, clock)) == before + 1
    hub.call("editTag2", "demo-build", extra={"mock.value": 1})
    run(clock, 1)
    [making] = hub.call("listTasks", {"method": "newRepo", "state": [task_states.OPEN]})
    hub.call("editTag2", "demo-build", extra={"mock.value": 2})
    changed = hub.call("getLastEvent")["id"]
    run(clock, 60)
    assert hub.call("getTaskResult", making["id"])
    assert hub.call("getRepo", "demo-build")["create_event"] >= changed
    hub.builder.stop()
