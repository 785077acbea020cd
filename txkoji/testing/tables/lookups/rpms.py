"""The struct of an RPM."""

from __future__ import annotations

from typing import Any

from txkoji.testing.tables.state import Row


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
