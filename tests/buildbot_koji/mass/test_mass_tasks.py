"""How a mass build follows its tasks."""

from __future__ import annotations

import time
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from buildbot_koji.durable.cancellations import Canceled
from buildbot_koji.durable.claims import CLAIM_AGE
from buildbot_koji.durable.once import Intent, Once, OnceAction
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.mass.context import MassContext
from buildbot_koji.mass.options import MassOptions, MassTiming
from buildbot_koji.mass.plan import MassPackage, MassPlan, PackageEvent, PackageState
from buildbot_koji.mass.submissions import MassSubmissions
from buildbot_koji.mass.tasks import MassTasks
from txkoji import Call, Submission, Submitter, TaskTree, task_states
from txkoji.exceptions import GenericError, HubFault
from txkoji.gathering import gather
from txkoji.task_info import TaskInfo


def follow(
    packages: list[MassPackage], state: int, clock: Any = None, **options: Any
) -> tuple[MassTasks, Any]:
    """Follow the tasks of packages, which began at time 0; returns the watches, too."""
    watches: dict[int, Any] = {}

    def watch(task_id: int, build: Any, *, usual: float | None, queue_place: bool) -> Any:
        assert build is host.build
        info = TaskInfo(id=task_id, state=state, method="build", start_ts=9.0, request=["other"])
        info["create_ts"] = 5.0 if task_id < 4 else 1000.0
        watches[task_id] = SimpleNamespace(
            done=Deferred(),
            tree=TaskTree(info),
            stop=lambda: None,
            usual_seconds=usual or 100.0,
            wants_queue_place=queue_place,
        )
        return watches[task_id]

    def may_have_made(task: TaskInfo, call: Call, submission: Submission) -> bool:
        assert submission in [context.intent_of(each).submission for each in packages]
        return bool(task.request == [call.args[0]])

    def is_lost(task_id: int, call: Call, submission: Submission) -> Deferred[bool]:
        # The requests of these ids are others by now.
        return succeed(task_id in (4, 6))

    submissions = SimpleNamespace(may_have_made=may_have_made, is_lost=is_lost)
    submissions.is_task_of = partial(Submitter.is_task_of, submissions)
    hub: Any = SimpleNamespace(watch=watch, connection=SimpleNamespace(submissions=submissions))
    if clock is None:
        clock = Clock()
        clock.advance(100.0)
    host: Any = SimpleNamespace(build=object())
    given: Any = MassOptions(lambda each: Call("build", (each.source, "demo")), "demo", **options)
    context = MassContext(hub, MassPlan(packages), given, host, clock, "run", MassTiming())
    tasks = MassTasks(context, lambda: None)
    for each in packages:
        tasks.follow(each)
    return tasks, watches


class Cancellations:
    """Takes note of the tasks that are to be canceled, within the usual time.

    Args:
        refusal: what the hub says to that.
    """

    def __init__(self, refusal: HubFault | None = None) -> None:
        self.tasks: list[int | None] = []
        self._refusal = refusal

    def cancel(self, intent: TaskIntent, limit: float) -> Deferred[Canceled]:
        assert limit == MassTiming().cancel_limit
        self.tasks.append(intent.task_id)
        return succeed(Canceled.DONE) if self._refusal is None else fail(self._refusal)


def package(index: int, **facts: Any) -> MassPackage:
    """Return a package whose task runs."""
    found = MassPackage(index, f"p{index}", "source", state=PackageState.RUNNING)
    found.task_id, found.begun = index + 1, (0, 0.0, None, None)
    for name, value in facts.items():
        setattr(found, name, value)
    return found


def test_what_can_not_be_canceled_is_not_waited_for() -> None:
    """A task of someone else, or that the hub refuses to cancel, does not hold up a mass build."""
    packages = [package(0, is_foreign=True), package(1)]
    tasks, _ = follow(packages, task_states.OPEN, package_timeout=60.0)
    hub: Any = tasks._context.hub
    hub.cancellations = Cancellations(GenericError("no", method="cancelTask"))
    assert Deferred.fromCoroutine(tasks.cancel_overdue()).called
    assert hub.cancellations.tasks == []
    tasks._context.clock.advance(61.0)
    assert Deferred.fromCoroutine(tasks.cancel_overdue()).called
    assert hub.cancellations.tasks == [2]
    assert [(each.state.value, each.reason) for each in packages] == [
        ("failed", "the adopted task takes too long"),
        ("failed", "its task takes too long, and can't be canceled: cancelTask: no"),
    ]


def test_each_task_has_its_own_time() -> None:
    """A package whose first task was canceled for its time has a limit for the next one, too."""
    packages = [package(0)]
    tasks, _ = follow(packages, task_states.OPEN, package_timeout=60.0)
    hub: Any = tasks._context.hub
    hub.cancellations, hinted = Cancellations(), []
    hub.watcher = SimpleNamespace(hint=hinted.append)
    for task_id in (1, 2):
        packages[0].task_id = task_id
        tasks.follow(packages[0])
        for _ in range(8):
            tasks._context.clock.advance(10.0)
            Deferred.fromCoroutine(tasks.cancel_overdue())
    assert hub.cancellations.tasks == hinted == [1, 2]


@pytest.mark.parametrize("state", [task_states.FREE, task_states.OPEN])
def test_clock_is_set_forward(monkeypatch: pytest.MonkeyPatch, state: int) -> None:
    """A clock that is set forward cancels no task: it has not taken that long."""
    packages = [package(0, since=reactor.seconds())]
    tasks, watches = follow(packages, state, reactor, package_timeout=600.0, max_queue_time=600.0)
    monkeypatch.setattr(reactor, "seconds", lambda: time.time() + 11 * 3600)
    assert not tasks._is_overdue(packages[0], watches[1].tree)


def test_places_in_queues() -> None:
    """The page shows of a mass build's tasks, too, how many tasks are before them."""
    _, watches = follow([package(0)], task_states.FREE)
    assert watches[1].wants_queue_place


def test_averages_are_kept() -> None:
    """What was asked of the hub once is stored, and given to the watch of the next attempt."""
    packages = [package(0), package(1, usual=7.0)]
    tasks, watches = follow(packages, task_states.OPEN)
    tasks.keep_averages()
    assert [each.usual for each in packages] == [100.0, 7.0]
    assert tasks._context.plan.changed == {0}
    assert watches[2].usual_seconds == 7.0


def test_id_of_another_task() -> None:
    """The outcome of a task that a restored hub gave the same id is not the package's."""
    adopted = {"is_foreign": True, "begun": (3, 0.0, None, 5.0)}
    packages = [package(0), package(1, source="other"), package(2, **adopted)]
    # What is known of the request may be that of the first task: the time is not.
    packages.append(package(3, source="other", since=5.0))
    # The hub's clock is ahead.
    packages.append(package(4, source="other", since=5.0))
    packages.append(package(5, is_foreign=True, begun=(6, 0.0, None, 5.0)))
    tasks, watches = follow(packages, task_states.CLOSED)
    for watch in watches.values():
        watch.done.callback(watch.tree)
    own = Deferred.fromCoroutine(
        gather([tasks._context.own_tree(*each) for each in tasks.ended])
    ).result
    assert [tree is None for tree in own] == [True, False, False, True, False, True]


@pytest.mark.parametrize("ahead", [-80.0, 0.0, 1e6])
def test_time_of_a_package_by_our_clock(ahead: float) -> None:
    """The time in the queue does not count, nor how wrong the hub's clock is."""
    packages = [package(0, since=90.0)]
    tasks, watches = follow(packages, task_states.OPEN, package_timeout=60.0)
    times = {"create_ts": 90.0 + ahead, "start_ts": 95.0 + ahead}
    tree = TaskTree(TaskInfo({**watches[1].tree.root, **times}))
    seen = []
    for _ in range(61):
        seen.append(tasks._is_overdue(packages[0], tree))
        tasks._context.clock.advance(1.0)
    assert seen.count(False) == 56


def test_found_one_is_not_submitted_again() -> None:
    """A task that is found, and fails at once, is submitted again once: not by the search, too."""
    packages = [
        package(number, state=PackageState.SUBMITTING, source=f"s{number}") for number in range(3)
    ]
    answers: list[tuple[str, Deferred[int]]] = []

    def submit(call: Call, submission: Submission, *, before: Any) -> Deferred[int]:
        assert (submission.marker, callable(before)) == (f"run.{call.args[0][1:]}.0", True)
        answers.append((call.args[0], Deferred()))
        return answers[-1][1]

    def find_all(wanted: list[tuple[Call, Submission]]) -> Deferred[list[int | None]]:
        assert [(call.args[0], submission.marker) for call, submission in wanted] == [
            (f"s{number}", f"run.{number}.0") for number in range(3)
        ]
        return succeed([None, 7, None])

    def once_of(action: OnceAction[int], intent: Intent, *, max_age: float) -> Once[int]:
        assert max_age == CLAIM_AGE
        return Once(action, intent, lambda: succeed(None), lambda: succeed(None))

    submissions = SimpleNamespace(
        submit=submit, find_all=find_all, is_certain=lambda task_id: task_id != 9
    )
    hub: Any = SimpleNamespace(
        connection=SimpleNamespace(submissions=submissions), log_in=lambda: succeed(None)
    )
    hub.submit_once = partial(Hub.submit_once, hub)
    host: Any = SimpleNamespace(once_of=once_of)
    given: Any = MassOptions(lambda each: Call("build", [each.source, "demo"]), "demo")
    plan = MassPlan(packages)
    context = MassContext(hub, plan, given, host, Clock(), "run", MassTiming())
    followed: list[MassPackage] = []
    submitting = MassSubmissions(context, followed.append, lambda: succeed(None), lambda: False)
    finding = Deferred.fromCoroutine(submitting.find_in_doubt())
    assert packages[1].state is PackageState.RUNNING
    plan.happened(packages[1], PackageEvent.INFRASTRUCTURE)
    plan.happened(packages[1], PackageEvent.STORED, begun=(1, 0.0, None, None))
    for task_id in (8, 9):
        answers[-1][1].callback(task_id)
    assert finding.called
    assert [source for source, _ in answers] == ["s0", "s2"]
    assert [each.index for each in followed] == [1, 0, 2]
    # What was found without a marker may be someone else's.
    assert [each.is_foreign for each in packages] == [False, False, True]
