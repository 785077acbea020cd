"""How a step ends before its work is done: the reasons, the time limits, the cancellation."""

from __future__ import annotations

import enum
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from buildbot.process import results
from twisted.internet.defer import CancelledError, Deferred

from txkoji import RetryPolicy
from txkoji.elapsed import ElapsedTime

LATE = 10.0
"""Seconds by which a timer is late only if the master did not run."""


class Ending(enum.Enum):
    """Why a step ends before its work is done, and Buildbot's result then."""

    STOPPED = ("a user, or another builder's configuration, stopped the build", results.CANCELLED)
    DETACHED = ("the master stops or the worker is lost: the next attempt resumes", results.RETRY)
    SUPERSEDED = ("another master runs the request: this one was declared dead", results.RETRY)
    TIMED_OUT = ("`timeout` is over", results.FAILURE)
    QUEUED_TOO_LONG = ("`max_queue_time` is over", results.EXCEPTION)
    UNREACHABLE = ("`hub_patience` is over", results.EXCEPTION)

    def __init__(self, why: str, result: int) -> None:
        self.why = why
        self.result = result

    @property
    def spares_critical(self) -> bool:
        """Whether a critical section may finish first: no next attempt finds what it began."""
        return self.result != results.RETRY

    @property
    def is_limit(self) -> bool:
        """Whether a time limit is over, so that an unreachable hub may be the cause."""
        return self in (Ending.TIMED_OUT, Ending.QUEUED_TOO_LONG)


@dataclass(frozen=True)
class StepTiming:
    """The pauses and limits of a step, in seconds unless it says otherwise.

    Attributes:
        cancel_limit: how long a stopped build waits for the hub.
        grace: how long a later attempt, or a master that was frozen, has to find out the outcome of
            work that is past its limit.
        wake_interval: the time between two cancellations of work that does not end.
        retry: the pauses while the hub is unreachable.
        database_retry: the pauses while the master's database is unreachable.
        show_interval: how often the summary is checked for a hub that has become unreachable.
        refresh: how often an estimate is updated.
        last_refresh: the same near the estimated end, which is shown in seconds.
        log_part: the characters of a report that are written at a time.
    """

    cancel_limit: float = 30.0
    grace: float = 60.0
    wake_interval: float = 2.0
    show_interval: float = 5.0
    refresh: float = 60.0
    last_refresh: float = 10.0
    log_part: int = 50_000
    retry: RetryPolicy = RetryPolicy(first=15.0, factor=1.0, ceiling=15.0)
    database_retry: RetryPolicy = RetryPolicy(first=1.0, ceiling=15.0)


class EarlyEnd:
    """Ends the work of a step early: on a stop, a detachment or an expired limit.

    Attributes:
        reason: why the work ends, None while nothing ends it; the first reason counts.
    """

    def __init__(self, timing: StepTiming) -> None:
        self.reason: Ending | None = None
        self._timing = timing
        self._elapsed: Any = None
        self._work: Deferred[int] | None = None
        self._critical_sections = 0
        self._waking: Any = None
        self._is_over = False
        self._limits: dict[Ending, Any] = {}
        self._since: dict[Ending, float | None] = {}

    def run(self, work: Coroutine[Deferred[Any], Any, int], clock: Any) -> Deferred[int]:
        """Start the work.

        Returns:
            A Deferred of the result.
        """
        self._elapsed = ElapsedTime(clock)
        self._work = Deferred.fromCoroutine(self._run(work))
        if self.reason is not None:
            self._wake()
        return self._work

    async def _run(self, work: Coroutine[Deferred[Any], Any, int]) -> int:
        try:
            return await work
        finally:
            self._is_over = True
            self.stop_waking()
            for ending in list(self._limits):
                self.lift_limit(ending)

    @property
    def is_critical(self) -> bool:
        """Whether a critical section may delay the end of the work."""
        return self._critical_sections > 0

    def end(self, ending: Ending) -> None:
        """End the work early; may come before :meth:`run`."""
        if self.reason is not None:
            return
        self.reason = ending
        if self._work is None:
            return
        if self._critical_sections and ending.spares_critical:
            self._waking = self._elapsed.callLater(self._timing.cancel_limit, self._wake)
        else:
            self._wake()

    def _wake(self) -> None:
        """Cancel the work until it ends: code that it awaits may swallow a cancellation."""
        assert self._work is not None
        if self._is_over:
            return
        self._waking = self._elapsed.callLater(self._timing.wake_interval, self._wake)
        self._work.cancel()

    def stop_waking(self) -> None:
        """Stop cancelling: the work has ended, or is cleaning up."""
        if self._waking is not None:
            self._waking.cancel()

    @contextmanager
    def critical(self) -> Iterator[None]:
        """Let the body finish, within ``cancel_limit``, before an early end takes effect.

        For calls whose interruption would leave something on the hub that no attempt knows.
        """
        self._critical_sections += 1
        try:
            yield
        finally:
            self._critical_sections -= 1
        self.check()

    def check(self) -> None:
        """Raise CancelledError if something has ended the step meanwhile."""
        if self.reason is not None:
            raise CancelledError

    def limit(self, ending: Ending, seconds: float | None, since: float | None = None) -> None:
        """End early after a time; replaces a limit for the same ending that began at another time.

        Args:
            ending: the reason.
            seconds: how long it may take, None for any time.
            since: when it began, in seconds since the epoch; by default now.
        """
        if since is not None and self._since.get(ending) == since and ending in self._limits:
            # The clock may have been set since: the limit runs on.
            return
        self.lift_limit(ending)
        if seconds is None:
            return
        self._since[ending] = since
        taken = 0.0 if since is None else self._elapsed.age(since)
        # The work may have finished while the master was down: check before ending it.
        left = max(seconds - taken, min(seconds, self._timing.grace))
        due = self._elapsed.seconds() + left
        self._limits[ending] = self._elapsed.callLater(left, self._limit_is_over, ending, due)

    def _limit_is_over(self, ending: Ending, due: float) -> None:
        if self._elapsed.seconds() - due < LATE:
            self.end(ending)
        else:
            # The master was frozen: the work may have finished meanwhile.
            self._limits[ending] = self._elapsed.callLater(self._timing.grace, self.end, ending)

    def lift_limit(self, ending: Ending) -> None:
        """Remove a limit."""
        timer = self._limits.pop(ending, None)
        if timer is not None:
            timer.cancel()
