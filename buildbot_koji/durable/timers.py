"""Keeps the timers of a master on time when its clock is set back."""

from __future__ import annotations

import threading
import time
from typing import Any, ClassVar
from weakref import WeakSet

from buildbot.util import service
from twisted.logger import Logger


def has_passed(seconds: float, since: float, now: float) -> bool:
    """Return whether so many seconds have passed since a moment.

    A moment that lies ahead counts as long ago: the clock was set back since.

    Args:
        seconds: how many.
        since: the moment, in seconds since the epoch.
        now: the time, in seconds since the epoch.
    """
    return not 0 <= now - since < seconds


class Timers(service.SharedService):
    """Moves the timers of the reactor when the master's clock is set back.

    Twisted's timers, also that of Buildbot's heartbeat, go by the wall clock: after a step back by
    eleven hours all of them would be eleven hours late. A thread checks the clock, because no timer
    is on time then.
    """

    interval: ClassVar[float] = 5.0
    """Seconds between two checks of the clock."""

    tolerance: ClassVar[float] = 5.0
    """Seconds by which the clock may be set back without a timer being moved."""

    short: ClassVar[float] = 60.0
    """Of the timers set since the last check, some were set before the clock was, others after it.
    One that is due within so many seconds once it is moved is moved. A longer one may be a time
    limit that goes by the new time already, and stays as it is."""

    master: Any
    _log = Logger()

    def __init__(self) -> None:
        super().__init__()
        self._ended = threading.Event()
        self._ahead = 0.0
        self._before: WeakSet[Any] = WeakSet()

    def startService(self) -> Any:
        """Start to check the clock."""
        self._ahead = self._difference()
        threading.Thread(target=self._run, name="koji-timers", daemon=True).start()
        return super().startService()

    def stopService(self) -> Any:
        """Stop checking it."""
        self._ended.set()
        return super().stopService()

    def _run(self) -> None:
        while not self._ended.wait(self.interval):
            self.master.reactor.callFromThread(self.look)

    def _difference(self) -> float:
        return float(self.master.reactor.seconds()) - time.monotonic()

    def look(self) -> None:
        """Move the timers if the clock was set back since the last check."""
        ahead, self._ahead = self._ahead, self._difference()
        calls, late = self.master.reactor.getDelayedCalls(), ahead - self._ahead
        before, self._before = self._before, WeakSet(calls)
        if late < self.tolerance:
            return
        now = self.master.reactor.seconds()
        for call in calls:
            left = call.getTime() - now - late
            if call in before or -2 * self.interval < left < self.short:
                call.delay(-late)
        self._log.warn(
            "the master's clock was set back by {seconds:.0f} s: moved its timers by as much",
            seconds=late,
        )
