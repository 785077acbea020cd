"""How the embedded hub finds channels and hosts."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.lookups.values import must, row_by_info
from txkoji.testing.tables.state import HubState, Row


def find_channel(state: HubState, info: Any) -> Row | None:
    """Find a channel by id, name or struct."""
    return row_by_info(state, "channels", info)


def require_channel(state: HubState, info: Any) -> Row:
    """Find a channel, or refuse."""
    return must(find_channel(state, info), "query returned no rows")


def find_host(state: HubState, info: Any) -> Row | None:
    """Find a host by id, name or struct."""
    return row_by_info(state, "host", info)


def require_host(state: HubState, info: Any) -> Row:
    """Find a host, or refuse."""
    return must(find_host(state, info), f"Invalid hostInfo: {info}")
