"""A proxy on loopback that treats requests badly, each as the test decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from tests.support.quiet import connect_quietly

PAUSE = 0.02


class Fate(Enum):
    """What happens to a request."""

    PASS = "passes"
    RESET_BEFORE = "the connection breaks before the hub has the request"
    RESET_AFTER = "the hub has the request, the connection breaks before its reply"
    TRUNCATE = "half of the reply comes, then the connection ends"
    STALL = "the reply never comes"
    DELAY = "the request is late by a moment"
    CORRUPT = "a byte of the body is another one when it arrives"
    PAGE_BEFORE = "a web page with status 200 answers instead of the hub, which gets nothing"
    PAGE_AFTER = "the hub has the request, a web page with status 200 comes instead of its reply"
    MOVED_AFTER = "the hub has the request, a redirect to a page comes instead of its reply"
    REFUSE = "a front end forbids the request, and the hub gets nothing"
    REPEAT = "the hub gets the request twice, the client the first reply"


_PAGE = b"<!DOCTYPE html>\n<html><title>Maintenance</title><h1>We are back soon</h1></html>\n"
PAGE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(_PAGE), _PAGE)
)
# What Apache sends for a gateway's error if ``ErrorDocument`` names a page of another host.
MOVED = (
    b"HTTP/1.1 302 Found\r\nLocation: https://status.example.test/\r\nConnection: close\r\n"
    b"Content-Length: 0\r\n\r\n"
)
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
BEFORE = {Fate.PAGE_BEFORE: PAGE, Fate.REFUSE: FORBIDDEN}
"""What the client gets before the hub gets anything."""
INSTEAD = {Fate.PAGE_AFTER: PAGE, Fate.MOVED_AFTER: MOVED}
"""What the client gets instead of the hub's reply."""


class _ToHub(Protocol):
    """The proxy's side towards the hub."""

    def __init__(self, client: _ToClient, *, fate: Fate) -> None:
        self.client = client
        self.fate = fate
        self.sent = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.sent += data
        if self.fate is Fate.RESET_AFTER:
            self.client.transport.abortConnection()
        elif self.fate in INSTEAD:
            self.client.transport.write(INSTEAD[self.fate])
            self.fate = Fate.STALL
            self.client.transport.loseConnection()
        elif self.fate is Fate.TRUNCATE:
            self.fate = Fate.STALL
            self.client.transport.write(data[: len(data) // 2])
            self.client.transport.loseConnection()
        elif self.fate is not Fate.STALL:
            self.client.transport.write(data)


class _Mute(Protocol):
    """Throws away what comes."""

    def dataReceived(self, _data: bytes) -> None:  # noqa: N802
        self.transport.loseConnection()


class _ToClient(Protocol):
    """The proxy's side towards the client: each request travels over a connection of its own."""

    factory: FaultProxy

    def connectionMade(self) -> None:  # noqa: N802
        self.hub: _ToHub | None = None
        self.factory.clients.add(self)

    def connectionLost(self, _reason: Failure = connectionDone) -> None:  # noqa: N802
        self.factory.clients.discard(self)
        if self.hub is not None and self.hub.transport is not None:
            self.hub.transport.abortConnection()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        # The tests' requests fit into one read; a body that comes by itself follows its head.
        if not data.startswith((b"POST ", b"GET ")):
            assert self.hub is not None
            if self.fate is Fate.CORRUPT:
                self.fate = Fate.PASS
                data = bytes([data[0] ^ 1]) + data[1:]
            self.hub.transport.write(data)
            return
        self.fate = fate = self.factory.decide(data)
        self.factory.fates[fate] += 1
        if fate is Fate.RESET_BEFORE:
            self.transport.abortConnection()
        elif fate in BEFORE:
            self.transport.write(BEFORE[fate])
            self.transport.loseConnection()
        elif fate is Fate.DELAY:
            reactor.callLater(PAUSE, self._forward, data, fate)
        else:
            self._forward(data, fate)

    def _forward(self, data: bytes, fate: Fate) -> None:
        self.transport.pauseProducing()
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.factory.port)
        connecting = connect_quietly(endpoint, _ToHub(self, fate=fate))

        def connected(hub: _ToHub) -> None:
            self.hub = hub
            hub.transport.write(data)
            self.transport.resumeProducing()
            if fate is Fate.REPEAT:
                second = connect_quietly(endpoint, _Mute())
                # Where the hub is gone by now, there is nobody to repeat it to.
                second.addCallbacks(lambda mute: mute.transport.write(data), lambda _: None)

        def refused(_: Failure) -> None:
            self.transport.abortConnection()

        connecting.addCallbacks(connected, refused)


class FaultProxy(Factory):
    """Stands before a hub, on a free port, from its construction until it is stopped.

    Args:
        hub_url: the address of the hub.
        decide: takes the bytes of a request, gives its fate.

    Attributes:
        fates: how many requests had which fate.
    """

    protocol = _ToClient
    noisy = False

    def __init__(self, hub_url: str, decide: Callable[[bytes], Fate]) -> None:
        self.port = urlsplit(hub_url).port
        self.decide = decide
        self.fates: Counter[Fate] = Counter()
        self.clients: set[_ToClient] = set()
        self._listening: Any = reactor.listenTCP(0, self, interface="127.0.0.1")

    @property
    def url(self) -> str:
        """The address of the hub behind the proxy."""
        return f"http://127.0.0.1:{self._listening.getHost().port}/kojihub"

    async def stop(self) -> None:
        """Break all connections and listen no more."""
        for client in list(self.clients):
            client.transport.abortConnection()
        await self._listening.stopListening()
