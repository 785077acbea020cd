"""``util.KojiHub`` with a keytab from Buildbot's secrets, against a real KDC."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import pytest_twisted
from buildbot.plugins import steps, util

from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.steps.framework.early_end import StepTiming
from tests.buildbot_koji.workbench import Workbench
from tests.support import kdc as kdcs
from tests.support import until
from tests.support.ends import AtEnd
from tests.support.kdc import KDC, REALM
from txkoji import RetryPolicy

pytestmark = kdcs.marks

ROBOT = f"robot@{REALM}"


@pytest_twisted.async_fixture
async def bench(
    tmp_path_factory: pytest.TempPathFactory, empty_home: Path, kdc: KDC, at_end: AtEnd
) -> Workbench:
    """A master, with a hub that asks for a Kerberos ticket."""
    service = kdc.keytab("HTTP/127.0.0.1", "service.keytab")
    bench = Workbench(tmp_path_factory.mktemp("master"))
    at_end(bench.close)
    await bench.open(empty_home, tls=True, keytab=service, anonymous_user=None)
    bench.hub.add_user("robot", principals=[ROBOT])
    return bench


@pytest.mark.parametrize("content", [False, True])
@pytest_twisted.ensureDeferred
async def test_keytab_from_a_secret(bench: Workbench, kdc: KDC, content: bool) -> None:
    """A secret holds the path of a keytab, or the keytab: its principal is logged in."""
    path = kdc.keytab(ROBOT, f"robot-{content}.keytab")
    data = base64.b64encode(path.read_bytes()).decode()
    bench.secrets["keytab"] = data if content else str(path)
    hub = util.KojiHub(bench.profile, principal=ROBOT, keytab=util.Secret("keytab"))
    ended = await bench.build(steps.KojiCall(hub, method="getLoggedInUser"))
    assert ended.result == "success", ended.text
    assert ended.properties["koji_call_result"]["name"] == "robot"
    assert bench.secrets["keytab"] not in repr(ended)


@pytest_twisted.ensureDeferred
async def test_keytab_that_no_longer_works(bench: Workbench, kdc: KDC) -> None:
    """A keytab is tried at the KDC, even if we have tickets from it; its path is not shown."""
    path = kdc.keytab(ROBOT, "robot-old.keytab")
    hub = await get_hub(
        bench.master, util.KojiHub(bench.profile, principal=ROBOT, keytab=str(path))
    )
    await hub.log_in()
    await hub.credentials.check()
    [good] = hub.status().credentials
    assert (good.kind, good.name, good.state, good.expires) == ("keytab", ROBOT, "ok", None)
    # Its principal gets another key.
    kdc.keytab(ROBOT, "robot-new.keytab")
    await hub.credentials.check()
    [bad] = hub.status().credentials
    assert bad.state == "broken"
    assert str(path) not in bad.message


class QuickCall(steps.KojiUntag):  # type: ignore[misc]
    """Asks an unreachable hub often."""

    timing = StepTiming(retry=RetryPolicy(first=0.2, factor=1.0, ceiling=0.2))


@pytest_twisted.ensureDeferred
async def test_kdc_is_unreachable(bench: Workbench, kdc: KDC) -> None:
    """A step waits for a KDC, and says so; only ``hub_patience`` ends that."""
    nvr = await bench.built()
    bench.hub.add_user("robot2", principals=[f"robot2@{REALM}"], permissions=["admin"])
    keytab = kdc.keytab(f"robot2@{REALM}", "robot2.keytab")
    hub = util.KojiHub(bench.profile, principal=f"robot2@{REALM}", keytab=str(keytab))
    kdc.stop()
    try:
        ended = await bench.build(QuickCall(hub, tag="demo-candidate", builds=nvr, hub_patience=1))
        assert ended.result == "exception"
        assert "Cannot contact any KDC for realm 'KOJI.TEST'" in ended.text
        request = await bench.begin(QuickCall(hub, tag="demo-candidate", builds=nvr))
        await until(lambda: "the hub has not answered since" in bench.text())
        assert "no ticket for HTTP/127.0.0.1" in bench.text()
    finally:
        kdc.resume()
    ended = await bench.ended(request)
    assert ended.result == "success", ended.text
