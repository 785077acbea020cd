"""Run commands on the worker, fetch its files, and upload files of it or the master to the hub."""

from __future__ import annotations

import stat
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from buildbot.process.remotecommand import RemoteCommand
from buildbot.process.remotetransfer import FileWriter
from buildbot.worker.protocols.base import FileWriterImpl
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.task_step import KojiTaskStep
from txkoji import Progress
from txkoji.exceptions import TransferError

BLOCK = 256 * 1024
"""Bytes in a chunk between the worker and the master."""


async def run_on_worker(step: KojiStep, command: RemoteCommand) -> None:
    """Run a command on the worker until it ends; see its ``didFail()``.

    An early end of the step interrupts the command before the step ends: the worker's remaining
    output would find the step's logs closed.

    Raises:
        twisted.internet.error.ConnectionLost: the worker is lost.
    """
    waiting: Deferred[Any] = Deferred()
    over: Deferred[None] = Deferred()

    def ended(result: Any) -> None:
        """Take what the worker sent."""
        if not waiting.called:
            waiting.callback(result)
        over.callback(None)

    step.runCommand(command).addBoth(ended)
    try:
        await waiting
    except CancelledError:
        await command.interrupt("the step ends early")
        # Don't wait for a worker that does not end it in time.
        with suppress(DeferredTimeout):
            await over.addTimeout(step.timing.cancel_limit, step.master.reactor)
        raise


async def fetch_from_worker(
    step: KojiStep, path: str, writer: FileWriterImpl, limit: int | None = None
) -> None:
    """Fetch a file from the worker.

    Args:
        step: the step.
        path: the file, relative to the build's directory.
        writer: gets its content.
        limit: bytes that the file may have, None for any number.

    Raises:
        TransferError: there is no such file, it is a pipe or the like, it is larger, or the worker
            can't read it.
        twisted.internet.error.ConnectionLost: the worker is lost.
    """
    look = RemoteCommand("stat", {"file": step.build.path_module.join(step.workdir, path)})
    await run_on_worker(step, look)
    if not look.didFail():
        found = look.updates["stat"][-1]
        if not stat.S_ISREG(found[stat.ST_MODE]):
            # A worker that opens a pipe stands still until something writes to it.
            raise TransferError(f"{path} on the worker is no regular file")
        if limit is not None and found[stat.ST_SIZE] > limit:
            raise TransferError(f"{path} on the worker has more than {limit:,} bytes")
    transfer = RemoteCommand(
        "uploadFile",
        {
            "workersrc": path,
            "workdir": step.workdir,
            "writer": writer,
            "maxsize": limit,
            "blocksize": BLOCK,
            "keepstamp": False,
        },
    )
    await run_on_worker(step, transfer)
    if transfer.didFail():
        raise TransferError(f"the worker has no file {path}, or can't read it")


async def read_on_worker(step: KojiStep, path: str, limit: int) -> bytes:
    """Return the content of a file of the worker; see :func:`fetch_from_worker`."""
    content = _Content()
    await fetch_from_worker(step, path, content, limit)
    return b"".join(content.parts)


class _Content(FileWriterImpl):
    """Takes a file from the worker, in parts that may end within a character."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def remote_write(self, data: bytes) -> None:
        self.parts.append(data)

    def remote_close(self) -> None:
        pass


_WILD = frozenset("*?[")


def megabytes(progress: Progress) -> str:
    """Return the progress of a transfer in words."""
    rate = f" at {progress.rate / 1e6:.1f} MB/s" if progress.rate else ""
    return f"{progress.done / 1e6:.1f} of {progress.total / 1e6:.1f} MB{rate}"


class UploadingStep(KojiTaskStep):
    """Uploads files, then submits a task that needs them."""

    files_on = argument(
        checks.one_of("worker", "master"),
        'where the files to upload are: on the ``"worker"``, relative to the build\'s directory,'
        ' or on the ``"master"``, relative to its base directory',
        default="worker",
    )

    async def upload(self, hub: Hub, path: str) -> str:
        """Upload a file; returns its path on the hub.

        Args:
            hub: the hub.
            path: the file, or a pattern (``*.src.rpm``) that matches no other.

        Raises:
            TransferError: no file matches, or more than one; the upload is incomplete.
        """
        await hub.log_in()
        with tempfile.TemporaryDirectory(prefix="buildbot-koji-") as directory:
            if self.files_on == "master":
                local = await self._on_master(path)
            else:
                local = await self._from_worker(path, Path(directory))
            return str(
                await hub.connection.upload(
                    local,
                    progress=lambda now: self.say(f"uploading {local.name}: {megabytes(now)}"),
                )
            )

    async def _on_master(self, path: str) -> Path:
        base = Path(self.master.basedir)
        if not _WILD & set(path):
            return base / path
        found = await self.in_thread(lambda: sorted(map(str, base.glob(path))))
        return Path(_only(found, path, "master"))

    async def _from_worker(self, path: str, directory: Path) -> Path:
        self.say(f"fetching {path} from the worker")
        if _WILD & set(path):
            look = RemoteCommand("glob", {"path": self.build.path_module.join(self.workdir, path)})
            await run_on_worker(self, look)
            if look.didFail():
                raise TransferError(f"the worker could not look for {path}")
            path = _only(look.updates["files"][-1], path, "worker")
        local = directory / self.build.path_module.basename(path)
        writer = FileWriter(str(local), None, 0o600)
        # A match of a pattern includes the build's directory.
        try:
            await fetch_from_worker(self, path, writer)
        finally:
            writer.cancel()
        return local


def _only(found: list[str], pattern: str, where: str) -> str:
    if len(found) == 1:
        return found[0]
    named = f"{len(found)} files match: {', '.join(found[:5])}" if found else "no file matches"
    raise TransferError(f"{pattern} on the {where} must match one file; {named}")
