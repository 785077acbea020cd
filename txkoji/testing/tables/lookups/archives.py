"""The struct of an archive."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.state import HubState, Row


def archive_struct(state: HubState, row: Row) -> dict[str, Any]:
    """Make the struct of an archive as ``listArchives`` answers it."""
    kind = state.row("archivetypes", row["type_id"])
    btype = state.one("btype", name=row["btype"])
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
