"""Run commands on the worker, and fetch its files, in a step that may end early."""

from __future__ import annotations

import stat
from contextlib import suppress
from typing import Any

from buildbot.process.remotecommand import RemoteCommand
from buildbot.worker.protocols.base import FileWriterImpl
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout

from buildbot_koji.steps.framework.base import KojiStep
from txkoji.elapsed import ElapsedTime
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
            await ElapsedTime(step.master.reactor).limit(over, step.timing.cancel_limit)
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
