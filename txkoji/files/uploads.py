"""Upload files to a hub in verified chunks, resuming where an earlier upload stopped.

A hub keeps an upload below its work directory, in a directory that belongs to the first user who
uploads to it. ``build`` takes the path of an uploaded source RPM for its source.
"""

from __future__ import annotations

import os
import secrets
import string
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlencode

from txkoji._deferreds import in_thread
from txkoji._interfaces import Clock
from txkoji._values import text
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import KojiLoginException, ProtocolError, TransferError
from txkoji.files.outputs import byte_count
from txkoji.hub.answers import a_struct
from txkoji.hub.client import HubClient
from txkoji.profiles import open_regular

CHUNK = 1 << 20
"""Bytes in one request: what Koji's own client sends."""

ATTEMPTS = 5
"""How often a chunk that arrives corrupted is sent."""


@dataclass(frozen=True)
class Progress:
    """The progress of a transfer.

    Attributes:
        done: bytes transferred.
        total: bytes of the whole file.
        rate: bytes per second since the transfer started, not counting what was present before.
    """

    done: int
    total: int
    rate: float


class Tally:
    """Counts the bytes of a transfer, ``done`` of them from an earlier one; reports progress."""

    def __init__(
        self,
        clock: Clock,
        total: int,
        progress: Callable[[Progress], Any] | None,
        *,
        done: int = 0,
    ) -> None:
        self._elapsed = ElapsedTime(clock)
        self._total = total
        self._progress = progress
        self._started = self._elapsed.seconds()
        self._done = done
        self._fresh = 0

    def add(self, count: int, *, fresh: bool = True) -> None:
        """Count bytes that were transferred, or (not fresh) that an earlier transfer left."""
        self._done += count
        self._fresh += count if fresh else 0
        if self._progress is not None:
            seconds = max(self._elapsed.seconds() - self._started, 1e-6)
            total = max(self._total, self._done)
            self._progress(Progress(self._done, total, self._fresh / seconds))


def new_directory(now: float) -> str:
    """Return a new directory for an upload, named as Koji's own client does."""
    letters = "".join(secrets.choice(string.ascii_letters) for _ in range(8))
    return f"cli-build/{now!r}.{letters}"


async def upload(
    client: HubClient,
    path: Path,
    directory: str,
    progress: Callable[[Progress], Any] | None,
) -> str:
    """Upload a file; see :meth:`txkoji.Connection.upload`."""
    if client.session is None:
        raise KojiLoginException(f"log in to {client.url} before you upload {path}")
    if text(path.name) is None:
        raise TransferError(f"no hub takes the name of {path!r}: rename the file")
    try:
        file = await in_thread(client.reactor, open_regular, path)
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        # A chunk is read in a thread: a moment passes between two requests.
        with client.transport:
            await _Upload(client, file, path, directory, progress).run()
    except OSError as error:
        raise _unreadable(path, error) from error
    finally:
        file.close()
    return f"{directory}/{path.name}"


def _unreadable(path: Path, error: Exception) -> TransferError:
    return TransferError(f"can't read {path}: {getattr(error, 'strerror', None) or error}")


def _identity(file: BinaryIO) -> tuple[int, int]:
    """Return the size and the time of a file, which change when it is written to."""
    status = os.fstat(file.fileno())
    return status.st_size, status.st_mtime_ns


@dataclass
class _Upload:
    """One file being uploaded."""

    client: HubClient
    file: BinaryIO
    path: Path
    directory: str
    progress: Callable[[Progress], Any] | None
    doubtful: bool = False

    def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        return in_thread(self.client.reactor, function, *args)

    async def run(self) -> None:
        before = await self._in_thread(_identity, self.file)
        size = before[0]
        begin = await self._resume_offset(size)
        if begin < size or not size:
            await self._send_from(begin, size)
        # The hub has verified each chunk; the whole file is only worth rereading if a chunk was
        # seen to arrive corrupted.
        verify = "adler32" if self.doubtful else None
        there = await self._check(verify)
        wanted = await self._sum(size) if self.doubtful else ""
        if await self._in_thread(_identity, self.file) != before:
            raise TransferError(f"{self.path} changed while it was uploaded: upload it again")
        if there is None or there != (size, wanted):
            raise TransferError(f"{self.path} arrived broken at {self.client.url}: upload it again")

    async def _send_from(self, begin: int, size: int) -> None:
        tally = Tally(self.client.reactor, size, self.progress, done=begin)
        offset = begin
        chunk = await self._read()
        while True:
            if not chunk and size:
                raise TransferError(f"{self.path} became shorter while it was uploaded")
            # The next piece is read while this one is in flight; the file stays open until then.
            reading = self._read()
            try:
                await self._send(chunk, offset)
            finally:
                following = await reading
            offset += len(chunk)
            tally.add(len(chunk))
            if offset >= size:
                return
            chunk = following

    def _read(self) -> Any:
        return self._in_thread(self.file.read, CHUNK)

    async def _sum(self, size: int) -> str:
        """Return the adler32 of a prefix of the file, and leave it read up to there."""
        await self._in_thread(self.file.seek, 0)
        total = 1
        while size:
            chunk = await self._in_thread(self.file.read, min(CHUNK, size))
            if not chunk:
                break
            total = zlib.adler32(chunk, total)
            size -= len(chunk)
        return _hex(total)

    async def _resume_offset(self, size: int) -> int:
        """Return how much an earlier upload left, if that is a prefix of this file.

        Returns:
            How many bytes; the file is read up to there.
        """
        there = await self._check("adler32")
        if there is not None and 0 < there[0] <= size and await self._sum(there[0]) == there[1]:
            return there[0]
        await self._in_thread(self.file.seek, 0)
        return 0

    async def _check(self, verify: str | None) -> tuple[int, str] | None:
        """Return the size and digest of the hub's copy, None if it has none."""
        there = await self.client.call("checkUpload", self.directory, self.path.name, verify=verify)
        if there is None:
            return None
        there = a_struct(there, "checkUpload", "size")
        size = byte_count(there["size"])
        if size is None:
            raise ProtocolError(
                f"{self.client.url} gives the size of an upload as {there['size']!r}"
            )
        return size, str(there.get("hexdigest", ""))

    async def _send(self, chunk: bytes, offset: int) -> None:
        query = {
            "filename": self.path.name,
            "filepath": self.directory,
            "fileverify": "adler32",
            "offset": offset,
        }
        if offset == 0:
            # The hub may have another file there, or this chunk if only its reply was lost.
            query["overwrite"] = 1
        wanted = {"size": len(chunk), "hexdigest": _hex(zlib.adler32(chunk))}
        for _ in range(ATTEMPTS):
            reply = await self.client.send_chunk(urlencode(query), chunk)
            if not isinstance(reply, dict):
                raise ProtocolError(f"{self.client.url} does not say what arrived of a file")
            if {key: reply.get(key) for key in wanted} == wanted:
                return
            self.doubtful = True
        raise TransferError(
            f"{self.path} arrives broken at {self.client.url}, {ATTEMPTS} times at byte"
            f" {offset:,}: something between here and there changes it"
        )


def _hex(number: int) -> str:
    return f"{number & 0xFFFFFFFF:08x}"
