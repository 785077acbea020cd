"""How the embedded hub finds things by what callers pass, and the structs that it answers with.

Pure functions over the hub's state. Texts and keys are those of the recordings.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator
from typing import Any

from txkoji import nvr
from txkoji.exceptions import GenericError, ParameterError
from txkoji.testing.tables.state import HubState, Row, in_force

STATES = {"BUILDING": 0, "COMPLETE": 1, "DELETED": 2, "FAILED": 3, "CANCELED": 4}


def time_text(seconds: float | None) -> str | None:
    """Write a time as the hub does: ``YYYY-MM-DD HH:MM:SS.ffffff+00:00``; None stays None."""
    if seconds is None:
        return None
    return str(datetime.datetime.fromtimestamp(round(seconds, 6), datetime.timezone.utc))


def rounded(seconds: float | None) -> float | None:
    """Round a time to the microseconds that a database keeps."""
    return None if seconds is None else round(seconds, 6)


def seconds_of(value: Any) -> float:
    """Read a time that a caller passes: a number, or ISO text (UTC where it names no zone)."""
    if isinstance(value, (int, float)):
        return float(value)
    try:
        moment = datetime.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ParameterError(f"Invalid time: {value!r}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def require_type(value: Any, expected: type) -> None:
    """Refuse a value of another type, with the hub's text."""
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise ParameterError(
            f"Invalid type for value {value!r}: {type(value)}, expected type {expected}"
        )


def _by_info(state: HubState, table: str, info: Any) -> Row | None:
    if isinstance(info, dict):
        info = info.get("id", info.get("name"))
    if isinstance(info, bool):
        raise ParameterError(f"Invalid type for value {info!r}: {type(info)}")
    if isinstance(info, int):
        return state.get(table, info)
    if isinstance(info, str):
        return state.one(table, name=info)
    return None


def find_user(state: HubState, info: Any, strict: bool = False) -> Row | None:
    """Find a user by id, name, principal or struct; None, or fault 1000 when strict."""
    row = _by_info(state, "users", info)
    if row is None and isinstance(info, str):
        row = next((user for user in state.rows("users") if info in user["krb_principals"]), None)
    if row is None and strict:
        raise GenericError(f"No such user: {info!r}")
    return row


def user_name(state: HubState, user_id: int | None) -> str | None:
    """Return the name of a user."""
    row = state.get("users", user_id) if user_id is not None else None
    return str(row["name"]) if row else None


def tag_name(state: HubState, tag_id: int) -> str:
    """Return the name of a tag, whether or not the tag is still there."""
    row = state.get("tag", tag_id)
    assert row is not None
    return str(row["name"])


def tag_config(state: HubState, tag_id: int, event: int | None = None) -> Row | None:
    """Return a tag's configuration in force, or None."""
    return next(iter(state.active("tag_config", event, tag_id=tag_id)), None)


def find_tag_id(state: HubState, info: Any, strict: bool = False) -> int | None:
    """Find a tag's id by id, name or struct, whether or not the tag is still there."""
    row = _by_info(state, "tag", info)
    if row is None:
        if strict:
            raise GenericError(f"No such tagInfo: {info!r}")
        return None
    return int(row["id"])


def find_tag(
    state: HubState, info: Any, strict: bool = False, event: int | None = None
) -> dict[str, Any] | None:
    """Find a tag as ``getTag`` answers it, without its ``extra``."""
    tag_id = find_tag_id(state, info)
    config = tag_config(state, tag_id, event) if tag_id is not None else None
    if tag_id is None or config is None:
        if strict:
            raise GenericError(f"No such tagInfo: {info!r}")
        return None
    return tag_struct(state, tag_id, config)


def tag_struct(state: HubState, tag_id: int, config: Row) -> dict[str, Any]:
    """Make the struct of a tag."""
    tag = state.get("tag", tag_id)
    permission = state.get("permissions", config["perm_id"]) if config["perm_id"] else None
    assert tag is not None
    return {
        "arches": config["arches"],
        "id": tag_id,
        "locked": config["locked"],
        "maven_include_all": config["maven_include_all"],
        "maven_support": config["maven_support"],
        "name": tag["name"],
        "perm": permission["name"] if permission else None,
        "perm_id": config["perm_id"],
    }


def tag_extra(state: HubState, tag_id: int, event: int | None = None) -> dict[str, Any]:
    """Return a tag's own extra settings."""
    return {row["key"]: row["value"] for row in state.active("tag_extra", event, tag_id=tag_id)}


def inheritance(
    state: HubState, tag_id: int, event: int | None = None
) -> Iterator[tuple[int, int, Row, list[str]]]:
    """Walk a tag's inheritance, depth first, by ascending priority.

    Yields:
        For each link: depth (1 for the tag's own parents), the parent's tag id, the link, and the
        package filters that apply to the parent.
    """
    seen = {tag_id}

    def walk(
        child: int, depth: int, limit: int | None, filters: list[str]
    ) -> Iterator[tuple[int, int, Row, list[str]]]:
        links = state.active("tag_inheritance", event, tag_id=child)
        for link in sorted(links, key=lambda row: row["priority"]):
            parent = link["parent_id"]
            if parent in seen or (link["intransitive"] and depth > 1):
                continue
            if limit is not None and limit < 0:
                continue
            seen.add(parent)
            chain = [*filters, link["pkg_filter"]] if link["pkg_filter"] else filters
            yield depth, parent, link, chain
            remaining = None if limit is None else limit - 1
            if link["maxdepth"] is not None:
                own = link["maxdepth"] - 1
                remaining = own if remaining is None else min(own, remaining)
            yield from walk(parent, depth + 1, remaining, chain)

    yield from walk(tag_id, 1, None, [])


def tag_order(
    state: HubState, tag_id: int, event: int | None = None
) -> list[tuple[int, list[str]]]:
    """Return the tags that a tag inherits from, itself first, each with its package filters."""
    parents = [(parent, filters) for _, parent, _, filters in inheritance(state, tag_id, event)]
    return [(tag_id, []), *parents]


def passes(filters: Iterable[str], package: str) -> bool:
    """Tell whether a package name passes the filters of an inheritance chain."""
    return all(re.match(pattern, package) for pattern in filters)


def package_entries(
    state: HubState, tag_id: int, event: int | None = None, *, inherit: bool = True
) -> dict[int, Row]:
    """Return the package entries that a tag has: nearest first, by package id."""
    order = tag_order(state, tag_id, event) if inherit else [(tag_id, [])]
    entries: dict[int, Row] = {}
    by_tag: dict[int, list[Row]] = {}
    for row in state.active("tag_packages", event):
        by_tag.setdefault(row["tag_id"], []).append(row)
    for tag, filters in order:
        for row in by_tag.get(tag, ()):
            if row["package_id"] in entries:
                continue
            if filters and not passes(filters, package_name(state, row["package_id"])):
                continue
            entries[row["package_id"]] = row
    return entries


def package_name(state: HubState, package_id: int) -> str:
    """Return the name of a package."""
    row = state.get("package", package_id)
    assert row is not None
    return str(row["name"])


def package_struct(state: HubState, entry: Row) -> dict[str, Any]:
    """Make the struct of a package entry, as ``listPackages`` answers it."""
    tag = state.get("tag", entry["tag_id"])
    owner = state.get("users", entry["owner_id"])
    assert tag is not None
    assert owner is not None
    return {
        "blocked": entry["blocked"],
        "extra_arches": entry["extra_arches"],
        "owner_id": owner["id"],
        "owner_name": owner["name"],
        "package_id": entry["package_id"],
        "package_name": package_name(state, entry["package_id"]),
        "tag_id": tag["id"],
        "tag_name": tag["name"],
    }


def find_package(state: HubState, info: Any, strict: bool = False) -> Row | None:
    """Find a package by id, name or struct; None, or fault 1000 when strict."""
    row = _by_info(state, "package", info)
    if row is None and strict:
        raise GenericError(f"No such entry in table package: {info}")
    return row


def find_target(
    state: HubState, info: Any, strict: bool = False, event: int | None = None
) -> dict[str, Any] | None:
    """Find a build target as ``getBuildTarget`` answers it."""
    row = _by_info(state, "build_target", info)
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


def find_channel(state: HubState, info: Any, strict: bool = False) -> Row | None:
    """Find a channel by id, name or struct; None, or fault 1000 when strict."""
    row = _by_info(state, "channels", info)
    if row is None and strict:
        raise GenericError("query returned no rows")
    return row


def find_host(state: HubState, info: Any, strict: bool = False) -> Row | None:
    """Find a host by id, name or struct; None, or fault 1000 when strict."""
    row = _by_info(state, "host", info)
    if row is None and strict:
        raise GenericError(f"Invalid hostInfo: {info}")
    return row


def split_nvr(text: str) -> tuple[str, str, str]:
    """Split name-version-release, or refuse as the hub does."""
    found = nvr.parse(text)
    if found is None:
        raise GenericError(f"invalid format: {text}")
    return found.name, found.version, found.release


def find_build_row(state: HubState, info: Any, strict: bool = False) -> Row | None:
    """Find the row of a build by id, NVR or struct.

    Raises:
        GenericError: a text that is no NVR, always; a build that is not there, when strict.
    """
    row: Row | None = None
    if isinstance(info, dict):
        if "id" in info:
            row = state.get("build", int(info["id"]))
        else:
            row = _build_by_name(state, info["name"], info["version"], info["release"])
    elif isinstance(info, int) and not isinstance(info, bool):
        row = state.get("build", info)
    elif isinstance(info, str):
        row = _build_by_name(state, *split_nvr(info))
    else:
        raise GenericError(f"Invalid type for build: {type(info)}")
    if row is None and strict:
        raise GenericError(f"No such build: {info!r}")
    return row


def _build_by_name(state: HubState, name: str, version: str, release: str) -> Row | None:
    package = state.one("package", name=name)
    if package is None:
        return None
    return state.one("build", package_id=package["id"], version=version, release=release)


def find_build(state: HubState, info: Any, strict: bool = False) -> dict[str, Any] | None:
    """Find a build as ``getBuild`` answers it."""
    row = find_build_row(state, info, strict)
    return build_struct(state, row) if row is not None else None


def build_nvr(state: HubState, row: Row) -> str:
    """Return the name-version-release of a build."""
    return f"{package_name(state, row['package_id'])}-{row['version']}-{row['release']}"


def _common(state: HubState, row: Row) -> dict[str, Any]:
    """The columns that every struct of a build has."""
    name = package_name(state, row["package_id"])
    owner = state.get("users", row["owner_id"])
    promoter = state.get("users", row["promoter_id"]) if row["promoter_id"] else None
    volume = state.get("volume", row["volume_id"])
    return {
        "build_id": row["id"],
        "completion_time": time_text(row["completion_ts"]),
        "creation_event_id": row["create_event"],
        "creation_time": time_text(row["creation_ts"]),
        "draft": row["draft"],
        "epoch": row["epoch"],
        "name": name,
        "nvr": f"{name}-{row['version']}-{row['release']}",
        "owner_id": row["owner_id"],
        "owner_name": owner["name"] if owner else None,
        "package_id": row["package_id"],
        "package_name": name,
        "promoter_id": row["promoter_id"],
        "promoter_name": promoter["name"] if promoter else None,
        "promotion_time": time_text(row["promotion_ts"]),
        "release": row["release"],
        "start_time": time_text(row["start_ts"]),
        "state": row["state"],
        "task_id": row["task_id"],
        "version": row["version"],
        "volume_id": row["volume_id"],
        "volume_name": volume["name"] if volume else "DEFAULT",
    }


def listed_build_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a build as ``listBuilds`` answers it: without ``id``."""
    return {
        **_common(state, row),
        "completion_ts": rounded(row["completion_ts"]),
        "creation_ts": rounded(row["creation_ts"]),
        "extra": row["extra"],
        "promotion_ts": rounded(row["promotion_ts"]),
        "source": row["source"],
        "start_ts": rounded(row["start_ts"]),
    }


def build_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a build as ``getBuild`` answers it."""
    listed = listed_build_struct(state, row)
    generator = state.get("content_generator", row["cg_id"]) if row["cg_id"] else None
    name = generator["name"] if generator else None
    return {**listed, "id": row["id"], "cg_id": row["cg_id"], "cg_name": name}


def tagged_build_struct(state: HubState, row: Row, listing: Row) -> dict[str, Any]:
    """Make the struct of a build as ``listTagged`` answers it: no ``*_ts``, no source."""
    tag = state.get("tag", listing["tag_id"])
    assert tag is not None
    return {
        **_common(state, row),
        "create_event": listing["create_event"],
        "id": row["id"],
        "tag_id": tag["id"],
        "tag_name": tag["name"],
    }


def tagged(
    state: HubState,
    tag_id: int,
    *,
    event: int | None = None,
    inherit: bool = False,
    latest: bool | int | None = False,
    package: str | None = None,
) -> list[tuple[Row, Row]]:
    """Return the builds of a tag with their listings, in the hub's order.

    Tag by tag along the inheritance, the newest tagging first; only COMPLETE builds whose package
    is listed and not blocked. ``latest`` keeps the first build of each package, or the first N.
    """
    entries = package_entries(state, tag_id, event)
    order = tag_order(state, tag_id, event) if inherit else [(tag_id, [])]
    by_tag: dict[int, list[Row]] = {tag: [] for tag, _ in order}
    for listing in state.rows("tag_listing"):
        if listing["tag_id"] in by_tag and in_force(listing, event):
            by_tag[listing["tag_id"]].append(listing)
    keep = int(latest or 0)
    found: list[tuple[Row, Row]] = []
    count: dict[int, int] = {}
    seen: set[int] = set()
    for tag, filters in order:
        newest_first = sorted(by_tag[tag], key=lambda row: (-row["create_event"], -row["id"]))
        for listing in newest_first:
            build = state.get("build", listing["build_id"])
            if build is None or build["state"] != STATES["COMPLETE"] or build["id"] in seen:
                continue
            entry = entries.get(build["package_id"])
            if entry is None or entry["blocked"]:
                continue
            name = package_name(state, build["package_id"])
            if (package is not None and name != package) or not passes(filters, name):
                continue
            if keep and count.get(build["package_id"], 0) >= keep:
                continue
            count[build["package_id"]] = count.get(build["package_id"], 0) + 1
            seen.add(build["id"])
            found.append((build, listing))
    return found


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


def rpm_struct(row: Row) -> dict[str, Any]:
    """Make the struct of an RPM as ``getRPM`` answers it."""
    keys = (
        "arch",
        "build_id",
        "buildroot_id",
        "buildtime",
        "draft",
        "epoch",
        "external_repo_id",
        "extra",
        "id",
        "metadata_only",
        "name",
        "payloadhash",
        "release",
        "size",
        "version",
    )
    return {**{key: row[key] for key in keys}, "external_repo_name": "INTERNAL"}


def build_types(state: HubState, row: Row) -> dict[str, Any]:
    """Return the types of a build with what each adds, as ``getBuildType`` answers them."""
    return {each["name"]: each["info"] for each in state.rows("build_type", build_id=row["id"])}


_TYPE_COLUMNS = {
    "maven": {
        "group_id": "maven_group_id",
        "artifact_id": "maven_artifact_id",
        "version": "maven_version",
    },
    "win": {"platform": "platform"},
}


def type_columns(type: str | None, types: dict[str, Any]) -> dict[str, Any]:
    """Return the columns that lists of builds have besides, where they are asked for one type."""
    names = _TYPE_COLUMNS.get(type or "", {})
    return {column: types[str(type)][key] for key, column in names.items()}


def archive_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of an archive as ``listArchives`` answers it."""
    kind = state.get("archivetypes", row["type_id"])
    btype = state.one("btype", name=row["btype"])
    assert kind is not None
    assert btype is not None
    keys = ("build_id", "buildroot_id", "checksum", "checksum_type", "extra", "filename", "id")
    return {
        **{key: row[key] for key in (*keys, "metadata_only", "size", "type_id", "btype")},
        "btype_id": btype["id"],
        "compression_type": kind["compression_type"],
        "type_description": kind["description"],
        "type_extensions": kind["extensions"],
        "type_name": kind["name"],
    }


def _event_ts(state: HubState, event: int | None) -> float | None:
    row = state.get("events", event) if event is not None else None
    return rounded(row["ts"]) if row else None


def repo_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a repo (hubs since 1.35)."""
    tag = state.get("tag", row["tag_id"])
    task = state.get("task", row["task_id"]) if row["task_id"] is not None else None
    assert tag is not None
    return {
        "begin_event": row["begin_event"],
        "begin_ts": _event_ts(state, row["begin_event"]),
        "create_event": row["create_event"],
        "create_ts": _event_ts(state, row["create_event"]),
        "creation_time": time_text(row["creation_ts"]),
        "creation_ts": rounded(row["creation_ts"]),
        "custom_opts": {},
        "dist": row["dist"],
        "end_event": row["end_event"],
        "end_ts": _event_ts(state, row["end_event"]),
        "id": row["id"],
        "opts": row["opts"],
        "state": row["state"],
        "state_time": time_text(row["state_ts"]),
        "state_ts": rounded(row["state_ts"]),
        "tag_id": tag["id"],
        "tag_name": tag["name"],
        "task_id": row["task_id"],
        "task_state": task["state"] if task else None,
    }
