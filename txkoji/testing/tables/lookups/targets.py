"""How the embedded hub finds build targets."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.tables.lookups.values import row_by_info
from txkoji.testing.tables.state import HubState, Row


def find_target(
    state: HubState, info: Any, strict: bool = False, event: int | None = None
) -> dict[str, Any] | None:
    """Find a build target as ``getBuildTarget`` answers it."""
    row = row_by_info(state, "build_target", info)
    configs = state.active("build_target_config", event, build_target_id=row["id"]) if row else []
    if row is None or not configs:
        if strict:
            raise GenericError(f"No such build target: {info}")
        return None
    return target_struct(state, row, configs[0])


def target_struct(state: HubState, target: Row, config: Row) -> dict[str, Any]:
    """Make the struct of a build target."""
    build_tag = state.get("tag", config["build_tag"])
    dest_tag = state.get("tag", config["dest_tag"])
    assert build_tag is not None
    assert dest_tag is not None
    return {
        "build_tag": build_tag["id"],
        "build_tag_name": build_tag["name"],
        "dest_tag": dest_tag["id"],
        "dest_tag_name": dest_tag["name"],
        "id": target["id"],
        "name": target["name"],
    }
