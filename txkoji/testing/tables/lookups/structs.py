"""The structs of archives, build targets, RPMs, repos and tasks."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.lookups.values import rounded, times_of
from txkoji.testing.tables.state import HubState, Row, pick


def archive_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of an archive as ``listArchives`` answers it."""
    kind = state.row("archivetypes", row["type_id"])
    btype = state.one("btype", name=row["btype"])
    assert btype is not None
    columns = "build_id buildroot_id checksum checksum_type extra filename id metadata_only size"
    return {
        **pick(row, f"{columns} type_id btype"),
        "btype_id": btype["id"],
        "compression_type": kind["compression_type"],
        "type_description": kind["description"],
        "type_extensions": kind["extensions"],
        "type_name": kind["name"],
    }


RPM = """
    arch build_id buildroot_id buildtime draft epoch external_repo_id extra id metadata_only name
    payloadhash release size version
    """
TASK = """
    arch awaited channel_id host_id id label method owner parent priority state waiting weight
    """
"""The columns that callers see of RPMs and tasks."""


def rpm_name(row: Row) -> str:
    """Return the N-V-R.A of an RPM."""
    return f"{row['name']}-{row['version']}-{row['release']}.{row['arch']}"


def rpm_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of an RPM as ``getRPM`` answers it."""
    repo = state.get("external_repo", row["external_repo_id"])
    name = repo["name"] if repo else "INTERNAL"
    return {**pick(row, RPM), "external_repo_name": name}


def _event_ts(state: HubState, event: int | None) -> float | None:
    row = state.get("events", event)
    return rounded(row["ts"]) if row else None


def repo_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a repo (hubs since 1.35)."""
    tag, task = state.row("tag", row["tag_id"]), state.get("task", row["task_id"])
    columns = "begin_event create_event custom_opts dist end_event id opts state tag_id task_id"
    events = ("begin", "create", "end")
    return {
        **pick(row, columns),
        **{f"{each}_ts": _event_ts(state, row[f"{each}_event"]) for each in events},
        **times_of(row, "creation state"),
        "tag_name": tag["name"],
        "task_state": task["state"] if task else None,
    }


def task_struct(row: Row, request: bool = False) -> dict[str, Any]:
    """Make the struct of a task as ``getTaskInfo`` answers it."""
    columns = f"{TASK} request" if request else TASK
    return {**pick(row, columns), **times_of(row, "completion create start")}


def target_struct(state: HubState, target: Row, config: Row) -> dict[str, Any]:
    """Make the struct of a build target."""
    tags = pick(config, "build_tag dest_tag")
    names = {f"{key}_name": state.row("tag", each)["name"] for key, each in tags.items()}
    return {**tags, **names, **pick(target, "id name")}


def external_repo_struct(_: HubState, repo: Row, config: Row) -> dict[str, Any]:
    """Make the struct of an external repo."""
    return {"id": repo["id"], "name": repo["name"], "url": config["url"]}
