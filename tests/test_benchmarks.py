"""The benchmarks, which nothing else of the tests runs."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from buildbot.config.master import FileLoader

from benchmarks import mass
from tests.buildbot_koji.masters import MasterProcess
from txkoji.testing import FakeHub


@pytest.mark.parametrize("name", ["changes", "mass", "waiting"])
def test_masters_find_what_they_import(name: str) -> None:
    """Their configurations, which no type checker reads, import what exists."""
    lines = importlib.import_module(f"benchmarks.{name}").CONFIG.splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert imports
    exec("\n".join(imports), {})


def test_master_of_mass_builds(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Buildbot takes the whole configuration, which the masters of the tests complete."""
    MasterProcess(tmp_path, hub.profile_text(), mass.CONFIG)
    (tmp_path / "packages.json").write_text('["hello"]', encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    config = FileLoader(str(tmp_path), "master.cfg").loadConfig()
    assert [each.name for each in config.builders] == ["mass"]
