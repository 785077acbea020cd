"""The JSON and the buttons of the Koji pages, over HTTP in a real master."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_twisted
from buildbot.plugins import steps

from tests.buildbot_koji.workbench import SOURCE
from tests.buildbot_koji.www.served import ServedMaster
from tests.support import until


@pytest_twisted.async_yield_fixture
async def served(tmp_path: Path, empty_home: Path) -> AsyncIterator[ServedMaster]:
    made = ServedMaster(tmp_path, "hub-www")
    await made.use_hub(empty_home, profile="hub-www", build_seconds=3)
    await made.start()
    yield made
    await made.stop()
    await made.leave_hub()


@pytest_twisted.ensureDeferred
async def test_pages(served: ServedMaster) -> None:
    """Each page shows what lives."""
    script = await served.ask("scripts.js")
    assert script.code == 200
    request = await served.begin(
        steps.KojiBuild(
            profile=served.profile, target="demo", source=SOURCE.format("hello", "main")
        )
    )
    await until(lambda: served.text().startswith("building"))

    [hub] = (await served.ask("api/overview")).json["hubs"]
    assert (hub["name"], hub["state"], hub["watched"]) == ("hub-www", "ok", 1)

    [tree] = (await served.ask("api/tasks")).json["trees"]
    assert (tree["label"], tree["builder"], tree["build_number"]) == ("hello", "any", 1)
    assert {each["arch"] for each in tree["arches"]} == {"x86_64", "aarch64", "ppc64le"}

    [source] = (await served.ask("api/sources")).json["sources"]
    assert (source["name"], source["state"]) == ("koji", "listening")

    [reporter] = (await served.ask("api/deliveries")).json["reporters"]
    assert (reporter["name"], reporter["kind"]) == ("gating", "KojiTagReporter")

    assert (await served.ask("health")).json == {"ok": True, "reasons": []}
    await served.ended(request)
