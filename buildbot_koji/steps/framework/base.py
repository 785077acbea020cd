"""The parent of all steps: arguments, time limits, stops, and errors in one line."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from buildbot.config.errors import error as config_error
from buildbot.process import results
from buildbot.process.buildstep import BuildStep
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import CancelledError, Deferred
from twisted.python.failure import Failure

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import DeclaredArguments, argument
from buildbot_koji.explanations import explain
from buildbot_koji.hubs.hub import Hub, get_hub
from txkoji.exceptions import KojiException

__all__ = ["Ending", "KojiStep"]

CANCEL_LIMIT = 30.0
"""Seconds that a stopped build waits for the hub."""

GRACE = 60.0
"""Seconds that a later attempt has to see what became of work whose time is over."""

WAKE_INTERVAL = 2.0
"""Seconds until work that did not notice that it must end is told so once more."""

SUMMARY_LENGTH = 400
"""Characters; a fault's text may be a book."""


class Ending(enum.Enum):
    """Why a step ends before its work is done."""

    STOPPED = "a user, or another builder's configuration, stopped the build"
    DETACHED = "the master stops or the worker is lost: the next attempt goes on"
    TIMED_OUT = "`timeout` is over"
    QUEUED_TOO_LONG = "`max_queue_time` is over"


RESULTS = {
    Ending.STOPPED: results.CANCELLED,
    Ending.DETACHED: results.RETRY,
    Ending.TIMED_OUT: results.FAILURE,
    Ending.QUEUED_TOO_LONG: results.EXCEPTION,
}


class KojiStep(DeclaredArguments, BuildStep):
    """Works with a Koji hub. The parent of all steps.

    A subclass declares its arguments, and says in :meth:`work` what it does.
    """

    profile = argument(
        checks.hub,
        "the profile of the hub in Koji's configuration files, or a ``util.KojiHub``",
        required=True,
        positional=True,
    )
    timeout = argument(
        checks.seconds, "seconds that all attempts of a build request may take together"
    )

    # What could not be done makes the rest of the build pointless.
    haltOnFailure = True

    master: Any
    build: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for complaint in self.complaints():
            config_error(f"{type(self).__name__}: {complaint}")
        self.ending: Ending | None = None
        self._work: Deferred[int] | None = None
        self._shields = 0
        self._waking: Any = None
        self._is_over = False
        self._limits: dict[Ending, Any] = {}
        self._text = ""

    def complaints(self) -> list[str]:
        """Return one line for each mistake in the arguments that are known by now."""
        return checks.complaints(
            {name: getattr(self, name) for name in self.arguments},
            {name: each.check for name, each in self.arguments.items()},
            [name for name, each in self.arguments.items() if each.required],
        )

    async def work(self, hub: Hub) -> int:
        """Do what the step is for. A subclass says what.

        It is cancelled where the step must end early; see :meth:`shielded` and :meth:`end_early`.

        Args:
            hub: the hub; a subclass that writes calls its ``log_in`` first.

        Returns:
            Buildbot's result.

        Raises:
            KojiException: ends the step as EXCEPTION, with the error in one line for a summary.
        """
        raise NotImplementedError

    async def end_early(self, hub: Hub | None, ending: Ending) -> None:
        """Clean up, within a limited time, and say what is left. A subclass may say more.

        Args:
            hub: the hub, None where the step had none yet.
            ending: why the step ends.
        """
        begun = "" if hub is None else ": what the hub has begun it ends"
        words = {
            Ending.STOPPED: f"stopped{begun}",
            Ending.DETACHED: "interrupted: the next attempt does it again",
            Ending.TIMED_OUT: f"timed out after {self.timeout} s",
        }
        self.say(words.get(ending, ending.value))

    # Buildbot's interface

    def run(self) -> Deferred[int]:
        """Do the work.

        Returns:
            A Deferred of the result: that of :meth:`work`; EXCEPTION where the hub or the
            configuration is at fault; for an early end CANCELLED, FAILURE (``timeout``), or RETRY
            where this attempt gives up its place to the next.
        """
        self._work = Deferred.fromCoroutine(self._run())
        if self.ending is not None:
            self._wake()
        return self._work

    @async_to_deferred
    async def startStep(self, remote: Any) -> int:
        """Run the step; the result is RETRY also where it is interrupted just before :meth:`run`.

        Buildbot would call it CANCELLED then, and the master's stop would have lost the build.
        """
        result: int = await super().startStep(remote)
        return results.RETRY if self.ending is Ending.DETACHED else result

    def interrupt(self, reason: str | Failure) -> Deferred[None]:
        """End the step early: for a user, or because the master stops or the worker is lost."""
        return Deferred.fromCoroutine(self._interrupt(reason))

    async def _interrupt(self, reason: str | Failure) -> None:
        try:
            await super().interrupt(reason)
        finally:
            # Only this wakes run(): without it the build, and a stopping master, would hang.
            self.end(Ending.DETACHED if self._is_detaching(reason) else Ending.STOPPED)

    def _is_detaching(self, reason: str | Failure) -> bool:
        if isinstance(reason, Failure):
            return True
        if any(getattr(request, "waitedFor", False) for request in self.build.requests):
            # Buildbot ends a build that another one triggered and waits for: nobody comes after it.
            return False
        # While `buildbot stop --clean` waits for builds, a user can still stop one of them.
        stopping = getattr(self.master.botmaster, "shuttingDown", False)
        return bool(stopping) and "Master Shutdown" in reason

    def getCurrentSummary(self) -> dict[str, str]:
        """Return what the step is doing."""
        return {"step": self._text or "starting"}

    def getResultSummary(self) -> dict[str, str]:
        """Return what came of it, in one line."""
        text = self._text or results.statusToString(self.results)
        # Buildbot itself puts "failed" or "build successful" before the build's summary.
        return {"step": text, "build": text.removeprefix("failed: ")}

    # For subclasses

    def say(self, text: str) -> None:
        """Let the summary say what the step is doing, or did."""
        text = text if len(text) <= SUMMARY_LENGTH else f"{text[: SUMMARY_LENGTH - 3]}..."
        if text != self._text:
            self._text = text
            self.updateSummary()

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return float(self.master.reactor.seconds())

    def end(self, ending: Ending) -> None:
        """End early; the first reason counts."""
        if self.ending is not None:
            return
        self.ending = ending
        if self._work is None:
            return
        # The next attempt finds what a detached one began; nobody comes after any other.
        if self._shields and ending is not Ending.DETACHED:
            self._waking = self.master.reactor.callLater(CANCEL_LIMIT, self._wake)
        else:
            self._wake()

    def _wake(self) -> None:
        """Cancel the work until it notices: what it waits for may take it for something else."""
        assert self._work is not None
        if self._is_over:
            return
        self._waking = self.master.reactor.callLater(WAKE_INTERVAL, self._wake)
        self._work.cancel()

    def _stop_waking(self) -> None:
        if self._waking is not None and self._waking.active():
            self._waking.cancel()

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Let what is inside end by itself when the step is stopped, within a limited time.

        Without it a stop would leave something on the hub that nobody knows. An attempt that gives
        way to the next, which finds it, is not shielded.
        """
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        self.check_ending()

    def check_ending(self) -> None:
        """Go on only where nothing has ended the step meanwhile."""
        if self.ending is not None:
            raise CancelledError

    def limit(self, ending: Ending, seconds: float | None, since: float | None = None) -> None:
        """End early after some seconds, None for never; takes the place of an earlier limit.

        Args:
            ending: what is over then.
            seconds: how long it may take.
            since: when it began, in seconds since the epoch; by default now.
        """
        self.lift_limit(ending)
        if seconds is None:
            return
        taken = 0.0 if since is None else self.now() - since
        # After a restart of the master its work may be done already: look before it is ended.
        left = max(seconds - taken, min(seconds, GRACE))
        self._limits[ending] = self.master.reactor.callLater(left, self.end, ending)

    def lift_limit(self, ending: Ending) -> None:
        """Forget a limit."""
        timer = self._limits.pop(ending, None)
        if timer is not None and timer.active():
            timer.cancel()

    # The run

    async def _run(self) -> int:
        hub: Hub | None = None
        try:
            complaints = self.complaints()
            if complaints:
                self.say("; ".join(complaints))
                return results.EXCEPTION
            self.limit(Ending.TIMED_OUT, self.timeout)
            hub = await get_hub(self.master, self.profile)
            return await self.work(hub)
        except KojiException as error:
            self.say(explain(error))
            return results.EXCEPTION
        except CancelledError:
            if self.ending is None:
                raise
            self._stop_waking()
            await self.end_early(hub, self.ending)
            return RESULTS[self.ending]
        finally:
            self._is_over = True
            self._stop_waking()
            for ending in list(self._limits):
                self.lift_limit(ending)
