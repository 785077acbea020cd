"""Keeps the timers of a master on time when its clock is set back."""

from __future__ import annotations

import threading
import time
from typing import Any, ClassVar

from buildbot.util import service
from twisted.logger import Logger


class Timers(service.SharedService):
    """Moves the timers of the reactor when the master's clock is set back.

    Twisted's timers, also that of Buildbot's heartbeat, go by the wall clock: after a step back by
    eleven hours all of them would be eleven hours late. A thread checks the clock, because no timer
    is on time then.
    """

    interval: ClassVar[float] = 5.0
    """Seconds between two checks of the clock; if it is set back by less, no timer is moved."""

    master: Any
    _log = Logger()

    def __init__(self) -> None:
        super().__init__()
        self._ended = threading.Event()
        self._ahead = 0.0

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
        late = ahead - self._ahead
        if late < self.interval:
            return
        # What is due before was set after the clock was. Some of the rest may be, and runs early.
        earliest = self.master.reactor.seconds() + late - 2 * self.interval
        for call in self.master.reactor.getDelayedCalls():
            if call.getTime() >= earliest:
                call.delay(-late)
        self._log.warn(
            "the master's clock was set back by {seconds:.0f} s: moved its timers by as much",
            seconds=late,
        )
