"""What a mass build makes of tasks that have ended."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from munch import Munch
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock

from buildbot_koji.hubs.counts import TaskCounts
from buildbot_koji.mass.context import MassContext
from buildbot_koji.mass.options import MassOptions, MassTiming
from buildbot_koji.mass.plan import MassPackage, MassPlan, PackageState
from buildbot_koji.mass.settling import FAILED_AT_ONCE, Settler
from txkoji import Call, Submission, TaskTree, build_states, task_states
from txkoji.exceptions import UnusableAnswer
from txkoji.task_info import TaskInfo

CALL = Call("build", ("source", "demo"))


class SlowHub:
    """Answers what may be asked of the failed tasks of packages, when the test says so.

    Attributes:
        waiting: the answers that nobody has got yet.
    """

    def __init__(self, *packages: MassPackage) -> None:
        self.tasks = [package.task_id for package in packages]
        self.waiting: list[tuple[Deferred[Any], Any]] = []
        self.topurl, self.weburl = None, "https://koji.example.test/koji"
        self.builds: list[Any] = []
        self.fault = (1005, "mock exited with status 1; see build.log")
        self.submissions = SimpleNamespace(is_task_of=self.is_task_of)

    def is_task_of(self, task: TaskInfo, call: Call, submission: Submission) -> Deferred[bool]:
        assert (call, submission.marker[:4]) == (CALL, "run.")
        return succeed(task.id in self.tasks)

    def call(self, method: str, *args: Any, **options: Any) -> Deferred[Any]:
        answer: Any
        match method, args, options:
            case "listBuilds", (), {"taskID": task} if task in self.tasks and len(options) == 1:
                answer = self.builds
            case "getTaskResult", (task,), {"raise_fault": False} if task in self.tasks:
                answer = {"faultCode": self.fault[0], "faultString": self.fault[1]}
            case "listTaskOutput", (task,), {"stat": True, "all_volumes": True} if (
                task in self.tasks
            ):
                answer = {"build.log": {"DEFAULT": {}}}
            case "listBuildRPMs" | "listTags", (3,), {} if self.builds:
                answer = []
            case _:
                raise AssertionError(f"{method}, {args}, {options}")
        waiting: Deferred[Any] = Deferred()
        self.waiting.append((waiting, answer))
        return waiting

    def MultiCall(self) -> Callable[[], Deferred[list[Any]]]:  # noqa: N802 - a promised name
        # None of their tasks left files.
        return lambda: succeed([])

    def answer(self) -> None:
        """Answer all that is asked now."""
        waiting, self.waiting = self.waiting, []
        for each, answer in waiting:
            each.callback(answer)


def refuse(package: MassPackage) -> None:
    """Stand for what no test here asks for."""
    raise AssertionError(package)


def running(index: int, name: str, task_id: int) -> MassPackage:
    """Return a package whose task was submitted."""
    begun, state = (1, 0.0, None, None), PackageState.RUNNING
    return MassPackage(index, name, "source", state=state, task_id=task_id, begun=begun)


def settler_of(packages: list[MassPackage], hub: Any, counts: TaskCounts) -> Settler:
    """Return what settles the tasks of packages, and submits or follows none of them."""
    context = MassContext(
        SimpleNamespace(connection=hub, counts=counts),  # type: ignore[arg-type]
        MassPlan(packages),
        MassOptions(lambda _: CALL, "demo"),
        SimpleNamespace(),  # type: ignore[arg-type]
        Clock(),
        "run",
        MassTiming(),
    )
    return Settler(context, refuse)


def ended_task(package: MassPackage, state: int) -> tuple[MassPackage, TaskTree]:
    """Return a package whose task has ended."""
    return package, TaskTree(TaskInfo(id=package.task_id, state=state, method="build"))


@pytest.mark.parametrize("state", [task_states.CANCELED, task_states.FAILED])
def test_canceled_task_of_someone_else(state: int) -> None:
    """If a task that someone else started is canceled, or its child, the package is submitted."""
    package = running(0, "p", 7)
    package.is_foreign = True
    hub = SlowHub(package)
    hub.fault = (1000, "Task 8 is canceled")
    settler = settler_of([package], hub, TaskCounts())
    child = TaskInfo(id=8, state=task_states.CANCELED, method="buildArch", parent=7)
    _, tree = ended_task(package, state)
    settled = Deferred.fromCoroutine(settler.settle([(package, TaskTree(tree.root, {7: [child]}))]))
    while hub.waiting:
        hub.answer()
    assert settled.called
    assert (package.state, package.is_foreign) == (PackageState.READY, False)
    assert package.reason == "the adopted task 7 was canceled"


def test_failed_tasks_are_asked_about_together() -> None:
    """Many failed tasks cost the time of a few, and never more than so many requests at once."""
    count = FAILED_AT_ONCE + 5
    packages = [running(place, f"p{place}", place + 1) for place in range(count)]
    hub, counts = SlowHub(*packages), TaskCounts()
    settler = settler_of(packages, hub, counts)
    ended = [ended_task(each, task_states.FAILED) for each in packages]
    settled = Deferred.fromCoroutine(settler.settle(ended))
    rounds = []
    while hub.waiting:
        rounds.append(len(hub.waiting))
        hub.answer()
    assert settled.called
    assert rounds == [FAILED_AT_ONCE] * 3 + [5] * 3
    assert {each.state for each in packages} == {PackageState.FAILED}
    assert packages[0].reason == "mock exited with status 1; see build.log"
    assert packages[0].log_url is not None
    assert len(settler._context.lines) == counts.failed == count


def test_odd_answer_about_one_package() -> None:
    """An answer of another type fails its package, in one line, and nobody waits for a better."""
    package = running(0, "p", 7)
    hub = SlowHub(package)
    settled = Deferred.fromCoroutine(
        settler_of([package], hub, TaskCounts()).settle([ended_task(package, task_states.FAILED)])
    )
    [(answer, _)] = hub.waiting
    answer.errback(UnusableAnswer("getBuild", "odd", "a build"))
    assert settled.called
    assert package.state is PackageState.FAILED
    assert package.reason == "the hub answered getBuild with 'odd' instead of a build"


@pytest.mark.parametrize("draft", [True, False])
def test_build_that_was_not_tagged(draft: bool) -> None:
    """A draft that is complete is not built a second time; another build's NVR is found again."""
    package = running(0, "p", 7)
    hub = SlowHub(package)
    fields = {"build_id": 3, "nvr": "p-1-1", "state": build_states.COMPLETE, "draft": draft}
    hub.builds, hub.fault = [Munch(fields)], (1000, "No space left on device")
    settler = settler_of([package], hub, TaskCounts())
    settled = Deferred.fromCoroutine(settler.settle([ended_task(package, task_states.FAILED)]))
    while hub.waiting:
        hub.answer()
    assert settled.called
    assert package.state is (PackageState.FAILED if draft else PackageState.READY)
    assert package.reason == "No space left on device"
