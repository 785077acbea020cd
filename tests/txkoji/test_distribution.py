"""The distribution's version, and what happens where another one has overwritten its files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib import metadata
from pathlib import Path

from trove_classifiers import classifiers

import txkoji
from tests.support import PROCESS_LIMIT, REPOSITORY


def test_version() -> None:
    """The package has the version of the distribution."""
    assert txkoji.__version__ == metadata.version("buildbot-koji")


def test_classifiers() -> None:
    """PyPI knows every classifier; the Pythons are those that it asks for."""
    metadata_of = metadata.metadata("buildbot-koji")
    found = set(metadata_of.get_all("Classifier") or ())
    assert found - classifiers == set()
    assert metadata_of["Requires-Python"] == ">=3.10"
    assert "Programming Language :: Python :: 3.10" in found
    assert "Programming Language :: Python :: 3.9" not in found


def last_line(place: Path, module: str) -> str:
    """Return how the import of a module ends, with packages of a directory of our own."""
    program = f"import sys; sys.path.insert(0, {str(place)!r}); import {module}"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=place,
        env={**os.environ},
        timeout=PROCESS_LIMIT,
    )
    return done.stderr.strip().rpartition("\n")[2]


def site_with_both(place: Path) -> Path:
    """Copy our packages to a directory, beside the metadata of the other distribution."""
    for package in ("txkoji", "buildbot_koji"):
        ignore = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / package, place / package, ignore=ignore)
    info = place / "txkoji-0.10.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: txkoji\nVersion: 0.10.0\n")
    return place


def test_mixture(tmp_path: Path) -> None:
    """Program row 19: where both distributions are installed, the import says what to do."""
    place = site_with_both(tmp_path)
    remedy = "run pip uninstall txkoji, then pip install --force-reinstall --no-deps buildbot-koji"
    assert last_line(place, "txkoji") == (
        f"ImportError: {place}/txkoji holds files of two distributions, buildbot-koji and txkoji"
        f" 0.10.0: {remedy}"
    )
    # The first lacks a name, the other a dependency, as the other distribution's may.
    for theirs in ("class Connection: pass\n", "import treq_kerberos\n"):
        (place / "txkoji" / "__init__.py").write_text(theirs)
        assert last_line(place, "buildbot_koji.hubs.hub") == (
            f"ImportError: the distribution txkoji has overwritten files of buildbot-koji: {remedy}"
        )
    # Without it, an import that fails is what it is.
    (place / "txkoji-0.10.0.dist-info" / "METADATA").unlink()
    (place / "txkoji-0.10.0.dist-info").rmdir()
    assert last_line(place, "buildbot_koji") == (
        "ModuleNotFoundError: No module named 'treq_kerberos'"
    )


def test_distribution_elsewhere(tmp_path: Path) -> None:
    """The other distribution in another directory is no reason to refuse."""
    place = site_with_both(tmp_path)
    shutil.rmtree(place / "txkoji")
    assert last_line(place, "txkoji") == ""
