"""How tests wait for what happens in their own process."""

from __future__ import annotations

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred

from tests.support import until


@pytest_twisted.ensureDeferred
async def test_until_sees_every_change() -> None:
    """A condition that holds only between two reactor iterations is seen."""
    seen: list[int] = []

    def change(number: int) -> None:
        seen[:] = [number]
        if number < 5:
            reactor.callLater(0, change, number + 1)

    reactor.callLater(0, change, 1)
    assert await until(lambda: seen == [3])
    assert seen == [3]
    await until(lambda: seen == [5])


@pytest_twisted.ensureDeferred
async def test_until_in_parallel() -> None:
    """Several conditions wait at once; a failing one fails only who waits for it."""
    happened: list[str] = []
    first = Deferred.fromCoroutine(until(lambda: len(happened) == 1))
    second = Deferred.fromCoroutine(until(lambda: len(happened) == 2))
    failing = Deferred.fromCoroutine(until(lambda: 1 / len(happened[1:]) if happened else 0))
    given_up = Deferred.fromCoroutine(until(lambda: False))
    reactor.callLater(0, happened.append, "one")
    assert await first
    with pytest.raises(ZeroDivisionError):
        await failing
    given_up.cancel()
    with pytest.raises(CancelledError):
        await given_up
    reactor.callLater(0, happened.append, "two")
    assert await second
    assert "runUntilCurrent" not in vars(reactor)
