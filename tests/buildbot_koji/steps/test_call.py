"""Steps that make any call, and that cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest_twisted
from buildbot.plugins import steps, util

from tests.buildbot_koji.steps.lost_replies import without_reply
from tests.buildbot_koji.workbench import SOURCE, Ended, Workbench
from tests.support import until
from tests.support.hubs import hold
from txkoji.exceptions import GenericError


@pytest_twisted.ensureDeferred
async def test_result_of_a_read(bench: Workbench) -> None:
    """The result of a call is in a property, and as a log."""
    call = steps.KojiCall(
        bench.profile, method="getBuildTarget", args=[util.Property("target")], property="found"
    )
    ended = await bench.build(call, target="demo")
    assert (ended.result, ended.text) == ("success", "called getBuildTarget")
    assert ended.properties["found"]["build_tag_name"] == "demo-build"
    assert '"dest_tag_name": "demo-candidate"' in ended.logs["result"]


@pytest_twisted.ensureDeferred
async def test_named_arguments_and_no_result(bench: Workbench) -> None:
    """Named arguments are Koji's; None is a result too."""
    arguments = {"taginfo": "demo-released", "pkginfo": "bash", "owner": "kojiadmin"}
    ended = await bench.build(
        steps.KojiCall(bench.profile, method="packageListAdd", kwargs=arguments)
    )
    assert (ended.result, ended.properties["koji_call_result"]) == ("success", None)
    assert bench.hub.call("checkTagPackage", "demo-released", "bash")


@pytest_twisted.ensureDeferred
async def test_rendered_value_that_cannot_be_sent(bench: Workbench) -> None:
    """A property that can't be sent to a hub ends the step in one line, before any call."""
    call = steps.KojiCall(bench.profile, method="getTag", args=[util.Property("tag")])
    before = bench.hub.calls["getTag"]
    ended = await bench.build(call, tag="de\0mo")
    assert ended.result == "exception"
    assert ended.text == (
        "args=['de\\x00mo'] holds the character U+0000, which XML can't hold (it comes from"
        " [Property(tag)])"
    )
    assert bench.hub.calls["getTag"] == before


@pytest_twisted.ensureDeferred
async def test_refused_call(bench: Workbench) -> None:
    """What the hub refuses is a failure, in one line."""
    ended = await bench.build(steps.KojiCall(bench.profile, method="noSuchMethod"))
    assert ended.result == "failure"
    assert ended.text == (
        "failed: the hub has no noSuchMethod: it is older than this method, or a plugin is missing"
    )


@pytest_twisted.ensureDeferred
async def test_misspelt_method(bench: Workbench) -> None:
    """The closest methods of the hub are suggested."""
    ended = await bench.build(steps.KojiCall(bench.profile, method="getBulidTarget", args=["demo"]))
    assert (
        "the hub has no getBulidTarget: did you mean getBuildTarget, getBuildTargets or"
        in ended.text
    )


@pytest_twisted.ensureDeferred
async def test_property_that_is_not_set(bench: Workbench) -> None:
    """A required argument that renders to nothing is named with its property."""
    step = steps.KojiTag(bench.profile, tag=util.Property("nope"), builds="hello-1.0-1")
    ended = await bench.build(step)
    assert ended.text == "tag is missing: Property(nope) renders to nothing: unset, empty or 0"
    step = steps.KojiTag(bench.profile, tag=util.Interpolate("%(prop:no)s"), builds="hello-1.0-1")
    ended = await bench.build(step)
    assert ended.text.startswith("tag='' must be a name or an id (it comes from ")


@pytest_twisted.ensureDeferred
async def test_renderable_that_fails(bench: Workbench) -> None:
    """A mistake of the configuration's code is one line, however deep in an argument it is."""
    fails = util.Transform(lambda: {}["release"])
    ended = await bench.build(steps.KojiTag(bench.profile, tag=fails, builds=["a-1-1", fails]))
    said = "can't be rendered: KeyError: 'release' (it comes from"
    transform = "<buildbot.process.properties.Transform>"
    assert (ended.result, ended.text) == (
        "exception",
        f"tag {said} {transform}); builds {said} ['a-1-1', {transform}])",
    )
    packages = util.KojiPackages("demo-candidate", globs=fails)
    step = steps.KojiMassBuild(
        bench.profile, "demo", packages, source="git+https://git.example.test/{package}.git#main"
    )
    ended = await bench.build(step)
    assert ended.text == f"packages {said} KojiPackages('demo-candidate'))"


async def call_twice(bench: Workbench, tag: str, *, repeatable: bool) -> Ended:
    """Create a tag, but lose the reply and the worker."""
    step = steps.KojiCall(bench.profile, method="createTag", args=[tag], repeatable=repeatable)
    return await without_reply(bench, "createTag", step)


@pytest_twisted.ensureDeferred
async def test_call_of_which_the_reply_is_lost(bench: Workbench) -> None:
    """A later attempt does not repeat a call that changes something, unless it may."""
    ended = await call_twice(bench, "first", repeatable=False)
    assert (ended.result, ended.attempts) == ("exception", 2)
    assert ended.text.startswith("it is unknown whether an earlier createTag arrived")
    assert bench.hub.calls["createTag"] == 1


@pytest_twisted.ensureDeferred
async def test_call_that_may_be_repeated(bench: Workbench) -> None:
    """A call that may be made twice is: here the hub says that it did it before."""
    ended = await call_twice(bench, "second", repeatable=True)
    assert (ended.result, ended.attempts) == ("failure", 2)
    assert "second" in ended.text
    assert bench.hub.calls["createTag"] == 2


@pytest_twisted.ensureDeferred
async def test_cancel(bench: Workbench) -> None:
    """Tasks and builds are canceled, even if others have ended or are refused."""
    bench.hub.builder.seconds = 1000.0
    first = bench.hub.call("build", SOURCE.format("hello", "1"), "demo")
    second = bench.hub.call("build", SOURCE.format("hello", "2"), "demo")
    step = steps.KojiCancel(bench.profile, tasks=[first, 999999, second])
    ended = await bench.build(step)
    nothing = ("failure", "failed: the hub has no task 999999")
    assert (ended.result, ended.text) == nothing
    ended = await bench.build(steps.KojiCancel(bench.profile, tasks=999999, full=True))
    assert (ended.result, ended.text) == nothing
    for task_id in (first, second):
        assert bench.hub.call("getTaskInfo", task_id)["state"] == 3
    again = await bench.build(steps.KojiCancel(bench.profile, tasks=first))
    assert (again.result, again.text) == ("success", f"canceled task {first}")


@pytest_twisted.ensureDeferred
async def test_cancel_build(bench: Workbench) -> None:
    """A build is canceled by its NVR, and its task with it."""
    hold(bench.hub, "buildArch")
    task_id = bench.hub.call("build", SOURCE.format("hello", "main"), "demo")
    await until(lambda: bench.hub.call("listBuilds", taskID=task_id))
    ended = await bench.build(steps.KojiCancel(bench.profile, builds="hello-1.0-main"))
    assert (ended.result, ended.text) == ("success", "canceled hello-1.0-main")
    assert bench.hub.call("getTaskInfo", task_id)["state"] == 3
    step = steps.KojiCancel(bench.profile, builds="a-b-c hello-1.0-main")
    ended = await bench.build(step)
    assert (ended.result, ended.text) == ("failure", "failed: the hub has no build a-b-c")


@pytest_twisted.ensureDeferred
async def test_cancel_what_has_ended(bench: Workbench) -> None:
    """An ended task is not reported as canceled; ids may be text, as a form gives them."""
    nvr = await bench.built()
    build = bench.hub.call("getBuild", nvr)
    tasks = util.Property("task_id")
    step = steps.KojiCancel(bench.profile, tasks=tasks, builds=nvr)
    ended = await bench.build(step, task_id=str(build["task_id"]))
    words = f"task {build['task_id']} is CLOSED already; {nvr} is COMPLETE already"
    assert (ended.result, ended.text) == ("success", words)
    step = steps.KojiDownloadTask(bench.profile, task_id=tasks, to="master", directory="rpms")
    ended = await bench.build(step, task_id=str(build["task_id"]))
    assert ended.result == "success", ended.text


@pytest_twisted.ensureDeferred
async def test_many_long_summaries(bench: Workbench) -> None:
    """The summary of a build, which Buildbot joins of its steps', fits the database."""

    def answer(name: str, _: list[Any], run: Callable[[], Any]) -> Any:
        if name == "getTag":
            raise GenericError("€" * 1000)
        return run()

    bench.hub.answer = answer
    made = [
        steps.KojiCall(bench.profile, name=f"call {number}", method="getTag", args=[number])
        for number in range(60)
    ]
    ended = await bench.build_all(*made)
    assert all(each.text.endswith("€...") for each in ended)
    assert ended[-1].properties["koji_reason"] == ended[-1].text.removeprefix("failed: ")
    [build] = await bench.master.data.get(("builds",))
    assert 59_000 < len(build["state_string"].encode()) < 65_536
