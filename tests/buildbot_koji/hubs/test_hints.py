"""A message bus on a real broker wakes the watcher of steps."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util

from buildbot_koji.hubs.hub import get_hub, hubs_of
from tests.buildbot_koji.workbench import SOURCE
from tests.buildbot_koji.www.served import ServedMaster
from tests.support import brokers, until
from tests.support.brokers import PASSWORD, USER, RabbitMQ
from txkoji import task_states
from txkoji.bus import AMQP
from txkoji.testing.core import KOJIADMIN

pytestmark = [*brokers.marks, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

POLL_INTERVAL = 3600
"""Seconds: longer than a test may take, so that what is seen at all was hinted."""


@pytest.mark.parametrize("listener", ["hub", "source"])
@pytest_twisted.ensureDeferred
async def test_seen_before_a_poll(
    broker: RabbitMQ, tmp_path: Path, empty_home: Path, listener: str
) -> None:
    """Whoever listens to the bus, a step sees each change of its task before it would poll."""
    prefix = f"koji-{uuid.uuid4()}"
    login = {"user": USER, "password": PASSWORD, "allow_insecure_login": True}
    bus = util.KojiAMQP(broker.url, queue=prefix, routing_keys=[f"{prefix}.#"], **login)
    profile = util.KojiHub("hints", bus=bus) if listener == "hub" else "hints"
    served = ServedMaster(tmp_path, profile, bus=bus if listener == "source" else None)
    settings = AMQP(broker.url, topic_prefix=prefix, **login)
    await served.use_hub(empty_home, profile="hints", build_seconds=2, bus=settings)
    path = empty_home / ".koji" / "config"
    path.write_text(path.read_text().replace("interval = 1", f"interval = {POLL_INTERVAL}", 1))
    await served.start()
    try:
        await see_changes(served, profile, bus if listener == "hub" else None)
    finally:
        await served.close()


async def see_changes(served: ServedMaster, profile: Any, bus: Any) -> None:
    """Build, and see the task begin and end; ``bus`` is that of the hub, if the hub listens."""
    await until(lambda: [hub.status().bus for hub in hubs_of(served.master)] == [True])
    [hub] = hubs_of(served.master)
    if bus:
        # Another link, as a changed password makes one, takes messages from the same queue.
        named = util.KojiHub("hints", user=KOJIADMIN, password=KOJIADMIN, bus=bus)
        other = await get_hub(served.master, named)
        await until(lambda: other.status().bus)
        await hub.buses.stop()
        assert hub.status().bus

    # The task begins when somebody looks: not before.
    hosts = [host["name"] for host in served.hub.call("listHosts")]
    for host in hosts:
        served.hub.call("disableHost", host)
    request = await served.begin(
        steps.KojiBuild(profile=profile, target="demo", source=SOURCE.format("hello", "main"))
    )
    await until(lambda: list(hub.watcher.watched()))
    [(task, build)] = hub.watched()
    assert (task.task_id, build and build.builder) == (1, "any")
    seen: list[int] = []
    hub.watcher.watch(1).on_change(lambda tree: seen.append(tree.root.state))
    await until(lambda: seen)
    before = hub.connection.statistics.requests
    for host in hosts:
        served.hub.call("enableHost", host)
    ended = await served.ended(request)
    assert ended.result == "success", ended.text
    assert {task_states.FREE, task_states.OPEN, task_states.CLOSED} <= set(seen)
    assert hub.connection.statistics.requests - before < 60

    # A bus that is lost, or no longer listened to, leaves the watcher to its polls.
    if bus:
        await other.buses.stop()
    hub.buses.changed("" if bus else "koji", None)
    assert hub.status().bus is None
