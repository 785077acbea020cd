"""Each page's code is right: it compiles, plugins take it, and type checkers agree."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from buildbot.config.errors import capture_config_errors

from tests.docs.tutorial import blocks
from tests.support import REPOSITORY

DOCS = REPOSITORY / "docs"
PROFILES = ("koji", "fedora", "ours", "fake", "demo")


def programs() -> Iterator[tuple[str, str]]:
    """Give each page's Python code."""
    for page in sorted(DOCS.glob("*.rst")):
        found = [
            text for kind, _, text in blocks(page.read_text(encoding="utf-8")) if kind == "python"
        ]
        for number, text in enumerate(found, 1):
            yield f"{page.name}:{number}", text


PROGRAMS = dict(programs())


@pytest.mark.parametrize("name", sorted(PROGRAMS))
def test_code_compiles(name: str) -> None:
    """It is Python."""
    compile(PROGRAMS[name], name, "exec")


@pytest.mark.parametrize("name", [name for name in sorted(PROGRAMS) if name.startswith("howto")])
def test_plugins_take_it(name: str, empty_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a how-to configures is accepted, with a profile of each hub that it names."""
    monkeypatch.chdir(empty_home)
    (empty_home / "secrets").mkdir(mode=0o700)
    (empty_home / ".koji").mkdir()
    (empty_home / ".koji" / "config").write_text(
        "".join(f"[{each}]\nserver = https://{each}.example.com/kojihub\n" for each in PROFILES),
        encoding="utf-8",
    )
    if "buildbot.plugins" in PROGRAMS[name]:
        with capture_config_errors() as errors:
            exec(PROGRAMS[name], {"c": {}})
        assert list(errors.errors) == []


@pytest.mark.limit(300)
def test_the_site_is_built(tmp_path: Path) -> None:
    """Sphinx builds all pages without a warning: links lead somewhere, tables are whole."""
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going"]
    done = subprocess.run(
        [*command, str(DOCS), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "changes.html").read_text(encoding="utf-8")
    assert re.search(r"<table.*koji_event_key.*</table>", page, re.DOTALL)


def test_every_page_is_code_checked() -> None:
    """The how-tos have code, and it is found."""
    assert len([name for name in PROGRAMS if name.startswith("howto")]) >= 5
