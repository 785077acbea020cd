"""The hub that the contract is checked against: the embedded one, or a real one.

``KOJI_TEST_PROFILE`` names the profile of a real hub; then only tests that read run. The others run
too where ``KOJI_TEST_TARGET``, ``KOJI_TEST_SCM`` (an SCM URL with ``{package}`` and ``{ref}``) and
``KOJI_TEST_PACKAGE`` say what may be built there; ``KOJI_TEST_REF`` is ``main`` where not given.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.support import limited
from txkoji import Connection, TaskWatcher, profiles
from txkoji.submission import new_marker, submit_build
from txkoji.testing import FakeHub
from txkoji.watcher import TaskTree

NAME = os.environ.get("KOJI_TEST_PROFILE")
# Read before the tests get a home of their own.
PROFILE = profiles.load(NAME) if NAME else None
BUILD_VARIABLES = ("KOJI_TEST_TARGET", "KOJI_TEST_SCM", "KOJI_TEST_PACKAGE")
MAY_WRITE = PROFILE is None or all(os.environ.get(name) for name in BUILD_VARIABLES)
BUILD_LIMIT = 60.0 if PROFILE is None else 3 * 3600.0


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of the tests that write."""
    config.addinivalue_line("markers", "writes: changes things on the hub")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that write, where that is not allowed."""
    if MAY_WRITE:
        return
    here = Path(__file__).parent
    writing = [
        item for item in items if here in item.path.parents and item.get_closest_marker("writes")
    ]
    config.hook.pytest_deselected(items=writing)
    items[:] = [item for item in items if item not in writing]


@dataclass
class Subject:
    """The hub as a test sees it: no test can tell which one it is.

    Attributes:
        koji: a connection, not logged in.
        target: a build target that may be used.
        package: a package that may be built.
        poll_interval: seconds between two looks at a task.
    """

    koji: Connection
    target: str
    scm: str
    package: str
    ref: str
    poll_interval: float

    @property
    def source(self) -> str:
        """Where the package is built from."""
        return self.scm.format(package=self.package, ref=self.ref)

    async def build(self, **opts: Any) -> int:
        """Submit a scratch build of the package; returns the id of its task."""
        options = {"scratch": True, **opts}
        return int(
            await submit_build(self.koji, self.source, self.target, options, marker=new_marker())
        )

    async def ended(self, task_id: int) -> TaskTree:
        """Wait for the end of a task."""
        watcher = TaskWatcher(self.koji, reactor, interval=self.poll_interval)
        tree: TaskTree = await watcher.watch(task_id).done.addTimeout(BUILD_LIMIT, reactor)
        return tree

    async def until_open(self, task_id: int) -> None:
        """Wait until a builder works on a task, or it is over."""
        watcher = TaskWatcher(self.koji, reactor, interval=self.poll_interval)
        begun: Deferred[None] = Deferred()

        def changed(tree: TaskTree) -> None:
            if tree.root.start_ts is not None and tree.children and not begun.called:
                begun.callback(None)

        watch = watcher.watch(task_id)
        watch.on_change(changed)
        await begun.addTimeout(BUILD_LIMIT, reactor)
        watch.stop()


async def _embedded(tmp_path: Path) -> tuple[FakeHub, Subject]:
    hub = FakeHub(reactor, build_seconds=0.3, tls=True)
    hub.add_demo_content()
    await hub.start()
    path = tmp_path / "koji.conf"
    path.write_text(hub.profile_text(user="kojiadmin"), encoding="utf-8")
    koji = Connection(profiles.load("fake", config=path), reactor=reactor)
    scm = "git+https://git.example.test/rpms/{package}.git#{ref}"
    return hub, Subject(koji, "demo", scm, "hello", "main", 0.05)


@pytest_twisted.async_yield_fixture
async def subject(tmp_path: Path) -> AsyncIterator[Subject]:
    """The hub, with nobody logged in."""
    if PROFILE is None:
        hub, found = await _embedded(tmp_path)
        # Something to read: a build that is there, and a task of each end.
        await found.koji.login()
        hub.call("build", found.source, "demo")
        hub.call("build", found.scm.format(package="failarch", ref="1"), "demo", {"scratch": True})
        await found.ended(1)
        await found.ended(2)
        await found.koji.close()
        found.koji = Connection(found.koji.settings, reactor=reactor)
        yield found
        await found.koji.close()
        await hub.stop()
        return
    koji = Connection(PROFILE, reactor=reactor)
    yield Subject(
        koji,
        os.environ.get("KOJI_TEST_TARGET", ""),
        os.environ.get("KOJI_TEST_SCM", ""),
        os.environ.get("KOJI_TEST_PACKAGE", ""),
        os.environ.get("KOJI_TEST_REF", "main"),
        PROFILE.poll_interval,
    )
    await koji.close()


@pytest.fixture
def koji(subject: Subject) -> Connection:
    """A connection, not logged in."""
    return subject.koji


@pytest_twisted.async_fixture
async def writer(subject: Subject) -> Subject:
    """The hub, with the profile's user logged in."""
    await limited(subject.koji.login())
    return subject
