"""The hub that the contract is checked against: the embedded one, or a real one.

``KOJI_TEST_PROFILE`` names the profile of a real hub; then only tests that read run. The others run
too where ``KOJI_TEST_TARGET``, ``KOJI_TEST_SCM`` (an SCM URL with ``{package}`` and ``{ref}``) and
``KOJI_TEST_PACKAGE`` say what may be built there; ``KOJI_TEST_REF`` is ``main`` where not given.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred

from tests.support import apache
from tests.support.apache import Apache
from txkoji import Connection, Profile, TaskTree, TaskWatcher, build_states, profiles, task_states
from txkoji.testing import FakeHub

NAME = os.environ.get("KOJI_TEST_PROFILE")
# Read before the tests get a home of their own.
PROFILE = profiles.load(NAME) if NAME else None
BUILD_VARIABLES = ("KOJI_TEST_TARGET", "KOJI_TEST_SCM", "KOJI_TEST_PACKAGE")
MAY_WRITE = PROFILE is None or all(os.environ.get(name) for name in BUILD_VARIABLES)
REAL_LIMIT = 3 * 3600.0
"""Seconds that a test may take on a real hub, which builds in its own time."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark of the tests that write."""
    config.addinivalue_line("markers", "writes: changes things on the hub")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Give a real hub more time; leave out the tests that write, where that is not allowed."""
    if PROFILE is None:
        return
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    for item in here:
        item.add_marker(pytest.mark.limit(REAL_LIMIT))
    if MAY_WRITE:
        return
    writing = [item for item in here if item.get_closest_marker("writes")]
    config.hook.pytest_deselected(items=writing)
    items[:] = [item for item in items if item not in writing]


def some(found: list[Any]) -> list[Any]:
    """Return what a hub has, which is not nothing; a test of what a real one lacks is skipped."""
    if PROFILE is not None and not found:
        pytest.skip("this hub has none")
    assert found
    return found


@dataclass
class Subject:
    """The hub as a test sees it: no test can tell which one it is.

    Attributes:
        koji: a connection, not logged in.
        target: a build target that may be used.
        scm: where packages are built from, with ``{package}`` and ``{ref}``.
        package: a package that may be built.
        ref: the revision to build.
        poll_interval: seconds between two polls of a task.
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

    def again(self) -> Subject:
        """Return the same hub with a connection of its own."""
        koji = Connection(self.koji.settings, reactor=reactor)
        return Subject(koji, self.target, self.scm, self.package, self.ref, self.poll_interval)

    async def build(self, **opts: Any) -> int:
        """Submit a scratch build of the package; returns the id of its task."""
        options = {"scratch": True, **opts}
        return int(await self.koji.submit("build", self.source, self.target, options))

    async def ended(
        self, task_id: int, changed: Callable[[TaskTree], None] | None = None
    ) -> TaskTree:
        """Wait for the end of a task, and tell of its changes."""
        watch = TaskWatcher(self.koji, reactor, interval=self.poll_interval).watch(task_id)
        if changed is not None:
            watch.on_change(changed)
        tree: TaskTree = await watch.done
        return tree

    async def until_open(self, task_id: int) -> None:
        """Wait until a task has a child, or is over."""
        # More often than elsewhere: on a fast hub what is waited for soon is past.
        watcher = TaskWatcher(self.koji, reactor, interval=self.poll_interval / 10)
        begun: Deferred[None] = Deferred()

        def changed(tree: TaskTree) -> None:
            if (tree.children or tree.is_final) and not begun.called:
                begun.callback(None)

        watch = watcher.watch(task_id)
        watch.on_change(changed)
        await begun
        watch.stop()


@dataclass
class FinishedBuild:
    """A scratch build that was watched from its submission to its end.

    Attributes:
        tree: its tasks, at the end.
        states: the states that its first task was seen in, in order.
    """

    tree: TaskTree
    states: list[int]

    def tasks(self, method: str) -> list[Any]:
        """Return the tasks of a method below the first."""
        return [task for task in self.tree.descendents() if task.method == method]


async def _embedded(directory: Path, front: Apache | None) -> tuple[FakeHub, Subject]:
    """Start an embedded hub that does TLS itself, or that stands behind a web server."""
    hub = FakeHub(reactor, build_seconds=0.3, tls=front is None)
    hub.add_demo_content()
    await hub.start()
    path = directory / "koji.conf"
    path.write_text(hub.profile_text(user="kojiadmin"), encoding="utf-8")
    profile = profiles.load("fake", config=path)
    if front is not None:
        hub.trusts_front_end = True
        front.hub = hub.url.removesuffix("/kojihub")
        front.server = hub.authority.server("127.0.0.1")
        front.authority = hub.authority.certificate_path
        front.start()
        profile = replace(
            profile,
            server=f"{front.url}/kojihub",
            topurl=f"{front.url}/kojifiles",
            authtype="ssl",
            cert=str(hub.certificate("kojiadmin")),
            serverca=str(hub.authority.certificate_path),
        )
    koji = Connection(profile, reactor=reactor)
    scm = "git+https://git.example.test/rpms/{package}.git#{ref}"
    return hub, Subject(koji, "demo", scm, "hello", "main", 0.1)


async def _fill(hub: FakeHub, found: Subject) -> None:
    """Put in what the tests look for: a real hub has it, the embedded one is empty."""
    hub.add_tag("without-packages")
    failing = found.scm.format(package="failarch", ref="1")
    built = hub.call("build", found.source, found.target)
    failed = hub.call("build", failing, found.target, {"scratch": True})
    canceled = hub.call("build", found.source, found.target, {"scratch": True})
    hub.call("cancelTask", canceled)
    for task_id, state in (
        (built, task_states.CLOSED),
        (failed, task_states.FAILED),
        (canceled, task_states.CANCELED),
    ):
        assert (await found.ended(task_id)).root.state == state
    assert hub.call("listBuilds", taskID=built)[0]["state"] == build_states.COMPLETE


def _real(profile: Profile) -> Subject:
    return Subject(
        Connection(profile, reactor=reactor),
        os.environ.get("KOJI_TEST_TARGET", ""),
        os.environ.get("KOJI_TEST_SCM", ""),
        os.environ.get("KOJI_TEST_PACKAGE", ""),
        os.environ.get("KOJI_TEST_REF", "main"),
        profile.poll_interval,
    )


@pytest_twisted.async_yield_fixture(
    scope="module", params=["real hub"] if PROFILE else ["embedded hub", "behind Apache"]
)
async def tested_hub(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Subject]:
    """The hub, which the tests of a module share, as they would a real one.

    The embedded one runs twice: with TLS of its own, and behind a real Apache httpd with the
    configuration that Koji documents.
    """
    if PROFILE is not None:
        real = _real(PROFILE)
        yield real
        await real.koji.close()
        return
    front = None
    if request.param == "behind Apache":
        if not apache.is_there():
            pytest.skip(apache.HOW_TO_INSTALL)
        unset = Path("/dev/null")
        front = Apache(tmp_path_factory.mktemp("apache"), "", unset, unset)
    hub, found = await _embedded(tmp_path_factory.mktemp("contract"), front)
    await _fill(hub, found)
    await found.koji.close()
    yield found
    await found.koji.close()
    if front is not None:
        front.stop()
    await hub.stop()


@pytest_twisted.async_yield_fixture
async def subject(tested_hub: Subject) -> AsyncIterator[Subject]:
    """The hub, over the test's own connection, not logged in."""
    mine = tested_hub.again()
    yield mine
    await mine.koji.close()


@pytest.fixture
def koji(subject: Subject) -> Connection:
    """A connection, not logged in."""
    return subject.koji


@pytest_twisted.async_fixture
async def writer(subject: Subject) -> Subject:
    """The hub, with the profile's user logged in."""
    await subject.koji.login()
    return subject


@pytest_twisted.async_yield_fixture(scope="module")
async def finished(tested_hub: Subject) -> AsyncIterator[FinishedBuild]:
    """A scratch build that has ended: one, because a real hub takes its time for each."""
    mine = tested_hub.again()
    await mine.koji.login()
    states: list[int] = []
    task_id = await mine.build()
    tree = await mine.ended(task_id, lambda tree: states.append(tree.root.state))
    await mine.koji.logout()
    await mine.koji.close()
    yield FinishedBuild(tree, states)
