"""KojiTagReporter in a real master, against an embedded hub."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from buildbot.process.results import EXCEPTION, FAILURE, RETRY, WARNINGS
from twisted.internet import reactor

from buildbot_koji.durable.deliveries import Delivery, DeliveryState
from buildbot_koji.durable.outbox import Refused, Undone
from buildbot_koji.reporters.tag_delivery import TagCall, TagSender, plan
from tests.buildbot_koji.masters import MasterProcess
from tests.buildbot_koji.reporters.support import add_build, config, records, run, settled
from tests.support import poll, until
from tests.support.ends import AtEnd
from tests.support.fault_proxy import Fate, FaultProxy
from txkoji import Call, Limits, Submission, TaskTree, task_states
from txkoji.task_info import TaskInfo
from txkoji.testing import FakeHub

pytestmark = pytest.mark.hub(build_seconds=1, tls=True, anonymous_user=None)

PLAIN = """\
        tagging("plain", builders=["plain"],
                on_success={"tag": util.Interpolate("%(prop:stage)s"), "untag": "candidate"},
                on_warnings={"tag": "tested"},
                on_failure={"untag": "candidate"}),
"""
GATE = """\
        tagging("gate", requires=["first", "second", "third"],
                on_success={"tag": "tested"}, on_failure={"tag": "rejected"}),
"""


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    """Give a hub with tags of its own."""
    for tag in ("candidate", "tested", "rejected"):
        hub.add_tag(tag)
        hub.add_package(tag, "hello")
    return hub


@pytest_twisted.async_yield_fixture
async def make_master(tmp_path: Path) -> AsyncIterator[Callable[[str, str], MasterProcess]]:
    """Give a function that makes a master, which always ends with the test."""
    made: list[MasterProcess] = []

    def make(profile: str, text: str) -> MasterProcess:
        made.append(MasterProcess(tmp_path, profile, text))
        return made[-1]

    yield make
    for master in made:
        await master.end(signal.SIGKILL)
        assert master.errors == []


@pytest_twisted.async_fixture
async def master(hub: FakeHub, make_master: Callable[[str, str], MasterProcess]) -> MasterProcess:
    master = make_master(hub.profile_text(user="kojiadmin"), config(PLAIN, GATE))
    await master.start()
    return master


def tags_of(hub: FakeHub, build_id: int) -> set[str]:
    return {tag["name"] for tag in hub.call("listTags", build_id)}


def tag_tasks(hub: FakeHub) -> list[dict[str, Any]]:
    """Read the tasks behind the back of a hub, which may be offline."""
    return sorted(hub.state.rows("task", method="tagBuild"), key=lambda task: task["id"])


@pytest.mark.parametrize(
    ("wanted", "tags", "does"),
    [
        ({"tag": "b"}, [], TagCall("tagBuild", ("b",), "tagged into b")),
        ({"tag": "b"}, ["a", "b"], "already tagged into b"),
        ({"untag": "a"}, ["a"], TagCall("untagBuild", ("a",), "untagged from a")),
        ({"untag": "a"}, ["b"], "is not in a"),
        ({"tag": "b", "untag": "a"}, ["a"], TagCall("moveBuild", ("a", "b"), "moved from a to b")),
        (
            {"tag": "b", "untag": "a"},
            ["a", "b"],
            TagCall("untagBuild", ("a",), "untagged from a"),
        ),
        ({"tag": "b", "untag": "a"}, ["b"], "already tagged into b"),
    ],
)
def test_plan(wanted: dict[str, str], tags: list[str], does: TagCall | str) -> None:
    """One call, or none, brings a build to where it should be."""
    assert plan(wanted, tags) == does


def test_move_from_where_it_is_not() -> None:
    """A build that someone took out of the tag is not put into the next one."""
    with pytest.raises(Refused, match="not moved to b: it is not in a any more"):
        plan({"tag": "b", "untag": "a"}, ["c"])


@pytest.mark.parametrize(
    ("fault", "attempts", "kind"),
    [
        ("No space left on device", 1, Undone),
        ("No space left on device", 3, Refused),
        ("tag tested is locked", 1, Refused),
    ],
)
@pytest_twisted.ensureDeferred
async def test_failed_task(fault: str, attempts: int, kind: type[Exception]) -> None:
    """A tagging that the build system failed is submitted again, some times; no other is."""
    call, submission = Call("tagBuild", ("tested", 3)), Submission("marker", 1.0, 6)

    async def ended(watch: Any, *sent: Any) -> TaskTree:
        assert (watch, *sent) == (7, call, submission)
        return TaskTree(TaskInfo(id=7, state=task_states.FAILED, method="tagBuild"))

    async def answer(method: str, *args: Any, **named: Any) -> Any:
        if method == "listTags":
            assert (args, named) == ((), {"build": 3})
            return []
        assert (method, args, named) == ("getTaskResult", (7,), {"raise_fault": False})
        return {"faultCode": 1000, "faultString": fault}

    hub = SimpleNamespace(
        connection=SimpleNamespace(call=answer, checked=answer),
        ended=ended,
        watcher=SimpleNamespace(watch=lambda task_id: task_id),
    )

    async def get() -> Any:
        return hub

    notes = {
        "task_id": 7,
        "said": "hello-1-1 tagged into tested",
        "call": call.to_json(),
        "submission": asdict(submission),
    }
    sent = Delivery(1, "tag", "lane", {}, 1.0, DeliveryState.SENT, "", attempts, notes)
    with pytest.raises((Refused, Undone)) as raised:
        await TagSender(get).follow(sent)
    assert (raised.type, str(raised.value)) == (kind, f"task 7 failed: {fault}")


@pytest_twisted.ensureDeferred
async def test_results(hub: FakeHub, master: MasterProcess) -> None:
    """The result decides what is done, once; the build's data and the log say what was done."""
    moved, tagged, there, untagged, alone = (
        add_build(hub, release, "candidate") for release in "abcde"
    )
    hub.call("tagBuildBypass", "tested", there)
    build = await run(master, "plain", moved)
    outcome = await settled(master, build)
    [task] = tag_tasks(hub)
    said = f"hello-1-a moved from candidate to tested (task {task['id']})"
    assert outcome == f"delivered: {said}"
    assert f"plain: build {build['buildid']}: {said}" in master.log
    assert tags_of(hub, moved) == {"tested"}
    assert (await settled(master, await run(master, "plain", tagged, WARNINGS))).startswith(
        "delivered: hello-1-b tagged into tested (task "
    )
    assert tags_of(hub, tagged) == {"candidate", "tested"}
    assert (
        await settled(master, await run(master, "plain", there, WARNINGS))
        == "delivered: hello-1-c already tagged into tested"
    )
    assert (
        await settled(master, await run(master, "plain", untagged, FAILURE))
        == "delivered: hello-1-d untagged from candidate"
    )
    assert tags_of(hub, untagged) == set()
    # Nothing is configured for an exception, and a builder that is not named is ignored.
    assert await records(master, await run(master, "plain", alone, EXCEPTION)) == {}
    assert await records(master, await run(master, "idle", alone)) == {}
    assert tags_of(hub, alone) == {"candidate"}
    assert len(tag_tasks(hub)) == 2


@pytest_twisted.ensureDeferred
async def test_gate(hub: FakeHub, master: MasterProcess) -> None:
    """The gate waits for all required builders, counts the newest of each, and the worst of all."""
    good, bad = add_build(hub, "good"), add_build(hub, "bad")
    await run(master, "first", good)
    await run(master, "second", good)
    await run(master, "first", bad)
    assert tags_of(hub, good) == set()
    assert (await settled(master, await run(master, "third", good))).startswith(
        "delivered: hello-1-good tagged into tested"
    )
    await run(master, "third", bad, FAILURE)
    await master.end()
    await master.start()
    assert (await settled(master, await run(master, "second", bad))).startswith(
        "delivered: hello-1-bad tagged into rejected"
    )
    assert (tags_of(hub, good), tags_of(hub, bad)) == ({"tested"}, {"rejected"})
    # The test that failed is run again.
    assert (await settled(master, await run(master, "third", bad))).startswith(
        "delivered: hello-1-bad tagged into tested"
    )


@pytest_twisted.ensureDeferred
async def test_dead_letter(hub: FakeHub, master: MasterProcess) -> None:
    """A refused delivery is a dead letter, is logged with the NVR, and can be retried."""
    build_id = add_build(hub, "a", "candidate")
    hub.call("editTag2", "tested", locked=True)
    build = await run(master, "plain", build_id)
    words = "hello-1-a not moved from candidate to tested: moveBuild: tag is locked"
    words += ": koji edit-tag --unlock TAG"
    assert await settled(master, build) == f"dead: {words}"
    gave_up = f"plain: gave up tag of build {build['buildid']} (Koji build {build_id}): {words}"
    assert gave_up in master.log
    hub.call("editTag2", "tested", locked=False)
    await master.end(signal.SIGKILL)
    await master.start()
    redelivery = await master.ended(await master.force("redelivery"))
    assert redelivery["state_string"] == "build successful trying 1 dead letter of plain again"
    await until(lambda: tags_of(hub, build_id) == {"tested"})
    assert (await settled(master, build)).startswith("delivered: hello-1-a moved")
    again = await master.ended(await master.force("redelivery"))
    assert again["state_string"] == "build successful no dead letters of plain"
    misspelled = await master.ended(await master.force("misspelled"))
    words = "failed this master has no reporter nosuch: it has "
    assert misspelled["state_string"].startswith(words)


@pytest_twisted.ensureDeferred
async def test_hub_is_away(hub: FakeHub, master: MasterProcess) -> None:
    """Each build is tagged once, despite an outage, a kill, a stop and two reconfigurations."""
    before = add_build(hub, "a", "candidate")
    hub.offline()
    build = await run(master, "plain", before)
    await poll(lambda: records(master, build))
    await master.end(signal.SIGKILL)
    await master.start()
    other = add_build_offline(hub, "b")
    later = await run(master, "plain", other)
    await poll(lambda: records(master, later))
    await master.reconfigure(config(GATE, PLAIN.replace('"tested"', '"rejected"')))
    await master.reconfigure(config(GATE, PLAIN))
    started = reactor.seconds()
    assert await master.end() == 0
    # No stop waits for a call to the hub.
    assert reactor.seconds() - started < Limits().deadline / 2
    await master.start()
    hub.online()
    for each in (build, later):
        assert (await settled(master, each)).startswith("delivered: hello-1-")
    assert len(tag_tasks(hub)) == 2
    assert tags_of(hub, before) == tags_of(hub, other) == {"tested"}


def add_build_offline(hub: FakeHub, release: str) -> int:
    hub.online()
    build_id = add_build(hub, release, "candidate")
    hub.offline()
    return build_id


@pytest_twisted.ensureDeferred
async def test_killed_before_it_was_stored(
    hub: FakeHub, make_master: Callable[[str, str], MasterProcess]
) -> None:
    """A build that ended while the reporter could not store anything is found at the next start."""
    text = config(PLAIN)
    lame = text + KILLER
    master = make_master(hub.profile_text(user="kojiadmin"), lame)
    await master.start()
    build_id = add_build(hub, "a", "candidate")
    request = await master.force("plain", koji_build_id=str(build_id), result="0", stage="tested")
    await poll(lambda: not master.alive)
    assert tag_tasks(hub) == []
    master.configure(text)
    await master.end(signal.SIGKILL)
    await master.start()
    await until(lambda: tags_of(hub, build_id) == {"tested"})
    # Where Buildbot had not noted that the request was answered, it runs it once more.
    await master.ended(request)
    first, *again = await master.builds(request)
    assert (await settled(master, first)).startswith("delivered: hello-1-a moved")
    for build in again:
        assert (await settled(master, build)).startswith("delivered: hello-1-a already tagged")
    assert len(tag_tasks(hub)) == 1
    # Later starts find nothing left to do.
    await master.end()
    await master.start()
    assert len(tag_tasks(hub)) == 1


KILLER = """
import os, signal
from buildbot_koji.reporters.backlog import Backlog

async def take(self, build):
    if build["complete"]:
        os.kill(os.getpid(), signal.SIGKILL)

Backlog.take = take
"""


@pytest.mark.parametrize(
    ("first", "then"),
    [(Fate.RESET_AFTER, Fate.RESET_BEFORE), (Fate.PAGE_AFTER, Fate.PAGE_BEFORE)],
)
@pytest_twisted.ensureDeferred
async def test_answer_was_lost(
    make_master: Callable[[str, str], MasterProcess], at_end: AtEnd, first: Fate, then: Fate
) -> None:
    """A master that is killed before it has the hub's answer finds its tag task, and waits."""
    lost = False

    def decide(request: bytes) -> Fate:
        nonlocal lost
        if b"<methodName>moveBuild<" in request:
            lost = True
            return first
        return then if lost and not back else Fate.PASS

    back = False
    plain = FakeHub(reactor, build_seconds=1, anonymous_user="kojiadmin")
    at_end(plain.stop)
    plain.add_demo_content()
    for tag in ("candidate", "tested"):
        plain.add_tag(tag)
        plain.add_package(tag, "hello")
    await plain.start()
    proxy = FaultProxy(plain.url, decide)
    at_end(proxy.stop)
    profile = plain.profile_text().replace(plain.url, proxy.url)
    master = make_master(profile, config(PLAIN))
    await master.start()
    build_id = add_build(plain, "a", "candidate")
    build = await run(master, "plain", build_id)
    await until(lambda: len(tag_tasks(plain)) == 1)
    await until(lambda: proxy.fates[then] >= 1)
    await master.end(signal.SIGKILL)
    back = True
    await master.start()
    [task] = tag_tasks(plain)
    assert await settled(master, build) == (
        f"delivered: hello-1-a moved from candidate to tested (task {task['id']})"
    )
    assert len(tag_tasks(plain)) == 1


@pytest_twisted.ensureDeferred
async def test_tag_task_that_fails(hub: FakeHub, master: MasterProcess) -> None:
    """A tag task that fails is a dead letter with its reason; unless the build is there anyhow."""
    build_id = add_build(hub, "a", "candidate")
    for host in hub.call("listHosts"):
        hub.call("disableHost", host["name"])
    build = await run(master, "plain", build_id, WARNINGS)
    [task] = await until(lambda: tag_tasks(hub))
    hub.call("tagBuildBypass", "tested", build_id)
    for host in hub.call("listHosts"):
        hub.call("enableHost", host["name"])
    assert await settled(master, build) == (
        f"delivered: hello-1-a tagged into tested (task {task['id']}): somebody else was faster"
    )
    assert hub.call("getTaskInfo", task["id"])["state"] == task_states.FAILED


@pytest_twisted.ensureDeferred
async def test_retried_builds_have_no_result(hub: FakeHub, master: MasterProcess) -> None:
    """A build that is started again counts with its last attempt."""
    build_id = add_build(hub, "a", "candidate")
    request = await master.force("plain", koji_build_id=str(build_id), result=str(RETRY))
    await poll(lambda: retried(master, request))
    assert await records(master, (await master.builds(request))[0]) == {}
    assert tags_of(hub, build_id) == {"candidate"}


async def retried(master: MasterProcess, request: int) -> bool:
    return len(await master.builds(request)) > 1
