"""The client and the program on the worker obey the same rules about what they fetch."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from buildbot_koji import fetcher
from txkoji import Connection, RemoteFile
from txkoji.exceptions import TransferError
from txkoji.testing import FakeHub

CONTENT = bytes(range(256)) * 4000
DIGEST = ("sha256", hashlib.sha256(CONTENT).hexdigest())

Fetch = Callable[[RemoteFile, Path], Awaitable[str]]
"""Fetches a file into a directory; gives what went wrong, or nothing."""


@pytest.fixture(params=["client", "worker"])
def fetch(request: pytest.FixtureRequest, koji: Connection, tmp_path: Path) -> Fetch:
    """Fetch by the client, and by the program on a worker."""
    program = tmp_path / "program"

    async def by_client(file: RemoteFile, directory: Path) -> str:
        koji.deadline = 5
        try:
            await koji.download([file], directory)
        except TransferError as error:
            return str(error)
        return ""

    async def by_worker(file: RemoteFile, directory: Path) -> str:
        program.write_bytes(fetcher.archive())
        wanted = {"name": file.name, "url": file.url, "size": file.size, "digest": file.digest}
        order = {
            "directory": str(directory),
            "files": [wanted],
            "certificates": None,
            "verify": True,
            "at_once": 2,
        }
        done = await deferToThread(
            subprocess.run,
            [sys.executable, program],
            input=json.dumps(order).encode(),
            capture_output=True,
        )
        assert not done.stderr, done.stderr
        return "" if done.returncode == 0 else done.stdout.decode()

    return by_client if request.param == "client" else by_worker


def there(hub: FakeHub, content: bytes = CONTENT) -> str:
    """Put a file on the hub; returns its address."""
    hub.files.write("work/big", content)
    return f"{hub.topurl}/work/big"


@pytest_twisted.ensureDeferred
async def test_more_than_announced(fetch: Fetch, hub: FakeHub, tmp_path: Path) -> None:
    """A server that sends more than the hub announces fills no disk."""
    trouble = await fetch(RemoteFile("big", there(hub), 1000), tmp_path / "d")
    assert "more than the 1,000 bytes that the hub announces arrived" in trouble
    assert list((tmp_path / "d").iterdir()) == []


@pytest_twisted.ensureDeferred
async def test_complete_part(fetch: Fetch, hub: FakeHub, tmp_path: Path) -> None:
    """A part that is complete already is the file, also where the hub does not tell the size."""
    (tmp_path / ".big.part").write_bytes(CONTENT)
    assert await fetch(RemoteFile("big", there(hub), None, DIGEST), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == CONTENT


@pytest_twisted.ensureDeferred
async def test_part_of_a_longer_file(fetch: Fetch, hub: FakeHub, tmp_path: Path) -> None:
    """A part that is longer than the file is of another one: it is fetched from its start."""
    (tmp_path / ".big.part").write_bytes(CONTENT * 2)
    assert await fetch(RemoteFile("big", there(hub), None, DIGEST), tmp_path) == ""
    assert (tmp_path / "big").read_bytes() == CONTENT


@pytest_twisted.ensureDeferred
async def test_part_that_is_a_link(fetch: Fetch, hub: FakeHub, tmp_path: Path) -> None:
    """A part that is a symbolic link is removed; its target is untouched."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    directory = tmp_path / "d"
    directory.mkdir()
    (directory / ".big.part").symlink_to(precious)
    assert await fetch(RemoteFile("big", there(hub), len(CONTENT), DIGEST), directory) == ""
    assert (directory / "big").read_bytes() == CONTENT
    assert precious.read_bytes() == b"mine"
    assert not (directory / "big").is_symlink()
