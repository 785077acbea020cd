"""Counts the requests to one hub, for pages and metrics. Pure: time comes in as numbers."""

from __future__ import annotations

import bisect
import math
from email.utils import parsedate_to_datetime

LATENCY_BOUNDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The upper bounds of the buckets of :attr:`RequestStatistics.latencies`, in seconds."""

RATE_WINDOW = 60.0
"""Seconds over which the rate of requests is averaged."""

CLOCK_NOISE = 5.0
"""Seconds by which the time in an answer may differ from ours, or from that of an earlier one."""


class RequestStatistics:
    """Counts of the requests to one hub so far.

    Attributes:
        requests: attempts that were sent.
        answered: attempts that the hub answered, with a result or a fault.
        retries: attempts that repeated one that failed.
        logins: logins and renewals of the session.
        last_answer: when the hub last answered, in seconds since the epoch; None before the first
            answer.
        latency: the seconds that the last answer took, None before the first.
        latency_sum: the seconds that all answers took.
        latencies: how many answers took at most :data:`LATENCY_BOUNDS`, each counted in the first
            bucket that takes it; the last bucket takes the rest.
        logged_in_at: when the session began, None while there is none.
        changed_at: when the hub began or ceased to answer, None before the first attempt.
        clock_ahead: the seconds that the hub's clock is ahead of ours, negative if it is behind; 0
            if they differ by less than five seconds.
    """

    def __init__(self) -> None:
        self.requests = self.answered = self.retries = self.logins = 0
        self.last_answer: float | None = None
        self.latency: float | None = None
        self.latency_sum = self.clock_ahead = 0.0
        self.latencies = [0] * (len(LATENCY_BOUNDS) + 1)
        self.logged_in_at: float | None = None
        self.changed_at: float | None = None
        self._rate = 0.0
        self._rated_at = 0.0

    def sent(self, now: float) -> None:
        """Count an attempt."""
        self.requests += 1
        self._rate = self.rate(now) + 1 / RATE_WINDOW
        self._rated_at = now

    def took(self, seconds: float, now: float) -> None:
        """Count an answer: the seconds that it took, and when it came (seconds since the epoch)."""
        self.answered += 1
        self.last_answer = now
        self.latency = max(seconds, 0.0)
        self.latency_sum += self.latency
        self.latencies[bisect.bisect_left(LATENCY_BOUNDS, self.latency)] += 1

    def dated(self, date: str | None, sent: float, now: float) -> None:
        """Compare the hub's clock with ours.

        Args:
            date: the header ``Date`` of its answer: when it got the request, or answered.
            sent: when the request was sent, in seconds since the epoch.
            now: when the headers came.
        """
        try:
            stated = parsedate_to_datetime(date or "").timestamp()
        except (ValueError, TypeError, OverflowError):
            return
        ahead = max(stated - now, 0.0) or min(stated - sent, 0.0)
        if abs(ahead - self.clock_ahead) >= CLOCK_NOISE:
            self.clock_ahead = ahead if abs(ahead) >= CLOCK_NOISE else 0.0

    def logged_in(self, now: float) -> None:
        """Count a login or a renewal."""
        self.logins += 1
        self.logged_in_at = now

    def rate(self, now: float) -> float:
        """Return the requests a second, averaged over about a minute."""
        return self._rate * math.exp(-max(now - self._rated_at, 0.0) / RATE_WINDOW)
