"""The embedded hub's messages as Fedora's hub sends them, by its plugin for fedora-messaging.

Fedora's are flat where Koji's own nest structs, and fewer: the only tasks are scratch builds
without a parent, and their creation is not announced.
"""

from __future__ import annotations

import datetime
import json
import posixpath
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from txkoji.testing.announcements.messages import Announcement
from txkoji.testing.tables.lookups.structs import task_struct
from txkoji.testing.tables.lookups.users import user_name
from txkoji.testing.tables.state import HubState, Row, pick

__all__ = ["fedora_message"]

REMOVED = frozenset({"weight", "start_ts", "create_ts", "completion_ts"})
"""Keys that the plugin removes at every depth."""

SCHEMA = "fedora_messaging_schema"
GENERIC = "base.message"
"""The schema of a message that has none of its own."""


def fedora_message(
    message: Announcement, state: HubState, *, base_url: str, files_url: str
) -> Announcement | None:
    """Return a message as Fedora's hub sends it.

    Args:
        message: the message as Koji's own plugin has it.
        state: the hub's state.
        base_url: the hub's scheme, host and port.
        files_url: the address of its files.

    Returns:
        The message, its topic without the site's prefix; None for what Fedora's hub does not send.
    """
    kind = message.properties["type"]
    if kind not in _BODIES:
        return None
    topic, make = _BODIES[kind]
    body = make(_Change(state, message.properties, json.loads(message.body), files_url))
    if body is None:
        return None
    told = _without(REMOVED, {"base_url": base_url, "instance": "primary", **body})
    return Announcement(f"buildsys.{topic}", {SCHEMA: GENERIC}, json.dumps(told))


class _Change(NamedTuple):
    """A change as Koji's own plugin announces it, with what Fedora's looks up."""

    state: HubState
    properties: Mapping[str, Any]
    body: Mapping[str, Any]
    files_url: str


def _without(keys: frozenset[str], value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without(keys, each) for key, each in value.items() if key not in keys}
    if isinstance(value, list):
        return [_without(keys, each) for each in value]
    return value


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat()


def _task_info(state: HubState, row: Row, *, request: bool) -> dict[str, Any]:
    info = task_struct(row, request)
    for name in ("create", "start", "completion"):
        info[f"{name}_time"] = row[f"{name}_ts"]
    host = state.get("host", row["host_id"])
    children = [
        _task_info(state, each, request=False) for each in state.rows("task", parent=row["id"])
    ]
    return {
        **info,
        "owner": user_name(state, row["owner"]),
        "host_name": None if host is None else host["name"],
        "result": row["result"] if info["state"] == 2 else None,
        "children": children,
    }


def _task(change: _Change) -> dict[str, Any] | None:
    properties, request = change.properties, change.body["info"]["request"]
    last = request[-1] if isinstance(request, list) and request else None
    is_scratch = isinstance(last, dict) and last.get("scratch")
    if properties["parent"] is not None or properties["old"] is None or not is_scratch:
        return None
    info = _task_info(change.state, change.state.row("task", properties["id"]), request=True)
    return {
        **pick(properties, "id method attribute old new"),
        "owner": info["owner"],
        "srpm": posixpath.basename(str(request[0])),
        "files_base_url": f"{change.files_url}/work",
        "info": info,
    }


def _build(change: _Change) -> dict[str, Any]:
    state, build = change.state, change.body["info"]
    row = state.get("task", build["task_id"])
    return {
        **pick(build, "name version release epoch task_id"),
        "attribute": "state",
        "old": change.body["old"],
        "new": change.body["new"],
        "build_id": build["id"],
        "owner": build["owner_name"],
        "files_base_url": change.files_url,
        "task": None if row is None else _task_info(state, row, request=True),
        "request": None if row is None else row["request"],
        "creation_time": _iso(build["creation_ts"]),
        "completion_time": _iso(build["completion_ts"]),
    }


def _tagging(change: _Change) -> dict[str, Any]:
    body, build = change.body, change.body["build"]
    return {
        **pick(build, "name version release"),
        "build_id": build["id"],
        "tag": body["tag"]["name"],
        "tag_id": body["tag"]["id"],
        "user": body["user"]["name"],
        "owner": build["owner_name"],
    }


def _repo(change: _Change) -> dict[str, Any]:
    row = change.state.row("repo", change.properties["repo_id"])
    tag = {"tag": change.properties["tag"], "tag_id": row["tag_id"]}
    return {**tag, "repo_id": row["id"]}


def _package(change: _Change) -> dict[str, Any]:
    told = pick(change.properties, "tag package action")
    keys = ("block", "extra_arches", "force", "update")
    told.update({key: change.body[key] for key in keys if key in change.body})
    if "owner" in change.body:
        told["owner"] = user_name(change.state, change.body["owner"])
    return told


_BODIES: dict[str, tuple[str, Callable[[_Change], dict[str, Any] | None]]] = {
    "TaskStateChange": ("task.state.change", _task),
    "BuildStateChange": ("build.state.change", _build),
    "BuildPromote": ("build.promote", lambda _: {}),
    "Tag": ("tag", _tagging),
    "Untag": ("untag", _tagging),
    "PackageListChange": ("package.list.change", _package),
    "RPMSign": ("rpm.sign", lambda change: pick(change.body, "sigkey sighash build rpm")),
    "RepoInit": ("repo.init", _repo),
    "RepoDone": ("repo.done", _repo),
}
"""The topic of each Koji callback, and the function that makes its body. Imports are not sent."""
