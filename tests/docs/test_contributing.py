"""The map for contributors names files that exist."""

from __future__ import annotations

import re

from tests.support import REPOSITORY


def test_files_exist() -> None:
    """Each file or folder of the map is in the repository."""
    text = (REPOSITORY / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    named = re.findall(r"``((?:txkoji|buildbot_koji|tests|docs|\.ci)/[\w/.]*)``", text)
    assert len(named) > 10
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
