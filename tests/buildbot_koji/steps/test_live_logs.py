"""Logs that are followed: what is shown of odd ones, without a master."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet.defer import succeed
from twisted.internet.task import Clock

from buildbot_koji.steps.view.live_logs import RESTARTS, LiveLogs, LogText
from txkoji import LogPiece, task_states


@pytest.mark.parametrize(
    ("pieces", "shown"),
    [
        ([b"one\ntwo", b" more\n"], ["one\n", "two more\n"]),
        ([b"\r10%\r20%", b"\r30%\r", b"\nend\n"], ["\r10%\r", "20%\r", "30%\r\nend\n"]),
        ([b"a\r", b"\nb\r\n"], ["", "a\r\nb\r\n"]),
        ([b"\xe2\x82", b"\xac\n", b"\xff\x00\n"], ["", "\u20ac\n", "\ufffd\0\n"]),
        ([b"x" * 9, b"y" * 9], ["", ""]),
    ],
)
def test_lines(pieces: list[bytes], shown: list[str]) -> None:
    """Lines are shown as soon as they are complete; those of a progress bar are, too."""
    text = LogText(100)
    assert [text.take(piece) for piece in pieces] == shown


class OddHub:
    """Has a log that is another one at each read."""

    followed_logs = 0

    def __init__(self) -> None:
        self.reads = 0
        self.connection: Any = self
        self.reactor = Clock()
        self.settings = SimpleNamespace(poll_interval=1)

    def read_log(self, task_id: int, name: str, offset: int, *, tail: bytes, max_bytes: int) -> Any:
        """Return another log."""
        assert (task_id, name) == (7, "build.log")
        assert (offset, tail) == ((2, b"x") if self.reads else (0, b""))
        assert 0 < max_bytes <= 1000
        self.reads += 1
        return succeed(LogPiece(b"%d\n" % self.reads, 2, restarted=self.reads > 1, tail=b"x"))


class Step:
    """Keeps what is written to its logs."""

    def __init__(self, hub: Any = None) -> None:
        self.hub = hub
        self.logs: dict[str, Step] = {}
        self.written = ""
        self.build = SimpleNamespace(properties=SimpleNamespace(cleanupTextFromSecrets=str))

    def addLog(self, title: str, kind: str) -> Any:  # noqa: N802
        assert (title, kind) == ("build.log", "t")
        return succeed(self)

    def addContent(self, text: str) -> Any:  # noqa: N802
        self.written += text
        return succeed(None)

    def finish(self) -> Any:
        return succeed(None)

    async def until_stored(self, write: Any) -> Any:
        return await write()


def test_log_that_never_stays_the_same() -> None:
    """A log that starts over at each read is given up: neither the hub nor the log takes more."""
    hub = OddHub()
    step = Step(hub)
    logs = LiveLogs(step, True, 1000)
    task = SimpleNamespace(id=7, method="buildArch", get={}.get)
    change: Any = SimpleNamespace(task=task, new_state=task_states.OPEN, is_final=False)
    logs.changed(change)
    for _ in range(100):
        hub.reactor.advance(2)
    assert hub.reads == RESTARTS + 2
    assert step.written.count("its log starts over") == RESTARTS
    assert step.written.endswith("--- build.log keeps starting over: no longer shown ---\n")
    logs.stop()
