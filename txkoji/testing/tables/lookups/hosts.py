"""How the embedded hub finds channels and hosts."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.tables.lookups.values import row_by_info
from txkoji.testing.tables.state import HubState, Row


def find_channel(state: HubState, info: Any, strict: bool = False) -> Row | None:
    """Find a channel by id, name or struct; None, or fault 1000 when strict."""
    row = row_by_info(state, "channels", info)
    if row is None and strict:
        raise GenericError("query returned no rows")
    return row


def find_host(state: HubState, info: Any, strict: bool = False) -> Row | None:
    """Find a host by id, name or struct; None, or fault 1000 when strict."""
    row = row_by_info(state, "host", info)
    if row is None and strict:
        raise GenericError(f"Invalid hostInfo: {info}")
    return row
