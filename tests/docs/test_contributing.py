"""The map for contributors names files that exist."""

from __future__ import annotations

import re
import shlex

from tests.support import REPOSITORY


def test_files_exist() -> None:
    """Each file or folder of the map is in the repository."""
    text = (REPOSITORY / "CONTRIBUTING.rst").read_text(encoding="utf-8")
    named = re.findall(r"``((?:txkoji|buildbot_koji|tests|docs|\.ci)/[\w/.]*)``", text)
    assert len(named) > 10
    assert [path for path in named if not (REPOSITORY / path).exists()] == []


def test_workflows_run_what_exists() -> None:
    """Each target of make and each session of nox that CI names exists."""
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    sessions = (REPOSITORY / "noxfile.py").read_text(encoding="utf-8")
    known = {
        *re.findall(r"^([a-z-]+):", makefile, re.MULTILINE),
        *re.findall(r"^@nox\.session.*\n(?:@.*\n)?def (\w+)", sessions, re.MULTILINE),
    }
    named = set()
    for path in [*(REPOSITORY / ".github" / "workflows").glob("*.yml"), REPOSITORY / ".ci" / "run"]:
        for command in re.findall(r"\b(?:nox|make) (.*)", path.read_text(encoding="utf-8")):
            # "tests-3.13(latest)", of which the workflow has variables.
            words = [re.split(r"[-(][$0-9]", word)[0] for word in shlex.split(command)]
            named |= {word for word in words if re.fullmatch("[a-z][a-z-]+", word)}
    assert named >= {"test", "lint", "coverage", "tests", "docs", "package", "tutorial", "build"}
    assert named - known == set()
