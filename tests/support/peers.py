"""Servers that answer as no hub and no broker would: with what a test gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from tests.support import ONE_ATTEMPT, until
from tests.support.ends import AtEnd
from txkoji import Connection, Profile


class _Talk(Protocol):
    """A connection to a :class:`Peer`."""

    factory: Peer
    transport: Any

    def connectionMade(self) -> None:  # noqa: N802
        self.drip = LoopingCall(self.transport.write, self.factory.drip)
        self.factory.count += 1
        self.factory.heard.append(b"")
        self.factory.connections.add(self)
        if self.factory.first:
            self._say(self.factory.first)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.factory.heard[-1] += data
        then = self.factory.then
        self._say(then(data) if callable(then) else then)

    def _say(self, what: bytes) -> None:
        self.transport.write(what)
        if not self.factory.drip:
            if self.factory.closes:
                self.transport.loseConnection()
        elif what and not self.drip.running:
            self.drip.start(0.05, now=False)

    def connectionLost(self, _reason: Failure = connectionDone) -> None:  # noqa: N802
        self.factory.connections.discard(self)
        if self.drip.running:
            self.drip.stop()


class Peer(Factory):
    """A server that says the same, or what a function says, to whoever connects.

    Args:
        first: what it says at once.
        then: what it says to what comes, or a function that makes that of what came.
        drip: what it says now and then forever, once it has said something.
        closes: whether it hangs up when it has answered; not while it drips.

    Attributes:
        connections: those that are open.
        count: how many there have been.
        heard: what came, by the connection that was made last when it came.
    """

    noisy = False
    protocol = _Talk  # type: ignore[assignment]

    def __init__(
        self,
        *,
        first: bytes = b"",
        then: bytes | Callable[[bytes], bytes] = b"",
        drip: bytes = b"",
        closes: bool = False,
    ) -> None:
        self.first, self.then, self.drip, self.closes = first, then, drip, closes
        self.connections: set[_Talk] = set()
        self.count = 0
        self.heard: list[bytes] = []

    def start(self, at_end: AtEnd, context: Any = None) -> str:
        """Listen until the test ends, with TLS if there is a context; returns host and port."""
        if context is None:
            self._port = reactor.listenTCP(0, self, interface="127.0.0.1")
        else:
            self._port = reactor.listenSSL(0, self, context, interface="127.0.0.1")
        at_end(self.stop)
        return f"127.0.0.1:{self._port.getHost().port}"

    def connect(
        self,
        at_end: AtEnd,
        *,
        scheme: str = "http",
        profile: Mapping[str, Any] = {},
        **options: Any,
    ) -> Connection:
        """Listen, and return a connection that takes it for a hub and does not retry."""
        server = f"{scheme}://{self.start(at_end)}/kojihub"
        given = {"reactor": reactor, "retry": ONE_ATTEMPT, **options}
        koji = Connection(Profile(name="peer", server=server, **profile), **given)
        at_end(koji.close)
        return koji

    async def stop(self) -> None:
        """Listen no more, and break all connections."""
        await self._port.stopListening()
        for each in self.connections:
            each.transport.abortConnection()
        await until(lambda: not self.connections)
