"""Twisted's lock and semaphore, for any number of waiters."""

from __future__ import annotations

from twisted.internet import defer

__all__ = ["Lock", "Semaphore"]


class _Flat:
    """Releases to one waiter after the other.

    Twisted's run the next waiter within ``release``. If that one releases at once, some hundred
    waiters nest until Python's stack is full: the lock is never free again.
    """

    _releases = 0

    def release(self) -> None:
        """Free it for the next waiter."""
        self._releases += 1
        if self._releases > 1:
            # The outer call, which is still running, releases to the next waiter.
            return
        try:
            while self._releases:
                super().release()  # type: ignore[misc]
                self._releases -= 1
        finally:
            self._releases = 0


class Lock(_Flat, defer.DeferredLock):
    """A ``DeferredLock`` that hundreds may wait for."""


class Semaphore(_Flat, defer.DeferredSemaphore):
    """A ``DeferredSemaphore`` that hundreds may wait for."""
