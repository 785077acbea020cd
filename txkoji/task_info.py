"""What a task's struct says: its times, its state and its request by names. Pure.

A task of a watched tree is one of these; :class:`txkoji.task.Task` adds what asks the hub.
"""

from __future__ import annotations

import datetime
import posixpath
from typing import Any

from munch import Munch

from txkoji import nvr, task_states
from txkoji._times import moment

__all__ = ["TaskInfo"]

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
    "buildNotification": ("recipients", "build", "target", "weburl"),
    "tagNotification": ("recipients", "is_successful", "tag_info", "from_info", "build_info"),
}


class TaskInfo(Munch):
    """A task as ``getTaskInfo`` answers it, its request included."""

    @property
    def created(self) -> datetime.datetime | None:
        """When the task was made, an aware UTC datetime."""
        return moment(self.get("create_ts"), self.get("create_time"))

    @property
    def started(self) -> datetime.datetime | None:
        """When a builder took the task up (the last time), an aware UTC datetime, or None."""
        return moment(self.get("start_ts"), self.get("start_time"))

    @property
    def completed(self) -> datetime.datetime | None:
        """When the task ended, an aware UTC datetime; None while it goes on."""
        return moment(self.get("completion_ts"), self.get("completion_time"))

    @property
    def duration(self) -> datetime.timedelta | None:
        """How long the task took, or has taken so far; None before its start."""
        began = self.started
        if began is None:
            return None
        return (self.completed or datetime.datetime.now(datetime.timezone.utc)) - began

    @property
    def state_name(self) -> str:
        """The name of the task's state: ``'OPEN'``."""
        return task_states.to_str(self.state)

    @property
    def params(self) -> Munch | None:
        """The task's parameters by their names; None where the request was not asked for.

        The parameters of an unknown method have their positions for names (``'0'``, ``'1'``).
        """
        request = self.get("request")
        if not isinstance(request, list):
            return None
        if len(request) == 1 and isinstance(request[0], dict) and "__method__" in request[0]:
            return Munch((key, value) for key, value in request[0].items() if key != "__method__")
        named: dict[str, Any] = {}
        positional = list(request)
        if positional and isinstance(positional[-1], dict) and positional[-1].get("__starstar"):
            named = {key: value for key, value in positional.pop().items() if key != "__starstar"}
        names = _METHOD_PARAMETERS.get(self.method, ())
        found = Munch()
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
        params = self._params
        return next((params[name] for name in names if params.get(name) is not None), None)

    @property
    def is_scratch(self) -> bool:
        """Whether this is a scratch build."""
        return bool(self._options.get("scratch") or self._params.get("scratch"))

    @property
    def target(self) -> str | None:
        """The name of the build target, None for a task that has none.

        Some tasks carry the id or the struct of a target: the id is given as text.
        """
        return _name(self._first("target", "build_target", "target_info"))

    @property
    def tag(self) -> str | None:
        """The name (or id, as text) of the tag that the task works on, or None."""
        return _name(self._first("tag", "tag_id", "tag_info", "build_tag", "root"))

    @property
    def build_id(self) -> int | None:
        """The id of the build that the task tags or tells of, or None."""
        value = self._first("build_id", "build", "build_info")
        if isinstance(value, dict):
            value = value.get("build_id", value.get("id"))
        return value if isinstance(value, int) else None

    @property
    def arches(self) -> list[str]:
        """The architectures that the task was told to build for; empty for those of the tag."""
        value = self._first("arches") or self._options.get("arch_override")
        if value is None and self.method in ("buildArch", "createImage", "runroot"):
            value = self._first("arch")
        if isinstance(value, str):
            return value.split()
        return list(value or [])

    @property
    def package(self) -> str | None:
        """The name of the package that is built, as the source tells it, or None."""
        source = self._first("src", "url", "pkg", "srpm", "source_url", "name", "spec_url")
        if not isinstance(source, str):
            return None
        if source.endswith(".src.rpm"):
            rpm = nvr.parse_rpm(source)
            return rpm.nvr.name if rpm is not None else None
        address, _, module = source.partition("#")[0].partition("?")
        stem = posixpath.basename((module or address).rstrip("/"))
        return stem.removesuffix(".git") or None


def _name(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("name", value.get("id"))
    return None if value is None else str(value)
