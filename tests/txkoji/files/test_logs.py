"""Logs are read while they grow, and a truncated one is detected."""

from __future__ import annotations

from functools import wraps
from typing import Any

import pytest
import pytest_twisted

from txkoji import Connection
from txkoji.exceptions import GenericError, NotXMLRPC
from txkoji.files.logs import LogPiece
from txkoji.testing import FakeHub
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.table import METHODS

pytestmark = pytest.mark.hub(anonymous_user=None)

TASK = 7
PATH = f"{task_directory(TASK)}/build.log"


async def after(koji: Connection, piece: LogPiece) -> LogPiece:
    """Read what comes after a piece."""
    return await koji.read_log(TASK, "build.log", piece.offset, tail=piece.tail)


@pytest_twisted.ensureDeferred
async def test_log_that_grows(koji: Connection, hub: FakeHub) -> None:
    """Each piece starts where the one before ended; nothing new is an empty piece."""
    piece = await koji.read_log(TASK, "build.log")
    assert piece == LogPiece(b"", 0)
    hub.files.write(PATH, b"one\n")
    piece = await after(koji, piece)
    assert (piece.data, piece.offset, piece.restarted) == (b"one\n", 4, False)
    piece = await after(koji, piece)
    assert (piece.data, piece.offset, piece.restarted) == (b"", 4, False)
    hub.files.append(PATH, b"two \xff\n")
    piece = await after(koji, piece)
    assert (piece.data, piece.offset, piece.restarted) == (b"two \xff\n", 10, False)
    assert b"two" not in repr(piece).encode()


@pytest_twisted.ensureDeferred
async def test_log_that_comes_meanwhile(
    koji: Connection, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that was not there, and is listed a moment after, is read."""
    method = METHODS["listTaskOutput"]

    @wraps(method)
    def uploaded(*args: Any, **kwargs: Any) -> Any:
        hub.files.write(PATH, b"one\n")
        return method(*args, **kwargs)

    monkeypatch.setitem(METHODS, "listTaskOutput", uploaded)
    piece = await koji.read_log(TASK, "build.log")
    assert (piece.data, piece.offset, piece.restarted) == (b"one\n", 4, False)


@pytest_twisted.ensureDeferred
async def test_log_on_another_volume(
    koji: Connection, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that the builder wrote to another volume is followed there."""
    download = METHODS["downloadTaskOutput"]

    @wraps(METHODS["listTaskOutput"])
    def listed(*_: Any, stat: bool, all_volumes: bool) -> Any:
        assert stat
        assert all_volumes
        return {"build.log": {"fast": {"st_size": str(hub.files.size(PATH))}}}

    @wraps(download)
    def downloaded(*args: Any, volume: Any = None, **kwargs: Any) -> Any:
        if volume != "fast":
            raise GenericError("no file")
        return download(*args, **kwargs)

    monkeypatch.setitem(METHODS, "listTaskOutput", listed)
    monkeypatch.setitem(METHODS, "downloadTaskOutput", downloaded)
    hub.files.write(PATH, b"one\n")
    piece = await koji.read_log(TASK, "build.log")
    assert (piece.data, piece.offset, piece.restarted) == (b"one\n", 4, False)
    hub.files.append(PATH, b"two\n")
    piece = await after(koji, piece)
    assert (piece.data, piece.offset, piece.restarted) == (b"two\n", 8, False)
    assert await koji.log_size(TASK, "build.log") == 8


@pytest_twisted.ensureDeferred
async def test_large_log(koji: Connection, hub: FakeHub) -> None:
    """A piece is no larger than it may be, and the pieces are the whole."""
    content = b"".join(b"line %d\n" % number for number in range(1000))
    hub.files.write(PATH, content)
    piece = LogPiece(b"", 0)
    found = b""
    while True:
        piece = await koji.read_log(
            TASK, "build.log", piece.offset, tail=piece.tail, max_bytes=1000
        )
        if not piece.data:
            break
        assert len(piece.data) <= 1000
        assert not piece.restarted
        found += piece.data
    assert found == content


@pytest.mark.parametrize(
    "written", [b"", b"new\n", b"what came before!\nmore\n", b"new and longer" * 9]
)
@pytest_twisted.ensureDeferred
async def test_log_that_starts_over(koji: Connection, hub: FakeHub, written: bytes) -> None:
    """A log that a restarted task truncated is read from its begin, also where it grew longer."""
    hub.files.write(PATH, b"what came before\n")
    piece = await koji.read_log(TASK, "build.log")
    hub.files.write(PATH, written)
    piece = await after(koji, piece)
    assert (piece.data, piece.offset, piece.restarted) == (written, len(written), True)


@pytest_twisted.ensureDeferred
async def test_offset_alone(koji: Connection, hub: FakeHub) -> None:
    """The offset alone shows that a log was truncated, or is gone."""
    hub.files.write(PATH, b"12345678")
    piece = await koji.read_log(TASK, "build.log", 5)
    assert (piece.data, piece.restarted) == (b"678", False)
    piece = await koji.read_log(TASK, "build.log", 9)
    assert (piece.data, piece.offset, piece.restarted) == (b"12345678", 8, True)
    hub.files.remove(PATH)
    piece = await koji.read_log(TASK, "build.log", 8)
    assert piece == LogPiece(b"", 0, restarted=True)


@pytest.mark.parametrize("answer", ["ä", "abc", None, 7, [], {}])
@pytest_twisted.ensureDeferred
async def test_part_that_is_not_base64(koji: Connection, hub: FakeHub, answer: Any) -> None:
    """A reply that is no part of a log is an error; one that is too long is cut."""

    def odd(name: str, _: list[Any], run: Any) -> Any:
        return answer if name == "downloadTaskOutput" else run()

    hub.answer = odd
    with pytest.raises(NotXMLRPC, match=r"a part of build\.log that is not base64"):
        await koji.read_log(TASK, "build.log")
    answer = "YWJjZGVm"
    assert (await koji.read_log(TASK, "build.log", max_bytes=3)).data == b"abc"


@pytest_twisted.ensureDeferred
async def test_name_that_a_hub_refuses(koji: Connection, hub: FakeHub) -> None:
    """What a hub refuses for another reason than that there is nothing is the caller's to see."""
    hub.files.write(f"{task_directory(TASK)}/a..log", b"x")
    with pytest.raises(GenericError, match="Invalid file name"):
        await koji.read_log(TASK, "a..log")
