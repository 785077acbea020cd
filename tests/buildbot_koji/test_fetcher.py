"""What the worker runs to fetch files needs nothing but an old Python."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from buildbot_koji import fetcher
from tests.support import REPOSITORY, free_port


def run(directory: Path, **given: Any) -> subprocess.CompletedProcess[str]:
    """Run the program in a directory, as a worker does, in an isolated Python."""
    program = directory / fetcher.FILE_NAME
    program.write_bytes(fetcher.archive())
    request = {"directory": "out", "files": [], "certificates": None, "verify": True, "at_once": 2}
    return subprocess.run(
        [sys.executable, "-I", "-S", program.name],
        cwd=directory,
        input=json.dumps({**request, **given}),
        capture_output=True,
        text=True,
        check=False,
    )


def test_real_files() -> None:
    """The program is made of this repository's modules, word for word."""
    packed = zipfile.ZipFile(io.BytesIO(fetcher.archive()))
    for name, path in {
        "__main__.py": "buildbot_koji/fetcher/__main__.py",
        "txkoji/files/rpm.py": "txkoji/files/rpm.py",
    }.items():
        assert packed.read(name) == (REPOSITORY / path).read_bytes()


def test_old_python() -> None:
    """Each module is Python 3.9, and imports only Python's own library or another module."""
    packed = zipfile.ZipFile(io.BytesIO(fetcher.archive()))
    for name in packed.namelist():
        tree = ast.parse(packed.read(name), feature_version=(3, 9))
        for node in ast.walk(tree):
            names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for module in names:
                own = f"{module.replace('.', '/')}.py" in packed.namelist()
                assert own or module.partition(".")[0] in sys.stdlib_module_names, (name, module)


def test_program_deletes_itself(tmp_path: Path) -> None:
    """Nothing is left in the build's directory."""
    ended = run(tmp_path)
    assert (ended.returncode, ended.stdout) == (0, "fetched 0 files\n"), ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["hello.rpm", "logs/build.log"])
def test_failure_is_said(tmp_path: Path, name: str) -> None:
    """A file that can't be had is named with the reason, and the program fails."""
    url = f"http://127.0.0.1:{free_port()}/kojifiles/{name}"
    (tmp_path / "out").write_text("a file where the directory should be")
    ended = run(tmp_path, files=[{"name": name, "url": url, "size": 1, "digest": None}])
    assert ended.returncode == 1
    assert ended.stdout.startswith("can't write out/")
