"""The dialects of the hub plugins that announce events on a bus, decoded to one form. Pure.

protonmsg nests the hub's structs unchanged; Fedora's plugin flattens them and has its own field
names (its topics are ``buildsys.`` and the dotted name of Koji's callback). Both decode to the
name of the callback and its facts, under the field names of :mod:`txkoji.history.events`.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Callable, Mapping
from typing import Any

from munch import Munch, munchify

from txkoji.build_states import BuildStates
from txkoji.bus.base import Dialect
from txkoji.exceptions import MalformedMessage, ProtocolError
from txkoji.hub.xmlrpc import decode_call
from txkoji.task_states import TaskStates

__all__ = ["Facts", "decode"]

Facts = tuple[str, dict[str, Any]]
"""The name of a Koji callback, and its facts."""


def decode(dialect: Dialect, kind: str, body: str | bytes) -> Facts | None:
    """Decode the body of a message.

    Args:
        dialect: the plugin that wrote it.
        kind: what it is about: the property ``type`` of protonmsg, the topic after ``buildsys.`` of
            Fedora's plugin.
        body: the body, JSON.

    Returns:
        The facts; None for a message that is about something else.

    Raises:
        MalformedMessage: the message is not what the plugin writes.
    """
    read = _READERS[dialect].get(kind)
    try:
        struct = json.loads(body)
        return None if read is None else read(munchify(struct))
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise MalformedMessage(
            f"unreadable message of the kind {kind!r}: {type(error).__name__}: {error}"
        ) from error


def _state(states: Any, value: Any) -> int | None:
    """Return the number of a state given as a number, a name or None."""
    if value is None:
        return None
    return int(states[value] if isinstance(value, str) else states(value))


def _new_state(states: Any, value: Any) -> int:
    number = _state(states, value)
    if number is None:
        raise ValueError("no state")
    return number


def _build(struct: Mapping[str, Any]) -> Munch:
    """Return a build under the field names of the hub's structs."""
    build = Munch(struct)
    identity = build.get("build_id", build.get("id"))
    build.id = build.build_id = int(identity)
    build.package_name = build.get("package_name") or build.name
    build.nvr = build.get("nvr") or f"{build.name}-{build.version}-{build.release}"
    return build


def _task(struct: Mapping[str, Any]) -> Munch:
    task = Munch(struct)
    task.id = int(task.id)
    request = task.get("request")
    if isinstance(request, str):
        # A new task comes as the database has it, its request still encoded.
        try:
            _, args, kwargs = decode_call(request.encode())
        except ProtocolError:
            task.request = None
        else:
            task.request = [*args, {**kwargs, "__starstar": True}] if kwargs else args
    return task


# protonmsg


def _protonmsg_task(body: Munch) -> Facts | None:
    if body.attribute != "state":
        return None
    task = _task(body.info)
    new = _new_state(TaskStates, body.new)
    task.state = new
    when = task.get("completion_ts") or task.get("start_ts") or task.get("create_ts")
    old = _state(TaskStates, body.old)
    return "TaskStateChange", {"task": task, "old": old, "new": new, "when": when}


def _protonmsg_build(body: Munch) -> Facts | None:
    if body.attribute != "state":
        return None
    build = _build(body.info)
    return "BuildStateChange", {
        "build": build,
        "old": _state(BuildStates, body.old),
        "new": _new_state(BuildStates, body.new),
        "when": build.get("completion_ts") or build.get("creation_ts"),
        "user_name": build.get("owner_name"),
    }


def _protonmsg_tag(action: str) -> Callable[[Munch], Facts]:
    def read(body: Munch) -> Facts:
        return "TagUntag", {
            "action": action,
            "build": _build(body.build),
            "tag_id": int(body.tag.id),
            "tag_name": str(body.tag.name),
            "user_name": (body.get("user") or {}).get("name"),
        }

    return read


def _protonmsg_promote(body: Munch) -> Facts:
    build = _build(body.build)
    return "BuildPromote", {
        "build": build,
        "draft_release": body.draft_release,
        "user_name": (body.get("user") or {}).get("name"),
        "when": build.get("promotion_ts"),
    }


def _protonmsg_package(body: Munch) -> Facts:
    return "PackageListChange", {
        "action": str(body.action),
        "package": str(body.package.name),
        "tag_id": int(body.tag.id),
        "tag_name": str(body.tag.name),
        "user_name": (body.get("user") or {}).get("name"),
    }


def _protonmsg_import(body: Munch) -> Facts:
    # The metadata of a content generator come without the build.
    build = body.get("build")
    return "Import", {"kind": str(body.type), "build": None if build is None else _build(build)}


def _protonmsg_sign(body: Munch) -> Facts:
    return "RPMSign", {"build": _build(body.build), "rpm": body.rpm, "sigkey": str(body.sigkey)}


def _protonmsg_repo_init(body: Munch) -> Facts:
    return "RepoInit", {
        "repo_id": int(body.repo_id),
        "tag_id": int(body.tag.id),
        "tag_name": str(body.tag.name),
    }


def _protonmsg_repo_done(body: Munch) -> Facts:
    repo = body.repo
    return "RepoDone", {
        "repo_id": int(repo.id),
        "dist": repo.get("dist"),
        "tag_id": int(repo.tag_id),
        "tag_name": str(repo.tag_name),
    }


_PROTONMSG: dict[str, Callable[[Munch], Facts | None]] = {
    "TaskStateChange": _protonmsg_task,
    "BuildStateChange": _protonmsg_build,
    "Tag": _protonmsg_tag("tag"),
    "Untag": _protonmsg_tag("untag"),
    "BuildPromote": _protonmsg_promote,
    "PackageListChange": _protonmsg_package,
    "Import": _protonmsg_import,
    "RPMSign": _protonmsg_sign,
    "RepoInit": _protonmsg_repo_init,
    "RepoDone": _protonmsg_repo_done,
}


# Fedora


def _seconds(value: Any) -> float | None:
    """Return seconds since the epoch of a time that is a number or ISO 8601."""
    if value is None or isinstance(value, (int, float)):
        return value
    read = datetime.datetime.fromisoformat(str(value))
    aware = read if read.tzinfo is not None else read.replace(tzinfo=datetime.timezone.utc)
    return aware.timestamp()


def _fedora_task(body: Munch) -> Facts | None:
    if body.attribute != "state":
        return None
    info = {"method": body.get("method"), **(body.get("info") or {}), "id": body.id}
    task = _task(info)
    owner = body.get("owner", task.get("owner"))
    if isinstance(owner, str):
        # Fedora's plugin puts the name where the hub has the id.
        task.owner_name = owner
        task.owner = None
    new = _new_state(TaskStates, body.new)
    task.state = new
    return "TaskStateChange", {
        "task": task,
        "old": _state(TaskStates, body.get("old")),
        "new": new,
        "when": _seconds(task.get("completion_time") or task.get("start_time")),
    }


def _fedora_build(body: Munch) -> Facts | None:
    if body.attribute != "state":
        return None
    new = _new_state(BuildStates, body.new)
    build = Munch(
        (key, body[key])
        for key in ("build_id", "name", "version", "release", "epoch", "task_id")
        if key in body
    )
    build = _build({**build, "state": new, "owner_name": body.get("owner")})
    task = body.get("task")
    if task is not None:
        task = _task({"id": body.task_id, **task, "request": body.get("request")})
    return "BuildStateChange", {
        "build": build,
        "task": task,
        "old": _state(BuildStates, body.get("old")),
        "new": new,
        "when": _seconds(body.get("completion_time") or body.get("creation_time")),
        "user_name": body.get("owner"),
    }


def _fedora_tag(action: str) -> Callable[[Munch], Facts]:
    def read(body: Munch) -> Facts:
        build = {key: body[key] for key in ("build_id", "name", "version", "release")}
        return "TagUntag", {
            "action": action,
            "build": _build({**build, "owner_name": body.get("owner")}),
            "tag_id": body.get("tag_id"),
            "tag_name": str(body.tag),
            "user_name": body.get("user"),
        }

    return read


def _fedora_package(body: Munch) -> Facts:
    return "PackageListChange", {
        "action": str(body.action),
        "package": str(body.package),
        "tag_name": str(body.tag),
    }


def _fedora_sign(body: Munch) -> Facts:
    return "RPMSign", {"build": _build(body.build), "rpm": body.rpm, "sigkey": str(body.sigkey)}


def _fedora_repo(kind: str) -> Callable[[Munch], Facts]:
    def read(body: Munch) -> Facts:
        return kind, {
            "repo_id": int(body.repo_id),
            "tag_id": body.get("tag_id"),
            "tag_name": str(body.tag),
        }

    return read


_FEDORA: dict[str, Callable[[Munch], Facts | None]] = {
    "task.state.change": _fedora_task,
    "build.state.change": _fedora_build,
    "tag": _fedora_tag("tag"),
    "untag": _fedora_tag("untag"),
    "package.list.change": _fedora_package,
    "rpm.sign": _fedora_sign,
    "repo.init": _fedora_repo("RepoInit"),
    "repo.done": _fedora_repo("RepoDone"),
}


_READERS: dict[Dialect, Mapping[str, Callable[[Munch], Facts | None]]] = {
    "protonmsg": _PROTONMSG,
    "fedora": _FEDORA,
}
