"""What a service does in the background."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from buildbot.mq.simple import SimpleMQ
from twisted.internet.defer import Deferred, fail
from twisted.internet.task import Clock

from buildbot_koji.durable.background import Background


def test_repeated_work() -> None:
    """It is repeated after its pause, after an error too, and when it is woken, until a stop."""
    clock, began = Clock(), list[float]()
    waiting: Deferred[None] | None = None

    class Expected(Exception):
        """An error of the work that is not logged."""

    async def work() -> None:
        began.append(clock.seconds())
        if len(began) == 2:
            raise Expected
        if waiting is not None:
            await waiting

    background = Background(Expected)
    alarm = background.repeat(work, "failed", clock, lambda: 10.0, first=1.0)
    for _ in range(25):
        clock.advance(1)
    assert began == [1.0, 11.0, 21.0]
    waiting = Deferred()
    alarm.ring()
    # The work is under way.
    alarm.ring()
    assert began == [1.0, 11.0, 21.0, 25.0]
    background.stop()
    assert clock.getDelayedCalls() == []
    clock.advance(100)
    assert len(began) == 4


@pytest_twisted.ensureDeferred
async def test_consumed_until_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Events come until the end, which also ends the first consumer if the second one failed."""
    mq, heard, background = SimpleMQ(), list[Any](), Background()
    await background.consume(SimpleNamespace(mq=mq), lambda *event: heard.append(event), ("a",))
    monkeypatch.setattr(mq, "startConsuming", lambda *_: fail(ConnectionError("no router")))
    with pytest.raises(ConnectionError):
        await background.consume(SimpleNamespace(mq=mq), heard.append, ("b",))
    mq.produce(("a",), "first")
    await background.end()
    mq.produce(("a",), "second")
    assert heard == [(("a",), "first")]
