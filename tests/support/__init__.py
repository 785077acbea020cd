"""What several tests use: ways to wait, a hub in memory, recordings."""

from __future__ import annotations

import json
import socket
from functools import cache
from pathlib import Path
from typing import Any

from treq.testing import RequestTraversalAgent
from twisted.internet.task import Clock

from tests.support.waiting import poll, until
from txkoji import Connection, Profile
from txkoji.testing import FakeHub

__all__ = [
    "DATA",
    "PROCESS_LIMIT",
    "REPOSITORY",
    "HubInMemory",
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


def free_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@cache
def recorded_calls() -> list[dict[str, Any]]:
    """Return what a real hub was asked and said, in order."""
    text = (DATA / "calls.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def reply_bytes(call: dict[str, Any]) -> bytes:
    """Return the body of a recorded reply: the recordings hold its bytes as latin-1 text."""
    return bytes(call["response"].encode("latin-1"))
