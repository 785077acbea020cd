"""Masters in this process and their hubs, for each test that asks for them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.buildbot_koji.inprocess import Site
from tests.buildbot_koji.workbench import Workbench
from tests.support.ends import AtEnd
from txkoji.testing import FakeHub

HANDLED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""What a master handles, calling what handled it before: one that has ended would stay."""


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Undo what a master that starts changes in its process."""
    path, handlers = sys.path.copy(), {each: signal.getsignal(each) for each in HANDLED}
    yield
    sys.path[:] = path
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest_twisted.async_fixture
async def bench(
    tmp_path_factory: pytest.TempPathFactory, empty_home: Path, at_end: AtEnd
) -> Workbench:
    """A master and a hub that only this test has."""
    bench = Workbench(tmp_path_factory.mktemp("master"))
    at_end(bench.close)
    await bench.open(empty_home)
    return bench


@pytest_twisted.async_fixture
async def site(
    request: pytest.FixtureRequest, tmp_path: Path, empty_home: Path, at_end: AtEnd
) -> Site:
    """A hub, whose options the mark ``hub`` sets, and a directory for a master with sources."""
    mark = request.node.get_closest_marker("hub")
    site = Site(FakeHub(reactor, **{"build_seconds": 1, **(mark.kwargs if mark else {})}), tmp_path)
    at_end(site.close)
    await site.open(empty_home)
    return site
