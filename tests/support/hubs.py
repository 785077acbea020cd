"""A pytest plugin: a hub and connections to it, for each test its own.

``@pytest.mark.hub(**options)`` sets options of the :class:`FakeHub`; with ``on_clock`` the test
advances its time and nothing listens, with ``content=False`` it is empty, with ``carol`` a user of
that name, with these permissions, logs in. A module whose hub, profile or connections differ in
more overrides the fixture that says it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from tests.support.ends import AtEnd
from txkoji import Connection, Profile
from txkoji.testing import FakeHub
from txkoji.testing.tables.state import Row

NOW = 1_795_454_910
"""When a test's clock starts, in seconds since the epoch: a time of the recordings."""

CAROLS_PASSWORD = "correct-horse"

Connect = Callable[..., Connection]
"""Makes a connection; the arguments change its profile."""


class DeadlockDetected(Exception):
    """The database driver's: a hub names it so in the traceback that it answers with."""

    __module__ = "psycopg2.errors"


class _HeldBuilder:
    """The builder of one task, which stops at one of the task's pauses until a gate opens."""

    def __init__(self, builder: Any, pauses: int, gate: Deferred[None]) -> None:
        self._builder = builder
        self._left = pauses
        self._gate = gate

    def __getattr__(self, name: str) -> Any:
        return getattr(self._builder, name)

    async def sleep(self, share: float) -> None:
        """Pause as the builder does; at the chosen pause, wait for the gate first."""
        if self._left == 0:
            await self._gate
        self._left -= 1
        await self._builder.sleep(share)


def hold(hub: FakeHub, method: str, *, pauses: int | None = None) -> Callable[[], None]:
    """Keep the tasks of a method OPEN until they are released.

    Args:
        hub: the hub.
        method: the method, such as ``buildArch``.
        pauses: how often each pauses before; by default it is kept at its start. A ``buildArch``
            pauses before each line of its log but the first.

    Returns:
        What lets them continue, and all later ones.
    """
    handlers = hub.builder._handlers
    held: list[Deferred[None]] = []

    async def wait(builder: Any, task: Row) -> Any:
        gate: Deferred[None] = Deferred()
        held.append(gate)
        if pauses is None:
            await gate
        else:
            builder = _HeldBuilder(builder, pauses, gate)
        return await handlers[method](builder, task)

    def release() -> None:
        hub.builder._handlers = handlers
        for gate in held:
            if not gate.called:
                gate.callback(None)

    hub.builder._handlers = {**handlers, method: wait}
    return release


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", "hub(**options): the options of the test's hub")


@pytest.fixture
def clock() -> Clock:
    """Give a clock that the test advances."""
    clock = Clock()
    clock.advance(NOW)
    return clock


@pytest.fixture
def hub_options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Give the options of the test's hub."""
    options = {"build_seconds": 0.2, "anonymous_user": "kojiadmin"}
    # The mark nearest to the test comes first.
    for mark in reversed(list(request.node.iter_markers("hub"))):
        options.update(mark.kwargs)
    return options


@pytest_twisted.async_fixture
async def hub(hub_options: dict[str, Any], clock: Clock, at_end: AtEnd) -> FakeHub:
    """Give a hub that listens, with demonstration content, where anyone is ``kojiadmin``."""
    options = {"on_clock": False, "content": True, "carol": None, **hub_options}
    on_clock, has_content, carol = (options.pop(each) for each in ("on_clock", "content", "carol"))
    hub = FakeHub(clock if on_clock else reactor, **options)
    if has_content:
        hub.add_demo_content()
    if carol is not None:
        hub.add_user("carol", password=CAROLS_PASSWORD, permissions=carol)
    at_end(hub.stop)
    if not on_clock:
        await hub.start()
    return hub


@pytest.fixture
def profile(hub: FakeHub, hub_options: dict[str, Any]) -> Profile:
    """Give the profile of the test's connections."""
    login: dict[str, Any] = {}
    if "carol" in hub_options:
        login = {"authtype": "password", "user": "carol", "password": CAROLS_PASSWORD}
    return Profile(name="t", server=hub.url, weburl=hub.weburl, topurl=hub.topurl, **login)


@pytest.fixture
def connection_options() -> dict[str, Any]:
    """Give the options of the test's connections, besides their profile."""
    return {}


@pytest.fixture
def connect(profile: Profile, connection_options: dict[str, Any], at_end: AtEnd) -> Connect:
    """Give what makes connections, and close them after the test."""

    def make(**changes: Any) -> Connection:
        koji = Connection(replace(profile, **changes), reactor=reactor, **connection_options)
        at_end(koji.close)
        return koji

    return make


@pytest_twisted.async_fixture
async def koji(connect: Connect, hub_options: dict[str, Any]) -> Connection:
    """Give a connection, which is logged in if that is carol's."""
    koji = connect()
    if "carol" in hub_options:
        await koji.login()
    return koji


class WrongClock:
    """The clock of a hub that is ahead of another one, or behind it.

    Attributes:
        ahead: by how many seconds.
    """

    def __init__(self, clock: Any, ahead: float = 0.0) -> None:
        self._clock = clock
        self.ahead = ahead

    def __getattr__(self, name: str) -> Any:
        return getattr(self._clock, name)

    def seconds(self) -> float:
        """Return the time."""
        return float(self._clock.seconds()) + self.ahead
