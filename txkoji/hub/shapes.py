"""What programs may rely on in the results of the hub's methods. Pure.

A hub's database guarantees these members, and the code above reads them unasked. A front end that
answers with JSON of its own, or a hub that a plugin broke, is named here instead of ending in an
AttributeError somewhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from txkoji.hub.call import Call
from txkoji.hub.replies import odd

__all__ = ["check"]

Members = Mapping[str, type]
"""The types of the members that no such struct lacks."""

_NAMED: Members = {"id": int, "name": str}
_BUILD: Members = {"build_id": int, "name": str, "version": str, "release": str, "nvr": str}
_RPM: Members = {**_NAMED, "version": str, "release": str, "arch": str}
_REPO: Members = {"id": int, "state": int}
_TASK: Members = {"id": int, "state": int, "method": str}
_TARGET: Members = {
    **_NAMED,
    "build_tag": int,
    "build_tag_name": str,
    "dest_tag": int,
    "dest_tag_name": str,
}

_STRUCTS: dict[str, Members] = {
    "createSideTag": _NAMED,
    "getBuild": {**_BUILD, "state": int},
    "getBuildConfig": _NAMED,
    "getBuildTarget": _TARGET,
    "getChannel": _NAMED,
    "getLoggedInUser": _NAMED,
    "getPackage": _NAMED,
    "getRepo": _REPO,
    "getTag": _NAMED,
    "getTaskInfo": _TASK,
    "getUser": _NAMED,
    "repo.checkRequest": {},
    "repo.request": {},
    "repoInfo": _REPO,
}
"""Methods that return a struct, or None where they are not strict."""

_NEVER_NONE = {"createSideTag", "getBuildConfig", "repo.checkRequest", "repo.request"}

_LISTS: dict[str, Members | None] = {
    "getFullInheritance": {"parent_id": int, "name": str},
    "getLatestBuilds": _BUILD,
    "getPerms": None,
    "getTaskChildren": _TASK,
    "getTaskRequest": None,
    "listArchives": {"filename": str, "btype": str},
    "listBuildRPMs": _RPM,
    "listBuilds": _BUILD,
    "listPackages": {"package_id": int, "package_name": str},
    "listRPMs": _RPM,
    "listSideTags": _NAMED,
    "listTagged": _BUILD,
    "listTags": _NAMED,
    "listTasks": _TASK,
}
"""Methods that return a list of structs, or of anything for None."""

_RESHAPING = {"asList", "countOnly", "fields", "group"}
"""Query options that give rows of another shape."""


def check(call: Call, result: Any) -> None:
    """Check what a hub answered to a call.

    Args:
        call: the call.
        result: its result; any value may come in.

    Raises:
        ProtocolError: the result is none that a hub gives; the text names the method.
    """
    method = call.method
    if method in _STRUCTS:
        strict = method in _NEVER_NONE or bool(call.kwargs.get("strict"))
        # Many tasks are asked for at once.
        asked = call.args[0] if call.args else None
        many = isinstance(asked, (list, tuple)) and isinstance(result, list)
        for row in result if many else [result]:
            if row is not None or strict:
                _check_members(method, row, _STRUCTS[method])
    elif method in _LISTS and not _is_reshaped(call):
        if not isinstance(result, list):
            raise odd(result, method, "a list")
        members = _LISTS[method]
        if members is not None:
            for row in result:
                _check_members(method, row, members)


def _check_members(method: str, row: Any, members: Members) -> None:
    if not isinstance(row, dict):
        raise odd(row, method, "a struct")
    for name, kind in members.items():
        if type(row.get(name)) is not kind:
            wanted = "a number" if kind is int else "text"
            raise odd(row.get(name), f"{method}, as {name},", wanted)


def _is_reshaped(call: Call) -> bool:
    given = [*call.args, call.kwargs.get("queryOpts")]
    return any(isinstance(each, Mapping) and _RESHAPING & each.keys() for each in given)
