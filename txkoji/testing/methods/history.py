"""Events, and what changed at each."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.hosts import HOST_SETTINGS
from txkoji.testing.methods.table import hub_method, look_up
from txkoji.testing.tables.lookups.packages import package_name
from txkoji.testing.tables.lookups.tags import tag_order
from txkoji.testing.tables.lookups.users import user_name
from txkoji.testing.tables.lookups.values import (
    database_integer,
    hub_error,
    rounded,
    row_if,
    seconds_of,
)
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import HubState, Row

TAG_TABLES = ("tag_config", "tag_extra", "tag_inheritance", "tag_listing", "tag_packages")
"""The tables whose changes outdate a repo."""


def _event_struct(row: Row) -> dict[str, Any]:
    return {"id": row["id"], "ts": rounded(row["ts"])}


@hub_method("getLastEvent")
def get_last_event(call: MethodCall, before: Any = None, strict: bool = True) -> Any:
    """Return the newest event."""
    rows = call.state.rows("events")
    if before is not None:
        limit = seconds_of(before)
        rows = [row for row in rows if row["ts"] < limit]
    row = row_if(max(rows, key=lambda row: row["id"], default=None), strict)
    return row and _event_struct(row)


look_up("getEvent(id, strict=True)", "event", lambda _, row: _event_struct(row))


def _changes_of(call: MethodCall, tag_ids: Collection[int]) -> set[int]:
    """Return the events at which any of the tags changed."""
    rows = [row for table in TAG_TABLES for row in call.state.rows(table)]
    own = [row for row in rows if row["tag_id"] in tag_ids]
    return {row[key] for row in own for key in ("create_event", "revoke_event")} - {None}


def last_change(
    call: MethodCall, tag_ids: Collection[int], before: int | None = None
) -> int | None:
    """Return the last event at which any of the tags changed, perhaps before another, or None."""
    if before is not None:
        events = [event for event in _changes_of(call, tag_ids) if event < before]
        return max(events, default=None)
    events = [call.state.last_change(table, tag) for tag in tag_ids for table in TAG_TABLES]
    return max(events, default=0) or None


def _with_parents(call: MethodCall, tag: Any, inherit: bool) -> set[int]:
    tag_id = call.tag_id(tag)
    if not inherit:
        return {tag_id}
    return {parent for parent, _ in tag_order(call.state, tag_id)}


@hub_method("tagLastChangeEvent")
def tag_last_change_event(
    call: MethodCall, tag: Any, before: Any = None, inherit: bool = True
) -> Any:
    """Return the event of a tag's last change."""
    tags = _with_parents(call, tag, inherit)
    return last_change(call, tags, database_integer(before))


@hub_method("tagFirstChangeEvent")
def tag_first_change_event(
    call: MethodCall, tag: Any, after: Any = None, inherit: bool = True
) -> Any:
    """Return the event of a tag's first change."""
    events = _changes_of(call, _with_parents(call, tag, inherit))
    limit = database_integer(after)
    return min((event for event in events if limit is None or event > limit), default=None)


@hub_method("tagChangedSinceEvent")
def tag_changed_since_event(call: MethodCall, event: Any, taglist: Any) -> bool:
    """Return whether tags have changed since an event."""
    if not isinstance(taglist, list) or not taglist:
        raise hub_error("invalid input syntax for type integer")
    since = database_integer(event)
    changed = last_change(call, {database_integer(tag) for tag in taglist})
    return changed is not None and since is not None and changed > since


# What changed


@dataclass(frozen=True)
class HistoryTable:
    """How ``queryHistory`` shows a versioned table.

    Attributes:
        columns: the columns of the answer, with the columns of the table that they come from.
        names: for each id in the answer, the column for its name, and the table of the name.
        filters: for an option, the columns that it may equal.
        source: the table of the rows, if it has another name.
    """

    columns: dict[str, str]
    names: dict[str, tuple[str, str]]
    filters: dict[str, tuple[str, ...]]
    source: str | None = None


_NAMES = {
    "build_tag": ("build_tag.name", "tag"),
    "build_target_id": ("build_target.name", "build_target"),
    "cg_id": ("content_generator.name", "content_generator"),
    "channel_id": ("channels.name", "channels"),
    "dest_tag": ("dest_tag.name", "tag"),
    "external_repo_id": ("external_repo.name", "external_repo"),
    "group_id": ("group.name", "groups"),
    "host_id": ("host.name", "host"),
    "owner": ("owner.name", "users"),
    "package_id": ("package.name", "package"),
    "parent_id": ("parent.name", "tag"),
    "perm_id": ("permission.name", "permissions"),
    "req_id": ("req.name", "groups"),
    "tag_id": ("tag.name", "tag"),
    "user_id": ("user.name", "users"),
}
"""For each column with an id, the column for its name in the answer, and the table of the name."""


def _table(
    columns: str, filters: str, source: str | None = None, **names: tuple[str, str]
) -> HistoryTable:
    """Make a table of columns (``column`` or ``column=source``) and filters (``option:a,b``)."""
    pairs = [each.partition("=") for each in columns.split()]
    options = [each.partition(":") for each in filters.split()]
    return HistoryTable(
        {name: other or name for name, _, other in pairs},
        {name: {**_NAMES, **names}[name] for name, _, _ in pairs if name in _NAMES},
        {option: tuple(filter(None, targets.split(","))) for option, _, targets in options},
        source,
    )


_TABLES = {
    "build_target_config": _table(
        "build_target_id build_tag dest_tag", "build_target:build_target_id"
    ),
    "tag_config": _table(
        "tag_id arches perm_id locked maven_support maven_include_all",
        "tag:tag_id permission:perm_id",
    ),
    "tag_extra": _table("tag_id key value", "tag:tag_id xkey:key"),
    "tag_inheritance": _table(
        "tag_id parent_id priority maxdepth intransitive noconfig pkg_filter",
        "tag:tag_id,parent_id",
    ),
    "tag_listing": _table("build_id tag_id", "tag:tag_id build:build_id package:package_id"),
    "tag_packages": _table(
        "package_id tag_id blocked extra_arches", "tag:tag_id package:package_id"
    ),
    # The embedded hub keeps the owner with the rest of a package's entry.
    "tag_package_owners": _table(
        "package_id tag_id owner=owner_id", "tag:tag_id package:package_id", "tag_packages"
    ),
    "group_config": _table(
        "tag_id group_id blocked exported display_name is_default uservisible description"
        " langonly biarchonly",
        "tag:tag_id group:group_id",
    ),
    "group_package_listing": _table(
        "tag_id group_id package type basearchonly requires blocked", "tag:tag_id group:group_id"
    ),
    "group_req_listing": _table(
        "tag_id group_id req_id type is_metapkg blocked", "tag:tag_id group:group_id,req_id"
    ),
    "host_channels": _table("host_id channel_id", "host:host_id channel:channel_id"),
    "host_config": _table(f"host_id {' '.join(HOST_SETTINGS)}", "host:host_id"),
    "cg_users": _table("cg_id user_id", "cg:cg_id user:user_id"),
    "external_repo_config": _table("external_repo_id url", "external_repo:external_repo_id"),
    # Always empty here.
    "external_repo_data": _table("external_repo_id data", "external_repo:external_repo_id"),
    "tag_external_repos": _table(
        "tag_id external_repo_id priority merge_mode arches",
        "tag:tag_id external_repo:external_repo_id",
    ),
    # The option is about groups of packages.
    "user_groups": _table(
        "user_id group_id", "user:user_id group:", group_id=("group.name", "users")
    ),
    "user_perms": _table("user_id perm_id=permission_id", "user:user_id permission:permission_id"),
}


@hub_method("queryHistory")
def query_history(call: MethodCall, tables: Any = None, **kwargs: Any) -> dict[str, Any]:
    """Return what changed, by table."""
    wanted = tables or sorted(_TABLES)
    # A hub ignores unknown options: Koji's own client sends `pkg`.
    known = {option for table in _TABLES.values() for option in table.filters}
    given = {name for name, value in kwargs.items() if name in known and value is not None}
    for option in ("after", "before"):
        kwargs[f"{option}Event"] = database_integer(kwargs.get(f"{option}Event"))
        if kwargs.get(option) is not None:
            kwargs[option] = seconds_of(kwargs[option])
    result: dict[str, Any] = {}
    for name in wanted:
        table = _TABLES.get(name)
        if table is None:
            raise GenericError(f"No such history table: {name}")
        # A table that an option does not apply to is left out.
        if given <= table.filters.keys():
            values = {option: _id_of(call, option, kwargs[option]) for option in given}
            rows = [
                _history_row(call, name, table, row, kwargs.get("afterEvent"))
                for row in _selected(call, name, table, values, kwargs)
            ]
            result[name] = apply_query_options(rows, kwargs.get("queryOpts"))
    return result


_TABLE_OF = {
    "permission": "permissions",
    "cg": "content_generator",
    "group": "groups",
    "channel": "channels",
}
"""The tables that options look up, where they have other names."""


def _id_of(call: MethodCall, option: str, value: Any) -> Any:
    return value if option == "xkey" else call.require(_TABLE_OF.get(option, option), value)["id"]


def _column(call: MethodCall, table: str, row: Row, column: str) -> Any:
    if table == "tag_listing" and column == "package_id":
        build = call.state.row("build", row["build_id"])
        return build["package_id"]
    return row[column]


def _selected(
    call: MethodCall, name: str, table: HistoryTable, values: dict[str, Any], kwargs: dict[str, Any]
) -> list[Row]:
    editor = None
    if kwargs.get("editor") is not None:
        user = call.require("user", kwargs["editor"])
        editor = user["id"]
    found = []
    for row in call.state.rows(table.source or name):
        if editor is not None and editor not in (row["creator_id"], row["revoker_id"]):
            continue
        if not all(
            any(_column(call, name, row, column) == value for column in table.filters[option])
            for option, value in values.items()
        ):
            continue
        if _in_time(call.state, row, kwargs):
            found.append(row)
    return sorted(found, key=lambda row: (row["create_event"], row["id"]))


def _in_time(state: HubState, row: Row, kwargs: dict[str, Any]) -> bool:
    """Return whether a row was created or revoked in the requested time."""
    active = kwargs.get("active")
    if active is not None and (row["revoke_event"] is None) != bool(active):
        return False
    events = [row[key] for key in ("create_event", "revoke_event") if row[key] is not None]
    for option, sign in (("after", 1), ("before", -1)):
        limit = kwargs.get(f"{option}Event")
        if limit is not None and all((each - limit) * sign <= 0 for each in events):
            return False
        limit = kwargs.get(option)
        if limit is not None and all((_ts(state, each) - limit) * sign <= 0 for each in events):
            return False
    return True


def _ts(state: HubState, event: int) -> float:
    row = state.row("events", event)
    return float(round(row["ts"], 6))


def _history_row(
    call: MethodCall, name: str, table: HistoryTable, row: Row, after: int | None
) -> dict[str, Any]:
    state = call.state
    created, revoked = row["create_event"], row["revoke_event"]
    struct: dict[str, Any] = {
        "active": True if revoked is None else None,
        "create_event": created,
        "create_ts": _ts(state, created),
        "creator_id": row["creator_id"],
        "creator_name": user_name(state, row["creator_id"]),
        "revoke_event": revoked,
        "revoke_ts": None if revoked is None else _ts(state, revoked),
        "revoker_id": row["revoker_id"],
        "revoker_name": user_name(state, row["revoker_id"]),
    }
    for column, source in table.columns.items():
        struct[column] = row[source]
    for column, (key, where) in table.names.items():
        named = state.get(where, struct[column])
        struct[key] = named["name"] if named else None
    if name == "tag_extra":
        struct["value"] = None if row.get("blocked") else json.dumps(row["value"])
    if name == "tag_listing":
        build = state.row("build", row["build_id"])
        struct.update({key: build[key] for key in ("epoch", "release", "version")})
        struct["name"] = package_name(state, build["package_id"])
        struct["build.state"] = build["state"]
    if after is not None:
        struct["_created_after_event"] = created > after
        struct["_revoked_after_event"] = None if revoked is None else revoked > after
    return struct
