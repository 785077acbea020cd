"""The struct of an RPM."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.state import HubState, Row

_COLUMNS = """
    arch build_id buildroot_id buildtime draft epoch external_repo_id extra id metadata_only name
    payloadhash release size version
    """


def rpm_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of an RPM as ``getRPM`` answers it."""
    repo = state.get("external_repo", row["external_repo_id"])
    name = repo["name"] if repo else "INTERNAL"
    return {**{key: row[key] for key in _COLUMNS.split()}, "external_repo_name": name}
