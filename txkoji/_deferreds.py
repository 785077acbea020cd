"""Deferreds of coroutines and of threads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from inspect import Signature, signature
from typing import Any, ParamSpec, TypeVar

from twisted.internet import defer
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

P = ParamSpec("P")
T = TypeVar("T")

PIECE = 500
"""Rows of a list that are read per reactor iteration: a row of ``listTagged`` takes 15 us."""


class Deferred(defer.Deferred[T]):
    """Twisted's, but not iterable: after a forgotten ``await``, a ``for`` would never end."""

    __iter__: None = None  # type: ignore[assignment]


class Future(asyncio.Future[T]):
    """Python's, but not iterable: a ``for`` would get the Future itself."""

    __iter__: None = None  # type: ignore[assignment]


def returns_deferred(
    function: Callable[P, Coroutine[defer.Deferred[Any], Any, T]],
) -> Callable[P, Deferred[T]]:
    """Turn an ``async def`` that awaits Deferreds into a function that returns one.

    The coroutine starts at once. The Deferred fires with what it returns, or fails with what it
    raises; cancelling it cancels what the coroutine waits for.
    """

    @wraps(function)
    def start(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        started: Any = defer.Deferred.fromCoroutine(function(*args, **kwargs))
        # Twisted makes its own class, whichever is asked.
        started.__class__ = Deferred
        return started  # type: ignore[no-any-return]

    # What pages and help() show: not the coroutine's result.
    shown = signature(function)
    if shown.return_annotation is not Signature.empty:
        result = f"Deferred[{shown.return_annotation}]"
        start.__signature__ = shown.replace(return_annotation=result)  # type: ignore[attr-defined]
        start.__annotations__ = {**function.__annotations__, "return": result}
    return start


async def in_pieces(clock: Any, convert: Callable[[Any], Any], value: Any) -> Any:
    """Convert a value; a long list in pieces, one per reactor iteration.

    Args:
        clock: an IReactorTime.
        convert: converts the value. For a list it gets each piece, and returns a list.
        value: the value.
    """
    if not isinstance(value, list) or len(value) <= PIECE:
        return convert(value)
    converted: list[Any] = []
    for begin in range(0, len(value), PIECE):
        if begin:
            await deferLater(clock, 0)
        converted += convert(value[begin : begin + PIECE])
    return converted


def in_thread(
    reactor: Any, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs
) -> defer.Deferred[T]:
    """Run a function that blocks in a thread of the reactor's; returns a Deferred of its result."""
    return deferToThreadPool(reactor, reactor.getThreadPool(), function, *args, **kwargs)
