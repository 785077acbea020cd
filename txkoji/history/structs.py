"""Structs from outside with all fields typed that the history and its users read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from munch import Munch

from txkoji import _values as values
from txkoji import build_states, task_states
from txkoji._values import Reader, integer, seconds, text
from txkoji.hub.answers import BUILD_MEMBERS


class UnusableRecord(ValueError):
    """A struct lacks a field without which it is of no use."""


_BUILD: Mapping[str, Reader] = {
    **BUILD_MEMBERS,
    "epoch": integer,
    "package_id": integer,
    "owner_id": integer,
    "promoter_name": text,
    "creation_ts": seconds,
    "start_ts": seconds,
    "completion_ts": seconds,
}

_TASK: Mapping[str, Reader] = {
    "state": integer,
    "method": text,
    "arch": text,
    "owner_name": text,
    "parent": integer,
    "create_ts": seconds,
    "start_ts": seconds,
    "completion_ts": seconds,
}


def required(found: Any, name: str, read: Reader) -> Any:
    """Return a field of a struct.

    Raises:
        UnusableRecord: the struct lacks it, or its value is of another type.
    """
    value = read(found.get(name)) if isinstance(found, Mapping) else None
    if value is None:
        raise UnusableRecord(f"no usable {name}")
    return value


def _typed(found: Mapping[str, Any], readers: Mapping[str, Reader]) -> Munch:
    """Return a struct with None for each known field that holds something else than it should."""
    typed = Munch(found)
    for name in readers.keys() & typed.keys():
        typed[name] = readers[name](typed[name])
    return typed


def read_build(found: Any) -> Munch:
    """Return a build, from a hub or a message, under the field names of ``getBuild``.

    Raises:
        UnusableRecord: it names no build.
    """
    identity = "build_id" if isinstance(found, Mapping) and "build_id" in found else "id"
    build_id = required(found, identity, integer)
    name, version, release = (
        required(found, each, text) for each in ("name", "version", "release")
    )
    build = _typed(found, _BUILD)
    if build.get("state") is not None and build.state not in set(build_states.BuildStates):
        raise UnusableRecord(f"no usable state: {build.state}")
    build.id = build.build_id = build_id
    build.package_name = build.get("package_name") or name
    build.nvr = text(build.get("nvr")) or f"{name}-{version}-{release}"
    if "extra" in build:
        build.extra = _read_extra(build.extra)
    return build


def _read_extra(found: Any) -> Munch | None:
    """Return what a content generator put into a build, with the fields typed that are read."""
    extra = values.struct(found)
    if extra is None:
        return None
    typed = Munch(extra)
    for name, read in (
        ("source", values.struct),
        ("container_koji_task_id", integer),
        ("custom_user_metadata", values.struct),
    ):
        if name in typed and read(typed[name]) is None:
            del typed[name]
    if "container_koji_task_id" in typed:
        typed.container_koji_task_id = integer(typed.container_koji_task_id)
    if "source" in typed:
        typed.source = Munch(typed.source)
        typed.source.original_url = text(typed.source.get("original_url"))
    return typed


def read_task(found: Any) -> Munch:
    """Return a task, from a hub or a message, under the field names of ``getTaskInfo``.

    Raises:
        UnusableRecord: it names no task.
    """
    task_id = required(found, "id", integer)
    task = _typed(found, _TASK)
    if task.get("state") is not None and task.state not in set(task_states.TaskStates):
        raise UnusableRecord(f"no usable state: {task.state}")
    task.id = task_id
    task.setdefault("method", None)
    return task


def read_rpm(found: Any) -> Munch:
    """Return an RPM with its id, name, version, release and arch.

    Raises:
        UnusableRecord: one of them is missing.
    """
    return Munch(
        {
            "id": required(found, "id", integer),
            **{
                each: required(found, each, text) for each in ("name", "version", "release", "arch")
            },
        }
    )
