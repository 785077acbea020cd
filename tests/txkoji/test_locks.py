"""Locks and semaphores that any number of coroutines wait for."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from twisted.internet.defer import CancelledError, Deferred

from txkoji.locks import Lock, Semaphore


@pytest.mark.parametrize("make", [Lock, lambda: Semaphore(2)], ids=["lock", "semaphore"])
def test_waiters_that_release_at_once(make: Callable[[], Lock | Semaphore]) -> None:
    """Each of a thousand waiters gets its turn, in order, and then the lock is free."""
    lock = make()
    turns: list[int] = []
    holders = [lock.acquire(), *([lock.acquire()] if isinstance(lock, Semaphore) else [])]
    outside: list[Deferred[None]] = []

    async def use(number: int) -> None:
        async with lock:
            if number == 500:
                await outside[0]
            turns.append(number)

    outside.append(Deferred())
    using = [Deferred.fromCoroutine(use(number)) for number in range(1000)]
    using[3].cancel()
    assert using[3].called
    using[3].addErrback(lambda failure: failure.trap(CancelledError) and None)
    for holder in holders:
        assert holder.called
        lock.release()
    if isinstance(lock, Lock):
        assert len(turns) == 499
    outside[0].callback(None)
    order = [number for number in range(1000) if number != 3]
    if isinstance(lock, Semaphore):
        # The others pass the one that waits for something else.
        order.remove(500)
        order.append(500)
    assert turns == order
    assert all(each.called for each in using)
    again = lock.acquire()
    assert again.called
