"""How the embedded hub finds packages and their entries in tags."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.lookups.tags import passes_filters, tag_order
from txkoji.testing.tables.state import HubState, Row, pick


def package_entries(
    state: HubState,
    tag_id: int,
    event: int | None = None,
    *,
    inherit: bool = True,
    package_id: int | None = None,
) -> dict[int, Row]:
    """Return the package entries that a tag has, by package id; perhaps of one package only."""
    order = tag_order(state, tag_id, event) if inherit else [(tag_id, [])]
    entries: dict[int, Row] = {}
    one = {} if package_id is None else {"package_id": package_id}
    for tag, filters in order:
        for row in state.active("tag_packages", event, tag_id=tag, **one):
            if row["package_id"] in entries:
                continue
            if filters and not passes_filters(filters, package_name(state, row["package_id"])):
                continue
            entries[row["package_id"]] = row
    return entries


def package_name(state: HubState, package_id: int) -> str:
    """Return the name of a package."""
    row = state.row("package", package_id)
    return str(row["name"])


def package_struct(state: HubState, entry: Row) -> dict[str, Any]:
    """Make the struct of a package entry, as ``listPackages`` answers it."""
    tag = state.row("tag", entry["tag_id"])
    owner = state.row("users", entry["owner_id"])
    return {
        **pick(entry, "blocked extra_arches package_id"),
        "owner_id": owner["id"],
        "owner_name": owner["name"],
        "package_name": package_name(state, entry["package_id"]),
        "tag_id": tag["id"],
        "tag_name": tag["name"],
    }
