"""How a task ended, and the one line that says why."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.support import limited
from txkoji import Connection, Profile, TaskWatcher
from txkoji.outcomes import Outcome, choose_log, guilty_task, read_outcome, reason_of
from txkoji.task import Task
from txkoji.testing import FakeHub
from txkoji.watcher import TaskTree

FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED = range(6)
SOURCE = "git+https://git.example.test/rpms/{}.git#{}"


def task(number: int, state: int, ended: float | None = None) -> Task:
    return Task(id=number, state=state, completion_ts=ended)


def test_guilty_is_the_first_to_fail() -> None:
    """Of several failed children the first to end is the cause; its failed child is, if it has."""
    tree = TaskTree(
        task(1, FAILED, 30.0),
        {
            1: (task(2, CLOSED, 5.0), task(3, FAILED, 20.0), task(4, FAILED, 10.0)),
            4: (task(5, CANCELED, 9.0), task(6, FAILED, 9.5)),
        },
    )
    assert guilty_task(tree).id == 6


def test_guilty_without_failed_children() -> None:
    """A task that failed by itself is the guilty one; one that did not fail has none."""
    assert guilty_task(TaskTree(task(1, FAILED), {1: (task(2, CLOSED),)})).id == 1
    assert guilty_task(TaskTree(task(1, CANCELED), {1: (task(2, FAILED),)})) is None
    assert guilty_task(TaskTree(task(1, CLOSED))) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("unknown build target: x", "unknown build target: x"),
        ("\n  error building package\nsecond line\n", "error building package"),
        (
            "Traceback (most recent call last):\n  File \"x\", line 1\nKeyError: 'arch'\n",
            "KeyError: 'arch'",
        ),
        ("", "the hub gives no reason"),
        (" \n ", "the hub gives no reason"),
    ],
)
def test_reason(text: str, reason: str) -> None:
    """The reason is the line that says most: the first, of a traceback the last."""
    assert reason_of(text) == reason


@pytest.mark.parametrize(
    ("names", "text", "log"),
    [
        (["root.log", "build.log", "x.rpm"], "mock failed", "build.log"),
        (["root.log", "build.log"], "see root.log for more information", "root.log"),
        (["root.log"], "see build.log or root.log", "root.log"),
        (["state.log", "checkout.log"], "", "checkout.log"),
        (["logs/x86_64/build.log"], "see build.log", "logs/x86_64/build.log"),
        (["x.rpm"], "see build.log", None),
        ([], "", None),
    ],
)
def test_log(names: list[str], text: str, log: str | None) -> None:
    """The log is the one that the fault names, where it is there; else the most telling one."""
    assert choose_log(names, text) == log


@pytest_twisted.async_yield_fixture
async def hub() -> AsyncIterator[FakeHub]:
    hub = FakeHub(reactor, build_seconds=0.2, anonymous_user="kojiadmin")
    hub.add_demo_content()
    await hub.start()
    yield hub
    await hub.stop()


@pytest_twisted.async_yield_fixture
async def koji(hub: FakeHub) -> AsyncIterator[Connection]:
    profile = Profile(name="t", server=hub.url, weburl=hub.weburl, topurl=hub.topurl)
    connection = Connection(profile, reactor=reactor, deadline=5)
    yield connection
    await connection.close()


async def outcome(koji: Connection, task_id: int) -> Outcome:
    watch = TaskWatcher(koji, reactor, interval=0.05).watch(task_id)
    tree = await limited(watch.done)
    found: Outcome = await limited(read_outcome(koji, tree))
    return found


@pytest_twisted.ensureDeferred
async def test_closed(koji: Connection, hub: FakeHub) -> None:
    """A build that succeeded has its build and no reason."""
    found = await outcome(koji, hub.call("build", SOURCE.format("hello", "1"), "demo"))
    assert (found.reason, found.guilty, found.log) == ("", None, None)
    assert found.nvr == found.build.nvr == "hello-1.0-1"


@pytest_twisted.ensureDeferred
async def test_closed_scratch_build(koji: Connection, hub: FakeHub) -> None:
    """A scratch build has a name and no build."""
    options = {"scratch": True}
    found = await outcome(koji, hub.call("build", SOURCE.format("hello", "1"), "demo", options))
    assert (found.nvr, found.build) == ("hello-1.0-1", None)


@pytest_twisted.ensureDeferred
async def test_arch_fails(koji: Connection, hub: FakeHub) -> None:
    """A failed arch: its task is guilty, its log holds the reason, and the log is where it says."""
    found = await outcome(koji, hub.call("build", SOURCE.format("failarch", "1"), "demo"))
    assert found.reason.startswith(
        "error building package (arch x86_64), mock exited with status 1"
    )
    assert found.guilty.method == "buildArch"
    assert found.log == "build.log"
    assert found.log_url is not None
    assert found.log_url.startswith(f"{hub.topurl}/work/tasks/")
    assert found.fault is not None
    assert found.fault.code == 1005


@pytest_twisted.ensureDeferred
async def test_srpm_fails(koji: Connection, hub: FakeHub) -> None:
    """A source RPM that can't be made: its task is guilty, and there is no name yet."""
    found = await outcome(koji, hub.call("build", SOURCE.format("hello", "failsrpm"), "demo"))
    assert found.guilty.method == "buildSRPMFromSCM"
    assert found.reason
    assert (found.build, found.nvr) == (None, None)


@pytest_twisted.ensureDeferred
async def test_unknown_target(koji: Connection, hub: FakeHub) -> None:
    """A task that failed before it had children says why by itself."""
    found = await outcome(koji, hub.call("build", SOURCE.format("hello", "1"), "nope"))
    assert (found.reason, found.log) == ("unknown build target: nope", None)
    assert found.guilty.method == "build"


@pytest_twisted.ensureDeferred
async def test_canceled(koji: Connection, hub: FakeHub) -> None:
    """A task that was canceled says so, and nobody is guilty."""
    task_id = hub.call("build", SOURCE.format("hello", "1"), "demo")
    hub.call("cancelTask", task_id)
    found = await outcome(koji, task_id)
    assert (found.reason, found.guilty) == (f"task {task_id} was canceled", None)


@pytest_twisted.ensureDeferred
async def test_hub_without_files(hub: FakeHub) -> None:
    """Without a topurl the log is at the web pages."""
    profile = Profile(name="t", server=hub.url, weburl=hub.weburl)
    koji: Any = Connection(profile, reactor=reactor, deadline=5)
    found = await outcome(koji, hub.call("build", SOURCE.format("failarch", "1"), "demo"))
    assert found.log_url == (
        f"{hub.weburl}/getfile?taskID={found.guilty.id}&name=build.log&offset=0"
    )
    await koji.close()
