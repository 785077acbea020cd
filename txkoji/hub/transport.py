"""Bytes to a hub and back: connection pool, TLS, time limits, errors in plain words.

The only module that touches HTTP. It stands on Twisted's Agent itself: on the path of every call
the layers above it (treq's among them) cost more than the call does.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from OpenSSL import SSL
from service_identity import VerificationError
from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.internet.interfaces import (
    IConsumer,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web._newclient import RequestNotSent
from twisted.web.client import URI, Agent, HTTPConnectionPool, ResponseDone, ResponseFailed
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import (
    IAgent,
    IAgentEndpointFactory,
    IBodyProducer,
    IResponse,
)
from zope.interface import implementer

from txkoji.exceptions import (
    ConnectionFailed,
    HTTPStatusError,
    RequestTimeout,
    TLSError,
    TransportError,
    TruncatedReply,
)
from txkoji.hub.tls import TLSPolicy, reasons, tls_words
from txkoji.hub.xmlrpc import ResponseDecoder
from txkoji.profiles import Profile

__all__ = ["Transport"]

CONNECT_TIMEOUT = 30.0
KEPT_SECONDS = 4
"""How long an idle connection is kept: below the 5 seconds after which Apache closes it by default,
so that a write does not meet a connection that is about to go."""

CONNECTIONS = 20
"""Connections to one hub that are kept open at most: more than a hub's processes gain nothing."""


@implementer(IBodyProducer)
class _Body:
    """A request's body, written in one go."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: IConsumer) -> Deferred[None]:  # noqa: N802 - Twisted's name
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """All has been written already."""

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        """All has been written already."""

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """All has been written already."""


class Sink(typing.Protocol):
    """Takes a file as it comes."""

    def begin(self, offset: int) -> None:
        """Be told from where on it comes."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""

    def close(self) -> Any:
        """Be told that it is whole."""


class _Reply(Protocol):
    """Feeds the body of a reply to what takes it, with a limit on how long nothing may come."""

    def __init__(self, decoder: Any, clock: Any, limit: float, url: str) -> None:
        self.done: Deferred[Any] = Deferred(self._cancelled)
        self._decoder = decoder
        self._url = url
        self._limit = limit
        self._timer = clock.callLater(limit, self._stalled)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        self._timer.reset(self._limit)
        try:
            self._decoder.feed(data)
        except Exception:  # noqa: BLE001 - whatever the decoder raises is the call's outcome
            self._finish(Failure())

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            try:
                self._finish(self._decoder.close())
            except Exception:  # noqa: BLE001 - whatever the decoder raises is the call's outcome
                self._finish(Failure())
            return
        self._finish(
            Failure(TruncatedReply(f"the connection to {self._url} broke inside the reply"))
        )

    def _stalled(self) -> None:
        self._finish(
            Failure(
                RequestTimeout(
                    f"{self._url} sent nothing for {self._limit:g} s inside its reply",
                    url=self._url,
                )
            )
        )

    def _cancelled(self, _: Deferred[Any]) -> None:
        self._close()

    def _finish(self, outcome: Any) -> None:
        self._close()
        if not self.done.called:
            self.done.callback(outcome)

    def _close(self) -> None:
        if self._timer.active():
            self._timer.cancel()
        transport = self.transport
        if transport is not None:
            # What the hub still sends of a reply that nobody wants must not be read to its end.
            abort = getattr(transport, "abortConnection", None) or transport.loseConnection
            abort()


@implementer(IStreamClientEndpoint)
class _WithoutDelay:
    """Connects, and lets what is written leave at once.

    The head and the body of a request are written one after the other: the kernel would hold back
    the end of the body until the hub has acknowledged what came before.
    """

    def __init__(self, endpoint: IStreamClientEndpoint) -> None:
        self._endpoint = endpoint

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:  # noqa: N803
        def connected(protocol: Any) -> Any:
            protocol.transport.setTcpNoDelay(True)
            return protocol

        return self._endpoint.connect(protocolFactory).addCallback(connected)


@implementer(IAgentEndpointFactory)
class _Endpoints:
    """Connects to a hub and to its files, with the profile's TLS where it is https."""

    def __init__(self, reactor: Any, profile: Profile) -> None:
        self._reactor = reactor
        secure = profile.server.startswith("https:") or (profile.topurl or "").startswith("https:")
        self._policy = TLSPolicy(profile) if secure else None
        # An Agent asks for one with each request; to make one costs a tenth of a call.
        self._endpoints: dict[tuple[bytes, bytes, int], IStreamClientEndpoint] = {}

    def endpointForURI(self, uri: URI) -> IStreamClientEndpoint:  # noqa: N802
        key = (uri.scheme, uri.host, uri.port)
        if key not in self._endpoints:
            self._endpoints[key] = self._make(uri)
        return self._endpoints[key]

    def _make(self, uri: URI) -> IStreamClientEndpoint:
        endpoint: IStreamClientEndpoint = HostnameEndpoint(
            self._reactor, uri.host, uri.port, timeout=CONNECT_TIMEOUT
        )
        if uri.scheme == b"https":
            assert self._policy is not None
            creator = self._policy.creatorForNetloc(uri.host, uri.port)
            endpoint = wrapClientTLS(creator, endpoint)
        return _WithoutDelay(endpoint)


class Transport:
    """Sends requests to one hub.

    Args:
        reactor: the reactor.
        profile: for the TLS settings.
        agent: sends the requests; by default an Agent of our own with a pool.
    """

    def __init__(self, reactor: Any, profile: Profile, *, agent: IAgent | None = None) -> None:
        self._reactor = reactor
        self._pool: HTTPConnectionPool | None = None
        self._profile = profile
        self._agent = agent

    def _make_agent(self) -> IAgent:
        pool = HTTPConnectionPool(self._reactor)
        pool.cachedConnectionTimeout = KEPT_SECONDS
        pool.maxPersistentPerHost = CONNECTIONS
        # A POST is never sent again behind our back.
        pool.retryAutomatically = False
        self._pool = pool
        endpoints = _Endpoints(self._reactor, self._profile)
        agent: IAgent = Agent.usingEndpointFactory(self._reactor, endpoints, pool=pool)
        return agent

    async def post(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        timeout: float,
        max_bytes: int,
        on_headers: Callable[[Headers], None] | None = None,
    ) -> Any:
        """Send a request and decode the reply.

        Args:
            url: where to. It may hold a session in its query, which never shows in an error.
            body: the body.
            headers: further headers.
            timeout: seconds until the reply begins, and that nothing may come inside it.
            max_bytes: the largest reply that is taken.
            on_headers: is given the headers of the reply.

        Returns:
            The value of the reply.

        Raises:
            HubFault: the reply is a fault.
            TransportError: it did not get there or back.
            ProtocolError: the reply is not a hub's.
            BrokenConfiguration: the profile's certificate files can't be read.
        """
        fields = {"Content-Type": ["text/xml"]}
        fields.update({name: [value] for name, value in headers.items()})
        response = await self._request(b"POST", url, fields, _Body(body), timeout)
        _refuse_status(response, _shown(url))
        if on_headers is not None:
            on_headers(response.headers)
        decoder = ResponseDecoder(max_bytes=max_bytes)
        return await self._receive(response, decoder, url, timeout)

    async def get(self, url: str, offset: int, sink: Sink, *, timeout: float) -> None:
        """Receive a file, or what of it comes from an offset on.

        Args:
            url: its address.
            offset: how many bytes are there already.
            sink: takes what comes.
            timeout: seconds until the answer begins, and that nothing may come inside it.

        Raises:
            TransportError: it did not get there or back; the sink has what came.
            TruncatedReply: the connection broke inside the file; the sink has what came.
        """
        fields = {"Range": [f"bytes={offset}-"]} if offset else {}
        response = await self._request(b"GET", url, fields, None, timeout)
        if response.code == 206:
            begin = _range_start(response)
            if begin != offset:
                response.deliverBody(_Discard())
                raise TransportError(f"{url} sent another part than it was asked for", url=url)
            sink.begin(offset)
        else:
            _refuse_status(response, url)
            sink.begin(0)
        await self._receive(response, sink, url, timeout)

    async def _request(
        self,
        method: bytes,
        url: str,
        fields: dict[str, list[str]],
        body: IBodyProducer | None,
        timeout: float,
    ) -> IResponse:
        """Send a request; returns when the head of the answer is there."""
        if self._agent is None:
            self._agent = self._make_agent()
        shown = _shown(url)
        headers = Headers({"User-Agent": ["koji/1"], **fields})
        request = self._agent.request(method, url.encode("ascii"), headers, body)
        timed_out = False

        def expire() -> None:
            nonlocal timed_out
            timed_out = True
            request.cancel()

        timer = self._reactor.callLater(timeout, expire)
        try:
            return await request
        except Exception as problem:
            if timed_out:
                connecting = isinstance(problem, error.ConnectingCancelledError)
                words = "did not take a connection" if connecting else "did not answer"
                raise RequestTimeout(
                    f"{shown} {words} within {timeout:g} s",
                    url=shown,
                    may_have_arrived=not connecting,
                ) from problem
            if _is_cancelled(problem):
                raise CancelledError from problem
            raise _in_plain_words(problem, shown) from problem
        finally:
            if timer.active():
                timer.cancel()

    async def _receive(self, response: IResponse, sink: Any, url: str, timeout: float) -> Any:
        reply = _Reply(sink, self._reactor, timeout, _shown(url))
        response.deliverBody(reply)
        return await reply.done

    async def close(self) -> None:
        """Close the connections that are kept."""
        if self._pool is not None:
            pool, self._pool, self._agent = self._pool, None, None
            await pool.closeCachedConnections()


def _is_cancelled(problem: Exception) -> bool:
    """Tell whether a request failed because its caller gave it up."""
    if isinstance(problem, ResponseFailed):
        return any(reason.check(CancelledError) for reason in problem.reasons)
    return isinstance(problem, error.ConnectingCancelledError)


def _shown(url: str) -> str:
    """Return an address without its query, which may hold a session."""
    return url.partition("?")[0]


def _range_start(response: IResponse) -> int | None:
    """Return where the part begins that an answer with status 206 holds."""
    values = response.headers.getRawHeaders("Content-Range") or [""]
    found = re.match(r"bytes (\d+)-", values[0])
    return int(found[1]) if found else None


_STATUS_REMEDIES = {
    401: "the front end asks for a login",
    403: "the front end forbids it",
    404: "there is nothing at that address: check 'server' of the profile",
    405: "that address takes no calls: check 'server' of the profile",
    413: "the request is too large: send less at a time",
}


def _refuse_status(response: IResponse, url: str) -> None:
    """Refuse what is not a hub's 200: the body is a web page then and is not read."""
    status = response.code
    if status == 200:
        return
    if 300 <= status < 400:
        remedy = "it redirects: set 'server' of the profile to the final address"
    else:
        remedy = _STATUS_REMEDIES.get(status) or (
            "the hub or what stands before it is in trouble" if status >= 500 else "it was refused"
        )
    response.deliverBody(_Discard())
    raise HTTPStatusError(
        f"{url} answered with HTTP status {status}: {remedy}",
        status=status,
        url=url,
        # 502 to 504 come from a proxy that may have handed the request on; 5xx from a hub in the
        # middle of it. Below 500 the request was turned away.
        may_have_arrived=status >= 500 or status == 408,
    )


class _Discard(Protocol):
    """Closes a connection whose reply nobody reads."""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        if self.transport is not None:
            self.transport.loseConnection()


def _in_plain_words(problem: Exception, url: str) -> BaseException:
    host = urlsplit(url).hostname or url
    for reason in reasons(problem):
        if isinstance(reason, (SSL.Error, VerificationError)):
            return TLSError(
                f"no secure connection to {host}: {tls_words(reason, authority='serverca')}",
                url=url,
                may_have_arrived=False,
            )
        if isinstance(reason, error.DNSLookupError):
            return ConnectionFailed(
                f"the host name {host} is unknown: check 'server' of the profile",
                url=url,
                may_have_arrived=False,
            )
        if isinstance(reason, error.ConnectionRefusedError):
            return ConnectionFailed(
                f"nothing listens at {url}: is the hub up, and 'server' of the profile right?",
                url=url,
                may_have_arrived=False,
            )
        if isinstance(reason, error.TimeoutError):
            return ConnectionFailed(
                f"{host} did not take a connection within {CONNECT_TIMEOUT:g} s",
                url=url,
                may_have_arrived=False,
            )
        if isinstance(reason, (error.ConnectError, RequestNotSent)):
            return ConnectionFailed(
                f"can't connect to {host}: {reason}", url=url, may_have_arrived=False
            )
    if isinstance(problem, (ResponseFailed, error.ConnectionLost, error.ConnectionDone)):
        return ConnectionFailed(f"the connection to {host} broke before the hub answered", url=url)
    if isinstance(problem, (error.ConnectionClosed, OSError)):
        return TransportError(f"the connection to {host} failed: {problem}", url=url)
    return problem
