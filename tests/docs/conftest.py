"""The site, which Sphinx builds once in a run of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import REPOSITORY


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the built site: tests that ask for it carry ``xdist_group("site")``."""
    place = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-W", "--keep-going"]
    # A line for each member of a class, beside the page, takes half of the time.
    command += ["-D", "toc_object_entries=0"]
    done = subprocess.run(
        [*command, str(REPOSITORY / "docs"), str(place)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return place
