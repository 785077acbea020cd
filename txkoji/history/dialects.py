"""The dialects of the hub plugins that announce events on a bus, decoded to one form. Pure.

protonmsg nests the hub's structs unchanged; Fedora's plugin flattens them and has its own field
names (its topics are ``buildsys.`` and the dotted name of Koji's callback). Both decode to the
name of the callback and its facts, under the field names of :mod:`txkoji.history.events`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from enum import IntEnum
from functools import partial
from typing import Any

from munch import Munch, munchify

from txkoji import build_states, task_states
from txkoji._times import moment
from txkoji._values import flag, integer, member, seconds, struct, text, to_params
from txkoji.build_states import BuildStates
from txkoji.bus.base import Dialect
from txkoji.exceptions import MalformedMessage, ProtocolError
from txkoji.history.structs import UnusableRecord, read_build, read_task, required
from txkoji.hub.xmlrpc import decode_call
from txkoji.task_states import TaskStates

MAX_BODY = 4 << 20
"""Bytes: the largest body is that of a build with a large ``extra``."""

Facts = tuple[str, dict[str, Any]]
"""The name of a Koji callback, and its facts."""

Reader = Callable[[Munch], Facts | None]
"""Returns what a message of one kind says."""


def decode(
    dialect: Dialect, kind: str, body: str | bytes, defaults: Mapping[str, Any] | None = None
) -> Facts | None:
    """Decode the body of a message.

    Args:
        dialect: the plugin that wrote it.
        kind: what it is about: the property ``type`` of protonmsg, the topic after ``buildsys.`` of
            Fedora's plugin.
        body: the body, JSON.
        defaults: what the body says where it lacks a field.

    Returns:
        The facts; None for a message that is about something else.

    Raises:
        MalformedMessage: the message is not what the plugin writes.
    """
    read = _READERS[dialect].get(kind)
    try:
        return None if read is None else read(Munch({**(defaults or {}), **_json(body)}))
    except (RecursionError, ValueError) as error:
        raise MalformedMessage(f"unreadable message of the kind {kind!r}: {error}") from error


def _json(body: Any) -> Munch:
    if not isinstance(body, (str, bytes)):
        # A body of AMQP 1.0 may be a value of any type.
        raise UnusableRecord("its body is no text")
    if len(body) > MAX_BODY:
        raise UnusableRecord(f"{len(body)} bytes are more than any hub sends")
    found = munchify(json.loads(body, parse_constant=_refuse_constant))
    if not isinstance(found, Munch):
        raise UnusableRecord("not a JSON object")
    return found


def _refuse_constant(constant: str) -> Any:
    raise UnusableRecord(f"{constant} is no JSON number")


def _state(states: type[IntEnum], found: Any) -> int | None:
    """Return the number of a state given as a number or a name; None if it is neither."""
    names = {state.name: int(state) for state in states}
    if isinstance(found, str):
        return names.get(found)
    number = integer(found)
    return number if number in names.values() else None


def _new_state(states: type[IntEnum], body: Munch) -> int:
    number = _state(states, body.get("new"))
    if number is None:
        raise UnusableRecord("no usable new state")
    return number


def _task(found: Any) -> Munch:
    task = read_task(found)
    request = task.get("request")
    if isinstance(request, str):
        # A new task comes as the database has it, its request still encoded.
        try:
            _, args, kwargs = decode_call(request.encode())
        except (ProtocolError, ValueError):
            task.request = None
        else:
            task.request = to_params(args, kwargs)
    return task


def _of_state(read: Reader) -> Reader:
    """Return a reader that leaves out changes of anything but a state."""
    return lambda body: read(body) if body.get("attribute") == "state" else None


# protonmsg


@_of_state
def _protonmsg_task(body: Munch) -> Facts:
    task = _task(body.get("info"))
    task.state = _new_state(TaskStates, body)
    return "TaskStateChange", {
        "task": task,
        "old": _state(TaskStates, body.get("old")),
        "event": task_states.to_str(task.state),
        "when": task.get("completion_ts") or task.get("start_ts") or task.get("create_ts"),
    }


@_of_state
def _protonmsg_build(body: Munch) -> Facts:
    build = read_build(body.get("info"))
    return "BuildStateChange", {
        "build": build,
        "old": _state(BuildStates, body.get("old")),
        "event": build_states.to_str(_new_state(BuildStates, body)),
        "when": build.get("completion_ts") or build.get("creation_ts"),
        "user_name": build.get("owner_name"),
    }


def _protonmsg_tag(event: str, body: Munch) -> Facts:
    return "TagUntag", {
        "event": event,
        "build": read_build(body.get("build")),
        **_tag(body.get("tag")),
        "user_name": text(member(body.get("user"), "name")),
    }


def _tag(found: Any) -> dict[str, Any]:
    """Return the facts of a struct of a tag."""
    return {"tag_id": required(found, "id", integer), "tag_name": required(found, "name", text)}


def _protonmsg_promote(body: Munch) -> Facts:
    build = read_build(body.get("build"))
    return "BuildPromote", {
        "build": build,
        "draft_release": text(body.get("draft_release")),
        "user_name": text(member(body.get("user"), "name")),
        "when": build.get("promotion_ts"),
    }


def _protonmsg_package(body: Munch) -> Facts:
    return "PackageListChange", {
        "action": required(body, "action", text),
        "package": required(body.get("package"), "name", text),
        **_tag(body.get("tag")),
        "user_name": text(member(body.get("user"), "name")),
    }


def _protonmsg_import(body: Munch) -> Facts:
    # The metadata of a content generator come without the build.
    build = body.get("build")
    return "Import", {
        "kind": required(body, "type", text),
        "build": None if build is None else read_build(build),
    }


def _sign(body: Munch) -> Facts:
    rpm = Munch(struct(body.get("rpm")) or {})
    rpm.id = required(rpm, "id", integer)
    return "RPMSign", {
        "build": read_build(body.get("build")),
        "rpm": rpm,
        "sigkey": required(body, "sigkey", text),
    }


def _protonmsg_repo_init(body: Munch) -> Facts:
    return "RepoInit", {"repo_id": required(body, "repo_id", integer), **_tag(body.get("tag"))}


def _protonmsg_repo_done(body: Munch) -> Facts:
    repo = body.get("repo")
    return "RepoDone", {
        "repo_id": required(repo, "id", integer),
        "dist": flag(member(repo, "dist")),
        "tag_id": required(repo, "tag_id", integer),
        "tag_name": required(repo, "tag_name", text),
    }


_PROTONMSG: dict[str, Reader] = {
    "TaskStateChange": _protonmsg_task,
    "BuildStateChange": _protonmsg_build,
    "Tag": partial(_protonmsg_tag, "Tag"),
    "Untag": partial(_protonmsg_tag, "Untag"),
    "BuildPromote": _protonmsg_promote,
    "PackageListChange": _protonmsg_package,
    "Import": _protonmsg_import,
    "RPMSign": _sign,
    "RepoInit": _protonmsg_repo_init,
    "RepoDone": _protonmsg_repo_done,
}


# Fedora


def _iso_or_seconds(found: Any) -> float | None:
    """Return seconds since the epoch of a time that is a number or ISO 8601."""
    read = moment(found, found)
    return None if read is None else seconds(read.timestamp())


@_of_state
def _fedora_task(body: Munch) -> Facts:
    info = struct(body.get("info")) or {}
    task = _task({"method": body.get("method"), **info, "id": body.get("id")})
    owner = body.get("owner", task.get("owner"))
    if isinstance(owner, str):
        # Fedora's plugin puts the name where the hub has the id.
        task.owner_name = text(owner)
        task.owner = None
    task.state = _new_state(TaskStates, body)
    return "TaskStateChange", {
        "task": task,
        "old": _state(TaskStates, body.get("old")),
        "event": task_states.to_str(task.state),
        "when": _iso_or_seconds(task.get("completion_time") or task.get("start_time")),
    }


@_of_state
def _fedora_build(body: Munch) -> Facts:
    new = _new_state(BuildStates, body)
    known = ("build_id", "name", "version", "release", "epoch", "task_id")
    build = {key: body[key] for key in known if key in body}
    build = read_build({**build, "state": new, "owner_name": body.get("owner")})
    task = struct(body.get("task"))
    if task is not None:
        task = _task({"id": body.get("task_id"), **task, "request": body.get("request")})
    return "BuildStateChange", {
        "build": build,
        "task": task,
        "old": _state(BuildStates, body.get("old")),
        "event": build_states.to_str(new),
        "when": _iso_or_seconds(body.get("completion_time") or body.get("creation_time")),
        "user_name": build.owner_name,
    }


def _fedora_tag(event: str, body: Munch) -> Facts:
    build = {key: body.get(key) for key in ("build_id", "name", "version", "release")}
    return "TagUntag", {
        "event": event,
        "build": read_build({**build, "owner_name": body.get("owner")}),
        "tag_id": integer(body.get("tag_id")),
        "tag_name": required(body, "tag", text),
        "user_name": text(body.get("user")),
    }


def _fedora_package(body: Munch) -> Facts:
    return "PackageListChange", {
        "action": required(body, "action", text),
        "package": required(body, "package", text),
        "tag_name": required(body, "tag", text),
    }


def _fedora_repo(kind: str, body: Munch) -> Facts:
    return kind, {
        "repo_id": required(body, "repo_id", integer),
        "tag_id": integer(body.get("tag_id")),
        "tag_name": required(body, "tag", text),
    }


_FEDORA: dict[str, Reader] = {
    "task.state.change": _fedora_task,
    "build.state.change": _fedora_build,
    "tag": partial(_fedora_tag, "Tag"),
    "untag": partial(_fedora_tag, "Untag"),
    "package.list.change": _fedora_package,
    "rpm.sign": _sign,
    "repo.init": partial(_fedora_repo, "RepoInit"),
    "repo.done": partial(_fedora_repo, "RepoDone"),
}


_READERS: dict[Dialect, Mapping[str, Reader]] = {
    "protonmsg": _PROTONMSG,
    "fedora": _FEDORA,
}
