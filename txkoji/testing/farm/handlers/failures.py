"""Failures of builders and builds, and the names that cause them.

By the name of the package, or of the image:

- ``failarch``: it does not build on its first architecture;
- ``failroot``: its build root can't be initialized there: an infrastructure fault;
- ``failbuilder``: the builder itself crashes there;
- ``failhost``: the host goes silent there once; the task returns to FREE, and the retry works;
- ``failmount``, ``failrepodir``, ``failrpmlist``, ``failread``, ``failserver``: the builder's
  housekeeping or network fails there, with a fault of :data:`TROUBLES`.

A dash and anything may follow: ``failarch-2`` fails like ``failarch``.

By the prefix of a source's revision: ``failcheckout`` can't be checked out, ``failsrpm``
gives no source RPM. A tag whose name begins with ``failrepo`` gets no repo.

``FakeHub.builders_mended`` turns off the infrastructure faults: all of these but ``failarch``.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from txkoji.exceptions import BuildError, BuildrootError, GenericError, UnknownFault, fault_from
from txkoji.testing.farm.handlers.job import Job

ARCH, ROOT, BUILDER, HOST = "failarch", "failroot", "failbuilder", "failhost"
REPO = "failrepo"

TROUBLES = {
    "failmount": "umount failed (exit code 32) for /var/lib/mock/demo",
    "failrepodir": "Repo directory missing: /mnt/koji/repos/demo-build/1",
    "failrpmlist": "Can't get list of installed rpms",
    "failread": (
        "HTTPSConnectionPool(host='koji.example.com', port=443):"
        " Read timed out. (read timeout=43200)"
    ),
    "failserver": (
        "500 Server Error: Internal Server Error for url: https://koji.example.com/kojifiles/x"
    ),
}
"""Texts of the generic faults (1000) of a builder's housekeeping and network, by package."""

_COMMIT = re.compile(r"[0-9a-f]{40}")

TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.12/site-packages/koji/daemon.py", line 1512, in runTask
    response = (handler.run(),)
  File "/usr/lib/python3.12/site-packages/koji/tasks.py", line 346, in run
    return self.handler(*self.params, **self.opts)
  File "/usr/sbin/kojid", line 1333, in handler
    self.session.host.setBuildRootState(self.id, 'BUILDING', task_id=self.task_id)
AttributeError: 'NoneType' object has no attribute 'host'
"""


def kind_of(name: str) -> str:
    """Return the part of a package's name that says how it fails."""
    return name.partition("-")[0]


def is_first(job: Job) -> bool:
    """Return whether a task is the first child of its kind, or has no siblings."""
    if job.task["parent"] is None:
        return True
    siblings = job.hub.task_children(job.task["parent"])
    first = next(row for row in siblings if row["method"] == job.task["method"])
    return bool(first["id"] == job.id)


async def check_out(job: Job, source: str, share: float) -> str:
    """Check a source out and write ``checkout.log``.

    Returns:
        The source with the commit that its revision names: always the same one.

    Raises:
        BuildError: the revision starts with ``failcheckout``.
    """
    url, _, revision = source.partition("#")
    repository = url.partition("?")[0].removeprefix("git+")
    command = f"git clone -n {repository} /var/lib/mock/scmroot"
    job.put("checkout.log", f"$ {command}\n".encode())
    await job.sleep(share)
    if revision.startswith("failcheckout"):
        text = b"fatal: unable to access the repository: Could not resolve host\n"
        job.append("checkout.log", text)
        raise BuildError(f'Error running GIT command "{command}", see checkout.log for details')
    if _COMMIT.fullmatch(revision) or not source.startswith("git"):
        return source
    return f"{url}#{hashlib.sha1(source.encode()).hexdigest()}"


async def make_build_root(job: Job, name: str, arch: str) -> None:
    """Make the build root of a task and write ``root.log``, or fail as the name says.

    Raises:
        BuildrootError: the build root can't be made.
        GenericError: the builder's housekeeping or network failed.
        UnknownFault: (1) the builder crashed.
    """
    job.put("root.log", f"Making the build root for {arch}\n".encode())
    if job.hub.builders_mended:
        return
    kind = kind_of(name)
    if kind not in (ROOT, BUILDER, HOST, *TROUBLES) or not is_first(job):
        return
    await job.sleep(0.1)
    if kind in TROUBLES:
        raise GenericError(TROUBLES[kind])
    if kind == ROOT:
        job.append("root.log", b"Error: Unable to find a match: buildsys-build\n")
        raise BuildrootError(
            "could not init mock buildroot, mock exited with status 30;"
            " see root.log for more information"
        )
    if kind == BUILDER:
        raise UnknownFault(TRACEBACK, code=1)
    if job.task["times_opened"] == 1:
        await job.builder.lose_host(job.task)


def make_repo(tag_name: str) -> None:
    """Fail to make a repo of a tag whose name asks for it.

    Raises:
        GenericError: the name starts with ``failrepo``.
    """
    if tag_name.startswith(REPO):
        raise GenericError("failed to create repo: /usr/bin/createrepo_c exited with status 1")


class Work(NamedTuple):
    """The log of a task, and how it fails; ``{name}``, ``{arch}`` and ``{id}`` are filled in.

    Attributes:
        log: the name of the log.
        first: its first line.
        line: the line of each step.
        last: the last line of one that fails.
        code: the code of its fault.
        text: the text of it.
        share: the time it takes, as a share of a build's.
    """

    log: str
    first: str
    line: str
    last: str
    code: int
    text: str
    share: float = 0.6


def _image(log: str, code: int, text: str) -> Work:
    text = text.format(f"exited with status 1; see root.log or {log} for more information")
    return Work(log, "Making {name}", "installing", "ERROR: no space left on device", code, text)


_MOCK = "mock exited with status 1; see build.log or root.log for more information"
_OZ = "Image status is FAILED: Timed out waiting for the guest to install"
_CONTAINER = Work(
    "osbs-build.log", "Building the image {name}", "step of the pipeline",
    "error: building at STEP RUN: exit status 1", 2001,
    "Image build failed. Error in plugin imagebuilder: exit status 1; OSBS build id: {name}-{id}",
)  # fmt: skip
WORKS = {
    "buildArch": Work(
        "build.log", "Building for target {arch}", "compiling {name}",
        "error: Bad exit status from %build", 1005,
        f"error building package (arch {{arch}}), {_MOCK}",
    ),
    "buildContainer": _CONTAINER,
    # The builder looks at the log of mock itself, and has one code for all that mock does.
    "buildMaven": Work(
        "build.log", "[INFO] Building {name}", "[INFO] compiling", "[ERROR] BUILD FAILURE", 1012,
        "error building Maven package, mock exited with status 1; see root.log for more"
        " information",
    ),
    "buildSourceContainer": _CONTAINER,
    "createAppliance": _image(
        "appliance.log", 1018, "Could not create appliance: appliance-creator {}"
    ),
    "createImage": _image("oz-{arch}.log", 1018, _OZ),
    "createKiwiImage": _image(
        "image-root.{arch}.log", 1000, "Kiwi failed: see image-root.{{arch}}.log"
    ),
    "createLiveCD": _image("livecd.log", 1015, "Could not create LiveCD: livecd-creator {}"),
    "createLiveMedia": _image(
        "livemedia-out.log", 1022, "Could not create livemedia: livemedia-creator {}"
    ),
    "indirectionimage": _image("oz-{arch}.log", 1018, _OZ),
    "osbuildImage": Work(
        "compose-status.json", "compose of {name}", "pending", "", 1005,
        "Compose failed (status: failure). See compose-status.json",
    ),
    "vmExec": Work(
        "build.log", "Building {name}", "cl.exe", "error C2065: undeclared identifier", 1005,
        "build command failed, see build.log for details",
    ),
    "wrapperRPM": Work(
        "build.log", "Wrapping {name}", "building", "", 1005,
        f"error building package (arch noarch), {_MOCK}", 0.3,
    ),
}  # fmt: skip
"""For the methods of tasks that build something."""


async def work(
    job: Job, name: str, arch: str = "noarch", source: str | None = None, pace: float = 1.0
) -> str:
    """Make a build root, check out, and write a log while it builds, or fail as the name says.

    Args:
        job: the task.
        name: the package.
        arch: the architecture.
        source: what to check out.
        pace: how many times longer than others it takes.

    Returns:
        The source, with its commit.
    """
    this = WORKS[job.task["method"]]
    await make_build_root(job, name, arch)
    checked_out = await check_out(job, source, 0.1) if source else ""

    def filled(text: str) -> str:
        """Return a text of the table for this task."""
        return text.format(name=name, arch=arch, id=job.id)

    fails = kind_of(name) == ARCH and is_first(job)
    # A failing architecture fails while the others still compile.
    share = this.share * pace * (0.5 if fails else 1.0)
    await job.log(filled(this.log), filled(this.first), filled(this.line), share)
    if fails:
        job.append(filled(this.log), f"{this.last}\n".encode())
        raise fault_from(this.code, filled(this.text))
    return checked_out
