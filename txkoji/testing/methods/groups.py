"""Package groups of tags: their settings, packages and dependencies."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method
from txkoji.testing.tables.lookups.tags import tag_name, tag_order
from txkoji.testing.tables.state import Row, pick


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

    @property
    def columns(self) -> str:
        """The columns of an entry that callers see."""
        return " ".join(("blocked", "group_id", "tag_id", self.key or "", *self.defaults))


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


def _find(
    call: MethodCall, kind: _List, args: tuple[Any, ...]
) -> tuple[dict[str, Any], Row | None, str, str]:
    """Return the columns that identify an entry, its row if it is there, its name, its tag's."""
    state = call.state
    tag_id = call.tag_id(args[0])
    group = call.require("groups", args[1])
    keys = {"tag_id": tag_id, "group_id": group["id"]}
    what = f"group {group['name']}"
    if kind is _PACKAGES:
        keys["package"] = args[2]
        what = f"package {args[2]} in {what}"
    elif kind is _REQUIRED:
        required = call.require("groups", args[2])
        keys["req_id"] = required["id"]
        what = f"group requirement {required['name']} in {what}"
    return keys, state.current(kind.table, **keys), what, tag_name(state, tag_id)


def _store(
    call: MethodCall, kind: _List, args: tuple[Any, ...], blocked: bool, force: bool, opts: Any
) -> None:
    keys, row, what, tag = _find(call, kind, args)
    if row is not None:
        if row["blocked"] and not blocked and not force:
            raise GenericError(f"{what} is blocked in tag {tag}")
        if row["blocked"] == blocked and not opts:
            return
    settings = {key: row[key] if row else value for key, value in kind.defaults.items()}
    if kind is _CONFIG and row is None:
        settings["display_name"] = call.state.row("groups", keys["group_id"])["name"]
    settings.update({key: opts[key] for key in settings if key in opts})
    call.state.insert_version(kind.table, {**keys, "blocked": blocked, **settings}, call.user_id)


def _add(kind: _List, call: MethodCall, *args: Any, **opts: Any) -> None:
    *where, block, force = args
    new = where[1] if kind is _CONFIG and isinstance(where[1], str) else None
    if new is not None and call.state.one("groups", name=new) is None:
        call.tag_id(where[0])
        call.state.insert("groups", {"name": new})
    _store(call, kind, tuple(where), bool(block), force, opts)


def _remove(kind: _List, call: MethodCall, *args: Any) -> None:
    keys, row, what, tag = _find(call, kind, args)
    if row is None:
        raise GenericError(f"No {what} in tag {tag}")
    call.state.revoke(kind.table, row["id"], call.user_id)
    for other in (_PACKAGES, _REQUIRED) if kind is _CONFIG else ():
        call.state.revoke_all(other.table, call.user_id, **keys)


def _unblock(kind: _List, call: MethodCall, *args: Any) -> None:
    _, row, what, tag = _find(call, kind, args)
    if row is None or not row["blocked"]:
        raise GenericError(f"{what} is NOT blocked in tag {tag}")
    call.state.revoke(kind.table, row["id"], call.user_id)


def _block(kind: _List, call: MethodCall, *args: Any) -> None:
    _store(call, kind, args, True, False, {})


for _kind, _stem, _parameters, _force in (
    (_CONFIG, "groupList", "taginfo, grpinfo", ", force=False"),
    (_PACKAGES, "groupPackageList", "taginfo, grpinfo, pkg_name", ""),
    (_REQUIRED, "groupReqList", "taginfo, grpinfo, reqinfo", ", force=None"),
):
    declare(f"{_stem}Add({_parameters}, block=False, force=False, **opts)", partial(_add, _kind))
    declare(f"{_stem}Remove({_parameters}{_force})", partial(_remove, _kind))
    declare(f"{_stem}Block({_parameters})", partial(_block, _kind))
    declare(f"{_stem}Unblock({_parameters})", partial(_unblock, _kind))


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
def get_tag_groups(call: MethodCall, **asked: Any) -> list[dict[str, Any]]:
    """Return the groups of packages in a tag."""
    state, event = call.state, asked["event"]
    tags = [call.tag_id(asked["tag"])]
    if asked["inherit"]:
        tags = [parent for parent, _ in tag_order(state, tags[0], event)]
    about = (tags, event, asked["incl_blocked"])
    groups: dict[int, dict[str, Any]] = {}
    for row in _inherited(call, _CONFIG, *about):
        name = state.row("groups", row["group_id"])["name"]
        lists: dict[str, Any] = {"packagelist": [], "grouplist": []}
        groups[row["group_id"]] = {**pick(row, _CONFIG.columns), "name": name, **lists}
    for row in _inherited(call, _PACKAGES, *about) if asked["incl_pkgs"] else ():
        if row["group_id"] in groups:
            groups[row["group_id"]]["packagelist"].append(pick(row, _PACKAGES.columns))
    for row in _inherited(call, _REQUIRED, *about) if asked["incl_reqs"] else ():
        if row["group_id"] in groups and row["req_id"] in groups:
            entry = {**pick(row, _REQUIRED.columns), "name": groups[row["req_id"]]["name"]}
            groups[row["group_id"]]["grouplist"].append(entry)
    return list(groups.values())
