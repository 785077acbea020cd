"""The time limit of every asynchronous test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import PROCESS_LIMIT, REPOSITORY

IMPORTS = """
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
"""
TEST = """
@pytest.mark.limit(0.2)
@pytest_twisted.ensureDeferred
async def test_it():
    await Deferred()
"""
STUBBORN = """
@pytest.mark.limit(0.2)
@pytest_twisted.ensureDeferred
async def test_it():
    try:
        await Deferred()
    except CancelledError:
        pass
    await deferLater(reactor, 0.1)
"""
SET_UP = """
@pytest_twisted.async_yield_fixture
async def thing():
    await Deferred()
    yield

@pytest.mark.limit(0.2)
def test_it(thing):
    pass
"""
TEAR_DOWN = """
@pytest_twisted.async_yield_fixture
async def thing():
    yield
    await Deferred()

@pytest.mark.limit(0.2)
def test_it(thing):
    pass
"""
WAITING = ", waiting at test_late.py:{}: await Deferred()"


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        (TEST, WAITING.format(11)),
        (STUBBORN, ", and ignores its cancellation"),
        (SET_UP, WAITING.format(10)),
        (TEAR_DOWN, WAITING.format(11)),
    ],
    ids=["test", "stubborn", "set-up", "tear-down"],
)
def test_too_long(tmp_path: Path, text: str, rest: str) -> None:
    """A test, a set-up or a tear-down that never ends fails, and says where it waited."""
    path = tmp_path / "test_late.py"
    path.write_text(IMPORTS + text, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    command = [sys.executable, "-m", "pytest", "-p", "tests.support.limits", str(path)]
    run = subprocess.run(
        [*command, "-p", "no:cacheprovider"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PROCESS_LIMIT,
        check=False,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    assert f"TimeoutError: test_late.py::test_it takes more than 0.2 s{rest}" in run.stdout
