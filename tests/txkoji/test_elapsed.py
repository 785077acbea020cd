"""Elapsed time, whatever the clock is set to."""

from __future__ import annotations

import time
from functools import partial

import pytest
import pytest_twisted
from twisted.internet import reactor, task
from twisted.internet.defer import Deferred

from txkoji.elapsed import ElapsedTime

HOURS = 11 * 3600.0


def set_clock(monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    monkeypatch.setattr(reactor, "seconds", lambda: time.time() + ahead)


@pytest.mark.parametrize("ahead", [HOURS, -HOURS])
def test_measuring(monkeypatch: pytest.MonkeyPatch, ahead: float) -> None:
    """An interval is as long as it was; the moments of both ends follow the clock."""
    elapsed = ElapsedTime(reactor)
    begun = elapsed.seconds()
    assert elapsed.moment(begun) == pytest.approx(time.time(), abs=1)
    set_clock(monkeypatch, ahead)
    assert 0 <= elapsed.seconds() - begun < 10
    assert elapsed.moment(begun) == pytest.approx(time.time() + ahead, abs=10)


@pytest_twisted.ensureDeferred
async def test_clock_is_set_forward(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was to come in an hour does not come at once."""
    elapsed, came, reached = ElapsedTime(reactor), [], Deferred[None]()
    put_off = elapsed.until(lambda: 7200, partial(came.append, "put off"))
    late = elapsed.callLater(3600, came.append, "late")
    soon = elapsed.callLater(0.2, reached.callback, None)
    set_clock(monkeypatch, HOURS)
    begun = time.monotonic()
    await reached
    assert time.monotonic() - begun > 0.1
    # Both wait for the rest of their time.
    assert came == []
    assert (put_off.active(), late.active(), soon.active()) == (True, True, False)
    put_off.cancel()
    late.cancel()


def test_clock_of_a_test() -> None:
    """A clock that only the test sets is followed as it is."""
    clock = task.Clock()
    elapsed, calls = ElapsedTime(clock), []
    timer = elapsed.callLater(10, calls.append, "called")
    clock.advance(9)
    assert (calls, timer.active()) == ([], True)
    clock.advance(1)
    assert (calls, elapsed.seconds(), elapsed.moment(4)) == (["called"], 10, 4)


def test_stored_moment() -> None:
    """A stored moment that lies ahead is of before the clock was set back: it counts as now."""
    clock = task.Clock()
    clock.advance(10)
    elapsed = ElapsedTime(clock)
    assert (elapsed.age(4), elapsed.age(15)) == (6, 0)
