"""Files to a hub, also through a network that breaks them."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.support.ends import AtEnd
from tests.support.fault_proxy import Fate, FaultProxy
from txkoji import Connection, task_states
from txkoji.exceptions import GenericError, KojiLoginException, TransferError
from txkoji.files.uploads import CHUNK, Progress, new_directory
from txkoji.retry import RetryPolicy
from txkoji.testing import FakeHub
from txkoji.testing.formats.rpms import make_rpm

pytestmark = pytest.mark.hub(anonymous_user=None, carol=[])

SIZE = 3 * CHUNK + 12345


@pytest.fixture
def content() -> bytes:
    return random.Random(1).randbytes(SIZE)


@pytest.fixture
def path(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "hello-1-1.src.rpm"
    path.write_bytes(content)
    return path


@pytest.fixture
def connection_options() -> dict[str, Any]:
    return {
        "deadline": 20,
        "request_timeout": 2,
        "retry": RetryPolicy(first=0.01, ceiling=0.05),
    }


def on_hub(hub: FakeHub, place: str) -> bytes:
    return bytes(hub.files.read(f"work/{place}"))


@pytest_twisted.ensureDeferred
async def test_file(koji: Connection, hub: FakeHub, path: Path, content: bytes) -> None:
    """A file arrives complete, in pieces of 1 MiB, in its own directory; progress is reported."""
    steps: list[Progress] = []
    place = await koji.upload(path, progress=steps.append)
    assert re.fullmatch(r"cli-build/\d+\.\d+\.[a-zA-Z]{8}/hello-1-1\.src\.rpm", place)
    assert on_hub(hub, place) == content
    assert [(step.done, step.total) for step in steps] == [
        (CHUNK, SIZE),
        (2 * CHUNK, SIZE),
        (3 * CHUNK, SIZE),
        (SIZE, SIZE),
    ]
    assert all(step.rate > 0 for step in steps)


@pytest_twisted.ensureDeferred
async def test_build_of_an_upload(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """What an upload gives is what ``build`` takes."""
    path = tmp_path / "hello-2-1.src.rpm"
    path.write_bytes(make_rpm("hello", "2", "1", "noarch", source=True))
    place = await koji.upload(path)
    task_id = await koji.build(place, "demo", {"scratch": True})
    from txkoji import TaskWatcher

    tree = await TaskWatcher(koji, reactor, interval=0.05).watch(task_id).done
    assert tree.root.state == task_states.CLOSED


@pytest_twisted.ensureDeferred
async def test_empty_file(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """An empty file is there afterwards, too."""
    path = tmp_path / "empty"
    path.touch()
    assert on_hub(hub, await koji.upload(path)) == b""


@pytest_twisted.ensureDeferred
async def test_going_on(koji: Connection, hub: FakeHub, path: Path, content: bytes) -> None:
    """An interrupted upload resumes where it stopped."""
    hub.files.write_at("work/mine/hello-1-1.src.rpm", 0, content[: CHUNK + 77])
    steps: list[Progress] = []
    place = await koji.upload(path, directory="mine", progress=steps.append)
    assert on_hub(hub, place) == content
    assert [step.done for step in steps] == [2 * CHUNK + 77, 3 * CHUNK + 77, SIZE]


@pytest.mark.parametrize("there", [b"another file", b"x" * (SIZE + 1)])
@pytest_twisted.ensureDeferred
async def test_another_file_in_its_place(
    koji: Connection, hub: FakeHub, path: Path, content: bytes, there: bytes
) -> None:
    """What is there and is not a prefix of this file is replaced."""
    hub.files.write_at("work/mine/hello-1-1.src.rpm", 0, there)
    assert on_hub(hub, await koji.upload(path, directory="mine")) == content


@pytest_twisted.ensureDeferred
async def test_session_runs_out(koji: Connection, hub: FakeHub, path: Path, content: bytes) -> None:
    """A session that runs out between two pieces does not end the upload."""

    def expire(step: Progress) -> None:
        if step.done == CHUNK:
            hub.sessions.expire_all()

    assert on_hub(hub, await koji.upload(path, progress=expire)) == content


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize(
    "fate", [Fate.RESET_BEFORE, Fate.RESET_AFTER, Fate.TRUNCATE, Fate.CORRUPT, Fate.STALL]
)
@pytest_twisted.ensureDeferred
async def test_broken_network(
    connect: Callable[..., Connection],
    hub: FakeHub,
    path: Path,
    content: bytes,
    fate: Fate,
    protected: bool,
    at_end: AtEnd,
) -> None:
    """Each piece that is lost, cut or changed on its way is sent again."""
    hub.reads_callnum_header = protected
    pieces = 0

    def decide(request: bytes) -> Fate:
        nonlocal pieces
        if b"application/octet-stream" not in request:
            return Fate.PASS
        pieces += 1
        return fate if pieces in (1, 4) else Fate.PASS

    proxy = FaultProxy(hub.url, decide)
    at_end(proxy.stop)
    koji = connect(server=proxy.url)
    await koji.login()
    assert on_hub(hub, await koji.upload(path)) == content
    assert proxy.fates[fate] == 2


@pytest_twisted.ensureDeferred
async def test_network_that_changes_everything(
    connect: Callable[..., Connection],
    hub: FakeHub,
    path: Path,
    at_end: AtEnd,
) -> None:
    """A piece that keeps arriving corrupted ends the upload; the error says which."""

    def decide(request: bytes) -> Fate:
        return Fate.CORRUPT if b"application/octet-stream" in request else Fate.PASS

    proxy = FaultProxy(hub.url, decide)
    at_end(proxy.stop)
    koji = connect(server=proxy.url)
    await koji.login()
    with pytest.raises(TransferError, match="5 times at byte 0: something between"):
        await koji.upload(path)


@pytest_twisted.ensureDeferred
async def test_what_cannot_be_uploaded(
    koji: Connection, connect: Callable[..., Connection], hub: FakeHub, path: Path
) -> None:
    """No file, no login, another user's directory: one line each."""
    with pytest.raises(TransferError, match=r"can't read .*absent: No such file or directory"):
        await koji.upload(path.with_name("absent"))
    with pytest.raises(TransferError, match="Is a directory"):
        await koji.upload(path.parent)
    anonymous = connect()
    with pytest.raises(KojiLoginException, match=r"log in to http://.* before you upload"):
        await anonymous.upload(path)
    await koji.upload(path, directory="carols")
    hub.add_user("dave", password="dave")
    other = connect(user="dave", password="dave")
    await other.login()
    path.write_bytes(b"another")
    with pytest.raises(GenericError, match="not owner"):
        await other.upload(path, directory="carols")


def test_directories() -> None:
    """No two uploads share a directory by chance."""
    assert len({new_directory(5.0) for _ in range(1000)}) == 1000


@pytest_twisted.ensureDeferred
async def test_pipe(koji: Connection, tmp_path: Path) -> None:
    """A pipe is refused at once, without waiting for a writer."""
    os.mkfifo(tmp_path / "pipe.src.rpm")
    with pytest.raises(TransferError, match="it is no regular file"):
        await koji.upload(tmp_path / "pipe.src.rpm")


@pytest_twisted.ensureDeferred
async def test_file_that_cannot_be_read(koji: Connection) -> None:
    """A file that fails while it is read is one line."""
    with pytest.raises(TransferError, match="can't read /proc/self/mem: Input/output error"):
        await koji.upload("/proc/self/mem")


@pytest.mark.parametrize("name", [b"caf\xe9.src.rpm", b"a\1.src.rpm", "\ufffe".encode(), b"a\0b"])
@pytest_twisted.ensureDeferred
async def test_name_that_cannot_travel(koji: Connection, tmp_path: Path, name: bytes) -> None:
    """A name that is not UTF-8, or that XML can't hold, is refused in one line."""
    path = tmp_path / os.fsdecode(name)
    with pytest.raises(TransferError, match=r"no hub takes the name of .*: rename the file"):
        await koji.upload(path)


@pytest_twisted.ensureDeferred
async def test_file_that_changes(koji: Connection, path: Path, content: bytes) -> None:
    """A file that is written to meanwhile is not taken for whole, even at the same size."""
    changed = []

    def change(_now: Progress) -> None:
        if not changed:
            changed.append(path.write_bytes(content[::-1]))
            os.utime(path, ns=(1, 1))

    with pytest.raises(TransferError, match="changed while it was uploaded: upload it again"):
        await koji.upload(path, progress=change)
