"""The blocks of docs/mass.rst, in their order, are a master.cfg that works as it is printed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

from tests.buildbot_koji.masters import MasterProcess
from tests.buildbot_koji.reporters.test_formatters import Sinks
from tests.docs.tutorial import blocks
from tests.support import REPOSITORY, until
from tests.support.ends import AtEnd
from txkoji.testing import FakeHub
from txkoji.testing.farm.handlers import failures

LIBRARY = ["libwebp", "gimp", "webkitgtk", "epiphany"]


@pytest.fixture
def sinks(at_end: AtEnd) -> Sinks:
    """Give a mail server."""
    made = Sinks()
    for port in made.ports:
        at_end(port.stopListening)
    return made


@pytest_twisted.async_fixture
async def hub(at_end: AtEnd) -> FakeHub:
    """Give a hub with the tags and the packages of the page."""
    hub = FakeHub(reactor, build_seconds=0.3, anonymous_user="kojiadmin")
    hub.add_demo_content()
    for tag, parent in (("f44", None), ("f44-build", "f44"), ("f44-candidate", "f44")):
        hub.call("createTag", tag, parent=parent, arches="x86_64")
    hub.call("createBuildTarget", "f44", "f44-build", "f44")
    for name in ("kernel", "failarch", *LIBRARY):
        hub.add_package("f44", name)
    at_end(hub.stop)
    await hub.start()
    return hub


async def press(master: MasterProcess, button: str, builder: str, **given: Any) -> dict[str, Any]:
    """Press a button; returns its build, with its properties."""
    [found] = (await master.get(f"builders?name={builder}"))["builders"]
    _, requests = await master.control(
        f"forceschedulers/{button}", "force", builderid=found["builderid"], **given
    )
    build = await master.ended(requests[str(found["builderid"])])
    return {**await master.properties(build), **build}


@pytest_twisted.ensureDeferred
async def test_rebuild_everything(
    hub: FakeHub, sinks: Sinks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nightly rebuild, a mail of regressions, what failed once more, and a bump."""
    page = (REPOSITORY / "docs" / "mass.rst").read_text(encoding="utf-8")
    config = "\n".join(text for kind, _, text in blocks(page) if kind == "python")
    address = '"buildbot@example.com",'
    assert address in config
    port = sinks.ports[0].getHost().port
    config = config.replace(
        address, f'{address} relayhost="127.0.0.1", smtpPort={port}, useTls=False,'
    )
    master = MasterProcess(tmp_path, hub.profile_text("koji"), config)
    try:
        await master.start()
        with monkeypatch.context() as patched:
            patched.setattr(failures, "kind_of", lambda _: "")
            first = await press(master, "rebuild-all", "rebuild")
        assert (first["results"], first["koji_mass_built"]) == (0, 5)
        second = await press(master, "rebuild-all", "rebuild")
        assert second["koji_mass_regressions"] == ["failarch"]
        await until(lambda: len(sinks.mailbox.mails) == 1)
        [mail] = sinks.mailbox.mails
        assert mail["Subject"] == "no longer built: 1"
        assert mail.get_content().startswith("failarch: http")
        given = {"koji_mass_id": second["koji_mass_id"], "only": ["failed"]}
        again = await press(master, "rebuild-again", "rebuild", **given)
        assert (again["koji_mass_total"], again["koji_mass_failed"]) == (1, 1)
        assert (again["koji_mass_regressions"], len(sinks.mailbox.mails)) == ([], 1)
        bump = await press(master, "bump", "bump")
        assert bump["results"] == 0, bump["state_string"]
        moved = hub.call("listTagged", "f44-candidate")
        assert sorted(each["package_name"] for each in moved) == sorted(LIBRARY)
        assert hub.call("getTag", bump["koji_sidetag"]) is None
        assert master.errors == []
    finally:
        await master.end()
