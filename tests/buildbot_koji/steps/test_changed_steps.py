"""A build request that is built again with other steps: each finds its own work."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util

from buildbot_koji.steps.framework import storing_step
from tests.buildbot_koji.workbench import SOURCE, Ended, Workbench
from tests.support.hubs import hold
from tests.support.waiting import until

REFS = iter(range(1000))


@util.renderer
def another_each_time(_properties: Any) -> str:
    """Return another commit in each attempt."""
    return SOURCE.format("hello", next(REFS))


@util.renderer
def as_before(_properties: Any) -> str:
    """Return what the interpolation gives."""
    return SOURCE.format("hello", "main")


def source_of(package: str) -> Any:
    """Return a renderable of a package."""

    @util.renderer
    def source(_properties: Any) -> str:
        return SOURCE.format(package, "main")

    return source


def koji_build(bench: Workbench, source: Any, *, hub: Any = None, **options: Any) -> Any:
    if isinstance(source, str):
        source = util.Interpolate(SOURCE.format(source, "%(prop:ref)s"))
    options = {"target": "demo", "scratch": True, **options}
    return steps.KojiBuild(hub or bench.profile, source=source, **options)


def built(bench: Workbench) -> list[tuple[str, str]]:
    """Return the package and the target of each build that the hub was asked for."""
    found = bench.hub.call("listTasks", {"method": "build"}, {"order": "id"})
    requests = [bench.hub.call("getTaskInfo", each["id"], request=True) for each in found]
    return [
        (each["request"][0].split("/")[-1].split(".")[0], each["request"][1]) for each in requests
    ]


def followed(bench: Workbench) -> int | None:
    """Return the task that the running step follows."""
    step = None if bench.running() is None else bench.running().currentStep
    intent = None if step is None else step.intent
    return None if intent is None else intent.task_id


async def build_again(bench: Workbench, before: Any, *after: Any) -> Ended:
    """Lose a build once its task runs, and let other steps build its request again."""
    release = hold(bench.hub, "buildArch")
    request = await bench.begin(before, ref="main")
    await until(lambda: followed(bench) is not None)
    first = bench.running()
    bench.use_steps(*after)
    bench.lose_worker()
    await until(lambda: bench.running() is not first and followed(bench) is not None)
    release()
    return await bench.ended(request)


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize("source", [str, source_of], ids=["texts", "functions"])
@pytest.mark.parametrize("name", ["koji build", "of the day"])
async def test_step_before(bench: Workbench, name: str, source: Any) -> None:
    """One that now comes first follows no other's task, and that one its own, also renamed."""
    world = koji_build(bench, source("world"))
    hello = koji_build(bench, source("hello"), name=name)
    ended = await build_again(bench, koji_build(bench, source("hello")), world, hello)
    assert ended.result == "success"
    assert built(bench) == [("hello", "demo"), ("world", "demo")]


@pytest_twisted.ensureDeferred
async def test_other_target(bench: Workbench) -> None:
    """A step whose target was changed builds there."""
    bench.hub.call("createBuildTarget", "other", "demo-build", "demo-candidate", user="kojiadmin")
    other = koji_build(bench, "hello", target="other")
    ended = await build_again(bench, koji_build(bench, "hello"), other)
    assert ended.result == "success"
    assert built(bench) == [("hello", "demo"), ("hello", "other")]


@pytest_twisted.ensureDeferred
@pytest.mark.parametrize(
    ("before", "after"),
    [("hello", as_before), (another_each_time, another_each_time), ("hello", "hello")],
    ids=["spelled in another way", "rendered to another commit", "other options"],
)
async def test_same_work(bench: Workbench, before: Any, after: Any) -> None:
    """What is built is built once, however the configuration says it."""
    hub = util.KojiHub(bench.profile)
    changed = koji_build(bench, after, hub=hub, live_logs=False, priority=5)
    ended = await build_again(bench, koji_build(bench, before), changed)
    assert ended.result == "success"
    assert built(bench) == [("hello", "demo")]


@pytest_twisted.ensureDeferred
async def test_equal_steps(bench: Workbench) -> None:
    """Of two that are equal, the first follows the task, and the second starts one."""
    twice = [koji_build(bench, "hello"), koji_build(bench, "hello", name="again")]
    ended = await build_again(bench, koji_build(bench, "hello", name="again"), *twice)
    assert ended.result == "success"
    assert len(built(bench)) == 2


@pytest_twisted.ensureDeferred
async def test_tags_that_change_places(bench: Workbench) -> None:
    """Two tags are both given, though the step with the first name now gives the second."""
    nvr = await bench.built()
    first, second = (
        steps.KojiTag(bench.profile, tag=tag, builds=nvr) for tag in ("demo-released", "demo-build")
    )
    release = hold(bench.hub, "tagBuild")
    request = await bench.begin(first, second)
    await until(lambda: bench.text().startswith("tagging: 0/1"))
    lost = bench.running()
    bench.use_steps(second, first)
    bench.lose_worker()
    await until(lambda: bench.running() is not lost and bench.text().startswith("tagging: 0/1"))
    release()
    assert (await bench.ended(request)).result == "success"
    assert bench.hub.calls["tagBuild"] == 2
    for tag in ("demo-released", "demo-build"):
        assert [each["nvr"] for each in bench.hub.call("listTagged", tag)] == [nvr]


async def second_attempt(bench: Workbench, monkeypatch: Any, to_row: Any) -> Ended:
    """Return how a build ends whose worker is lost after its step was stored in another way."""
    release = hold(bench.hub, "buildArch")
    with monkeypatch.context() as patch:
        patch.setattr(storing_step, "to_row", to_row)
        request = await bench.begin(koji_build(bench, "hello"), ref="main")
        await until(lambda: followed(bench) is not None)
    bench.lose_worker()
    ended = await bench.ended(request)
    release()
    return ended


@pytest.mark.parametrize(
    ("newer", "stored"),
    [
        ({"lane": "fast"}, "task 1 with lane"),
        ({"submission": {"marker": "m", "shard": 4}}, "task 1 with shard"),
        ({"identity": {"kind": "KojiBuild"}}, "what a step of build 1 did"),
        (
            {"identity": ["KojiBuild", "a", "b", "c"]},
            "what a step of build 1 did",
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_stored_by_a_newer_version(
    bench: Workbench, monkeypatch: Any, newer: dict[str, Any], stored: str
) -> None:
    """A master that was not upgraded yet submits nothing again, and says why."""
    own = storing_step.to_row

    def to_row(value: Any, identity: Any) -> bytes:
        return json.dumps({**json.loads(own(value, identity)), **newer}).encode()

    ended = await second_attempt(bench, monkeypatch, to_row)
    words = f"a newer version of buildbot_koji stored {stored}: it is left alone, and nothing is"
    rest = " submitted again; upgrade this master, and look at the hub before you rebuild"
    assert (ended.result, ended.text) == ("exception", words + rest)
    assert built(bench) == [("hello", "demo")]


@pytest_twisted.ensureDeferred
async def test_damaged_attempt(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step whose record of the earlier attempt is damaged submits nothing again."""
    for stored in ('{"call": {"method', '{"call": 5}', "[]", "null", "\udc80"):
        before = len(built(bench))
        row = stored.encode(errors="surrogateescape")
        ended = await second_attempt(bench, monkeypatch, lambda *_, row=row: row)
        assert ended.result == "exception", stored
        assert ", damaged: it is left alone, and nothing is submitted again" in ended.text
        assert len(built(bench)) == before + 1
