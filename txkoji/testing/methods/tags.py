"""Tags and their inheritance."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method, look_up
from txkoji.testing.tables.columns import check_name
from txkoji.testing.tables.filters import glob
from txkoji.testing.tables.lookups.packages import package_struct
from txkoji.testing.tables.lookups.tags import (
    inherited_links,
    tag_config,
    tag_extra,
    tag_name,
    tag_struct,
)
from txkoji.testing.tables.lookups.values import integer, must, parse_arches
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import Row, pick


@hub_method("getTag")
def get_tag(
    call: MethodCall, tagInfo: Any, strict: bool = False, event: Any = None, blocked: bool = False
) -> Any:
    """Return a tag."""
    past: dict[str, Any] = {}
    if event == "auto":
        # A deleted tag as it last was.
        row = call.find("tag", tagInfo) or {"id": None}
        revoked = [each["revoke_event"] for each in call.state.rows("tag_config", tag_id=row["id"])]
        event = None
        if revoked and None not in revoked:
            past["revoke_event"] = max(revoked)
            event = past["revoke_event"] - 1
    tag = call.find("tagInfo", tagInfo, strict, event)
    if tag is None:
        return None
    extra = tag_extra(call.state, tag["id"], event)
    if blocked:
        extra.update(tag_extra(call.state, tag["id"], event, blocked=True))
    struct = {**tag, "extra": extra}
    return struct if event is None else {**struct, **past, "query_event": event}


look_up(
    "getTagID(info, strict=False, create=False)",
    "tag",
    lambda _, row: row["id"],
    "Return the id of a tag.",
)


@hub_method("listTags(build=None, package=None, perms=True, queryOpts=None, pattern=None)")
def list_tags(
    call: MethodCall, build: Any, package: Any, perms: bool, queryOpts: Any, pattern: Any
) -> Any:
    """Return tags: all, or those of a build or package."""
    state = call.state
    wanted: dict[int, Row] | None = None
    for kind, info, table in (
        ("build", build, "tag_listing"),
        ("package", package, "tag_packages"),
    ):
        if info is not None:
            key = {f"{kind}_id": call.require(kind, info)["id"]}
            wanted = {row["tag_id"]: row for row in state.active(table, **key)}
    expression = None if pattern is None else glob(pattern)
    rows = []
    of_entry = ("owner_id", "owner_name", "blocked", "extra_arches")
    more = [*(("perm", "perm_id") if perms else ()), *(of_entry if package is not None else ())]
    for config in state.active("tag_config"):
        if wanted is not None and config["tag_id"] not in wanted:
            continue
        struct = tag_struct(state, state.row("tag", config["tag_id"]), config)
        if expression and not expression.fullmatch(struct["name"]):
            continue
        if wanted is not None and package is not None:
            extra = package_struct(state, wanted[config["tag_id"]])
            struct |= {key: extra[key] for key in of_entry}
        if not perms:
            del struct["perm"], struct["perm_id"]
        rows.append(struct)
    rows.sort(key=lambda row: row["id"])
    return apply_query_options(rows, queryOpts, "listTags", more)


@hub_method(
    "createTag(name, parent=None, arches=None, perm=None, locked=False, maven_support=False,"
    " maven_include_all=False, extra=None)"
)
def create_tag(call: MethodCall, *, name: Any, perm: Any, extra: Any, **settings: Any) -> int:
    """Make a tag; return its id."""
    maven = {key: bool(settings.pop(key)) for key in ("maven_support", "maven_include_all")}
    _check_maven(call, any(maven.values()))
    settings |= {"perm_id": _permission_id(call, perm), **maven}
    return insert_tag(call, name, extra=extra or {}, **settings)


def _permission_id(call: MethodCall, info: Any) -> int | None:
    return None if info is None else int(call.require("permissions", info)["id"])


def _check_maven(call: MethodCall, wanted: Any) -> None:
    if wanted and not call.hub.maven_enabled:
        raise GenericError("Maven support not enabled")


def insert_tag(
    call: MethodCall,
    name: str,
    *,
    parent: Any = None,
    arches: Any = None,
    extra: dict[str, Any] | None = None,
    **columns: Any,
) -> int:
    """Create a tag without a permission check; ``columns`` are more of its configuration."""
    state, user_id = call.state, call.user_id
    check_name(name)
    arches = parse_arches(arches)
    if call.find("tagInfo", name):
        raise GenericError(f"A tag with the name '{name}' already exists")
    parent_tag = None
    if parent is not None:
        text = f"Parent tag '{parent}' could not be found"
        parent_tag = must(call.find("tagInfo", parent), text)
    tag = state.one("tag", name=name) or state.insert("tag", {"name": name})
    own = {"tag_id": tag["id"]}
    config = {**own, "arches": arches if arches is not None else "", **columns}
    state.insert_version("tag_config", config, user_id)
    for key, value in (extra or {}).items():
        state.insert_version("tag_extra", {**own, "key": key, "value": value}, user_id)
    if parent_tag is not None:
        link = {**own, "parent_id": parent_tag["id"]}
        state.insert_version("tag_inheritance", link, user_id)
    return int(tag["id"])


@hub_method("editTag2")
def edit_tag2(call: MethodCall, tagInfo: Any, **kwargs: Any) -> None:
    """Change the named settings of a tag."""
    state = call.state
    tag = call.require("tagInfo", tagInfo)
    config = tag_config(state, tag["id"])
    assert config is not None
    changes: dict[str, Any] = {
        key: kwargs[key]
        for key in ("arches", "locked", "maven_support", "maven_include_all")
        if key in kwargs
    }
    if "arches" in changes:
        changes["arches"] = parse_arches(changes["arches"])
    for key in ("perm", "perm_id"):
        if key in kwargs:
            changes["perm_id"] = _permission_id(call, kwargs[key])
    _check_maven(call, kwargs.get("maven_support") or kwargs.get("maven_include_all"))
    changed = _changed_extra(call, tag, kwargs)
    if "name" in kwargs and kwargs["name"] != tag["name"]:
        if state.one("tag", name=kwargs["name"]):
            raise GenericError(f"Name {kwargs['name']} is already in use")
        state.update("tag", tag["id"], name=kwargs["name"])
    if any(config[key] != value for key, value in changes.items()):
        columns = "tag_id perm_id arches locked maven_support maven_include_all"
        kept = pick(config, columns)
        state.insert_version("tag_config", {**kept, **changes}, call.user_id)
    for key in kwargs.get("remove_extra") or ():
        state.revoke_all("tag_extra", call.user_id, tag_id=tag["id"], key=key)
    for key, setting in changed.items():
        entry = {"tag_id": tag["id"], "key": key, **setting}
        state.insert_version("tag_extra", entry, call.user_id)


def _changed_extra(
    call: MethodCall, tag: dict[str, Any], asked: dict[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the extra settings to store in a tag, by key; refuse contradictions."""
    extra = tag_extra(call.state, tag["id"])
    changed = {key: {"value": value} for key, value in (asked.get("extra") or {}).items()}
    for key in asked.get("block_extra") or []:
        if key in changed:
            raise GenericError(f"Can not both add/update and block tag-extra: '{key}'")
        changed[key] = {"value": None, "blocked": True}
    for key in asked.get("remove_extra") or []:
        if key not in extra:
            raise GenericError(f"Tag: {tag['name']} doesn't have extra: {key}")
        if key in changed:
            action = "block" if "blocked" in changed[key] else "add/update"
            raise GenericError(f"Can not both {action} and remove tag-extra: '{key}'")
    return changed


def _edit_tag(
    call: MethodCall, tag: Any, name: Any, arches: Any, locked: Any, permission: Any, extra: Any
) -> None:
    edit_tag2(call, tag, name=name, arches=arches, locked=locked, perm=permission, extra=extra)


declare("editTag(tagInfo, name, arches, locked, permissionID, extra=None)", _edit_tag)


@hub_method("deleteTag")
def delete_tag(call: MethodCall, tagInfo: Any) -> None:
    """Delete a tag and everything in it."""
    tag = call.require("tagInfo", tagInfo)
    for column, tables in _TABLES_OF_TAGS.items():
        for table in tables.split():
            call.state.revoke_all(table, call.user_id, **{column: tag["id"]})


_TABLES_OF_TAGS = {
    "tag_id": "tag_config tag_extra tag_packages tag_listing tag_inheritance tag_external_repos "
    "group_config group_package_listing group_req_listing",
    "parent_id": "tag_inheritance",
    "build_tag": "build_target_config",
    "dest_tag": "build_target_config",
}
"""What goes with a tag, by the column that refers to it."""


@hub_method("getBuildConfig")
def get_build_config(call: MethodCall, tag: Any, event: Any = None) -> Any:
    """Return what a build in a tag is configured with, inherited."""
    struct = get_tag(call, tag, strict=True, event=event)
    origin: dict[str, Any] = {"extra": {}, "arches": None}
    blocked = set(tag_extra(call.state, struct["id"], event, blocked=True))
    for _, parent, link, _ in inherited_links(call.state, struct["id"], event):
        if link["noconfig"]:
            continue
        config = tag_config(call.state, parent, event)
        source = {"id": parent, "name": tag_name(call.state, parent)}
        if config and not struct["arches"] and config["arches"]:
            struct["arches"] = config["arches"]
            origin["arches"] = source
        for key, value in tag_extra(call.state, parent, event).items():
            if key not in struct["extra"] and key not in blocked:
                struct["extra"][key] = value
                origin["extra"][key] = source
        blocked.update(tag_extra(call.state, parent, event, blocked=True))
    struct["config_inheritance"] = origin
    return struct


def _link_struct(call: MethodCall, link: Row) -> dict[str, Any]:
    parent = call.state.row("tag", link["parent_id"])
    return {
        **pick(link, " ".join(_LINK_FIELDS)),
        "child_id": link["tag_id"],
        "name": parent["name"],
    }


@hub_method("getInheritanceData")
def get_inheritance_data(call: MethodCall, tag: Any, event: Any = None) -> list[dict[str, Any]]:
    """Return a tag's own parents."""
    tag_id = call.tag_id(tag)
    links = call.state.active("tag_inheritance", event, tag_id=tag_id)
    return [_link_struct(call, link) for link in sorted(links, key=lambda row: row["priority"])]


def _optional_integer(value: Any) -> int | None:
    return None if value is None else integer(value)


@hub_method("setInheritanceData")
def set_inheritance_data(call: MethodCall, tag: Any, data: Any, clear: bool = False) -> None:
    """Change a tag's parents."""
    tag_id = call.tag_id(tag)
    for link in data:
        call.require("tagInfo", link["parent_id"])
        for field in () if link.get("delete link") else _LINK_FIELDS:
            if field not in link:
                raise GenericError(f"No value for {field}")
    if clear:
        call.state.revoke_all("tag_inheritance", call.user_id, tag_id=tag_id)
    for link in data:
        if link.get("delete link"):
            keys = {"tag_id": tag_id, "parent_id": link["parent_id"]}
            call.state.revoke_all("tag_inheritance", call.user_id, **keys)
            continue
        row = {
            "tag_id": tag_id,
            "parent_id": link["parent_id"],
            "priority": integer(link["priority"]),
            "maxdepth": _optional_integer(link["maxdepth"]),
            "intransitive": bool(link["intransitive"]),
            "noconfig": bool(link["noconfig"]),
            "pkg_filter": link["pkg_filter"] or "",
        }
        call.state.insert_version("tag_inheritance", row, call.user_id)
    parents: dict[int, list[int]] = {}
    for link in call.state.active("tag_inheritance", tag_id=tag_id):
        parents.setdefault(link["priority"], []).append(link["parent_id"])
    for priority, same in parents.items():
        if len(same) > 1:
            raise GenericError(f"Inheritance priorities must be unique (pri {priority}: {same!r} )")


_LINK_FIELDS = ("parent_id", "priority", "maxdepth", "intransitive", "noconfig", "pkg_filter")


def _descendants(
    call: MethodCall, tag_id: int, event: int | None, depth: int
) -> Iterator[dict[str, Any]]:
    """Yield the links by which tags inherit from a tag, directly or not."""
    for link in call.state.active("tag_inheritance", event, parent_id=tag_id):
        struct = _link_struct(call, link)
        del struct["child_id"]
        name = call.state.row("tag", link["tag_id"])["name"]
        position: dict[str, Any] = {"currdepth": depth, "nextdepth": None, "filter": []}
        yield {**struct, **position, "tag_id": link["tag_id"], "name": name}
        yield from _descendants(call, link["tag_id"], event, depth + 1)


@hub_method("getFullInheritance")
def get_full_inheritance(
    call: MethodCall, tag: Any, event: Any = None, reverse: bool = False, **kwargs: Any
) -> list[dict[str, Any]]:
    # A hub checks names only.
    """Return all that a tag inherits from, in order."""
    tag_id = tag if type(tag) is int else call.tag_id(tag)
    if reverse:
        return list(_descendants(call, tag_id, event, 1))
    return [
        {**_link_struct(call, link), "currdepth": depth, "nextdepth": None, "filter": filters}
        for depth, _, link, filters in inherited_links(call.state, tag_id, event)
    ]
