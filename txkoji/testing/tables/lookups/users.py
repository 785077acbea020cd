"""How the embedded hub finds users."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.tables.lookups.values import must, row_by_info
from txkoji.testing.tables.state import HubState, Row


def find_user(state: HubState, info: Any) -> Row | None:
    """Find a user by id, name, principal or struct.

    Raises:
        GenericError: the value is none of them.
    """
    if info == {}:
        # The hub's query has no condition then.
        return next(iter(state.rows("users")), None)
    if not isinstance(info, (int, str, dict)):
        raise GenericError(f"Invalid type for userInfo: {type(info)}")
    by_principal = isinstance(info, dict) and "krb_principal" in info
    row = None if by_principal else row_by_info(state, "users", info)
    if row is None and (by_principal or isinstance(info, str)):
        principal = info["krb_principal"] if isinstance(info, dict) else info
        owners = (user for user in state.rows("users") if principal in user["krb_principals"])
        row = next(owners, None)
    return row


def require_user(state: HubState, info: Any) -> Row:
    """Find a user, or refuse."""
    return must(find_user(state, info), f"No such user: {info!r}")


def user_name(state: HubState, user_id: int | None) -> str | None:
    """Return the name of a user."""
    row = state.get("users", user_id) if user_id is not None else None
    return str(row["name"]) if row else None


def held_permissions(state: HubState, user_id: int) -> set[str]:
    """Return the names of the permissions that a user holds."""
    names = {row["id"]: row["name"] for row in state.rows("permissions")}
    grants = state.active("user_perms", None, user_id=user_id)
    return {names[grant["permission_id"]] for grant in grants}


def require_permission_row(state: HubState, info: Any) -> Row:
    """Find a permission by id, name or struct, or refuse."""
    return must(
        row_by_info(state, "permissions", info), f"No such entry in table permissions: {info}"
    )
