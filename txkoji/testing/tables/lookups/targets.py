"""How the embedded hub finds build targets."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.lookups.values import must, row_by_info
from txkoji.testing.tables.state import HubState, Row, check_event


def find_target(state: HubState, info: Any, event: int | None = None) -> dict[str, Any] | None:
    """Find a build target as ``getBuildTarget`` answers it."""
    check_event(event)
    row = row_by_info(state, "build_target", info)
    configs = state.active("build_target_config", event, build_target_id=row["id"]) if row else []
    return target_struct(state, row, configs[0]) if row is not None and configs else None


def require_target(state: HubState, info: Any, event: int | None = None) -> dict[str, Any]:
    """Find a build target as ``getBuildTarget`` answers it, or refuse."""
    return must(find_target(state, info, event), f"No such build target: {info}")


def target_struct(state: HubState, target: Row, config: Row) -> dict[str, Any]:
    """Make the struct of a build target."""
    build_tag = state.row("tag", config["build_tag"])
    dest_tag = state.row("tag", config["dest_tag"])
    return {
        "build_tag": build_tag["id"],
        "build_tag_name": build_tag["name"],
        "dest_tag": dest_tag["id"],
        "dest_tag_name": dest_tag["name"],
        "id": target["id"],
        "name": target["name"],
    }
