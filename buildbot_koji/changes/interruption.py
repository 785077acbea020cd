"""Waiting that a stop ends early."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred

from txkoji.locks import Lock

T = TypeVar("T")


class Interrupted(Exception):
    """A stop ended the wait."""


class Interruption:
    """Lets :meth:`stop` end all waits, those that start later too."""

    def __init__(self) -> None:
        self._waits: set[Deferred[Any]] = set()
        self.is_stopped = False

    def check(self) -> None:
        """Raise Interrupted if it was stopped, maybe while something else was awaited."""
        if self.is_stopped:
            raise Interrupted

    async def wait(self, start: Callable[..., Deferred[Any]], *args: Any) -> Any:
        """Call a function and await its Deferred; :meth:`stop` cancels it.

        Raises:
            Interrupted: it was stopped.
        """
        self.check()
        waited = start(*args)
        self._waits.add(waited)
        try:
            return await waited
        except CancelledError:
            if self.is_stopped:
                raise Interrupted from None
            raise
        finally:
            self._waits.discard(waited)

    async def locked(self, lock: Lock, function: Callable[[], Awaitable[T]]) -> T:
        """Await a function while holding a lock.

        Raises:
            Interrupted: it was stopped before it got the lock.
        """
        await self.wait(lock.acquire)
        try:
            return await function()
        finally:
            lock.release()

    def stop(self) -> None:
        """End all waits."""
        self.is_stopped = True
        for wait in list(self._waits):
            wait.cancel()
