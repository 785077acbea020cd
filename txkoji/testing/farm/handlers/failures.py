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

from txkoji.exceptions import BuildError, BuildrootError, GenericError, HubFault, UnknownFault
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


async def build(
    job: Job,
    name: str,
    log: str,
    lines: tuple[str, str],
    share: float,
    last: bytes,
    fault: HubFault,
) -> None:
    """Write the log of a build while it runs, or fail halfway as the name says.

    Args:
        job: the task.
        name: the package.
        log: the name of the log.
        lines: its first line, and the one of each step.
        share: the time it takes, as a share of a build's.
        last: the last line of the log of one that fails.
        fault: what it fails with.
    """
    fails = kind_of(name) == ARCH and is_first(job)
    # A failing architecture fails while the others still compile.
    await job.log(log, *lines, share / 2 if fails else share)
    if fails:
        job.append(log, last)
        raise fault
