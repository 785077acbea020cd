"""How the embedded hub finds channels and hosts."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.lookups.values import must, row_by_info
from txkoji.testing.tables.state import HubState, Row


def require_channel(state: HubState, info: Any) -> Row:
    """Find a channel, or refuse."""
    return must(row_by_info(state, "channels", info), "query returned no rows")


def require_host(state: HubState, info: Any) -> Row:
    """Find a host, or refuse."""
    return must(row_by_info(state, "host", info), f"Invalid hostInfo: {info}")
