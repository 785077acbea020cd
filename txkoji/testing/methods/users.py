"""Users and permissions."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import HubMethod, declare, declare_all, hub_method
from txkoji.testing.tables.lookups.users import (
    groups_of,
    held_permissions,
    user_struct,
)
from txkoji.testing.tables.lookups.values import must, no_attribute
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import HubState, Row, pick

GROUP = 2
"""The type of a user that is a group of others."""


def insert_user(
    state: HubState,
    name: str,
    *,
    password: str | None = None,
    permissions: Iterable[str] = (),
    principals: Iterable[str] = (),
    usertype: int = 0,
) -> Row:
    """Store a new user with permissions and Kerberos principals; returns the row."""
    row = state.insert(
        "users",
        {
            "name": name,
            "status": 0,
            "usertype": usertype,
            "password": password,
            "krb_principals": list(principals),
        },
    )
    for permission in permissions:
        found = state.one("permissions", name=permission)
        if found is None:
            found = state.insert("permissions", {"name": permission, "description": None})
        grant = {"user_id": row["id"], "permission_id": found["id"]}
        state.insert_version("user_perms", grant, row["id"])
    return row


def _or_caller(call: MethodCall, info: Any) -> Any:
    if info is None and call.user is None:
        raise GenericError("not logged in")
    return call.user["id"] if info is None and call.user else info


@hub_method("getUser(userInfo=None, strict=False, krb_princs=True, groups=False)")
def get_user(call: MethodCall, userInfo: Any, strict: bool, krb_princs: bool, groups: bool) -> Any:
    """Return a user; without arguments, the logged-in one."""
    row = call.find("user", _or_caller(call, userInfo), strict)
    if row is None:
        return None
    struct = user_struct(row, krb_princs)
    if groups:
        struct["groups"] = [group["name"] for group in groups_of(call.state, row["id"])]
    return struct


@hub_method("listUsers(userType=0, prefix=None, queryOpts=None, perm=None, inherited_perm=False)")
def list_users(
    call: MethodCall, userType: Any, prefix: Any, queryOpts: Any, perm: Any, inherited_perm: bool
) -> Any:
    """Return users."""
    if perm is not None:
        perm = call.require("permissions", perm)["name"]
    if queryOpts is not None and not isinstance(queryOpts, dict):
        raise no_attribute(queryOpts, "get")
    # This query groups the principals itself.
    if "group" in (queryOpts or {}):
        raise GenericError("queryOpts.group is not available for this API")
    rows = [
        user_struct(row)
        for row in call.state.rows("users")
        if (userType is None or row["usertype"] == userType)
        and (not prefix or row["name"].startswith(prefix))
        and (
            perm is None
            or perm in held_permissions(call.state, row["id"], with_groups=bool(inherited_perm))
        )
    ]
    return apply_query_options(rows, queryOpts, "listUsers")


@hub_method("createUser")
def create_user(
    call: MethodCall, username: str, status: Any = None, krb_principal: Any = None
) -> int:
    """Make a user; return the id."""
    if status not in (None, 0, 1):
        raise GenericError(f"invalid status: {status}")
    if call.state.one("users", name=username):
        raise GenericError(f"user already exists: {username}")
    if krb_principal is not None:
        _check_principal(call, krb_principal)
    principals = [krb_principal] if krb_principal else []
    row = insert_user(call.state, username, principals=principals)
    call.state.update("users", row["id"], status=int(status or 0))
    return int(row["id"])


def _check_principal(call: MethodCall, principal: Any) -> None:
    if not isinstance(principal, str) or "@" not in principal:
        raise GenericError(f"Invalid Kerberos principal: {principal}")
    if call.find("user", {"krb_principal": principal}):
        raise GenericError(f"user already exists: {principal}")


@hub_method("addUserKrbPrincipal")
def add_user_krb_principal(call: MethodCall, user: Any, krb_principal: Any) -> int:
    """Add a Kerberos principal to a user; return the user's id."""
    row = call.require("user", user)
    _check_principal(call, krb_principal)
    call.state.update("users", row["id"], krb_principals=[*row["krb_principals"], krb_principal])
    return int(row["id"])


@hub_method("removeUserKrbPrincipal")
def remove_user_krb_principal(call: MethodCall, user: Any, krb_principal: Any) -> int:
    """Remove a Kerberos principal from a user; return the user's id."""
    row = call.require("user", user)
    if krb_principal not in row["krb_principals"]:
        raise GenericError(
            f"could not dissociate {krb_principal} from {row['name']}: they are not associated"
        )
    kept = [each for each in row["krb_principals"] if each != krb_principal]
    call.state.update("users", row["id"], krb_principals=kept)
    return int(row["id"])


@hub_method("editUser")
def edit_user(
    call: MethodCall, userInfo: Any, name: Any = None, krb_principal_mappings: Any = None
) -> None:
    """Change a user."""
    row = call.require("user", userInfo)
    if name and name != row["name"]:
        if call.state.one("users", name=name):
            raise GenericError(f"Name {name} already in use by user")
        call.state.update("users", row["id"], name=name)
    for mapping in krb_principal_mappings or []:
        if mapping.get("old"):
            remove_user_krb_principal(call, row["id"], mapping["old"])
        if mapping.get("new"):
            add_user_krb_principal(call, row["id"], mapping["new"])


def _switch_user(status: int, call: MethodCall, username: Any) -> None:
    row = call.require("user to change", username)
    call.require_permission("admin")
    call.state.update("users", row["id"], status=status)


declare("disableUser(username)", partial(_switch_user, 1))
declare("enableUser(username)", partial(_switch_user, 0))


@hub_method("editPermission")
def edit_permission(call: MethodCall, permission: Any, description: Any) -> None:
    """Describe a permission."""
    row = call.require("permissions", permission)
    call.state.update("permissions", row["id"], description=description)


def _held(call: MethodCall, user: Any, groups: bool = True) -> dict[str, list[str | None]]:
    return held_permissions(call.state, call.require("user", user)["id"], with_groups=groups)


_METHODS: dict[str, HubMethod] = {
    "getPerms() -> the permissions of the logged-in user": lambda call: sorted(call.permissions),
    "getUserPermsInheritance(userID) -> where each permission of a user comes from": _held,
    "getAllPerms() -> all permissions that there are": lambda call: [
        pick(row, "description id name") for row in call.state.rows("permissions")
    ],
    "getUserGroups(user) -> the groups of a user": lambda call, user: groups_of(
        call.state, call.require("user", user)["id"]
    ),
    "getUserPerms(userID=None, with_groups=True) -> the permissions of a user": (
        lambda call, user, groups: sorted(_held(call, _or_caller(call, user), bool(groups)))
    ),
    "getGroupMembers(group) -> the users in a group": lambda call, group: [
        user_struct(call.state.row("users", link["user_id"]))
        for link in call.state.active("user_groups", group_id=_find_group(call, group)["id"])
    ],
}
declare_all(_METHODS)


@hub_method("hasPerm")
def has_perm(call: MethodCall, perm: Any, strict: bool = False) -> bool:
    """Return whether the logged-in user has a permission."""
    if strict and call.state.one("permissions", name=perm) is None:
        raise GenericError(f"No such permission {perm} defined")
    # Unlike elsewhere, `admin` does not imply the permission.
    return perm in call.permissions


@hub_method("grantPermission")
def grant_permission(
    call: MethodCall, userinfo: Any, permission: Any, create: bool = False, description: Any = None
) -> None:
    """Grant a permission to a user."""
    user = call.require("user", userinfo)
    if create and call.find("permissions", permission) is None:
        call.state.insert("permissions", {"name": permission, "description": description})
    row = call.require("permissions", permission)
    grant = {"user_id": user["id"], "permission_id": row["id"]}
    if call.state.active("user_perms", **grant):
        raise GenericError(f"user {user['name']} already has permission: {permission}")
    call.state.insert_version("user_perms", grant, call.user_id)


@hub_method("revokePermission")
def revoke_permission(call: MethodCall, userinfo: Any, permission: Any) -> None:
    """Revoke a permission from a user."""
    user = call.require("user", userinfo)
    row = call.require("permissions", permission)
    grant = call.state.current("user_perms", user_id=user["id"], permission_id=row["id"])
    lacks = f"user {user['name']} does not have permission: {permission}"
    call.state.revoke("user_perms", must(grant, lacks)["id"], call.user_id)


# Groups of users


def _find_group(call: MethodCall, info: Any) -> Row:
    row = call.find("user", info)
    return must(row if row and row["usertype"] == GROUP else None, f"No such group: {info}")


@hub_method("newGroup")
def new_group(call: MethodCall, name: Any) -> int:
    """Make a group of users; return its id."""
    if call.find("user", name):
        raise GenericError(f"User/group already exists: {name}")
    return int(insert_user(call.state, name, usertype=GROUP)["id"])


@hub_method("addGroupMember")
def add_group_member(call: MethodCall, group: Any, user: Any, strict: bool = True) -> None:
    """Add a user to a group."""
    member = call.require("user", user)
    row = _find_group(call, group)
    if member["usertype"] == GROUP:
        raise GenericError("Groups cannot be members of other groups")
    keys = {"group_id": row["id"], "user_id": member["id"]}
    if call.state.current("user_groups", **keys) is None:
        call.state.insert_version("user_groups", keys, call.user_id)
    elif strict:
        raise GenericError("User already in group")


@hub_method("dropGroupMember")
def drop_group_member(call: MethodCall, group: Any, user: Any) -> None:
    """Remove a user from a group."""
    member = call.require("user", user)
    keys = {"group_id": _find_group(call, group)["id"], "user_id": member["id"]}
    link = must(call.state.current("user_groups", **keys), f"No such user in group: {group}")
    call.state.revoke("user_groups", link["id"], call.user_id)
