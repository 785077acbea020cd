"""Users, permissions, hosts and channels."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.table import MethodCall, hub_method
from txkoji.testing.tables import lookups
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import HubState, Row


def user_struct(row: Row, principals: bool = True) -> dict[str, Any]:
    struct = {key: row[key] for key in ("id", "name", "status", "usertype")}
    if principals:
        struct["krb_principals"] = list(row["krb_principals"])
    return struct


@hub_method("getUser")
def get_user(
    call: MethodCall,
    userInfo: Any = None,
    strict: bool = False,
    krb_princs: bool = True,
    groups: bool = False,
) -> Any:
    if userInfo is None:
        if call.user is None:
            raise GenericError("not logged in")
        userInfo = call.user["id"]
    row = lookups.find_user(call.state, userInfo, strict)
    if row is None:
        return None
    struct = user_struct(row, krb_princs)
    if groups:
        struct["groups"] = []
    return struct


@hub_method("listUsers")
def list_users(
    call: MethodCall,
    userType: Any = 0,
    prefix: Any = None,
    queryOpts: Any = None,
    perm: Any = None,
    inherited_perm: bool = False,
) -> Any:
    rows = [
        user_struct(row)
        for row in call.state.rows("users")
        if (userType is None or row["usertype"] == userType)
        and (not prefix or row["name"].startswith(prefix))
        and (perm is None or perm in call.hub.permissions_of(row))
    ]
    return apply_query_options(rows, queryOpts)


@hub_method("createUser")
def create_user(
    call: MethodCall, username: str, status: Any = None, krb_principal: Any = None
) -> int:
    call.require_permission("admin")
    if call.state.one("users", name=username):
        raise GenericError(f"user already exists: {username}")
    return int(call.hub.add_user(username)["id"])


@hub_method("getPerms")
def get_perms(call: MethodCall) -> list[str]:
    return sorted(call.hub.permissions_of(call.user)) if call.user else []


@hub_method("getUserPerms")
def get_user_perms(call: MethodCall, userID: Any = None, with_groups: bool = True) -> list[str]:
    user = call.user if userID is None else lookups.find_user(call.state, userID, strict=True)
    return sorted(call.hub.permissions_of(user)) if user else []


@hub_method("hasPerm")
def has_perm(call: MethodCall, perm: Any, strict: bool = False) -> bool:
    if strict and call.state.one("permissions", name=perm) is None:
        raise GenericError(f"No such permission {perm} defined")
    return call.has_permission(perm)


@hub_method("getAllPerms")
def get_all_perms(call: MethodCall) -> list[dict[str, Any]]:
    return [
        {"description": row["description"], "id": row["id"], "name": row["name"]}
        for row in call.state.rows("permissions")
    ]


@hub_method("grantPermission")
def grant_permission(
    call: MethodCall, userinfo: Any, permission: Any, create: bool = False, description: Any = None
) -> None:
    granter = call.require_permission("admin")
    user = lookups.find_user(call.state, userinfo, strict=True)
    row = call.state.one("permissions", name=permission)
    if row is None:
        if not create:
            raise GenericError(f"No such entry in table permissions: {permission}")
        row = call.state.insert("permissions", {"name": permission, "description": description})
    assert user is not None
    grant = {"user_id": user["id"], "permission_id": row["id"]}
    if call.state.active("user_perms", None, **grant):
        raise GenericError(f"user {user['name']} already has permission: {permission}")
    call.state.insert_version("user_perms", grant, granter["id"])


@hub_method("revokePermission")
def revoke_permission(call: MethodCall, userinfo: Any, permission: Any) -> None:
    revoker = call.require_permission("admin")
    user = lookups.find_user(call.state, userinfo, strict=True)
    row = call.state.one("permissions", name=permission)
    assert user is not None
    held = call.state.active("user_perms", None, user_id=user["id"]) if row else []
    grants = [grant for grant in held if row and grant["permission_id"] == row["id"]]
    if not grants:
        raise GenericError(f"user {user['name']} does not have permission: {permission}")
    call.state.revoke("user_perms", grants[0]["id"], revoker["id"])


# Hosts and channels


def host_struct(call: MethodCall, row: Row) -> dict[str, Any]:
    keys = ("arches", "capacity", "comment", "description", "enabled", "id", "name", "ready")
    struct = {key: row[key] for key in (*keys, "update_ts", "user_id")}
    struct["task_load"] = call.hub.builder.scheduler.load(row["id"])
    return struct


@hub_method("getHost")
def get_host(call: MethodCall, hostInfo: Any, strict: bool = False, event: Any = None) -> Any:
    row = lookups.find_host(call.state, hostInfo, strict)
    return host_struct(call, row) if row else None


@hub_method("listHosts")
def list_hosts(
    call: MethodCall,
    arches: Any = None,
    channelID: Any = None,
    ready: Any = None,
    enabled: Any = None,
    userID: Any = None,
    queryOpts: Any = None,
) -> list[dict[str, Any]]:
    wanted = arches.split() if isinstance(arches, str) else arches
    in_channel: set[int] | None = None
    if channelID is not None:
        channel = lookups.find_channel(call.state, channelID, strict=True)
        assert channel is not None
        links = call.state.rows("host_channels", channel_id=channel["id"])
        in_channel = {link["host_id"] for link in links}
    rows = []
    for row in call.state.rows("host"):
        if wanted and not set(wanted) & set(row["arches"].split()):
            continue
        if in_channel is not None and row["id"] not in in_channel:
            continue
        if ready is not None and row["ready"] != ready:
            continue
        if enabled is not None and row["enabled"] != enabled:
            continue
        if userID is not None and row["user_id"] != userID:
            continue
        rows.append(host_struct(call, row))
    return rows


@hub_method("getLastHostUpdate")
def get_last_host_update(call: MethodCall, hostID: Any, ts: bool = False) -> Any:
    row = lookups.find_host(call.state, hostID, strict=True)
    assert row is not None
    return row["update_ts"] if ts else lookups.time_text(row["update_ts"])


@hub_method("addHost")
def add_host(
    call: MethodCall, hostname: str, arches: Any, krb_principal: Any = None, force: bool = False
) -> int:
    call.require_permission("host")
    if call.state.one("host", name=hostname):
        raise GenericError(f"host already exists: {hostname}")
    return int(call.hub.add_host(hostname, " ".join(arches))["id"])


def _switch_host(call: MethodCall, name: str, enabled: bool) -> None:
    call.require_permission("host")
    row = lookups.find_host(call.state, name)
    if row is None:
        raise GenericError(f"host does not exist: {name}")
    call.state.update("host", row["id"], enabled=enabled)


@hub_method("enableHost")
def enable_host(call: MethodCall, hostname: str) -> None:
    _switch_host(call, hostname, True)


@hub_method("disableHost")
def disable_host(call: MethodCall, hostname: str) -> None:
    _switch_host(call, hostname, False)


def channel_struct(row: Row) -> dict[str, Any]:
    return {key: row[key] for key in ("comment", "description", "enabled", "id", "name")}


@hub_method("getChannel")
def get_channel(call: MethodCall, channelInfo: Any, strict: bool = False) -> Any:
    row = lookups.find_channel(call.state, channelInfo, strict)
    return channel_struct(row) if row else None


@hub_method("listChannels")
def list_channels(
    call: MethodCall, hostID: Any = None, event: Any = None, enabled: Any = None
) -> list[dict[str, Any]]:
    rows = call.state.rows("channels")
    if hostID is not None:
        host = lookups.find_host(call.state, hostID, strict=True)
        assert host is not None
        links = call.state.rows("host_channels", host_id=host["id"])
        mine = {link["channel_id"] for link in links}
        rows = [row for row in rows if row["id"] in mine]
    return [channel_struct(row) for row in rows if enabled is None or row["enabled"] == enabled]


@hub_method("addChannel")
def add_channel(call: MethodCall, channel_name: str, description: Any = None) -> int:
    call.require_permission("admin")
    if call.state.one("channels", name=channel_name):
        raise GenericError(f"channel {channel_name} already exists (id=...)")
    row = {"name": channel_name, "description": description, "enabled": True, "comment": None}
    return int(call.state.insert("channels", row)["id"])


@hub_method("addHostToChannel")
def add_host_to_channel(
    call: MethodCall, hostname: str, channel_name: str, create: bool = False, force: bool = False
) -> None:
    call.require_permission("host")
    host = lookups.find_host(call.state, hostname)
    if host is None:
        raise GenericError(f"host does not exist: {hostname}")
    channel = lookups.find_channel(call.state, channel_name)
    if channel is None:
        raise GenericError(f"channel does not exist: {channel_name}")
    call.state.insert("host_channels", {"host_id": host["id"], "channel_id": channel["id"]})


def held_permissions(state: HubState, user_id: int) -> set[str]:
    names = {row["id"]: row["name"] for row in state.rows("permissions")}
    grants = state.active("user_perms", None, user_id=user_id)
    return {names[grant["permission_id"]] for grant in grants}


@hub_method("getBuildNotifications")
def get_build_notifications(call: MethodCall, userID: Any = None) -> list[Any]:
    return []


@hub_method("getBuildNotificationBlocks")
def get_build_notification_blocks(call: MethodCall, userID: Any = None) -> list[Any]:
    return []
