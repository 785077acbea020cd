"""The struct of a task."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.lookups.values import rounded, time_text
from txkoji.testing.tables.state import Row, pick


def task_struct(row: Row, request: bool = False) -> dict[str, Any]:
    """Make the struct of a task as ``getTaskInfo`` answers it."""
    columns = "arch awaited channel_id host_id id label method owner parent priority state waiting"
    struct = pick(row, f"{columns} weight{' request' if request else ''}")
    for column in ("completion", "create", "start"):
        struct[f"{column}_time"] = time_text(row[f"{column}_ts"])
        struct[f"{column}_ts"] = rounded(row[f"{column}_ts"])
    return struct
