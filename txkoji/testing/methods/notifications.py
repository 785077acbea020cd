"""Who is notified of builds by mail, and who is not."""

from __future__ import annotations

from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method
from txkoji.testing.tables.lookups.tags import require_tag
from txkoji.testing.tables.lookups.users import require_user
from txkoji.testing.tables.lookups.values import require_row, row_by_id, row_if
from txkoji.testing.tables.state import Row

_NOTIFICATIONS, _BLOCKS = "build_notifications", "build_notifications_block"
_NAMES = {_NOTIFICATIONS: "notification", _BLOCKS: "notification block"}


def _asker(call: MethodCall) -> Row:
    if call.user is None:
        raise GenericError("Not logged-in")
    return call.user


def _find(table: str, call: MethodCall, id: Any, strict: bool) -> Row | None:
    found = row_by_id(call.state, table, id)
    return row_if(found, strict, f"No {_NAMES[table]} with ID {id} found")


def _own(call: MethodCall, table: str, id: Any, action: str) -> Row:
    """Return an entry that the caller may change."""
    row = _find(table, call, id, True)
    assert row is not None
    user = _asker(call)
    if row["user_id"] != user["id"] and not call.has_permission("admin"):
        raise GenericError(
            f"user {user['id']} cannot {action} {_NAMES[table]}s for user {row['user_id']}"
        )
    return row


def _checked(call: MethodCall, package_id: Any, tag_id: Any) -> dict[str, Any]:
    package = None if package_id is None else require_row(call.state, "package", package_id)["id"]
    tag = None if tag_id is None else require_tag(call.state, tag_id)["id"]
    return {"package_id": package, "tag_id": tag}


def _add(call: MethodCall, table: str, user_id: Any, row: dict[str, Any]) -> None:
    asker = _asker(call)
    user = require_user(call.state, user_id)
    if user["id"] != asker["id"] and not call.has_permission("admin"):
        raise GenericError(
            f"user {asker['id']} cannot create {_NAMES[table]}s for user {user['id']}"
        )
    keys = {"user_id": user["id"], "package_id": row["package_id"], "tag_id": row["tag_id"]}
    if call.state.one(table, **keys):
        raise GenericError(f"{_NAMES[table]} already exists")
    call.state.insert(table, {**row, **keys})


def _listed(table: str, call: MethodCall, user: Any) -> list[Row]:
    number = _asker(call)["id"] if user is None else require_user(call.state, user)["id"]
    return call.state.rows(table, user_id=number)


def _delete(table: str, call: MethodCall, id: Any) -> None:
    call.state.delete(table, _own(call, table, id, "delete")["id"])


for _suffix, _table in (("", _NOTIFICATIONS), ("Block", _BLOCKS)):
    declare(f"getBuildNotification{_suffix}s(userID=None)", partial(_listed, _table))
    declare(f"getBuildNotification{_suffix}(id, strict=False)", partial(_find, _table))
    declare(f"deleteNotification{_suffix}(id)", partial(_delete, _table))


@hub_method("createNotification")
def create_notification(
    call: MethodCall, user_id: Any, package_id: Any, tag_id: Any, success_only: Any
) -> None:
    """Create a build notification."""
    _asker(call)
    row = _checked(call, package_id, tag_id)
    # The hub knows no mail domain unless its administrator sets one.
    mail = f"{require_user(call.state, user_id)['name']}@None"
    row.update(success_only=bool(success_only), email=mail)
    _add(call, _NOTIFICATIONS, user_id, row)


@hub_method("createNotificationBlock")
def create_notification_block(
    call: MethodCall, user_id: Any, package_id: Any = None, tag_id: Any = None
) -> None:
    """Create a notification block."""
    _asker(call)
    _add(call, _BLOCKS, user_id, _checked(call, package_id, tag_id))


@hub_method("updateNotification")
def update_notification(
    call: MethodCall, id: Any, package_id: Any, tag_id: Any, success_only: Any
) -> None:
    """Change a build notification."""
    _asker(call)
    row = _own(call, _NOTIFICATIONS, id, "update")
    changes = _checked(call, package_id, tag_id)
    call.state.update(_NOTIFICATIONS, row["id"], **changes, success_only=bool(success_only))
