"""What may be retried, when, and for how long. Pure, except :func:`until_answered`.

Koji's own client retries after any HTTP error, 401 and 404 too, 31 times at a constant pace.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import random
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError
from twisted.internet.defer import TimeoutError as TimedOut

from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import (
    UNCAUGHT,
    ActionNotAllowed,
    AuthError,
    BusError,
    ConnectionFailed,
    HTTPStatusError,
    KojiLoginException,
    ProtocolError,
    ReplyTooLarge,
    ServerOffline,
    TLSError,
    TransportError,
    UnknownFault,
    UnreadableReply,
    UnusableAnswer,
)
from txkoji.front_ends import LASTING

__all__ = [
    "UNREADABLE",
    "RetryPolicy",
    "is_passing",
    "is_without_access",
    "until_answered",
    "was_not_carried_out",
]

T = TypeVar("T")

UNREADABLE = (UnreadableReply, ReplyTooLarge)
"""Replies of the hub itself that would be as unreadable if it were asked again."""

_HUB_WITHOUT_DATABASE = re.compile(
    r"^(?:<class ')?psycopg2\.(?:errors\.|extensions\.)?(?:OperationalError|InterfaceError"
    r"|DatabaseError|AdminShutdown|CrashShutdown|CannotConnectNow|DatabaseDropped"
    r"|TooManyConnections|Connection\w{1,20}|Sql(?:client|server)\w{1,60}|ProtocolViolation"
    r"|DeadlockDetected|SerializationFailure|TransactionRollback(?:Error)?|LockNotAvailable"
    r"|StatementCompletionUnknown|TransactionResolutionUnknown|Idle(?:InTransaction)?SessionTimeout"
    r"|TransactionTimeout|ReadOnlySqlTransaction|DiskFull|OutOfMemory"
    r"|InsufficientResources|SystemError|IoError)(?:'>)?:",
    re.MULTILINE,
)
"""What the text of an uncaught exception says that the hub's database caused.

A hub whose database is away before a call begins says that it is offline. One that loses it in the
middle has no such answer: it sends fault 1, whose text is ``<class 'X'>: ...``, or a traceback with
a last line ``X: ...``. The transaction is undone, except at the end of a commit, which is unknown.
"""


def is_passing(error: BaseException) -> bool:
    """Return whether an error is transient: the hub is unreachable now. Only this function decides.

    Permanent errors are a fault of the hub, an answer of a type that the method never returns, one
    that holds a value that can't be read, a TLS error, a permanent redirect or one to where the hub
    is now, and a status that blames the request (400, 401, 403, 404 and the like).

    Everything else is trouble of the network or the front end, and passes: no connection, a
    truncated reply, an HTML page with status 200 (maintenance, a login portal, a proxy's error),
    any other status, and a hub that is offline or lost its database in the call.
    """
    if isinstance(error, HTTPStatusError):
        return not (error.moved or error.status in LASTING)
    if isinstance(error, (TLSError, UnusableAnswer, *UNREADABLE)):
        return False
    if isinstance(error, UnknownFault):
        return error.code == UNCAUGHT and bool(_HUB_WITHOUT_DATABASE.search(error.text))
    return isinstance(error, (TransportError, ProtocolError, ServerOffline))


def is_without_access(error: BaseException) -> bool:
    """Return whether an error is a refusal of access, by the hub or by what stands before it.

    It is about no particular task or package. Someone may repair the login, the permission, the
    certificate or the proxy while the caller waits.
    """
    kinds = (AuthError, ActionNotAllowed, KojiLoginException, TransportError)
    return isinstance(error, kinds) and not is_passing(error)


def was_not_carried_out(error: BaseException) -> bool:
    """Return whether the hub certainly did nothing, so that even a write may be retried.

    It did nothing if it refused the call or is offline. If it lost its database, that may have been
    at the end of a commit.
    """
    if isinstance(error, TransportError):
        return not error.may_have_arrived
    if isinstance(error, ProtocolError):
        return False
    return isinstance(error, ServerOffline) or not is_passing(error)


def is_passing_trouble(error: BaseException) -> bool:
    """Return whether an error of a handler of messages, or of a poll, is transient: worth a retry.

    Trouble with the network, the hub or a broker is transient, and so is a timeout. Anything else
    is the message's own fault: retrying it would block the messages behind it forever.
    """
    if isinstance(error, (TransportError, KojiLoginException, BusError)):
        return True
    return is_passing(error) or isinstance(error, (CancelledError, TimedOut))


def was_idle(error: BaseException) -> bool:
    """Return whether the front end may have closed an idle connection just before the request."""
    return isinstance(error, ConnectionFailed) and error.may_have_arrived


@dataclass(frozen=True)
class RetryPolicy:
    """How long to wait before the next attempt.

    Attributes:
        first: the wait after the first failure, in seconds.
        factor: how much longer each next wait is.
        ceiling: the longest wait, in seconds.
        jitter: the share of a wait, 0 to 1, that chance may take off it, so that many clients of
            one hub don't come back at the same moment.
        chance: returns a random number from 0 to 1.
    """

    first: float = 1.0
    factor: float = 2.0
    ceiling: float = 60.0
    jitter: float = 0.25
    chance: Callable[[], float] = random

    def wait(
        self, error: BaseException, *, failures: int, elapsed: float, deadline: float, write: bool
    ) -> float | None:
        """Return how long to wait after a failed attempt.

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
        pause = self.pause(failures, error)
        return pause if elapsed + pause < deadline else None

    def pause(self, failures: int, error: BaseException | None = None) -> float:
        """Return the seconds to wait after so many failures in a row.

        Args:
            failures: how many.
            error: the last of them; if a front end asked for a longer pause, it gets that.
        """
        # 2.0 ** 64 is beyond any ceiling; the bound keeps a long outage from overflowing.
        pause = min(self.ceiling, self.first * self.factor ** min(failures - 1, 64))
        asked = error.retry_after if isinstance(error, HTTPStatusError) else 0.0
        return max(pause * (1 - self.jitter * self.chance()), asked)


async def until_answered(
    ask: Callable[[], Awaitable[T]],
    clock: Any,
    policy: RetryPolicy,
    say: Callable[[Any], object] = lambda _: None,
    *,
    ends: Callable[[Any], bool] = lambda error: not is_passing(error),
) -> T:
    """Ask the hub, or anything else that may be unreachable, until it answers.

    It can be cancelled at any time.

    Args:
        ask: asks; must be safe to repeat.
        clock: an IReactorTime.
        policy: how long to pause after each failure.
        say: called before each pause with the error that says why there is no answer.
        ends: returns whether to raise an error instead of pausing: by default, any that is not
            passing. CancelledError is always raised.

    Returns:
        The answer.

    Raises:
        Exception: an error for which ``ends`` returns True.
    """
    failures = 0
    while True:
        try:
            return await ask()
        except CancelledError:
            raise
        except Exception as error:
            if ends(error):
                raise
            say(error)
            failures += 1
            pause = policy.pause(failures, error)
        await ElapsedTime(clock).pause(pause)
