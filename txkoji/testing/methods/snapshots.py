"""Copies of tags: settings, packages, builds and groups."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tags import insert_tag
from txkoji.testing.tables.lookups.builds import tagged_builds
from txkoji.testing.tables.lookups.packages import package_entries
from txkoji.testing.tables.lookups.tags import find_tag, require_tag, tag_extra
from txkoji.testing.tables.state import Row

_OWN = ("id", "tag_id", "create_event", "creator_id", "revoke_event", "revoker_id")
_GROUP_TABLES = ("group_config", "group_package_listing", "group_req_listing")


def _copy(call: MethodCall, table: str, rows: list[Row], tag_id: int, user_id: int) -> None:
    for row in rows:
        kept = {key: value for key, value in row.items() if key not in _OWN}
        call.state.insert_version(table, {**kept, "tag_id": tag_id}, user_id)


@hub_method("snapshotTag")
def snapshot_tag(
    call: MethodCall,
    src: Any,
    dst: Any,
    config: bool = True,
    pkgs: bool = True,
    builds: bool = True,
    groups: bool = True,
    latest_only: bool = True,
    inherit_builds: bool = True,
    event: Any = None,
    force: bool = False,
) -> None:
    """Copy a tag into a new one."""
    user = call.require_permission("tag")
    state = call.state
    if builds and not pkgs:
        raise GenericError("builds can't be used without pkgs in snapshotTag")
    if find_tag(state, dst):
        raise GenericError(f"Target tag already exists: {dst}")
    source = require_tag(state, src, event=event)
    keys = ("perm_id", "locked", "maven_support", "maven_include_all")
    settings = {key: source[key] for key in keys} if config else {}
    extra = tag_extra(state, source["id"], event) if config else {}
    arches = source["arches"] if config else None
    tag_id = insert_tag(call, user["id"], dst, arches=arches, extra=extra, **settings)
    if pkgs:
        entries = list(package_entries(state, source["id"], event).values())
        _copy(call, "tag_packages", entries, tag_id, user["id"])
    if builds:
        tagged = tagged_builds(
            state, source["id"], event=event, inherit=inherit_builds, latest=latest_only
        )
        # The newest is tagged last.
        rows = [listing for _, listing in reversed(tagged)]
        _copy(call, "tag_listing", rows, tag_id, user["id"])
    if groups:
        for table in _GROUP_TABLES:
            rows = state.active(table, event, tag_id=source["id"])
            _copy(call, table, rows, tag_id, user["id"])
