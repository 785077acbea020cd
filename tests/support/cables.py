"""Connections that break where a test wants it."""

from __future__ import annotations

from typing import Any

from twisted.internet import reactor
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure

from tests.support.quiet import connect_quietly


class _Relay(Protocol):
    """One direction of a connection through a :class:`Cable`."""

    other: _Relay | None = None
    waiting = b""
    is_mute = False

    def __init__(self, cable: Cable, *, is_answer: bool) -> None:
        self.cable = cable
        self.is_answer = is_answer
        self.passed = 0
        self.held = bytearray()
        self.drip = LoopingCall(self._drip)

    def connectionMade(self) -> None:  # noqa: N802
        self.cable.ends.append(self)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self.is_answer and (self.is_mute or self.cable.is_mute):
            return
        if self.cable.swallows and self.cable.swallows in data:
            self.cable.swallowed += 1
            self.other.is_mute = True  # type: ignore[union-attr]
        if self.other is None or self.other.transport is None:
            self.waiting += data
            return
        self.held += data
        if not self.drip.running:
            self.drip.start(0.02)

    def _drip(self) -> None:
        """Pass on what may go at once, then a byte at a time."""
        limit = self.cable.drips_after if self.is_answer else None
        count = len(self.held) if limit is None else max(1, limit - self.passed)
        part, self.held = bytes(self.held[:count]), self.held[count:]
        self.passed += len(part)
        self.other.transport.write(part)  # type: ignore[union-attr]
        if not self.held:
            self.drip.stop()

    def connectionLost(self, _reason: Failure = connectionDone) -> None:  # noqa: N802
        if self.drip.running:
            self.drip.stop()
        if self.other is not None and self.other.transport is not None:
            self.other.transport.loseConnection()


class Cable(Factory):
    """Carries connections to a port of this machine, and may be cut, or swallow the answers.

    Args:
        port: the port.

    Attributes:
        is_mute: whether what the port says is swallowed.
        swallows: what a request contains whose answer is swallowed; empty for none.
        swallowed: how many such requests there were.
        drips_after: the bytes of answers on a connection after which one comes at a time, slowly;
            None for no limit.
    """

    noisy = False

    def __init__(self, port: int) -> None:
        self.port = port
        self.is_mute = False
        self.swallows = b""
        self.swallowed = 0
        self.drips_after: int | None = None
        self.ends: list[_Relay] = []
        self._listening: Any = None

    def buildProtocol(self, addr: Any) -> _Relay:  # noqa: ARG002, N802
        client, server = _Relay(self, is_answer=False), _Relay(self, is_answer=True)
        client.other, server.other = server, client

        def connected(_: Any) -> None:
            assert server.transport is not None
            server.transport.write(client.waiting)

        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.port)

        def refused(_: Failure) -> None:
            assert client.transport is not None
            client.transport.abortConnection()  # type: ignore[attr-defined]

        connect_quietly(endpoint, server).addCallbacks(connected, refused)
        return client

    def start(self, port: int = 0) -> int:
        """Listen on a port, a free one by default; returns it."""
        self._listening = reactor.listenTCP(port, self, interface="127.0.0.1")
        number: int = self._listening.getHost().port
        return number

    async def stop(self) -> None:
        """Break all connections and listen no more."""
        self.cut()
        await self._listening.stopListening()

    def cut(self) -> None:
        """Break all connections."""
        for end in self.ends:
            end.transport.abortConnection()  # type: ignore[union-attr]
