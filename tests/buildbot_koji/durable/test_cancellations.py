"""Cancellations that wait for a hub that is unreachable."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

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

    async def getState(self, _object: int, key: str, default: Any) -> Any:  # noqa: N802
        value = json.loads(self.rows[key]) if key in self.rows else default
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
    made.start(SimpleNamespace(name="master", db=SimpleNamespace(state=states)))
    return made


def elsewhere(hub: Hub, states: States) -> list[PendingCancellation]:
    """Return what another master says of the pending cancellations of the first."""
    masters = [{"masterid": 1, "name": "master"}, {"masterid": 2, "name": "second"}]
    data = SimpleNamespace(get=lambda _path: succeed(masters))
    made = Cancellations("hub", hub, lambda: succeed(None))  # type: ignore[arg-type]
    second = SimpleNamespace(
        name="second", masterid=2, data=data, db=SimpleNamespace(state=States())
    )
    made.start(second)
    second.db.state = states
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
