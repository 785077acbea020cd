"""How a task ended, and the one line that says why."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.support import HubInMemory
from tests.support.ends import AtEnd
from txkoji import Connection, Profile, TaskTree, TaskWatcher, build_states
from txkoji.exceptions import ServerOffline, fault_from
from txkoji.outcomes import Outcome, choose_log, guilty_task, read_outcome, reason_of
from txkoji.task_info import TaskInfo
from txkoji.testing import FakeHub
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.tasks import make_task
from txkoji.watching.infrastructure import is_infrastructure

FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED = range(6)
SOURCE = "git+https://git.example.test/rpms/{}.git#{}"


TOO_DEEP: Any = functools.reduce(lambda value, _: [value], range(210), None)
"""No reply may hold it."""


def task(number: int, state: int, ended: float | None = None) -> TaskInfo:
    return TaskInfo(id=number, state=state, completion_ts=ended)


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


@pytest.mark.parametrize(
    ("states", "tagging", "guilty"),
    [
        ({"aarch64": FAILED, "x86_64": FAILED}, None, "x86_64"),
        ({"aarch64": FAILED, "x86_64": CLOSED}, FAILED, "tagBuild"),
        ({"aarch64": FAILED, "x86_64": CLOSED}, None, "livemedia"),
        ({"aarch64": FAILED, "x86_64": CANCELED}, None, "aarch64"),
        ({"aarch64": FAILED}, None, "aarch64"),
    ],
)
@pytest.mark.parametrize("optional", [["aarch64"], "aarch64 s390x"])
def test_arch_that_may_fail(
    optional: Any, states: dict[str, int], tagging: int | None, guilty: str
) -> None:
    """An image's optional architecture that fails first is not what the image failed of."""
    request = ["cloud", "44", [*states], "demo", "a.ks", {"optional_arches": optional}]
    root = TaskInfo(id=1, state=FAILED, method="livemedia", request=request)
    children = [
        TaskInfo(
            id=2 + place,
            state=state,
            method="createLiveMedia",
            completion_ts=float(place),
            request=["cloud", "44", "1", arch, {}, {}, {}, "a.ks", {}],
        )
        for place, (arch, state) in enumerate(states.items())
    ]
    if tagging is not None:
        children.append(TaskInfo(id=9, state=tagging, method="tagBuild", completion_ts=9.0))
    found = guilty_task(TaskTree(root, {1: children}))
    assert guilty in (found.method, (found.params or {}).get("arch"))


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
        (
            "Build already exists (id=7, state=COMPLETE): {'name': 'hello', 'extra': {'a': 1}}",
            "Build already exists (id=7, state=COMPLETE)",
        ),
        ("KeyError: {", "KeyError: {"),
        (": {}", ": {}"),
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
        (["root.log"], "see root.log. Or root.logs, or .log", "root.log"),
        (["build.log", "a.log"], "see a.log.gz, a.log-old and x.logs.log_", "a.log"),
        (["state.log", "checkout.log"], "", "checkout.log"),
        (["logs/x86_64/build.log"], "see build.log", "logs/x86_64/build.log"),
        (["x.rpm"], "see build.log", None),
        (["hw_info.log", "oz-x86_64.log"], "", "oz-x86_64.log"),
        (["osbs.log", "build.log"], "", "build.log"),
        (["hw_info.log", "installed_pkgs.log", "dnf5.log", "build.log-ts.log"], "", None),
        ([], "", None),
    ],
)
def test_log(names: list[str], text: str, log: str | None) -> None:
    """The log is the one that the fault names, where it is there; else the most telling one."""
    assert choose_log(names, text) == log


@pytest.mark.parametrize(
    "part",
    ["0123456789abcdef", "x.log", ".logs", "unsuccessfully waited for ", "connection ", "\n", "{"],
)
def test_huge_fault(part: str) -> None:
    """A fault that embeds megabytes is read in linear time and bounded memory."""
    text = f"Error in plugin demo, see root.log: {part * (5_000_000 // len(part))} root.log"
    began = time.thread_time()
    fault = fault_from(1005, text)
    assert choose_log(["build.log", "root.log"], fault.text) == "root.log"
    reason = reason_of(fault.text)
    assert not is_infrastructure(fault)
    # The old patterns took minutes for a fiftieth of it.
    assert time.thread_time() - began < 5
    assert reason.startswith("Error in plugin demo")
    assert len(reason) < 100_000


async def outcome(koji: Connection, task_id: int) -> Outcome:
    watch = TaskWatcher(koji, reactor, interval=0.05).watch(task_id)
    tree = await watch.done
    found: Outcome = await read_outcome(koji, tree)
    return found


@pytest_twisted.ensureDeferred
async def test_closed(koji: Connection, hub: FakeHub) -> None:
    """A build that succeeded has its build and no reason."""
    found = await outcome(koji, hub.call("build", SOURCE.format("hello", "1"), "demo"))
    assert (found.reason, found.guilty, found.log) == ("", None, None)
    assert found.nvr == found.build.nvr == "hello-1.0-1"
    assert found.builds == (found.build,)
    assert found.tags == ("demo-candidate",)
    assert found.arches == dict.fromkeys(("x86_64", "aarch64", "ppc64le"), "CLOSED")
    assert sorted(found.rpms) == sorted(
        f"{rpm.name}-{rpm.version}-{rpm.release}.{rpm.arch}.rpm"
        for rpm in await koji.listBuildRPMs("hello-1.0-1")
    )
    assert "hello-1.0-1.src.rpm" in found.rpms
    assert not found.is_infrastructure


@pytest_twisted.ensureDeferred
async def test_closed_scratch_build(koji: Connection, hub: FakeHub) -> None:
    """A scratch build has a name and no build."""
    options = {"scratch": True}
    found = await outcome(koji, hub.call("build", SOURCE.format("hello", "1"), "demo", options))
    assert (found.nvr, found.build, found.builds, found.tags) == ("hello-1.0-1", None, (), ())
    assert set(found.arches.values()) == {"CLOSED"}
    for arch in found.arches:
        assert f"hello-1.0-1.{arch}.rpm" in found.rpms


@pytest_twisted.ensureDeferred
async def test_unreadable_result(koji: Connection, hub: FakeHub) -> None:
    """A task's result that the hub can't read leaves the outcome its other tasks' files."""
    number = hub.call("build", SOURCE.format("hello", "1"), "demo", {"scratch": True})
    await TaskWatcher(koji, reactor, interval=0.05).watch(number).done
    [odd] = hub.call("listTasks", {"parent": number, "arch": ["x86_64"]})

    def answer(name: str, params: list[Any], run: Callable[[], Any]) -> Any:
        if name == "getTaskResult" and params[0] == odd["id"]:
            raise ValueError("no XML")
        return run()

    hub.answer = answer
    found = await outcome(koji, number)
    assert "hello-1.0-1.aarch64.rpm" in found.rpms
    assert "hello-1.0-1.x86_64.rpm" not in found.rpms


def instead_of(method: str, odd: Any) -> Callable[..., Any]:
    """Return what lets a hub answer a method with something, or fail with an error."""

    def answer(name: str, _: list[Any], run: Callable[[], Any]) -> Any:
        if name != method:
            return run()
        if isinstance(odd, Exception):
            raise odd
        return odd

    return answer


@pytest.mark.parametrize("odd", [ValueError("no XML"), fault_from(1000, "no"), TOO_DEEP])
@pytest.mark.parametrize(
    ("state", "method"),
    [
        (CLOSED, "getTaskResult"),
        (FAILED, "getTaskResult"),
        (FAILED, "listTaskOutput"),
        (CLOSED, "listBuildRPMs"),
        (CLOSED, "listTags"),
    ],
)
def test_unreadable_detail(state: int, method: str, odd: Any) -> None:
    """A task ended as its state says, also if the hub can't say some detail of its outcome."""
    site = Site()
    result = {"repositories": ["registry/x:1"], "koji_builds": []}
    number = site.fails("buildContainer", 1005, "no image")
    site.set(number, state, result=result if state == CLOSED else None)
    with site.hub.state.transaction():
        site.hub.state.update("build", site.complete_build("hello"), task_id=number)

    site.hub.answer = instead_of(method, odd)
    found = site.outcome(number)
    assert found.tree.root.state == state
    assert found.nvr == "hello-1.0-1"
    assert bool(found.reason) is (state == FAILED)


@pytest.mark.parametrize(
    ("odd", "reason", "code"),
    [
        (fault_from(1000, "No such task: 1"), "1 can't say why: .*No such task: 1", None),
        (ValueError("no XML"), "1 can't say why: .*no XML", None),
        (TOO_DEEP, "1 can't say why: .*200 levels.*", None),
        ([None], "1 does not say why", None),
        ({"faultCode": "x", "faultString": " \n"}, "1 does not say why", None),
        ({"faultCode": 1012, "faultString": None}, "1 gives no reason but fault 1012", 1012),
        ({"faultCode": "1012", "faultString": "broken\nx"}, "broken", 1012),
        ({"faultString": "broken\nx"}, "broken", 1000),
    ],
)
def test_unreadable_fault(odd: Any, reason: str, code: int | None) -> None:
    """One line names the task and what the hub says, also if that is not its fault."""
    site = Site()
    number = site.fails("buildContainer", 1005, "no image")

    site.hub.answer = instead_of("getTaskResult", odd)
    found = site.outcome(number)
    failed = rf"task {number} \(buildContainer\) failed: the hub "
    assert re.fullmatch(reason.replace("1 ", failed, 1), found.reason)
    assert getattr(found.fault, "code", None) == code


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
    assert found.arches["x86_64"] == "FAILED"
    assert not found.is_infrastructure
    # The hub has a build of that name, but it is in no tag.
    assert (found.build.state, found.tags) == (build_states.FAILED, ())


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
async def test_hub_without_files(hub: FakeHub, at_end: AtEnd) -> None:
    """Without a topurl the log is at the web pages."""
    profile = Profile(name="t", server=hub.url, weburl=hub.weburl)
    koji: Any = Connection(profile, reactor=reactor)
    at_end(koji.close)
    found = await outcome(koji, hub.call("build", SOURCE.format("failarch", "1"), "demo"))
    assert found.log_url == (
        f"{hub.weburl}/getfile?taskID={found.guilty.id}&name=build.log&offset=0"
    )


class Site(HubInMemory):
    """A hub whose tasks do what a test says."""

    def __init__(self) -> None:
        super().__init__()
        self.hub.builder.stop()

    def task(self, method: str, state: int, result: Any = None, **columns: Any) -> int:
        """Make a task that has ended with a result, a string for the text of a fault."""
        parent = columns.pop("parent", None)
        row = None if parent is None else self.hub.state.get("task", parent)
        with self.hub.state.transaction():
            number = make_task(MethodCall(self.hub, self.hub.admin), method, [], parent=row)
            self.set(number, state, result=result, **columns)
        return number

    def set(self, number: int, state: int, **columns: Any) -> None:
        """Let a task be in a state."""
        now = self.clock.seconds()
        self.hub.state.update(
            "task", number, state=state, start_ts=now, completion_ts=now, **columns
        )

    def fails(self, method: str, code: int, text: str, logs: list[str] | None = None) -> int:
        """Make a task that has failed and left some logs."""
        number = self.task(method, FAILED, fault=(code, text))
        for log in logs or ():
            self.hub.files.write(f"work/tasks/{number % 10000}/{number}/{log}", b"...")
        return number

    def outcome(self, number: int) -> Outcome:
        """Watch a task and read what came of it."""
        watch = TaskWatcher(self.koji, self.clock).watch(number)
        found: list[Any] = []
        watch.done.addCallback(lambda tree: read_outcome(self.koji, tree)).addBoth(found.append)
        self.pass_time(3)
        [outcome] = found
        assert isinstance(outcome, Outcome), outcome
        return outcome

    def complete_build(self, package: str) -> int:
        """Import a build that no task made."""
        created = self.hub.call("createEmptyBuild", package, "1.0", "1", None)
        return int(created)


@pytest.mark.parametrize(
    ("method", "result", "repo_id"),
    [
        ("newRepo", [17, 4711], 17),
        ("waitrepo", {"id": 18, "state": 1, "create_event": 4711}, 18),
        ("distRepo", "Dist repository #19 successfully generated", 19),
        ("distRepo", "something else", None),
        ("tagBuild", None, None),
    ],
)
def test_repo(method: str, result: Any, repo_id: int | None) -> None:
    """A task that ends with a repo names it."""
    site = Site()
    assert site.outcome(site.task(method, CLOSED, result)).repo_id == repo_id


def test_runroot() -> None:
    """What a command printed is in runroot.log, where its failure is looked for, too."""
    site = Site()
    good = site.outcome(site.task("runroot", CLOSED, "rpm -qa completed successfully"))
    assert good.result == "rpm -qa completed successfully"
    assert good.builds == ()
    text = "Command failed: rpm -qa. See runroot.log for details"
    bad = site.outcome(site.fails("runroot", 1005, text, ["root.log", "runroot.log"]))
    assert (bad.reason, bad.log) == (text, "runroot.log")
    assert not bad.is_infrastructure


def test_scratch_image() -> None:
    """A scratch image has the name that its arches' results say, and their states."""
    site = Site()
    root = site.task("image", OPEN)
    for arch, state in (("x86_64", CLOSED), ("s390x", CLOSED)):
        result = {
            "arch": arch,
            "name": "box",
            "version": "44",
            "release": "1",
            "files": ["b.qcow2"],
        }
        request = ["box", "44", "1", arch, {}, 7, {}, "http://tree", {}]
        site.task("createImage", state, result, parent=root, arch=arch, request=request)
    site.set(root, CLOSED, result="Scratch image build results in: /mnt/koji/scratch")
    found = site.outcome(root)
    assert (found.nvr, found.build, found.rpms) == ("box-44-1", None, ())
    assert found.arches == {"x86_64": "CLOSED", "s390x": "CLOSED"}


@pytest.mark.parametrize(
    ("method", "result"),
    [
        ("buildContainer", lambda first, second: {"koji_builds": [str(first), str(second)]}),
        ("osbuildImage", lambda first, _: {"composer": {}, "koji": {"build": first}}),
    ],
)
def test_builds_of_content_generators(method: str, result: Any) -> None:
    """Builds whose rows don't name the task are found in its result, where their ids are texts."""
    site = Site()
    builds = [site.complete_build(package) for package in ("hello", "world")]
    content = result(*builds)
    found = site.outcome(site.task(method, CLOSED, content))
    expected = 2 if method == "buildContainer" else 1
    assert [build.build_id for build in found.builds] == builds[:expected]
    assert found.nvr == "hello-1.0-1"
    assert found.result == content


def test_scratch_container() -> None:
    """A scratch container has no build."""
    site = Site()
    result = {"repositories": ["registry/x:1"], "koji_builds": []}
    found = site.outcome(site.task("buildContainer", CLOSED, result))
    assert (found.builds, found.nvr, found.result["repositories"]) == ((), None, ["registry/x:1"])


def outcome_of_chain(package: str, ref: str) -> Any:
    """Return the outcome of a chain whose second link builds a package."""
    site = HubInMemory(build_seconds=60)
    sources = [[SOURCE.format("hello", "1")], [SOURCE.format(package, ref)]]
    chain = site.hub.call("chainBuild", sources, "demo")
    watch = TaskWatcher(site.koji, site.clock).watch(chain)
    found: list[Any] = []
    watch.done.addCallback(lambda tree: read_outcome(site.koji, tree)).addBoth(found.append)
    site.pass_time(600)
    site.hub.builder.stop()
    [outcome] = found
    return outcome


def test_chain() -> None:
    """A chain has the builds of all its links, and their tags."""
    outcome = outcome_of_chain("world", "1")
    assert [build.nvr for build in outcome.builds] == ["hello-1.0-1", "world-1.0-1"]
    assert outcome.tags == ("demo-candidate",)
    assert {"hello-1.0-1.src.rpm", "world-1.0-1.src.rpm"} <= set(outcome.rpms)


@pytest.mark.parametrize(
    ("package", "ref", "reason"),
    [("failarch", "1", "failarch: error building package"), ("x", "failcheckout", "x: ")],
)
def test_reason_in_a_chain(package: str, ref: str, reason: str) -> None:
    """The reason of a chain's failure begins with the package that failed."""
    assert outcome_of_chain(package, ref).reason.startswith(reason)


@pytest.mark.parametrize("state", [build_states.COMPLETE, build_states.FAILED])
def test_builder_that_restarted(state: int) -> None:
    """Of several builds of one task the COMPLETE one counts; without one all are there."""
    site = Site()
    orphan, made = (site.complete_build(package) for package in ("hello", "world"))
    number = site.task("build", CLOSED)
    with site.hub.state.transaction():
        for build, its_state in ((orphan, build_states.BUILDING), (made, state)):
            site.hub.state.update("build", build, task_id=number, state=int(its_state))
    found = site.outcome(number)
    expected = [made] if state == build_states.COMPLETE else [made, orphan]
    assert [build.build_id for build in found.builds] == expected
    assert (found.build.build_id, found.nvr) == (made, "world-1.0-1")


def test_infrastructure() -> None:
    """A builder that can't make a buildroot is told from a package that does not build."""
    site = Site()
    text = "could not init mock buildroot, mock exited with status 30; see root.log for more"
    found = site.outcome(site.fails("buildArch", 1012, text, ["root.log", "build.log"]))
    assert found.is_infrastructure
    assert found.log == "root.log"


def test_hub_that_goes_offline() -> None:
    """What the hub says of itself is never taken for what it says of the task."""
    site = Site()
    number = site.fails("build", 1005, "does not build")
    watch = TaskWatcher(site.koji, site.clock).watch(number)
    site.pass_time(1)
    assert watch.tree is not None
    site.hub.offline()
    found: list[Any] = []
    read_outcome(site.koji, watch.tree).addBoth(found.append)
    site.pass_time(200)
    [failure] = found
    assert failure.check(ServerOffline)
