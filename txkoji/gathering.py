"""Wait for several things at the same time."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from typing import Any

from twisted.internet.defer import Deferred, DeferredList

__all__ = ["gather"]


async def gather(
    awaited: Iterable[Deferred[Any] | Coroutine[Deferred[Any], Any, Any]],
) -> list[Any]:
    """Wait until all are done.

    Args:
        awaited: Deferreds, or coroutines that await Deferreds; they are started at once.

    Returns:
        Their results, in order.

    Raises:
        Exception: what the first of them, in order, failed with. It waits for the others too.
    """
    started = [
        each if isinstance(each, Deferred) else Deferred.fromCoroutine(each) for each in awaited
    ]
    outcomes = await DeferredList(started, consumeErrors=True)
    for succeeded, value in outcomes:
        if not succeeded:
            raise value.value
    return [value for _, value in outcomes]
