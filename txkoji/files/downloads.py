"""Files from a hub: straight to disk, from where an earlier download stopped, compared in the end.

A file has its name only when it is whole and compared; before, it is a hidden ``.name.part``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from twisted.internet.defer import Deferred, DeferredSemaphore, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

from txkoji import paths, task_states
from txkoji.exceptions import KojiException, TransferError
from txkoji.files import rpm
from txkoji.files.uploads import Progress
from txkoji.hub.client import HubClient
from txkoji.hub.transport import PACE_BYTES

__all__ = ["RemoteFile", "download", "files_of_build", "files_of_task"]

RPM = "rpm"
"""The kind of a digest that an RPM holds of itself."""

CHECKSUM_TYPES = {0: "md5", 1: "sha1", 2: "sha256"}
"""Koji's numbers (CHECKSUM_TYPES)."""


@dataclass(frozen=True)
class RemoteFile:
    """A downloadable file on the hub.

    Attributes:
        name: its path below the target directory, parts separated by slashes.
        url: its address.
        size: its bytes, or None where the hub does not tell.
        digest: the kind (``md5``, ``sha1``, ``sha256``, or ``rpm`` for the digest that an RPM holds
            of itself) and the hex digits, empty where the RPM's own word is all that there is; None
            for no digest.
    """

    name: str
    url: str
    size: int | None = None
    digest: tuple[str, str] | None = None
    grows: bool = False

    def local_path(self, directory: Path) -> Path:
        """Return the path of the file below a directory.

        Raises:
            TransferError: the name, which the hub chose, leads out of the directory.
        """
        parts = PurePosixPath(self.name).parts
        if not parts or self.name.startswith("/") or ".." in parts or "\0" in self.name:
            raise TransferError(
                f"the hub names a file outside of the directory: {self.name!r}: refused"
            )
        return directory.joinpath(*parts)


async def files_of_task(
    client: HubClient, task_id: int, *, topurl: str | None = None
) -> list[RemoteFile]:
    """List the files that a task left, on all volumes.

    Args:
        client: asks the hub.
        task_id: the task.
        topurl: where the hub's files are, by default what the profile says.

    Raises:
        TransferError: the profile does not say where files are, or there is no such task.
    """
    base = topurl or _topurl(client)
    found = await client.call("listTaskOutput", task_id, stat=True, all_volumes=True)
    task = await client.call("getTaskInfo", task_id)
    if task is None:
        raise TransferError(f"{client.url} has no task {task_id}")
    files = []
    for name, volumes in sorted(found.items()):
        # The same file may lie on several volumes.
        volume = min(volumes, key=lambda volume: (volume != paths.DEFAULT_VOLUME, volume))
        files.append(
            RemoteFile(
                name,
                paths.task_output_url(base, task_id, name, volume=volume),
                int(volumes[volume]["st_size"]),
                (RPM, "") if name.endswith(".rpm") else None,
                grows=task.state in task_states.ACTIVE_GROUP,
            )
        )
    return files


async def files_of_build(
    client: HubClient,
    build: int | str,
    arches: Sequence[str] | None,
    *,
    types: Sequence[str] | None = None,
    key: str | None = None,
    or_unsigned: bool = False,
    topurl: str | None = None,
) -> list[RemoteFile]:
    """List the RPMs and archives of a build.

    Args:
        client: asks the hub.
        build: its id or its NVR.
        arches: only RPMs of these architectures (``src`` is one), and no archives; None for all.
        types: what to list: ``rpm``, or types of archives such as ``maven`` or ``image``; None for
            all.
        key: list the copies of RPMs that this key has signed.
        or_unsigned: an RPM that the key has not signed is listed as it is, not refused.
        topurl: where the hub's files are, by default what the profile says.

    Raises:
        TransferError: the profile does not say where files are, there is no such build, or an RPM
            is not signed.
    """
    base = topurl or _topurl(client)
    info = await client.call("getBuild", build)
    if info is None:
        raise TransferError(f"{client.url} has no build {build!r}")
    place = (info.name, info.version, info.release)
    volume = info.get("volume_name")
    files = []
    rpms = await client.call("listRPMs", buildID=info.id) if _wanted("rpm", types) else []
    for each in rpms:
        if arches is not None and each.arch not in arches:
            continue
        name = f"{each.nvr}.{each.arch}.rpm"
        signed = key
        if key is not None and not await client.call("queryRPMSigs", rpm_id=each.id, sigkey=key):
            if not or_unsigned:
                raise TransferError(f"{name} is not signed by the key {key}")
            signed = None
        path = paths.rpm_path(*place, name, each.arch, volume=volume, key=signed)
        # A signature makes the file longer; what is signed stays what it is.
        size = int(each.size) if signed is None else None
        # What RPM 6 has there ("sha256::...") is no digest of the file's content.
        digest = None if "::" in each.payloadhash else (RPM, each.payloadhash)
        files.append(RemoteFile(name, paths.url_of(base, path), size, digest))
    if arches is not None and types is None:
        return files
    directory = paths.build_directory(*place, volume=volume)
    for kind in await _archive_types(client, info.id, types):
        for each in await client.call("listArchives", buildID=info.id, type=kind):
            url = paths.url_of(base, paths.archive_path(directory, each))
            digest = (CHECKSUM_TYPES[each.checksum_type], each.checksum)
            files.append(RemoteFile(each.filename, url, int(each.size), digest))
    return files


def _wanted(kind: str, types: Sequence[str] | None) -> bool:
    return types is None or kind in types


async def _archive_types(
    client: HubClient, build_id: int, types: Sequence[str] | None
) -> list[str]:
    if types is not None:
        return [kind for kind in types if kind != "rpm"]
    archives = await client.call("listArchives", buildID=build_id)
    return sorted({each.btype for each in archives})


def _topurl(client: HubClient) -> str:
    if not client.profile.topurl:
        raise TransferError(
            f"the Koji profile {client.profile.name!r} does not say where the hub's files are:"
            " set topurl"
        )
    return client.profile.topurl


async def download(
    client: HubClient,
    files: Sequence[RemoteFile],
    directory: Path,
    *,
    at_once: int,
    progress: Callable[[Progress], Any] | None,
) -> list[Path]:
    """Download files into a directory; see :meth:`txkoji.Connection.download_task`."""
    targets = [file.local_path(directory) for file in files]
    tally = _Tally(client.reactor, sum(file.size or 0 for file in files), progress)
    turns = DeferredSemaphore(at_once)
    transfers = [
        turns.run(_download_one, client, file, target, tally)
        for file, target in zip(files, targets, strict=True)
    ]
    try:
        await gatherResults(transfers, consumeErrors=True)
    except Exception as error:
        for transfer in transfers:
            transfer.cancel()
        # gatherResults wraps the first failure: the others are its consequences.
        failure = getattr(error, "subFailure", None)
        if failure is None:
            raise
        raise failure.value from None
    return targets


class _Tally:
    """Counts the bytes of several files."""

    def __init__(self, clock: Any, total: int, progress: Callable[[Progress], Any] | None) -> None:
        self._clock = clock
        self._total = total
        self._progress = progress
        self._started = clock.seconds()
        self._done = 0
        self._fresh = 0

    def add(self, count: int, *, fresh: bool) -> None:
        self._done += count
        self._fresh += count if fresh else 0
        if self._progress is not None:
            seconds = max(self._clock.seconds() - self._started, 1e-6)
            self._progress(
                Progress(self._done, max(self._total, self._done), self._fresh / seconds)
            )


@dataclass
class _Sink:
    """Writes what comes to the hidden file.

    Attributes:
        part: the file.
        tally: counts all bytes.
        received: the bytes that came.
        pieced: whether the file is put together of several answers.
    """

    part: Path
    tally: _Tally
    received: int = 0
    pieced: bool = False
    _counted: int = 0
    _file: BinaryIO | None = field(default=None, repr=False)

    @property
    def have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def begin(self, offset: int) -> None:
        """Take what comes from an offset on; 0 where the server sends all of it."""
        self._file = self.part.open("r+b" if offset else "wb")
        self._file.seek(offset)
        self._file.truncate()
        self.pieced = self.pieced or offset > 0
        self.tally.add(offset - self._counted, fresh=False)
        self._counted = offset

    def feed(self, data: bytes) -> None:
        assert self._file is not None
        self._file.write(data)
        self.received += len(data)
        self._counted += len(data)
        self.tally.add(len(data), fresh=True)

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _download_one(
    client: HubClient, file: RemoteFile, target: Path, tally: _Tally
) -> Deferred[None]:
    return Deferred.fromCoroutine(_Download(client, file, target, tally).run())


@dataclass
class _Download:
    """One file on its way."""

    client: HubClient
    file: RemoteFile
    target: Path
    tally: _Tally

    async def run(self) -> None:
        part = self.target.with_name(f".{self.target.name}.part")
        sink = _Sink(part, self.tally)
        try:
            part.parent.mkdir(parents=True, exist_ok=True)
            sink.pieced = sink.have > 0
            await self._receive(sink)
            trouble = await self._in_thread(self._trouble, part)
            if trouble and sink.pieced:
                # An earlier download may have left a part of another file: start from nothing.
                part.unlink()
                await self._receive(sink)
                trouble = await self._in_thread(self._trouble, part)
            if trouble:
                part.unlink()
                raise TransferError(f"{self.file.url} did not arrive whole: {trouble}")
            part.replace(self.target)
        except OSError as error:
            raise TransferError(f"can't write {self.target}: {error.strerror}") from error

    async def _receive(self, sink: _Sink) -> None:
        reactor = self.client.reactor
        progressed = reactor.seconds()
        failures = 0
        while self.file.size is None or sink.have < self.file.size or not self.file.size:
            before = sink.received
            try:
                await self.client.receive(self.file.url, sink.have, sink)
            except KojiException as error:
                # A server that drips makes no progress that is worth waiting for.
                if sink.received - before >= PACE_BYTES:
                    failures, progressed = 0, reactor.seconds()
                failures += 1
                pause = self.client.pause_after(error, failures, progressed)
                if pause is None:
                    raise
            else:
                return
            finally:
                sink.close()
            await deferLater(reactor, pause, lambda: None)

    def _trouble(self, part: Path) -> str | None:
        """Compare a file with what the hub says of it; returns what is wrong, or None. Blocks."""
        size = part.stat().st_size
        known = self.file.size
        if known is not None and (size < known or (size > known and not self.file.grows)):
            return f"it has {size:,} bytes instead of {known:,}"
        if self.file.digest is None:
            return None
        kind, wanted = self.file.digest
        try:
            found = rpm.payload_hash(part) if kind == RPM else _digest(part, kind)
        except ValueError as error:
            return str(error)
        if not wanted:
            return None
        return None if found == wanted else f"its {kind} digest is {found} instead of {wanted}"

    def _in_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        reactor = self.client.reactor
        return deferToThreadPool(reactor, reactor.getThreadPool(), function, *args)


def _digest(path: Path, kind: str) -> str:
    with path.open("rb") as file:
        digest = hashlib.new(kind, usedforsecurity=False)
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()
