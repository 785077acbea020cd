"""Package groups of tags: their settings, packages and dependencies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import HubMethod, declare, hub_method
from txkoji.testing.tables.lookups.tags import require_tag_id, tag_name, tag_order
from txkoji.testing.tables.lookups.values import require_row
from txkoji.testing.tables.state import HubState, Row


@dataclass(frozen=True)
class _List:
    """One of the three lists of a tag.

    Attributes:
        table: the table of the entries.
        key: the column that, with the tag and the group, identifies an entry; None for the tag
            and the group alone.
        defaults: the settings of an entry, with the values of a new one.
    """

    table: str
    key: str | None
    defaults: dict[str, Any]


_CONFIG = _List(
    "group_config",
    None,
    {
        "biarchonly": False,
        "description": None,
        "display_name": None,
        "exported": True,
        "is_default": None,
        "langonly": None,
        "uservisible": True,
    },
)
_PACKAGES = _List(
    "group_package_listing",
    "package",
    {"basearchonly": None, "requires": None, "type": "mandatory"},
)
_REQUIRED = _List("group_req_listing", "req_id", {"is_metapkg": False, "type": "mandatory"})


def _group(state: HubState, info: Any) -> Row:
    return require_row(state, "groups", info)


def _own(call: MethodCall, kind: _List, tag_id: int, group_id: int, item: Any) -> Row | None:
    """Return a tag's own entry."""
    keys = {"tag_id": tag_id, "group_id": group_id}
    if kind.key is not None:
        keys[kind.key] = item
    return call.state.current(kind.table, **keys)


def _what(state: HubState, kind: _List, group: Row, item: Any) -> str:
    if kind is _CONFIG:
        return f"group {group['name']}"
    name = item if kind is _PACKAGES else state.row("groups", item)["name"]
    sort = "package" if kind is _PACKAGES else "group requirement"
    return f"{sort} {name} in group {group['name']}"


def _target(call: MethodCall, kind: _List, args: tuple[Any, ...]) -> tuple[int, Row, Any]:
    """Return the tag's id, the group and the key of the entry."""
    tag_id = require_tag_id(call.state, args[0])
    group = _group(call.state, args[1])
    item = args[2] if kind.key is not None else None
    if kind is _REQUIRED:
        item = _group(call.state, item)["id"]
    return tag_id, group, item


def _store(
    call: MethodCall, kind: _List, args: tuple[Any, ...], blocked: bool, force: bool, opts: Any
) -> None:
    tag_id, group, item = _target(call, kind, args)
    row = _own(call, kind, tag_id, group["id"], item)
    what = _what(call.state, kind, group, item)
    if row is not None:
        if row["blocked"] and not blocked and not force:
            raise GenericError(f"{what} is blocked in tag {tag_name(call.state, tag_id)}")
        if row["blocked"] == blocked and not opts:
            return
    settings = {key: row[key] if row else value for key, value in kind.defaults.items()}
    if kind is _CONFIG and row is None:
        settings["display_name"] = group["name"]
    settings.update({key: opts[key] for key in settings if key in opts})
    entry = {"tag_id": tag_id, "group_id": group["id"], "blocked": blocked, **settings}
    if kind.key is not None:
        entry[kind.key] = item
    call.state.insert_version(kind.table, entry, call.user_id)


def _remove(call: MethodCall, kind: _List, args: tuple[Any, ...]) -> None:
    tag_id, group, item = _target(call, kind, args)
    row = _own(call, kind, tag_id, group["id"], item)
    if row is None:
        what = _what(call.state, kind, group, item)
        raise GenericError(f"No {what} in tag {tag_name(call.state, tag_id)}")
    call.state.revoke(kind.table, row["id"], call.user_id)
    if kind is _CONFIG:
        for other in (_PACKAGES, _REQUIRED):
            keys = {"tag_id": tag_id, "group_id": group["id"]}
            call.state.revoke_all(other.table, call.user_id, **keys)


def _unblock(call: MethodCall, kind: _List, args: tuple[Any, ...]) -> None:
    tag_id, group, item = _target(call, kind, args)
    row = _own(call, kind, tag_id, group["id"], item)
    if row is None or not row["blocked"]:
        what = _what(call.state, kind, group, item)
        raise GenericError(f"{what} is NOT blocked in tag {tag_name(call.state, tag_id)}")
    call.state.revoke(kind.table, row["id"], call.user_id)


def _block(call: MethodCall, kind: _List, args: tuple[Any, ...]) -> None:
    _store(call, kind, args, True, False, {})


def _with_items(run: HubMethod, kind: _List, call: MethodCall, *args: Any) -> None:
    run(call, kind, args)


@hub_method("groupListAdd(taginfo, grpinfo, block=False, force=False, **opts)")
def group_list_add(
    call: MethodCall, taginfo: Any, grpinfo: Any, block: bool, force: bool, **opts: Any
) -> None:
    """Add a group to a tag."""
    if isinstance(grpinfo, str) and call.state.one("groups", name=grpinfo) is None:
        require_tag_id(call.state, taginfo)
        call.state.insert("groups", {"name": grpinfo})
    _store(call, _CONFIG, (taginfo, grpinfo), bool(block), force, opts)


def _adder(kind: _List) -> HubMethod:
    def add(
        call: MethodCall, tag: Any, group: Any, item: Any, block: Any, force: Any, **opts: Any
    ) -> None:
        _store(call, kind, (tag, group, item), bool(block), force, opts)

    return add


declare(
    "groupPackageListAdd(taginfo, grpinfo, pkg_name, block=False, force=False, **opts)",
    _adder(_PACKAGES),
)
declare(
    "groupReqListAdd(taginfo, grpinfo, reqinfo, block=False, force=False, **opts)",
    _adder(_REQUIRED),
)
for _kind, _stem, _parameters, _force in (
    (_CONFIG, "groupList", "taginfo, grpinfo", ", force=False"),
    (_PACKAGES, "groupPackageList", "taginfo, grpinfo, pkg_name", ""),
    (_REQUIRED, "groupReqList", "taginfo, grpinfo, reqinfo", ", force=None"),
):
    declare(f"{_stem}Remove({_parameters}{_force})", partial(_with_items, _remove, _kind))
    declare(f"{_stem}Block({_parameters})", partial(_with_items, _block, _kind))
    declare(f"{_stem}Unblock({_parameters})", partial(_with_items, _unblock, _kind))


def _inherited(
    call: MethodCall, kind: _List, tags: list[int], event: int | None, blocked: bool
) -> list[Row]:
    """Return the entries of tags, of equal ones that of the first tag."""
    found: dict[Any, Row] = {}
    for tag_id in tags:
        for row in call.state.active(kind.table, event, tag_id=tag_id):
            found.setdefault((row["group_id"], row[kind.key] if kind.key else None), row)
    return [row for row in found.values() if blocked or not row["blocked"]]


@hub_method(
    "getTagGroups(tag, event=None, inherit=True, incl_pkgs=True, incl_reqs=True,"
    " incl_blocked=False)"
)
def get_tag_groups(
    call: MethodCall,
    tag: Any,
    event: Any,
    inherit: bool,
    incl_pkgs: bool,
    incl_reqs: bool,
    incl_blocked: bool,
) -> list[dict[str, Any]]:
    """Return the groups of packages in a tag."""
    state = call.state
    tag_id = require_tag_id(state, tag)
    tags = [parent for parent, _ in tag_order(state, tag_id, event)] if inherit else [tag_id]
    groups: dict[int, dict[str, Any]] = {}
    for row in _inherited(call, _CONFIG, tags, event, incl_blocked):
        struct = {key: row[key] for key in ("blocked", "group_id", "tag_id", *_CONFIG.defaults)}
        name = state.row("groups", row["group_id"])["name"]
        groups[row["group_id"]] = {**struct, "name": name, "packagelist": [], "grouplist": []}
    if incl_pkgs:
        for row in _inherited(call, _PACKAGES, tags, event, incl_blocked):
            keys = ("blocked", "group_id", "package", "tag_id", *_PACKAGES.defaults)
            if row["group_id"] in groups:
                groups[row["group_id"]]["packagelist"].append({key: row[key] for key in keys})
    if incl_reqs:
        for row in _inherited(call, _REQUIRED, tags, event, incl_blocked):
            keys = ("blocked", "group_id", "req_id", "tag_id", *_REQUIRED.defaults)
            if row["group_id"] in groups and row["req_id"] in groups:
                name = state.row("groups", row["req_id"])["name"]
                entry = {**{key: row[key] for key in keys}, "name": name}
                groups[row["group_id"]]["grouplist"].append(entry)
    return list(groups.values())
