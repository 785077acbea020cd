"""A mass build in troubles that come in its middle: nothing doubled, lost, or blamed wrongly."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_twisted

from buildbot_koji.mass.ended import EndedMassBuilds
from buildbot_koji.steps.framework.early_end import StepTiming
from buildbot_koji.steps.mass import KojiMassBuild
from tests.buildbot_koji.mass.test_mass_build import FAST, add_packages, mass, sources
from tests.buildbot_koji.workbench import Workbench
from tests.support import until
from tests.support.fault_proxy import Fate
from tests.support.hubs import hold
from txkoji import RetryPolicy

QUICK = RetryPolicy(first=0.1, factor=1.0, ceiling=0.1, jitter=0.0)


@pytest.fixture(autouse=True)
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the pauses."""
    monkeypatch.setattr(KojiMassBuild, "mass_timing", FAST)
    monkeypatch.setattr(KojiMassBuild, "timing", StepTiming(retry=QUICK, show_interval=0.1))


def rows(ended: Any) -> dict[str, dict[str, Any]]:
    """Return the report's rows by their packages."""
    return {row["package"]: row for row in json.loads(ended.logs["report.json"])["packages"]}


@pytest_twisted.ensureDeferred
async def test_outage_longer_than_the_patience(bench: Workbench) -> None:
    """A mass build that has begun waits for its hub, however long: its tasks run on."""
    names = add_packages(bench.hub, *(f"p{number}" for number in range(6)))
    release = hold(bench.hub, "buildArch")
    request = await bench.begin(mass(bench, packages=names, at_once=2, hub_patience=0.3))
    await until(lambda: "2 running" in bench.text())
    bench.proxy.decide = lambda _: Fate.PAGE_BEFORE
    release()
    step = bench.running().currentStep
    await until(lambda: step.results is not None or "a web page instead" in bench.text())
    hub = step.hub.connection
    await until(lambda: step.results is not None or step.now() - hub.trouble_since > 1.5)
    bench.proxy.decide = bench._fate
    ended = await bench.ended(request)
    assert (ended.result, ended.text, ended.attempts) == ("success", "6 of 6 done", 1)
    assert sorted(sources(bench.hub)) == names


@pytest_twisted.ensureDeferred
async def test_renamed_step(bench: Workbench) -> None:
    """The pages, and later mass builds, find a mass build by the name that its step has by then."""
    names = add_packages(bench.hub, "p0", "p1", "failarch-1")
    others = add_packages(bench.hub, "q0")
    release = hold(bench.hub, "buildArch")
    kept = mass(bench, packages=others, name="kept")
    request = await bench.begin(
        mass(bench, packages=names, name="before", haltOnFailure=False), kept
    )
    await until(lambda: "3 running" in bench.text())
    bench.use_steps(mass(bench, packages=names, name="after", haltOnFailure=False), kept)
    bench.lose_worker()
    await until(lambda: bench.running() is None)
    release()
    ended = await bench.ended(request)
    assert (ended.text, ended.attempts) == ("1 of 1 done", 2)
    # A master that starts later knows nothing else.
    found = await EndedMassBuilds(bench.master).get()
    assert [[each.name for each in shown.packages] for shown in found] == [names, others]
    earlier = ended.properties["koji_mass_id"]
    again = mass(bench, packages=names, only=["failed"], earlier=earlier, name="after")
    ended = await bench.build(again)
    assert ended.properties["koji_mass_failed_packages"] == ["failarch-1"]
    assert ended.text.startswith("1 of 1 done, 1 failed")
