"""Copies of tags: settings, packages, builds and groups."""

from __future__ import annotations

from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare
from txkoji.testing.methods.tags import edit_tag2, insert_tag
from txkoji.testing.tables.columns import KEYS
from txkoji.testing.tables.lookups.builds import tagged_builds
from txkoji.testing.tables.lookups.packages import package_entries
from txkoji.testing.tables.lookups.tags import find_tag, require_tag, tag_extra
from txkoji.testing.tables.state import Row

_OWN = ("id", "tag_id", "create_event", "creator_id", "revoke_event", "revoker_id")
_CONFIG = ("perm_id", "locked", "maven_support", "maven_include_all")


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


def _snapshot(
    modify: bool,
    call: MethodCall,
    src: Any,
    dst: Any,
    config: bool,
    pkgs: bool,
    builds: bool,
    groups: bool,
    latest_only: bool,
    inherit_builds: bool,
    event: Any,
    force: bool,
    remove: bool = False,
) -> None:
    state = call.state
    if builds and not pkgs:
        raise GenericError("builds can't be used without pkgs in snapshotTag")
    if not modify and find_tag(state, dst):
        raise GenericError(f"Target tag already exists: {dst}")
    source = require_tag(state, src, event=event)
    extra = tag_extra(state, source["id"], event) if config else {}
    settings = {key: source[key] for key in _CONFIG} if config else {}
    arches = source["arches"] if config else None
    if modify:
        tag_id = require_tag(state, dst)["id"]
        if config:
            edit_tag2(call, tag_id, arches=arches, extra=extra, **settings)
    else:
        tag_id = insert_tag(call, call.user_id, dst, arches=arches, extra=extra, **settings)
    rows: dict[str, list[Row]] = {}
    if pkgs:
        rows["tag_packages"] = list(package_entries(state, source["id"], event).values())
    if builds:
        tagged = tagged_builds(
            state, source["id"], event=event, inherit=inherit_builds, latest=latest_only
        )
        # The newest is tagged last.
        rows["tag_listing"] = [listing for _, listing in reversed(tagged)]
    if groups:
        for table in ("group_config", "group_package_listing", "group_req_listing"):
            rows[table] = state.active(table, event, tag_id=source["id"])
    for table, each in rows.items():
        _copy(call, table, each, tag_id, call.user_id, remove)


_PARAMETERS = (
    "src, dst, config=True, pkgs=True, builds=True, groups=True, latest_only=True,"
    " inherit_builds=True, event=None, force=False"
)
declare(f"snapshotTag({_PARAMETERS})", partial(_snapshot, False))
declare(f"snapshotTagModify({_PARAMETERS}, remove=False)", partial(_snapshot, True))
