"""The struct of an RPM."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.state import HubState, Row, pick

_COLUMNS = """
    arch build_id buildroot_id buildtime draft epoch external_repo_id extra id metadata_only name
    payloadhash release size version
    """


def rpm_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of an RPM as ``getRPM`` answers it."""
    repo = state.get("external_repo", row["external_repo_id"])
    name = repo["name"] if repo else "INTERNAL"
    return {**pick(row, _COLUMNS), "external_repo_name": name}
