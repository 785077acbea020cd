"""The types of the columns that callers fill: a database refuses what is none of them. Pure."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import UnknownFault

TYPES: dict[str, dict[type, str]] = {
    "build": {str: "version release", int: "epoch"},
    "build_notifications": {str: "email"},
    "channels": {str: "description comment"},
    "host": {str: "description comment"},
    "repo_queue": {int: "priority"},
    "tag_config": {bool: "locked"},
    "tag_inheritance": {int: "priority maxdepth", bool: "intransitive noconfig", str: "pkg_filter"},
    "tag_packages": {bool: "blocked"},
    "task": {int: "priority"},
}
"""The columns of a table, by their type; None fits each."""

_OF_TABLE = {
    table: {column: kind for kind, columns in types.items() for column in columns.split()}
    for table, types in TYPES.items()
}
_LIMIT = 2**31


def check_columns(table: str, values: dict[str, Any]) -> None:
    """Refuse values that a column of a table can't hold.

    Raises:
        UnknownFault: (1) as for each error of a hub's database.
    """
    for column, kind in _OF_TABLE.get(table, {}).items():
        value = values.get(column)
        if value is not None and not _fits(value, kind):
            text = f"column {column} is of type {kind.__name__}, not {type(value).__name__}"
            raise UnknownFault(text, code=1)


def _fits(value: Any, kind: type) -> bool:
    if kind is str:
        return not isinstance(value, dict | list)
    if kind is bool:
        return isinstance(value, bool)
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LIMIT
