"""The struct of a task."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.lookups.values import rounded, time_text
from txkoji.testing.tables.state import Row


def task_struct(row: Row, request: bool = False) -> dict[str, Any]:
    """Make the struct of a task as ``getTaskInfo`` answers it."""
    keys = ("arch", "awaited", "channel_id", "host_id", "id", "label", "method", "owner", "parent")
    struct = {key: row[key] for key in keys}
    for column in ("completion", "create", "start"):
        struct[f"{column}_time"] = time_text(row[f"{column}_ts"])
        struct[f"{column}_ts"] = rounded(row[f"{column}_ts"])
    for key in ("priority", "state", "waiting", "weight"):
        struct[key] = row[key]
    if request:
        struct["request"] = row["request"]
    return struct
