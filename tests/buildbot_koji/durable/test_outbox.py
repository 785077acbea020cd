"""Deliveries: their states, and an outbox on a clock that the tests advance."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred, succeed
from twisted.internet.task import Clock
from twisted.logger import LogEvent

from buildbot_koji.durable.claims import ClaimLost
from buildbot_koji.durable.deliveries import (
    FINAL,
    TRANSITIONS,
    Delivery,
    DeliveryEvent,
    DeliveryState,
)
from buildbot_koji.durable.outbox import (
    SLOTS,
    Accepted,
    Attempt,
    Outbox,
    Postponed,
    Refused,
    Undone,
)
from txkoji import RetryPolicy

HOUR = 3600.0


def delivery(number: int = 1, lane: str | None = None, **values: Any) -> Delivery:
    return Delivery(number, "tag", lane or f"lane {number}", {"n": number}, 0.0, **values)


@pytest.mark.parametrize("event", DeliveryEvent)
@pytest.mark.parametrize("state", DeliveryState)
def test_table(state: DeliveryState, event: DeliveryEvent) -> None:
    """Every event in every state leads where the table says, and nowhere else."""
    before = delivery(state=state, notes={"task_id": 1})
    if (state, event) not in TRANSITIONS:
        with pytest.raises(ValueError, match=event.name):
            before.after(event)
        return
    after = before.after(event, said="words")
    assert (after.state, after.said) == (TRANSITIONS[state, event], "words")
    ended = event in (DeliveryEvent.REFUSED, DeliveryEvent.UNDONE)
    assert after.notes == ({} if ended else before.notes)
    assert after.attempts == (1 if event is DeliveryEvent.STARTED else 0)


def test_ways_through_the_table() -> None:
    """Every state can be reached, one that is not final can end, only a user revives the dead."""
    assert {state for state, _ in TRANSITIONS} | FINAL == set(DeliveryState)
    assert {event for state, event in TRANSITIONS if state in FINAL} == {DeliveryEvent.RETRIED}
    for state in set(DeliveryState) - FINAL - {DeliveryState.WAITING}:
        assert {DeliveryEvent.DONE, DeliveryEvent.REFUSED, DeliveryEvent.EXPIRED} <= {
            event for before, event in TRANSITIONS if before is state
        }


def test_storing() -> None:
    """A delivery is the same after it was stored and read."""
    stored = delivery(
        state=DeliveryState.SENT, notes={"task_id": 7, "call": ["tagBuild", ["a"], {}]}
    )
    assert Delivery.from_json(stored.to_json()) == stored


class Other:
    """The other side, and the database: what they were given, and what they answer."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.clock.advance(0)
        self.sent: list[int] = []
        self.most = 0
        self.saved: list[tuple[int, DeliveryState]] = []
        self.settled: list[Delivery] = []
        self.answer: Callable[[Delivery], Any] = lambda _: "arrived"
        self.preparing: Deferred[None] = succeed(None)
        self.outcome: Callable[[Delivery], Any] = lambda _: "done"
        self.lost: set[int] = set()
        self.database: Callable[[Delivery], Any] = lambda _: None
        self.retry_for = 24 * HOUR
        self.outbox = Outbox(
            "reporter",
            self,
            self,
            self.clock,
            retry=RetryPolicy(first=5.0, ceiling=600.0, jitter=0.0),
            retry_for=lambda: self.retry_for,
            settled=self.settled.append,
        )
        self._now = 0

    async def save(self, delivery: Delivery) -> None:
        self.database(delivery)
        self.saved.append((delivery.build_id, delivery.state))

    async def check(self, delivery: Delivery) -> None:
        if delivery.build_id in self.lost:
            raise ClaimLost

    async def send(self, delivery: Delivery, attempt: Attempt) -> str | Accepted:
        await self.preparing
        await attempt.check()
        self.sent.append(delivery.build_id)
        self._now += 1
        self.most = max(self.most, self._now)
        try:
            answer = self.answer(delivery)
            if isinstance(answer, Deferred):
                answer = await answer
        finally:
            self._now -= 1
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def follow(self, delivery: Delivery) -> str:
        outcome = self.outcome(delivery)
        if isinstance(outcome, Deferred):
            outcome = await outcome
        if isinstance(outcome, Exception):
            raise outcome
        return str(outcome)

    def pass_time(self, seconds: float) -> None:
        end = self.clock.seconds() + seconds
        while (calls := self.clock.getDelayedCalls()) and calls[0].getTime() <= end:
            self.clock.advance(max(0.0, calls[0].getTime() - self.clock.seconds()))
        self.clock.advance(end - self.clock.seconds())


def test_delivered() -> None:
    """What arrives at once is stored as delivered, with the peer's words."""
    other = Other()
    other.outbox.add(delivery())
    assert other.saved == [(1, DeliveryState.DELIVERED)]
    assert [(each.state, each.said) for each in other.settled] == [
        (DeliveryState.DELIVERED, "arrived")
    ]


def test_followed() -> None:
    """An accepted delivery is stored with its notes before it is followed to its end."""
    other = Other()
    end: Deferred[str] = Deferred()
    other.answer = lambda _: Accepted({"task_id": 7})
    other.outcome = lambda _: end
    other.outbox.add(delivery())
    assert other.saved == [(1, DeliveryState.SENT)]
    end.callback("tagged")
    assert other.settled[0].said == "tagged"
    assert other.settled[0].notes == {"task_id": 7}


def test_accepted_and_undone() -> None:
    """What failed after it was accepted is sent again, as new, after a pause."""
    other = Other()
    outcomes = [Undone("task 7 failed: No space left on device"), "tagged"]
    other.answer = lambda each: Accepted({"task_id": 6 + each.attempts})
    other.outcome = lambda _: outcomes.pop(0)
    other.outbox.add(delivery())
    assert other.saved == [(1, DeliveryState.SENT), (1, DeliveryState.WAITING)]
    [waiting] = other.outbox.pending()
    assert (waiting.notes, waiting.said) == ({}, "task 7 failed: No space left on device")
    other.pass_time(1000)
    assert other.settled[0].said == "tagged"
    assert other.settled[0].notes == {"task_id": 8}


def test_followed_after_a_restart() -> None:
    """A delivery accepted before a restart is not sent again."""
    other = Other()
    other.outbox.add(delivery(state=DeliveryState.SENT, notes={"task_id": 7}))
    assert other.sent == []
    assert other.settled[0].state is DeliveryState.DELIVERED


def test_outage(logged_failures: list[LogEvent]) -> None:
    """An outage of hours costs a few attempts, one warning, and nothing is lost or repeated."""
    other = Other()
    other.answer = lambda _: Postponed("the hub is unreachable")
    for number in range(1, 101):
        other.outbox.add(delivery(number))
    other.pass_time(8 * HOUR)
    attempts = len(other.sent)
    assert attempts < 70 * SLOTS
    assert other.settled == []
    # The same reason is not stored again.
    assert len(other.saved) == len(set(other.sent))
    other.answer = lambda _: "arrived"
    other.pass_time(601)
    assert sorted(each.build_id for each in other.settled) == list(range(1, 101))
    assert len(other.sent) == attempts + 100


def test_clock_is_set() -> None:
    """No delivery is given up because the clock was set forward."""
    other = Other()
    other.answer = lambda _: Postponed("the hub is unreachable")
    other.clock.advance(365 * 24 * HOUR)
    other.outbox.add(delivery(1))
    other.pass_time(300)
    assert other.settled == []
    other.answer = lambda _: "arrived"
    other.pass_time(600)
    assert [each.said for each in other.settled] == ["arrived"]


def test_order() -> None:
    """A lane keeps its order over an outage; other lanes don't wait for it."""
    other = Other()
    first: Deferred[str] = Deferred()
    other.answer = lambda delivery: first if delivery.build_id == 1 else "arrived"
    other.outbox.add(delivery(1, "a"))
    other.outbox.add(delivery(2, "a"))
    other.outbox.add(delivery(3, "b"))
    assert other.sent == [1, 3]
    first.errback(Postponed("away"))
    other.answer = lambda _: "arrived"
    other.pass_time(6)
    assert other.sent == [1, 3, 1, 2]


def test_no_stampede() -> None:
    """Only a few deliveries are sent at a time."""
    other = Other()
    waiting: list[Deferred[str]] = []

    def answer(_: Delivery) -> Deferred[str]:
        waiting.append(Deferred())
        return waiting[-1]

    other.answer = answer
    for number in range(1, 51):
        other.outbox.add(delivery(number))
    while waiting:
        waiting.pop(0).callback("arrived")
    assert len(other.settled) == 50
    assert other.most == SLOTS


def test_refused(logged_failures: list[LogEvent]) -> None:
    """A refused delivery is dead at once, with the reason, and holds up nothing."""
    other = Other()
    other.answer = lambda delivery: Refused("tag is locked") if delivery.build_id == 1 else "there"
    other.outbox.add(delivery(1, "a"))
    other.outbox.add(delivery(2, "a"))
    assert [(each.state, each.said) for each in other.settled] == [
        (DeliveryState.DEAD, "tag is locked"),
        (DeliveryState.DELIVERED, "there"),
    ]
    assert len(other.sent) == 2


def test_given_up() -> None:
    """A delivery that fails for the whole retry time is dead, and keeps its notes."""
    other = Other()
    other.retry_for = HOUR
    other.answer = lambda _: Postponed("the broker is unreachable")
    other.outbox.add(delivery(notes={"submission": {}}))
    other.pass_time(2 * HOUR)
    [dead] = other.settled
    assert (dead.state, dead.said, dead.notes) == (
        DeliveryState.DEAD,
        "the broker is unreachable",
        {"submission": {}},
    )


def test_database_is_away(logged_failures: list[LogEvent]) -> None:
    """An outcome that can't be stored is stored later, without sending again."""
    other = Other()

    def locked(_: Delivery) -> None:
        raise OSError("database is locked")

    other.database = locked
    other.outbox.add(delivery())
    other.pass_time(60)
    assert other.settled == []
    other.database = lambda _: None
    other.pass_time(600)
    assert other.sent == [1]
    assert other.saved == [(1, DeliveryState.DELIVERED)]


def test_frozen_while_it_prepares(logged_failures: list[LogEvent]) -> None:
    """A delivery that another master took over after it was begun is neither sent nor stored."""
    other = Other()
    other.preparing = Deferred()
    other.outbox.add(delivery(1))
    other.lost = {1}
    other.preparing.callback(None)
    assert (other.sent, other.saved, other.settled) == ([], [], [])
    assert logged_failures == []


def test_stop() -> None:
    """A stop ends everything at once: attempts, pauses and what is followed."""
    other = Other()
    other.answer = lambda delivery: (
        Postponed("away") if delivery.build_id == 1 else Accepted({"task_id": 2})
    )
    other.outcome = lambda _: Deferred()
    other.outbox.add(delivery(2))
    other.outbox.add(delivery(1))
    other.outbox.add(delivery(3))
    other.outbox.stop()
    assert other.clock.getDelayedCalls() == []
    assert other.settled == []


def test_stop_with_words_of_its_own() -> None:
    """The error of an attempt that a stop cancelled is not an outcome."""
    other = Other()
    other.answer = lambda _: Deferred(lambda waiting: waiting.errback(OSError("cancelled")))
    other.outbox.add(delivery())
    other.outbox.stop()
    assert (other.settled, other.saved) == ([], [])


def test_mistake_of_ours(logged_failures: list[LogEvent]) -> None:
    """An error in the sender is logged with its traceback; other deliveries continue."""
    other = Other()
    other.answer = lambda delivery: KeyError("x") if delivery.build_id == 1 else "there"
    other.outbox.add(delivery(1, "a"))
    other.outbox.add(delivery(2, "a"))
    assert [each.state for each in other.settled] == [DeliveryState.DEAD, DeliveryState.DELIVERED]
    [event] = logged_failures
    assert event["log_failure"].check(KeyError)
    logged_failures.clear()


def test_claim_lost() -> None:
    """Once another master sends the deliveries, nothing is sent, stored or settled."""
    other = Other()
    other.lost = {1}
    other.outbox.add(delivery())
    other.outbox.add(delivery(2))
    assert other.sent == [2]
    assert [each.build_id for each in other.settled] == [2]


def test_stop_while_the_database_is_unreachable() -> None:
    """A stop ends a wait for the database too: nothing is stored or settled afterwards."""
    other = Other()
    saving: Deferred[None] = Deferred()
    other.save = lambda _: saving  # type: ignore[assignment, return-value]
    other.outbox.add(delivery())
    other.outbox.stop()
    other.outbox.add(delivery(2))
    other.pass_time(HOUR)
    assert other.sent == [1]
    assert other.settled == []
    assert other.clock.getDelayedCalls() == []
