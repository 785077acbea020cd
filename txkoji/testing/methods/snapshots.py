"""Copies of tags: settings, packages, builds and groups."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tags import edit_tag2, insert_tag
from txkoji.testing.tables.columns import KEYS
from txkoji.testing.tables.lookups.builds import tagged_builds
from txkoji.testing.tables.lookups.packages import package_entries
from txkoji.testing.tables.lookups.tags import tag_extra
from txkoji.testing.tables.state import Row, pick

_OWN = ("id", "tag_id", "create_event", "creator_id", "revoke_event", "revoker_id")


def _copy(
    call: MethodCall, table: str, rows: list[Row], tag_id: int, user_id: int, remove: bool
) -> None:
    """Give a tag the rows; with ``remove``, revoke all others."""

    def by_key(rows: list[Row]) -> dict[Any, Row]:
        columns = KEYS[table].removeprefix("tag_id ").split()
        return {tuple(row[column] for column in columns): row for row in rows}

    def own(row: Row) -> Row:
        return {name: value for name, value in row.items() if name not in _OWN}

    wanted, present = by_key(rows), by_key(call.state.active(table, tag_id=tag_id))
    same = {key for key in wanted.keys() & present.keys() if own(wanted[key]) == own(present[key])}
    for key, row in present.items():
        if remove and key not in wanted:
            call.state.revoke(table, row["id"], user_id)
    for key, row in wanted.items():
        if key not in same:
            call.state.insert_version(table, {**own(row), "tag_id": tag_id}, user_id)


_PARAMETERS = (
    "src, dst, config=True, pkgs=True, builds=True, groups=True, latest_only=True,"
    " inherit_builds=True, event=None, force=False"
)


@hub_method(f"snapshotTag({_PARAMETERS})")
def _snapshot(call: MethodCall, *, dst: Any, **asked: Any) -> None:
    """Copy a tag to a new one."""
    _check_parts(asked)
    if call.find("tagInfo", dst):
        raise GenericError(f"Target tag already exists: {dst}")
    source = call.require("tagInfo", asked["src"], asked["event"])
    tag_id = insert_tag(call, dst, **_settings(call, source, asked))
    _fill(call, source["id"], tag_id, asked)


@hub_method(f"snapshotTagModify({_PARAMETERS}, remove=False)")
def _snapshot_modify(call: MethodCall, *, dst: Any, remove: bool, **asked: Any) -> None:
    """Copy a tag to another one."""
    _check_parts(asked)
    source = call.require("tagInfo", asked["src"], asked["event"])
    tag_id = call.require("tagInfo", dst)["id"]
    edit_tag2(call, tag_id, **_settings(call, source, asked))
    _fill(call, source["id"], tag_id, asked, remove)


def _check_parts(asked: dict[str, Any]) -> None:
    if asked["builds"] and not asked["pkgs"]:
        raise GenericError("builds can't be used without pkgs in snapshotTag")


def _settings(call: MethodCall, source: Row, asked: dict[str, Any]) -> dict[str, Any]:
    """Return the settings to copy, none unless they are asked for."""
    if not asked["config"]:
        return {}
    extra = tag_extra(call.state, source["id"], asked["event"])
    return {**pick(source, "arches perm_id locked maven_support maven_include_all"), "extra": extra}


def _fill(
    call: MethodCall, source_id: int, tag_id: int, asked: dict[str, Any], remove: bool = False
) -> None:
    """Copy packages, builds and groups."""
    state, event = call.state, asked["event"]
    rows: dict[str, list[Row]] = {}
    if asked["pkgs"]:
        rows["tag_packages"] = list(package_entries(state, source_id, event).values())
    if asked["builds"]:
        which = {"inherit": asked["inherit_builds"], "latest": asked["latest_only"]}
        tagged = tagged_builds(state, source_id, event=event, **which)
        # The newest is tagged last.
        rows["tag_listing"] = [listing for _, listing in reversed(tagged)]
    if asked["groups"]:
        for table in ("group_config", "group_package_listing", "group_req_listing"):
            rows[table] = state.active(table, event, tag_id=source_id)
    for table, each in rows.items():
        _copy(call, table, each, tag_id, call.user_id, remove)
