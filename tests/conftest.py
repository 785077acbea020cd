"""What every test gets: a time limit, an empty home, no leaked errors, and in CI no skips."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.support import compiled, ends, garbage, hubs, limits
from tests.support.brokers import RabbitMQ
from tests.support.kdc import KDC
from tests.support.secret_net import SecretNet

# What an earlier test's hub gave may be said by a later test.
NET = SecretNet()

LONGEST_ID = 60
"""Characters of a parameter that are seen in the id of a test."""

# How long an example takes says more of the machine than of the code.
hypothesis.settings.register_profile("any machine", deadline=None)
hypothesis.settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    """Give every test a time limit, and a hub if it asks for one."""
    config.pluginmanager.register(compiled)
    config.pluginmanager.register(limits)
    config.pluginmanager.register(hubs)
    config.pluginmanager.register(ends)
    config.pluginmanager.register(garbage)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Name a parameter that is a long text by its start: each process sends its ids to the first.

    Returns:
        None where the value may be named by all of itself.
    """
    if isinstance(val, str | bytes) and len(val) > LONGEST_ID:
        return f"{val[:LONGEST_ID]!a}..."
    return None


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say it when skips are about to fail the run."""
    if os.environ.get("CI") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("a test was skipped: in CI that is a failure", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a CI run in which a test was skipped: what CI does not run is not proved."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    coverage = sys.modules.get("coverage")
    measured = None if coverage is None else coverage.Coverage.current()
    if measured is not None:
        # xdist kills a process that takes more than ten seconds to end, and what it has measured.
        measured.save()


@pytest.fixture(autouse=True)
def empty_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test its own home, so that no real ~/.koji is read or written."""
    # A numbered directory of pytest's looks through all those before it.
    homes = tmp_path_factory.getbasetemp() / "homes"
    homes.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(dir=homes))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    return home


def is_announcement(event: LogEvent) -> bool:
    """Return whether the failure of a dropped Deferred follows, as an event of its own."""
    return event.get("log_namespace") == "twisted.internet.defer" and "log_failure" not in event


def is_race_of_sqlalchemy(event: LogEvent) -> bool:
    """Tell whether two threads opened the first connections of a pool at the same moment.

    SQLAlchemy 2.0 changes the list of a pool's listeners under the one that comes second; Buildbot
    logs that, and asks again.
    """
    failure = event.get("log_failure") or event.get("failure")
    return failure is not None and "deque mutated during iteration" in str(failure.value)


@pytest.fixture(autouse=True)
def logged_failures() -> Iterator[list[LogEvent]]:
    """Fail a test that leaves an error in Twisted's log, a dropped Failure among them.

    A test that provokes one takes this fixture, looks at the events and clears the list.
    """
    events: list[LogEvent] = []

    def observe(event: LogEvent) -> None:
        failed = event.get("log_failure") is not None or event.get("isError")
        if failed and not is_announcement(event) and not is_race_of_sqlalchemy(event):
            events.append(event)

    globalLogPublisher.addObserver(observe)
    yield events
    garbage.collect()
    globalLogPublisher.removeObserver(observe)
    assert not events, [event.get("log_failure") or event for event in events]


@pytest.fixture(autouse=True)
def secret_net(request: pytest.FixtureRequest) -> Iterator[SecretNet]:
    """Fail a test in which something secret is seen."""
    written = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    with NET.spread():
        yield NET
    NET.look_at_reprs()
    if written is not None:
        NET.look_into(written)
    leaks = NET.leaks()
    NET.forget()
    assert not leaks, leaks[:10]


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Collect the lines that are logged."""
    lines: list[str] = []

    def observe(event: LogEvent) -> None:
        lines.append(formatEvent(event))

    globalLogPublisher.addObserver(observe)
    yield lines
    globalLogPublisher.removeObserver(observe)


@pytest.fixture(scope="module")
def kdc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KDC]:
    """Give a Kerberos KDC, which the environment names."""
    kdc = KDC(tmp_path_factory.mktemp("kdc"))
    try:
        kdc.start()
        with pytest.MonkeyPatch.context() as environment:
            environment.setenv("KRB5_CONFIG", str(kdc.configuration))
            yield kdc
    finally:
        kdc.stop()


@pytest.fixture(scope="session")
def shared_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    """Give the RabbitMQ broker of this run."""
    broker = RabbitMQ(tmp_path_factory.mktemp("broker"))
    broker.make()
    try:
        broker.start()
        yield broker
    finally:
        broker.stop()


@pytest.fixture
def broker(shared_broker: RabbitMQ) -> RabbitMQ:
    """Give the RabbitMQ broker of this run, which answers whatever a failed test did to it."""
    shared_broker.mend()
    return shared_broker
