"""How the embedded hub finds tags, and walks their inheritance."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from txkoji.testing.tables.state import HubState, Row, pick


def tag_name(state: HubState, tag_id: int) -> str:
    """Return the name of a tag, even if the tag is deleted."""
    row = state.row("tag", tag_id)
    return str(row["name"])


def tag_config(state: HubState, tag_id: int, event: int | None = None) -> Row | None:
    """Return a tag's active configuration, or None."""
    return state.current("tag_config", event, tag_id=tag_id)


def tag_struct(state: HubState, tag: Row, config: Row) -> dict[str, Any]:
    """Make the struct of a tag, without its ``extra``."""
    permission = state.get("permissions", config["perm_id"]) if config["perm_id"] else None
    columns = "arches locked maven_include_all maven_support perm_id"
    name = permission["name"] if permission else None
    return {**pick(config, columns), "id": tag["id"], "name": tag["name"], "perm": name}


def tag_extra(
    state: HubState, tag_id: int, event: int | None = None, *, blocked: bool = False
) -> dict[str, Any]:
    """Return a tag's own extra settings, or with ``blocked`` the keys that it blocks."""
    rows = state.active("tag_extra", event, tag_id=tag_id)
    return {row["key"]: row["value"] for row in rows if row.get("blocked", False) == blocked}


def inherited_links(
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
    parents = [(parent, filters) for _, parent, _, filters in inherited_links(state, tag_id, event)]
    return [(tag_id, []), *parents]


def passes_filters(filters: Iterable[str], package: str) -> bool:
    """Return whether a package name passes the filters of an inheritance chain."""
    return all(re.match(pattern, package) for pattern in filters)
