"""Each example runs against an embedded hub and prints what it is for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.support import PROCESS_LIMIT, until
from txkoji import task_states
from txkoji.testing import FakeHub

pytestmark = pytest.mark.hub(build_seconds=0.1)

EXAMPLES = Path(__file__).parents[2] / "examples"
SOURCE = "git+https://git.example.test/rpms/hello.git#{}"


@pytest_twisted.async_fixture
async def hub(hub: FakeHub, empty_home: Path) -> FakeHub:
    """Give a hub that the profile ``koji`` names, with a build and a running task."""
    text = hub.profile_text("koji").replace("noauth", "password")
    (empty_home / ".koji").mkdir()
    (empty_home / ".koji" / "config").write_text(
        f"{text}user = alice\npassword = alice\n", encoding="utf-8"
    )
    task_id = hub.call("build", SOURCE.format(1), "demo")
    await until(lambda: hub.call("getTaskInfo", task_id)["state"] == task_states.CLOSED)
    hub.builder.seconds = 3600
    return hub


async def run(name: str, *arguments: str) -> str:
    """Run an example; returns what it prints."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments]
    done: Any = await deferToThread(
        subprocess.run,
        command,
        capture_output=True,
        text=True,
        env={**os.environ},
        timeout=PROCESS_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return str(done.stdout)


CASES: dict[str, tuple[list[str], str]] = {
    "latest_builds.py": (["demo-candidate"], r"hello-1\.0-1  \d+-\d+-\d+ .*  kojiadmin  http.*\n"),
    "durations.py": (["hello", "world"], r"hello: 0:00:0\S+\nworld: never built\n"),
    "from_web.py": (["{web}/buildinfo?buildID=1"], r"(?s).*nvr: hello-1\.0-1\n.*"),
    "log_in.py": ([], r"alice on http://\S+, session \d+\n"),
    "channel_load.py": (["default"], r"default: load \S+ of 2, 0 tasks wait\n"),
    "asyncio_program.py": (["demo-candidate"], r"hello-1\.0-1\n(\S+\n)+"),
    "names.py": ([], r"hello-1\.0-1: kojiadmin\n"),
    "estimate.py": (["{task}"], r"build hello: \w+, (done about|the hub has no estimate).*\n"),
    "watch.py": (
        ["{ended}"],
        r"(  \d+ \w+( \w+)?: CLOSED\n)+\d+ CLOSED: hello-1\.0-1, in demo-candidate\n",
    ),
    "fetch.py": (["hello-1.0-1", "{directory}", "src"], r"\S+/hello-1\.0-1\.src\.rpm\n"),
}


def test_every_example_has_a_case() -> None:
    """No example is without a test."""
    assert sorted([*CASES, "follow.py"]) == sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", sorted(CASES))
@pytest_twisted.ensureDeferred
async def test_example(hub: FakeHub, tmp_path: Path, name: str) -> None:
    """It prints what its first line says."""
    arguments, pattern = CASES[name]
    filled: dict[str, Callable[[], Any]] = {
        "web": lambda: hub.weburl,
        "task": lambda: hub.call("build", SOURCE.format(2), "demo", {"scratch": True}),
        "ended": lambda: hub.state.rows("task", method="build")[0]["id"],
        "directory": lambda: tmp_path / "fetched",
    }
    values = {key: make() for key, make in filled.items() if f"{{{key}}}" in "".join(arguments)}
    output = await run(name, *[argument.format(**values) for argument in arguments])
    assert re.fullmatch(pattern, output), output


@pytest_twisted.ensureDeferred
async def test_mistakes_of_a_user(hub: FakeHub, tmp_path: Path) -> None:
    """What a user can get wrong is one line."""
    for name, arguments, words in [
        ("log_in.py", ["nope"], "no Koji profile 'nope' in "),
        ("latest_builds.py", ["nope"], "getLatestBuilds: No such entry in table tag: nope"),
        ("watch.py", ["4711"], "the hub has no task 4711"),
        ("follow.py", [str(tmp_path / "state.json"), "nope"], "getTag: No such tagInfo: 'nope'"),
    ]:
        command = [sys.executable, str(EXAMPLES / name), *arguments]
        done: Any = await deferToThread(
            subprocess.run, command, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1
        assert done.stderr.startswith(words)
        assert done.stderr.count("\n") == 1


@pytest_twisted.ensureDeferred
async def test_follow(hub: FakeHub, tmp_path: Path) -> None:
    """``follow.py`` never ends: it prints what is tagged, each event once over a restart."""
    arguments = [str(tmp_path / "state.json"), "demo-candidate"]

    def first_line() -> str:
        command = [sys.executable, "-W", "error", str(EXAMPLES / "follow.py"), *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
            assert program.stdout is not None
            line = program.stdout.readline()
            # The state is stored right after the line.
            while not Path(arguments[0]).exists() and program.poll() is None:
                time.sleep(0.01)
            program.terminate()
        return line

    assert await deferToThread(first_line) == "tagged hello-1.0-1 demo-candidate\n"
    hub.call("untagBuildBypass", "demo-candidate", "hello-1.0-1")
    assert await deferToThread(first_line) == "untagged hello-1.0-1 demo-candidate\n"
