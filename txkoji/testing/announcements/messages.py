"""What the hub's plugin ``protonmsg`` puts on a message bus when something changes.

Pure: each function makes the message of one change from the tables just after the change.
Addresses, properties and bodies are those of the recordings of a real hub.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from txkoji import build_states, task_states
from txkoji.testing.formats import marshal
from txkoji.testing.tables.lookups.builds import build_struct, build_types
from txkoji.testing.tables.lookups.packages import package_name
from txkoji.testing.tables.lookups.structs import rpm_struct, task_struct
from txkoji.testing.tables.lookups.tags import tag_extra, tag_struct
from txkoji.testing.tables.lookups.users import user_struct
from txkoji.testing.tables.state import HubState, Row, pick

TOP_DIRECTORY = "/mnt/koji"
"""Where a hub keeps its files, as messages show it."""

_NVR = "name version release"


@dataclass(frozen=True)
class Announcement:
    """One message for a bus.

    Attributes:
        address: where it goes, below the prefix of the bus: ``build.tag``.
        properties: the application properties: names and ids to filter by.
        body: JSON text.
    """

    address: str
    properties: dict[str, Any]
    body: str


def _message(address: str, properties: dict[str, Any], body: dict[str, Any]) -> Announcement:
    return Announcement(address, properties, json.dumps(body))


def _tag(state: HubState, tag_id: int) -> dict[str, Any]:
    # The last one is revoked while the tag is being deleted, and its listings with it.
    [*_, config] = state.rows("tag_config", tag_id=tag_id)
    tag = tag_struct(state, state.row("tag", tag_id), config)
    return {**tag, "extra": tag_extra(state, tag_id)}


# Tasks


def _task_properties(row: Row, old: str | None, new: str) -> dict[str, Any]:
    kept = pick(row, "id parent method")
    return {"type": "TaskStateChange", **kept, "attribute": "state", "old": old, "new": new}


def task_created(row: Row, options: dict[str, Any]) -> Announcement:
    """A new task, as the row that was inserted, not as a caller would read it.

    Args:
        row: the task.
        options: the options it was created with that stay in the message: ``channel``.
    """
    info = {
        **pick(row, "priority arch owner label parent channel_id state method id"),
        **options,
        "request": marshal.stored_request(row["method"], row["request"]),
    }
    body = {"attribute": "state", "old": None, "new": "FREE", "info": info}
    return _message("task.free", _task_properties(row, None, "FREE"), body)


def task_changed(row: Row, old: int) -> Announcement:
    """A task that changed its state."""
    before, after = (task_states.to_str(number) for number in (old, row["state"]))
    info = {**task_struct(row), "request": row["request"]}
    if after == "CLOSED":
        info["result"] = row["result"]
    body = {"attribute": "state", "old": before, "new": after, "info": info}
    return _message(f"task.{after.lower()}", _task_properties(row, before, after), body)


# Builds


def build_changed(state: HubState, row: Row, old: int | None) -> Announcement:
    """A build that changed its state, or is new."""
    before = None if old is None else build_states.to_str(old)
    after = build_states.to_str(row["state"])
    build = build_struct(state, row)
    names = {"attribute": "state", "old": before, "new": after}
    properties = {"type": "BuildStateChange", **pick(build, _NVR), **names}
    types = build_types(state, row)
    change = {"attribute": "state", "old": old, "new": row["state"]}
    return _message(
        f"build.{after.lower()}", properties, {**change, "info": build, "btypes": types}
    )


def build_promoted(state: HubState, row: Row, draft_release: str, user_id: int) -> Announcement:
    """A draft that was promoted."""
    build, user = build_struct(state, row), user_struct(state.row("users", user_id))
    releases = {"draft_release": draft_release, "target_release": row["release"]}
    ids = {"type": "BuildPromote", "build_id": row["id"], **pick(build, _NVR)}
    properties = {**ids, **releases, "user": user["name"]}
    return _message("build.promote", properties, {**releases, "build": build, "user": user})


def tagging(
    kind: str, state: HubState, tag_id: int, row: Row, user_id: int, **rest: Any
) -> Announcement:
    """A build that was tagged or untagged.

    Args:
        kind: ``Tag`` or ``Untag``.
        state: the hub's state.
        tag_id: the tag.
        row: the build.
        user_id: who did it.
        rest: ``force``, and ``strict`` of an untagging.
    """
    tag, build = _tag(state, tag_id), build_struct(state, row)
    user = user_struct(state.row("users", user_id))
    names = {"tag": tag["name"], **pick(build, _NVR), "user": user["name"]}
    body = {"tag": tag, "build": build, "user": user, **rest}
    return _message(f"build.{kind.lower()}", {"type": kind, **names}, body)


# Imports and signatures


def _imported(kind: str, build: dict[str, Any], body: dict[str, Any]) -> Announcement:
    properties = {"type": "Import", "importType": kind, **pick(build, _NVR)}
    return _message(f"import.{kind}", properties, {"type": kind, **body})


def rpm_imported(
    state: HubState, build: Row, rpm: Row, path: str, source: str | None
) -> Announcement:
    """An RPM of a build.

    Args:
        state: the hub's state.
        build: the build.
        rpm: the RPM.
        path: the file that it was imported from, below the hub's top directory.
        source: the file name of its source RPM; None for a source RPM.
    """
    info = {
        **pick(rpm, "name version release epoch arch buildtime draft id build_id size payloadhash"),
        **pick(rpm, "buildroot_id external_repo_id"),
        "sourcepackage": 1 if source is None else None,
        "sourcerpm": source,
    }
    struct = build_struct(state, build)
    where = {"filepath": f"{TOP_DIRECTORY}/{path}", "fileinfo": None}
    return _imported("rpm", struct, {"rpm": info, "build": struct, **where})


def build_imported(
    state: HubState, row: Row, srpm: str, rpms: list[str], logs: dict[str, list[str]]
) -> Announcement:
    """A build whose RPMs are all there; the paths are below ``work``."""
    build = build_struct(state, row)
    ids = {"task_id": row["task_id"], "build_id": row["id"], "build": build}
    return _imported("build", build, {"srpm": srpm, "rpms": rpms, "brmap": {}, **ids, "logs": logs})


def archive_imported(
    state: HubState, build: Row, archive: dict[str, Any], btype: str, path: str
) -> Announcement:
    """An archive of a build."""
    struct = build_struct(state, build)
    where = {"filepath": f"{TOP_DIRECTORY}/{path}", "fileinfo": None}
    body = {"archive": archive, "build": struct, "build_type": btype, **where}
    return _imported("archive", struct, body)


def rpm_signed(state: HubState, rpm: Row, sigkey: str, sighash: str) -> Announcement:
    """An RPM that was signed."""
    row = state.row("build", rpm["build_id"])
    build = build_struct(state, row)
    names = {f"rpm_{key}": rpm[key] for key in ("name", "version", "release", "arch")}
    properties = {"type": "RPMSign", "sigkey": sigkey, **pick(build, _NVR), **names}
    body = {"sigkey": sigkey, "sighash": sighash, "build": build, "rpm": rpm_struct(state, rpm)}
    return _message("sign.rpm", properties, body)


# Packages and repos


def package_changed(
    state: HubState, action: str, entry: Row, user_id: int, options: dict[str, Any] | None
) -> Announcement:
    """A change to the packages of a tag.

    Args:
        state: the hub's state.
        action: ``add``, ``update``, ``block``, ``unblock`` or ``remove``.
        entry: the entry of the package.
        user_id: who did it.
        options: ``force`` and ``update``, if the message shows the entry too.
    """
    tag, user = _tag(state, entry["tag_id"]), user_struct(state.row("users", user_id))
    name = package_name(state, entry["package_id"])
    package = {"id": entry["package_id"], "name": name}
    names = {"tag": tag["name"], "package": name, "action": action, "user": user["name"]}
    body: dict[str, Any] = {"action": action, "tag": tag, "package": package}
    if options is not None:
        body |= {"owner": entry["owner_id"], "block": entry["blocked"]}
        body |= {"extra_arches": entry["extra_arches"], **options}
    return _message(
        f"package.{action}", {"type": "PackageListChange", **names}, {**body, "user": user}
    )


def repo_begun(state: HubState, row: Row, **more: Any) -> Announcement:
    """A new repo.

    Args:
        state: the hub's state.
        row: the repo.
        more: what the message of a dist repo has in addition.
    """
    tag = _tag(state, row["tag_id"])
    ids = {"repo_id": row["id"], "task_id": row["task_id"]}
    body = {"tag": tag, "event": None, **ids, "opts": row["opts"], **more}
    return _message("repo.init", {"type": "RepoInit", "tag": tag["name"], **ids}, body)


def repo_done(repo: dict[str, Any], *, expire: bool) -> Announcement:
    """A repo that is READY; the message shows it as it was just before."""
    ids = {"tag": repo["tag_name"], "repo_id": repo["id"], "task_id": repo["task_id"]}
    properties = {"type": "RepoDone", **ids, "expire": expire}
    body = {"repo": repo, "data": {}, "expire": expire, "task_id": None}
    return _message("repo.done", properties, body)
