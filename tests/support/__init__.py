"""What several tests use: ways to wait, a hub in memory, recordings."""

from __future__ import annotations

import itertools
import json
import os
import socket
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.interfaces import IHostnameResolver
from twisted.internet.task import Clock
from zope.interface import implementer

from tests.support.waiting import poll, until
from txkoji import Connection, Profile
from txkoji.retry import RetryPolicy
from txkoji.testing import FakeHub

__all__ = [
    "DATA",
    "ONE_ATTEMPT",
    "PROCESS_LIMIT",
    "REPOSITORY",
    "HubInMemory",
    "SilentResolver",
    "do_not_retry",
    "free_port",
    "poll",
    "recorded_calls",
    "reply_bytes",
    "until",
]

REPOSITORY = Path(__file__).absolute().parents[2]
DATA = REPOSITORY / "tests" / "data"
PROCESS_LIMIT = 120.0
"""Seconds that another program may take to start, answer or end: the machine may be busy."""


ONE_ATTEMPT = RetryPolicy(first=1e6, ceiling=1e6)
"""Calls that fail are not retried: the wait would be longer than any deadline.

A short deadline would say the same, except on a machine that is too busy to answer within it.
"""


def do_not_retry(koji: Connection) -> None:
    """Have every call of a connection fail with the first error of the hub."""
    koji.client.requester._retry = ONE_ATTEMPT


class HubInMemory:
    """A hub in memory, and a connection to it, on one clock that the tests advance.

    Args:
        deadline: the connection's, in seconds.
        build_seconds: how long one build takes.
    """

    def __init__(self, *, deadline: float = 120, build_seconds: float = 10) -> None:
        self.clock = Clock()
        self.clock.advance(1_795_454_160)
        self.hub = FakeHub(self.clock, build_seconds=build_seconds, anonymous_user="kojiadmin")
        self.hub.add_demo_content()
        self.agent = RequestTraversalAgent(self.hub.resource())
        self.koji = Connection(
            Profile(name="t", server="http://hub.test/kojihub", weburl="http://hub.test/koji"),
            reactor=self.clock,
            agent=self.agent,
            deadline=deadline,
        )

    def pass_time(self, seconds: float, *, step: float = 1) -> None:
        """Let time go by, step by step; what is asked meanwhile is answered at once."""
        for _ in range(round(seconds / step)):
            self.clock.advance(step)
            self.answer()

    def answer(self) -> None:
        """Answer what was asked, and what is asked then."""
        for _ in range(10):
            self.agent.flush()
            self.clock.advance(0)


@implementer(IHostnameResolver)
class SilentResolver:
    """Never answers a lookup of a host name."""

    def resolveHostName(self, receiver: Any, hostName: str, *_: Any, **__: Any) -> Any:  # noqa: N802, N803
        """Begin a lookup."""
        assert hostName.endswith(".test")
        receiver.resolutionBegan(self)
        return self


@cache
def _ports() -> Iterator[int]:
    """Reserve ports for this process until it ends; return them again and again.

    Nobody who leaves the choice to the system is given one of these, not even for the client's end
    of a connection: those are above 32767.
    """
    starts = range(10_000, 32_000, 100)
    for offset in range(len(starts)):
        start = starts[(os.getpid() + offset) % len(starts)]
        guard = _bound(start)
        if guard is not None:
            _guards.append(guard)
            return itertools.cycle(range(start + 1, start + 100))
    raise AssertionError("each block of ports has a process")


_guards: list[socket.socket] = []


def _bound(port: int) -> socket.socket | None:
    """Return a socket with a port, None if the port is taken."""
    made = socket.socket()
    try:
        made.bind(("127.0.0.1", port))
    except OSError:
        made.close()
        return None
    return made


def free_port() -> int:
    """Return a port on which nothing listens, and which no other process is given.

    It stays free while what listened there is down: a server may come back to it.
    """
    for port in _ports():
        found = _bound(port)
        if found is not None:
            found.close()
            return port
    raise AssertionError("unreachable")


@cache
def recorded_calls() -> list[dict[str, Any]]:
    """Return what a real hub was asked and said, in order."""
    text = (DATA / "calls.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def reply_bytes(call: dict[str, Any]) -> bytes:
    """Return the body of a recorded reply: the recordings hold its bytes as latin-1 text."""
    return bytes(call["response"].encode("latin-1"))
