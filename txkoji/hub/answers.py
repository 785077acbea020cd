"""Read what a hub answers to the methods that we rely on, each answer once. Pure.

A row of a list that can't be used is left out. An optional member of the wrong type becomes None.
An answer that can't be used as a whole is an :class:`UnusableAnswer`, which is permanent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from txkoji._values import Reader, flag, identity, integer, seconds, struct, text
from txkoji.exceptions import UnusableAnswer
from txkoji.hub.call import Call


@dataclass(frozen=True)
class _Struct:
    """What is read of a struct.

    Attributes:
        needed: the members without which it can't be used.
        members: the optional ones; one of the wrong type becomes None.
    """

    needed: Mapping[str, Reader]
    members: Mapping[str, Reader] = field(default_factory=dict)

    def read(self, value: Any) -> Any:
        """Return the struct with its members read, None if it can't be used."""
        if not isinstance(value, dict):
            return None
        for name, reader in self.needed.items():
            value[name] = reader(value.get(name))
            if value[name] is None:
                return None
        for name, reader in self.members.items():
            value[name] = reader(value.get(name))
        return value


class _Build(_Struct):
    """A build, whose id is ``build_id`` in some answers, ``id`` in others, and both in most."""

    def read(self, value: Any) -> Any:
        """Return the build with both ids."""
        if isinstance(value, dict):
            number = identity(value.get("build_id")) or identity(value.get("id"))
            value["id"] = value["build_id"] = number
        return super().read(value)


BUILD_MEMBERS: Mapping[str, Reader] = {
    "draft": flag,
    "name": text,
    "owner_name": text,
    "package_name": text,
    "promotion_ts": seconds,
    "release": text,
    "source": text,
    "state": integer,
    "task_id": identity,
    "version": text,
    "volume_name": text,
}

_BUILD = _Build({"id": identity, "nvr": text}, BUILD_MEMBERS)
_TAGGED = _Build(
    {**_BUILD.needed, "package_name": text, "version": text, "release": text},
    {**_BUILD.members, "epoch": integer},
)
_NAMED = _Struct({"id": identity, "name": text})
_PACKAGE = _Struct({"package_name": text}, {"owner_name": text})
_REPO = _Struct({"id": identity, "create_event": integer}, {"opts": struct})
_REQUEST = _Struct({"id": identity, "active": flag}, {"task_id": identity})
_RPM = _Struct({"name": text, "version": text, "release": text, "arch": text})
_TARGET = _Struct(
    {"build_tag": identity, "build_tag_name": text, "dest_tag": identity, "dest_tag_name": text},
    {"name": text},
)


class _Check(_Struct):
    """The outcome of a request for a repo: the repo, or the request."""

    def read(self, value: Any) -> Any:
        """Return the answer with its repo and its request, None where neither can be used."""
        if not isinstance(value, dict):
            return None
        value["repo"] = _REPO.read(value.get("repo"))
        value["request"] = _REQUEST.read(value.get("request"))
        return value if value["repo"] or value["request"] else None


_STRUCTS: dict[str, _Struct] = {
    "createSideTag": _NAMED,
    "getBuild": _BUILD,
    "getBuildConfig": _Struct({}, {"arches": text}),
    "getBuildTarget": _TARGET,
    "getChannel": _NAMED,
    "getEvent": _Struct({"id": identity}, {"ts": seconds}),
    "getLastEvent": _Struct({"id": identity}, {"ts": seconds}),
    "getLoggedInUser": _NAMED,
    "getPackageConfig": _PACKAGE,
    "getRPM": _Struct({"build_id": identity}),
    "getRepo": _REPO,
    "getTag": _Struct(_NAMED.needed, {"locked": flag, "perm": text}),
    "getTaskInfo": _Struct({"id": identity, "state": integer}, {"owner": identity, "method": text}),
    "getUser": _NAMED,
    "repo.checkRequest": _Check({}),
    "repo.request": _Check({}),
    "repoInfo": _REPO,
}
"""Methods that return a struct, or None where they are not strict."""

_NEVER_NONE = frozenset(["createSideTag", "getBuildConfig", "repo.checkRequest", "repo.request"])

_ROWS: dict[str, _Struct] = {
    "getBuildTargets": _TARGET,
    "getFullInheritance": _Struct({"parent_id": identity}),
    "getLatestBuilds": _BUILD,
    "listBuildRPMs": _RPM,
    "listBuilds": _BUILD,
    "listChannels": _NAMED,
    "listHosts": _Struct({"id": identity}, {"arches": text, "name": text, "ready": flag}),
    "listPackages": _PACKAGE,
    "listRPMs": _RPM,
    "listSideTags": _NAMED,
    "listTagged": _TAGGED,
    "listTags": _NAMED,
    "listTasks": _Struct({"id": identity}),
}
"""Methods that return a list of structs."""

_TEXTS = frozenset(["getPerms", "system.listMethods"])
"""Methods that return a list of texts."""

_VALUES: dict[str, Reader] = {
    "getKojiVersion": text,
    "getTaskResult": lambda result: result,
    "tagLastChangeEvent": identity,
}
"""Methods that return a text, a number, or what a task made of any type, or None."""


def read_answer(call: Call, answer: Any, leave_out: Callable[[Any], object]) -> Any:
    """Return what a hub answered to a method of these tables, with the members read.

    Each row that can't be used is passed to ``leave_out``.

    Returns:
        A list of structs or texts, or its length if that was asked for, or a struct, or a value;
        None if the hub answered None, and the method may.

    Raises:
        UnusableAnswer: the hub answered something else.
    """
    method = call.method
    if any((struct(each) or {}).get("countOnly") for each in (*call.args, *call.kwargs.values())):
        count = integer(answer)
        if count is None:
            raise UnusableAnswer(method, answer, "a number")
        return count
    if method not in _ROWS and method not in _TEXTS:
        if answer is None and method not in _NEVER_NONE and not call.kwargs.get("strict"):
            return None
        read = _STRUCTS[method].read if method in _STRUCTS else _VALUES[method]
        found = read(answer)
        if found is None:
            raise UnusableAnswer(method, answer)
        return found
    if not isinstance(answer, list):
        raise UnusableAnswer(method, answer)
    rows = []
    for row in answer:
        usable = text(row) if method in _TEXTS else _ROWS[method].read(row)
        if usable is None:
            leave_out(row)
        else:
            rows.append(usable)
    return rows


def an_id(value: Any, method: str) -> int:
    """Return a reply that must be an id, a positive 32-bit number.

    Raises:
        UnusableAnswer: it is something else.
    """
    if type(value) is not int or identity(value) is None:
        raise UnusableAnswer(method, value, "an id")
    return value


def a_struct(value: Any, method: str, *names: str) -> dict[str, Any]:
    """Return a reply that must be a struct with some members.

    Raises:
        UnusableAnswer: it is something else, or lacks one.
    """
    if not isinstance(value, dict) or any(name not in value for name in names):
        wanted = f"a struct with {', '.join(names)}" if names else "a struct"
        raise UnusableAnswer(method, value, wanted)
    return value


def a_list(value: Any, method: str) -> list[Any]:
    """Return a reply that must be a list.

    Raises:
        UnusableAnswer: it is something else.
    """
    if not isinstance(value, list):
        raise UnusableAnswer(method, value, "a list")
    return value
