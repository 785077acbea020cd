"""The command ``buildbot-koji demo``, in a process of its own, as ``make demo`` runs it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

COMMAND = [str(Path(sys.executable).with_name("buildbot-koji")), "demo"]
LIMIT = 60


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give an environment whose temporary directory is empty, and must be so at the end."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    yield {**os.environ, "TMPDIR": str(directory)}
    assert list(directory.iterdir()) == []


def demo(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )


def test_once(temporary: dict[str, str]) -> None:
    """``--once`` builds by itself, prints the result and its links, and exits 0."""
    done = demo(temporary, "--once", "--build-seconds", "1")
    assert (done.returncode, done.stderr) == (0, "")
    result, page, *links = done.stdout.splitlines()
    assert result == "SUCCESS: build successful built hello-1.0-main"
    assert page.strip().endswith("/builds/1")
    assert any("buildArch x86_64" in link and "/koji/taskinfo?taskID=" in link for link in links)
    assert any("build hello-1.0-main: http" in link for link in links)


def test_once_with_a_failure(temporary: dict[str, str]) -> None:
    """``--once`` exits 1 where the build fails, and prints the reason and the log's address."""
    done = demo(temporary, "--once", "--build-seconds", "1", "--package", "failarch")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("FAILURE: failed error building package (arch ")
    assert "/build.log" in done.stdout


def test_until_interrupted(temporary: dict[str, str]) -> None:
    """The demo says where its pages are, serves them, and ends cleanly at Ctrl-C."""
    # What runs the tests may ignore the signal, and its children would inherit that.
    command = ["env", "--default-signal=INT", *COMMAND]
    with subprocess.Popen(
        command, env=temporary, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        killing = threading.Timer(LIMIT, process.kill)
        killing.start()
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C" in line:
                break
        url = lines[0].split()[-1]
        with urlopen(url, timeout=10) as page:
            assert b"Buildbot" in page.read()
        with urlopen(f"{url}api/v2/builders", timeout=10) as reply:
            builders = json.load(reply)["builders"]
        assert sorted(builder["name"] for builder in builders) == ["official", "scratch"]
        assert any("/#/builders/" in line for line in lines)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate()
        killing.cancel()
    assert (process.returncode, errors) == (0, "")


def test_directory_is_kept(temporary: dict[str, str], tmp_path: Path) -> None:
    """``--dir`` names a base directory that stays, and is not used a second time."""
    base = tmp_path / "base"
    options = ["--once", "--build-seconds", "1", "--dir", str(base)]
    assert demo(temporary, *options).returncode == 0
    example = Path(__file__).parents[2] / "example_master.cfg"
    assert (base / "master.cfg").read_bytes() == example.read_bytes()
    log = (base / "twistd.log").read_text()
    assert "BuildMaster is running" in log
    assert "Traceback" not in log
    again = demo(temporary, *options)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == f"{base} is not empty: name a new directory\n"
