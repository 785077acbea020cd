"""What a task's struct says: its times, state and parameters.

Pure. The tasks of a watched tree are of this class; :class:`txkoji.task.Task` adds the methods that
ask the hub.
"""

from __future__ import annotations

import datetime
import posixpath
from typing import Any

from munch import Munch

from txkoji import nvr, task_states
from txkoji._struct import Struct
from txkoji._times import elapsed, moment
from txkoji._values import from_params, integer, text

_ARCH_OF_IMAGE = ("name", "version", "release", "arch", "target_info", "build_tag", "repo_info")

_METHOD_PARAMETERS: dict[str, tuple[str, ...]] = {
    "build": ("src", "target", "opts"),
    "chainbuild": ("srcs", "target", "opts"),
    "buildSRPMFromSCM": ("url", "build_tag", "opts"),
    "rebuildSRPM": ("srpm", "build_tag", "opts"),
    "buildArch": ("pkg", "root", "arch", "keep_srpm", "opts"),
    "tagBuild": ("tag_id", "build_id", "force", "fromtag", "ignore_success"),
    "waitrepo": ("tag", "newer_than", "nvrs", "min_event"),
    "newRepo": ("tag", "event", "src", "debuginfo", "separate_src"),
    "createrepo": ("repo_id", "arch", "oldrepo"),
    "distRepo": ("tag", "repo_id", "keys", "task_opts"),
    "createdistrepo": ("tag", "repo_id", "arch", "keys", "opts"),
    "maven": ("url", "target", "opts"),
    "buildMaven": ("url", "build_tag", "opts"),
    "chainmaven": ("builds", "target", "opts"),
    "wrapperRPM": ("spec_url", "build_target", "build", "task", "opts"),
    "image": ("name", "version", "arches", "target", "inst_tree", "opts"),
    "livecd": ("name", "version", "arch", "target", "ksfile", "opts"),
    "appliance": ("name", "version", "arch", "target", "ksfile", "opts"),
    "livemedia": ("name", "version", "arches", "target", "ksfile", "opts"),
    "createImage": (*_ARCH_OF_IMAGE, "inst_tree", "opts"),
    "createLiveCD": (*_ARCH_OF_IMAGE, "ksfile", "opts"),
    "createAppliance": (*_ARCH_OF_IMAGE, "ksfile", "opts"),
    "createLiveMedia": (*_ARCH_OF_IMAGE, "ksfile", "opts"),
    "createKiwiImage": (*_ARCH_OF_IMAGE, "desc_url", "desc_path", "opts"),
    "runroot": ("root", "arch", "command", "keep", "packages", "mounts", "repo_id"),
    "winbuild": ("name", "source_url", "target", "opts"),
    "vmExec": ("name", "task_info", "opts"),
    "kiwiBuild": ("target", "arches", "desc_url", "desc_path", "opts"),
    "buildContainer": ("src", "target", "opts"),
    "buildSourceContainer": ("target", "opts"),
    "osbuildImage": ("name", "version", "distro", "image_type", "target", "arches", "opts"),
    "indirectionimage": ("opts",),
    "buildNotification": ("recipients", "build", "target", "weburl"),
    "tagNotification": ("recipients", "is_successful", "tag_info", "from_info", "build_info"),
}


_SOURCES = ("src", "url", "pkg", "srpm", "source_url")

_BUILDS = ("build_id", "build", "build_info")


class TaskParams(Munch):
    """The parameters of a task, in order: ``params.src``, ``params["src"]`` or ``params[0]``."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (int, slice)):
            return list(self.values())[key]
        return super().__getitem__(key)


class TaskInfo(Struct):
    """A task as ``getTaskInfo`` returns it, with its request."""

    id: int
    method: str
    state: int
    owner: int
    parent: int | None
    host_id: int | None
    channel_id: int
    priority: int
    weight: float
    label: str | None
    waiting: bool | None
    awaited: bool | None
    request: Any
    create_time: str
    create_ts: float
    start_time: str | None
    start_ts: float | None
    completion_time: str | None
    completion_ts: float | None
    # Only of listTasks.
    owner_name: str | None
    owner_type: int
    result: Any

    @property
    def created(self) -> datetime.datetime | None:
        """When the task was created, an aware UTC datetime."""
        return moment(self.get("create_ts"), self.get("create_time"))

    @property
    def started(self) -> datetime.datetime | None:
        """When a builder (last) started the task, an aware UTC datetime, or None."""
        return moment(self.get("start_ts"), self.get("start_time"))

    @property
    def completed(self) -> datetime.datetime | None:
        """When the task ended, an aware UTC datetime; None before."""
        return moment(self.get("completion_ts"), self.get("completion_time"))

    @property
    def duration(self) -> datetime.timedelta | None:
        """How long the task took, or has taken so far; None before its start."""
        return elapsed(self.started, self.completed)

    @property
    def state_name(self) -> str:
        """The name of the task's state, such as ``'OPEN'``."""
        return task_states.to_str(self.state)

    @property
    def params(self) -> TaskParams | None:
        """The task's parameters by name; None if the struct has no request.

        The parameters of an unknown method are named by position (``'0'``, ``'1'``).
        """
        request = self.get("request")
        if not isinstance(request, list):
            return None
        if len(request) == 1 and isinstance(request[0], dict) and "__method__" in request[0]:
            return TaskParams(
                (key, value) for key, value in request[0].items() if key != "__method__"
            )
        positional, named = from_params(request)
        method = self.get("method")
        names = _METHOD_PARAMETERS.get(method, ()) if isinstance(method, str) else ()
        found = TaskParams()
        for position, value in enumerate(positional):
            found[names[position] if position < len(names) else str(position)] = value
        found.update(named)
        return found

    @property
    def _params(self) -> dict[str, Any]:
        return self.params or {}

    @property
    def _options(self) -> dict[str, Any]:
        options = self._params.get("opts")
        return options if isinstance(options, dict) else {}

    def _first(self, *names: str) -> Any:
        # An indirection image has all its parameters in its options.
        params = self._options if self.get("method") == "indirectionimage" else self._params
        return next((params[name] for name in names if params.get(name) is not None), None)

    @property
    def is_scratch(self) -> bool:
        """Whether this is a scratch build."""
        return bool(self._options.get("scratch") or self._params.get("scratch"))

    @property
    def target(self) -> str | None:
        """The name of the build target, None without one.

        For tasks that hold the id or the struct of a target, it is the id as text.
        """
        return _name(self._first("target", "build_target", "target_info"))

    @property
    def tag(self) -> str | None:
        """The name (or id, as text) of the tag that the task works on, or None.

        A task that works for a target has none.
        """
        return _name(self._tag_info)

    @property
    def named_tag_id(self) -> int | None:
        """The id of :attr:`tag` if the task names the tag only by id, else None."""
        return self._tag_info if isinstance(self._tag_info, int) else None

    @property
    def _tag_info(self) -> Any:
        if self.target is not None:
            return None
        return self._first("tag", "tag_id", "tag_info", "build_tag", "root")

    @property
    def build_id(self) -> int | None:
        """The id of the build that the task tags or reports, or None."""
        value = self._first(*_BUILDS)
        if isinstance(value, dict):
            value = value.get("build_id", value.get("id"))
        return integer(value)

    @property
    def arch(self) -> str | None:
        """The architecture that the task was asked for, as a ``buildArch`` is, else None.

        ``task["arch"]`` is the hub's column: which hosts may take the task.
        """
        asked = self._first("arch")
        return asked if isinstance(asked, str) else None

    @property
    def arches(self) -> list[str]:
        """The architectures that the task was asked to build for; empty for all of the tag's."""
        value = self._first("arches") or self._options.get("arch_override") or self._first("arch")
        if isinstance(value, str):
            return value.split()
        return [str(each) for each in value] if isinstance(value, (list, tuple)) else []

    @property
    def package(self) -> str | None:
        """The name of the package that is built, derived from the source, or None.

        A container from a repository ``bash`` is the package ``bash-container``.
        """
        build = self._first(*_BUILDS)
        if isinstance(build, dict):
            return text(build.get("package_name")) or text(build.get("name"))
        source = self._first(*_SOURCES, "name", "spec_url")
        task_info = self._first("task_info")
        if isinstance(task_info, list) and task_info:
            # The name is that of a virtual machine; what it builds is in here.
            source = task_info[0]
        found = _package_of(source) if isinstance(source, str) else None
        if found is not None and self.get("method") == "buildContainer":
            found = f"{found.removesuffix('-container')}-container"
        return found

    @property
    def packages(self) -> list[str]:
        """The names of the packages that a chain builds, in order, each once; else empty."""
        levels = self._first("srcs")
        if isinstance(levels, (list, tuple)):
            sources = [
                each for level in levels if isinstance(level, (list, tuple)) for each in level
            ]
            found = (_package_of(each) for each in sources if isinstance(each, str))
            return list(dict.fromkeys(each for each in found if each))
        builds = self._first("builds")
        return [str(each) for each in builds] if isinstance(builds, dict) else []


def _package_of(source: str) -> str | None:
    """Return the name of the package that a source builds.

    ``git://host/ceph?src#ref`` is the directory ``src`` of the repository ``ceph``, while other
    systems, and ``git://host/rpms/?bash``, have one directory for each package.
    """
    if source.endswith(".src.rpm"):
        rpm = nvr.parse_rpm(source)
        return rpm.nvr.name if rpm is not None else None
    address, _, module = source.partition("#")[0].partition("?")
    if source.startswith("git") and not address.endswith("/"):
        module = ""
    stem = posixpath.basename((module or address).rstrip("/"))
    return stem.removesuffix(".git") or None


def _name(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("name", value.get("id"))
    return None if value is None else str(value)
