"""A decorator that turns an ``async def`` into a function that returns a Deferred."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from twisted.internet.defer import Deferred

P = ParamSpec("P")
T = TypeVar("T")


def returns_deferred(
    function: Callable[P, Coroutine[Deferred[Any], Any, T]],
) -> Callable[P, Deferred[T]]:
    """Make a coroutine function start at once when it is called, and return a Deferred.

    Args:
        function: an ``async def`` that awaits Deferreds.

    Returns:
        A function with the same arguments. Its Deferred fires with what the coroutine returns, or
        fails with what it raises; cancelling it cancels what the coroutine waits for.
    """

    @wraps(function)
    def start(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        return Deferred.fromCoroutine(function(*args, **kwargs))

    return start
