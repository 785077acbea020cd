"""The checks of a broker of a hub's messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from buildbot_koji.cli.doctor.findings import Finding, error, expiry, ok, warning
from buildbot_koji.cli.doctor.network import LIMIT, walked
from buildbot_koji.words import counted
from txkoji.bus import AMQP, AMQP1, Broker
from txkoji.exceptions import BusError, ConfigurationError

T = TypeVar("T")


async def check_broker(
    settings: Broker, reactor: Any, limit: float = LIMIT, *, receives: bool = True
) -> AsyncIterator[Finding]:
    """Check a broker: the way there, the login and, if it ``receives``, the queue.

    No message is taken or sent.
    """
    if (found := _certificate(settings)) is not None:
        yield found
        if found.level == "error":
            return
    try:
        if receives:
            settings.check_receiving()
    except ConfigurationError as problem:
        yield error("queue", str(problem), "say in the configuration what to receive")
        return
    if isinstance(settings, AMQP1) and settings.client_id is not None:
        # A broker drops the connection that has the same id: the master's.
        settings = attrs.evolve(settings, client_id=f"{settings.client_id}-doctor")
    async for finding in walked(reactor, settings.url):
        yield finding
        if finding.level == "error":
            return
    async for finding in _login_and_queue(settings, reactor, limit, receives=receives):
        yield finding


def _certificate(settings: Broker) -> Finding | None:
    credential = settings.credential
    if credential is None:
        return None
    if credential.problem is not None:
        return error("certificate", credential.problem, "the login can't work without it")
    if credential.expires is None:
        return None
    until, now = credential.expires, time.time()
    return expiry("certificate", credential.name, until, now, "get a new one")


async def _login_and_queue(
    settings: Broker, reactor: Any, limit: float, *, receives: bool
) -> AsyncIterator[Finding]:
    def within(step: Coroutine[Any, Any, T]) -> Deferred[T]:
        return Deferred.fromCoroutine(step).addTimeout(limit, reactor)

    link = settings.link(reactor)
    try:
        await within(link.open())
    except (BusError, DeferredTimeout) as problem:
        link.abort()
        words = _words(problem, "accepted no login", limit)
        advice = "address, port, virtual host, user and rights of this user there"
        yield error("broker", words, advice)
        return
    yield ok("broker", f"{settings.host} accepts the login")
    try:
        names_exchange = isinstance(settings, AMQP) and settings.exchange and not settings.queue
        if receives or names_exchange:
            state = await within(link.inspect())
            if receives:
                yield _queue(state.messages, state.receivers)
    except (BusError, DeferredTimeout) as problem:
        is_exclusive = getattr(settings, "exclusive", False)
        yield _no_queue(_words(problem, "did not answer", limit), is_exclusive=is_exclusive)
    finally:
        with suppress(BusError, DeferredTimeout):
            await within(link.close())
        link.abort()


def _queue(messages: int | None, receivers: int | None) -> Finding:
    said = "exists"
    if messages is not None:
        waiting, readers = counted(messages, "message"), counted(receivers or 0, "receiver")
        said += f", {waiting} waiting, {readers}"
    if not messages:
        # Any way for a client to try the bindings would write to the broker.
        said += (
            "; only the broker shows its bindings, and which topics its user may bind (RabbitMQ:"
            " rabbitmqctl list_bindings, list_topic_permissions)"
        )
    return ok("queue", said)


def _no_queue(words: str, *, is_exclusive: bool) -> Finding:
    """Return what it means that the broker shows nothing of the queue."""
    if "no exchange" in words:
        advice = (
            "'exchange' must be one that the broker has; to receive, the one of the hub's messages"
        )
        return error("exchange", words, advice)
    if "PRECONDITION_FAILED" in words:
        advice = "it exists with other settings: give those that it has, or name another queue"
        return error("queue", words, advice)
    if "ACCESS_REFUSED" in words:
        return error("queue", words, "its user needs the rights to configure, write and read it")
    if "RESOURCE_LOCKED" not in words:
        advice = "the change source makes its queue when it starts; else check name and rights"
        return warning("queue", words, advice)
    if is_exclusive:
        return ok("queue", "in use, by the master if it runs: no other program may look at it")
    return error("queue", words, "another program has it for itself: name your own")


def _words(problem: Exception, otherwise: str, limit: float) -> str:
    if isinstance(problem, BusError):
        return str(problem)
    return f"the broker {otherwise} within {limit:g} s: does it speak this protocol?"
