"""What docs/changes.rst shows works as it stands there, in a real master with an embedded hub."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.config.errors import capture_config_errors
from buildbot.process import results
from twisted.internet import reactor

from buildbot_koji.changes.mapping import change_of
from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.properties import CHANGE_SOURCE, EVENT_KEY
from tests.buildbot_koji.inprocess import Master, Site, koji
from tests.support import do_not_retry
from tests.support.ends import AtEnd
from txkoji.history import events
from txkoji.testing import FakeHub

# Buildbot is older than the Twisted and alembic that it runs on.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

TEXT = (Path(__file__).parents[2] / "docs" / "changes.rst").read_text(encoding="utf-8")
GIVEN = {"PROFILE": "fake", "BUILD_TAG": "demo-build", "TARGET": "demo"}


def example(name: str) -> dict[str, Any]:
    """Return the part of a master's configuration that an example makes."""
    block = re.search(rf"   :name: {name}\n\n((?:(?:    .*)?\n)+)", TEXT)
    assert block is not None
    made: dict[str, Any] = {}
    with capture_config_errors() as errors:
        exec(textwrap.dedent(block[1]), {**GIVEN, "c": made})
    assert list(errors.errors) == []
    for each in made["workers"]:
        each.missing_timeout = 0
    return made


@pytest_twisted.async_fixture
async def site(tmp_path: Path, empty_home: Path, at_end: AtEnd) -> Site:
    hub = FakeHub(reactor, build_seconds=0.5, anonymous_user="kojiadmin")
    site = Site(hub, tmp_path)
    at_end(site.close)
    await site.open(empty_home)
    return site


async def run(site: Site, name: str, *sources: Any) -> Master:
    """Run a master with an example's configuration."""
    made = example(name)
    sources = (*made.pop("change_source", ()), *sources)
    return await site.listen(*sources, **made)


async def builds(master: Master, count: int) -> list[dict[str, Any]]:
    """Wait until so many builds are over; returns them, with their properties' values."""

    async def over() -> bool:
        found = await master.master.data.get(("builds",))
        return len(found) >= count and all(build["complete"] for build in found)

    await master.until_stored(over)
    found = await master.master.data.get(("builds",))
    assert len(found) == count
    for build in found:
        properties = await master.master.data.get(("builds", build["buildid"], "properties"))
        build["values"] = {name: value for name, (value, _) in properties.items()}
    return list(found)


@pytest_twisted.ensureDeferred
async def test_candidates(site: Site) -> None:
    """Each build that is tagged into a candidate tag is tested, each by itself."""
    master = await run(site, "candidate")
    made = [site.build() for _ in range(3)]
    await site.polled()
    found = await builds(master, 3)
    assert sorted(build["values"]["koji_nvr"] for build in found) == sorted(made)
    assert {build["results"] for build in found} == {results.SUCCESS}
    steps = await master.master.data.get(("builds", found[0]["buildid"], "steps"))
    [log] = await master.master.data.get(("steps", steps[-1]["stepid"], "logs"))
    text = await master.master.data.get(("logs", log["logid"], "contents"))
    assert f"testing {found[0]['values']['koji_nvr']}" in text["content"]


@pytest_twisted.ensureDeferred
async def test_dependants(site: Site) -> None:
    """When a repo is done, its dependants are built with it."""
    master = await run(site, "dependants")
    repo = site.hub.add_repo("demo-build")
    await site.polled()
    found = await builds(master, 2)
    assert {build["results"] for build in found} == {results.SUCCESS}
    tasks = site.hub.call("listTasks", {"method": "build", "decode": True})
    assert {task["request"][0].rpartition("/")[2] for task in tasks} == {
        "hello.git#main",
        "world.git#main",
    }
    for task in tasks:
        assert task["request"][2]["repo_id"] == repo
        assert task["request"][2]["scratch"]


@pytest_twisted.ensureDeferred
async def test_pause(site: Site) -> None:
    """The button pauses the source, and resumes it."""
    master = await run(site, "pause", koji(name="koji"))
    [builder] = await master.master.data.get(("builders",))

    async def press(*, paused: bool) -> str:
        count = len(await master.master.data.get(("builds",)))
        await master.master.data.control(
            "force",
            {"builderid": builder["builderid"], "paused": paused},
            ("forceschedulers", "pause-koji"),
        )
        [*_, build] = await builds(master, count + 1)
        assert build["results"] == results.SUCCESS, build["state_string"]
        return str(build["state_string"])

    words = "build successful koji is paused"
    assert await press(paused=True) == words
    site.build()
    await site.polled()
    assert await master.changes() == []
    assert await press(paused=False) == "build successful koji resumes"
    await master.until_changes(1)


@pytest_twisted.ensureDeferred
async def test_health(site: Site) -> None:
    """A silent hub makes a build fail, and one that answers again makes it pass."""
    master = await run(site, "health", koji(stale_after=601))
    hub = await get_hub(master.master, "fake")
    do_not_retry(hub.connection)
    site.hub.offline()
    master.reactor.ahead += 700
    await site.polled()
    # One failure may be that of a master that was suspended.
    master.reactor.ahead += 61
    await site.polled()
    [stale] = await builds(master, 1)
    assert stale["results"] == results.FAILURE
    site.hub.online()
    await site.polled()
    [_, well] = await builds(master, 2)
    assert well["results"] == results.SUCCESS


def test_tables_are_complete() -> None:
    """Every event, and every property that a change can have, is in the tables."""
    assert [name for name in events.NAMES if f"\n``{name}`` " not in TEXT] == []
    source = Path(change_of.__code__.co_filename).read_text(encoding="utf-8")
    names = {*re.findall(r'"(koji_[a-z_]+)"', source), EVENT_KEY, CHANGE_SOURCE}
    assert len(names) >= 20
    assert {name for name in names if f"``{name}``" not in TEXT} == set()
