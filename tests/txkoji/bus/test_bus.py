"""Receiving from a broker and publishing to it: RabbitMQ, over AMQP 0-9-1 and 1.0."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_twisted
from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.internet.tcp import Client
from twisted.internet.threads import deferToThread
from twisted.logger import LogEvent, globalLogPublisher

from tests.support import DATA, brokers, until
from tests.support.brokers import PASSWORD, USER, RabbitMQ, impatient
from tests.support.cables import Cable
from tests.support.ends import AtEnd
from tests.support.hostile_messages import publish_hostile
from tests.support.peers import Peer
from txkoji.bus import AMQP, AMQP1, Broker, BusMessage, Publisher, Receiver, ReceiverState
from txkoji.exceptions import (
    BrokerRefusal,
    BrokerUnreachable,
    BusError,
    ConfigurationError,
    MessageNotTaken,
)
from txkoji.retry import RetryPolicy

pytestmark = brokers.marks

SOON = RetryPolicy(first=0.1, ceiling=0.2)
PASSWORD_LOGIN: dict[str, Any] = {
    "user": USER,
    "password": PASSWORD,
    "allow_insecure_login": True,
}

CLEARED = "rabbit_alarm:clear_alarm({resource_limit, disk, node()})."
"""What ends the broker's alarm, in Erlang."""


@dataclass
class Bus:
    """A queue of its own on the broker, and what receives from it and publishes to it."""

    broker: RabbitMQ
    protocol: str
    name: str = field(default_factory=lambda: f"koji-{uuid.uuid4()}")
    receivers: list[Receiver] = field(default_factory=list)
    publishers: list[Publisher] = field(default_factory=list)
    states: dict[Receiver, list[tuple[ReceiverState, str | None]]] = field(default_factory=dict)
    got: list[BusMessage] = field(default_factory=list)

    @property
    def bodies(self) -> list[str | bytes]:
        """The bodies of what it got, by the handler that it has by default."""
        return [message.body for message in self.got]

    def amqp(self, **changes: Any) -> AMQP:
        """Return settings for AMQP 0-9-1."""
        usual = {
            "url": self.broker.url,
            "queue": self.name,
            "routing_keys": [f"{self.name}.#"],
            "topic_prefix": self.name,
            **PASSWORD_LOGIN,
        }
        return AMQP(**{**usual, **changes})

    def amqp1(self, **changes: Any) -> AMQP1:
        """Return settings for AMQP 1.0."""
        usual = {
            "url": self.broker.url,
            "address": f"/amq/queue/{self.name}",
            "topic_prefix": f"/topic/{self.name}",
            **PASSWORD_LOGIN,
        }
        return AMQP1(**{**usual, **changes})

    def settings(self, **changes: Any) -> Broker:
        """Return settings for the protocol that is tested."""
        return self.amqp(**changes) if self.protocol == "amqp" else self.amqp1(**changes)

    def as_it_is(self) -> Broker:
        """Return settings that declare no queue: it has arguments of its own."""
        return self.settings(
            **({"passive": True, "routing_keys": []} if self.protocol == "amqp" else {})
        )

    async def make_queue(self, **changes: Any) -> None:
        """Let the queue be there."""
        maker = self.receiver(lambda _: None, self.amqp(**changes))
        maker.start()
        await until(lambda: maker.state is ReceiverState.READY)
        await maker.stop()

    def receiver(
        self, handler: Callable[[BusMessage], Any], settings: Broker | None = None, **options: Any
    ) -> Receiver:
        """Make a receiver, to be stopped at the end of the test."""
        states: list[tuple[ReceiverState, str | None]] = []
        options = {
            "retry": SOON,
            # A busy machine must not make a stop lose the acknowledgements that are on their way.
            "close_timeout": 60.0,
            "on_state": lambda *state: states.append(state),
            **options,
        }
        made = Receiver(settings or self.settings(), handler, reactor=reactor, **options)
        self.receivers.append(made)
        self.states[made] = states
        return made

    async def fails(self, settings: Broker | None, state: ReceiverState) -> str:
        """Let a receiver start that can't be ready; returns the reason of its state."""
        receiver = self.receiver(self.got.append, settings)
        receiver.start()
        return await self.reached(receiver, state)

    async def reached(self, receiver: Receiver, state: ReceiverState) -> str:
        """Wait until a receiver has been in a state; returns the reason."""
        await until(lambda: state in dict(self.states[receiver]))
        return str(dict(self.states[receiver])[state])

    async def listen(
        self,
        handler: Callable[[BusMessage], Any] | None = None,
        settings: Broker | None = None,
        **options: Any,
    ) -> Receiver:
        """Return a receiver that is ready."""
        receiver = self.receiver(handler or self.got.append, settings, **options)
        receiver.start()
        await until(lambda: receiver.state is ReceiverState.READY)
        return receiver

    def hold(self, done: Deferred[None]) -> Callable[[BusMessage], Deferred[None]]:
        """Return a handler that is done with every message when ``done`` fires."""

        def handler(message: BusMessage) -> Deferred[None]:
            self.got.append(message)
            return done

        return handler

    def publisher(self, settings: Broker | None = None, **options: Any) -> Publisher:
        """Make a publisher, to be stopped at the end of the test."""
        made = Publisher(settings or self.settings(), reactor=reactor, **options)
        self.publishers.append(made)
        return made

    async def publish(self, *bodies: str) -> None:
        """Publish messages."""
        publisher = self.publisher()
        for body in bodies:
            await publisher.publish("build.tag", body, {"type": "Tag"})

    async def exchange(self, settings: Broker) -> tuple[Receiver, Publisher]:
        """Receive what is published, both with these settings."""
        receiver, publisher = await self.listen(settings=settings), self.publisher(settings)
        await publisher.publish("build.tag", "1")
        await until(lambda: self.got)
        return receiver, publisher

    async def stop(self) -> None:
        """Stop everything."""
        for each in [*self.receivers, *self.publishers]:
            await each.stop()


amqp, amqp1 = (
    pytest.mark.parametrize("bus", [protocol], indirect=True) for protocol in ("amqp", "amqp1")
)


@pytest_twisted.async_fixture(params=["amqp", "amqp1"])
async def bus(request: pytest.FixtureRequest, broker: RabbitMQ, at_end: AtEnd) -> Bus:
    """A bus for each protocol."""
    bus = Bus(broker, request.param)
    at_end(bus.stop)
    await bus.make_queue()
    return bus


@pytest.fixture
def warnings() -> Any:
    """The warnings that were logged, as text."""
    found: list[str] = []

    def observe(event: LogEvent) -> None:
        if event.get("log_level") is not None and event["log_level"].name == "warn":
            found.append(event["log_format"].format(**event))

    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


# Receiving


@pytest_twisted.ensureDeferred
async def test_message(bus: Bus) -> None:
    """A message comes as it was sent: topic, headers, body and id."""
    await bus.listen()
    headers = {"type": "Tag", "tag": "f44", "n": 1, "none": None, "yes": True}
    await bus.publisher().publish("build.tag", '{"a": "é"}', headers, "id-1")
    await until(lambda: bus.got)
    assert bus.got == [BusMessage("build.tag", headers, '{"a": "é"}', "id-1", False, "protonmsg")]
    assert bus.got[0].json() == {"a": "é"}


@pytest_twisted.ensureDeferred
async def test_acknowledged_after_the_handler(bus: Bus) -> None:
    """The broker keeps a message until the handler is done, and gives it out again before that."""
    hanging: Deferred[None] = Deferred()
    receiver = await bus.listen(bus.hold(hanging))
    await bus.publish("1")
    await until(lambda: bus.got)
    assert receiver._link is not None
    receiver._link.abort()
    await until(lambda: receiver.counts.received == 2)
    # The second copy waits until the first is done with: two at a time would not see each other.
    assert len(bus.got) == 1
    hanging.callback(None)
    await until(lambda: receiver.counts.accepted == 2)
    # Over AMQP 1.0 the broker says of a first copy that it is one, of others nothing.
    repeated = True if bus.protocol == "amqp" else None
    assert [message.redelivered for message in bus.got] == [False, repeated]
    assert (receiver.counts.redelivered, receiver.reconnects) == (bool(repeated), 1)
    # Now it is done permanently: what comes next is what is published next.
    await receiver.stop()
    await bus.publish("2")
    await bus.listen()
    await until(lambda: len(bus.got) == 3)
    assert bus.got[2].body == "2"


@pytest_twisted.ensureDeferred
async def test_one_after_the_other(bus: Bus) -> None:
    """Messages are handled one at a time, in their order, however slow the handler is."""
    got: list[str | bytes] = []
    held: list[Deferred[None]] = []

    def handler(message: BusMessage) -> Deferred[None]:
        got.append(message.body)
        held.append(Deferred())
        return held[-1]

    receiver = await bus.listen(handler)
    await bus.publish(*map(str, range(40)))
    await until(lambda: receiver.counts.received > 1)
    for number in range(40):
        await until(lambda number=number: len(got) > number)  # type: ignore[misc]
        assert len(got) == number + 1
        held[number].callback(None)
    assert got == [str(n) for n in range(40)]


@pytest_twisted.ensureDeferred
async def test_message_of_no_use(bus: Bus, warnings: list[str]) -> None:
    """A message that can never be used is set aside, counted and reported; the next one comes."""
    bus.name += "-dead"
    aside = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": f"{bus.name}-aside"}
    await bus.make_queue(arguments=aside)
    put_aside = bus.amqp(queue=f"{bus.name}-aside", routing_keys=["nothing"])
    dead: list[BusMessage] = []
    await bus.listen(dead.append, put_aside)

    def handler(message: BusMessage) -> None:
        message.json()
        bus.got.append(message)

    receiver = await bus.listen(handler, bus.as_it_is())
    await bus.publish("1", "no\nJSON", "2")
    await until(lambda: dead and len(bus.got) == 2)
    assert (bus.bodies, dead[0].body) == (["1", "2"], "no\nJSON")
    counts = receiver.counts
    assert (counts.received, counts.accepted, counts.rejected) == (3, 2, 1)
    (words,) = warnings
    assert words.startswith("rejected the bus message build.tag: its body is not JSON")
    assert "\n" not in words


@pytest_twisted.ensureDeferred
async def test_hostile_messages(
    bus: Bus, warnings: list[str], logged_failures: list[LogEvent]
) -> None:
    """A message that a library can't decode is rejected in one line, and blocks no other."""
    receiver = await bus.listen()
    hostile = await deferToThread(publish_hostile, bus.broker, bus.name)
    await bus.publish("good")
    await until(lambda: bus.got and bus.got[-1].body == "good")
    assert receiver.counts.received == hostile + 1
    assert receiver.counts.rejected == len(warnings)
    # The large one, and what pika or proton fail at.
    assert sum("it is larger" in each or "more than any hub" in each for each in warnings) == 1
    assert sum("be decoded: " in each for each in warnings) >= 5
    assert all(each.isprintable() and len(each) < 400 for each in warnings)
    assert not logged_failures
    assert len(bus.states[receiver]) == 2


@pytest_twisted.ensureDeferred
async def test_handler_that_fails(bus: Bus, warnings: list[str]) -> None:
    """A message whose handler fails is retried before any other; the trouble is logged once."""
    got: list[str | bytes] = []
    tries: Counter[str | bytes] = Counter()

    async def handler(message: BusMessage) -> None:
        tries[message.body] += 1
        if tries[message.body] < 4 and message.body == "1":
            raise BrokerUnreachable("the hub is unreachable")
        got.append(message.body)

    receiver = await bus.listen(handler)
    await bus.publish("1", "2")
    await until(lambda: receiver.trouble)
    assert receiver.trouble == "the hub is unreachable"
    await until(lambda: len(got) == 2)
    assert (got, tries) == (["1", "2"], {"1": 4, "2": 1})
    assert (receiver.counts.retried, receiver.counts.received, receiver.trouble) == (3, 2, None)
    assert warnings == [
        "the bus message build.tag stays unacknowledged and is retried: the hub is unreachable"
    ]


@pytest_twisted.ensureDeferred
async def test_handler_with_a_defect(bus: Bus, logged_failures: list[LogEvent]) -> None:
    """A message that breaks its handler is rejected and logged with a traceback, once."""

    def handler(message: BusMessage) -> None:
        bus.got.append(message)
        if message.body == "1":
            raise ZeroDivisionError("a defect")

    receiver = await bus.listen(handler)
    await bus.publish("1", "2")
    await until(lambda: receiver.counts.accepted)
    assert bus.bodies == ["1", "2"]
    assert (receiver.counts.rejected, receiver.counts.retried) == (1, 0)
    (event,) = logged_failures
    assert event["log_failure"].check(ZeroDivisionError)
    logged_failures.clear()


@pytest_twisted.ensureDeferred
async def test_credit(bus: Bus) -> None:
    """The broker sends no more than ``prefetch`` messages that are not handled yet."""
    hanging: Deferred[None] = Deferred()
    receiver = await bus.listen(lambda _: hanging, prefetch=3)
    await bus.publish(*map(str, range(9)))
    await until(lambda: receiver.counts.received == 3)
    other = await bus.listen(lambda _: None)
    await until(lambda: other.counts.accepted == 6)
    assert receiver.counts.received == 3
    hanging.callback(None)
    await until(lambda: receiver.counts.accepted == 3)


@pytest_twisted.ensureDeferred
async def test_passing_trouble_of_a_caller(bus: Bus) -> None:
    """The caller may name more errors that pass, such as those of a database."""

    def handler(message: BusMessage) -> None:
        bus.got.append(message)
        if len(bus.got) < 3:
            raise ZeroDivisionError("the database restarts")

    receiver = await bus.listen(
        handler, is_passing=lambda error: isinstance(error, ZeroDivisionError)
    )
    await bus.publish("1")
    await until(lambda: receiver.counts.accepted)
    assert (bus.bodies, receiver.counts.retried, receiver.counts.rejected) == (["1"] * 3, 2, 0)


# Stopping


@pytest_twisted.ensureDeferred
async def test_stop_while_handling(bus: Bus) -> None:
    """A stop waits for the handler, whose message is done with; the others go to the next."""
    hanging: Deferred[None] = Deferred()
    # The queue drops a message that is given back more often than once.
    bus.name += "-limited"
    await bus.make_queue(arguments={"x-delivery-limit": 1})
    receiver = await bus.listen(bus.hold(hanging), bus.as_it_is())
    await bus.publish("1", "2", "3")
    await until(lambda: receiver.counts.received == 3)
    stopping = receiver.stop()
    await bus.publish("4")
    assert not stopping.called
    hanging.callback(None)
    await stopping
    assert (receiver.state, bus.bodies) == (ReceiverState.STOPPED, ["1"])
    await bus.listen(settings=bus.as_it_is())
    await until(lambda: len(bus.got) == 4)
    assert bus.bodies == ["1", "2", "3", "4"]


@pytest_twisted.ensureDeferred
async def test_stop_after_handling(bus: Bus) -> None:
    """A stop loses no acknowledgement, however many are on their way: no message comes again."""
    hanging: Deferred[None] = Deferred()
    receiver = await bus.listen(bus.hold(hanging), prefetch=30)
    sent = list(map(str, range(30)))
    await bus.publish(*sent)
    await until(lambda: receiver.counts.received == 30)
    hanging.callback(None)
    await until(lambda: receiver.counts.accepted == 30)
    await receiver.stop()
    await bus.listen()
    await bus.publish("last")
    await until(lambda: "last" in bus.bodies)
    assert bus.bodies == [*sent, "last"]


@pytest_twisted.ensureDeferred
async def test_stop_with_a_handler_that_hangs(bus: Bus) -> None:
    """A stop has an end: the handler is cancelled, the message stays with the broker."""
    cancelled: list[str | bytes] = []
    receiver = await bus.listen(
        lambda message: Deferred(lambda _: cancelled.append(message.body)), handler_timeout=0.2
    )
    await bus.publish("1")
    await until(lambda: receiver.counts.received)
    await receiver.stop()
    assert cancelled == ["1"]
    await bus.listen()
    await until(lambda: bus.got)


@pytest_twisted.ensureDeferred
async def test_stop_while_trying_again(bus: Bus) -> None:
    """A stop does not wait for the next attempt at a message."""

    def handler(_message: BusMessage) -> None:
        raise BrokerUnreachable("the hub is unreachable")

    receiver = await bus.listen(handler, retry=RetryPolicy(first=1000, ceiling=1000))
    await bus.publish("1")
    await until(lambda: receiver.trouble)
    await receiver.stop()
    assert receiver.counts.accepted == 0


@pytest_twisted.ensureDeferred
async def test_broker_that_never_answers(bus: Bus, at_end: AtEnd) -> None:
    """A handshake that takes too long is given up, reported, and retried."""
    url = f"amqp://{Peer().start(at_end)}"
    receiver = bus.receiver(lambda _: None, bus.settings(url=url), ready_timeout=0.2)
    states = bus.states[receiver]
    receiver.start()
    await until(lambda: len(states) >= 4)
    lost = f"the broker {url} was not ready within 0.2 s: does it speak this protocol?"
    assert states[:3] == [
        (ReceiverState.CONNECTING, None),
        (ReceiverState.LOST, lost),
        (ReceiverState.CONNECTING, None),
    ]
    # A stop in the middle of it has an end, too.
    await receiver.stop()


@pytest_twisted.ensureDeferred
async def test_something_else_answers(bus: Bus, at_end: AtEnd) -> None:
    """A peer that is no broker is reported in one line, without a traceback, and retried."""
    web = Peer(first=b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n", closes=True)
    url = f"amqp://{web.start(at_end)}"
    reason = await bus.fails(bus.settings(url=url), ReceiverState.LOST)
    assert url in reason
    assert "\n" not in reason


# Logging in


REFUSALS = {
    "amqp": "403 ACCESS_REFUSED - Login was refused",
    "amqp1": "amqp:unauthorized-access Authentication failed",
}


@pytest_twisted.ensureDeferred
async def test_refused_login(bus: Bus, warnings: list[str]) -> None:
    """A wrong login is refused with the broker's words; it never makes us anonymous."""
    secret = "not-the-password"
    wrong = [
        bus.settings(password=secret),
        bus.settings(password=secret, url=bus.broker.tls_url, ca=bus.broker.ca),
        by_certificate(bus, "mallory"),
    ]
    # Together: RabbitMQ takes three seconds to say no.
    receivers = [bus.receiver(lambda _: None, settings) for settings in wrong]
    for receiver in receivers:
        receiver.start()
    for receiver in receivers:
        reason = await bus.reached(receiver, ReceiverState.REFUSED)
        assert REFUSALS[bus.protocol] in reason
        assert "\n" not in reason
        assert ReceiverState.READY not in dict(bus.states[receiver])
    assert len(warnings) == 3
    assert secret not in str(warnings) + repr(wrong)


@amqp1
@pytest_twisted.ensureDeferred
async def test_anonymous(bus: Bus) -> None:
    """An anonymous login must be asked for, and works if the broker allows it."""
    with pytest.raises(ConfigurationError, match="write mechanism='ANONYMOUS'"):
        bus.amqp1(user=None, password=None)
    await bus.exchange(bus.amqp1(user=None, password=None, mechanism="ANONYMOUS"))


def by_certificate(bus: Bus, user: str, **changes: Any) -> Broker:
    return bus.settings(
        url=bus.broker.tls_url,
        ca=bus.broker.ca,
        certificate=bus.broker.certificate(user),
        user=None,
        password=None,
        **changes,
    )


@pytest_twisted.ensureDeferred
async def test_client_certificate(bus: Bus) -> None:
    """TLS with a client certificate is a login, to receive and to publish."""
    await bus.exchange(by_certificate(bus, "bob"))


@pytest_twisted.ensureDeferred
async def test_password_and_tls(bus: Bus) -> None:
    """TLS with a password is a login by password; both sides know the broker's certificate."""
    settings = bus.settings(url=bus.broker.tls_url, ca=bus.broker.ca, allow_insecure_login=False)
    assert bus.publisher(settings).server_expires is None
    receiver, publisher = await bus.exchange(settings)
    assert receiver.server_expires is not None
    assert receiver.server_expires == publisher.server_expires > reactor.seconds()


@pytest_twisted.ensureDeferred
async def test_unknown_authority(bus: Bus) -> None:
    """A broker with an untrusted certificate gets no password."""
    publisher = bus.publisher(bus.settings(url=bus.broker.tls_url))
    with pytest.raises(BrokerRefusal, match="neither ca nor the system trusts") as caught:
        await publisher.publish("build.tag", "1")
    assert caught.value.may_have_arrived is False


@pytest_twisted.ensureDeferred
async def test_certificate_that_is_not_there(bus: Bus) -> None:
    """An unreadable file is reported with its name and its argument."""
    settings = evolve(by_certificate(bus, "bob"), certificate="/nowhere/bob.pem")
    assert await bus.fails(settings, ReceiverState.REFUSED) == (
        "can't read /nowhere/bob.pem, certificate of the broker"
        f" {bus.broker.tls_url}: No such file or directory"
    )


@pytest_twisted.ensureDeferred
async def test_nothing_listens(bus: Bus) -> None:
    """A broker that is down is reported once, however often it is retried."""
    reason = await bus.fails(bus.settings(url="amqp://127.0.0.1:1"), ReceiverState.LOST)
    assert reason == "nothing listens at amqp://127.0.0.1:1: is the broker up?"


# Queues


@pytest_twisted.ensureDeferred
async def test_queue_that_is_not_there(bus: Bus) -> None:
    """A queue that does not exist is refused with the broker's words."""
    changes: dict[str, Any] = {"address": "/amq/queue/nope"}
    if bus.protocol == "amqp":
        changes = {"queue": "nope", "passive": True, "routing_keys": []}
    reason = await bus.fails(bus.settings(**changes), ReceiverState.REFUSED)
    assert "no queue 'nope'" in reason


@amqp
@pytest_twisted.ensureDeferred
async def test_queue_of_another_kind(bus: Bus) -> None:
    """A queue that was declared otherwise before is refused with the broker's words."""
    bus.name += "-classic"
    await bus.make_queue(queue_type="classic")
    reason = await bus.fails(None, ReceiverState.REFUSED)
    assert "406 PRECONDITION_FAILED - inequivalent arg 'x-queue-type'" in reason


@amqp
@pytest_twisted.ensureDeferred
async def test_queue_that_is_taken_away(bus: Bus) -> None:
    """A queue that is deleted while we listen is noticed and declared again."""
    receiver = await bus.listen()
    assert receiver._link is not None
    receiver._link._channel.queue_delete(bus.name)  # type: ignore[attr-defined]
    await until(lambda: receiver.reconnects)
    await bus.publish("1")
    await until(lambda: bus.got)
    assert bus.bodies == ["1"]


# Publishing


@amqp
@pytest_twisted.ensureDeferred
async def test_nobody_takes_it(bus: Bus) -> None:
    """A message that no queue takes is an error, unless ``mandatory=False``."""
    settings = bus.amqp(topic_prefix="nobody")
    with pytest.raises(MessageNotTaken, match=r"routing key 'nobody.build.tag'") as caught:
        await bus.publisher(settings).publish("build.tag", "1")
    assert caught.value.may_have_arrived is False
    await bus.publisher(evolve(settings, mandatory=False)).publish("build.tag", "1")


@pytest_twisted.ensureDeferred
async def test_exchange_that_is_not_there(bus: Bus) -> None:
    """An exchange that does not exist is refused, and no refusal leaves a connection behind."""
    changes: dict[str, Any] = {"topic_prefix": "/exchange/nope/x"}
    if bus.protocol == "amqp":
        changes = {"exchange": "nope"}
    publisher = bus.publisher(bus.settings(**changes))
    before = connections(bus.broker)
    for _ in range(2):
        with pytest.raises(BrokerRefusal, match="no exchange 'nope'"):
            await publisher.publish("build.tag", "1")
    assert len(connections(bus.broker) - before) <= 1


def connections(broker: RabbitMQ) -> set[Client]:
    """Return the open connections of this process to the broker."""
    clients = {each for each in reactor.getReaders() if isinstance(each, Client)}
    return {each for each in clients if each.getPeer().port == broker.port}


@pytest_twisted.ensureDeferred
async def test_queue_that_is_full(bus: Bus) -> None:
    """A message that a queue has no room for is an error that passes."""
    bus.name += "-full"
    await bus.make_queue(
        queue_type="classic", arguments={"x-max-length": 1, "x-overflow": "reject-publish"}
    )
    publisher = bus.publisher()
    await publisher.publish("build.tag", "1")
    # RabbitMQ 3's plugin for AMQP 1.0 breaks the connection instead of saying no.
    expected = BrokerUnreachable if bus.protocol == "amqp" else BusError
    with pytest.raises(expected):
        await publisher.publish("build.tag", "2")


@amqp
@pytest_twisted.ensureDeferred
async def test_broker_that_is_low_on_disk(bus: Bus, at_end: AtEnd) -> None:
    """A broker that takes no message from anyone says why; then it has each message."""
    await bus.listen()
    publisher = bus.publisher()
    await publisher.connect()
    at_end(bus.broker.evaluate, CLEARED)
    bus.broker.evaluate("rabbit_alarm:set_alarm({{resource_limit, disk, node()}, []}).")
    late = pytest.raises(BrokerUnreachable, match="takes none from anyone, being low on disk")
    with impatient(publisher), late:
        await publisher.publish("build.tag", "1", message_id="1")
    bus.broker.evaluate(CLEARED)
    await publisher.publish("build.tag", "1", message_id="1")
    await until(lambda: bus.got)
    assert {message.message_id for message in bus.got} == {"1"}


@pytest_twisted.ensureDeferred
async def test_header_of_the_wrong_kind(bus: Bus) -> None:
    """A header that not every bus can carry is the caller's mistake."""
    with pytest.raises(TypeError, match="the header when must not be a float"):
        await bus.publisher().publish("build.tag", "1", {"when": 1.5})


@pytest_twisted.ensureDeferred
async def test_checked_before_it_is_sent(bus: Bus) -> None:
    """What may forbid a message is asked when it is its turn; it is not sent then."""
    await bus.listen()
    publisher = bus.publisher()
    asked: list[int] = []

    async def before() -> None:
        asked.append(1)
        raise LookupError

    first = publisher.publish("build.tag", "1")
    second = publisher.publish("build.tag", "2", before=before)
    assert not asked
    await first
    with pytest.raises(LookupError):
        await second
    await publisher.publish("build.tag", "3")
    await until(lambda: len(bus.got) == 2)
    assert bus.bodies == ["1", "3"]


@pytest_twisted.async_yield_fixture
async def cable(broker: RabbitMQ) -> AsyncIterator[tuple[Cable, str]]:
    """A cable, and the address of the broker behind it."""
    cable = Cable(broker.port)
    port = cable.start()
    yield cable, f"amqp://127.0.0.1:{port}"
    await cable.stop()


@pytest.mark.parametrize("ending", ["cut", "silence"])
@pytest_twisted.ensureDeferred
async def test_confirmation_that_is_lost(bus: Bus, cable: tuple[Cable, str], ending: str) -> None:
    """Where no confirmation comes it is an error: the broker may have the message."""
    wire, url = cable
    await bus.listen()
    publisher = bus.publisher(bus.settings(url=url))
    await publisher.publish("build.tag", "1", message_id="1")
    wire.is_mute = True
    with impatient(publisher):
        publishing = publisher.publish("build.tag", "2", message_id="2")
    await until(lambda: len(bus.got) == 2)
    if ending == "cut":
        wire.cut()
    with pytest.raises(BrokerUnreachable) as caught:
        await publishing
    assert caught.value.may_have_arrived is True
    wire.is_mute = False
    # With its own id, whoever receives can tell that this is the same message.
    await publisher.publish("build.tag", "2", message_id="2")
    await until(lambda: len(bus.got) == 3)
    assert [message.message_id for message in bus.got] == ["1", "2", "2"]


@pytest_twisted.ensureDeferred
async def test_publisher_that_is_stopped_while_it_connects(bus: Bus, at_end: AtEnd) -> None:
    """A stop ends the connecting too; the broker can't have the message."""
    silent = Peer()
    publisher = bus.publisher(bus.settings(url=f"amqp://{silent.start(at_end)}"), timeout=1e6)
    publishing = publisher.publish("build.tag", "1")
    connecting = publisher.connect()
    await until(lambda: silent.connections)
    await publisher.stop()
    for waiting in (publishing, connecting, publisher.publish("build.tag", "2")):
        with pytest.raises(BusError, match="was stopped") as caught:
            await waiting
        assert caught.value.may_have_arrived is False


@pytest_twisted.ensureDeferred
async def test_publisher_that_is_stopped(bus: Bus, cable: tuple[Cable, str]) -> None:
    """A stop does not wait for a confirmation: what waits for it fails."""
    wire, url = cable
    publisher = bus.publisher(bus.settings(url=url), timeout=1e6)
    await publisher.publish("build.tag", "1")
    wire.is_mute = True
    publishing = publisher.publish("build.tag", "2")
    await deferLater(reactor, 0)
    await publisher.stop()
    with pytest.raises(BusError, match="was stopped") as caught:
        await publishing
    assert caught.value.may_have_arrived is True


# Dialects


@amqp1
@pytest_twisted.ensureDeferred
async def test_recorded_messages(bus: Bus, at_end: AtEnd) -> None:
    """What a real hub sends over AMQP 1.0 comes the same over both protocols."""
    other = Bus(bus.broker, "amqp", f"{bus.name}.2")
    at_end(other.stop)
    lines = (DATA / "protonmsg.jsonl").read_text(encoding="utf-8").splitlines()
    sent = [json.loads(line) for line in lines]
    await bus.listen()
    await other.listen(settings=other.amqp(routing_keys=[f"{bus.name}.#"]))
    publisher = bus.publisher()
    for each in sent:
        await publisher.publish(each["address"], each["body"], each["properties"])
    await until(lambda: len(bus.got) == len(other.got) == len(sent) > 0)
    names = {"address": "topic", "properties": "headers", "body": "body"}
    assert [{key: getattr(each, name) for key, name in names.items()} for each in bus.got] == sent
    assert other.got == bus.got


@amqp
@pytest_twisted.ensureDeferred
async def test_fedora(bus: Bus) -> None:
    """A message of Fedora's hub has its topic without the prefix, its headers and its id."""
    await bus.listen(settings=bus.amqp(routing_keys=[f"{bus.name}.prod.buildsys.#"]))
    publisher = bus.publisher(bus.amqp(topic_prefix=f"{bus.name}.prod"))
    headers = {"fedora_messaging_schema": "koji_fedoramessaging.build.BuildStateChangeV1"}
    await publisher.publish("buildsys.build.state.change", '{"new": 1}', headers, "id-1")
    await until(lambda: bus.got)
    message = BusMessage("build.state.change", headers, '{"new": 1}', "id-1", False, "fedora")
    assert bus.got == [message]


def test_missing_extra(broker: RabbitMQ, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a protocol's library, the error says how to install it."""
    for protocol, library in (("amqp", "pika"), ("amqp1", "proton")):
        monkeypatch.setitem(__import__("sys").modules, library, None)
        settings = Bus(broker, protocol).settings()
        words = rf"pip install 'buildbot-koji\[{protocol}\]'"
        with pytest.raises(ConfigurationError, match=words):
            Receiver(settings, lambda _: None, reactor=reactor)
        with pytest.raises(ConfigurationError, match=words):
            Publisher(settings, reactor=reactor)
