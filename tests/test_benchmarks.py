"""The benchmarks, which nothing else of the tests runs."""

from __future__ import annotations

import importlib
import os
from pathlib import Path

import pytest

from benchmarks import mass
from tests.buildbot_koji.masters import BUILDBOT, MasterProcess
from tests.support import forks
from txkoji.testing import FakeHub


@pytest.mark.parametrize("name", ["changes", "mass", "waiting"])
def test_masters_find_what_they_import(name: str) -> None:
    """Their configurations, which no type checker reads, import what exists."""
    lines = importlib.import_module(f"benchmarks.{name}").CONFIG.splitlines()
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert imports
    exec("\n".join(imports), {})


def test_master_of_mass_builds(hub: FakeHub, tmp_path: Path) -> None:
    """Buildbot takes the whole configuration, which the masters of the tests complete."""
    MasterProcess(tmp_path, hub.profile_text(), mass.CONFIG)
    (tmp_path / "packages.json").write_text('["hello"]', encoding="utf-8")
    environment = {**os.environ, "HOME": str(tmp_path / "home")}
    checked = forks.run(BUILDBOT, "checkconfig", "master.cfg", cwd=tmp_path, env=environment)
    assert (checked.returncode, checked.stdout) == (0, "Config file is good!\n"), checked.stderr
