"""The types of the columns that callers fill or compare: a database refuses other types. Pure."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from txkoji.exceptions import GenericError, UnknownFault

TYPES: dict[str, dict[type, str]] = {
    "archivetypes": {str: "description extensions compression_type"},
    "build": {str: "version release", int: "epoch"},
    "build_notifications": {str: "email"},
    "channels": {str: "description comment"},
    "group_config": {
        bool: "biarchonly blocked exported is_default uservisible",
        str: "description display_name langonly",
    },
    "group_package_listing": {bool: "basearchonly blocked", str: "package requires type"},
    "group_req_listing": {bool: "blocked is_metapkg", str: "type"},
    "host": {str: "description comment"},
    "permissions": {str: "description"},
    "repo_queue": {int: "priority"},
    "tag_config": {bool: "locked"},
    "tag_external_repos": {int: "priority"},
    "tag_inheritance": {int: "priority maxdepth", bool: "intransitive noconfig", str: "pkg_filter"},
    "tag_packages": {bool: "blocked"},
    "task": {int: "priority"},
}
"""The columns of a table, by their type; None is always allowed."""

KEYS = {
    "build_target_config": "build_target_id",
    "cg_users": "cg_id user_id",
    "external_repo_config": "external_repo_id",
    "group_config": "tag_id group_id",
    "group_package_listing": "tag_id group_id package",
    "group_req_listing": "tag_id group_id req_id",
    "host_channels": "host_id channel_id",
    "host_config": "host_id",
    "tag_config": "tag_id",
    "tag_external_repos": "tag_id external_repo_id",
    "tag_extra": "tag_id key",
    "tag_inheritance": "tag_id parent_id",
    "tag_listing": "tag_id build_id",
    "tag_packages": "tag_id package_id",
    "user_groups": "group_id user_id",
    "user_perms": "user_id permission_id",
}
"""The versioned tables, with the columns that at most one active row has the same values in."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "archiveinfo": {"buildroot_id": None, "metadata_only": False, "extra": None},
    "channels": {"description": None, "enabled": True, "comment": None},
    "host": {
        **dict.fromkeys(("comment", "description")),
        "enabled": True,
        "capacity": 2.0,
        "limited": False,
    },
    "repo_queue": {"active": True, "task_id": None, "tries": 0, "repo_id": None},
    "rpminfo": {
        **dict.fromkeys(("build_id", "epoch", "buildroot_id", "extra")),
        "external_repo_id": 0,
        "metadata_only": False,
        "draft": False,
    },
    "sessions": {"callnum": None, "expired": False, "exclusive": False, "renewed": None},
    "tag_config": {
        "perm_id": None,
        **dict.fromkeys(("locked", "maven_support", "maven_include_all"), False),
    },
    "tag_inheritance": {
        "priority": 0,
        "maxdepth": None,
        "pkg_filter": "",
        **dict.fromkeys(("intransitive", "noconfig"), False),
    },
    "task": {
        **dict.fromkeys(
            ["start_ts", "completion_ts", "host_id", "waiting", "awaited", "result", "fault"]
        ),
        "state": 0,
        "weight": 1.0,
        "times_opened": 0,
    },
}
"""The columns of a table that a new row has, unless it is given others."""

_OF_TABLE = {
    table: {column: kind for kind, columns in types.items() for column in columns.split()}
    for table, types in TYPES.items()
}
_LIMIT = 2**31
_PLAIN, _NESTED = (str, float, bytes, type(None)), (list, tuple, dict)
_USER = re.compile(r"[A-Za-z0-9/_.@-]{1,256}")
_NAME = re.compile(r"[A-Za-z0-9/_.+-]{1,256}")
_NAMED = """
    btype build_target channels content_generator external_repo groups host package permissions tag
    """
"""The tables whose names a hub checks."""
_SQL = defaultdict(
    lambda: "record",
    {bool: "boolean", int: "integer", float: "numeric", list: "text[]", str: "text"},
)
"""The names of types in the texts of PostgreSQL."""

COMPARED: dict[type, str] = {
    bool: "draft",
    int: "userType getRepo.state getSessionInfo.user_id repo.references.repo_id",
    str: (
        "checksum filename pattern prefix sigkey source untaggedBuilds.name "
        "getLatestBuilds.package getLatestRPMS.package listTagged.owner listTagged.package "
        "listTaggedArchives.package listTaggedRPMS.owner listTaggedRPMS.package"
    ),
}
"""The parameters that a hub hands to its database unchecked, by the type of the column."""

_KIND_OF = {name: kind for kind, names in COMPARED.items() for name in names.split()}
_PATTERNS = ("pattern", "source")


def check_arguments(method: str, values: Mapping[str, Any]) -> None:
    """Refuse arguments that a database can't compare with a column; None is always allowed.

    Args:
        method: the method.
        values: the arguments by their names.

    Raises:
        UnknownFault: (1) as for each error of a hub's database.
    """
    for name, value in values.items():
        kind = _KIND_OF.get(name) or _KIND_OF.get(f"{method}.{name}")
        if kind is None or value is None or (kind is str and not value and name not in _PATTERNS):
            # An empty text is no condition.
            continue
        fits = isinstance(value, kind) if kind is not int else _is_number(value)
        if not fits:
            text = f"operator does not exist: {_SQL[kind]} = {_SQL[type(value)]}"
            raise UnknownFault(text, code=1)


def check_name(name: Any) -> None:
    """Refuse an invalid name, with the hub's text."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GenericError(f"Name {name} does not match RegexNameInternal value")


def check_user_name(name: Any) -> None:
    """Refuse an invalid name of a user, with the hub's text."""
    if not isinstance(name, str) or not _USER.fullmatch(name):
        raise GenericError(f"Name {name} does not match RegexUserName value")


def _check_value(value: Any, depth: int = 100) -> None:
    """Refuse what a hub can't store or return: it writes lists and structs as JSON and XML-RPC."""
    if isinstance(value, _PLAIN):
        return
    if isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            raise UnknownFault("<class 'OverflowError'>: long int exceeds XML-RPC limits", code=1)
    elif isinstance(value, _NESTED) and depth:
        for each in value.values() if isinstance(value, dict) else value:
            _check_value(each, depth - 1)
    else:
        text = f"Object of type {type(value).__name__} is not JSON serializable"
        raise UnknownFault(f"<class 'TypeError'>: {text}", code=1)


def check_columns(table: str, values: dict[str, Any]) -> dict[str, Any]:
    """Return values as the columns of a table hold them: digits as a number, any scalar as text.

    Raises:
        UnknownFault: (1) as for each error of a hub's database.
        GenericError: a name has characters that names don't have.
    """
    if "name" in values and table in _NAMED.split():
        check_name(values["name"])
    if "name" in values and table == "users":
        check_user_name(values["name"])
    for value in values.values():
        _check_value(value)
    converted = dict(values)
    for column, kind in _OF_TABLE.get(table, {}).items():
        value = values.get(column)
        if kind is int and isinstance(value, str) and _is_number(value):
            converted[column] = value = int(value)
        if value is not None and not _fits(value, kind):
            wrong, right = _SQL[type(value)], _SQL[kind]
            text = f'column "{column}" is of type {right} but expression is of type {wrong}'
            raise UnknownFault("integer out of range" if wrong == right else text, code=1)
        if kind is str and value is not None:
            converted[column] = _as_text(value)
    return converted


def _as_text(value: Any) -> str:
    """Return a value as PostgreSQL stores it in a column of text."""
    if isinstance(value, list):
        return f"{{{','.join(map(_as_text, value))}}}"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lstrip("+-").isdecimal()
    return isinstance(value, int | float) and not isinstance(value, bool)


def _fits(value: Any, kind: type) -> bool:
    if kind is str:
        return not isinstance(value, dict)
    if kind is bool:
        return isinstance(value, bool)
    return _is_number(value) and not isinstance(value, str) and abs(value) < _LIMIT
