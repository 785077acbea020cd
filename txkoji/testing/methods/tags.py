"""Tags, their inheritance and packages, and build targets."""

from __future__ import annotations

import re
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.methods.table import MethodCall, hub_method
from txkoji.testing.tables import lookups
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import HubState, Row

_NAME = re.compile(r"[A-Za-z0-9/_.+-]{1,256}")


def _check_name(kind: str, name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise GenericError(f"Invalid name for {kind}: {name!r}")


@hub_method("getTag")
def get_tag(
    call: MethodCall, tagInfo: Any, strict: bool = False, event: Any = None, blocked: bool = False
) -> Any:
    tag = lookups.find_tag(call.state, tagInfo, strict, event)
    if tag is None:
        return None
    return {**tag, "extra": lookups.tag_extra(call.state, tag["id"], event)}


@hub_method("getTagID")
def get_tag_id(call: MethodCall, info: Any, strict: bool = False, create: bool = False) -> Any:
    return lookups.find_tag_id(call.state, info, strict)


@hub_method("listTags")
def list_tags(
    call: MethodCall,
    build: Any = None,
    package: Any = None,
    perms: bool = True,
    queryOpts: Any = None,
    pattern: Any = None,
) -> Any:
    state = call.state
    wanted: set[int] | None = None
    entries: dict[int, Row] = {}
    if build is not None:
        row = lookups.find_build_row(state, build, strict=True)
        assert row is not None
        listings = state.active("tag_listing", None, build_id=row["id"])
        wanted = {listing["tag_id"] for listing in listings}
    if package is not None:
        found = lookups.find_package(state, package)
        if found is None:
            raise GenericError(f"No such entry in table package: {package}")
        entries = {
            row["tag_id"]: row for row in state.active("tag_packages", None, package_id=found["id"])
        }
        wanted = set(entries)
    glob = None if pattern is None else re.compile(_glob(pattern))
    rows = []
    for config in state.active("tag_config"):
        if wanted is not None and config["tag_id"] not in wanted:
            continue
        struct = lookups.tag_struct(state, config["tag_id"], config)
        if glob and not glob.fullmatch(struct["name"]):
            continue
        if config["tag_id"] in entries:
            extra = lookups.package_struct(state, entries[config["tag_id"]])
            for key in ("owner_id", "owner_name", "blocked", "extra_arches"):
                struct[key] = extra[key]
        rows.append(struct)
    rows.sort(key=lambda row: row["id"])
    return apply_query_options(rows, queryOpts)


def _glob(pattern: str) -> str:
    return "".join(
        ".*" if letter == "*" else "." if letter == "?" else re.escape(letter) for letter in pattern
    )


@hub_method("createTag")
def create_tag(
    call: MethodCall,
    name: str,
    parent: Any = None,
    arches: Any = None,
    perm: Any = None,
    locked: bool = False,
    maven_support: bool = False,
    maven_include_all: bool = False,
    extra: Any = None,
) -> int:
    user = call.require_permission("tag")
    permission = call.state.one("permissions", name=perm) if isinstance(perm, str) else None
    return insert_tag(
        call,
        user["id"],
        name,
        parent=parent,
        arches=arches,
        extra=extra or {},
        perm_id=permission["id"] if permission else perm,
        locked=bool(locked),
        maven_support=bool(maven_support),
        maven_include_all=bool(maven_include_all),
    )


def insert_tag(
    call: MethodCall,
    user_id: int,
    name: str,
    *,
    parent: Any = None,
    arches: Any = None,
    extra: dict[str, Any] | None = None,
    **columns: Any,
) -> int:
    """Create a tag, whoever asks; more columns of its configuration by their names."""
    state = call.state
    _check_name("tag", name)
    if lookups.find_tag(state, name):
        raise GenericError(f"A tag with the name '{name}' already exists")
    parent_tag = lookups.find_tag(state, parent) if parent is not None else None
    if parent is not None and parent_tag is None:
        raise GenericError(f"Parent tag '{parent}' could not be found")
    tag = state.one("tag", name=name) or state.insert("tag", {"name": name})
    config = {
        "tag_id": tag["id"],
        "perm_id": None,
        "arches": arches if arches is not None else "",
        "locked": False,
        "maven_support": False,
        "maven_include_all": False,
        **columns,
    }
    state.insert_version("tag_config", config, user_id)
    for key, value in (extra or {}).items():
        state.insert_version(
            "tag_extra", {"tag_id": tag["id"], "key": key, "value": value}, user_id
        )
    if parent_tag is not None:
        link_tags(call, user_id, tag["id"], parent_tag["id"], 0)
    return int(tag["id"])


def link_tags(call: MethodCall, user_id: int, child: int, parent: int, priority: int) -> None:
    """Let a tag inherit from another."""
    link = {
        "tag_id": child,
        "parent_id": parent,
        "priority": priority,
        "maxdepth": None,
        "intransitive": False,
        "noconfig": False,
        "pkg_filter": "",
    }
    call.state.insert_version("tag_inheritance", link, user_id)


@hub_method("editTag2")
def edit_tag2(call: MethodCall, tagInfo: Any, **kwargs: Any) -> None:
    user = call.require_permission("tag")
    state = call.state
    tag = lookups.find_tag(state, tagInfo, strict=True)
    assert tag is not None
    config = lookups.tag_config(state, tag["id"])
    assert config is not None
    changes: dict[str, Any] = {
        key: kwargs[key]
        for key in ("arches", "locked", "maven_support", "maven_include_all")
        if key in kwargs
    }
    if "perm_id" in kwargs:
        changes["perm_id"] = kwargs["perm_id"]
    elif "perm" in kwargs:
        row = state.one("permissions", name=kwargs["perm"]) if kwargs["perm"] else None
        changes["perm_id"] = row["id"] if row else None
    if "name" in kwargs:
        _check_name("tag", kwargs["name"])
        state.update("tag", tag["id"], name=kwargs["name"])
    if any(config[key] != value for key, value in changes.items()):
        state.revoke("tag_config", config["id"], user["id"])
        kept = {
            key: config[key]
            for key in (
                "tag_id",
                "perm_id",
                "arches",
                "locked",
                "maven_support",
                "maven_include_all",
            )
        }
        state.insert_version("tag_config", {**kept, **changes}, user["id"])
    for key in kwargs.get("remove_extra") or []:
        for row in state.active("tag_extra", None, tag_id=tag["id"], key=key):
            state.revoke("tag_extra", row["id"], user["id"])
    for key, value in (kwargs.get("extra") or {}).items():
        for row in state.active("tag_extra", None, tag_id=tag["id"], key=key):
            state.revoke("tag_extra", row["id"], user["id"])
        state.insert_version(
            "tag_extra", {"tag_id": tag["id"], "key": key, "value": value}, user["id"]
        )


@hub_method("deleteTag")
def delete_tag(call: MethodCall, tagInfo: Any) -> None:
    user = call.require_permission("tag")
    drop_tag(call, user["id"], tagInfo)


def drop_tag(call: MethodCall, user_id: int, info: Any) -> None:
    """Revoke all that a tag is and has, whoever asks."""
    tag = lookups.find_tag(call.state, info, strict=True)
    assert tag is not None
    for table in ("tag_config", "tag_extra", "tag_packages", "tag_listing", "tag_inheritance"):
        for row in call.state.active(table, None, tag_id=tag["id"]):
            call.state.revoke(table, row["id"], user_id)
    for row in call.state.active("tag_inheritance", None, parent_id=tag["id"]):
        call.state.revoke("tag_inheritance", row["id"], user_id)


@hub_method("getBuildConfig")
def get_build_config(call: MethodCall, tag: Any, event: Any = None) -> Any:
    struct = get_tag(call, tag, strict=True, event=event)
    own_arches = bool(struct["arches"])
    origin: dict[str, Any] = {"extra": {}, "arches": None}
    order = lookups.tag_order(call.state, struct["id"], event)
    for parent, _ in order[1:]:
        config = lookups.tag_config(call.state, parent, event)
        if config and not own_arches and not struct["arches"] and config["arches"]:
            struct["arches"] = config["arches"]
            row = call.state.get("tag", parent)
            assert row is not None
            origin["arches"] = {"id": parent, "name": row["name"]}
        for key, value in lookups.tag_extra(call.state, parent, event).items():
            if key not in struct["extra"]:
                struct["extra"][key] = value
    struct["config_inheritance"] = origin
    return struct


def _link_struct(call: MethodCall, link: Row) -> dict[str, Any]:
    parent = call.state.get("tag", link["parent_id"])
    assert parent is not None
    keys = ("intransitive", "maxdepth", "noconfig", "parent_id", "pkg_filter", "priority")
    return {**{key: link[key] for key in keys}, "child_id": link["tag_id"], "name": parent["name"]}


@hub_method("getInheritanceData")
def get_inheritance_data(call: MethodCall, tag: Any, event: Any = None) -> list[dict[str, Any]]:
    tag_id = lookups.find_tag_id(call.state, tag, strict=True)
    links = call.state.active("tag_inheritance", event, tag_id=tag_id)
    return [_link_struct(call, link) for link in sorted(links, key=lambda row: row["priority"])]


@hub_method("setInheritanceData")
def set_inheritance_data(call: MethodCall, tag: Any, data: Any, clear: bool = False) -> None:
    user = call.require_permission("tag")
    tag_id = lookups.find_tag_id(call.state, tag, strict=True)
    assert tag_id is not None
    changed = {link["parent_id"] for link in data}
    for link in call.state.active("tag_inheritance", None, tag_id=tag_id):
        if clear or link["parent_id"] in changed:
            call.state.revoke("tag_inheritance", link["id"], user["id"])
    for link in data:
        if link.get("delete link"):
            continue
        row = {
            "tag_id": tag_id,
            "parent_id": link["parent_id"],
            "priority": link["priority"],
            "maxdepth": link.get("maxdepth"),
            "intransitive": bool(link.get("intransitive")),
            "noconfig": bool(link.get("noconfig")),
            "pkg_filter": link.get("pkg_filter") or "",
        }
        call.state.insert_version("tag_inheritance", row, user["id"])


@hub_method("getFullInheritance")
def get_full_inheritance(
    call: MethodCall, tag: Any, event: Any = None, reverse: bool = False, **kwargs: Any
) -> list[dict[str, Any]]:
    tag_id = lookups.find_tag_id(call.state, tag, strict=True)
    assert tag_id is not None
    return [
        {**_link_struct(call, link), "currdepth": depth, "nextdepth": None, "filter": filters}
        for depth, _, link, filters in lookups.inheritance(call.state, tag_id, event)
    ]


@hub_method("getTagExternalRepos")
def get_tag_external_repos(
    call: MethodCall, tag_info: Any = None, repo_info: Any = None, event: Any = None
) -> list[Any]:
    if tag_info is not None:
        lookups.find_tag(call.state, tag_info, strict=True, event=event)
    return []


@hub_method("getExternalRepoList")
def get_external_repo_list(call: MethodCall, tag_info: Any, event: Any = None) -> list[Any]:
    lookups.find_tag(call.state, tag_info, strict=True, event=event)
    return []


@hub_method("getTagGroups")
def get_tag_groups(
    call: MethodCall,
    tag: Any,
    event: Any = None,
    inherit: bool = True,
    incl_pkgs: bool = True,
    incl_reqs: bool = True,
    incl_blocked: bool = False,
) -> list[Any]:
    lookups.find_tag(call.state, tag, strict=True, event=event)
    return []


# Targets


@hub_method("getBuildTarget")
def get_build_target(call: MethodCall, info: Any, event: Any = None, strict: bool = False) -> Any:
    return lookups.find_target(call.state, info, strict, event)


@hub_method("getBuildTargets")
def get_build_targets(
    call: MethodCall,
    info: Any = None,
    event: Any = None,
    buildTagID: Any = None,
    destTagID: Any = None,
    queryOpts: Any = None,
) -> Any:
    state = call.state
    rows = []
    build_tag = lookups.find_tag_id(state, buildTagID, True) if buildTagID is not None else None
    dest_tag = lookups.find_tag_id(state, destTagID, True) if destTagID is not None else None
    for config in state.active("build_target_config", event):
        target = state.get("build_target", config["build_target_id"])
        assert target is not None
        if info is not None and info not in (target["id"], target["name"]):
            continue
        if build_tag is not None and config["build_tag"] != build_tag:
            continue
        if dest_tag is not None and config["dest_tag"] != dest_tag:
            continue
        rows.append(lookups.target_struct(state, target, config))
    return apply_query_options(rows, queryOpts)


@hub_method("createBuildTarget")
def create_build_target(call: MethodCall, name: str, build_tag: Any, dest_tag: Any) -> None:
    user = call.require_permission("target")
    insert_target(call, user["id"], name, build_tag, dest_tag)


def insert_target(call: MethodCall, user_id: int, name: str, build_tag: Any, dest_tag: Any) -> int:
    """Create a build target, whoever asks."""
    state = call.state
    _check_name("build target", name)
    if lookups.find_target(state, name):
        raise GenericError(f"A build target with the name '{name}' already exists")
    build_id = lookups.find_tag_id(state, build_tag)
    dest_id = lookups.find_tag_id(state, dest_tag)
    if build_id is None:
        raise GenericError(f"build tag '{build_tag}' does not exist")
    if dest_id is None:
        raise GenericError(f"destination tag '{dest_tag}' does not exist")
    target = state.one("build_target", name=name) or state.insert("build_target", {"name": name})
    config = {"build_target_id": target["id"], "build_tag": build_id, "dest_tag": dest_id}
    state.insert_version("build_target_config", config, user_id)
    return int(target["id"])


@hub_method("editBuildTarget")
def edit_build_target(
    call: MethodCall, buildTargetInfo: Any, name: str, build_tag: Any, dest_tag: Any
) -> None:
    user = call.require_permission("target")
    state = call.state
    target = lookups.find_target(state, buildTargetInfo, strict=True)
    assert target is not None
    build_id = lookups.find_tag_id(state, build_tag)
    dest_id = lookups.find_tag_id(state, dest_tag)
    if build_id is None:
        raise GenericError(f"build tag '{build_tag}' does not exist")
    if dest_id is None:
        raise GenericError(f"destination tag '{dest_tag}' does not exist")
    if name != target["name"]:
        _check_name("build target", name)
        if state.one("build_target", name=name):
            raise GenericError(f'name "{name}" is already taken by build target')
        state.update("build_target", target["id"], name=name)
    drop_target(call, user["id"], target["id"])
    config = {"build_target_id": target["id"], "build_tag": build_id, "dest_tag": dest_id}
    state.insert_version("build_target_config", config, user["id"])


@hub_method("deleteBuildTarget")
def delete_build_target(call: MethodCall, buildTargetInfo: Any) -> None:
    user = call.require_permission("target")
    drop_target(call, user["id"], buildTargetInfo)


def drop_target(call: MethodCall, user_id: int, info: Any) -> None:
    """Revoke a build target, whoever asks."""
    target = lookups.find_target(call.state, info)
    if target is None:
        raise GenericError(f"No such build target: {info}")
    for row in call.state.active("build_target_config", None, build_target_id=target["id"]):
        call.state.revoke("build_target_config", row["id"], user_id)


# Packages


@hub_method("getPackage")
def get_package(call: MethodCall, info: Any, strict: bool = False, create: bool = False) -> Any:
    row = lookups.find_package(call.state, info, strict)
    return {"id": row["id"], "name": row["name"]} if row else None


@hub_method("getPackageID")
def get_package_id(call: MethodCall, name: Any, strict: bool = False) -> Any:
    row = lookups.find_package(call.state, name, strict)
    return row["id"] if row else None


@hub_method("listPackages")
def list_packages(
    call: MethodCall,
    tagID: Any = None,
    userID: Any = None,
    pkgID: Any = None,
    prefix: Any = None,
    inherited: bool = False,
    with_dups: bool = False,
    event: Any = None,
    queryOpts: Any = None,
    with_owners: bool = True,
    with_blocked: bool = True,
) -> Any:
    state = call.state
    if tagID is None and userID is None and pkgID is None:
        names = [
            {"package_id": row["id"], "package_name": row["name"]}
            for row in state.rows("package")
            if not prefix or row["name"].startswith(prefix)
        ]
        return apply_query_options(names, queryOpts)
    if tagID is not None:
        tag_id = lookups.find_tag_id(state, tagID, strict=True)
        assert tag_id is not None
        entries = list(lookups.package_entries(state, tag_id, event, inherit=inherited).values())
    else:
        entries = state.active("tag_packages", event)
    user = lookups.find_user(state, userID, strict=True) if userID is not None else None
    package = lookups.find_package(state, pkgID, strict=True) if pkgID is not None else None
    rows = []
    for entry in entries:
        struct = lookups.package_struct(state, entry)
        if user and entry["owner_id"] != user["id"]:
            continue
        if package and entry["package_id"] != package["id"]:
            continue
        if prefix and not struct["package_name"].startswith(prefix):
            continue
        if entry["blocked"] and not with_blocked:
            continue
        rows.append(struct)
    return apply_query_options(rows, queryOpts)


@hub_method("listPackagesSimple")
def list_packages_simple(call: MethodCall, prefix: Any = None, queryOpts: Any = None) -> Any:
    return list_packages(call, prefix=prefix, queryOpts=queryOpts)


def package_config(call: MethodCall, tag: Any, package: Any, event: Any = None) -> Row | None:
    """Return the entry of a package that counts for a tag, inherited or not, or None."""
    tag_id = lookups.find_tag_id(call.state, tag, strict=True)
    row = lookups.find_package(call.state, package)
    if row is None or tag_id is None:
        return None
    return lookups.package_entries(call.state, tag_id, event).get(row["id"])


@hub_method("checkTagPackage")
def check_tag_package(call: MethodCall, tag: Any, pkg: Any) -> bool:
    entry = package_config(call, tag, pkg)
    return entry is not None and not entry["blocked"]


@hub_method("getPackageConfig")
def get_package_config(call: MethodCall, tag: Any, pkg: Any, event: Any = None) -> Any:
    entry = package_config(call, tag, pkg, event)
    return lookups.package_struct(call.state, entry) if entry else None


def _options(action: str, force: bool) -> dict[str, Any] | None:
    """What the message of a change tells besides; None where it does not tell the entry."""
    if action not in ("add", "update", "block"):
        return None
    return {"force": force or None, "update": action == "update"}


def set_package(
    call: MethodCall,
    user_id: int,
    tag: Any,
    package: Any,
    action: str,
    *,
    owner: Any = None,
    blocked: bool | None = None,
    extra_arches: str | None = None,
    force: bool = False,
) -> None:
    """Change the entry of a package in a tag, whoever asks.

    Args:
        call: the call.
        user_id: whose change it is.
        tag: the tag.
        package: the package, made if it is not there.
        action: ``add``, ``update``, ``block`` or ``unblock``.
        owner: the new owner; by default the one before, inherited or not.
        blocked: whether it is blocked; by default as before.
        extra_arches: more architectures; by default as before.
        force: what the caller said; the message tells it.
    """
    state = call.state
    tag_id = lookups.find_tag_id(state, tag, strict=True)
    row = lookups.find_package(state, package)
    if row is None:
        if action != "add":
            raise GenericError(f"No such entry in table package: {package}")
        _check_name("package", package)
        row = state.insert("package", {"name": package})
    own = state.active("tag_packages", None, tag_id=tag_id, package_id=row["id"])
    before = own[0] if own else package_config(call, tag_id, row["id"])
    if owner is not None:
        owner_row = lookups.find_user(state, owner, strict=True)
        assert owner_row is not None
        owner_id = owner_row["id"]
    elif before is not None:
        owner_id = before["owner_id"]
    else:
        raise GenericError("owner not specified")
    entry = {
        "tag_id": tag_id,
        "package_id": row["id"],
        "owner_id": owner_id,
        "blocked": bool(before and before["blocked"]) if blocked is None else blocked,
        "extra_arches": (before and before["extra_arches"]) or None
        if extra_arches is None
        else extra_arches,
    }
    if own and all(own[0][key] == value for key, value in entry.items()):
        return
    if own:
        state.revoke("tag_packages", own[0]["id"], user_id)
    listed = state.insert_version("tag_packages", entry, user_id)
    state.announce(
        lambda: messages.package_changed(state, action, listed, user_id, _options(action, force))
    )


def _package_permission(call: MethodCall, force: bool) -> Row:
    user = call.require_permission("tag")
    call.require_policy("package_list", force=force)
    return user


@hub_method("packageListAdd")
def package_list_add(
    call: MethodCall,
    taginfo: Any,
    pkginfo: Any,
    owner: Any = None,
    block: Any = None,
    extra_arches: Any = None,
    force: bool = False,
    update: bool = False,
) -> None:
    user = _package_permission(call, force)
    action = "block" if block else "update" if update else "add"
    set_package(
        call,
        user["id"],
        taginfo,
        pkginfo,
        action,
        owner=owner,
        blocked=bool(block) if block is not None or not update else None,
        extra_arches=extra_arches,
        force=force,
    )


@hub_method("packageListBlock")
def package_list_block(call: MethodCall, taginfo: Any, pkginfo: Any, force: bool = False) -> None:
    user = _package_permission(call, force)
    set_package(call, user["id"], taginfo, pkginfo, "block", blocked=True, force=force)


@hub_method("packageListUnblock")
def package_list_unblock(call: MethodCall, taginfo: Any, pkginfo: Any, force: bool = False) -> None:
    user = _package_permission(call, force)
    set_package(call, user["id"], taginfo, pkginfo, "unblock", blocked=False, force=force)


@hub_method("packageListSetOwner")
def package_list_set_owner(
    call: MethodCall, taginfo: Any, pkginfo: Any, owner: Any, force: bool = False
) -> None:
    user = _package_permission(call, force)
    set_package(call, user["id"], taginfo, pkginfo, "update", owner=owner, force=force)


@hub_method("packageListSetArches")
def package_list_set_arches(
    call: MethodCall, taginfo: Any, pkginfo: Any, arches: Any, force: bool = False
) -> None:
    user = _package_permission(call, force)
    set_package(call, user["id"], taginfo, pkginfo, "update", extra_arches=arches, force=force)


@hub_method("packageListRemove")
def package_list_remove(call: MethodCall, taginfo: Any, pkginfo: Any, force: bool = False) -> None:
    user = _package_permission(call, force)
    state = call.state
    tag_id = lookups.find_tag_id(state, taginfo, strict=True)
    row = lookups.find_package(state, pkginfo, strict=True)
    assert row is not None
    for entry in state.active("tag_packages", None, tag_id=tag_id, package_id=row["id"]):
        _unlist(state, entry, user["id"])


def _unlist(state: HubState, entry: Row, user_id: int) -> None:
    state.revoke("tag_packages", entry["id"], user_id)
    state.announce(lambda: messages.package_changed(state, "remove", entry, user_id, None))
