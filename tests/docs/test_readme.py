"""What the README shows works as it stands there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import pytest_twisted
from buildbot.config.errors import capture_config_errors
from twisted.internet.threads import deferToThread

from tests.support import PROCESS_LIMIT, until
from txkoji import build_states
from txkoji.testing import FakeHub

pytestmark = pytest.mark.hub(build_seconds=0.1)

REPOSITORY = Path(__file__).parents[2]
README = (REPOSITORY / "README.rst").read_text(encoding="utf-8")


def code(begin: str) -> str:
    """Return the README's block of code that begins with these words."""
    blocks = re.findall(r"::\n\n((?:(?:    .*)?\n)+)", README)
    [found] = [block for block in map(textwrap.dedent, blocks) if block.startswith(begin)]
    return str(found)


@pytest.fixture
def hub(hub: FakeHub, empty_home: Path) -> FakeHub:
    """Give a hub that the profile ``koji`` names."""
    (empty_home / ".koji").mkdir()
    (empty_home / ".koji" / "config").write_text(hub.profile_text("koji"), encoding="utf-8")
    return hub


@pytest.mark.parametrize("plugins", ["steps", "changes"])
def test_master_configuration(plugins: str) -> None:
    """Each piece of a master.cfg is accepted."""
    with capture_config_errors() as errors:
        exec(code(f"from buildbot.plugins import {plugins}"), {"c": {}})
    assert list(errors.errors) == []


@pytest_twisted.ensureDeferred
async def test_client(hub: FakeHub) -> None:
    """The program prints a package's builds."""
    task_id = hub.call("build", "git+https://git.example.test/rpms/hello.git#7", "demo")
    await until(lambda: hub.call("listBuilds", taskID=task_id, state=build_states.COMPLETE))
    program = code("from txkoji import")
    done = await deferToThread(
        subprocess.run,
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ},
        timeout=PROCESS_LIMIT,
    )
    assert done.stderr == ""
    [line] = done.stdout.splitlines()
    assert re.fullmatch(rf"hello-1\.0-7 \S+ \S+ {hub.weburl}/buildinfo\?buildID=\d+", line)


@pytest.mark.parametrize("name", sorted(set(re.findall(r"``make (\w+)", README))))
def test_commands(name: str) -> None:
    """Each make target that is named is there."""
    assert f"\n{name}:" in (REPOSITORY / "Makefile").read_text()


def test_files_that_are_named() -> None:
    """Each file that is named is there."""
    names = set(re.findall(r"``((?:docs/)?[\w.]+\.(?:rst|cfg))``", README))
    assert {name for name in names if not (REPOSITORY / name).exists()} == {"master.cfg"}
