"""What may be sent again, when, and for how long. Pure: time comes in as numbers.

Koji's own client sends again after any HTTP error, 401 and 404 too, 31 times at a constant pace.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import random

from txkoji.exceptions import (
    ConnectionFailed,
    HTTPStatusError,
    RequestTimeout,
    ServerOffline,
    TLSError,
    TransportError,
    TruncatedReply,
)

__all__ = ["RetryPolicy", "is_passing", "was_not_carried_out"]

PASSING_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
"""HTTP statuses that another attempt may not meet."""


def is_passing(error: BaseException) -> bool:
    """Tell whether an error may be gone at the next attempt.

    Network faults, some HTTP statuses, a reply cut short, and a hub that says it is offline are;
    refusals (other faults, 400, 401, 403, 404) and TLS errors are not.
    """
    if isinstance(error, HTTPStatusError):
        return error.status in PASSING_STATUSES
    if isinstance(error, TLSError):
        return False
    return isinstance(error, (ConnectionFailed, RequestTimeout, ServerOffline, TruncatedReply))


def was_not_carried_out(error: BaseException) -> bool:
    """Tell whether it is certain that the hub did nothing: then even a write may be sent again."""
    if isinstance(error, TransportError):
        return not error.may_have_arrived
    return isinstance(error, ServerOffline)


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait before the next attempt.

    Attributes:
        first: the wait after the first failure, in seconds.
        factor: how much longer each next wait is.
        ceiling: the longest wait, in seconds.
        jitter: the share of a wait, 0 to 1, that chance may take off it, so that many clients of
            one hub don't come back at the same moment.
        chance: gives a number from 0 to 1.
    """

    first: float = 1.0
    factor: float = 2.0
    ceiling: float = 60.0
    jitter: float = 0.25
    chance: Callable[[], float] = random

    def wait(
        self, error: BaseException, *, failures: int, elapsed: float, deadline: float, write: bool
    ) -> float | None:
        """Decide what to do after a failed attempt.

        Args:
            error: what the attempt failed with.
            failures: how many attempts have failed, this one too.
            elapsed: seconds since the first attempt began.
            deadline: seconds after which there is no further attempt.
            write: the call changes something on the hub.

        Returns:
            The seconds to wait before the next attempt, None to give up.
        """
        if not is_passing(error) or (write and not was_not_carried_out(error)):
            return None
        pause = self.pause(failures)
        return pause if elapsed + pause < deadline else None

    def pause(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row."""
        # 2.0 ** 64 is beyond any ceiling; the bound keeps a long outage from overflowing.
        pause = min(self.ceiling, self.first * self.factor ** min(failures - 1, 64))
        return pause * (1 - self.jitter * self.chance())
