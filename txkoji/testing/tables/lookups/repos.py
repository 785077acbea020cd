"""The struct of a repo."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.lookups.values import rounded, time_text
from txkoji.testing.tables.state import HubState, Row, pick


def _event_ts(state: HubState, event: int | None) -> float | None:
    row = state.get("events", event) if event is not None else None
    return rounded(row["ts"]) if row else None


def repo_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a repo (hubs since 1.35)."""
    tag = state.row("tag", row["tag_id"])
    task = state.get("task", row["task_id"]) if row["task_id"] is not None else None
    return {
        **pick(row, "begin_event create_event dist end_event id opts state task_id"),
        "begin_ts": _event_ts(state, row["begin_event"]),
        "create_ts": _event_ts(state, row["create_event"]),
        "creation_time": time_text(row["creation_ts"]),
        "creation_ts": rounded(row["creation_ts"]),
        "custom_opts": {key: value for key, value in (row["opts"] or {}).items() if value},
        "end_ts": _event_ts(state, row["end_event"]),
        "state_time": time_text(row["state_ts"]),
        "state_ts": rounded(row["state_ts"]),
        "tag_id": tag["id"],
        "tag_name": tag["name"],
        "task_state": task["state"] if task else None,
    }
