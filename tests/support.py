"""What several tests use: time limits, a hub on a port, recordings."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

DATA = Path(__file__).with_name("data")
LIMIT = 30.0
STEP = 0.1


def limited(deferred: Deferred[Any], seconds: float = LIMIT) -> Deferred[Any]:
    """Let a Deferred fail after some seconds, so that a test that waits for it ends."""
    return deferred.addTimeout(seconds, reactor)


async def until(condition: Callable[[], Any], limit: float = 30) -> Any:
    """Wait until a condition, which may be asynchronous, holds; returns its value."""
    end = reactor.seconds() + limit
    while True:
        value = condition()
        if hasattr(value, "__await__"):
            value = await value
        if value:
            return value
        assert reactor.seconds() < end, "it did not happen in time"
        await deferLater(reactor, STEP)


@cache
def recorded_calls() -> list[dict[str, Any]]:
    """Return what a real hub was asked and said, in order."""
    text = (DATA / "calls.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def reply_bytes(call: dict[str, Any]) -> bytes:
    """Return the body of a recorded reply: the recordings hold its bytes as latin-1 text."""
    return bytes(call["response"].encode("latin-1"))
