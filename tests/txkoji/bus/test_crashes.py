"""Brokers that die or hang while messages are under way."""

from __future__ import annotations

import os
import uuid
from collections import Counter

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from tests.support import brokers, until
from tests.support.brokers import PASSWORD, USER, RabbitMQ, impatient
from tests.support.ends import AtEnd
from txkoji.bus import AMQP, AMQP1, Broker, BusMessage, Publisher, Receiver, ReceiverState
from txkoji.exceptions import BrokerUnreachable, BusError
from txkoji.retry import RetryPolicy

pytestmark = brokers.marks

SOON = RetryPolicy(first=0.1, ceiling=0.3)
LATER = RetryPolicy(first=12.0, factor=1.0, jitter=0.0)
"""Once a broker that was killed has elected the leaders of its queues. RabbitMQ 3.10 listens before
that, and loses what comes meanwhile: a consumer, or a message that it never confirms."""
MESSAGES = 2000
KILLED_AT = (500, 1300)

# pika needs two of its heartbeats and ten seconds more.
HUNG = ["amqp1", "amqp"] if os.environ.get("KOJI_TEST_SOAK") else ["amqp1"]


class Counting:
    """A handler that takes a moment, and counts what it gets."""

    def __init__(self) -> None:
        self.got: Counter[str] = Counter()
        self.at_once = 0

    async def __call__(self, message: BusMessage) -> None:
        assert self.at_once == 0
        self.at_once += 1
        await deferLater(reactor, 0)
        assert message.message_id is not None
        self.got[message.message_id] += 1
        self.at_once -= 1


async def make_queue(settings: Broker) -> None:
    """Let a queue be there."""
    maker = Receiver(settings, lambda _: None, reactor=reactor)
    maker.start()
    await until(lambda: maker.state is ReceiverState.READY)
    await maker.stop()


async def publish_surely(publisher: Publisher, number: int) -> int:
    """Publish a message until the broker has it; returns how often it may have it."""
    copies = 1
    while True:
        try:
            await publisher.publish("build.tag", "{}", {}, f"id-{number}")
        except BusError as error:
            copies += error.may_have_arrived
            await deferLater(reactor, LATER.first)
        else:
            return copies


@pytest_twisted.ensureDeferred
async def test_broker_killed_twice(broker: RabbitMQ, at_end: AtEnd) -> None:
    """A broker that is killed twice among 2,000 messages loses none; repeated ones are counted."""
    name = f"crash-{uuid.uuid4()}"
    login = {"user": USER, "password": PASSWORD, "allow_insecure_login": True}
    queues = [
        AMQP(broker.url, queue=f"{name}-{n}", routing_keys=[f"{name}.#"], **login) for n in (1, 2)
    ]
    settings = [queues[0], AMQP1(broker.url, address=f"/amq/queue/{name}-2", **login)]
    handlers = [Counting(), Counting()]
    await make_queue(queues[1])
    receivers = [
        Receiver(each, handler, reactor=reactor, retry=LATER)
        for each, handler in zip(settings, handlers, strict=True)
    ]
    for receiver in receivers:
        at_end(receiver.stop)
        receiver.start()
    await until(lambda: all(receiver.state is ReceiverState.READY for receiver in receivers))
    publisher = Publisher(AMQP(broker.url, topic_prefix=name, **login), reactor=reactor)
    at_end(publisher.stop)
    copies = 0
    for number in range(MESSAGES):
        if number in KILLED_AT:
            await deferToThread(broker.kill)
            broker.launch()
        copies += await publish_surely(publisher, number)
    await until(lambda: all(len(handler.got) == MESSAGES for handler in handlers))
    for receiver, handler in zip(receivers, handlers, strict=True):
        protocol = type(receiver._settings).__name__
        print(
            f"{protocol}: {MESSAGES} sent, {copies - MESSAGES} perhaps twice,"
            f" {len(handler.got)} received, {handler.got.total() - MESSAGES} repeated,"
            f" {receiver.reconnects} reconnects"
        )
        assert receiver.reconnects == len(KILLED_AT)
        assert receiver.counts.accepted == handler.got.total()
        await receiver.stop()


@pytest.mark.parametrize("protocol", HUNG)
@pytest_twisted.ensureDeferred
async def test_broker_that_hangs(broker: RabbitMQ, protocol: str, at_end: AtEnd) -> None:
    """A hanging broker is detected by its silence; when it resumes, so does everything."""
    name = f"hang-{uuid.uuid4()}"
    login = {"user": USER, "password": PASSWORD, "allow_insecure_login": True, "heartbeat": 2}
    settings: Broker = AMQP(
        broker.url, queue=name, routing_keys=[f"{name}.#"], topic_prefix=name, **login
    )
    await make_queue(settings)
    if protocol == "amqp1":
        settings = AMQP1(
            broker.url, address=f"/amq/queue/{name}", topic_prefix=f"/topic/{name}", **login
        )
    got: list[BusMessage] = []
    receiver = Receiver(settings, got.append, reactor=reactor, retry=SOON)
    at_end(receiver.stop)
    receiver.start()
    await until(lambda: receiver.state is ReceiverState.READY)
    publisher = Publisher(settings, reactor=reactor)
    at_end(publisher.stop)
    await publisher.publish("build.tag", "1")
    await broker.freeze()
    try:
        late = pytest.raises(BrokerUnreachable, match="did not take a message within 1 s")
        with impatient(publisher), late as caught:
            await publisher.publish("build.tag", "2")
        assert caught.value.may_have_arrived is True
        await until(lambda: receiver.state is not ReceiverState.READY)
    finally:
        broker.thaw()
    await until(lambda: receiver.reconnects)
    await publisher.publish("build.tag", "3")
    await until(lambda: "3" in [message.body for message in got])
