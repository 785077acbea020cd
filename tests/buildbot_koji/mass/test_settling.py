"""What a mass build makes of tasks that have ended."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from munch import Munch
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from buildbot_koji.hubs.counts import TaskCounts
from buildbot_koji.mass.context import MassContext
from buildbot_koji.mass.options import MassOptions, MassTiming
from buildbot_koji.mass.plan import MassPackage, MassPlan, PackageState
from buildbot_koji.mass.settling import FAILED_AT_ONCE, Settler
from txkoji import TaskTree, build_states, task_states
from txkoji.exceptions import GenericError, TransportError, UnusableAnswer
from txkoji.task_info import TaskInfo


class SlowHub:
    """Answers each call when the test says so.

    Attributes:
        waiting: what is asked and not answered yet.
    """

    def __init__(self) -> None:
        self.waiting: list[tuple[str, Deferred[Any]]] = []
        self.topurl, self.weburl = None, "https://koji.example.test/koji"
        self.builds: list[Any] = []
        self.fault = (1005, "mock exited with status 1; see build.log")

    def call(self, method: str, *_args: Any, **_options: Any) -> Deferred[Any]:
        answer: Deferred[Any] = Deferred()
        self.waiting.append((method, answer))
        return answer

    def MultiCall(self) -> list[Any]:  # noqa: N802 - a promised name
        # None of their tasks left files.
        return []

    def answer(self) -> None:
        """Answer all that is asked now."""
        answers = {"listBuilds": self.builds, "listTaskOutput": ["build.log"]}
        fault = {"faultCode": self.fault[0], "faultString": self.fault[1]}
        waiting, self.waiting = self.waiting, []
        for method, answer in waiting:
            answer.callback(answers.get(method, fault))


def settler_of(packages: list[MassPackage], hub: Any, counts: TaskCounts) -> Settler:
    """Return what settles the tasks of packages."""
    context = MassContext(
        SimpleNamespace(connection=hub, counts=counts),  # type: ignore[arg-type]
        MassPlan(packages),
        MassOptions(lambda _: None, "demo"),  # type: ignore[arg-type, return-value]
        SimpleNamespace(),  # type: ignore[arg-type]
        Clock(),
        "run",
        MassTiming(),
    )
    return Settler(context, lambda _: None)


def ended_task(package: MassPackage, state: int) -> tuple[MassPackage, TaskTree]:
    """Return a package whose task has ended."""
    return package, TaskTree(TaskInfo(id=package.task_id, state=state, method="build"))


def test_canceled_task_of_someone_else() -> None:
    """If a task that someone else started is canceled, the package is submitted."""
    package = MassPackage(0, "p", "source", state=PackageState.RUNNING, task_id=7, is_foreign=True)
    settler = settler_of([package], SlowHub(), TaskCounts())
    ended = [ended_task(package, task_states.CANCELED)]
    assert Deferred.fromCoroutine(settler.settle(ended)).called
    assert (package.state, package.is_foreign) == (PackageState.READY, False)
    assert package.reason == "someone else's task 7 was canceled"


def test_failed_tasks_are_asked_about_together() -> None:
    """Many failed tasks cost the time of a few, and never more than so many requests at once."""
    count = FAILED_AT_ONCE + 5
    packages = [
        MassPackage(place, f"p{place}", "source", state=PackageState.RUNNING, task_id=place + 1)
        for place in range(count)
    ]
    hub, counts = SlowHub(), TaskCounts()
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
    package = MassPackage(0, "p", "source", state=PackageState.RUNNING, task_id=7)
    hub = SlowHub()
    settled = Deferred.fromCoroutine(
        settler_of([package], hub, TaskCounts()).settle([ended_task(package, task_states.FAILED)])
    )
    [(_, answer)] = hub.waiting
    answer.errback(UnusableAnswer("getBuild", "odd", "a build"))
    assert settled.called
    assert package.state is PackageState.FAILED
    assert package.reason == "the hub answered getBuild with 'odd' instead of a build"


@pytest.mark.parametrize("draft", [True, False])
def test_build_that_was_not_tagged(draft: bool) -> None:
    """A draft that is complete is not built a second time; another build's NVR is found again."""
    package = MassPackage(0, "p", "source", state=PackageState.RUNNING, task_id=7)
    hub = SlowHub()
    fields = {"build_id": 3, "nvr": "p-1-1", "state": build_states.COMPLETE, "draft": draft}
    hub.builds, hub.fault = [Munch(fields)], (1000, "No space left on device")
    settler = settler_of([package], hub, TaskCounts())
    settled = Deferred.fromCoroutine(settler.settle([ended_task(package, task_states.FAILED)]))
    while hub.waiting:
        hub.answer()
    assert settled.called
    assert package.state is (PackageState.FAILED if draft else PackageState.READY)
    assert package.reason == "No space left on device"


def test_refusal_is_no_outage() -> None:
    """The summary says what the hub refuses, not that it has not answered."""
    said: list[str] = []
    host = SimpleNamespace(say=said.append, say_error=lambda words, _: said.append(words))
    context = settler_of([MassPackage(0, "p", "source")], SlowHub(), TaskCounts())._context
    context = replace(context, host=host)  # type: ignore[arg-type]
    context.say_trouble(GenericError("getChannel: query returned no rows"))
    context.say_trouble(TransportError("gone"))
    assert said == [
        "0 of 1 done; the hub refuses, asking again: getChannel: query returned no rows",
        "0 of 1 done; waiting for the hub",
    ]
