"""Steps that wait for repos and have them made."""

from __future__ import annotations

from dataclasses import replace

import pytest_twisted

from buildbot_koji.steps.repo import KojiRegenRepo, KojiWaitRepo
from tests.buildbot_koji.workbench import Workbench
from tests.support import until
from txkoji import build_states


class WaitRepo(KojiWaitRepo):
    """Looks often."""

    polling = replace(KojiWaitRepo.polling, first=0.1)


class RegenRepo(KojiRegenRepo):
    """Looks often."""

    polling = replace(KojiRegenRepo.polling, first=0.1)


def holds(bench: Workbench, repo_id: int, nvr: str) -> bool:
    """Tell whether a repo was made after a build got into its tag, and before it got out."""
    event = bench.hub.call("repoInfo", repo_id)["create_event"]
    latest = bench.hub.call("getLatestBuilds", "demo-build", event=event)
    return nvr in [build["nvr"] for build in latest]


@pytest_twisted.ensureDeferred
async def test_repo_is_requested(bench: Workbench) -> None:
    """A hub that makes repos on request gets one request for a repo with the builds."""
    nvr = await bench.built()
    step = WaitRepo(bench.profile, target="demo", builds=nvr)
    ended = await bench.build(step)
    repo_id = ended.properties["koji_repo_id"]
    assert (ended.result, ended.text) == (
        "success",
        f"repo {repo_id}: a repo of demo-build with {nvr}",
    )
    assert holds(bench, repo_id, nvr)
    assert any(text.startswith("newRepo (task ") for text in ended.urls)
    again = await bench.build(step)
    assert (again.result, again.properties["koji_repo_id"]) == ("success", repo_id)
    assert bench.hub.calls["repo.request"] == 1


@pytest_twisted.ensureDeferred
async def test_build_that_is_tagged_late(bench: Workbench) -> None:
    """A build that is not in the tag yet is waited for, before a repo is asked for."""
    nvr = await bench.built(skip_tag=True)
    request = await bench.begin(WaitRepo(bench.profile, tag="demo-build", builds=[nvr]))
    await until(lambda: bench.text().endswith(f"{nvr} is not in the tag"))
    assert not bench.hub.calls["repo.request"]
    bench.hub.call("tagBuild", "demo-candidate", nvr)
    ended = await bench.ended(request)
    assert ended.result == "success"
    assert holds(bench, ended.properties["koji_repo_id"], nvr)


@pytest_twisted.ensureDeferred
async def test_build_that_no_repo_will_hold(bench: Workbench) -> None:
    """A build that a later one has replaced, or that is deleted meanwhile, is not waited for."""
    old, new = await bench.built(ref="1"), await bench.built(ref="2")
    ended = await bench.build(WaitRepo(bench.profile, tag="demo-build", builds=old))
    assert (ended.result, ended.text) == (
        "failure",
        f"failed: {new} is the latest hello in demo-build: no repo of it will hold {old}",
    )
    ended = await bench.build(WaitRepo(bench.profile, tag="demo-build", builds="a-b-c"))
    assert (ended.result, ended.text) == ("failure", "failed: the hub has no build a-b-c")
    nvr = await bench.built("world", skip_tag=True)
    request = await bench.begin(WaitRepo(bench.profile, tag="demo-build", builds=nvr))
    await until(lambda: bench.text().endswith(f"{nvr} is not in the tag"))
    build_id = bench.hub.call("getBuild", nvr)["id"]
    bench.hub.state.update("build", build_id, state=int(build_states.DELETED))
    ended = await bench.ended(request)
    words = f"failed: {nvr} is DELETED: no repo will hold it"
    assert (ended.result, ended.text) == ("failure", words)


@pytest_twisted.ensureDeferred
async def test_repo_that_appears(bench: Workbench) -> None:
    """With ``request=False`` the step polls the hub until it has the repo."""
    nvr = await bench.built()
    step = WaitRepo(bench.profile, tag="demo-build", builds=nvr, request=False)
    request = await bench.begin(step)
    await until(lambda: bench.text().startswith("waiting for a repo of demo-build with"))
    repo_id = bench.hub.add_repo("demo-build")
    ended = await bench.ended(request)
    assert (ended.result, ended.properties["koji_repo_id"]) == ("success", repo_id)


@pytest_twisted.ensureDeferred
async def test_hub_without_requests(bench: Workbench) -> None:
    """An older hub without requests makes its repos itself; the step waits for one."""
    bench.hub.version = "1.34.0"
    nvr = await bench.built()
    ended = await bench.build(WaitRepo(bench.profile, tag="demo-build", builds=nvr))
    assert (ended.result, bench.hub.calls["repo.request"]) == ("success", 0)
    assert holds(bench, ended.properties["koji_repo_id"], nvr)


@pytest_twisted.ensureDeferred
async def test_current_repo(bench: Workbench) -> None:
    """Without builds the repo is as new as the tag; what is new enough is not made again."""
    step = WaitRepo(bench.profile, tag="demo-build")
    first = await bench.build(step)
    assert (first.result, bench.hub.calls["repo.request"]) == ("success", 0)
    nvr = await bench.built()
    second = await bench.build(step)
    assert bench.hub.calls["repo.request"] == 1
    assert holds(bench, second.properties["koji_repo_id"], nvr)


@pytest_twisted.ensureDeferred
async def test_regeneration(bench: Workbench) -> None:
    """A repo is made on request, by a task of ours where that is wanted or the hub is older."""
    await bench.built()
    ended = await bench.build(RegenRepo(bench.profile, target="demo"))
    assert (ended.result, bench.hub.calls["repo.request"], bench.hub.calls["newRepo"]) == (
        "success",
        1,
        0,
    )
    for calls, options in enumerate(({"make_task": True}, {}), 1):
        if not options:
            bench.hub.version = "1.34.0"
        ended = await bench.build(RegenRepo(bench.profile, tag="demo-build", **options))
        assert (ended.result, bench.hub.calls["newRepo"]) == ("success", calls)
        [task_id] = ended.properties["koji_task_ids"]
        [repo_id, _] = bench.hub.call("getTaskResult", task_id)
        assert ended.properties["koji_repo_id"] == repo_id


@pytest_twisted.ensureDeferred
async def test_repo_that_does_not_come_in_time(bench: Workbench) -> None:
    """A repo that does not come is waited for until ``timeout``."""
    nvr = await bench.built(skip_tag=True)
    step = WaitRepo(bench.profile, tag="demo-build", builds=nvr, timeout=3600)
    request = await bench.begin(step)
    await until(lambda: bench.text().startswith("waiting for a repo of demo-build"))
    bench.expire()
    ended = await bench.ended(request)
    words = f"timed out after 3600 s: waiting for a repo of demo-build with {nvr}: "
    assert (ended.result, ended.text.startswith(words)) == ("failure", True), ended.text
