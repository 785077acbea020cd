"""The struct of an archive."""

from __future__ import annotations

from typing import Any

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
