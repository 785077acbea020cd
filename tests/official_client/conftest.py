"""Koji's own client and an embedded hub, each in a process of its own.

Nothing of ours has a part in what the client does, and the hub is ``python -m txkoji.testing`` with
the koji.conf that it writes, unchanged.
"""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support import PROCESS_LIMIT, forks

CLIENT = Path(sys.executable).with_name("koji")
CLIENT_IMPORTS = ("koji", "koji.plugin", "koji_cli.commands")
"""To import them takes twice as long as all else that the client does."""

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
    interpreter: str = ""
    python_path: str = ""

    def run(self, *arguments: str) -> Outcome:
        """Run the client to its end, with nothing of this process's environment."""
        arguments = ("--config", str(self.profile), "--profile", "fake", *arguments)
        path = {"PATH": os.environ["PATH"], "PYTHONPATH": self.python_path}
        options: dict[str, Any] = {
            "cwd": self.directory,
            "env": {**path, "HOME": str(self.home), "LANG": "C.UTF-8"},
            "timeout": PROCESS_LIMIT,
        }
        if not self.interpreter:
            done = forks.run(CLIENT, *arguments, imports=CLIENT_IMPORTS, **options)
        else:
            done = subprocess.run(
                [self.interpreter, CLIENT, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                **options,
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


@contextmanager
def running(module: str, *arguments: str, directory: Path) -> Iterator[str]:
    """Run a module that serves a hub; gives the line that says that it is ready."""
    log = directory / "hub.log"
    with log.open("w") as errors:
        process = forks.start(module, *arguments, stderr=errors)
    assert process.stdout is not None
    with process.stdout:
        try:
            assert select.select([process.stdout], [], [], PROCESS_LIMIT)[0], "not ready in time"
            yield process.stdout.readline().decode()
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(PROCESS_LIMIT)
    assert (status, log.read_text()) == (0, "")


@contextmanager
def running_hub(directory: Path) -> Iterator[Path]:
    """Run an embedded hub; gives the koji.conf that it wrote."""
    path = directory / "koji.conf"
    options = ["--port", "0", "--build-seconds", str(BUILD_SECONDS), "--profile-out", str(path)]
    with running("txkoji.testing", *options, directory=directory) as line:
        assert line.startswith("ready https://127.0.0.1:"), line
        yield path


@pytest.fixture(scope="package")
def hub_with_build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, int]]:
    """A hub that tests only read, and the id of the task that built hello-1.0-built."""
    directory = tmp_path_factory.mktemp("built")
    with running_hub(directory) as path:
        yield path, OfficialClient(path, directory, directory).build("hello", "built")


@pytest.fixture
def built(hub_with_build: tuple[Path, int]) -> int:
    """The id of the task that built hello-1.0-built."""
    return hub_with_build[1]


@pytest.fixture
def profile(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The koji.conf of the test's own hub, or of the one with what was ``built``."""
    if "built" in request.fixturenames:
        yield request.getfixturevalue("hub_with_build")[0]
        return
    with running_hub(tmp_path_factory.mktemp("hub")) as path:
        yield path


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
    koji.interpreter = SYSTEM_PYTHON
    koji.python_path = str(Path(site_packages.origin).parents[1])
    return koji
