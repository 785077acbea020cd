"""Build roots: what each task that builds on a host makes from a repo."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import ActionNotAllowed, PreBuildError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method, look_up
from txkoji.testing.methods.tasks import FAILED, FINISHED, make_task
from txkoji.testing.tables.filters import equals, select
from txkoji.testing.tables.lookups.values import (
    check_integers,
    rounded,
    time_text,
)
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import HubState, Row

_BUILDING, _EXPIRED = 2, 3


def insert_buildroot(state: HubState, task: Row, arch: str, repo_id: int | None) -> int:
    """Store the build root of a task; returns its id."""
    now = state.seconds()
    return int(
        state.insert(
            "buildroot",
            {
                "task_id": task["id"],
                "host_id": task["host_id"],
                "repo_id": repo_id,
                "arch": arch,
                "create_event": state.last_event(now),
                "create_ts": now,
            },
        )["id"]
    )


def _struct(state: HubState, row: Row) -> dict[str, Any]:
    task = state.row("task", row["task_id"])
    host = state.row("host", row["host_id"])
    repo = state.get("repo", row["repo_id"])
    tag = state.row("tag", repo["tag_id"]) if repo else None
    # The builder expires the build root at the end of its task.
    ended = task["completion_ts"] if task["state"] in FINISHED else None
    event = state.get("events", repo["create_event"]) if repo else None
    nothing = ("cg_id", "cg_name", "cg_version", "extra", "host_arch", "host_os")
    return {
        **dict.fromkeys(nothing),
        "arch": row["arch"],
        "br_type": 0,
        "container_arch": row["arch"],
        "container_type": "chroot",
        "create_event_id": row["create_event"],
        "create_event_time": time_text(row["create_ts"]),
        "create_ts": rounded(row["create_ts"]),
        "host_id": host["id"],
        "host_name": host["name"],
        "id": row["id"],
        "repo_create_event_id": repo["create_event"] if repo else None,
        "repo_create_event_time": time_text(event["ts"]) if event else None,
        "repo_id": row["repo_id"],
        "repo_state": repo["state"] if repo else None,
        "retire_event_id": None if ended is None else state.last_event(ended),
        "retire_event_time": time_text(ended),
        "retire_ts": rounded(ended),
        "state": _BUILDING if ended is None else _EXPIRED,
        "tag_id": tag["id"] if tag else None,
        "tag_name": tag["name"] if tag else None,
        "task_id": row["task_id"],
    }


_FILTERS = {
    "hostID": equals("host_id"),
    "taskID": equals("task_id"),
    "buildrootID": equals("id"),
    "repoID": equals("repo_id"),
}


@hub_method(
    "listBuildroots(hostID=None, tagID=None, state=None, rpmID=None, archiveID=None, taskID=None,"
    " buildrootID=None, repoID=None, queryOpts=None)"
)
def _list_buildroots(
    call: MethodCall, *, tagID: Any, state: Any, queryOpts: Any, **filters: Any
) -> Any:
    """Return build roots; none has a known RPM or archive."""
    states = state if isinstance(state, list) or state is None else [state]
    contents = [filters.pop(name) for name in ("rpmID", "archiveID")]
    check_integers(tagID, *contents, *(states or ()))
    nothing = contents != [None, None]
    found = [] if nothing else select(call.state, "buildroot", _FILTERS, filters)
    rows = [
        row
        for row in (_struct(call.state, each) for each in found)
        if tagID in (None, row["tag_id"]) and (states is None or row["state"] in states)
    ]
    return apply_query_options(rows, queryOpts, "listBuildroots")


look_up(
    "getBuildroot(buildrootID, strict=False)",
    "buildroot",
    lambda call, row: _struct(call.state, row),
)


@hub_method("getBuildrootListing")
def get_buildroot_listing(call: MethodCall, id: Any) -> list[Any]:
    """Return the RPMs in a build root, of which this hub knows none."""
    call.require("buildroot", id)
    return []


@hub_method("saveFailedTree", plugin="save_failed_tree")
def save_failed_tree(call: MethodCall, buildrootID: Any, full: bool = False) -> int:
    """Save the build root of a failed task (plugin save_failed_tree); return the task's id."""
    root = call.require("buildroot", int(buildrootID))
    task = call.state.row("task", root["task_id"])
    if task["state"] != FAILED:
        raise PreBuildError(
            f"Task {task['id']} has not failed. Only failed tasks can upload their buildroots."
        )
    is_owner = call.user is not None and call.user["id"] == task["owner"]
    if not (is_owner or call.has_permission("admin")):
        raise ActionNotAllowed("Only owner of failed task or 'admin' can run this task.")
    return int(make_task(call, "saveFailedTree", [root["id"], bool(full)]))
