"""How long builds take on average, asked for seldom."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import HubInMemory
from txkoji.exceptions import ServerOffline
from txkoji.task_info import TaskInfo
from txkoji.watching.durations import AverageDurations, package_with_average

HOUR = 3600.0
SOURCE = "git+https://git.example.test/rpms/{}.git#1"


def build(package: str, method: str = "build") -> TaskInfo:
    return TaskInfo(id=1, method=method, request=[SOURCE.format(package), "demo", {}])


def result(deferred: Any) -> Any:
    found: list[Any] = []
    deferred.addBoth(found.append)
    [value] = found
    return value


@pytest.fixture
def site() -> Any:
    site = HubInMemory(build_seconds=100)
    site.hub.call("build", SOURCE.format("hello"), "demo")
    site.pass_time(120)
    yield site
    site.hub.builder.stop()


def learn(site: HubInMemory, durations: AverageDurations, packages: list[str]) -> int:
    learning = durations.learn(packages)
    site.answer()
    number: int = result(learning)
    return number


def test_asked_once(site: HubInMemory) -> None:
    """A package is asked about once, however many tasks build it; one without builds, too."""
    durations = AverageDurations(site.koji.client, site.clock)
    packages = ["hello", "world", "hello"]
    assert durations.known("hello") is None
    before = site.hub.requests
    assert learn(site, durations, packages) == 2
    average = durations.known("hello")
    assert isinstance(average, float)
    assert 50 < average < 120
    assert durations.known("world") is None
    assert learn(site, durations, packages) == 0
    assert site.hub.requests - before == 1


def test_asked_again_after_hours(site: HubInMemory) -> None:
    """What a package's builds take changes: it is asked for again, and known meanwhile."""
    durations = AverageDurations(site.koji.client, site.clock, time_to_live=HOUR)
    learn(site, durations, ["hello"])
    site.pass_time(HOUR - 1, step=HOUR - 1)
    assert learn(site, durations, ["hello"]) == 0
    site.pass_time(1)
    assert durations.known("hello") is not None
    assert learn(site, durations, ["hello"]) == 1


def test_few_at_once(site: HubInMemory) -> None:
    """Of many packages few are asked about at a time, the first ones first."""
    durations = AverageDurations(site.koji.client, site.clock)
    packages = [f"package{number}" for number in range(60)]
    before = site.hub.requests
    assert learn(site, durations, packages) == durations.AT_ONCE == 50
    assert site.hub.requests - before == 1
    assert learn(site, durations, packages) == 10
    assert learn(site, durations, packages) == 0


@pytest.mark.parametrize("method", ["newRepo", "tagBuild", "buildArch", "runroot", "chainbuild"])
def test_tasks_without_average(method: str) -> None:
    """Averages of builds say nothing of a task that makes no build, or only a part of one."""
    assert package_with_average(build("hello", method)) is None
    assert package_with_average(build("hello")) == "hello"


def test_offline_hub(site: HubInMemory) -> None:
    """An unreachable hub is not taken for one that knows nothing."""
    durations = AverageDurations(site.koji.client, site.clock)
    site.hub.offline()
    learning = durations.learn(["hello"])
    site.pass_time(200)
    assert result(learning).check(ServerOffline)
    site.hub.online()
    assert learn(site, durations, ["hello"]) == 1
    assert durations.known("hello") is not None
