"""How the embedded hub finds users."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.tables.lookups.values import row_by_info
from txkoji.testing.tables.state import HubState, Row, pick


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


def user_struct(row: Row, principals: bool = True) -> dict[str, Any]:
    """Return a user as the hub's methods do."""
    struct = pick(row, "id name status usertype")
    if principals:
        struct["krb_principals"] = list(row["krb_principals"])
    return struct


def user_name(state: HubState, user_id: int | None) -> str | None:
    """Return the name of a user."""
    row = state.get("users", user_id)
    return str(row["name"]) if row else None


def groups_of(state: HubState, user_id: int) -> list[dict[str, Any]]:
    """Return the groups that a user is in, with their ids and names."""
    ids = [row["group_id"] for row in state.active("user_groups", user_id=user_id)]
    return [{"id": number, "name": user_name(state, number)} for number in ids]


def held_permissions(
    state: HubState, user_id: int, *, with_groups: bool = True
) -> dict[str, list[str | None]]:
    """Return the permissions of a user, each with the groups that give it; None: the user."""
    names = {row["id"]: row["name"] for row in state.rows("permissions")}
    holders: list[dict[str, Any]] = [{"id": user_id, "name": None}]
    if with_groups:
        holders += groups_of(state, user_id)
    held: dict[str, list[str | None]] = {}
    for holder in holders:
        for grant in state.active("user_perms", user_id=holder["id"]):
            held.setdefault(names[grant["permission_id"]], []).append(holder["name"])
    return held
