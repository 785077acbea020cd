"""The outcome of a watched task: what it made, or why it failed in one line."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from twisted.logger import Logger

from txkoji import build_states, paths, task_states
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import HubConnection
from txkoji._values import integer, member, one_line, rpm_names, struct, structs, text
from txkoji.build import Build
from txkoji.exceptions import GenericError, HubFault, KojiException, fault_from
from txkoji.files import outputs
from txkoji.retry import is_passing
from txkoji.task_info import TaskInfo
from txkoji.watching.infrastructure import is_infrastructure
from txkoji.watching.task_tree import ARCH_METHODS, TaskTree, arch_of

_log = Logger()

LOGS = ("build.log", "root.log", "checkout.log", "runroot.log", "mock_output.log", "state.log")
"""The logs of Koji's builders that say why a task failed, the most specific first."""

_TELLS_NOTHING = re.compile(r"(hw_info|installed_pkgs|mock_config|dnf.*|.*\.log-ts)\.log")
"""Logs that hold no reason: lists of packages, and times of other logs' lines."""

_SRPM_METHODS = ("buildSRPMFromSCM", "rebuildSRPM")

_CONTAINER_CANCELED = 2002
"""The fault code of the plugin koji-containerbuild for a build that its service canceled."""

_CHAIN_METHODS = ("chainbuild", "chainmaven")
"""Tasks whose children make the builds."""

_WITHOUT_RESULT = frozenset(
    ["build", "chainbuild", "createdistrepo", "maven", "tagBuild", "winbuild"]
)
"""Tasks whose result is None when they are CLOSED."""


@dataclass(frozen=True)
class Outcome:
    """How a task ended.

    Attributes:
        tree: the task and all below it.
        reason: why it did not close, in one line; empty if it did.
        failed_package: the package of a chain whose build failed, else None.
        fault: the fault of a FAILED task, else None.
        guilty: the task that failed first, at the bottom of the tree; None if none did.
        log: the name of the guilty task's log that holds the reason, None if there is none.
        log_url: the address of that log, or None.
        build: the build that the task made, the first of several; None for a
            scratch build and for one that failed before it had a name on the hub.
        nvr: name-version-release of the build, of a scratch build too, or None.
        builds: all builds that the task made: a chain makes several, a container may. If one
            task has several builds, because its builder restarted, the COMPLETE ones count.
        tags: the names of the tags that the builds are in.
        rpms: the file names of the RPMs that were made: those of complete builds, else those that
            the tasks left.
        repo_id: the repo that ``newRepo``, ``distRepo`` or ``waitrepo`` ended with, or None.
        result: the result of a CLOSED task; None for most.
    """

    tree: TaskTree
    reason: str = ""
    failed_package: str | None = None
    fault: HubFault | None = None
    guilty: TaskInfo | None = None
    log: str | None = None
    log_url: str | None = None
    build: Build | None = None
    nvr: str | None = None
    builds: tuple[Build, ...] = ()
    tags: tuple[str, ...] = ()
    rpms: tuple[str, ...] = ()
    repo_id: int | None = None
    result: Any = None

    @property
    def arches(self) -> dict[str, str]:
        """The last state of each architecture's task, such as ``{"x86_64": "CLOSED"}``."""
        return {arch: task_states.to_str(task.state) for arch, task in self.tree.arches.items()}

    @property
    def is_canceled(self) -> bool:
        """Whether someone canceled the task or what it waited for, which is why it did not close.

        Koji's builders end a task as FAILED if one of its children is canceled, or the build of a
        container outside of Koji.
        """
        if self.guilty is None:
            return self.tree.root.state == task_states.CANCELED
        if self.fault is None or self.fault.code == _CONTAINER_CANCELED:
            return self.fault is not None
        canceled = (each for each in self.tree.tasks() if each.state == task_states.CANCELED)
        return any(self.fault.text == f"Task {task.id} is canceled" for task in canceled)

    @property
    def is_infrastructure(self) -> bool:
        """Whether the build system failed rather than the package.

        See :func:`txkoji.watching.infrastructure.is_infrastructure`, which takes a table too.
        """
        return is_infrastructure(self.fault)


def guilty_task(tree: TaskTree) -> TaskInfo | None:
    """Return the deepest FAILED task on the path of failures from the root, None without one.

    A parent fails with its child's fault. Of several failed children the first to end is the
    cause: the others are canceled when it ends. A child that is allowed to fail is the cause only
    if all of its siblings failed too.
    """
    task, children = tree.root, tree.children
    if task.state != task_states.FAILED:
        return None
    optional = _optional_arches(task)
    while True:
        failed = _causes(children.get(task.id, ()), optional)
        if not failed:
            return task
        task = min(failed, key=lambda child: (child.get("completion_ts") or 0, child.id))


def _causes(children: Sequence[TaskInfo], optional: Sequence[str]) -> list[TaskInfo]:
    """Return the failed children that may be why a task failed."""
    failed = [child for child in children if child.state == task_states.FAILED]
    needed = [child for child in failed if arch_of(child) not in optional]
    went_on = any(child.state == task_states.CLOSED and arch_of(child) for child in children)
    return needed if needed or went_on else failed


def _optional_arches(task: TaskInfo) -> list[str]:
    """Return the architectures for which the making of an image is allowed to fail."""
    params: Mapping[str, Any] = task.params or {}
    options = struct(params.get("opts")) or params
    found = options.get("optional_arches") or options.get("can_fail")
    return found.split() if isinstance(found, str) else _texts(found)


def reason_of(text: str) -> str:
    """Return the most specific line of a fault's text, without a struct at its end.

    The text of a fault with code 1 is a Python traceback, whose last line names the error.
    """
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        return "the hub gives no reason"
    traceback = any(line.startswith("Traceback (most recent call last)") for line in lines)
    line = lines[-1] if traceback else lines[0]
    words, _, struct = line.partition(": {")
    return words if words and struct else line


def choose_log(names: Sequence[str], text: str) -> str | None:
    """Choose the log, among a task's files, that holds the reason of a failure.

    The text of the fault may name it ("see root.log").
    """
    logs = {posixpath.basename(name): name for name in names if name.endswith(".log")}
    named = _named_logs(text)
    # Images, containers and plugins have logs of their own names.
    others = [name for name in sorted(logs) if not _TELLS_NOTHING.fullmatch(name)]
    return next((logs[name] for name in [*named, *LOGS, *others] if name in logs), None)


def _named_logs(text: str) -> Iterator[str]:
    """Yield the names of logs that a text holds, in linear time."""
    for word in re.finditer(r"[\w.-]+", text):
        ends = [found.end() for found in re.finditer(r"\.log\b", word[0])]
        if ends and ends[-1] > len(".log"):
            yield word[0][: ends[-1]]


@returns_deferred
async def read_outcome(connection: HubConnection, tree: TaskTree) -> Outcome:
    """Ask the hub for the outcome of a task that has ended.

    Args:
        connection: a :class:`txkoji.Connection`.
        tree: the final tree.

    Returns:
        A Deferred of an :class:`Outcome`.

    Raises:
        TransportError: the hub could not be reached.
        HubFault: the hub refused, because it is offline for instance, or can't name the builds.
    """
    made = await _read_made(connection, tree)
    if tree.root.state == task_states.CLOSED:
        return Outcome(tree, **made)
    guilty = guilty_task(tree)
    if guilty is None:
        return Outcome(tree, reason=f"task {tree.root.id} was canceled", **made)
    fault, reason = await read_fault(connection, guilty.id)
    words = fault.text if fault is not None else ""
    if not words:
        reason = f"task {guilty.id} ({guilty.method}) failed: {reason}"
    files = await _detail(connection, "listTaskOutput", guilty.id, stat=True, all_volumes=True)
    log = choose_log(list(outputs.volumes(files)), words)
    package = _package_in_chain(tree, guilty)
    return Outcome(
        tree,
        reason=reason if package is None else f"{package}: {reason}",
        failed_package=package,
        fault=fault,
        guilty=guilty,
        log=log,
        log_url=None if log is None else _log_url(connection, guilty.id, log, files),
        **made,
    )


def _package_in_chain(tree: TaskTree, task: TaskInfo) -> str | None:
    """Return the package that a task of a chain belongs to; None outside of one."""
    if tree.root.method not in _CHAIN_METHODS:
        return None
    tasks = {each.id: each for each in tree.tasks()}
    while task.parent in tasks and task.parent != tree.root.id:
        task = tasks[task.parent]
    return (task.package or None) if _makes_build(task) else None


@returns_deferred
async def read_fault(connection: HubConnection, task_id: int) -> tuple[HubFault | None, str]:
    """Ask the hub why a task failed.

    Args:
        connection: a :class:`txkoji.Connection`.
        task_id: the id of the task.

    Returns:
        A Deferred of the fault, None if the hub can't say it, and the reason in one line.

    Raises:
        TransportError: the hub could not be reached.
        HubFault: the hub is offline.
    """
    try:
        # A fault in place of a result is the task's; one that is raised is the hub's.
        result = await connection.call("getTaskResult", task_id, raise_fault=False)
    except KojiException as error:
        _unless_passing(error)
        if isinstance(error, HubFault) and error.text == f"Task {task_id} is canceled":
            return None, "it was canceled"
        return None, f"the hub can't say why: {one_line(error)}"
    code, words = integer(member(result, "faultCode")), member(result, "faultString")
    if isinstance(words, str) and words.strip():
        fault = fault_from(GenericError.code if code is None else code, words)
        # The fault's own text is bounded, and shows no password of an address.
        return fault, one_line(reason_of(fault.text))
    if code is None:
        return None, "the hub does not say why"
    return fault_from(code, ""), f"the hub gives no reason but fault {code}"


async def _detail(connection: HubConnection, method: str, *args: Any, **kwargs: Any) -> Any:
    """Return what the hub answers, None if it can't say: the task's state tells how it ended."""
    try:
        return await connection.call(method, *args, **kwargs)
    except KojiException as error:
        _unless_passing(error)
        return None


def _unless_passing(error: KojiException) -> None:
    """Raise an error that another attempt may not meet; log any other: a detail is unknown."""
    if is_passing(error):
        raise error
    _log.warn("a detail of a task's outcome is unknown: {error}", error=one_line(error))


def _log_url(connection: HubConnection, task_id: int, log: str, files: Any) -> str:
    if connection.topurl:
        [volume, _] = outputs.where(files, log) or (None, None)
        return paths.task_output_url(connection.topurl, task_id, log, volume=volume)
    return paths.task_file_url(connection.weburl, task_id, log)


async def _read_made(connection: HubConnection, tree: TaskTree) -> dict[str, Any]:
    """Return the part of an outcome that failed tasks have as well."""
    result = None
    if tree.root.state == task_states.CLOSED and tree.root.method not in _WITHOUT_RESULT:
        result = await _detail(connection, "getTaskResult", tree.root.id)
    builds = await _builds(connection, tree, result)
    complete = [build for build in builds if build.state == build_states.COMPLETE]
    tags: list[str] = []
    rpms: list[str] = []
    for build in complete:
        listed = await _detail(connection, "listBuildRPMs", build.build_id)
        rpms += [f"{name}.rpm" for name in rpm_names(listed)]
        found = structs(await _detail(connection, "listTags", build.build_id))
        tags += filter(None, [text(tag.get("name")) for tag in found])
    nvr = builds[0].nvr if builds else None
    if not builds or not complete:
        results = await _results(connection, tree)
        rpms = list(_rpms_of(results))
        nvr = nvr or next(_names_of(results), None)
    return {
        "build": builds[0] if builds else None,
        "nvr": nvr,
        "builds": tuple(builds),
        "tags": tuple(dict.fromkeys(tags)),
        "rpms": tuple(dict.fromkeys(rpms)),
        "repo_id": _repo_id(tree.root.method, result),
        "result": result,
    }


async def _builds(connection: HubConnection, tree: TaskTree, result: Any) -> list[Any]:
    makers = [tree.root.id]
    if tree.root.method in _CHAIN_METHODS:
        makers = [task.id for task in tree.children.get(tree.root.id, ()) if _makes_build(task)]
    builds: list[Any] = []
    for task_id in makers:
        found = _usable(await connection.call("listBuilds", taskID=task_id))
        # A builder that restarted left the build of its first run behind, BUILDING forever. The
        # last run made the newest.
        found.sort(key=lambda build: build.build_id, reverse=True)
        builds += [build for build in found if build.state == build_states.COMPLETE] or found
    if not builds:
        # A build of a content generator does not name the task in its own row.
        for build_id in _build_ids(tree.root.method, result):
            builds += _usable([await connection.call("getBuild", build_id)])
    return builds


def _usable(found: Any) -> list[Any]:
    """Return the builds that have an id, a name and a state."""
    return [
        build
        for build in structs(found)
        if None not in (integer(build.get("build_id")), text(build.get("nvr")))
        and isinstance(build.get("state"), int)
    ]


def _texts(found: Any) -> list[str]:
    """Return the lines of text in a list."""
    return [each for each in found if text(each)] if isinstance(found, list) else []


def _makes_build(task: TaskInfo) -> bool:
    return task.method in ("build", "maven", "wrapperRPM")


async def _results(connection: HubConnection, tree: TaskTree) -> list[dict[str, Any]]:
    """Read the results of the tasks that leave files."""
    multicall = connection.MultiCall()
    for task in tree.tasks():
        if task.state == task_states.CLOSED and task.method in (*_SRPM_METHODS, *ARCH_METHODS):
            multicall.getTaskResult(task.id)
    results = await multicall()
    found: list[dict[str, Any]] = []
    for place in range(len(results)):
        try:
            found += structs([results[place]])
        except KojiException as error:
            # One that the hub can't read names no files; the others do.
            _unless_passing(error)
    return found


def _rpms_of(results: Iterable[dict[str, Any]]) -> Iterator[str]:
    for result in results:
        for key in ("srpms", "rpms"):
            for path in _texts(result.get(key)):
                yield posixpath.basename(path)


def _names_of(results: Iterable[dict[str, Any]]) -> Iterator[str]:
    for result in results:
        srpm = text(result.get("srpm"))
        names = [text(result.get(key)) for key in ("name", "version", "release")]
        if srpm:
            yield posixpath.basename(srpm).removesuffix(".src.rpm")
        elif None not in names:
            yield "{}-{}-{}".format(*names)


def _build_ids(method: str, result: Any) -> list[int]:
    """Return the ids of the builds that a task's result names."""
    given = struct(result) or {}
    found: Any = None
    if method in ("buildContainer", "buildSourceContainer"):
        # As text.
        found = given.get("koji_builds")
    elif method == "osbuildImage":
        found = [member(given.get("koji"), "build")]
    ids = map(integer, found if isinstance(found, list) else ())
    return [build_id for build_id in ids if build_id is not None]


def _repo_id(method: str, result: Any) -> int | None:
    found: Any = None
    if method == "newRepo" and isinstance(result, list) and result:
        found = result[0]
    elif method == "waitrepo" and isinstance(result, dict):
        found = result.get("id")
    elif method == "distRepo":
        number = re.search(r"#(\d+)", str(result or ""))
        found = number[1] if number else None
    return integer(found)
