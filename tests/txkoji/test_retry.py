"""What may be sent again, when, and for how long."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError
from twisted.internet.defer import TimeoutError as TimedOut

from txkoji.exceptions import (
    ActionNotAllowed,
    BusError,
    ConnectionFailed,
    ForbiddenXML,
    GenericError,
    HTTPStatusError,
    KojiLoginException,
    NotXMLRPC,
    ReplyTooDeep,
    ReplyTooLarge,
    RequestTimeout,
    ServerOffline,
    TLSError,
    TransportError,
    TruncatedReply,
    UnknownFault,
    UnknownOutcome,
    UnreadableReply,
)
from txkoji.retry import (
    RetryPolicy,
    is_passing,
    is_passing_trouble,
    was_idle,
    was_not_carried_out,
)

STEADY = RetryPolicy(jitter=0)


def wait(error: Exception, policy: RetryPolicy = STEADY, **changes: Any) -> float | None:
    given = {"failures": 1, "elapsed": 0.0, "deadline": 100.0, "write": False, **changes}
    return policy.wait(error, **given)


def status(number: int) -> HTTPStatusError:
    return HTTPStatusError(f"status {number}", status=number)


def uncaught(text: str) -> UnknownFault:
    return UnknownFault(text, code=1)


LOST_DATABASE = [
    "<class 'psycopg2.OperationalError'>: server closed the connection unexpectedly\n\tThis",
    "Traceback (most recent call last):\npsycopg2.InterfaceError: connection already closed\n",
    "Traceback:\n  File 'x', line 2\npsycopg2.errors.SerializationFailure: could not serialize",
    "<class 'psycopg2.errors.ReadOnlySqlTransaction'>: cannot execute INSERT",
    "<class 'psycopg2.DatabaseError'>: SSL SYSCALL error: EOF detected\n",
    "<class 'psycopg2.extensions.TransactionRollbackError'>: deadlock detected",
    "<class 'psycopg2.errors.IdleInTransactionSessionTimeout'>: terminating connection",
    "<class 'psycopg2.errors.ProtocolViolation'>: query_wait_timeout",
    "<class 'psycopg2.errors.IoError'>: could not read block 7",
]


@pytest.mark.parametrize(
    "error",
    [
        ConnectionFailed("reset"),
        RequestTimeout("late"),
        ServerOffline("closed"),
        TruncatedReply("cut"),
        NotXMLRPC("a page"),
        ForbiddenXML("a page with a document type"),
        TransportError("no route"),
        UnknownOutcome("in doubt"),
        *map(uncaught, LOST_DATABASE),
        *[
            status(number)
            for number in (
                204,
                302,
                307,
                408,
                409,
                421,
                423,
                425,
                429,
                499,
                500,
                501,
                502,
                503,
                504,
                520,
            )
        ],
    ],
)
def test_passing_errors(error: Exception) -> None:
    """The network's and the front end's trouble, and an offline hub, pass: a read is sent again."""
    assert is_passing(error)
    assert wait(error) == 1.0


@pytest.mark.parametrize(
    "error",
    [
        TLSError("wrong CA"),
        GenericError("no such tag"),
        ActionNotAllowed("no"),
        ReplyTooLarge("big"),
        UnreadableReply("a bad <int>"),
        ReplyTooDeep("too deep"),
        uncaught("<class 'psycopg2.DataError'>: invalid input syntax for type integer"),
        uncaught("<class 'psycopg2.errors.UndefinedFunction'>: operator does not exist"),
        uncaught("<class 'psycopg2.errors.QueryCanceled'>: canceling statement due to timeout"),
        uncaught("<class 'KeyError'>: 'psycopg2.OperationalError: is the name of a tag'"),
        UnknownFault(LOST_DATABASE[0], code=9000),
        *[status(number) for number in (301, 308, 400, 401, 403, 404, 405, 406, 407, 410, 413)],
    ],
)
def test_lasting_errors(error: Exception) -> None:
    """Refusals, TLS errors, and statuses that last are the same next time: no attempt is made."""
    assert not is_passing(error)
    assert wait(error) is None
    assert wait(error, write=True) is None


def test_write() -> None:
    """A write is sent again only when it is certain that the hub did nothing."""
    refused = ConnectionFailed("refused", may_have_arrived=False)
    lost = ConnectionFailed("reset", may_have_arrived=True)
    assert was_not_carried_out(refused)
    assert not was_not_carried_out(lost)
    assert wait(refused, write=True) == 1.0
    assert wait(lost, write=True) is None
    assert wait(lost) == 1.0
    assert wait(ServerOffline("closed"), write=True) == 1.0
    assert wait(TruncatedReply("cut"), write=True) is None
    assert wait(uncaught(LOST_DATABASE[0]), write=True) is None


def test_waits_grow_to_the_ceiling() -> None:
    """Each wait is twice the one before, up to the ceiling, however long an outage is."""
    policy = RetryPolicy(jitter=0, ceiling=10)
    error = ConnectionFailed("refused")
    waits = [wait(error, policy, failures=n, deadline=1e9) for n in (1, 2, 3, 4, 5, 6, 100_000)]
    assert waits == [1, 2, 4, 8, 10, 10, 10]


def test_deadline() -> None:
    """There is no attempt after the deadline, and no waiting for it."""
    error = ConnectionFailed("refused")
    assert wait(error, elapsed=98.9) == 1.0
    assert wait(error, elapsed=99.0) is None


@given(st.floats(0, 1), st.integers(1, 200), st.floats(0, 1))
def test_jitter(chance: float, failures: int, jitter: float) -> None:
    """Chance takes at most the jitter's share off a wait, and never lengthens it."""
    policy = RetryPolicy(jitter=jitter, chance=lambda: chance)
    pause = wait(ConnectionFailed("x"), policy, failures=failures, deadline=1e9)
    steady = wait(ConnectionFailed("x"), failures=failures, deadline=1e9)
    assert steady is not None
    assert pause == pytest.approx(steady * (1 - jitter * chance))


def test_trouble_of_a_handler() -> None:
    """Where messages are handled, timeouts, login and broker errors pass, too; a defect doesn't."""
    passing = [
        CancelledError(),
        TimedOut(),
        KojiLoginException("no"),
        BusError("gone"),
        TLSError("x"),
    ]
    assert all(map(is_passing_trouble, [*passing, TLSError("x"), ServerOffline("closed")]))
    assert not any(map(is_passing_trouble, [ZeroDivisionError(), GenericError("no such tag")]))


def test_idle_connection() -> None:
    """Only a connection that broke with a request on it may have been closed as an idle one."""
    assert was_idle(ConnectionFailed("reset"))
    assert not was_idle(ConnectionFailed("refused", may_have_arrived=False))
    assert not was_idle(RequestTimeout("late"))
