"""Connecting to a broker: an endpoint with the TLS options of its settings, and plain errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.internet.protocol import Protocol
from zope.interface import implementer

from txkoji._values import one_line
from txkoji.bus.settings import Broker
from txkoji.exceptions import BrokerRefusal, BrokerUnreachable, BusError
from txkoji.hub.endpoints import HostEndpoint, SingleUseFactory
from txkoji.hub.tls import (
    OverTLS,
    read_authority,
    read_client_certificate,
    reasons,
    tls_words,
    verifying,
)


@implementer(IOpenSSLClientConnectionCreator)
class _Handshakes:
    """Starts the handshake, and keeps the connection, which knows the server's certificate."""

    def __init__(self, creator: Any) -> None:
        self._creator = creator
        self.connection: SSL.Connection | None = None

    def clientConnectionForTLS(self, protocol: Any) -> Any:  # noqa: N802 - Twisted's name
        self.connection = self._creator.clientConnectionForTLS(protocol)
        return self.connection

    def server_expires(self) -> float | None:
        certificate = None if self.connection is None else self.connection.get_peer_certificate()
        if certificate is None:
            return None
        return float(certificate.to_cryptography().not_valid_after_utc.timestamp())


async def connect(settings: Broker, reactor: Any, protocol: Protocol) -> Callable[[], float | None]:
    """Connect a protocol to a broker.

    Returns:
        A function that returns when the broker's own certificate expires, in seconds since the
        epoch; None without TLS, and until bytes from the broker have arrived.

    Raises:
        BusError: the broker is unreachable, or TLS fails.
        ConfigurationError: a certificate file is unusable; the message says which and why.
    """
    endpoint: Any = HostEndpoint(reactor, settings.host, settings.port)
    handshakes: Any = _Handshakes(_tls_options(settings) if settings.has_tls else None)
    if settings.has_tls:
        endpoint = OverTLS(handshakes, endpoint, reactor)
    try:
        await endpoint.connect(SingleUseFactory(protocol))
    except error.ConnectingCancelledError:
        raise CancelledError from None
    except (error.ConnectError, error.ConnectionClosed, error.DNSLookupError, SSL.Error) as problem:
        raise plain_error(problem, settings) from None
    expires: Callable[[], float | None] = handshakes.server_expires
    return expires


def _tls_options(settings: Broker) -> Any:
    trust = read_authority(settings.ca, "ca", f"the broker {settings.url}")
    files = settings.certificate_files
    return verifying(settings.host, trust, files and read_client_certificate(*files))


def plain_error(problem: BaseException, settings: Broker) -> BusError:
    """Return the BusError for a failed connection, with a one-line message."""
    for reason in reasons(problem):
        if isinstance(reason, (SSL.Error, VerificationError)):
            words = tls_words(reason, authority="ca")
            return BrokerRefusal(f"no TLS connection to the broker {settings.url}: {words}")
        if isinstance(reason, error.DNSLookupError):
            return BrokerUnreachable(f"the host name of the broker {settings.url} is unknown")
        if isinstance(reason, error.ConnectionRefusedError):
            return BrokerUnreachable(f"nothing listens at {settings.url}: is the broker up?")
        if isinstance(reason, (error.TimeoutError, error.ConnectError)):
            return BrokerUnreachable(f"can't connect to the broker {settings.url}: {reason}")
    if isinstance(problem, (error.ConnectionDone, error.ConnectionLost)):
        return BrokerUnreachable(f"the broker {settings.url} closed the connection")
    return BrokerUnreachable(
        f"the connection to the broker {settings.url} failed: {one_line(problem)}"
    )
