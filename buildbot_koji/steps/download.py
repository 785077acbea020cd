"""Steps that download the files of builds and tasks, to the worker or to the master."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from buildbot.process import results
from buildbot.process.logobserver import LogLineObserver
from buildbot.process.remotecommand import RemoteCommand, RemoteShellCommand
from buildbot.process.remotetransfer import StringFileReader

from buildbot_koji import fetcher
from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, required
from buildbot_koji.database_values import MAX_VALUE, encoded_size, id_of
from buildbot_koji.hubs.builds import build_of_task, named_build
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.uploads import megabytes
from buildbot_koji.steps.framework.worker import BLOCK, run_on_worker
from buildbot_koji.words import counted, size_in_words
from txkoji import RemoteFile, matches, nvr, one_line, task_states
from txkoji.exceptions import TransferError

AT_ONCE = 4
"""Files in flight at the same time."""

SILENCE = 20 * 60
"""Seconds without output after which Buildbot ends the command on the worker."""

RPM_METHODS = ("build", "buildArch")
"""The tasks whose RPMs are downloaded unless ``all`` is set."""

_DEBUGINFO = ("-debuginfo", "-debugsource")
"""The suffixes of debuginfo packages."""


class _Counter(LogLineObserver):
    """Counts the files that the worker has downloaded, by the lines that it prints."""

    def __init__(self, step: KojiStep, total: int) -> None:
        super().__init__()
        self._step = step
        self._total = total
        self._done = 0

    def outLineReceived(self, line: str) -> None:
        """Count a downloaded file."""
        if line.endswith(" bytes"):
            self._done += 1
            total = counted(self._total, "file")
            self._step.say(f"downloaded {self._done}/{total} to the worker")


class DownloadStep(KojiStep):
    """Downloads files from the hub. The base class of the steps that do.

    A command on the worker fetches them over HTTP from the profile's ``topurl``, and verifies sizes
    and digests. The worker needs Python 3.9.

    Sets the property ``koji_files`` to the names of the files.
    """

    to = argument(
        checks.one_of("worker", "master"),
        'where to download to: the ``"worker"``, or the ``"master"``',
        default="worker",
    )
    directory = argument(
        checks.text,
        "the directory to download to, relative to the build's directory on the worker (by"
        ' default that itself), or to the master\'s base directory. Required with ``to="master"``',
    )
    topurl = argument(checks.web_url, "the URL of the hub's files; by default that of the profile")
    python = argument(checks.text, "the Python interpreter of the worker", default="python3")

    logs_in = False

    origin = ""
    """The build or task that the files are of, in words; ``files`` sets it."""

    def check_together(self, values: Mapping[str, Any]) -> Iterator[str]:
        """Return what is wrong with the place for the files."""
        on_master = isinstance(values["to"], str) and values["to"] == "master"
        if on_master and values["directory"] is None:
            yield 'directory is missing: required with to="master"'

    async def files(self) -> list[RemoteFile]:
        """Return the files to download, and set ``origin``. A subclass implements it."""
        raise NotImplementedError

    async def work(self) -> int:
        """Download the files."""
        self.say("asking the hub for the files")
        try:
            files = await self.files()
        except TransferError as error:
            return self.fail(one_line(error))
        for file in files:
            file.local_path(Path())
        size = sum(file.size or 0 for file in files)
        what = f"{counted(len(files), 'file') if files else 'no files'} of {self.origin}"
        what += f", {size_in_words(size)}" if files else ""
        names = [file.name for file in files]
        if encoded_size(names) <= MAX_VALUE:
            self.setProperty("koji_files", names, SOURCE)
        if self.to == "master":
            await self._to_master(files)
        elif not await self._to_worker(files, what):
            return results.FAILURE
        self.say(f"downloaded {what}")
        return results.SUCCESS

    async def _to_master(self, files: Sequence[RemoteFile]) -> None:
        await self.connection.download(
            files,
            Path(self.master.basedir) / self.directory,
            at_once=AT_ONCE,
            progress=lambda now: self.say(f"downloading {megabytes(now)}"),
        )

    async def _to_worker(self, files: Sequence[RemoteFile], what: str) -> bool:
        """Have the worker fetch the files; returns whether it succeeded."""
        self.say(f"downloading {what} to the worker")
        place = self.directory or "."
        request = await self.in_thread(
            partial(fetcher.request_for, self.connection, place, files, AT_ONCE)
        )
        program = RemoteCommand(
            "downloadFile",
            {
                "workerdest": fetcher.FILE_NAME,
                "workdir": self.workdir,
                "reader": StringFileReader(fetcher.archive()),
                "blocksize": BLOCK,
                "maxsize": None,
                "mode": None,
            },
        )
        await run_on_worker(self, program)
        if program.didFail():
            self.say(f"failed: the worker can't write {fetcher.FILE_NAME} into {self.workdir}")
            return False
        command = RemoteShellCommand(
            self.workdir,
            [self.python, fetcher.FILE_NAME],
            initialStdin=json.dumps(request),
            logEnviron=False,
            collectStdout=True,
            timeout=SILENCE,
        )
        self.addLogObserver("stdio", _Counter(self, len(files)))
        command.useLog(await self.addLog("stdio"))
        await run_on_worker(self, command)
        if not command.didFail():
            return True
        lines = [line for line in command.stdout.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"{self.python} failed: see the log"
        self.say(f"failed: on the worker: {reason}")
        return False


def _arch(name: str) -> str:
    """Return the architecture of an RPM from its file name, "" for another file."""
    rpm = nvr.parse_rpm(name)
    return "" if rpm is None else rpm.arch


class KojiDownloadBuild(DownloadStep):
    """Downloads the RPMs, or the archives, of a build.

    The worker downloads them over HTTP from the profile's ``topurl``, and compares sizes and
    digests; it requires Python 3.9. Sets the property ``koji_files`` to the names of the files.
    """

    name = "koji download-build"

    build_name = required(
        checks.name_or_id,
        "the NVR or id of the build. With ``latestfrom`` the name of a package, with ``task_id``"
        " the id of a task, with ``rpm`` the name of an RPM",
    )
    arches = argument(
        checks.listed_words, "download only RPMs of these architectures, a list or one string"
    )
    type = argument(
        checks.text,
        "download archives of this type (``maven``, ``win``, ``image``, ...) instead of RPMs",
        excludes=("arches", "key"),
    )
    latestfrom = argument(
        checks.name_or_id,
        "download the latest build of the package in this tag",
        excludes=("task_id", "rpm"),
    )
    task_id = flag("download the build that a task made", excludes=("rpm",))
    rpm = flag("download only this RPM")
    debuginfo = flag("also download debuginfo packages")
    key = argument(checks.text, "download the copies that this key signed")
    fallback_unsigned = flag(
        "download unsigned an RPM that the key did not sign", requires=("key",)
    )
    nofailarch = flag("don't fail if there are no RPMs of one of ``arches``")

    async def files(self) -> list[RemoteFile]:
        """Return the wanted files of the build."""
        build_id, self.origin = await self._build()
        found = await self.connection.files_of_build(
            build_id,
            types=["rpm" if self.type is None else self.type],
            key=self.key,
            or_unsigned=self.fallback_unsigned,
            topurl=self.topurl,
        )
        if self.rpm:
            return [file for file in found if file.name == f"{self.build_name}.rpm"]
        if self.type is None:
            found = [file for file in found if self._is_wanted(file)]
        there = {_arch(file.name) for file in found}
        missing = [arch for arch in checks.words(self.arches) if arch not in there]
        if missing and not self.nofailarch:
            raise TransferError(f"build {self.origin} has no RPM of {', '.join(missing)}")
        if not found:
            raise TransferError(f"build {self.origin} has no files matching arches/type/key")
        return found

    def _is_wanted(self, file: RemoteFile) -> bool:
        rpm = nvr.parse_rpm(file.name)
        if rpm is not None and not self.debuginfo and rpm.nvr.name.endswith(_DEBUGINFO):
            return False
        return self.arches is None or _arch(file.name) in checks.words(self.arches)

    async def _build(self) -> tuple[int, str]:
        """Return the id of the build, and its NVR or the RPM's name."""
        koji = self.connection
        if self.rpm:
            rpm = await koji.checked("getRPM", self.build_name, strict=True)
            return rpm.build_id, str(self.build_name)
        if self.latestfrom is not None:
            latest = await koji.checked("getLatestBuilds", self.latestfrom, package=self.build_name)
            if not latest:
                raise TransferError(f"{self.latestfrom} has no build of {self.build_name}")
            build = latest[0]
        elif self.task_id:
            task_id = id_of(self.build_name)
            if task_id is None:
                raise TransferError(f"{self.build_name} is not the id of a task")
            build = await build_of_task(koji, task_id)
            if build is None:
                raise TransferError(f"task {self.build_name} made no build")
        else:
            build = await named_build(koji, self.build_name)
        return build.build_id, str(build.nvr)


class KojiDownloadTask(DownloadStep):
    """Downloads the files of a task and its descendants: RPMs, and on request logs or all files.

    The worker downloads them over HTTP from the profile's ``topurl``, and compares sizes and
    digests; it requires Python 3.9. Sets the property ``koji_files`` to the names of the files.
    """

    name = "koji download-task"

    task_id = required(checks.positive, "the id of the task")
    arches = argument(
        checks.listed_words,
        "download only RPMs and logs of these architectures, a list or one string",
    )
    with_logs = flag("also download logs; their names get the architecture")
    all = flag("download all files, of tasks of all methods")
    dirpertask = flag("make a directory for each task")
    parentonly = flag("download only the files of the task itself, not of its descendants")
    filter = argument(checks.regex, "a regular expression that names must match")
    skip = argument(checks.regex, "a regular expression that names must not match")
    match = argument(
        checks.globs,
        "patterns (``*.log``) of which names must match one, as in ``koji download-logs``",
    )
    wait = argument(checks.flag, "wait for the end of a running task", default=True)

    async def files(self) -> list[RemoteFile]:
        """Return the wanted files of the tasks."""
        task = await self.connection.checked("getTaskInfo", self.task_id)
        if task is None:
            raise TransferError(f"the hub has no task {self.task_id}")
        if not self.wait and task.state not in task_states.DONE_GROUP:
            raise TransferError(f"task {self.task_id} has not ended: set wait=True")
        self.say(f"waiting for the end of task {self.task_id}")
        self.origin = f"task {self.task_id}"
        tree = await self.hub.watch(self.task_id, self.build).done
        tasks = [tree.root] if self.parentonly else [tree.root, *tree.descendents()]
        found: dict[str, RemoteFile] = {}
        for each in tasks:
            for file in await self.connection.files_of_task(each.id, topurl=self.topurl):
                name = self._local_name(each, file.name)
                if name is None:
                    continue
                if name in found and name.endswith(".rpm"):
                    # Both the task that made a source RPM and the task that built it list it.
                    continue
                if name in found and name.endswith(".log"):
                    name = f"{name.removesuffix('.log')}.{each.id}.log"
                if name in found:
                    raise TransferError(f"two tasks have a file {name}: set dirpertask=True")
                found[name] = replace(file, name=name)
        if not found:
            raise TransferError(f"task {self.task_id} has no files matching the arguments")
        return list(found.values())

    def _local_name(self, task: Any, name: str) -> str | None:
        """Return the local name of a file, None if it is not wanted."""
        path = PurePosixPath(name)
        is_log = path.suffix == ".log"
        if not self.all and not (
            (path.suffix == ".rpm" and task.method in RPM_METHODS) or (is_log and self.with_logs)
        ):
            return None
        if self.arches is not None:
            arch = _arch(name) if path.suffix == ".rpm" else task.arch
            if arch not in checks.words(self.arches):
                return None
        searched = name[: checks.LONGEST_FILE_NAME]
        if self.filter is not None and not re.search(self.filter, searched):
            return None
        if self.skip is not None and re.search(self.skip, searched):
            return None
        if self.match is not None and not matches(name, self.match):
            return None
        if self.dirpertask:
            return f"{task.id}/{name}"
        if is_log and task.arch:
            return f"{name.removesuffix(path.suffix)}.{task.arch}.log"
        return name
