"""The steps that compare tags, and that tag what a mass build made."""

from __future__ import annotations

import json
from typing import Any

import pytest_twisted
from buildbot.plugins import steps

from buildbot_koji.mass.comparison import compare_tags, latest_builds
from tests.buildbot_koji.workbench import Workbench


def row(build_id: int, name: str, version: str, epoch: int | None = None) -> dict[str, Any]:
    """Return a build as ``listTagged`` answers it."""
    facts = {"build_id": build_id, "package_name": name, "version": version}
    return {**facts, "release": "1", "epoch": epoch}


def test_comparison() -> None:
    """Each kind of difference is found, and a row that is no build stops nothing."""
    here = [row(1, "a", "1.9"), row(2, "b", "2"), row(3, "c", "1", 1), row(4, "d", "1"), None]
    there = [
        row(5, "a", "1.10"),
        row(6, "a", "1.8"),
        row(7, "c", "9"),
        row(4, "d", "1"),
        row(8, "e", "1"),
        {"build_id": "x"},
    ]
    found = list(compare_tags(latest_builds(here), latest_builds(there)))
    assert [None if each is None else (each.package, each.kind) for each in found] == [
        ("a", "older"),
        ("b", "extra"),
        ("c", "newer"),
        None,
        ("e", "missing"),
    ]
    assert latest_builds(None) == {}


@pytest_twisted.ensureDeferred
async def test_tags_are_compared(bench: Workbench) -> None:
    """The counts, the lines and the JSON agree; a difference is a warning only if asked."""
    nvr = await bench.built("hello")
    step = {"tag": "demo-released", "other": "demo-candidate"}
    ended = await bench.build(steps.KojiCompareTags(bench.profile, **step))
    assert (ended.result, ended.text) == (
        "success",
        "demo-released against demo-candidate: 1 missing",
    )
    assert ended.logs["differences"] == f"missing {nvr}\n"
    found = json.loads(ended.logs["differences.json"])
    rows = [{"package": "hello", "kind": "missing", "build": None, "other": nvr}]
    assert (found["missing"], found["differences"]) == (1, rows)
    counts = ended.properties["koji_tag_comparison"]
    assert (counts["missing"], counts["packages"]["missing"]) == (1, ["hello"])
    ended = await bench.build(steps.KojiCompareTags(bench.profile, **step, warn_if_different=True))
    assert ended.result == "warnings"
    same = {"tag": "demo-candidate", "other": "demo-candidate"}
    ended = await bench.build(steps.KojiCompareTags(bench.profile, **same, warn_if_different=True))
    assert ended.text == "demo-candidate against demo-candidate: no difference"
    ended = await bench.build(steps.KojiCompareTags(bench.profile, tag="nowhere", other="demo"))
    assert ended.result == "failure"
    assert "nowhere" in ended.text
