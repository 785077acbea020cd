"""Connections that Twisted does not log."""

from __future__ import annotations

from typing import Any, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol

P = TypeVar("P", bound=Protocol)


class _Quiet(Factory):
    # Lines about it would come during the next test, too, which may look at the log.
    noisy = False


def connect_quietly(endpoint: Any, protocol: P) -> Deferred[P]:
    """Connect a protocol to an endpoint; returns a Deferred of the protocol."""
    factory = _Quiet.forProtocol(lambda: protocol)  # type: ignore[arg-type]
    connecting: Deferred[P] = endpoint.connect(factory)
    return connecting
