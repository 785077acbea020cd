"""A router between Buildbot masters: as much of WAMP as they use, publish and subscribe.

Crossbar, which does that in production, takes two minutes and 380 MB to install. With the path of
its program in ``CROSSBAR`` the tests use it instead.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from twisted.internet import reactor

from tests.support import free_port, until

REALM = "buildbot"
HELLO, WELCOME, GOODBYE, PUBLISH, PUBLISHED = 1, 2, 6, 16, 17
SUBSCRIBE, SUBSCRIBED, UNSUBSCRIBE, UNSUBSCRIBED, EVENT = 32, 33, 34, 35, 36


def matches(pattern: str, topic: str) -> bool:
    """Tell whether a topic fits a pattern, whose empty parts fit anything."""
    parts, words = pattern.split("."), topic.split(".")
    return len(parts) == len(words) and all(
        part in ("", word) for part, word in zip(parts, words, strict=True)
    )


class _Session(WebSocketServerProtocol):  # type: ignore[misc]
    """One master."""

    def onConnect(self, request: Any) -> str:  # noqa: N802 - autobahn's names
        del request
        return "wamp.2.json"

    def onOpen(self) -> None:  # noqa: N802
        self.subscriptions: dict[int, tuple[str, bool]] = {}
        self.factory.sessions.append(self)

    def onClose(self, was_clean: bool, code: Any, reason: Any) -> None:  # noqa: N802
        del was_clean, code, reason
        if self in self.factory.sessions:
            self.factory.sessions.remove(self)

    def onMessage(self, payload: bytes, is_binary: bool) -> None:  # noqa: N802
        del is_binary
        kind, *rest = json.loads(payload)
        if kind == HELLO:
            self.tell(WELCOME, self.factory.number(), {"roles": {"broker": {}, "dealer": {}}})
        elif kind == GOODBYE:
            self.tell(GOODBYE, {}, "wamp.close.goodbye_and_out")
        elif kind == SUBSCRIBE:
            request, options, topic = rest
            number = self.factory.number()
            self.subscriptions[number] = (topic, options.get("match") == "wildcard")
            self.tell(SUBSCRIBED, request, number)
        elif kind == UNSUBSCRIBE:
            request, number = rest
            del self.subscriptions[number]
            self.tell(UNSUBSCRIBED, request)
        elif kind == PUBLISH:
            request, options, topic, *arguments = rest
            publication = self.factory.number()
            for session in list(self.factory.sessions):
                if session is not self or not options.get("exclude_me", True):
                    session.give(topic, publication, arguments)
            if options.get("acknowledge"):
                self.tell(PUBLISHED, request, publication)
        else:
            self.sendClose(1002, f"a message of type {kind}")

    def give(self, topic: str, publication: int, arguments: list[Any]) -> None:
        for number, (pattern, wild) in self.subscriptions.items():
            if matches(pattern, topic) if wild else pattern == topic:
                details = {"topic": topic} if wild else {}
                self.tell(EVENT, number, publication, details, *arguments)

    def tell(self, *message: Any) -> None:
        self.sendMessage(json.dumps(message).encode())


class Router:
    """A router in this process."""

    def __init__(self) -> None:
        self._factory = WebSocketServerFactory(protocols=["wamp.2.json"])
        self._factory.protocol = _Session
        self._factory.sessions = []
        self._factory.number = iter(range(1, 1 << 53)).__next__
        self._port: Any = None

    @property
    def url(self) -> str:
        """Where masters find it."""
        return f"ws://127.0.0.1:{self._port.getHost().port}/ws"

    async def start(self) -> None:
        """Listen."""
        self._port = reactor.listenTCP(0, self._factory, interface="127.0.0.1")

    async def stop(self) -> None:
        """Cut all connections."""
        await self._port.stopListening()
        for session in list(self._factory.sessions):
            session.transport.abortConnection()


class Crossbar:
    """Crossbar, in a process of its own."""

    def __init__(self, program: str) -> None:
        self._program = program
        self._port = free_port()
        self._directory = Path(tempfile.mkdtemp(prefix="crossbar-"))
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Where masters find it."""
        return f"ws://127.0.0.1:{self._port}/ws"

    async def start(self) -> None:
        """Start it; returns when it listens."""
        endpoint = {"type": "tcp", "port": self._port, "interface": "127.0.0.1"}
        anyone = {
            "match": "prefix",
            "uri": "",
            "allow": dict.fromkeys(("call", "register", "publish", "subscribe"), True),
        }
        worker = {
            "type": "router",
            "realms": [{"name": REALM, "roles": [{"name": "anonymous", "permissions": [anyone]}]}],
            "transports": [{"type": "websocket", "url": self.url, "endpoint": endpoint}],
        }
        (self._directory / "config.json").write_text(
            json.dumps({"version": 2, "workers": [worker]})
        )
        log = self._directory / "log"
        self._launch(log)
        await until(lambda: b"started" in log.read_bytes() and self._listens())

    def _launch(self, log: Path) -> None:
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                [self._program, "start", "--cbdir", str(self._directory)],
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self._port)) == 0

    async def stop(self) -> None:
        """End it."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait(30)
        shutil.rmtree(self._directory)


def router() -> Router | Crossbar:
    """Return the router to use."""
    program = os.environ.get("CROSSBAR")
    return Crossbar(program) if program else Router()
