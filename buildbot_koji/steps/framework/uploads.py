"""Upload files to the hub, from the worker or from the master."""

from __future__ import annotations

import tempfile
from pathlib import Path

from buildbot.process.remotecommand import RemoteCommand
from buildbot.process.remotetransfer import FileWriter

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.steps.framework.task_step import KojiTaskStep
from buildbot_koji.steps.framework.worker import fetch_from_worker, run_on_worker
from txkoji import Progress
from txkoji.exceptions import TransferError

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

    async def upload(self, path: str) -> str:
        """Upload a file; returns its path on the hub.

        Args:
            path: the file, or a pattern (``*.src.rpm``) that matches no other.

        Raises:
            TransferError: no file matches, or more than one; the upload is incomplete.
        """
        await self.hub.log_in()
        with tempfile.TemporaryDirectory(prefix="buildbot-koji-") as directory:
            if self.files_on == "master":
                local = await self._on_master(path)
            else:
                local = await self._from_worker(path, Path(directory))
            return str(
                await self.connection.upload(
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
