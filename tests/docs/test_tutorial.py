"""The tutorial works as it is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.docs import tutorial
from tests.support import PROCESS_LIMIT, free_port


def test_the_tutorial(tmp_path: Path, empty_home: Path) -> None:
    """Its commands, in their order, end with a build in the released tag."""
    text = tutorial.script(tutorial.PAGE.read_text(encoding="utf-8"), install=False)
    assert "pip install" not in text
    text = text.replace("8010", str(free_port()))
    environment = {**os.environ, "HOME": str(empty_home)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    done = subprocess.run(
        ["bash", "-c", text],
        cwd=tmp_path,
        env=environment,
        # Several programs, one after the other.
        timeout=5 * PROCESS_LIMIT,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, done.stdout
    assert "hello-1.0-1 is released" in done.stdout
    assert "Traceback" not in done.stdout
