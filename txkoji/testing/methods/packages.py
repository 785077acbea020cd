"""Packages, and their entries in tags."""

from __future__ import annotations

from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method, look_up
from txkoji.testing.tables.filters import refers, select, starts
from txkoji.testing.tables.lookups.find import find
from txkoji.testing.tables.lookups.packages import (
    package_entries,
    package_name,
    package_struct,
)
from txkoji.testing.tables.lookups.tags import tag_name
from txkoji.testing.tables.lookups.values import parse_arches
from txkoji.testing.tables.queries import apply_query_options, apply_to_list
from txkoji.testing.tables.state import HubState, Row, pick

look_up(
    "getPackage(info, strict=False, create=False)", "package", lambda _, row: pick(row, "id name")
)


look_up(
    "getPackageID(name, strict=False)",
    "package name",
    lambda _, row: row["id"],
    "Return the id of a package.",
)


_FILTERS = {
    "userID": refers("owner_id", "user", True),
    "pkgID": refers("package_id", "package", True),
    "prefix": starts(lambda state, row: package_name(state, row["package_id"])),
    "with_blocked": lambda _, wanted: lambda row: wanted or not row["blocked"],
}


@hub_method(
    "listPackages(tagID=None, userID=None, pkgID=None, prefix=None, inherited=False,"
    " with_dups=False, event=None, queryOpts=None, with_owners=True, with_blocked=True)"
)
def list_packages(
    call: MethodCall, *, tagID: Any, inherited: bool, event: Any, queryOpts: Any, **filters: Any
) -> Any:
    """Return packages, and how they are listed."""
    state = call.state
    if tagID is None and filters["userID"] is None and filters["pkgID"] is None:
        return list_packages_simple(call, filters["prefix"], queryOpts)
    if tagID is None:
        entries = state.active("tag_packages", event)
    else:
        tag_id = call.tag_id(tagID)
        entries = list(package_entries(state, tag_id, event, inherit=inherited).values())
    filters["with_blocked"] = bool(filters["with_blocked"])
    found = select(state, "tag_packages", _FILTERS, filters, entries)
    return apply_to_list([package_struct(state, entry) for entry in found], queryOpts)


@hub_method("listPackagesSimple")
def list_packages_simple(call: MethodCall, prefix: Any = None, queryOpts: Any = None) -> Any:
    """Return the names of packages."""
    names = [
        {"package_id": row["id"], "package_name": row["name"]}
        for row in call.state.rows("package")
        if not prefix or row["name"].startswith(prefix)
    ]
    return apply_query_options(names, queryOpts, "listPackagesSimple")


def package_config(call: MethodCall, tag: Any, package: Any, event: Any = None) -> Row | None:
    """Return the effective entry of a package in a tag, inherited or not, or None."""
    tag_id = call.tag_id(tag)
    row = call.find("package", package)
    if row is None or tag_id is None:
        return None
    return package_entries(call.state, tag_id, event, package_id=row["id"]).get(row["id"])


@hub_method("checkTagPackage")
def check_tag_package(call: MethodCall, tag: Any, pkg: Any) -> bool:
    """Return whether a package is listed in a tag and not blocked."""
    if call.find("tag", tag) is None:
        return False
    entry = package_config(call, tag, pkg)
    return entry is not None and not entry["blocked"]


@hub_method("getPackageConfig")
def get_package_config(call: MethodCall, tag: Any, pkg: Any, event: Any = None) -> Any:
    """Return how a package is listed in a tag."""
    entry = package_config(call, tag, pkg, event)
    return package_struct(call.state, entry) if entry else None


def _options(action: str, force: bool) -> dict[str, Any] | None:
    """Return the message's options of a change; None if the message does not show the entry."""
    if action not in ("add", "update", "block"):
        return None
    return {"force": force or None, "update": action == "update"}


def set_package(
    call: MethodCall,
    tag: Any,
    package: Any,
    action: str,
    *,
    force: bool,
    owner: Any = None,
    blocked: bool | None = None,
    extra_arches: Any = None,
) -> None:
    """Change the entry of a package in a tag, without a permission check.

    Args:
        call: the call.
        tag: the tag.
        package: the package; ``add`` creates it.
        action: ``add``, ``update``, ``block`` or ``unblock``.
        force: the caller's ``force``.
        owner: the new owner; by default the one before, inherited or not.
        blocked: whether it is blocked; by default as before.
        extra_arches: more architectures; by default as before.
    """
    state = call.state
    tag_id = call.tag_id(tag)
    row = _package_to_list(state, tag_id, package, action, has_owner=owner is not None)
    arches = parse_arches(extra_arches)
    before = package_config(call, tag_id, row["id"])
    _check_change(state, tag_id, row, action, before, force)
    entry = {"tag_id": tag_id, "package_id": row["id"], "blocked": False, "extra_arches": None}
    if before is not None:
        entry |= {"blocked": before["blocked"], "extra_arches": before["extra_arches"] or None}
    entry["owner_id"] = _owner_id(state, tag_id, row, action, owner, before)
    given = {"blocked": blocked, "extra_arches": arches}
    entry |= {name: value for name, value in given.items() if value is not None}
    if before is None or any(before[key] != value for key, value in entry.items()):
        listed = state.insert_version("tag_packages", entry, call.user_id)
        _announce(call, action, listed, _options(action, force))


def _announce(call: MethodCall, action: str, entry: Row, options: dict[str, Any] | None) -> None:
    state, user = call.state, call.user_id
    state.announce(lambda: messages.package_changed(state, action, entry, user, options))


def _check_change(
    state: HubState, tag_id: int, row: Row, action: str, before: Row | None, force: bool
) -> None:
    if action == "update" and before is None and not force:
        raise _no_data(state, tag_id, row["name"])
    if action == "unblock" and before is not None and not before["blocked"]:
        raise GenericError(f"package {row['name']} NOT blocked in tag {tag_name(state, tag_id)}")


def _no_data(state: HubState, tag_id: int, package: Any) -> GenericError:
    tag = tag_name(state, tag_id)
    return GenericError(f"cannot update: tag {tag} has no data for package {package}")


def _package_to_list(
    state: HubState, tag_id: int, package: Any, action: str, *, has_owner: bool
) -> Row:
    """Return a package, created if it is to be added; refuse an unknown one otherwise."""
    row: Row | None = find(state, "package", package)
    if row is not None:
        return row
    if action == "update":
        raise _no_data(state, tag_id, package)
    if action != "add":
        raise GenericError(f"No such entry in table package: {package}")
    if not has_owner:
        raise GenericError("owner not specified")
    if not isinstance(package, str):
        raise GenericError(f"Invalid package: {package}")
    return state.insert("package", {"name": package})


def _owner_id(
    state: HubState, tag_id: int, row: Row, action: str, owner: Any, before: Row | None
) -> int:
    """Return the id of the new owner of a package, by default that of the entry before."""
    if owner is not None:
        return int(find(state, "user", owner, True)["id"])
    if before is not None:
        return int(before["owner_id"])
    if action == "add":
        raise GenericError("owner not specified")
    raise GenericError(f"Package {row['name']} is not in tag listing for {tag_name(state, tag_id)}")


def _check_permission(call: MethodCall, tag: Any, package: Any, force: bool) -> None:
    """Refuse who may not change a tag's list: the policy is asked about found rows."""
    call.require_login()
    call.tag_id(tag)
    call.find("package", package)
    call.require_policy("package_list", force=force)


@hub_method(
    "packageListAdd(taginfo, pkginfo, owner=None, block=None, extra_arches=None, force=False,"
    " update=False)"
)
def package_list_add(
    call: MethodCall, taginfo: Any, pkginfo: Any, block: Any, force: bool, update: bool, **more: Any
) -> None:
    """List a package in a tag."""
    _check_permission(call, taginfo, pkginfo, force)
    action = "block" if block else "update" if update else "add"
    blocked = bool(block) if block is not None or not update else None
    set_package(call, taginfo, pkginfo, action, blocked=blocked, force=force, **more)


def _require_listed(call: MethodCall, tag: Any, package: Any) -> tuple[int, Row]:
    return call.tag_id(tag), call.require("package", package)


def _change(action: str, column: str, call: MethodCall, *args: Any) -> None:
    tag, package, *value, force = args
    if not value:
        # What blocks, unblocks or removes finds its package before it asks who calls.
        _require_listed(call, tag, package)
    _check_permission(call, tag, package, force)
    changes: dict[str, Any] = {column: value[0] if value else action == "block"}
    set_package(call, tag, package, action, force=force, **changes)


for _signature, _action, _column in (
    ("Block(taginfo, pkginfo, force=False)", "block", "blocked"),
    ("Unblock(taginfo, pkginfo, force=False)", "unblock", "blocked"),
    ("SetOwner(taginfo, pkginfo, owner, force=False)", "update", "owner"),
    ("SetArches(taginfo, pkginfo, arches, force=False)", "update", "extra_arches"),
):
    declare(f"packageList{_signature}", partial(_change, _action, _column))


@hub_method("packageListRemove")
def package_list_remove(call: MethodCall, taginfo: Any, pkginfo: Any, force: bool = False) -> None:
    """Remove a package from a tag's list."""
    state = call.state
    tag_id, row = _require_listed(call, taginfo, pkginfo)
    _check_permission(call, taginfo, pkginfo, force)
    for entry in state.active("tag_packages", tag_id=tag_id, package_id=row["id"]):
        state.revoke("tag_packages", entry["id"], call.user_id)
        _announce(call, "remove", entry, None)
