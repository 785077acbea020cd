"""What callers name: how each kind of it is found, and what a hub says of one that isn't there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from txkoji.testing.tables.lookups.builds import find_build_row
from txkoji.testing.tables.lookups.structs import external_repo_struct, target_struct
from txkoji.testing.tables.lookups.tags import tag_struct
from txkoji.testing.tables.lookups.users import find_user
from txkoji.testing.tables.lookups.values import integer, must, row_by_id, row_by_info
from txkoji.testing.tables.state import HubState, check_event

Find = Callable[..., Any]
NO_ROWS = "query returned no rows"


def _by_number(table: str) -> Find:
    return lambda state, number: state.get(table, integer(number))


def _by_digits(table: str) -> Find:
    return lambda state, text: state.get(table, int(text)) if str(text).isdecimal() else None


def _by_id(table: str) -> Find:
    return lambda state, number: row_by_id(state, table, number)


def _by_info(table: str) -> Find:
    return lambda state, info: row_by_info(state, table, info)


def _configured(table: str, struct: Find) -> Find:
    """Find the struct of what has a name, and a configuration with a history."""

    def look(state: HubState, info: Any, event: int | None = None) -> Any:
        check_event(event)
        row = row_by_info(state, table, info)
        key = {f"{table}_id": row["id"]} if row else {}
        config = state.current(f"{table}_config", event, **key) if row else None
        return None if config is None else struct(state, row, config)

    return look


LOOKUPS: dict[str, tuple[Find, str]] = {
    "archive": (_by_id("archiveinfo"), NO_ROWS),
    "build": (find_build_row, "No such build: {!r}"),
    "buildroot": (_by_id("buildroot"), "No such buildroot: {!r}"),
    "channel": (_by_info("channels"), NO_ROWS),
    "channel to change": (_by_info("channels"), "channel does not exist: {}"),
    "event": (_by_number("events"), NO_ROWS),
    "external repo": (_configured("external_repo", external_repo_struct), "No such repo: {}"),
    "host to change": (_by_info("host"), "host does not exist: {}"),
    "hostInfo": (_by_info("host"), "Invalid hostInfo: {}"),
    "notification": (_by_id("build_notifications"), "No notification with ID {} found"),
    "notification block": (
        _by_id("build_notifications_block"),
        "No notification block with ID {} found",
    ),
    "package name": (_by_info("package"), "No such package name: {}"),
    "repo": (_by_number("repo"), NO_ROWS),
    "repo to change": (_by_id("repo"), NO_ROWS),
    "repo request": (_by_number("repo_queue"), "No such request"),
    "tagInfo": (_configured("tag", tag_struct), "No such tagInfo: {!r}"),
    "target": (_configured("build_target", target_struct), "No such build target: {}"),
    "task": (_by_number("task"), NO_ROWS),
    "task with output": (_by_digits("task"), "Task doesn't exist"),
    "user": (find_user, "No such user: {!r}"),
    "user to change": (find_user, "No such user: {}"),
}
"""For each kind: how it is found, and the text of a strict lookup that finds nothing."""


def find(state: HubState, kind: str, info: Any, strict: Any = False, *event: Any) -> Any:
    """Return what a caller names, None if there is none.

    Args:
        state: the tables.
        kind: a key of :data:`LOOKUPS`, or a table whose rows have names.
        info: an id, a name, or a struct with one of them.
        strict: refuse what is not there.
        event: at which event; by default now.

    Raises:
        ParameterError: the value is no such thing's id or name.
        GenericError: with ``strict``, there is none.
        UnknownFault: (1) the database can't compare the value.
    """
    look, text = LOOKUPS.get(kind) or (_by_info(kind), f"No such entry in table {kind}: {{}}")
    found = look(state, info, *event)
    return must(found, text.format(info)) if strict else found
