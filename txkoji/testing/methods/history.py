"""Events and what changed at them."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing import lookups
from txkoji.testing.methods import Call, hub_method
from txkoji.testing.queries import apply_query_options
from txkoji.testing.state import Row

_TAG_TABLES = ("tag_config", "tag_extra", "tag_inheritance", "tag_listing", "tag_packages")


def _event_struct(row: Row) -> dict[str, Any]:
    return {"id": row["id"], "ts": lookups.rounded(row["ts"])}


@hub_method("getLastEvent")
def get_last_event(call: Call, before: Any = None, strict: bool = True) -> Any:
    rows = call.state.rows("events")
    if before is not None:
        limit = lookups.seconds_of(before)
        rows = [row for row in rows if row["ts"] < limit]
    if not rows:
        if strict:
            raise GenericError("query returned no rows")
        return None
    return _event_struct(max(rows, key=lambda row: row["id"]))


@hub_method("getEvent")
def get_event(call: Call, id: Any, strict: bool = True) -> Any:
    row = call.state.get("events", id)
    if row is None:
        if strict:
            raise GenericError("query returned no rows")
        return None
    return _event_struct(row)


def changes_of(call: Call, tag_ids: set[int]) -> set[int]:
    """Return the events at which any of the tags changed."""
    events = set()
    for table in _TAG_TABLES:
        for row in call.state.rows(table):
            if row["tag_id"] in tag_ids:
                events.add(row["create_event"])
                if row["revoke_event"] is not None:
                    events.add(row["revoke_event"])
    return events


def _with_parents(call: Call, tag: Any, inherit: bool) -> set[int]:
    tag_id = lookups.find_tag_id(call.state, tag, strict=True)
    assert tag_id is not None
    if not inherit:
        return {tag_id}
    return {parent for parent, _ in lookups.tag_order(call.state, tag_id)}


@hub_method("tagLastChangeEvent")
def tag_last_change_event(call: Call, tag: Any, before: Any = None, inherit: bool = True) -> Any:
    events = changes_of(call, _with_parents(call, tag, inherit))
    return max((event for event in events if before is None or event < before), default=None)


@hub_method("tagFirstChangeEvent")
def tag_first_change_event(call: Call, tag: Any, after: Any = None, inherit: bool = True) -> Any:
    events = changes_of(call, _with_parents(call, tag, inherit))
    return min((event for event in events if after is None or event > after), default=None)


@hub_method("tagChangedSinceEvent")
def tag_changed_since_event(call: Call, event: Any, taglist: Any) -> bool:
    return any(changed > event for changed in changes_of(call, set(taglist)))


@hub_method("queryHistory")
def query_history(call: Call, tables: Any = None, **kwargs: Any) -> dict[str, Any]:
    wanted = tables or ["tag_listing", "tag_packages"]
    makers = {"tag_listing": _listing_row, "tag_packages": _package_row}
    result: dict[str, Any] = {}
    options = kwargs.pop("queryOpts", None)
    for table in wanted:
        if table not in makers:
            if table in ("tag_config", "tag_extra", "tag_inheritance", "build_target_config"):
                result[table] = []
                continue
            raise GenericError(f"Invalid history table: {table}")
        rows = []
        for row in _selected(call, table, kwargs):
            struct = makers[table](call, row)
            after = kwargs.get("afterEvent")
            if after is not None:
                revoked = row["revoke_event"]
                struct["_created_after_event"] = row["create_event"] > after
                struct["_revoked_after_event"] = None if revoked is None else revoked > after
            rows.append(struct)
        result[table] = apply_query_options(rows, options)
    return result


def _selected(call: Call, table: str, kwargs: dict[str, Any]) -> list[Row]:
    state = call.state
    equal: dict[str, Any] = {}
    if kwargs.get("tag") is not None:
        equal["tag_id"] = lookups.find_tag_id(state, kwargs["tag"], strict=True)
    if table == "tag_listing" and kwargs.get("build") is not None:
        build = lookups.find_build_row(state, kwargs["build"], strict=True)
        assert build is not None
        equal["build_id"] = build["id"]
    package = None
    if kwargs.get("package") is not None:
        package = lookups.find_package(state, kwargs["package"], strict=True)
    rows = []
    for row in state.rows(table, **equal):
        created, revoked = row["create_event"], row["revoke_event"]
        if kwargs.get("active") is not None and (revoked is None) != bool(kwargs["active"]):
            continue
        after, before = kwargs.get("afterEvent"), kwargs.get("beforeEvent")
        if after is not None and not (created > after or (revoked or 0) > after):
            continue
        if before is not None and not (created < before or (revoked or before) < before):
            continue
        if package is not None and _package_id(call, table, row) != package["id"]:
            continue
        rows.append(row)
    return sorted(rows, key=lambda row: (row["create_event"], row["id"]))


def _package_id(call: Call, table: str, row: Row) -> int:
    if table == "tag_packages":
        return int(row["package_id"])
    build = call.state.get("build", row["build_id"])
    assert build is not None
    return int(build["package_id"])


def _versions(call: Call, row: Row) -> dict[str, Any]:
    def ts(event: int | None) -> float | None:
        found = call.state.get("events", event) if event is not None else None
        return lookups.rounded(found["ts"]) if found else None

    def name(user_id: int | None) -> str | None:
        found = call.state.get("users", user_id) if user_id is not None else None
        return str(found["name"]) if found else None

    return {
        "active": True if row["revoke_event"] is None else None,
        "create_event": row["create_event"],
        "create_ts": ts(row["create_event"]),
        "creator_id": row["creator_id"],
        "creator_name": name(row["creator_id"]),
        "revoke_event": row["revoke_event"],
        "revoke_ts": ts(row["revoke_event"]),
        "revoker_id": row["revoker_id"],
        "revoker_name": name(row["revoker_id"]),
    }


def _tag_name(call: Call, tag_id: int) -> str:
    tag = call.state.get("tag", tag_id)
    assert tag is not None
    return str(tag["name"])


def _listing_row(call: Call, row: Row) -> dict[str, Any]:
    build = call.state.get("build", row["build_id"])
    assert build is not None
    return {
        **_versions(call, row),
        "build.state": build["state"],
        "build_id": build["id"],
        "epoch": build["epoch"],
        "name": lookups.package_name(call.state, build["package_id"]),
        "release": build["release"],
        "tag.name": _tag_name(call, row["tag_id"]),
        "tag_id": row["tag_id"],
        "version": build["version"],
    }


def _package_row(call: Call, row: Row) -> dict[str, Any]:
    owner = call.state.get("users", row["owner_id"])
    return {
        **_versions(call, row),
        "blocked": row["blocked"],
        "extra_arches": row["extra_arches"],
        "owner": row["owner_id"],
        "owner.name": owner["name"] if owner else None,
        "package.name": lookups.package_name(call.state, row["package_id"]),
        "package_id": row["package_id"],
        "tag.name": _tag_name(call, row["tag_id"]),
        "tag_id": row["tag_id"],
    }
