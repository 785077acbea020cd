"""A master in this process, for the tests of a module, and a hub for each test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_twisted

from tests.buildbot_koji.workbench import Workbench


@pytest_twisted.async_yield_fixture(scope="module")
async def shared_workbench(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Workbench]:
    """The master, which the tests of a module share."""
    workbench = Workbench(tmp_path_factory.mktemp("master"))
    await workbench.start()
    yield workbench
    await workbench.stop()


@pytest_twisted.async_yield_fixture
async def bench(shared_workbench: Workbench, empty_home: Path) -> AsyncIterator[Workbench]:
    """The master, with a hub that only this test has."""
    await shared_workbench.use_hub(empty_home)
    yield shared_workbench
    await shared_workbench.leave_hub()
