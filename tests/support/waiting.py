"""How tests wait: for their own process without a pause, for other programs by polling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

POLL_INTERVAL = 0.1

_waiting: list[tuple[Callable[[], Any], Deferred[Any]]] = []


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until a condition on something in this process holds.

    Only what the reactor runs can change it, so it is checked after each reactor iteration.

    Args:
        condition: returns a true value when it holds. What it looks at must be in this process:
            where nothing happens here, nothing is checked.

    Returns:
        The value.
    """
    value = condition()
    assert not hasattr(value, "__await__"), "what takes time is for poll()"
    if value:
        return value
    waiting: Deferred[Any] = Deferred()
    entry = (condition, waiting)
    _waiting.append(entry)
    # mainLoop looks the method up in each iteration.
    reactor.runUntilCurrent = _iterate
    try:
        return await waiting
    finally:
        _waiting.remove(entry)
        if not _waiting:
            del reactor.runUntilCurrent


def _iterate() -> None:
    """Run what the reactor's timed calls and the last I/O left to run, then check conditions."""
    type(reactor).runUntilCurrent(reactor)
    for condition, waiting in _waiting:
        if waiting.called:
            continue
        try:
            value = condition()
        except Exception:  # noqa: BLE001 - the test that waits gets it
            waiting.errback()
        else:
            if value:
                waiting.callback(value)


async def poll(condition: Callable[[], Any]) -> Any:
    """Wait until a condition on another program holds; returns its value.

    Args:
        condition: returns a true value when it holds, or something to await that gives one.
    """
    while True:
        value = condition()
        if hasattr(value, "__await__"):
            value = await value
        if value:
            return value
        await deferLater(reactor, POLL_INTERVAL)
