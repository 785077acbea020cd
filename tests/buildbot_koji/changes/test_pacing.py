"""When a change source polls, stores, holds back and reports the hub's silence."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from buildbot_koji.changes.health import Health
from buildbot_koji.changes.interruption import Interruption
from buildbot_koji.changes.pacing import HourlyLimit, PendingEvents, PollSchedule
from txkoji import RepoDone, RetryPolicy
from txkoji.elapsed import Alarm, ElapsedTime


def repo(number: int) -> RepoDone:
    connection: Any = None
    return RepoDone(connection=connection, repo_id=number, tag_name="f44", tag_id=1)


def test_polls() -> None:
    """A poll is due after the interval, when it is wanted, and sooner after a failure."""
    schedule = PollSchedule(300, RetryPolicy(first=5, ceiling=300, jitter=0))
    assert schedule.take(1000)
    schedule.failed(1000)
    assert schedule.next_at == 1005
    schedule.succeeded(1000)
    assert not schedule.take(1299)
    schedule.wanted = True
    assert schedule.take(1001)
    assert not schedule.take(1001)
    pauses = []
    for _ in range(8):
        schedule.failed(1300)
        pauses.append(schedule.next_at - 1300)
    assert pauses == [5, 10, 20, 40, 80, 160, 300, 300]
    schedule.succeeded(2000)
    schedule.failed(2300)
    assert schedule.next_at == 2305
    # Something else wakes the source while it waits longer than the interval.
    impatient = PollSchedule(5, RetryPolicy(first=60, jitter=0))
    impatient.failed(1000)
    assert not impatient.take(1001)


def test_pending_events() -> None:
    """Events are ready after the quiet time, or when the first has waited long enough."""
    pending = PendingEvents(60, longest=10)
    assert pending.ready_at is pending.since is None
    for now in range(0, 1000, 50):
        pending.add([repo(now)], now)
        assert (pending.ready_at, pending.since) == (min(now + 60, 600), 0)
    assert [event.key for event in pending.first(2)] == ["repo:0:READY", "repo:50:READY"]
    assert "repo:50:READY" in pending
    for event in pending.first(100):
        pending.discard(str(event.key))
    assert not pending
    pending.add([], 5000)
    pending.add([repo(1)], 6000)
    assert pending.ready_at == 6060
    assert not pending.are_ready(6059)
    assert pending.are_ready(6060)


def test_hourly_limit() -> None:
    """No more changes come in an hour than allowed; a clock that is set back prolongs no hour."""
    limit = HourlyLimit(2)
    limit.add(2, 10_000)
    # An hour begins with a change.
    limit.add(0, 14_000)
    assert not limit.allows(13_599)
    assert limit.renewed_at == 13_600
    assert limit.allows(13_600)
    limit.count = 2
    assert not limit.allows(5000)
    assert limit.renewed_at == 8600
    assert HourlyLimit(None, count=10**6).allows(0)


def test_health() -> None:
    """Silence is reported once, and its end only after an answer."""
    health = Health(600, 1000)
    assert not health.changed(1599)
    assert health.changed(1600)
    assert not health.changed(2000)
    health.not_asked(2000)
    assert not health.changed(2000)
    health.succeeded(2100)
    assert health.changed(2100)
    assert not health.stale


@pytest.mark.parametrize("stale_after", [60.0, 400.0, 3600.0])
def test_when_a_silence_is_reported(stale_after: float) -> None:
    """It is reported when it is due, whenever the failure began: not a minute later."""
    late = []
    for began in (0.0, 0.25 * stale_after, 0.75 * stale_after, stale_after - 1):
        health, now = Health(stale_after, 0.0), 0.0
        while not health.stale:
            wait = health.due_in(now)
            assert wait is not None
            now += max(wait, 0.1)
            health.record_request(now, is_failing=now >= began)
            if now < began:
                assert not health.changed(now)
            health.changed(now)
        late.append(now - max(stale_after, began + min(stale_after / 2, 60)))
    assert 0 <= min(late) <= max(late) <= 11


def test_alarm() -> None:
    """A sleep ends after its time, when it is woken, and when everything stops."""
    clock, interruption = Clock(), Interruption()
    alarm = Alarm(ElapsedTime(clock))
    ended: list[str] = []

    def sleep() -> None:
        sleeping = Deferred.fromCoroutine(interruption.wait(alarm.sleep, 10))
        sleeping.addCallbacks(
            lambda _: ended.append("awake"), lambda failure: ended.append(failure.type.__name__)
        )

    alarm.ring()
    sleep()
    clock.advance(9)
    assert alarm.is_asleep
    clock.advance(1)
    sleep()
    alarm.ring()
    sleep()
    interruption.stop()
    sleep()
    assert ended == ["awake", "awake", "Interrupted", "Interrupted"]
    assert clock.getDelayedCalls() == []
