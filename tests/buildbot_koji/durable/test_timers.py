"""The timers of a real master whose clock is set back."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
import pytest_twisted
from buildbot.plugins import steps
from twisted.internet import reactor

from buildbot_koji.durable.timers import Timers
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import until
from tests.support.hubs import hold

HOURS = 11 * 3600.0


@pytest_twisted.ensureDeferred
async def test_clock_is_set_back(
    tmp_path: Path, empty_home: Path, monkeypatch: pytest.MonkeyPatch, logged: list[str]
) -> None:
    """A step and a mass build follow their tasks to the end, as if nothing had happened."""
    monkeypatch.setattr(Timers, "interval", 0.2)
    bench = Workbench(tmp_path)
    await bench.open(empty_home)
    try:
        for step in (
            steps.KojiBuild(bench.profile, target="demo", source=SOURCE.format("hello", "main")),
            steps.KojiMassBuild(
                bench.profile, "demo", ["hello", "world"], source=SOURCE.format("{package}", "m")
            ),
        ):
            release = hold(bench.hub, "buildArch")
            request = await bench.begin(step)
            await until(lambda: bench.text().startswith(("building", "0 of 2 done, 2 running")))
            offset = HOURS + time.time() - reactor.seconds()
            monkeypatch.setattr(reactor, "seconds", lambda offset=offset: time.time() - offset)
            words = f"the master's clock was set back by {HOURS:.0f} s"
            await until(lambda words=words: any(line.startswith(words) for line in logged))
            logged.clear()
            release()
            assert (await bench.ended(request)).result == "success"
    finally:
        await bench.close()
