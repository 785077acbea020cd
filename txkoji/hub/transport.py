"""Bytes to a hub and back: connection pool, TLS, time limits, errors in plain words.

The only module that touches HTTP. It uses Twisted's Agent directly: for each call the layers above
it (such as treq) cost more than the call does.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    ProxyAgent,
    ResponseDone,
    ResponseFailed,
)
from twisted.web.http import PotentialDataLoss
from twisted.web.http_headers import Headers
from twisted.web.iweb import IBodyProducer
from zope.interface import implementer

from txkoji._interfaces import HTTPAgent, Response
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import (
    KojiException,
    RequestTimeout,
    TransportError,
    TruncatedReply,
)
from txkoji.front_ends import COMPRESSED, OPEN_END, PACE_BYTES, PAGE_SUFFIXES
from txkoji.hub.endpoints import Endpoints
from txkoji.hub.proxies import Proxy, proxy_for
from txkoji.hub.responses import (
    Discard,
    abort,
    in_plain_words,
    received_part,
    redirected,
    refuse_encoding,
    refuse_page,
    refuse_status,
    without_query,
)
from txkoji.hub.tls import ClientCertificate, reasons
from txkoji.hub.xmlrpc import ResponseDecoder
from txkoji.profiles import Profile

KEPT_SECONDS = 4
"""Seconds that an idle connection is kept: less than Apache's default of 5, so that no write is
sent on a connection that is about to close.
"""

CONNECTIONS = 20
"""Idle connections kept open to one hub: more than the hub has processes are of no use."""

MAX_REDIRECTS = 5
"""Redirects from a file's address, which lead to a mirror or from http to https."""


@implementer(IBodyProducer)
class _Body:
    """A request body, written at once."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.length = len(body)

    def startProducing(self, consumer: Any) -> Deferred[None]:  # noqa: N802 - Twisted's name
        consumer.write(self._body)
        return succeed(None)

    def pauseProducing(self) -> None:  # noqa: N802 - Twisted's name
        """Do nothing: the whole body is written already."""

    resumeProducing = stopProducing = pauseProducing  # noqa: N815 - likewise


class Sink(typing.Protocol):
    """Receives a file as it arrives."""

    def begin(self, offset: int) -> None:
        """Start receiving at ``offset``."""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""

    def close(self) -> Any:
        """The body is complete."""


class _Reply(Protocol):
    """Feeds the body of a reply to its decoder, and limits how slowly it may arrive.

    Args:
        decoder: receives the body.
        elapsed: measures the limits.
        limit: seconds within which something must arrive.
        url: the address, for messages.
        pace: seconds within which :data:`PACE_BYTES` of a file must arrive; None for a document,
            which shows its own end.
    """

    def __init__(
        self, decoder: Any, elapsed: ElapsedTime, limit: float, url: str, pace: float | None = None
    ) -> None:
        self.done: Deferred[Any] = Deferred(lambda _: self._close())
        self._decoder = decoder
        self._elapsed = elapsed
        self._url = url
        self._limit = limit
        self._pace = pace
        self._paced_bytes = 0
        self._heard_at = self._paced_since = elapsed.seconds()
        self._timer = elapsed.until(self._left, self._stalled)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        self._heard_at = self._elapsed.seconds()
        if self._pace is not None and self._is_too_slow(self._pace, len(data)):
            return
        try:
            self._decoder.feed(data)
        except Exception:  # noqa: BLE001 - whatever the decoder raises is the call's outcome
            self._finish(Failure())

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self.done.called:
            return
        if reason.check(ResponseDone, PotentialDataLoss):
            try:
                outcome = self._decoder.close()
            except Exception:  # noqa: BLE001 - whatever the decoder raises is the call's outcome
                outcome = Failure()
            if self._pace is not None and reason.check(PotentialDataLoss):
                outcome = Failure(TruncatedReply(f"{self._url} {OPEN_END}"))
            self._finish(outcome)
            return
        problems = [] if reason.value is None else reasons(reason.value)
        words = f"the connection to {self._url} broke inside the reply"
        if not any(isinstance(each, error.ConnectionClosed) for each in problems):
            words = f"{self._url} sent a reply whose chunks are broken"
        self._fail(TruncatedReply(words))

    def _is_too_slow(self, pace: float, size: int) -> bool:
        """Count what arrived; end a reply that arrives too slowly."""
        self._paced_bytes += size
        now = self._elapsed.seconds()
        if self._paced_bytes >= PACE_BYTES:
            self._paced_bytes, self._paced_since = 0, now
        elif now - self._paced_since > pace:
            words = f"sent only {self._paced_bytes:,} bytes in {pace:g} s"
            self._fail(RequestTimeout(f"{self._url} {words}", url=self._url))
            return True
        return False

    def _left(self) -> float:
        return self._heard_at + self._limit - self._elapsed.seconds()

    def _stalled(self) -> None:
        words = f"sent nothing for {self._limit:g} s inside its reply"
        self._fail(RequestTimeout(f"{self._url} {words}", url=self._url))

    def _fail(self, error: KojiException) -> None:
        self._finish(Failure(error))

    def _finish(self, outcome: Any) -> None:
        self._close()
        if not self.done.called:
            self.done.callback(outcome)

    def _close(self) -> None:
        self._timer.cancel()
        if self.transport is not None:
            abort(self.transport)


class _Pool(HTTPConnectionPool):
    """Closes idle connections at once: over TLS, Twisted's own waits for the peer's part."""

    def closeCachedConnections(self) -> Deferred[None]:  # noqa: N802 - Twisted's name
        # The peer may have closed some already, as a front end does after a while.
        idle = [
            each
            for several in self._connections.values()
            for each in several
            if each.state == "QUIESCENT"
        ]
        closing: Deferred[None] = super().closeCachedConnections()
        for each in idle:
            each.transport.abortConnection()
        return closing


class _Agents:
    """Sends requests, directly or through a proxy, with one client certificate or none."""

    def __init__(
        self, reactor: Any, profile: Profile, certificate: ClientCertificate | None
    ) -> None:
        self._reactor = reactor
        self._elapsed = ElapsedTime(reactor)
        self._pool = _Pool(reactor)
        self._pool.cachedConnectionTimeout = KEPT_SECONDS
        self._pool.maxPersistentPerHost = CONNECTIONS
        # The pool must never resend a POST by itself.
        self._pool.retryAutomatically = False
        self._pool_of_none = HTTPConnectionPool(reactor, persistent=False)
        self._last_request: float | None = None
        self._endpoints = Endpoints(reactor, profile, certificate)
        self._agents: dict[tuple[Proxy | None, bool], HTTPAgent] = {}
        # For each scheme and host: reading the environment takes a third of a call.
        self._proxies: dict[tuple[str, str], Proxy | None] = {}

    def request(
        self,
        method: bytes,
        url: str,
        headers: Headers,
        body: _Body | None,
        *,
        keep_alive: bool,
    ) -> Deferred[Response]:
        parts = urlsplit(url)
        origin = (parts.scheme, parts.netloc)
        if origin not in self._proxies:
            # The endpoints make the tunnel to an https hub.
            self._proxies[origin] = proxy_for(url) if parts.scheme == "http" else None
        proxy = self._proxies[origin]
        if proxy is not None and proxy.credentials is not None:
            headers.setRawHeaders("Proxy-Authorization", [proxy.credentials])
        agent = self._agent(proxy, keep=not keep_alive or self._follows_another())
        return agent.request(method, url.encode("ascii"), headers, body)

    def _follows_another(self) -> bool:
        """Return whether a request follows another so soon that its connection is worth keeping.

        An idle connection may occupy a process of the front end.
        """
        last, now = self._last_request, self._elapsed.seconds()
        self._last_request = now
        return last is not None and now - last <= KEPT_SECONDS

    def _agent(self, proxy: Proxy | None, *, keep: bool) -> HTTPAgent:
        key = (proxy, keep)
        if key not in self._agents:
            pool = self._pool if keep else self._pool_of_none
            if proxy is None:
                self._agents[key] = Agent.usingEndpointFactory(
                    self._reactor, self._endpoints, pool=pool
                )
            else:
                endpoint = self._endpoints.to_proxy(proxy)
                self._agents[key] = ProxyAgent(endpoint, self._reactor, pool)
        return self._agents[key]

    def close(self) -> Deferred[None]:
        closing: Deferred[None] = self._pool.closeCachedConnections()
        return closing


class Transport:
    """Sends requests to one hub.

    Args:
        reactor: the reactor.
        profile: the hub's address and its TLS settings.
        agent: sends the requests; by default agents of our own with a pool.

    Attributes:
        keep_alive: keep idle connections for some seconds. Otherwise they are closed when nothing
            has followed the last request by the next iteration of the reactor: a trial TestCase
            that closes nothing is left with a clean reactor.
    """

    def __init__(self, reactor: Any, profile: Profile, *, agent: HTTPAgent | None = None) -> None:
        self._reactor = reactor
        self._elapsed = ElapsedTime(reactor)
        self._profile = profile
        self._agent = agent
        self.keep_alive = False
        self._holders = 0
        self._is_closing = False
        self._certificate: ClientCertificate | None = None
        # By client certificate: connections with and without one are never shared.
        self._agents: dict[ClientCertificate | None, _Agents] = {}

    # Not a generator: each call of a program passes here.
    def __enter__(self) -> None:
        """Keep idle connections open while the body runs: it is about to make a request."""
        self._holders += 1

    def __exit__(self, *_: object) -> None:
        self._holders -= 1
        if not (self._holders or self.keep_alive or self._is_closing) and self._agents:
            self._is_closing = True
            # What awaits the result may make the next request at once.
            self._reactor.callLater(0, self._close_idle)

    def _close_idle(self) -> None:
        self._is_closing = False
        if not self._holders:
            for each in self._agents.values():
                each.close()

    async def show_certificate(self, certificate: ClientCertificate | None) -> None:
        """Present a client certificate to the hub's host, starting with the next request.

        Args:
            certificate: the certificate, None for none. An earlier one is forgotten, and its
                connections are closed.
        """
        previous, self._certificate = self._certificate, certificate
        if previous is not None and previous != certificate and previous in self._agents:
            await self._agents.pop(previous).close()

    def _shown_to(self, url: str) -> ClientCertificate | None:
        """Return the certificate to present to an address: only the hub's own host gets it."""
        hub, other = urlsplit(self._profile.server), urlsplit(url)
        same = (hub.scheme, hub.netloc) == (other.scheme, other.netloc)
        return self._certificate if same else None

    def _send(
        self, method: bytes, url: str, headers: Headers, body: _Body | None
    ) -> Deferred[Response]:
        if self._agent is not None:
            return self._agent.request(method, url.encode("ascii"), headers, body)
        certificate = self._shown_to(url)
        if certificate not in self._agents:
            self._agents[certificate] = _Agents(self._reactor, self._profile, certificate)
        agents = self._agents[certificate]
        return agents.request(method, url, headers, body, keep_alive=self.keep_alive)

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
            url: the address. Its query may hold a session; no error shows it.
            body: the body.
            headers: further headers.
            timeout: seconds until the reply starts, and between two pieces of it.
            max_bytes: the largest reply that is accepted.
            on_headers: called with the headers of the reply.

        Raises:
            HubFault: the reply is a fault.
            TransportError: the request or its reply was lost.
            ProtocolError: the reply is not from a hub.
            BrokenConfiguration: the profile's certificate files can't be read.
        """
        fields = {"Content-Type": ["text/xml"]}
        fields.update({name: [value] for name, value in headers.items()})
        response = await self._request(b"POST", url, fields, _Body(body), timeout)
        refuse_status(response, without_query(url))
        refuse_page(response, without_query(url))
        refuse_encoding(response, without_query(url))
        if on_headers is not None:
            on_headers(response.headers)
        decoder = ResponseDecoder(max_bytes=max_bytes)
        return await self._receive(response, decoder, url, timeout)

    async def get(self, url: str, offset: int, sink: Sink, *, timeout: float, pace: float) -> None:
        """Receive a file, or the rest of it from an offset.

        Args:
            url: its address.
            offset: how many bytes are present already.
            sink: receives the bytes.
            timeout: seconds until the reply starts, and between two pieces of it.
            pace: seconds within which :data:`PACE_BYTES` must arrive.

        Raises:
            TransportError: the request or its reply was lost; the sink has what arrived, or nothing
                if another part came.
            TruncatedReply: the file did not arrive to its end; the sink has what arrived.
            NotXMLRPC: a web page came instead of the file; the sink is untouched.
        """
        # The file itself, not compressed for the transfer.
        fields = {"Accept-Encoding": ["identity"]}
        if offset:
            fields["Range"] = [f"bytes={offset}-"]
        response = await self._request(b"GET", url, fields, None, timeout)
        for _ in range(MAX_REDIRECTS):
            target = redirected(response, url)
            if target is None:
                break
            response.deliverBody(Discard())
            url = target
            response = await self._request(b"GET", url, fields, None, timeout)
        shown = without_query(url)
        if response.code in (200, 206) and not shown.endswith(COMPRESSED):
            refuse_encoding(response, shown)
        if response.code == 206:
            begin, is_cut = received_part(response)
            if begin != offset:
                response.deliverBody(Discard())
                if offset:
                    # Ask for no part again: a proxy may never send the right one.
                    sink.begin(0)
                raise TransportError(f"{shown} sent another part than it was asked for", url=shown)
            sink.begin(offset)
        else:
            is_cut = False
            refuse_status(response, shown, "topurl")
            if not shown.endswith(PAGE_SUFFIXES):
                refuse_page(response, shown, "the file")
            sink.begin(0)
        await self._receive(response, sink, url, timeout, pace)
        if is_cut:
            raise TruncatedReply(f"{shown} sent less of the file than it was asked for")

    async def _request(
        self,
        method: bytes,
        url: str,
        fields: dict[str, list[str]],
        body: _Body | None,
        timeout: float,
    ) -> Response:
        """Send a request; returns when the response headers have arrived."""
        shown = without_query(url)
        headers = Headers({"User-Agent": ["koji/1"], "Accept-Encoding": ["identity"], **fields})
        request = self._send(method, url, headers, body)
        timer = self._elapsed.callLater(timeout, request.cancel)
        try:
            return await request
        except Exception as problem:
            if not timer.active():
                connecting = isinstance(problem, error.ConnectingCancelledError)
                limit = f"{round(timeout, 1):g}"
                raise RequestTimeout(
                    f"{shown} did not take a connection within {limit} s"
                    if connecting
                    else f"{shown} did not answer within {limit} s",
                    url=shown,
                    may_have_arrived=not connecting,
                ) from problem
            if _is_cancelled(problem):
                raise CancelledError from problem
            certificate = self._shown_to(shown)
            words = None if certificate is None else certificate.words(self._reactor.seconds())
            setting = "topurl" if method == b"GET" else "server"
            raise in_plain_words(problem, shown, words, setting) from problem
        finally:
            timer.cancel()

    async def _receive(
        self,
        response: Response,
        sink: Any,
        url: str,
        timeout: float,
        pace: float | None = None,
    ) -> Any:
        reply = _Reply(sink, self._elapsed, timeout, without_query(url), pace)
        response.deliverBody(reply)
        return await reply.done

    async def close(self) -> None:
        """Close the idle connections."""
        agents, self._agents = self._agents, {}
        for each in agents.values():
            await each.close()


def _is_cancelled(problem: Exception) -> bool:
    """Return whether a request failed because its caller canceled it."""
    if isinstance(problem, ResponseFailed):
        return any(reason.check(CancelledError) for reason in problem.reasons)
    return isinstance(problem, error.ConnectingCancelledError)
