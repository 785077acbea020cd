"""Builds are tagged by a master that is killed, whose replies are cut: each once."""

from __future__ import annotations

import os
import signal
from collections import Counter
from functools import partial
from pathlib import Path
from random import Random

import pytest
import pytest_twisted
from buildbot.process.results import SUCCESS
from twisted.internet import reactor

from tests.buildbot_koji.masters import MasterProcess
from tests.support import poll, until
from tests.support.ends import AtEnd
from tests.support.fault_proxy import Fate, FaultProxy
from txkoji.testing import FakeHub

CONFIG = """\
from buildbot.plugins import schedulers, steps, util, worker
from buildbot_koji.steps.framework.early_end import StepTiming
from txkoji import RetryPolicy

BYPASS = False

class MassTag(steps.KojiMassTag):
    timing = StepTiming(retry=RetryPolicy(first=0.2))
    part = 100

BuildmasterConfig = {
    "workers": [worker.LocalWorker("local")],
    "builders": [util.BuilderConfig(name="tag", workernames=["local"], factory=util.BuildFactory([
        MassTag("fake", from_tag="demo-candidate", to_tag="demo-released", bypass=BYPASS)]))],
    "schedulers": [schedulers.ForceScheduler(name="force", builderNames=["tag"])],
}
"""

KILLING = """\
import os, signal
from buildbot_koji.durable.store import BuildRows

LEFT, put = int(open("left").read()), BuildRows.put

def look():
    global LEFT
    LEFT -= 1
    if not LEFT:
        os.kill(os.getpid(), signal.SIGKILL)

async def put_and_look(rows, row, value):
    look()
    await put(rows, row, value)
    look()

BuildRows.put = put_and_look
"""
"""Kills the master before or after its next writes, of which a file says which one is the last."""

BUILDS = 320


def add_builds(hub: FakeHub) -> None:
    """Add complete builds to a tag."""
    for number in range(BUILDS):
        name = f"p{number}"
        for tag in ("demo-candidate", "demo-released"):
            hub.add_package(tag, name)
        build = hub.call("createEmptyBuild", name, "1.0", "1", None)
        with hub.state.transaction():
            hub.state.update("build", build, state=1)
        hub.call("tagBuildBypass", "demo-candidate", f"{name}-1.0-1")


@pytest_twisted.ensureDeferred
async def test_tagging_survives(tmp_path: Path) -> None:
    """One task for each build, whether a kill or a cut reply hid what the hub had answered."""
    hub = FakeHub(reactor, anonymous_user="kojiadmin")
    hub.add_demo_content()
    await hub.start()
    add_builds(hub)
    hub.builder.seconds = 0.3
    fates = [Fate.STALL, Fate.RESET_AFTER, Fate.TRUNCATE]

    def decide(data: bytes) -> Fate:
        tags = b"<name>methodName</name>" in data and b"tagBuild" in data
        return fates.pop(0) if tags and fates else Fate.PASS

    proxy = FaultProxy(hub.url, decide)
    profile = hub.profile_text("fake").replace(hub.url, proxy.url)
    master = MasterProcess(tmp_path / "master", profile, CONFIG)
    try:
        await master.start()
        request = await master.force("tag")
        # The hub carries out the first request; its reply never comes.
        await until(lambda: hub.calls["tagBuild"] > 0)
        await master.end(signal.SIGKILL)
        await master.start()
        await until(lambda: hub.calls["tagBuild"] >= BUILDS)
        await master.end(signal.SIGKILL)
        await master.start()
        build = await master.ended(request)
        step = (await master.get(f"builds/{build['buildid']}/steps"))["steps"][-1]
        log = await master.log_text(step, "builds")
        assert step["state_string"] == f"tagged {BUILDS} builds with demo-released"
        assert build["results"] == SUCCESS
        assert log.count(": tagged\n") == BUILDS
        tasks = hub.call("listTasks", {"method": "tagBuild", "decode": True})
        counts = Counter(task["request"][1] for task in tasks)
        assert (len(counts), set(counts.values())) == (BUILDS, {1})
        assert len(hub.call("listTagged", "demo-released")) == BUILDS
        assert (fates, len(await master.builds(request))) == ([], 3)
        assert [each for each in master.errors if "koji/" in each] == []
    finally:
        await master.end(signal.SIGKILL)
        await proxy.stop()
        await hub.stop()


@pytest.mark.parametrize("bypass", [False, True])
@pytest_twisted.ensureDeferred
async def test_kills_between_writes(tmp_path: Path, at_end: AtEnd, bypass: bool) -> None:
    """A master that is killed at any write sends each build once, and says what became of it."""
    seed = int(os.environ.get("KOJI_TEST_SEED", 0)) or Random().randrange(1, 1_000_000)
    print(f"KOJI_TEST_SEED={seed}")
    random = Random(seed)
    hub = FakeHub(reactor, anonymous_user="kojiadmin")
    at_end(hub.stop)
    hub.add_demo_content()
    await hub.start()
    add_builds(hub)
    hub.builder.seconds = 0.3
    config = CONFIG.replace("BYPASS = False", f"BYPASS = {bypass}") + KILLING
    master = MasterProcess(tmp_path / "master", hub.profile_text("fake"), config)
    at_end(partial(master.end, signal.SIGKILL))
    request = 0
    for attempt in range(5):
        (master.directory / "left").write_text(str(random.randint(1, 8)))
        await master.start()
        request = request or await master.force("tag")
        # The last attempts may have fewer writes left.
        await poll(lambda: not master.alive or ": build finished" in master.log)
        await master.end(signal.SIGKILL)
        if not attempt:
            # What others do meanwhile, before these are sent.
            hub.call("tagBuildBypass", "demo-released", "p319-1.0-1")
            newer = hub.call("createEmptyBuild", "p318", "2.0", "1", None)
            with hub.state.transaction():
                hub.state.update("build", newer, state=1)
            hub.call("tagBuildBypass", "demo-released", "p318-2.0-1")
            if not bypass:
                # What goes past the policy does not ask for the list of packages either.
                hub.call("packageListBlock", "demo-released", "p317")
    (master.directory / "left").write_text("0")
    await master.start()
    build = await master.ended(request)
    step = (await master.get(f"builds/{build['buildid']}/steps"))["steps"][-1]
    log = (await master.log_text(step, "builds")).splitlines()
    words = dict(line.split(": ", 1) for line in log)
    assert (len(log), len(words)) == (BUILDS, BUILDS)
    assert words.pop("p319-1.0-1") == "skipped: already tagged"
    assert words.pop("p318-1.0-1") == "skipped: p318-2.0-1 is newer"
    assert bypass or "blocked" in words.pop("p317-1.0-1")
    assert set(words.values()) == {"tagged"}
    assert len(hub.call("listTagged", "demo-released")) == BUILDS - (not bypass)
    tasks = hub.call("listTasks", {"method": "tagBuild", "decode": True})
    counts = Counter(task["request"][1] for task in tasks)
    assert set(counts.values()) == (set() if bypass else {1})
    assert [each for each in master.errors if "koji/" in each] == []
