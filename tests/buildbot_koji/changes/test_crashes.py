"""A change source whose bus loses, repeats and reorders, and whose broker and master are killed.

``make soak`` sends 10,000 messages, and kills the broker once more. KOJI_TEST_SEED, set to the seed
that a run printed, repeats its losses, repetitions and order.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import uuid
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.buildbot_koji.masters import MasterProcess
from tests.support import brokers, poll, until
from tests.support.brokers import PASSWORD, USER, RabbitMQ
from tests.support.ends import AtEnd
from txkoji.bus import AMQP, Publisher
from txkoji.exceptions import BusError
from txkoji.testing import FakeHub
from txkoji.testing.announcements.messages import Announcement

SOAK = bool(os.environ.get("KOJI_TEST_SOAK"))

pytestmark = [*brokers.marks, pytest.mark.limit(7200 if SOAK else 600)]

EVENTS = 3000 if SOAK else 120
MESSAGES = 10_000 if SOAK else 400
MISSING = 0.1
DISORDER = 60
"""How many messages may overtake one."""

CONFIG = """\
from buildbot.plugins import changes, schedulers, util, worker

BuildmasterConfig = {
    "change_source": [
        changes.KojiChangeSource(
            "fake",
            name="koji",
            tags=["demo-candidate"],
            rpms=False,
            poll_interval=%(poll)d,
            bus=util.KojiAMQP(
                "%(url)s",
                user="%(user)s",
                password="%(password)s",
                allow_insecure_login=True,
                queue="%(queue)s",
                routing_keys=["%(queue)s.#"],
            ),
        )
    ],
    "schedulers": [schedulers.AnyBranchScheduler(name="all", builderNames=["test"])],
    "workers": [worker.LocalWorker("never")],
    "builders": [
        util.BuilderConfig(
            name="test",
            workernames=["never"],
            factory=util.BuildFactory(),
            canStartBuild=lambda *_: False,
            collapseRequests=False,
        )
    ],
}
"""


@dataclass
class Stored:
    """The content of the master's database."""

    keys: Counter[str] = field(default_factory=Counter)
    scheduled: int = 0


def read_database(directory: Path) -> Stored:
    """Read the keys of all changes, and how many of them have a build request."""
    database = sqlite3.connect(f"file:{directory}/state.sqlite?mode=ro", uri=True, timeout=30)
    try:
        keys = database.execute(
            "select property_value from change_properties where property_name = 'koji_event_key'"
        )
        asked = database.execute(
            "select count(distinct changeid) from changes join buildset_sourcestamps"
            " on changes.sourcestampid = buildset_sourcestamps.sourcestampid"
        )
        return Stored(Counter(json.loads(row[0])[0] for row in keys), asked.fetchone()[0])
    finally:
        database.close()


def plan(chance: random.Random) -> list[tuple[str, int]]:
    """Return the order of the hub's events and the messages about them."""
    reported = [number for number in range(EVENTS) if chance.random() >= MISSING]
    copies = Counter(reported)
    copies.update(chance.choices(reported, k=MESSAGES - len(reported)))
    moments: list[tuple[float, str, int]] = [(n, "event", n) for n in range(EVENTS)]
    for number, count in copies.items():
        late = DISORDER * EVENTS / MESSAGES
        moments += [(number + 0.1 + chance.random() * late, "message", number)] * count
    return [(kind, number) for _, kind, number in sorted(moments)]


class Bus:
    """Publishes messages, and retries until the broker accepts them."""

    def __init__(self, broker: RabbitMQ, prefix: str) -> None:
        self._publisher = Publisher(
            AMQP(
                broker.url,
                user=USER,
                password=PASSWORD,
                allow_insecure_login=True,
                topic_prefix=prefix,
            ),
            reactor=reactor,
        )
        self.sent = 0

    async def send(self, message: Announcement) -> None:
        while True:
            try:
                await self._publisher.publish(message.address, message.body, message.properties)
            except BusError:
                await deferLater(reactor, 0.2)
            else:
                self.sent += 1
                return

    async def stop(self) -> None:
        await self._publisher.stop()


@pytest_twisted.ensureDeferred
async def test_everything_is_killed(
    broker: RabbitMQ,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    at_end: AtEnd,
) -> None:
    """Each event becomes one change and is scheduled, whatever the bus does and who is killed."""
    seed = int(os.environ.get("KOJI_TEST_SEED") or random.SystemRandom().randrange(10**6))
    chance = random.Random(seed)
    hub = FakeHub(reactor, build_seconds=1)
    at_end(hub.stop)
    hub.add_demo_content()
    messages: list[Announcement] = []
    hub.on_message(
        lambda message: messages.append(message) if message.address == "build.tag" else None
    )
    await hub.start()
    queue = f"changes-{uuid.uuid4()}"
    values = {"url": broker.url, "user": USER, "password": PASSWORD, "queue": queue}
    config = CONFIG % {**values, "poll": 60 if SOAK else 5}
    master = MasterProcess(tmp_path / "master", hub.profile_text(), config)
    at_end(master.end, signal.SIGKILL)
    await master.start()
    await poll(lambda: "listening to the message bus" in master.log)
    await until(lambda: hub.calls["queryHistory"])
    bus = Bus(broker, queue)
    at_end(bus.stop)
    builds = []

    async def end_master() -> None:
        await master.end(signal.SIGKILL)
        await master.start()

    async def end_broker() -> None:
        await deferToThread(broker.kill)
        await deferToThread(broker.start)

    deaths = {0.2: end_master, 0.4: end_broker, 0.6: end_master}
    if SOAK:
        deaths[0.8] = end_broker
    when = {int(share * MESSAGES): death for share, death in deaths.items()}
    started = reactor.seconds()
    for kind, number in plan(chance):
        if kind == "event":
            builds.append(hub.call("createEmptyBuild", "hello", "1", f"{number}", None))
            hub.call("tagBuildBypass", "demo-candidate", builds[-1])
            continue
        await bus.send(messages[number])
        death = when.pop(bus.sent, None)
        if death is not None:
            await death()
    assert not when

    async def all_there() -> bool:
        stored = await deferToThread(read_database, master.directory)
        return len(stored.keys) >= EVENTS and stored.scheduled >= EVENTS

    await poll(all_there)
    took = reactor.seconds() - started
    # The rest of the queue, and another poll, change nothing.
    before = hub.calls["getLastEvent"]
    await until(lambda: hub.calls["getLastEvent"] > before + 1)
    stored = read_database(master.directory)
    reported = {json.loads(message.body)["build"]["id"] for message in messages}
    with capsys.disabled():
        print(
            f"\nseed {seed}: {EVENTS} events, {bus.sent} messages"
            f" ({EVENTS - len({n for k, n in plan(random.Random(seed)) if k == 'message'})} events"
            f" without any), {', '.join(each.__name__ for each in deaths.values())}:"
            f" {sum(stored.keys.values())} changes of {len(stored.keys)} events,"
            f" {stored.scheduled} scheduled, in {took:.0f} s"
        )
    assert len(reported) == EVENTS
    assert {int(key.split(":")[2]) for key in stored.keys} == set(builds)
    assert set(stored.keys.values()) == {1}
    assert stored.scheduled == EVENTS
    await master.end(signal.SIGKILL)
    assert master.errors == []
