"""Koji's own client and an embedded hub, each in a process of its own.

Nothing of ours runs in the client's process, and the hub is ``python -m txkoji.testing`` with the
koji.conf that it writes, unchanged.
"""

from __future__ import annotations

import importlib.util
import os
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support import PROCESS_LIMIT, REPOSITORY

CLIENT = Path(sys.executable).with_name("koji")
SYSTEM_PYTHON = "/usr/bin/python3"
BUILD_SECONDS = 1.0
SOURCE = "git+https://git.example.test/rpms/{}.git#{}"


@dataclass
class Outcome:
    """How one run of the client ended."""

    status: int
    output: str
    errors: str

    def __str__(self) -> str:
        return f"exit status {self.status}\n{self.output}\n{self.errors}"


@dataclass
class OfficialClient:
    """Runs Koji's client against one hub.

    Attributes:
        profile: the koji.conf that the hub wrote.
        home: an empty home directory.
        directory: where the client runs, and puts what it downloads.
        interpreter: the Python that runs the client, where it is not the virtual environment's.
        python_path: where that one finds the client.
    """

    profile: Path
    home: Path
    directory: Path
    interpreter: list[str] = field(default_factory=list)
    python_path: str = ""

    def command(self, *arguments: str) -> list[str]:
        client = [*self.interpreter, str(CLIENT)]
        return [*client, "--config", str(self.profile), "--profile", "fake", *arguments]

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "PYTHONPATH": self.python_path,
        }

    def run(self, *arguments: str) -> Outcome:
        """Run the client to its end."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.directory,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PROCESS_LIMIT,
            check=False,
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    def __call__(self, *arguments: str) -> str:
        """Run the client, which must succeed without errors; returns its output."""
        outcome = self.run(*arguments)
        assert (outcome.status, outcome.errors) == (0, ""), outcome
        return outcome.output

    def build(self, package: str, revision: str, *options: str) -> int:
        """Build and wait; returns the id of the task."""
        output = self("build", "--wait", *options, "demo", SOURCE.format(package, revision))
        assert output.rstrip().endswith("completed successfully"), output
        return created_task(output)


def created_task(output: str) -> int:
    """Return the id of the task that the client created."""
    line = next(line for line in output.splitlines() if line.startswith("Created task"))
    return int(line.removeprefix("Created task").strip(": "))


def _ready(process: subprocess.Popen[str]) -> str:
    """Read the line that says that the hub is ready."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        assert selector.select(PROCESS_LIMIT), "the hub did not start in time"
    return process.stdout.readline()


@pytest.fixture(scope="package")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Run an embedded hub; gives the koji.conf that it wrote."""
    directory = tmp_path_factory.mktemp("hub")
    path = directory / "koji.conf"
    log = directory / "hub.log"
    command = [sys.executable, "-m", "txkoji.testing", "--port", "0"]
    command += ["--build-seconds", str(BUILD_SECONDS), "--profile-out", str(path)]
    with log.open("w") as errors:
        process = subprocess.Popen(
            command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    try:
        line = _ready(process)
        assert line.startswith("ready https://127.0.0.1:"), (line, log.read_text())
        yield path
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=PROCESS_LIMIT)
    assert process.returncode == 0
    assert log.read_text() == ""


@pytest.fixture
def koji(profile: Path, tmp_path: Path) -> OfficialClient:
    """Koji's client, with an empty home and a directory of its own."""
    home, directory = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    directory.mkdir()
    return OfficialClient(profile, home, directory)


@pytest.fixture
def koji_with_rpm(koji: OfficialClient) -> OfficialClient:
    """Koji's client, run by the system's Python, which alone can have rpm's bindings."""
    probe = subprocess.run([SYSTEM_PYTHON, "-c", "import rpm"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("Koji's client checks RPMs with rpm's bindings: apt-get install python3-rpm")
    site_packages = importlib.util.find_spec("koji")
    assert site_packages is not None
    assert site_packages.origin is not None
    koji.interpreter = [SYSTEM_PYTHON]
    koji.python_path = str(Path(site_packages.origin).parents[1])
    return koji
