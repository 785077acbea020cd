"""Cancellations that wait for a hub that is unreachable."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import CancelledError, Deferred, fail, succeed
from twisted.internet.task import Clock

from buildbot_koji.database_values import MAX_VALUE
from buildbot_koji.durable.cancellations import Cancellations, PendingCancellation
from buildbot_koji.durable.store import MasterState
from buildbot_koji.durable.task_intents import TaskIntent
from tests.buildbot_koji.durable.states import States
from txkoji import Call, Submission, task_states
from txkoji.exceptions import GenericError, KojiLoginException, TransportError


class Hub:
    """A hub that is unreachable until it answers."""

    url = "https://koji.example.com/kojihub"

    def __init__(self) -> None:
        self.reactor = Clock()
        self.answers = False
        self.canceled: list[int] = []
        self.lost: set[int] = set()
        self.refused: set[int] = set()
        self.ended: set[int] = set()

    @property
    def submissions(self) -> Any:
        return self

    @property
    def trouble(self) -> TransportError | None:
        return None if self.answers else TransportError("no route", url=self.url)

    def is_lost(self, task_id: int, call: Call, submission: Submission) -> Deferred[bool]:
        assert (call.method, submission.marker) == ("build", f"m{task_id}")
        if not self.answers:
            return fail(TransportError("no route", url=self.url))
        return succeed(task_id in self.lost)

    def call(self, method: str, task_id: int) -> Deferred[None]:
        assert method == "cancelTask"
        if not self.answers:
            return fail(TransportError("no route", url=self.url))
        if task_id in self.refused:
            return fail(GenericError(f"task {task_id} is not yours"))
        self.canceled.append(task_id)
        return succeed(None)

    def checked(self, method: str, task_id: int) -> Deferred[Any]:
        assert method == "getTaskInfo"
        is_ours = task_id in set(self.canceled) - self.ended
        return succeed({"state": task_states.CANCELED if is_ours else task_states.CLOSED})


def cancellations(hub: Hub, states: States, master: str = "master") -> Cancellations:
    """Return the cancellations of a master that starts."""
    made = Cancellations("hub", hub, lambda: succeed(None))  # type: ignore[arg-type]
    made.start(SimpleNamespace(name=master, db=states))
    return made


def elsewhere(hub: Hub, states: States) -> list[PendingCancellation]:
    """Return what another master says of the pending cancellations of the first."""
    masters = [{"masterid": 1, "name": "master"}, {"masterid": 2, "name": "second"}]
    data = SimpleNamespace(get=lambda path: succeed({("masters",): masters}[path]))
    made = Cancellations("hub", hub, lambda: succeed(None))  # type: ignore[arg-type]
    second = SimpleNamespace(name="second", masterid=2, data=data, db=States())
    made.start(second)
    second.db = states
    return Deferred.fromCoroutine(made.elsewhere()).result


@pytest.mark.parametrize(
    ("answers", "refused", "ended", "words"),
    [
        (True, set(), set(), "canceled 3 tasks"),
        (True, set(), {1, 3}, "canceled 1 task, 2 had ended already"),
        (True, {2, 3}, set(), "canceled 1 task, could not cancel 2 tasks: task 2 is not yours"),
        (False, set(), set(), "canceled no tasks, 3 are canceled as soon as the hub answers"),
    ],
)
def test_words_for_several(answers: bool, refused: set[int], ended: set[int], words: str) -> None:
    """A stopped step counts as canceled only what the hub has canceled."""
    hub = Hub()
    hub.answers, hub.refused, hub.ended = answers, refused, ended
    made = cancellations(hub, States())
    intents = [
        TaskIntent(Call("build"), Submission(f"m{number}", 0.0, 0), 0.0, number)
        for number in (1, 2, 3)
    ]
    said = Deferred.fromCoroutine(made.cancel_all(intents, 5.0))
    hub.reactor.advance(5.0)
    assert said.result == words
    made.stop()


def test_login_is_refused() -> None:
    """What keeps the tasks from being canceled is known until someone has repaired it."""
    hub, answers = Hub(), [fail(KojiLoginException("unknown user")), succeed(None)]
    hub.answers = True
    made = Cancellations("hub", hub, lambda: answers.pop(0))  # type: ignore[arg-type]
    made.start(SimpleNamespace(name="master", db=States()))
    intent = TaskIntent(Call("build"), Submission("m1", 0.0, 0), 0.0, 1)
    Deferred.fromCoroutine(made.retry_later(None, intent))
    assert (made.trouble, len(made.status())) == ("unknown user", 1)
    hub.reactor.advance(60.0)
    assert (made.trouble, made.status(), hub.canceled) == ("", [], [1])


@pytest.mark.parametrize("successor", ["master", "another", "another, cut off"])
def test_many_cancellations(
    successor: str, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    """Many large cancellations fit the database's rows, and none is lost by a restart.

    Another master takes over those of a dead one, beside its own, which it cancels once; also if
    the database is unreachable once they are moved.
    """
    hub, states = Hub(), States()
    first = cancellations(hub, states)
    source = "git+https://git.example.test/rpms/package.git#" + "a" * 4000
    call = Call("build", (source, "demo", {}))
    for task_id in range(1, 101):
        intent = TaskIntent(call, Submission(f"m{task_id}", 1.0, 1, 1), 1.0, task_id)
        first.cancel(intent, 30.0)
    first.stop()
    assert len(states.rows) == 100
    assert max(map(len, states.rows.values())) <= MAX_VALUE
    # Another master that shares the database shows all of them.
    assert len(elsewhere(hub, states)) == 100
    own = cancellations(hub, states, "another")
    intent = TaskIntent(call, Submission("m101", 1.0, 1, 1), 1.0, 101)
    own.cancel(intent, 30.0)
    hub.reactor.advance(30.0)
    hub.answers, hub.lost = True, {50}
    third, move = cancellations(hub, states, "third"), MasterState.move
    lost = OperationalError("SELECT", {}, Exception("the server closed the connection"))

    async def move_late(state: MasterState, prefix: str, to: MasterState) -> None:
        """Let another master be the first, or the database end after it."""
        monkeypatch.undo()
        if successor == "another":
            await third.resume(["master"])
        await move(state, prefix, to)
        if successor != "another":
            raise lost

    if successor == "master":
        cancellations(hub, states)
    else:
        monkeypatch.setattr(MasterState, "move", move_late)
        resuming = Deferred.fromCoroutine(own.resume(["master"]))
        if successor != "another":
            resuming.addErrback(lambda failure: failure.trap(OperationalError) and None)
            hub.reactor.advance(600.0)
            Deferred.fromCoroutine(own.resume())
    hub.reactor.advance(600.0)
    # A hub that was restored from a backup gave this id to another task.
    assert sorted([*hub.canceled, *hub.lost]) == list(range(1, 102))
    assert not any(map(states.rows_of, states.objects.values()))
    assert not [each for each in logged if "may run on" in each]


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("newer", "a newer version of buildbot_koji stored task 1 with lane"),
        ('{"a": 1}', "holds a task that was to be submitted, damaged"),
        ("[]", "holds a task that was to be submitted, damaged"),
        ('{"ca', "holds the state 'cancel m1' of 'master hub', damaged"),
        ('{"koji_parts": [0, 2]}', "holds the state 'cancel m1' of 'master hub', damaged"),
    ],
)
def test_unreadable_cancellation(damage: str, said: str, logged: list[str]) -> None:
    """What can't be read stays as it is, and is logged in one line; the others are canceled.

    Each start logs it. Once it is restored, its task is canceled, too.
    """
    hub, states, call = Hub(), States(), Call("build", ("x" * MAX_VALUE, "demo", {}))
    intents = [TaskIntent(call, Submission(f"m{n}", 1.0, 1, 1), 1.0, n) for n in (1, 2, 3)]
    first = cancellations(hub, states)
    for each in intents[:2]:
        first.cancel(each, 30.0)
    first.stop()
    whole = states.rows["cancel m1"]
    newer = json.dumps({**intents[0].to_struct(), "call": Call("build").to_json(), "lane": "fast"})
    states.put("cancel m1", damaged := newer if damage == "newer" else damage)
    assert [each.intent.task_id for each in elsewhere(hub, states)] == [2]
    second = cancellations(hub, states)
    second.cancel(intents[2], 30.0)
    assert [each.intent.task_id for each in second.status()] == [2, 3]
    hub.answers = True
    hub.reactor.advance(600)
    assert sorted(hub.canceled) == [2, 3]
    assert states.rows["cancel m1"] == damaged
    for said_so_far in (1, 2):
        Deferred.fromCoroutine(second.resume())
        assert len([line for line in logged if said in line]) == said_so_far
        second.stop()
        second = cancellations(hub, states)
    states.put("cancel m1", whole)
    Deferred.fromCoroutine(second.resume())
    assert sorted(hub.canceled) == [1, 2, 3]
    assert {each for each in states.rows if "-" not in each} == set()


def test_kill_while_cancellations_are_stored() -> None:
    """A master that is killed after any write has forgotten none that it stored before."""
    intents = [
        TaskIntent(Call("build", ("x" * MAX_VALUE, n)), Submission(f"m{n}", 1.0, 1, 1), 1.0, n)
        for n in range(1, 4)
    ]
    for writes in range(13):
        hub, states = Hub(), States()
        states.killed_after = writes
        first = cancellations(hub, states)
        storing = [Deferred.fromCoroutine(first.retry_later(None, each)) for each in intents]
        stored = [each for each in storing if each.called]
        first.stop()
        for each in storing:
            each.addErrback(lambda failure: failure.trap(CancelledError) and None)
            each.cancel()
        states.killed_after = None
        found = {each.intent.task_id for each in elsewhere(hub, states)}
        assert len(found) >= len(stored)
        after = Hub()
        after.answers = True
        cancellations(after, states)
        assert {*after.canceled} == found
    assert len(stored) == 3


def test_hub_and_database_are_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancellation that could not be stored is stored and made once both answer."""
    hub, states = Hub(), States()
    made = cancellations(hub, states)
    lost = OperationalError("UPDATE", {}, Exception("the server closed the connection"))
    monkeypatch.setattr(states, "do", lambda _: fail(lost))
    intent = TaskIntent(Call("build"), Submission("m1", 1.0, 1, 1), 1.0, 1)
    storing = Deferred.fromCoroutine(made.retry_later(None, intent))
    storing.addErrback(lambda failure: failure.trap(OperationalError) and None)
    assert (states.rows, storing.called) == ({}, True)
    monkeypatch.undo()
    hub.reactor.advance(60)
    assert list(states.rows) == ["cancel m1"]
    hub.answers = True
    hub.reactor.advance(600)
    assert (hub.canceled, states.rows) == ([1], {})


def test_cancellation_during_the_start_of_a_master() -> None:
    """What an earlier run left, and what comes while that is read, are both canceled."""
    hub, states, call = Hub(), States(), Call("build", ("a", "demo", {}))
    intents = [TaskIntent(call, Submission(f"m{n}", 1.0, 1, 1), 1.0, n) for n in (1, 2)]
    first = cancellations(hub, states)
    first.cancel(intents[0], 30.0)
    first.stop()
    states.slow = Deferred()
    second = cancellations(hub, states)
    second.cancel(intents[1], 30.0)
    slow, states.slow = states.slow, None
    slow.callback(None)
    second.stop()
    assert sorted(states.rows) == ["cancel m1", "cancel m2"]
    hub.answers = True
    cancellations(hub, states)
    assert sorted(hub.canceled) == [1, 2]
    assert states.rows == {}


def test_taken_over_by_two_masters() -> None:
    """What a dead master and its successor both stored is canceled, and no row of it is left."""
    hub, states = Hub(), States()
    intent = TaskIntent(Call("build"), Submission("m1", 1.0, 1, 1), 1.0, 1)
    both = [cancellations(hub, states, name) for name in ("master", "another")]
    for each in both:
        each.cancel(intent, 30.0)
    both[0].stop()
    Deferred.fromCoroutine(both[1].resume(["master"]))
    hub.answers = True
    hub.reactor.advance(600)
    assert hub.canceled == [1]
    assert not any(map(states.rows_of, states.objects.values()))


@pytest.mark.parametrize("before", ["the removal", "the next cancellation"])
def test_read_while_it_is_done(before: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that reads the row of a task that is just canceled does not have it canceled again."""
    hub, states = Hub(), States()
    made = cancellations(hub, states)
    for number in (1, 2):
        submission = Submission(f"m{number}", 1.0, number, number)
        made.cancel(TaskIntent(Call("build"), submission, 1.0, number), 30.0)
    hub.answers, slow, call = True, Deferred(), hub.call
    if before == "the removal":
        states.slow = slow
        look = Deferred.fromCoroutine(made.resume())
        hub.reactor.advance(30.0)
    else:
        late = {1: succeed(None), 2: slow}
        monkeypatch.setattr(
            hub, "call", lambda method, each: late[each].addCallback(lambda _: call(method, each))
        )
        hub.reactor.advance(30.0)
        look = Deferred.fromCoroutine(made.resume())
    states.slow = None
    slow.callback(None)
    hub.reactor.advance(600.0)
    assert look.called
    assert (hub.canceled, made.status(), states.rows) == ([1, 2], [], {})
