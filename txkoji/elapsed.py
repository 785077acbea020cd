"""Elapsed time: what intervals, pauses and deadlines of one process go by.

Two kinds of time are told apart. A *moment* is what ``clock.seconds()`` returns: seconds since the
epoch, to be stored, shown, or compared with a hub's times. The clock may be set, by NTP or by hand,
so the difference of two moments says little. :class:`ElapsedTime` measures and waits within a
process; its numbers mean nothing outside of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar, cast

from twisted.internet.base import ReactorBase
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import LoopingCall, deferLater

from txkoji._interfaces import Clock, Timer

__all__ = ["Alarm", "ElapsedTime", "ElapsedTimer"]

T = TypeVar("T")


class ElapsedTime:
    """Measures and waits, however the clock is set meanwhile: an IReactorTime.

    Args:
        clock: the reactor. Anything else, like a ``task.Clock`` in a test, is read as it is.

    Attributes:
        seconds: returns the seconds since some fixed time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.seconds: Callable[[], float] = clock.seconds
        if isinstance(clock, ReactorBase):
            self.seconds = time.monotonic

    def moment(self, at: float) -> float:
        """Return the moment, as the clock is set now, of an earlier number of :attr:`seconds`."""
        return at + (self._clock.seconds() - self.seconds())

    def age(self, moment: float) -> float:
        """Return the seconds since a stored moment; 0 if the clock was set back behind it since."""
        return max(self._clock.seconds() - moment, 0.0)

    def callLater(  # noqa: N802 - Twisted's name
        self, delay: float, function: Callable[..., object], /, *args: Any, **kwargs: Any
    ) -> ElapsedTimer:
        """Call a function in some seconds, not earlier if the clock is set forward.

        If it is set back, the call is late by as much, like all of Twisted's: buildbot_koji moves
        the timers of its master then.
        """
        due = self.seconds() + delay
        call = partial(function, *args, **kwargs)
        return ElapsedTimer(self._clock, delay, lambda: due - self.seconds(), call)

    def until(self, left: Callable[[], float], function: Callable[[], object]) -> ElapsedTimer:
        """Call a function once ``left()``, the seconds until a deadline that may move, is 0."""
        return ElapsedTimer(self._clock, left(), left, function)

    def pause(self, seconds: float) -> Deferred[None]:
        """Return a Deferred that fires in some seconds."""
        return deferLater(cast("Any", self), seconds)

    def limit(self, deferred: Deferred[T], seconds: float, expired: Any = None) -> Deferred[T]:
        """Cancel a Deferred after some seconds; see Twisted's ``Deferred.addTimeout``."""
        return deferred.addTimeout(seconds, cast("Any", self), expired)

    def looping(self, function: Callable[..., object], /, *args: Any) -> LoopingCall:
        """Return a LoopingCall that goes by elapsed time, for its ``start(interval)``."""
        call = LoopingCall(function, *args)
        call.clock = cast("Any", self)
        return call


class ElapsedTimer:
    """A call to come; waits for the rest if the reactor comes early."""

    def __init__(
        self, clock: Clock, delay: float, left: Callable[[], float], function: Callable[[], object]
    ) -> None:
        self._clock, self._left, self._function = clock, left, function
        self._timer: Timer = clock.callLater(delay, self._run)

    def _run(self) -> None:
        left = self._left()
        if left > 0:
            # An asyncio connection that has ended refuses new calls: what waits is woken.
            with suppress(CancelledError):
                self._timer = self._clock.callLater(left, self._run)
                return
        self._function()

    def active(self) -> bool:
        """Return whether the call is still to come."""
        return self._timer.active()

    def cancel(self) -> None:
        """Drop the call, unless it has come."""
        if self._timer.active():
            self._timer.cancel()


class Alarm:
    """Sleeps until a time has passed or someone calls :meth:`ring`."""

    def __init__(self, elapsed: ElapsedTime) -> None:
        self._elapsed = elapsed
        self._ringing: Deferred[None] | None = None

    @property
    def is_asleep(self) -> bool:
        """Whether someone sleeps now."""
        return self._ringing is not None

    def sleep(self, seconds: float) -> Deferred[None]:
        """Return a Deferred that fires in some seconds, or when someone rings; it may be canceled.

        Sleep once at a time.
        """
        self._ringing = ringing = Deferred[None]()
        timer = self._elapsed.callLater(max(seconds, 0.0), self.ring)

        def awake(result: Any) -> Any:
            self._ringing = None
            timer.cancel()
            return result

        return ringing.addBoth(awake)

    def ring(self) -> None:
        """End the sleep, if someone sleeps."""
        if self._ringing is not None:
            self._ringing.callback(None)
