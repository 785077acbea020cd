"""Cancellations that wait for a hub that is unreachable."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock

from buildbot_koji.database_values import MAX_VALUE
from buildbot_koji.durable.cancellations import Cancellations, PendingCancellation
from buildbot_koji.durable.task_intents import TaskIntent
from txkoji import Call, Submission
from txkoji.exceptions import TransportError


class States:
    """Buildbot's table of states, in memory."""

    def __init__(self) -> None:
        self.rows: dict[str, str] = {}
        self.written: list[str] = []
        self.slow: Deferred[None] | None = None

    async def getObjectId(self, _name: str, _class: str) -> int:  # noqa: N802
        return 1

    def thdGetState(self, _: None, _object: int, key: str, default: Any) -> Any:  # noqa: N802
        return json.loads(self.rows[key]) if key in self.rows else default

    async def do(self, query: Any) -> Any:
        """Run a query; it is the pool, too."""
        value = query(None)
        if self.slow is not None:
            await self.slow
        return value

    async def setState(self, _object: int, key: str, value: Any) -> None:  # noqa: N802
        self.rows[key] = json.dumps(value)
        self.written.append(self.rows[key])


class Hub:
    """A hub that is unreachable until it answers."""

    url = "https://koji.example.com/kojihub"

    def __init__(self) -> None:
        self.reactor = Clock()
        self.answers = False
        self.canceled: list[int] = []
        self.lost: set[int] = set()

    @property
    def submissions(self) -> Any:
        return self

    def is_lost(self, task_id: int, _call: Call, _submission: Submission) -> Deferred[bool]:
        if not self.answers:
            return fail(TransportError("no route", url=self.url))
        return succeed(task_id in self.lost)

    def call(self, _method: str, task_id: int) -> Deferred[None]:
        if not self.answers:
            return fail(TransportError("no route", url=self.url))
        self.canceled.append(task_id)
        return succeed(None)


def cancellations(hub: Hub, states: States) -> Cancellations:
    """Return the cancellations of a master that starts."""
    made = Cancellations("hub", hub, lambda: succeed(None))  # type: ignore[arg-type]
    made.start(SimpleNamespace(name="master", db=SimpleNamespace(state=states, pool=states)))
    return made


def elsewhere(hub: Hub, states: States) -> list[PendingCancellation]:
    """Return what another master says of the pending cancellations of the first."""
    masters = [{"masterid": 1, "name": "master"}, {"masterid": 2, "name": "second"}]
    data = SimpleNamespace(get=lambda _path: succeed(masters))
    made = Cancellations("hub", hub, lambda: succeed(None))  # type: ignore[arg-type]
    db = SimpleNamespace(state=(own := States()), pool=own)
    second = SimpleNamespace(name="second", masterid=2, data=data, db=db)
    made.start(second)
    db.state = db.pool = states
    return Deferred.fromCoroutine(made.elsewhere()).result


def test_many_cancellations() -> None:
    """A thousand cancellations fit the database's rows, and none is lost by a restart."""
    hub, states = Hub(), States()
    first = cancellations(hub, states)
    call = Call("build", ("git+https://git.example.test/rpms/package.git#main", "demo", {}))
    for task_id in range(1, 1001):
        intent = TaskIntent(call, Submission(f"m{task_id}", 1.0, 1, 1), 1.0, task_id)
        first.cancel(intent, 30.0)
    first.stop()
    assert len(states.rows) > 3
    assert max(map(len, states.rows.values())) <= MAX_VALUE + 100
    # Another master that shares the database shows all of them.
    assert len(elsewhere(hub, states)) == 1000
    hub.answers, hub.lost = True, {500}
    cancellations(hub, states)
    # A hub that was restored from a backup gave this id to another task.
    assert sorted({*hub.canceled, *hub.lost}) == list(range(1, 1001))
    assert 500 not in hub.canceled
    assert {key: json.loads(row) for key, row in states.rows.items() if row != "[]"} == {}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('["newer", "good"]', "a newer version of buildbot_koji stored task 1 with lane"),
        ('["damaged", "good"]', "holds a task that was to be canceled, damaged"),
        ('["newer', "holds the state 'left' of 'master hub', damaged"),
        ('{"a": 1}', "holds row 0 of the tasks that were to be canceled, damaged"),
    ],
)
def test_unreadable_cancellation(row: str, said: str, logged: list[str]) -> None:
    """What can't be read stays as it is, and is logged in one line; the others are canceled."""
    hub, states, call = Hub(), States(), Call("build", ("a", "demo", {}))
    intents = [TaskIntent(call, Submission(f"m{n}", 1.0, 1, 1), 1.0, n) for n in (1, 2, 3)]
    newer = json.dumps({**intents[0].to_struct(), "lane": "fast"})
    texts = {"newer": newer, "damaged": newer[:-9], "good": intents[1].to_json().decode()}
    whole = row.endswith("]")
    before = json.dumps([texts[each] for each in json.loads(row)]) if whole else row
    states.rows["left"] = before
    first = cancellations(hub, states)
    first.cancel(intents[2], 30.0)
    assert [each.task_id for each in elsewhere(hub, states)] == ([2, 3] if whole else [3])
    hub.answers = True
    hub.reactor.advance(600)
    assert sorted(hub.canceled) == ([2, 3] if whole else [3])
    assert states.rows["left"] == (json.dumps([json.loads(before)[0]]) if whole else before)
    assert len([line for line in logged if said in line]) == 1


def test_cancellation_during_the_start_of_a_master() -> None:
    """What an earlier run left is read before anything is stored over it."""
    hub, states, call = Hub(), States(), Call("build", ("a", "demo", {}))
    intents = [TaskIntent(call, Submission(f"m{n}", 1.0, 1, 1), 1.0, n) for n in (1, 2)]
    first = cancellations(hub, states)
    first.cancel(intents[0], 30.0)
    first.stop()
    states.slow = Deferred()
    second = cancellations(hub, states)
    second.cancel(intents[1], 30.0)
    states.written.clear()
    slow, states.slow = states.slow, None
    slow.callback(None)
    second.stop()
    # The master may be killed after each write.
    assert states.written
    assert all("m1" in each and "m2" in each for each in states.written)
    hub.answers = True
    cancellations(hub, states)
    assert sorted(hub.canceled) == [1, 2]
