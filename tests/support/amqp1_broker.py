"""A broker that speaks AMQP 1.0 as ActiveMQ does where RabbitMQ can't: durable subscriptions.

It knows no addresses: what is published here goes to all subscriptions. Everybody is anonymous.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Any

import cproton
import proton
from twisted.internet import reactor
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure


@dataclass
class Subscription:
    """What the broker keeps for a client.

    Attributes:
        address: what it listens to.
        waiting: messages that are not given out, encoded.
        given: those that are, by the tag of the delivery.
    """

    address: str
    waiting: deque[bytes] = field(default_factory=deque)
    given: dict[str, bytes] = field(default_factory=dict)
    link: Any = None
    tags: int = 0


class _Connection(Protocol):
    broker: Broker

    def __init__(self, broker: Broker) -> None:
        self.broker = broker

    def connectionMade(self) -> None:  # noqa: N802
        self.broker.connections.add(self)
        self.collector = proton.Collector()
        self.connection = proton.Connection()
        self.connection.collect(self.collector)
        self.engine = proton.Transport(proton.Transport.SERVER)
        self.engine.sasl().allowed_mechs("ANONYMOUS")
        self.engine.bind(self.connection)
        self.pump()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.engine.push(data)
        self.pump()

    def connectionLost(self, _reason: Failure = connectionDone) -> None:  # noqa: N802
        self.broker.connections.discard(self)
        for subscription in self.broker.subscriptions.values():
            if subscription.link is not None and subscription.link.connection == self.connection:
                subscription.link = None
                subscription.waiting.extendleft(reversed(subscription.given.values()))
                subscription.given.clear()

    def pump(self) -> None:
        """Look at what happened, and write."""
        assert self.transport is not None
        while True:
            while (pending := self.engine.pending()) > 0:
                self.transport.write(bytes(self.engine.peek(pending)))
                self.engine.pop(pending)
            event = self.collector.peek()
            if event is None:
                break
            reaction = getattr(self, event.type.method, None)
            if reaction is not None:
                reaction(event)
            self.collector.pop()
        if pending < 0:
            self.transport.loseConnection()

    def on_connection_remote_open(self, event: Any) -> None:
        event.connection.open()
        if self.broker.refusal is not None:
            # proton's Python takes text only.
            condition = cproton.pn_connection_condition(event.connection._impl)
            cproton.lib.pn_condition_set_name(condition, b"odd")
            cproton.lib.pn_condition_set_description(condition, self.broker.refusal)
            cproton.pn_connection_close(event.connection._impl)

    def on_session_remote_open(self, event: Any) -> None:
        event.session.open()

    def on_link_remote_open(self, event: Any) -> None:
        link = event.link
        link.source.copy(link.remote_source)
        link.target.copy(link.remote_target)
        link.open()
        if link.is_receiver:
            # What is published to us.
            if self.broker.gives_credit:
                link.flow(10)
            return
        is_durable = link.remote_source.durability == proton.Terminus.DELIVERIES
        never = link.remote_source.expiry_policy == proton.Terminus.EXPIRE_NEVER
        assert is_durable == never
        key = (link.connection.remote_container, link.name) if is_durable else (object(), "")
        subscription = self.broker.subscriptions.setdefault(
            key, Subscription(link.remote_source.address)
        )
        subscription.link = link

    def on_link_flow(self, _event: Any) -> None:
        self.broker.give_out()

    def on_link_remote_close(self, event: Any) -> None:
        self.broker.closed_links.append(event.link.name)
        event.link.close()

    def on_session_remote_close(self, event: Any) -> None:
        event.session.close()

    def on_connection_remote_close(self, event: Any) -> None:
        event.connection.close()

    def on_delivery(self, event: Any) -> None:
        delivery = event.delivery
        if delivery.link.is_receiver:
            if delivery.readable and not delivery.partial:
                self.broker.received.append(delivery.link.recv(delivery.pending))
                delivery.link.advance()
                if self.broker.outcome is not None:
                    delivery.update(self.broker.outcome)
                delivery.settle()
                delivery.link.flow(1)
        elif delivery.updated and delivery.settled:
            for subscription in self.broker.subscriptions.values():
                if subscription.link == delivery.link:
                    subscription.given.pop(delivery.tag, None)
            delivery.settle()


class Broker(Factory):
    """The broker, on a free port of the loopback interface.

    Attributes:
        subscriptions: by client and name; those that are not durable have a key of their own.
        closed_links: names of the links that clients closed.
        received: what was published to it, encoded.
        outcome: what it says of what is published to it; None for nothing.
        gives_credit: whether anybody may publish to it.
        refusal: what it says when it closes each new connection; None if it does not.
    """

    noisy = False

    def __init__(self) -> None:
        self.connections: set[_Connection] = set()
        self.subscriptions: dict[Any, Subscription] = {}
        self.closed_links: list[str] = []
        self.received: list[bytes] = []
        self.outcome: Any = proton.Delivery.ACCEPTED
        self.gives_credit = True
        self.refusal: bytes | None = None
        self._port: Any = None

    def buildProtocol(self, addr: Any) -> _Connection:  # noqa: ARG002, N802
        return _Connection(self)

    def start(self) -> str:
        """Listen; returns the address."""
        self._port = reactor.listenTCP(0, self, interface="127.0.0.1")
        return f"amqp://127.0.0.1:{self._port.getHost().port}"

    async def stop(self) -> None:
        """Break all connections and listen no more."""
        for connection in list(self.connections):
            connection.transport.abortConnection()  # type: ignore[union-attr]
        await self._port.stopListening()

    def publish(self, message: proton.Message) -> None:
        """Put a message into all subscriptions."""
        for subscription in self.subscriptions.values():
            subscription.waiting.append(bytes(message.encode()))
        self.give_out()
        for connection in list(self.connections):
            connection.pump()

    def give_out(self) -> None:
        """Send what there is credit for."""
        for subscription in self.subscriptions.values():
            link = subscription.link
            while link is not None and subscription.waiting and link.credit > 0:
                subscription.tags += 1
                tag = str(subscription.tags)
                message = subscription.waiting.popleft()
                subscription.given[tag] = message
                link.delivery(tag)
                link.stream(message)
                link.advance()
