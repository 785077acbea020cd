"""What AMQP 1.0 has and RabbitMQ has not: durable subscriptions, outcomes, credit."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor

proton = pytest.importorskip("proton", reason="pip install 'buildbot-koji[amqp1]'")

from tests.support import until  # noqa: E402
from tests.support.amqp1_broker import Broker  # noqa: E402 - it needs proton
from tests.support.ends import AtEnd  # noqa: E402
from txkoji.bus import AMQP1, BusMessage, Publisher, Receiver, ReceiverState  # noqa: E402
from txkoji.exceptions import BrokerUnreachable, MessageNotTaken  # noqa: E402
from txkoji.retry import RetryPolicy  # noqa: E402


@pytest_twisted.async_yield_fixture
async def broker() -> AsyncIterator[Broker]:
    broker = Broker()
    yield broker
    await broker.stop()


def settings(url: str, **changes: Any) -> AMQP1:
    usual = {"mechanism": "ANONYMOUS", "address": "topic://koji.>", "topic_prefix": "topic://koji"}
    return AMQP1(url, **{**usual, **changes})


def message(number: int, **fields: Any) -> Any:
    return proton.Message(properties={"type": "Tag"}, body=f"{number}", **fields)


@pytest_twisted.ensureDeferred
async def test_durable_subscription(broker: Broker, at_end: AtEnd) -> None:
    """With a durable subscription, messages sent while nothing listens arrive later."""
    url = broker.start()
    lasting = settings(url, client_id="buildbot", subscription="koji")
    got: list[BusMessage] = []

    async def listen() -> Receiver:
        receiver = Receiver(lasting, got.append, reactor=reactor)
        at_end(receiver.stop)
        receiver.start()
        await until(lambda: receiver.state is ReceiverState.READY)
        return receiver

    receiver = await listen()
    assert list(broker.subscriptions) == [("buildbot", "koji")]
    assert broker.subscriptions["buildbot", "koji"].address == "topic://koji.>"
    broker.publish(message(1))
    await until(lambda: len(got) == 1)
    await receiver.stop()
    # The link must not be closed: that would end the subscription.
    assert not broker.closed_links
    for number in (2, 3, 4):
        broker.publish(message(number))
    await listen()
    await until(lambda: len(got) == 4)
    assert [each.body for each in got] == ["1", "2", "3", "4"]
    assert (got[0].topic, got[0].message_id, got[0].redelivered) == ("build.tag", None, None)
    await until(lambda: not broker.subscriptions["buildbot", "koji"].given)


@pytest_twisted.ensureDeferred
async def test_many(broker: Broker, at_end: AtEnd) -> None:
    """Credit comes back with each message: any number of them comes through, also large ones."""
    got: list[BusMessage] = []
    receiver = Receiver(settings(broker.start()), got.append, reactor=reactor, prefetch=3)
    at_end(receiver.stop)
    receiver.start()
    await until(lambda: receiver.state is ReceiverState.READY)
    large = proton.Message(properties={"type": "Tag"}, body="x" * 300_000)
    broker.publish(large)
    for number in range(200):
        broker.publish(message(number, delivery_count=number % 2))
    await until(lambda: len(got) == 201)
    assert got[0].body == "x" * 300_000
    assert [each.body for each in got[1:]] == [str(number) for number in range(200)]
    assert receiver.counts.redelivered == 100


@pytest_twisted.ensureDeferred
async def test_other_bodies(broker: Broker, at_end: AtEnd) -> None:
    """A body of bytes is text where it is UTF-8; what is no text at all can still be rejected."""
    got: list[BusMessage] = []
    receiver = Receiver(settings(broker.start()), got.append, reactor=reactor)
    at_end(receiver.stop)
    receiver.start()
    await until(lambda: receiver.state is ReceiverState.READY)
    for body in ("é".encode(), b"\xff", {"a": [1]}):
        broker.publish(proton.Message(body=body, inferred=True, id=7))
    await until(lambda: len(got) == 3)
    assert [each.body for each in got] == ["é", b"\xff", "{'a': [1]}"]
    assert {each.message_id for each in got} == {"7"}


@pytest_twisted.ensureDeferred
async def test_peer_that_names_things_oddly(broker: Broker, at_end: AtEnd) -> None:
    """A broker whose words are not UTF-8 is reported in one line, and connected to again."""
    broker.refusal = b"\xff\xfe"
    reasons: list[str | None] = []
    receiver = Receiver(
        settings(broker.start()),
        lambda _: None,
        reactor=reactor,
        retry=RetryPolicy(first=0.01, ceiling=0.01),
        on_state=lambda _, reason: reasons.append(reason) if reason else None,
    )
    at_end(receiver.stop)
    receiver.start()
    await until(lambda: len(reasons) > 1)
    assert "codec can't decode byte 0xff" in str(reasons[0])


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (proton.Delivery.REJECTED, "rejected"),
        (proton.Delivery.RELEASED, "no consumer takes it"),
        (proton.Delivery.MODIFIED, "no consumer takes it"),
        (None, "no outcome"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_outcome(broker: Broker, outcome: Any, words: str, at_end: AtEnd) -> None:
    """Only what the broker accepts is published."""
    publisher = Publisher(settings(broker.start()), reactor=reactor)
    at_end(publisher.stop)
    await publisher.publish("build.tag", "{}")
    broker.outcome = outcome
    with pytest.raises(MessageNotTaken, match=rf"a message to topic://koji.build.tag: {words}"):
        await publisher.publish("build.tag", "{}")


@pytest_twisted.ensureDeferred
async def test_no_credit(broker: Broker, at_end: AtEnd) -> None:
    """A broker that takes no messages now is given up in time; it has nothing then."""
    broker.gives_credit = False
    publisher = Publisher(settings(broker.start()), reactor=reactor, timeout=0.3)
    at_end(publisher.stop)
    with pytest.raises(BrokerUnreachable, match=r"did not take a message within 0.3 s"):
        await publisher.publish("build.tag", "{}")
    assert not broker.received


@pytest_twisted.ensureDeferred
async def test_what_is_published(broker: Broker, at_end: AtEnd) -> None:
    """A message is published as Koji's own plugin does it, but kept over a restart."""
    publisher = Publisher(settings(broker.start()), reactor=reactor)
    at_end(publisher.stop)
    await publisher.publish("build.tag", '{"a": 1}', {"type": "Tag", "n": 1}, "id-1")
    (data,) = broker.received
    sent = proton.Message()
    sent.decode(data)
    assert (sent.address, sent.id, sent.durable) == ("topic://koji.build.tag", "id-1", True)
    assert (sent.properties, sent.body) == ({"type": "Tag", "n": 1}, '{"a": 1}')
