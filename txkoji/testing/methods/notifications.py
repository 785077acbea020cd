"""Who is notified of builds by mail, and who is not."""

from __future__ import annotations

from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method, look_up
from txkoji.testing.tables.state import Row

_TABLES = {
    "notification": "build_notifications",
    "notification block": "build_notifications_block",
}


def _asker(call: MethodCall) -> Row:
    if call.user is None:
        raise GenericError("Not logged-in")
    return call.user


def _check_owner(call: MethodCall, kind: str, action: str, user_id: int) -> None:
    """Refuse who may not change entries of a user."""
    asker = _asker(call)
    if user_id != asker["id"] and not call.has_permission("admin"):
        raise GenericError(f"user {asker['id']} cannot {action} {kind}s for user {user_id}")


def _checked(call: MethodCall, package_id: Any, tag_id: Any) -> dict[str, Any]:
    package = None if package_id is None else call.require("package", package_id)["id"]
    tag = None if tag_id is None else call.require("tagInfo", tag_id)["id"]
    return {"package_id": package, "tag_id": tag}


def _add(call: MethodCall, kind: str, user_id: Any, keys: Row, **more: Any) -> None:
    user = call.require("user", user_id)
    _check_owner(call, kind, "create", user["id"])
    row = {"user_id": user["id"], **keys}
    if call.state.one(_TABLES[kind], **row):
        raise GenericError(f"{kind} already exists")
    call.state.insert(_TABLES[kind], {**row, **more})


def _listed(table: str, call: MethodCall, user: Any) -> list[Row]:
    number = _asker(call)["id"] if user is None else call.require("user", user)["id"]
    return call.state.rows(table, user_id=number)


def _delete(kind: str, call: MethodCall, id: Any) -> None:
    row = call.require(kind, id)
    _check_owner(call, kind, "delete", row["user_id"])
    call.state.delete(_TABLES[kind], row["id"])


for _suffix, _kind in (("", "notification"), ("Block", "notification block")):
    declare(f"getBuildNotification{_suffix}s(userID=None)", partial(_listed, _TABLES[_kind]))
    look_up(f"getBuildNotification{_suffix}(id, strict=False)", _kind, lambda _, row: row)
    declare(f"deleteNotification{_suffix}(id)", partial(_delete, _kind))


@hub_method("createNotification")
def create_notification(
    call: MethodCall, user_id: Any, package_id: Any, tag_id: Any, success_only: Any
) -> None:
    """Create a build notification."""
    _asker(call)
    keys = _checked(call, package_id, tag_id)
    # The hub knows no mail domain unless its administrator sets one.
    mail = f"{call.require('user', user_id)['name']}@None"
    _add(call, "notification", user_id, keys, success_only=bool(success_only), email=mail)


@hub_method("createNotificationBlock(user_id, package_id=None, tag_id=None)")
def _create_block(call: MethodCall, user_id: Any, **keys: Any) -> None:
    """Create a notification block."""
    _asker(call)
    _add(call, "notification block", user_id, _checked(call, **keys))


@hub_method("updateNotification")
def update_notification(
    call: MethodCall, id: Any, package_id: Any, tag_id: Any, success_only: Any
) -> None:
    """Change a build notification."""
    _asker(call)
    row = call.require("notification", id)
    _check_owner(call, "notification", "update", row["user_id"])
    changes = _checked(call, package_id, tag_id)
    call.state.update("build_notifications", row["id"], **changes, success_only=bool(success_only))
