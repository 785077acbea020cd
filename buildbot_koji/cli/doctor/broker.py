"""The checks of a broker of a hub's messages."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import datetime, timezone
from typing import Any

import attrs
from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import deferLater

from buildbot_koji.cli.doctor.findings import Finding, error, ok, warning
from txkoji.bus import AMQP, Broker
from txkoji.exceptions import BusError, ConfigurationError

__all__ = ["check_broker"]

LISTEN = 3.0
"""Seconds to wait for a message."""

WARN_DAYS = 14


async def check_broker(
    settings: Broker, reactor: Any, listen: float = LISTEN
) -> AsyncIterator[Finding]:
    """Check a broker: the login, the queue, and whether a message comes.

    A message that comes is not acknowledged: the broker gives it to the master again.

    Args:
        settings: the broker and what to receive from it.
        reactor: the reactor.
        listen: seconds to wait for a message.
    """
    credential = settings.credential
    if credential is not None:
        if credential.problem is not None:
            yield error("certificate", credential.problem, "the login can't work without it")
            return
        days = int(((credential.expires or time.time() + 1e9) - time.time()) // 86400)
        if days < WARN_DAYS:
            ends = datetime.fromtimestamp(credential.expires or 0, timezone.utc)
            yield (warning if days >= 0 else error)(
                "certificate", f"{credential.name} expires on {ends:%Y-%m-%d}", "get a new one"
            )
    try:
        settings.check_receiving()
    except ConfigurationError as problem:
        yield error("queue", str(problem), "name what to receive in the configuration")
        return
    if isinstance(settings, AMQP):
        # Neither declared nor bound here: it is looked at alone.
        settings = attrs.evolve(settings, passive=True, routing_keys=())
    link = settings.link(reactor)
    try:
        await link.open()
    except BusError as problem:
        yield error(
            "broker", str(problem), "address, virtual host, user and rights of this user there"
        )
        return
    yield ok("broker", f"{settings.host} accepts the login")
    came: Deferred[None] = Deferred()

    def deliver(_: Any) -> None:
        """Record that a message came."""
        if not came.called:
            came.callback(None)

    try:
        await link.subscribe(1, deliver)
    except BusError as problem:
        yield warning(
            "queue",
            str(problem),
            "the change source makes its queue when it starts; else check name and rights",
        )
    else:
        limit = deferLater(reactor, listen, lambda: None)
        await DeferredList([came, limit], fireOnOneCallback=True)
        if came.called:
            yield ok("queue", "a message was seen, and left there")
        else:
            yield ok("queue", f"is there; no message within {listen:g} s")
        limit.addErrback(lambda failure: failure.trap(CancelledError))
        limit.cancel()
    finally:
        await link.close()
