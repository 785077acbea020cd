"""The structs of archives, build targets, RPMs, repos and tasks."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.lookups.values import rounded, time_text
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


_RPM = """
    arch build_id buildroot_id buildtime draft epoch external_repo_id extra id metadata_only name
    payloadhash release size version
    """


def rpm_name(row: Row) -> str:
    """Return the N-V-R.A of an RPM."""
    return f"{row['name']}-{row['version']}-{row['release']}.{row['arch']}"


def rpm_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of an RPM as ``getRPM`` answers it."""
    repo = state.get("external_repo", row["external_repo_id"])
    name = repo["name"] if repo else "INTERNAL"
    return {**pick(row, _RPM), "external_repo_name": name}


def _event_ts(state: HubState, event: int | None) -> float | None:
    row = state.get("events", event) if event is not None else None
    return rounded(row["ts"]) if row else None


def repo_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a repo (hubs since 1.35)."""
    tag = state.row("tag", row["tag_id"])
    task = state.get("task", row["task_id"]) if row["task_id"] is not None else None
    return {
        **pick(row, "begin_event create_event custom_opts dist end_event id opts state task_id"),
        "begin_ts": _event_ts(state, row["begin_event"]),
        "create_ts": _event_ts(state, row["create_event"]),
        "creation_time": time_text(row["creation_ts"]),
        "creation_ts": rounded(row["creation_ts"]),
        "end_ts": _event_ts(state, row["end_event"]),
        "state_time": time_text(row["state_ts"]),
        "state_ts": rounded(row["state_ts"]),
        "tag_id": tag["id"],
        "tag_name": tag["name"],
        "task_state": task["state"] if task else None,
    }


def task_struct(row: Row, request: bool = False) -> dict[str, Any]:
    """Make the struct of a task as ``getTaskInfo`` answers it."""
    columns = "arch awaited channel_id host_id id label method owner parent priority state waiting"
    struct = pick(row, f"{columns} weight{' request' if request else ''}")
    for column in ("completion", "create", "start"):
        struct[f"{column}_time"] = time_text(row[f"{column}_ts"])
        struct[f"{column}_ts"] = rounded(row[f"{column}_ts"])
    return struct


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


def external_repo_struct(_: HubState, repo: Row, config: Row) -> dict[str, Any]:
    """Make the struct of an external repo."""
    return {"id": repo["id"], "name": repo["name"], "url": config["url"]}
