"""KojiBuild in a real master, against an embedded hub, seen through Buildbot's REST API."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.process.results import CANCELLED, EXCEPTION, FAILURE, RETRY, SUCCESS
from twisted.internet import reactor

from tests.buildbot_koji.masters import MasterProcess
from tests.support import poll, until
from tests.support.ends import AtEnd
from tests.support.fault_proxy import Fate, FaultProxy
from tests.support.hubs import hold
from txkoji import task_states
from txkoji.testing import FakeHub

pytestmark = [
    pytest.mark.hub(build_seconds=2, tls=True, anonymous_user=None),
]


@pytest_twisted.async_yield_fixture
async def master(hub: FakeHub, tmp_path: Path, at_end: AtEnd) -> AsyncIterator[MasterProcess]:
    master = MasterProcess(tmp_path, hub.profile_text(user="kojiadmin"))
    at_end(master.end, signal.SIGKILL)
    await master.start()
    yield master
    await master.end(signal.SIGKILL)
    assert master.errors == []


def build_tasks(hub: FakeHub) -> list[Any]:
    return hub.call("listTasks", {"method": "build"}, {"order": "id"})


async def until_building(hub: FakeHub, count: int = 1) -> Any:
    """Wait until a task is being built; returns it."""

    def is_open() -> Any:
        tasks = build_tasks(hub)
        return len(tasks) == count and tasks[-1]["state"] == task_states.OPEN and tasks[-1]

    return await until(is_open)


async def until_known(master: MasterProcess, request: int, attempt: int = 1) -> dict[str, Any]:
    """Wait until an attempt knows its task; returns its build."""

    async def known() -> Any:
        builds = await master.builds(request)
        if len(builds) < attempt:
            return None
        properties = await master.properties(builds[attempt - 1])
        return builds[attempt - 1] if "koji_task_id" in properties else None

    return await poll(known)


@pytest_twisted.ensureDeferred
async def test_build_that_succeeds(hub: FakeHub, master: MasterProcess) -> None:
    """A build ends as its task does, with links to all tasks, and properties for later steps."""
    build = await master.ended(await master.force("official"))
    step = await master.step(build)
    assert (build["results"], build["state_string"]) == (
        SUCCESS,
        "build successful built hello-1.0-main",
    )
    [task] = build_tasks(hub)
    [koji_build] = hub.call("listBuilds", taskID=task["id"])
    links = {link["name"]: link["url"] for link in step["urls"]}
    page = f"{hub.weburl}/taskinfo?taskID="
    children = list(hub.call("getTaskDescendents", task["id"])[str(task["id"])])
    assert sorted(links.values()) == sorted(
        [f"{page}{task['id']}", f"{hub.weburl}/buildinfo?buildID={koji_build['build_id']}"]
        + [f"{page}{child['id']}" for child in children]
    )
    assert "build hello-1.0-main" in links
    properties = await master.properties(build)
    assert {name: value for name, value in properties.items() if name.startswith("koji_")} == {
        "koji_task_id": task["id"],
        "koji_task_url": f"{page}{task['id']}",
        "koji_package": "hello",
        "koji_nvr": "hello-1.0-main",
        "koji_arches": dict.fromkeys(["x86_64", "aarch64", "ppc64le"], "CLOSED"),
        "koji_rpms": [
            f"hello-1.0-main.{arch}.rpm" for arch in ("src", "x86_64", "aarch64", "ppc64le")
        ],
        "koji_tags": ["demo-candidate"],
        "koji_build_id": koji_build["build_id"],
        "koji_build_url": f"{hub.weburl}/buildinfo?buildID={koji_build['build_id']}",
    }


@pytest_twisted.ensureDeferred
async def test_scratch_build(hub: FakeHub, master: MasterProcess) -> None:
    """A scratch build has a name, and no Koji build; its summary tells how far it is meanwhile."""
    release = hold(hub, "buildArch")
    request = await master.force("scratch")

    async def says_how_far_it_is() -> bool:
        builds = await master.builds(request)
        if not builds:
            return False
        steps = (await master.get(f"builds/{builds[0]['buildid']}/steps"))["steps"]
        said = [step["state_string"] for step in steps if step["name"] == "koji build"]
        return any(words.startswith("building: x86_64 building") for words in said)

    await poll(says_how_far_it_is)
    release()
    build = await master.ended(request)
    assert build["results"] == SUCCESS
    properties = await master.properties(build)
    assert properties["koji_nvr"] == "hello-1.0-main"
    assert "koji_build_id" not in properties
    [task] = build_tasks(hub)
    assert hub.call("getTaskRequest", task["id"])[2]["scratch"] is True


@pytest_twisted.ensureDeferred
async def test_build_that_fails(hub: FakeHub, master: MasterProcess) -> None:
    """A failed build says why in one line, links the log that holds the reason and shows it."""
    build = await master.ended(await master.force("scratch", package="failarch"))
    step = await master.step(build)
    reason = (
        "error building package (arch x86_64), mock exited with status 1;"
        " see build.log or root.log for more information"
    )
    assert build["results"] == FAILURE
    assert build["state_string"] == f"failed {reason}"
    assert step["state_string"] == f"failed: {reason}"
    links = {link["name"]: link["url"] for link in step["urls"]}
    guilty = next(
        task
        for task in hub.call("listTasks", {"method": "buildArch"})
        if task["state"] == task_states.FAILED
    )
    assert links["build.log x86_64"].startswith(f"{hub.topurl}/work/tasks/")
    assert links["build.log x86_64"].endswith(f"/{guilty['id']}/build.log")
    assert "error: Bad exit status from %build" in await master.log_text(step, "build.log x86_64")


@pytest_twisted.ensureDeferred
async def test_hub_refuses(hub: FakeHub, master: MasterProcess) -> None:
    """A submission that can't be: one line that names the thing, and no task."""
    build = await master.ended(await master.force("scratch", target="nope"))
    assert build["results"] in (EXCEPTION, FAILURE)
    assert "nope" in (await master.step(build))["state_string"]
    build = await master.ended(await master.force("scratch", profile="nope"))
    assert build["results"] == EXCEPTION
    text = (await master.step(build))["state_string"]
    assert text.startswith("no Koji profile 'nope' in /etc/koji.conf.d")
    assert text.endswith("there are: fake")
    build = await master.ended(await master.force("scratch", ref=""))
    assert (await master.step(build))["state_string"] == (
        "source='git+https://git.example.test/rpms/hello.git#' names no revision: append #ref,"
        " a branch, tag or commit (it comes from"
        " Interpolate('git+https://git.example.test/rpms/%(prop:package)s.git#%(prop:ref)s'))"
    )
    assert all(task["state"] != task_states.OPEN for task in build_tasks(hub))


@pytest_twisted.ensureDeferred
async def test_user_stops_the_build(hub: FakeHub, master: MasterProcess) -> None:
    """Buildbot's stop button cancels the task and all below it."""
    hub.builder.seconds = 60
    request = await master.force("scratch")
    build = await until_known(master, request)
    task = await until_building(hub)
    await master.control(f"builds/{build['buildid']}", "stop", reason="wrong branch")
    build = await master.ended(request)
    assert build["results"] == CANCELLED
    assert (await master.step(build))["state_string"] == f"canceled task {task['id']}"
    states = {each["state"] for each in hub.call("listTasks", {})}
    assert states <= {task_states.CANCELED, task_states.CLOSED}
    assert build_tasks(hub)[0]["state"] == task_states.CANCELED


@pytest_twisted.ensureDeferred
async def test_task_is_canceled_in_koji(hub: FakeHub, master: MasterProcess) -> None:
    """A task that someone cancels in Koji ends the build as cancelled."""
    hub.builder.seconds = 60
    request = await master.force("scratch")
    await until_known(master, request)
    task = await until_building(hub)
    hub.call("cancelTask", task["id"])
    build = await master.ended(request)
    assert build["results"] == CANCELLED
    assert (await master.step(build))["state_string"] == f"task {task['id']} was canceled"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
@pytest_twisted.ensureDeferred
async def test_master_restarts(hub: FakeHub, master: MasterProcess, number: int) -> None:
    """After a stop or a crash of the master, the next attempt resumes watching the same task."""
    request = await master.force("official")
    task = await until_building(hub)
    # The task's children wait until the master is back.
    hub.call("disableHost", "builder1")
    first = await until_known(master, request)
    await master.end(number)
    assert [each["state"] for each in build_tasks(hub)] == [task_states.OPEN]
    await master.start()
    hub.call("enableHost", "builder1")
    build = await master.ended(request)
    assert build["buildid"] != first["buildid"]
    assert build["results"] == SUCCESS
    assert (await master.builds(request))[0]["results"] == RETRY
    assert (await master.properties(build))["koji_task_id"] == task["id"]
    assert [each["id"] for each in build_tasks(hub)] == [task["id"]]


@pytest_twisted.ensureDeferred
async def test_hub_is_away_for_a_while(hub: FakeHub, master: MasterProcess) -> None:
    """A hub that goes offline during a build makes the build late, not failed."""
    request = await master.force("scratch")
    await until_building(hub)
    hub.call("disableHost", "builder1")
    await until_known(master, request)
    hub.offline()
    hub.call("enableHost", "builder1")
    await until(lambda: build_tasks_of(hub)[0]["state"] == task_states.CLOSED)
    assert not (await master.builds(request))[0]["complete"]
    hub.online()
    assert (await master.ended(request))["results"] == SUCCESS


def build_tasks_of(hub: FakeHub) -> list[Any]:
    """Read the tasks behind an offline hub's back."""
    return hub.state.rows("task", method="build")


@pytest_twisted.ensureDeferred
async def test_session_runs_out_between_builds(hub: FakeHub, master: MasterProcess) -> None:
    """A master that outlives its session keeps submitting."""
    for name, lose in (("hello", hub.sessions.expire_all), ("world", hub.sessions.forget_all)):
        build = await master.ended(await master.force("scratch", package=name))
        assert build["results"] == SUCCESS
        lose()
    build = await master.ended(await master.force("scratch", package="foo"))
    assert build["results"] == SUCCESS
    assert len(build_tasks(hub)) == 3


@pytest_twisted.ensureDeferred
async def test_submission_whose_answer_was_lost(tmp_path: Path, at_end: AtEnd) -> None:
    """A master that is killed before it has the hub's answer finds its task after the restart."""
    killed = False

    def decide(request: bytes) -> Fate:
        return Fate.STALL if b"<methodName>build<" in request and not killed else Fate.PASS

    hub, _, master = await master_behind_proxy(tmp_path, decide, at_end)
    request = await master.force("official")
    await until(lambda: build_tasks(hub))
    await master.end(signal.SIGKILL)
    killed = True
    await master.start()
    build = await master.ended(request)
    assert build["results"] == SUCCESS
    assert (await master.properties(build))["koji_task_id"] == build_tasks(hub)[0]["id"]
    assert len(build_tasks(hub)) == 1


async def master_behind_proxy(
    tmp_path: Path, decide: Callable[[bytes], Fate], at_end: AtEnd
) -> tuple[FakeHub, FaultProxy, MasterProcess]:
    """Start a hub, a proxy before it, and a master that knows only the proxy."""
    hub = FakeHub(reactor, build_seconds=1, anonymous_user="kojiadmin")
    at_end(hub.stop)
    hub.add_demo_content()
    await hub.start()
    proxy = FaultProxy(hub.url, decide)
    at_end(proxy.stop)
    master = MasterProcess(tmp_path, hub.profile_text().replace(hub.url, proxy.url))
    at_end(master.end, signal.SIGKILL)
    await master.start()
    return hub, proxy, master


@pytest_twisted.ensureDeferred
async def test_hub_goes_away_while_it_is_asked(tmp_path: Path, at_end: AtEnd) -> None:
    """A submission whose reply is lost as the hub goes away is found when the hub is back."""
    submitted = False

    def decide(request: bytes) -> Fate:
        nonlocal submitted
        if b"<methodName>build<" in request:
            submitted = True
            return Fate.RESET_AFTER
        # Until the test says otherwise, the hub is unreachable.
        return Fate.RESET_BEFORE if submitted and not back else Fate.PASS

    back = False
    hub, proxy, master = await master_behind_proxy(tmp_path, decide, at_end)
    request = await master.force("official")
    await until(lambda: len(build_tasks(hub)) == 1)
    await until(lambda: proxy.fates[Fate.RESET_BEFORE] >= 2)
    [build] = await master.builds(request)
    assert not build["complete"]
    back = True
    build = await master.ended(request)
    assert build["results"] == SUCCESS
    assert (await master.properties(build))["koji_task_id"] == build_tasks(hub)[0]["id"]
    assert len(build_tasks(hub)) == 1
    await master.end(signal.SIGKILL)
    assert master.errors == []
