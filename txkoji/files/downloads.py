"""Download files from a hub, resuming where an earlier download stopped.

A file gets its name once it is complete and verified; until then it is a hidden ``.name.part``.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from twisted.internet.defer import gatherResults

from txkoji import paths, task_states
from txkoji._deferreds import in_thread, returns_deferred
from txkoji._values import identity, integer, structs, text
from txkoji.exceptions import (
    HTTPStatusError,
    KojiException,
    TransferError,
    TransportError,
    TruncatedReply,
    UnusableAnswer,
)
from txkoji.files import outputs
from txkoji.files.part import RPM, PartFile, TooMuch, is_plain, shared_path
from txkoji.files.uploads import Progress, Tally
from txkoji.front_ends import PACE_BYTES
from txkoji.hub.answers import a_list, a_struct
from txkoji.hub.client import HubClient
from txkoji.hub.responses import without_query
from txkoji.locks import Semaphore

NOT_SATISFIABLE = 416
"""The HTTP status of a request for what is after the end of a file (RFC 9110, 15.5.17)."""

CHECKSUM_TYPES: dict[int | None, str] = {0: "md5", 1: "sha1", 2: "sha256"}
"""Koji's numbers (CHECKSUM_TYPES)."""


@dataclass(frozen=True)
class RemoteFile:
    """A downloadable file on the hub.

    Attributes:
        name: its path below the target directory, parts separated by slashes.
        url: its address; its query may hold a token, so that the repr leaves it out.
        size: its size in bytes, or None if unknown.
        digest: the kind (``md5``, ``sha1``, ``sha256``, or ``rpm`` for the digest inside an RPM)
            and the hex digits, empty if only the RPM itself has them; None for no digest.
        grows: whether it may be larger by now: its task still writes to it.
    """

    name: str
    url: str = field(repr=False)
    size: int | None = None
    digest: tuple[str, str] | None = None
    grows: bool = False

    def local_path(self, directory: Path) -> Path:
        """Return the path of the file below a directory.

        Raises:
            TransferError: the name, which the hub chose, leads out of the directory, or holds
                control characters.
        """
        if not _stays_inside(self.name):
            raise TransferError(
                f"the hub names a file outside of the directory: {self.name!r}: refused"
            )
        return directory.joinpath(*PurePosixPath(self.name).parts)


def _stays_inside(name: str) -> bool:
    """Return whether a file of that name stays below the directory that it is downloaded to."""
    try:
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    parts = PurePosixPath(name).parts
    return "/".join(parts) == name != "" and ".." not in parts and is_plain(name)


async def files_of_task(
    client: HubClient, task_id: int, *, topurl: str | None = None
) -> list[RemoteFile]:
    """List the files that a task left; see :meth:`txkoji.Connection.files_of_task`."""
    base = topurl or _topurl(client)
    # In this order: the listing of a task that has ended is final.
    task = await client.call("getTaskInfo", task_id)
    if task is None:
        raise TransferError(f"{client.url} has no task {task_id}")
    found = await client.call("listTaskOutput", task_id, stat=True, all_volumes=True)
    # The builder of a canceled task learns it some seconds later.
    ended = (task_states.CLOSED, task_states.FAILED)
    grows = integer(a_struct(task, "getTaskInfo").get("state")) not in ended
    volumes = outputs.volumes(found)
    files = []
    for name in a_struct(found, "listTaskOutput"):
        if name not in volumes or not _stays_inside(name):
            client.leave_out("listTaskOutput", name)
            continue
        # The same file may lie on several volumes.
        volume, size = next(iter(volumes[name].items()))
        files.append(
            RemoteFile(
                name,
                paths.task_output_url(base, task_id, name, volume=volume),
                size,
                (RPM, "") if name.endswith(".rpm") else None,
                grows=grows,
            )
        )
    return sorted(files, key=lambda file: file.name)


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
    """List the RPMs and archives of a build; see :meth:`txkoji.Connection.files_of_build`."""
    base = topurl or _topurl(client)
    info = await client.call("getBuild", build)
    if info is None:
        raise TransferError(f"{client.url} has no build {build!r}")
    words = [text(a_struct(info, "getBuild").get(each)) for each in ("name", "version", "release")]
    build_id = identity(info.get("id"))
    if build_id is None or not all(words):
        raise UnusableAnswer("getBuild", info)
    name, version, release = map(str, words)
    volume = text(info.get("volume_name"))
    listed = _ListedBuild(client, base, build_id, (name, version, release), volume)
    files = []
    if types is None or "rpm" in types:
        files += await listed.rpms(arches, key, or_unsigned=or_unsigned)
    if arches is None or types is not None:
        files += await listed.archives(types)
    return _with_unique_names(files, paths.url_of(base, listed.directory))


@dataclass(frozen=True)
class _ListedBuild:
    """A build whose files are listed.

    Attributes:
        client: the hub.
        topurl: where the hub's files are.
        id: the build's id.
        nvr: its name, version and release.
        volume: the volume that it is on.
    """

    client: HubClient
    topurl: str
    id: int
    nvr: tuple[str, str, str]
    volume: str | None

    @property
    def directory(self) -> str:
        return paths.build_directory(*self.nvr, volume=self.volume)

    async def rpms(
        self, arches: Sequence[str] | None, key: str | None, *, or_unsigned: bool
    ) -> list[RemoteFile]:
        files = []
        for each in await self._rows("listRPMs"):
            nvr, arch = text(each.get("nvr")), text(each.get("arch"))
            name = f"{nvr}.{arch}.rpm"
            if not (nvr and arch and _stays_inside(name)):
                self.client.leave_out("listRPMs", each)
            elif arches is None or arch in arches:
                signed = await self._key_of(each, name, key, or_unsigned=or_unsigned)
                path = paths.rpm_path(*self.nvr, name, arch, volume=self.volume, key=signed)
                url = paths.url_of(self.topurl, path)
                files.append(_rpm_file(each, name, url, is_signed=bool(signed)))
        return files

    async def _key_of(
        self, rpm: Any, name: str, key: str | None, *, or_unsigned: bool
    ) -> str | None:
        """Return the key of the copy of an RPM to list, None for the unsigned copy."""
        rpm_id = identity(rpm.get("id"))
        if key is None or await self.client.call("queryRPMSigs", rpm_id=rpm_id, sigkey=key):
            return key
        if not or_unsigned:
            raise TransferError(f"{name} is not signed by the key {key}")
        return None

    async def archives(self, types: Sequence[str] | None) -> list[RemoteFile]:
        if types is None:
            rows = await self._rows("listArchives")
            types = sorted({each["btype"] for each in rows if text(each.get("btype"))})
        files = []
        for kind in types:
            # The hub has no archives of the type "rpm".
            for each in await self._rows("listArchives", type=kind) if kind != "rpm" else ():
                if _is_archive(each):
                    url = paths.url_of(self.topurl, paths.archive_path(self.directory, each))
                    files.append(_archive_file(each, url))
                else:
                    self.client.leave_out("listArchives", each)
        return files

    async def _rows(self, method: str, **options: Any) -> list[Any]:
        """Return what the hub lists of the build; what is no struct is left out."""
        answer = a_list(await self.client.call(method, buildID=self.id, **options), method)
        for each in answer:
            if not isinstance(each, dict):
                self.client.leave_out(method, each)
        return structs(answer)


def _rpm_file(rpm: Any, name: str, url: str, *, is_signed: bool) -> RemoteFile:
    # A signature makes the file longer, but leaves the signed content as it is.
    size = None if is_signed else outputs.byte_count(rpm.get("size"))
    # What RPM 6 has there ("sha256::...") is no digest of the file's content.
    digits = rpm.get("payloadhash")
    digest = (RPM, digits) if isinstance(digits, str) and "::" not in digits else None
    return RemoteFile(name, url, size, digest)


def _archive_file(archive: Any, url: str) -> RemoteFile:
    kind = CHECKSUM_TYPES.get(integer(archive.get("checksum_type")))
    checksum = text(archive.get("checksum"))
    digest = (kind, checksum) if kind and checksum else None
    return RemoteFile(archive["filename"], url, outputs.byte_count(archive.get("size")), digest)


def _with_unique_names(files: list[RemoteFile], root: str) -> list[RemoteFile]:
    """Give files of the same name their paths below the build's directory as names."""
    counts = Counter(file.name for file in files)
    return [
        file
        if counts[file.name] == 1
        else replace(file, name=unquote(file.url.removeprefix(f"{root}/")))
        for file in files
    ]


def _is_archive(row: Mapping[str, Any]) -> bool:
    """Return whether a row has every part of the archive's path."""
    needed = ["btype", "filename"]
    if row.get("btype") == "maven":
        needed += ["group_id", "artifact_id", "version"]
    relative = row.get("relpath")
    return (
        all(text(row.get(each)) for each in needed)
        and (not relative or text(relative) is not None)
        and _stays_inside(row["filename"])
    )


def _topurl(client: HubClient) -> str:
    if not client.profile.topurl:
        raise TransferError(
            f"{client.profile.title} does not say where the hub's files are: set topurl"
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
    doubled = shared_path(targets)
    if doubled is not None:
        raise TransferError(f"several files would go to {doubled}: download them one by one")
    tally = Tally(client.reactor, sum(file.size or 0 for file in files), progress)
    slots, taken = Semaphore(at_once), frozenset(targets)
    transfers = [
        slots.run(
            client.file_slots(file.url).run, _Download(client, file, target, tally, taken).run
        )
        for file, target in zip(files, targets, strict=True)
    ]
    try:
        await gatherResults(transfers, consumeErrors=True)
    except Exception as error:
        for transfer in transfers:
            transfer.cancel()
        # gatherResults wraps the first failure; the others follow from it.
        failure = getattr(error, "subFailure", None)
        if failure is None:
            raise
        raise failure.value from None
    return targets


class _Sink:
    """Writes to a part file, and counts the bytes."""

    def __init__(self, part: PartFile, tally: Tally) -> None:
        self._part = part
        self._tally = tally
        self._counted = 0

    def begin(self, offset: int) -> None:
        """Start receiving at ``offset``; 0 where the server sends all of it."""
        self._part.begin(offset)
        self._tally.add(offset - self._counted, fresh=False)
        self._counted = offset

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        self._part.write(data)
        self._counted += len(data)
        self._tally.add(len(data))

    def close(self) -> None:
        """The body is complete."""
        self._part.close()


class _Download:
    """One file being downloaded."""

    def __init__(
        self,
        client: HubClient,
        file: RemoteFile,
        target: Path,
        tally: Tally,
        taken: Collection[Path],
    ) -> None:
        self._client = client
        self._url = file.url
        self._part = PartFile(target, file.size, file.digest, grows=file.grows, taken=taken)
        self._tally = tally

    @returns_deferred
    async def run(self) -> None:
        part = self._part
        try:
            part.prepare()
            trouble = await self._receive()
            if trouble and part.resumed:
                # An earlier download may have left a part of another file: start over.
                part.discard()
                trouble = await self._receive()
            if trouble:
                part.discard()
                raise TransferError(f"{without_query(self._url)} did not arrive whole: {trouble}")
            part.finish()
        except OSError as error:
            raise TransferError(f"can't write {part.target}: {error.strerror}") from error

    async def _receive(self) -> str:
        """Receive the rest of the file; return what is wrong with it, or an empty string."""
        reactor, requester, part = self._client.reactor, self._client.requester, self._part
        sink, elapsed = _Sink(part, self._tally), requester.elapsed
        progressed = elapsed.seconds()
        failures, most, trouble = 0, part.have, ""
        while not part.is_complete:
            have = part.keep()
            try:
                trouble = await self._attempt(have, sink)
                if not trouble or part.resumed or not part.may_change():
                    return trouble
                part.discard()
                raise TransportError(trouble)
            except KojiException as error:
                if have and isinstance(error, HTTPStatusError) and error.status == NOT_SATISFIABLE:
                    # The part may be complete: the verification decides.
                    break
                if isinstance(error, TruncatedReply) and await in_thread(reactor, part.is_proven):
                    return ""
                # A few bytes are no progress, and neither are the same ones again.
                if part.have - most >= PACE_BYTES:
                    failures, progressed, most = 0, elapsed.seconds(), part.have
                failures += 1
                pause = requester.pause_after(error, failures, progressed)
                if pause is None:
                    if trouble:
                        return trouble
                    raise
            trouble = ""
            await elapsed.pause(pause)
        return await in_thread(reactor, part.trouble)

    async def _attempt(self, have: int, sink: _Sink) -> str:
        """Receive the rest of the file once; return what is wrong with a reply that is whole."""
        try:
            await self._client.requester.receive(self._url, have, sink)
        except TooMuch as problem:
            return str(problem)
        finally:
            self._part.close()
        return await in_thread(self._client.reactor, self._part.trouble)
