"""Hosts and channels."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method, look_up
from txkoji.testing.methods.tasks import make_task
from txkoji.testing.methods.users import insert_user
from txkoji.testing.tables.filters import Filter, Test, equals, select
from txkoji.testing.tables.lookups.find import find
from txkoji.testing.tables.lookups.values import (
    integer,
    must,
    no_attribute,
    parse_arches,
    row_by_id,
    row_if,
    time_text,
)
from txkoji.testing.tables.state import HubState, Row, check_event, pick


def insert_host(
    state: HubState,
    name: str,
    arches: str,
    *,
    creator_id: int,
    channels: Iterable[str] = ("default", "createrepo"),
    capacity: float | None = None,
    ready: bool = True,
) -> Row:
    """Store a new host.

    Args:
        state: the tables.
        name: its name.
        arches: its architectures, separated by blanks.
        creator_id: who adds it, for the history.
        channels: the channels whose tasks it takes.
        capacity: it takes tasks while theirs weigh less; None for no limit.
        ready: its builder runs.

    Returns:
        The row of the host.
    """
    user = state.one("users", name=name) or insert_user(state, name)
    state.update("users", user["id"], usertype=1)
    new: Row = {"user_id": user["id"], "name": name, "arches": arches, "ready": ready}
    if capacity is not None:
        new |= {"capacity": capacity, "limited": True}
    host = state.insert("host", {**new, "update_ts": state.seconds() if ready else None})
    for channel in channels:
        number = find(state, "channels", channel, True)["id"]
        link = {"host_id": host["id"], "channel_id": number}
        state.insert_version("host_channels", link, creator_id)
    _record(state, host, creator_id)
    return host


def _record(state: HubState, host: Row, user_id: int) -> None:
    """Store a host's settings as they are now in its history."""
    settings = {key: host[key] for key in HOST_SETTINGS}
    state.insert_version("host_config", {"host_id": host["id"], **settings}, user_id)


def _configure(call: MethodCall, host: Row, **changes: Any) -> bool:
    """Change a host's settings; tell whether any differed."""
    if all(host[key] == value for key, value in changes.items()):
        return False
    call.state.update("host", host["id"], **changes)
    _record(call.state, host, call.user_id)
    return True


def host_struct(call: MethodCall, row: Row) -> dict[str, Any]:
    """Return a builder as the hub's methods do."""
    columns = "arches capacity comment description enabled id name ready update_ts user_id"
    return {**pick(row, columns), "task_load": call.hub.runner.load(row["id"])}


@hub_method("getHost")
def get_host(call: MethodCall, hostInfo: Any, strict: bool = False, event: Any = None) -> Any:
    """Return a builder."""
    check_event(event)
    row = call.find("host", hostInfo)
    if row is not None and event is not None:
        past = call.state.active("host_config", event, host_id=row["id"])
        row = {**row, **{key: past[0][key] for key in HOST_SETTINGS}} if past else None
    row = row_if(row, strict, f"Invalid hostInfo: {hostInfo}")
    return host_struct(call, row) if row else None


def _in_channel(state: HubState, info: Any) -> Test:
    channel = find(state, "channel", info, True)
    links = state.active("host_channels", channel_id=channel["id"])
    host_ids = {link["host_id"] for link in links}
    return lambda row: row["id"] in host_ids


def _on_arch(_: HubState, wanted: Any) -> Test:
    if not wanted:
        raise GenericError("arches option cannot be empty")
    arches = {str(each) for each in (wanted if isinstance(wanted, list) else [wanted])}
    return lambda row: not arches.isdisjoint(row["arches"].split())


_HOST_FILTERS: dict[str, Filter] = {
    "arches": _on_arch,
    "channelID": _in_channel,
    "ready": lambda _, wanted: lambda row: bool(row["ready"]) is bool(wanted),
    "enabled": lambda _, wanted: lambda row: bool(row["enabled"]) is bool(wanted),
    "userID": equals("user_id"),
}


@hub_method(
    "listHosts(arches=None, channelID=None, ready=None, enabled=None, userID=None, queryOpts=None)"
)
def list_hosts(call: MethodCall, **filters: Any) -> list[dict[str, Any]]:
    """Return builders."""
    return [host_struct(call, row) for row in select(call.state, "host", _HOST_FILTERS, filters)]


@hub_method("getLastHostUpdate")
def get_last_host_update(call: MethodCall, hostID: Any, ts: bool = False) -> Any:
    """Return when a builder was last heard: text, or seconds with ts."""
    row = row_by_id(call.state, "host", hostID)
    seconds = row["update_ts"] if row else None
    return seconds if ts else time_text(seconds)


@hub_method("addHost")
def add_host(
    call: MethodCall, hostname: str, arches: Any, krb_principal: Any = None, force: bool = False
) -> int:
    """Add a builder; return its id."""
    if call.state.one("host", name=hostname):
        raise GenericError(f"host already exists: {hostname}")
    if call.state.one("users", name=hostname) and not force:
        raise GenericError(f"user {hostname} already exists and is not a host")
    row = insert_host(
        call.state,
        hostname,
        _arches(arches),
        creator_id=call.user_id,
        channels=("default",),
        ready=False,
    )
    if krb_principal:
        call.state.update("users", row["user_id"], krb_principals=[krb_principal])
    return int(row["id"])


@hub_method("editHost")
def edit_host(call: MethodCall, hostInfo: Any, **kw: Any) -> bool:
    """Change a builder."""
    row = call.require("hostInfo", hostInfo)
    changes = {key: kw[key] for key in HOST_SETTINGS if key in kw and key != "enabled"}
    if "arches" in changes:
        changes["arches"] = _arches(changes["arches"])
    if "capacity" in changes:
        changes["capacity"] = _number(changes["capacity"])
    return _configure(call, row, **changes)


HOST_SETTINGS = ("arches", "capacity", "description", "comment", "enabled")


def _arches(value: Any) -> Any:
    """Return the architectures of a builder as text; unlike a tag, it always has them."""
    if value is None:
        raise no_attribute(value, "split")
    return parse_arches(value)


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise GenericError(f"Invalid capacity: {value}") from None


@hub_method("restartHosts")
def restart_hosts(call: MethodCall, priority: Any = 5, options: Any = None) -> int:
    """Start the restart of all builders; return the task's id."""
    return make_task(
        call, "restartHosts", [options or {}], owner=call.user_id, priority=integer(priority)
    )


def _switch_host(enabled: bool, call: MethodCall, name: Any) -> None:
    _configure(call, call.require("host to change", name), enabled=enabled)


declare("enableHost(hostname)", partial(_switch_host, True))
declare("disableHost(hostname)", partial(_switch_host, False))


def channel_struct(row: Row) -> dict[str, Any]:
    """Return a channel as the hub's methods do."""
    return pick(row, "comment description enabled id name")


look_up("getChannel(channelInfo, strict=False)", "channel", lambda _, row: channel_struct(row))


@hub_method("listChannels")
def list_channels(
    call: MethodCall, hostID: Any = None, event: Any = None, enabled: Any = None
) -> list[dict[str, Any]]:
    """Return channels."""
    rows = call.state.rows("channels")
    if hostID is not None:
        host = call.require("hostInfo", hostID)
        links = call.state.active("host_channels", event, host_id=host["id"])
        mine = {link["channel_id"] for link in links}
        rows = [row for row in rows if row["id"] in mine]
    return [
        channel_struct(row) for row in rows if enabled is None or row["enabled"] is bool(enabled)
    ]


def _check_new_channel(state: HubState, name: Any) -> None:
    if found := state.one("channels", name=name):
        raise GenericError(f"channel {name} already exists (id={found['id']})")


@hub_method("addChannel")
def add_channel(call: MethodCall, channel_name: str, description: Any = None) -> int:
    """Add a channel; return its id."""
    _check_new_channel(call.state, channel_name)
    row = {"name": channel_name, "description": description}
    return int(call.state.insert("channels", row)["id"])


@hub_method("addHostToChannel")
def add_host_to_channel(
    call: MethodCall, hostname: str, channel_name: str, create: bool = False, force: bool = False
) -> None:
    """Add a builder to a channel."""
    host = call.require("host to change", hostname)
    if create and call.find("channels", channel_name) is None:
        call.state.insert("channels", {"name": channel_name})
    channel = call.require("channel to change", channel_name)
    link = {"host_id": host["id"], "channel_id": channel["id"]}
    if call.state.active("host_channels", **link):
        raise GenericError(
            f"host {hostname} is already subscribed to the {channel['name']} channel"
        )
    call.state.insert_version("host_channels", link, call.user_id)


@hub_method("removeHostFromChannel")
def remove_host_from_channel(call: MethodCall, hostname: Any, channel_name: Any) -> None:
    """Remove a builder from a channel."""
    host = call.require("host to change", hostname)
    channel = call.require("channel to change", channel_name)
    keys = {"host_id": host["id"], "channel_id": channel["id"]}
    link = must(
        call.state.current("host_channels", **keys),
        f"host {hostname} is not subscribed to the {channel['name']} channel",
    )
    call.state.revoke("host_channels", link["id"], call.user_id)


@hub_method("editChannel")
def edit_channel(call: MethodCall, channelInfo: Any, **kw: Any) -> bool:
    """Change a channel."""
    row = call.require("channel", channelInfo)
    keys = ("name", "description", "comment")
    changes = {key: kw[key] for key in keys if key in kw and kw[key] != row[key]}
    if "name" in changes:
        _check_new_channel(call.state, changes["name"])
    if not changes:
        return False
    call.state.update("channels", row["id"], **changes)
    return True


@hub_method("renameChannel")
def rename_channel(call: MethodCall, old: Any, new: Any) -> None:
    """Rename a channel. Prefer editChannel."""
    edit_channel(call, old, name=new)


def _switch_channel(enabled: bool, call: MethodCall, name: Any, comment: Any) -> None:
    row = call.require("channel to change", name)
    kept = row["comment"] if comment is None else comment
    call.state.update("channels", row["id"], enabled=enabled, comment=kept)


declare("enableChannel(channelname, comment=None)", partial(_switch_channel, True))
declare("disableChannel(channelname, comment=None)", partial(_switch_channel, False))
