"""Endpoints of a hub's connections: direct or through a proxy, with the profile's TLS settings."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.address import HostnameAddress
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.interfaces import IProtocol, IStreamClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.web._newclient import HEADER, STATUS
from twisted.web.client import URI
from twisted.web.iweb import IAgentEndpointFactory
from zope.interface import implementer

from txkoji._interfaces import Endpoint
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import BrokenConfiguration, ConnectionFailed, HTTPStatusError, TLSError
from txkoji.hub.proxies import Proxy, proxy_for
from txkoji.hub.tls import ClientCertificate, OverTLS, TLSPolicy, tls_words
from txkoji.profiles import Profile

CONNECT_TIMEOUT = 30.0

IN_HEAD = (STATUS, HEADER)
"""The states of Twisted's parser before the end of a reply's headers."""

MAX_PROXY_ANSWER = 16 * 1024
"""Bytes of the head of a proxy's answer to CONNECT."""


MAX_HEAD = 1 << 18
"""Bytes of the head of a reply, with all that is sent before it."""


def _limit_head(protocol: Any) -> None:
    """Break an HTTP connection whose peer never stops sending headers or interim answers.

    Twisted keeps every header while it waits for the last.
    """
    receive = protocol.dataReceived
    size = 0

    def data_received(data: bytes) -> None:
        nonlocal size
        receive(data)
        parser = getattr(protocol, "_parser", None)
        size = size + len(data) if parser is not None and parser.state in IN_HEAD else 0
        if size > MAX_HEAD:
            protocol.transport.abortConnection()

    protocol.dataReceived = data_received


class SingleUseFactory(Factory):
    """Gives an endpoint the protocol that it was made with, without log lines."""

    noisy = False

    def __init__(self, protocol: Protocol) -> None:
        self._protocol = protocol

    def buildProtocol(self, addr: Any) -> Any:  # noqa: ARG002, N802 - Twisted's
        """Return the protocol."""
        return self._protocol


@implementer(IStreamClientEndpoint)
class HostEndpoint:
    """Connects to a host, and tells a canceled attempt from an unknown host name.

    Twisted fails a canceled name lookup like one that found nothing.
    """

    def __init__(self, reactor: Any, host: bytes | str, port: int) -> None:
        self._endpoint = HostnameEndpoint(reactor, host, port, timeout=CONNECT_TIMEOUT)
        name = host if isinstance(host, bytes) else host.encode("utf-8")
        self._address = HostnameAddress(name, port)

    def connect(self, protocolFactory: Any) -> Deferred[IProtocol]:  # noqa: N803
        """Connect a protocol of a factory; a canceled attempt is a ConnectingCancelledError."""
        is_canceled = False

        def cancel(_: Deferred[IProtocol]) -> None:
            nonlocal is_canceled
            is_canceled = True
            connecting.cancel()

        def ended(failure: Failure) -> Failure:
            if is_canceled:
                return Failure(error.ConnectingCancelledError(self._address))
            return failure

        connecting = self._endpoint.connect(protocolFactory)
        connected: Deferred[IProtocol] = Deferred(cancel)
        connecting.addErrback(ended).chainDeferred(connected)
        return connected


@implementer(IStreamClientEndpoint)
class _WithoutDelay:
    """Connects without log lines, sets TCP_NODELAY, and limits the head of a reply.

    Twisted writes the head and the body of a request one after the other: without TCP_NODELAY, the
    kernel holds back the end of the body until the hub has acknowledged the start. It also logs the
    start and stop of the factory of each connection.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint

    def connect(self, protocolFactory: Any) -> Deferred[IProtocol]:  # noqa: N803
        def connected(protocol: Any) -> Any:
            protocol.transport.setTcpNoDelay(True)
            _limit_head(protocol)
            return protocol

        with contextlib.suppress(AttributeError):
            protocolFactory.noisy = False  # only classes have it
        return self._endpoint.connect(protocolFactory).addCallback(connected)


class _TunnelProtocol(Protocol):
    """Asks a proxy for a tunnel (RFC 9110, 9.3.6), then is a pipe for the inner protocol."""

    transport: Any

    def __init__(self, factory: Any, proxy: Proxy, target: bytes) -> None:
        self.opened: Deferred[IProtocol] = Deferred(self._cancel)
        self._factory = factory
        self._proxy = proxy
        self._target = target
        self._head = b""
        self._inner: Any = None

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        lines = [b"CONNECT %s HTTP/1.1" % self._target, b"Host: %s" % self._target]
        if self._proxy.credentials is not None:
            lines.append(b"Proxy-Authorization: %s" % self._proxy.credentials.encode("ascii"))
        self.transport.write(b"\r\n".join([*lines, b"", b""]))

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        if self._inner is not None:
            self._inner.dataReceived(data)
            return
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if end:
            self._answered(head.partition(b"\r\n")[0].split(b" ", 2), rest)
        elif len(self._head) > MAX_PROXY_ANSWER:
            self._answered([], b"")

    def _answered(self, status_line: list[bytes], rest: bytes) -> None:
        status = status_line[1] if len(status_line) > 1 else b""
        if not (status.isdigit() and len(status) == 3):
            problem: Exception = ConnectionFailed(
                f"{self._proxy} answered CONNECT with something that is not HTTP",
                may_have_arrived=False,
            )
        elif not status.startswith(b"2"):
            words = (
                "it asks for a login: put user and password into the environment's proxy variable"
                if status == b"407"
                else "it does not connect to the hub"
            )
            problem = HTTPStatusError(
                f"{self._proxy} answered with HTTP status {int(status)}: {words}",
                status=int(status),
                may_have_arrived=False,
            )
        else:
            self._pipe(rest)
            return
        self._abort()
        if not self.opened.called:
            self.opened.errback(problem)

    def _pipe(self, rest: bytes) -> None:
        self._inner = self._factory.buildProtocol(self.transport.getPeer())
        self._inner.makeConnection(self.transport)
        if rest:
            self._inner.dataReceived(rest)
        self.opened.callback(self._inner)

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._inner is not None:
            self._inner.connectionLost(reason)
        elif not self.opened.called:
            assert reason.value is not None
            self.opened.errback(self._why_closed(reason.value))

    def _why_closed(self, reason: BaseException) -> Exception:
        if isinstance(reason, (SSL.Error, VerificationError)):
            words = tls_words(reason, authority="serverca")
            return TLSError(
                f"no secure connection to {self._proxy}: {words}", may_have_arrived=False
            )
        return ConnectionFailed(
            f"{self._proxy} closed the connection before it reached the hub",
            may_have_arrived=False,
        )

    def _cancel(self, opened: Deferred[IProtocol]) -> None:
        self._abort()
        opened.errback(error.ConnectingCancelledError(self.transport.getPeer()))

    def _abort(self) -> None:
        if self.transport is not None:
            self.transport.abortConnection()


@implementer(IStreamClientEndpoint)
class _Tunnel:
    """Connects to a host through a proxy's tunnel."""

    def __init__(self, endpoint: Endpoint, proxy: Proxy, target: bytes, clock: Any) -> None:
        self._endpoint = endpoint
        self._proxy = proxy
        self._target = target
        self._clock = clock

    def connect(self, protocolFactory: Any) -> Deferred[IProtocol]:  # noqa: N803
        protocol = _TunnelProtocol(protocolFactory, self._proxy, self._target)
        connecting = self._endpoint.connect(SingleUseFactory(protocol))

        def timed_out(_value: Any, _seconds: float) -> Any:
            raise error.TimeoutError

        opened = connecting.addCallback(lambda _: protocol.opened)
        return ElapsedTime(self._clock).limit(opened, CONNECT_TIMEOUT, timed_out)


def _stamp(path: str | None) -> tuple[int, int, int] | None:
    """Return what changes with a file, None for no file."""
    try:
        found = None if path is None else Path(path).stat()
    except (OSError, ValueError):
        return None
    return None if found is None else (found.st_ino, found.st_size, found.st_mtime_ns)


@implementer(IAgentEndpointFactory)
class Endpoints:
    """Connects to a hub and to its files."""

    _log = Logger()

    def __init__(
        self, reactor: Any, profile: Profile, certificate: ClientCertificate | None
    ) -> None:
        self._reactor = reactor
        self._profile = profile
        self._certificate = certificate
        self._policy: TLSPolicy | None = None
        self._stamp: tuple[int, int, int] | None = None
        # An Agent asks for one at each request; making one costs a tenth of a call.
        self._endpoints: dict[tuple[bytes, bytes, int], Endpoint] = {}

    def endpointForURI(self, uri: URI) -> Endpoint:  # noqa: N802 - Twisted's name
        """Return the endpoint that leads to an address."""
        if uri.scheme == b"https":
            self._read_policy()
        key = (uri.scheme, uri.host, uri.port)
        if key not in self._endpoints:
            self._endpoints[key] = self._make(uri)
        return self._endpoints[key]

    def _read_policy(self) -> TLSPolicy:
        """Return the TLS settings, read again if the file of the authorities changed.

        While that file is missing or half written, what was read before still counts.

        Raises:
            BrokenConfiguration: it can't be used, and nothing was read before.
        """
        stamp = _stamp(self._profile.serverca)
        if self._policy is not None and stamp in (None, self._stamp):
            return self._policy
        self._stamp = stamp
        try:
            self._policy = TLSPolicy(self._profile, self._certificate)
        except BrokenConfiguration as error:
            if self._policy is None:
                raise
            self._log.warn("{error}; what was read before still counts", error=error)
        else:
            self._endpoints.clear()
        return self._policy

    def _make(self, uri: URI) -> Endpoint:
        proxy = proxy_for(uri.toBytes().decode("ascii"))
        if uri.scheme != b"https":
            if proxy is not None:
                return self.to_proxy(proxy)
            return _WithoutDelay(HostEndpoint(self._reactor, uri.host, uri.port))
        if proxy is None:
            endpoint: Any = HostEndpoint(self._reactor, uri.host, uri.port)
        else:
            host = b"[%s]" % uri.host if b":" in uri.host else uri.host
            target = b"%s:%d" % (host, uri.port)
            endpoint = _Tunnel(self.to_proxy(proxy), proxy, target, self._reactor)
        creator = self._read_policy().creatorForNetloc(uri.host, uri.port)
        return _WithoutDelay(OverTLS(creator, endpoint, self._reactor))

    def to_proxy(self, proxy: Proxy) -> Endpoint:
        """Return an endpoint that connects to a proxy."""
        endpoint: Any = HostEndpoint(self._reactor, proxy.host.encode("ascii"), proxy.port)
        if proxy.scheme == "https":
            creator = self._read_policy().creator_for_proxy(proxy.host)
            endpoint = OverTLS(creator, endpoint, self._reactor)
        return _WithoutDelay(endpoint)
