"""KojiChangeSource in a real master, with a message bus, a real broker."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import util
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from buildbot_koji.hubs.hub import get_hub
from tests.buildbot_koji.inprocess import Master, Site, koji
from tests.support import brokers, do_not_retry, until
from tests.support.brokers import PASSWORD, USER, RabbitMQ
from tests.support.ends import AtEnd
from tests.support.hostile_messages import publish_hostile
from txkoji import build_states
from txkoji.bus import AMQP, Publisher
from txkoji.bus.base import ReceivedMessage, Settlement
from txkoji.testing import FakeHub
from txkoji.testing.methods.builds import change_build_state

# Buildbot is older than the Twisted and alembic that it runs on.
pytestmark = [*brokers.marks, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

SOURCE = "git+https://git.example.test/rpms/hello.git#"


class BusSite(Site):
    """A hub that publishes to a broker, and a directory for a master that listens to both."""

    def __init__(self, broker: RabbitMQ, dialect: Any, directory: Path) -> None:
        # The prefix of Fedora's topics is the hub plugin's.
        self.prefix = f"koji-{uuid.uuid4()}"
        login = {"user": USER, "password": PASSWORD, "allow_insecure_login": True}
        self.settings = AMQP(broker.url, topic_prefix=self.prefix, **login)
        self.consumer = AMQP(broker.url, queue=self.prefix, passive=True, **login)
        hub = FakeHub(reactor, build_seconds=1, bus=self.settings, bus_dialect=dialect)
        super().__init__(hub, directory)
        self.bus = util.KojiAMQP(
            broker.url, queue=self.prefix, routing_keys=[f"{self.prefix}.#"], **login
        )

    async def listen(self, *sources: Any, **more: Any) -> Master:
        """Start a master, and wait until it listens to the bus."""
        master = await super().listen(*sources, **more)
        run = master.source._running
        await until(lambda: run.receiver is not None and run.receiver.state.value == "ready")
        await self.polled()
        return master


@pytest_twisted.async_fixture
async def site(
    broker: RabbitMQ,
    tmp_path: Path,
    empty_home: Path,
    request: pytest.FixtureRequest,
    at_end: AtEnd,
) -> BusSite:
    site = BusSite(broker, getattr(request, "param", "protonmsg"), tmp_path)
    at_end(site.close)
    await site.open(empty_home)
    return site


@pytest.mark.parametrize("site", ["protonmsg", "fedora"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_messages_of_both_dialects(site: BusSite) -> None:
    """A message makes a change at once, without a poll; the next poll does not repeat it."""
    master = await site.listen(
        koji(
            bus=site.bus,
            tags=["demo-*"],
            events=["tagged", "untagged", "build-failed", "repo-done", "package-listed"],
        )
    )
    polls = master.source._running.polls
    nvr = site.build()
    site.hub.call("untagBuildBypass", "demo-candidate", nvr)
    site.hub.add_package("demo-build", "new")
    site.hub.call("build", SOURCE.replace("hello", "failarch") + "1", "demo")
    site.hub.call("newRepo", "demo-build")
    found = await master.until_changes(5)
    assert master.source._running.polls == polls
    assert {change["category"] for change in found} == {
        "koji-tagged",
        "koji-untagged",
        "koji-package-listed",
        "koji-build-failed",
        "koji-repo-done",
    }
    await site.polled()
    assert len(await master.changes()) == 5


@pytest_twisted.ensureDeferred
async def test_event_of_the_bus_alone(site: BusSite, at_end: AtEnd) -> None:
    """A deletion, for which the hub has no time, arrives by the bus, once if sent often."""
    master = await site.listen(koji(bus=site.bus, events=["build-deleted"], tags=[]))
    messages: list[Any] = []
    site.hub.on_message(messages.append)
    nvr = site.build(tag=None)
    with site.hub.state.transaction():
        [row] = site.hub.state.rows("build")
        change_build_state(site.hub.state, row, int(build_states.DELETED))
    [change] = await master.until_changes(1)
    assert (change["revision"], change["category"]) == (nvr, "koji-build-deleted")
    # The hub's plugin resends unconfirmed messages, up to a day later.
    master = await site.listen(koji(bus=site.bus, events=["build-deleted"], tags=[]))
    [deletion] = [message for message in messages if message.address == "build.deleted"]
    publisher = Publisher(site.settings, reactor=reactor)
    at_end(publisher.stop)
    await publisher.publish(deletion.address, deletion.body, deletion.properties)
    receiver = master.source._running.receiver
    await until(lambda: receiver.counts.accepted >= 1)
    assert len(await master.changes()) == 1


@pytest_twisted.ensureDeferred
async def test_poison(site: BusSite, broker: RabbitMQ, logged: list[str]) -> None:
    """An unreadable message is rejected and counted, and a false one makes no change."""
    master = await site.listen(koji(bus=site.bus, tags=["demo-*"]))
    receiver = master.source._running.receiver
    messages: list[Any] = []
    site.hub.on_message(messages.append)
    build = site.build()
    await master.until_changes(1)
    [tagged] = [message for message in messages if message.address == "build.tag"]
    publisher = Publisher(site.settings, reactor=reactor)
    rejected = receiver.counts.rejected
    for body in ("{", "[]", '{"build": {}}', ""):
        await publisher.publish("build.tag", body, {"type": "Tag"})
    # An unknown build, a build that is not in the tag, and an unknown tag.
    for right, wrong in (
        ('"build_id": 1', '"build_id": 999'),
        ("demo-candidate", "demo-released"),
        ("demo-candidate", "demo-gone-candidate"),
    ):
        assert right in tagged.body
        body = tagged.body.replace(right, wrong)
        await publisher.publish("build.tag", body, tagged.properties)
    for _ in range(3):
        await publisher.publish("build.tag", tagged.body, tagged.properties)
    await publisher.publish("something.else", "{}", {"type": "Other"})
    await until(lambda: receiver.counts.rejected - rejected == 4)
    other = site.build()
    found = await master.until_changes(2)
    assert [change["revision"] for change in found] == [build, other]
    said = [
        line
        for line in logged
        if line.startswith("KojiChangeSource-fake: rejected the bus message ")
    ]
    assert len(said) == 4
    assert "unreadable message of the kind 'Tag'" in said[0]
    await publisher.stop()
    # Whatever else a broker passes on, in a moment.
    received = receiver.counts.received
    hostile = await deferToThread(publish_hostile, broker, site.prefix)
    nvrs = [site.build() for _ in range(3)]
    found = await master.until_changes(5)
    assert [change["revision"] for change in found[2:]] == nvrs
    assert receiver.counts.received >= received + hostile + 3
    assert receiver.reconnects == 0


@pytest_twisted.ensureDeferred
async def test_redelivered_messages(site: BusSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the broker gives out again makes no second change, whoever had it before."""
    master = await site.listen(koji(bus=site.bus))
    run = master.source._running
    # This consumer acknowledges nothing: its connection ends when it would.
    link = run.receiver._link
    monkeypatch.setattr(link, "_settle", lambda *_: link.abort())
    nvrs = [site.build()]
    await until(lambda: run.receiver.counts.redelivered >= 1)
    await until(lambda: run.receiver.counts.accepted >= 2)
    # Nor do these, which requeue each message, and die: the source is stopped meanwhile.
    await master.stop()
    nvrs += [site.build() for _ in range(2)]
    for _ in range(2):
        other, got = site.consumer.link(reactor), list[ReceivedMessage]()
        await other.open()
        await other.subscribe(10, got.append)
        await until(lambda got=got: len(got) >= 2)
        got[0].settle(Settlement.RELEASED)
        await until(lambda got=got: len(got) >= 3)
        other.abort()
    master = await site.listen(koji(bus=site.bus))
    receiver = master.source._running.receiver
    await until(lambda: receiver.counts.accepted >= 2)
    assert receiver.counts.redelivered >= 2
    await site.polled()
    assert [change["revision"] for change in await master.changes()] == nvrs


@pytest_twisted.ensureDeferred
async def test_unreachable_hub(site: BusSite, logged: list[str]) -> None:
    """A message that can't be confirmed stays in the queue and makes its change later."""
    master = await site.listen(koji(bus=site.bus))
    hub = await get_hub(master.master, "fake")
    do_not_retry(hub.connection)
    nvr = site.build()
    site.hub.offline("moving")
    await until(lambda: any("stays unacknowledged and is retried" in line for line in logged))
    assert await master.changes() == []
    site.hub.online()
    [change] = await master.until_changes(1)
    assert change["revision"] == nvr


@pytest_twisted.ensureDeferred
async def test_quiet_time(site: BusSite) -> None:
    """With a quiet time, events of the bus wait too, until nothing has happened for so long."""
    # Longer than the three builds take on the busiest machine.
    master = await site.listen(koji(bus=site.bus, quiet_time=6))
    polls = master.source._running.polls
    for _ in range(3):
        site.build()
    run = master.source._running
    await until(lambda: run.status().pending == 3)
    assert await master.changes() == []
    await master.until_changes(3)
    assert run.polls == polls


@pytest_twisted.ensureDeferred
async def test_broker_that_refuses(site: BusSite, logged: list[str]) -> None:
    """A wrong password is logged in one line; the source continues to poll."""
    wrong = util.KojiAMQP(
        site.settings.url,
        user=USER,
        password="wrong",
        allow_insecure_login=True,
        queue=site.prefix,
        routing_keys=["#"],
    )
    master = await Site.listen(site, koji(bus=wrong))
    await until(
        lambda: any(line.startswith("KojiChangeSource-fake: message bus: ") for line in logged)
    )
    site.build()
    await site.polled()
    await master.until_changes(1)
