"""How the embedded hub finds builds, also those of a tag."""

from __future__ import annotations

from collections import Counter
from typing import Any

from txkoji import nvr
from txkoji.exceptions import GenericError
from txkoji.testing.tables.lookups.packages import package_entries, package_name
from txkoji.testing.tables.lookups.tags import passes_filters, tag_order
from txkoji.testing.tables.lookups.users import user_name
from txkoji.testing.tables.lookups.values import must, row_by_id, row_by_info, time_text, times_of
from txkoji.testing.tables.state import HubState, Row, pick

_TIMES = "completion creation promotion start"
BUILD_STATES = {"BUILDING": 0, "COMPLETE": 1, "DELETED": 2, "FAILED": 3, "CANCELED": 4}


def build_type_name(state: HubState, info: Any, of: str = "build") -> str | None:
    """Return the name of a type of builds or their archives, or refuse it; None is any type."""
    if info is None:
        return None
    return str(must(row_by_info(state, "btype", info), f"unsupported {of} type: {info}")["name"])


def split_nvr(text: str) -> tuple[str, str, str]:
    """Split name-version-release, or refuse as the hub does."""
    found = nvr.parse(text)
    if found is None:
        raise GenericError(f"invalid format: {text}")
    return found.name, found.version, found.release


def find_build_row(state: HubState, info: Any) -> Row | None:
    """Find the row of a build by id, NVR or struct.

    Raises:
        GenericError: a text that is not an NVR, or a value of another type.
    """
    if isinstance(info, dict):
        if "id" in info:
            return row_by_id(state, "build", info["id"])
        if not {"name", "version", "release"} <= info.keys():
            raise GenericError("did not provide name, version, and release")
        return _build_by_name(state, info["name"], info["version"], info["release"])
    if isinstance(info, int):
        return row_by_id(state, "build", info)
    if isinstance(info, str):
        return _build_by_name(state, *split_nvr(info))
    raise GenericError(f"Invalid type for argument: {type(info)}")


def _build_by_name(state: HubState, name: str, version: str, release: str) -> Row | None:
    package = state.one("package", name=name)
    if package is None:
        return None
    return state.one("build", package_id=package["id"], version=version, release=release)


def build_nvr(state: HubState, row: Row) -> str:
    """Return the name-version-release of a build."""
    return f"{package_name(state, row['package_id'])}-{row['version']}-{row['release']}"


def _common(state: HubState, row: Row) -> dict[str, Any]:
    """The columns that every struct of a build has."""
    name = package_name(state, row["package_id"])
    volume = state.get("volume", row["volume_id"])
    return {
        **pick(row, "draft epoch owner_id package_id promoter_id release state task_id"),
        **pick(row, "version volume_id"),
        **{f"{each}_time": time_text(row[f"{each}_ts"]) for each in _TIMES.split()},
        "build_id": row["id"],
        "creation_event_id": row["create_event"],
        "name": name,
        "nvr": f"{name}-{row['version']}-{row['release']}",
        "owner_name": user_name(state, row["owner_id"]),
        "package_name": name,
        "promoter_name": user_name(state, row["promoter_id"]),
        "volume_name": volume["name"] if volume else "DEFAULT",
    }


def listed_build_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a build as ``listBuilds`` answers it: without ``id``."""
    return {**_common(state, row), **times_of(row, _TIMES), **pick(row, "extra source")}


def build_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of a build as ``getBuild`` answers it."""
    listed = listed_build_struct(state, row)
    generator = state.get("content_generator", row["cg_id"])
    name = generator["name"] if generator else None
    return {**listed, "id": row["id"], "cg_id": row["cg_id"], "cg_name": name}


def build_types(state: HubState, row: Row) -> dict[str, Any]:
    """Return the types of a build with their attributes, as ``getBuildType`` answers."""
    return {each["name"]: each["info"] for each in state.rows("build_type", build_id=row["id"])}


TYPE_COLUMNS = {
    "maven": {
        "group_id": "maven_group_id",
        "artifact_id": "maven_artifact_id",
        "version": "maven_version",
    },
    "win": {"platform": "platform"},
}
"""The additional columns of a list of builds of one type, by their names in the type."""


def type_columns(type: str | None, types: dict[str, Any]) -> dict[str, Any]:
    """Return the additional columns of a list of builds of one type."""
    names = TYPE_COLUMNS.get(type or "", {})
    return {column: (types[str(type)] or {}).get(key) for key, column in names.items()}


def tagged_build_struct(state: HubState, row: Row, listing: Row) -> dict[str, Any]:
    """Make the struct of a build as ``listTagged`` answers it: no ``*_ts``, no source."""
    tag = state.row("tag", listing["tag_id"])
    return {
        **_common(state, row),
        "create_event": listing["create_event"],
        "id": row["id"],
        "tag_id": tag["id"],
        "tag_name": tag["name"],
    }


def tagged_builds(
    state: HubState,
    tag_id: int,
    *,
    event: int | None = None,
    inherit: bool = False,
    latest: bool | int | None = False,
    package: str | None = None,
) -> list[tuple[Row, Row]]:
    """Return the builds of a tag with their listings, in the hub's order.

    Tag by tag along the inheritance, the latest tagging first; only COMPLETE builds whose package
    is listed and not blocked. ``latest`` keeps the first build of each package, or the first N.
    """
    row = state.one("package", name=package) if package is not None else None
    if package is not None and row is None:
        return []
    entries = package_entries(state, tag_id, event, package_id=row["id"] if row else None)
    keep = int(latest or 0)
    found: list[tuple[Row, Row]] = []
    count: Counter[int] = Counter()
    seen: set[int] = set()
    for tag, filters in tag_order(state, tag_id, event) if inherit else [(tag_id, [])]:
        for listing in _listings(state, tag, event, row):
            build = state.get("build", listing["build_id"])
            if build is None or build["state"] != BUILD_STATES["COMPLETE"] or build["id"] in seen:
                continue
            number = build["package_id"]
            entry = entries.get(number)
            if entry is None or entry["blocked"] or (keep and count[number] >= keep):
                continue
            if passes_filters(filters, package_name(state, number)):
                count[number] += 1
                seen.add(build["id"])
                found.append((build, listing))
    return found


def _listings(state: HubState, tag_id: int, event: int | None, package: Row | None) -> list[Row]:
    """Return the listings of a tag, perhaps of one package only, the latest tagging first."""
    found = []
    if package is None:
        found = state.active("tag_listing", event, tag_id=tag_id)
    else:
        for build in state.rows("build", package_id=package["id"]):
            found += state.active("tag_listing", event, build_id=build["id"], tag_id=tag_id)
    return sorted(found, key=lambda row: (-row["create_event"], -row["id"]))
