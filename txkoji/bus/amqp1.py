"""AMQP 1.0 by proton's engine, in a Twisted protocol: ActiveMQ, Artemis, qpidd, RabbitMQ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from uuid import uuid4

import proton
from proton import Event
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from txkoji.bus.base import BusMessage, Delivery, Link, Outcome, text
from txkoji.bus.connecting import connect, in_plain_words
from txkoji.bus.settings import AMQP1
from txkoji.bus.topics import dialect_of, topic_of
from txkoji.exceptions import BrokerRefusal, BrokerUnreachable, BusError, MessageNotTaken

__all__ = ["make_link", "message_from"]

TROUBLES = frozenset(
    {
        "amqp:connection:forced",
        "amqp:connection:framing-error",
        "amqp:internal-error",
        "amqp:link:detach-forced",
        "amqp:resource-deleted",
        "amqp:resource-limit-exceeded",
    }
)
"""Conditions that say that the broker, or the connection, is in trouble; the others mean "no"."""

OUTCOMES = {
    Outcome.ACCEPT: proton.Delivery.ACCEPTED,
    Outcome.REJECT: proton.Delivery.REJECTED,
    Outcome.RELEASE: proton.Delivery.RELEASED,
}

DISPOSITIONS = {
    proton.Delivery.REJECTED: "it was rejected",
    proton.Delivery.RELEASED: "nobody there takes it",
    proton.Delivery.MODIFIED: "nobody there takes it",
}
"""What the broker says of a message that it did not accept."""

CONNECTION = ""
"""What is waited for while the connection is opened: no link has this name."""


def make_link(settings: AMQP1, reactor: Any) -> Link:
    """Make a connection, not opened yet."""
    return _Link(settings, reactor)


def message_from(data: bytes) -> BusMessage:
    """Make a message out of what the broker delivers, encoded."""
    message = proton.Message()
    try:
        message.decode(data)
    except proton.ProtonException:
        # As it came: the handler will find that it is of no use.
        return BusMessage(topic=None, body=data)
    headers: dict[str, Any] = dict(message.properties or {})
    address = message.subject or message.address
    identity = message.id
    redelivered = None
    if message.delivery_count:
        redelivered = True
    elif message.first_acquirer:
        # False where the broker does not say it, too.
        redelivered = False
    return BusMessage(
        topic=topic_of(address, headers),
        headers=headers,
        body=text(message.body),
        message_id=None if identity is None else str(identity),
        redelivered=redelivered,
        dialect=dialect_of(address, headers),
    )


class _Engine(Protocol):
    """Moves bytes between the network and proton's engine, and tells of the engine's events.

    Args:
        settings: where, and as whom.
        clock: an IReactorTime.
        tell: is called with each event.
        over: is called when the connection is over, with the reason.
    """

    def __init__(
        self,
        settings: AMQP1,
        clock: Any,
        tell: Callable[[Any], None],
        over: Callable[[BaseException], None],
    ) -> None:
        self._clock = clock
        self._tell = tell
        self._over = over
        self._collector = proton.Collector()
        self._pumping = False
        self._is_over = False
        self._timer: Any = None
        self.connection = proton.Connection()
        self.connection.collect(self._collector)
        self.connection.container = settings.client_id or f"txkoji-{uuid4()}"
        self.connection.hostname = settings.host
        self._engine = proton.Transport()
        self._engine.idle_timeout = settings.heartbeat
        sasl = self._engine.sasl()
        # Exactly one. Left the choice, proton prefers EXTERNAL to a password, and takes ANONYMOUS
        # for PLAIN where the broker offers AMQPLAIN as well: any password is right then.
        sasl.allowed_mechs(settings.login_mechanism)
        # proton can't see Twisted's TLS. The settings have made sure of it, or of the user's wish.
        sasl.allow_insecure_mechs = True
        if settings.login_mechanism == "PLAIN":
            self.connection.user = settings.user or ""
            self.connection.password = settings.password or ""
        self._engine.bind(self.connection)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        assert self.transport is not None
        self.transport.setTcpNoDelay(True)  # type: ignore[attr-defined]
        self.connection.open()
        self.pump()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        while data:
            capacity = self._engine.capacity()
            if capacity <= 0:
                # The engine is closed: the rest is for nobody.
                return
            self._engine.push(data[:capacity])
            data = data[capacity:]
            self.pump()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._is_over = True
        self._engine.unbind()
        self._collector.release()
        assert reason.value is not None
        self._over(reason.value)

    def abort(self) -> None:
        """Drop the connection."""
        if self.transport is not None and not self._is_over:
            self.transport.abortConnection()  # type: ignore[attr-defined]

    def pump(self) -> None:
        """Tell of what happened, and write what is to be written."""
        if self._pumping or self._is_over or not self.connected:
            # In the first case by something that was told of an event: the loop below goes on.
            return
        self._pumping = True
        now = self._clock.seconds()
        deadline = self._engine.tick(now)
        try:
            # Writing, too, makes events: only then the engine says that a login was refused.
            while self._dispatch() | self._write():
                pass
        finally:
            self._pumping = False
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        if deadline:
            # The engine wants to look at the time then: it keeps the connection alive.
            self._timer = self._clock.callLater(max(0.0, deadline - now), self.pump)

    def _dispatch(self) -> bool:
        """Tell of all events; returns whether there was one."""
        found = False
        while (event := self._collector.peek()) is not None:
            found = True
            self._tell(event)
            self._collector.pop()
        return found

    def _write(self) -> bool:
        """Write all that is to be written; returns whether there was something."""
        assert self.transport is not None
        found = False
        while (pending := self._engine.pending()) > 0:
            found = True
            self.transport.write(bytes(self._engine.peek(pending) or b""))
            self._engine.pop(pending)
        if pending < 0:
            self.transport.loseConnection()
        return found


class _Link(Link):
    """A connection with a session, to receive or to publish."""

    def __init__(self, settings: AMQP1, reactor: Any) -> None:
        self.lost: Deferred[BusError] = Deferred()
        self.is_open = False
        self._settings = settings
        self._reactor = reactor
        self._engine = _Engine(settings, reactor, self._on_event, self._on_over)
        self._over: Deferred[None] = Deferred()
        self._reason: BusError | None = None
        self._closing = False
        self._waiting: dict[str, Deferred[None]] = {}
        self._confirming: dict[str, Deferred[None]] = {}
        self._senders: dict[str, Any] = {}
        self._sent = 0
        self._session: Any = None
        self._deliver: Callable[[Delivery], None] | None = None
        self._reactions: dict[Any, Callable[[Any], None]] = {
            Event.CONNECTION_REMOTE_OPEN: lambda _: self._go_on(CONNECTION),
            Event.LINK_REMOTE_OPEN: self._on_link_open,
            Event.LINK_FLOW: self._on_flow,
            Event.DELIVERY: self._on_delivery,
            Event.LINK_REMOTE_CLOSE: self._on_end,
            Event.LINK_REMOTE_DETACH: self._on_end,
            Event.SESSION_REMOTE_CLOSE: self._on_end,
            Event.CONNECTION_REMOTE_CLOSE: self._on_end,
            Event.TRANSPORT_ERROR: self._on_error,
        }

    async def open(self) -> None:
        opened = self._wait_for(CONNECTION)
        await connect(self._settings, self._reactor, self._engine)
        await opened
        self._session = self._engine.connection.session()
        self._session.open()
        self.is_open = True

    async def subscribe(self, prefetch: int, deliver: Callable[[Delivery], None]) -> None:
        settings = self._settings
        self._deliver = deliver
        receiver = self._session.receiver(settings.subscription or f"receiver-{uuid4()}")
        receiver.source.address = settings.address
        if settings.subscription is not None:
            # The broker keeps it while we are away; it would end with the link, which is
            # therefore never closed, only the connection.
            receiver.source.durability = proton.Terminus.DELIVERIES
            receiver.source.expiry_policy = proton.Terminus.EXPIRE_NEVER
        receiver.open()
        await self._wait_for(receiver.name)
        receiver.flow(prefetch)
        self._engine.pump()

    async def publish(
        self, topic: str, body: str | bytes, headers: Mapping[str, Any], message_id: str
    ) -> None:
        sender = await self._sender(topic)
        while sender.credit <= 0:
            await self._wait_for(sender.name)
        message = proton.Message(
            id=message_id,
            address=topic,
            properties=dict(headers),
            body=body,
            inferred=isinstance(body, bytes),
            durable=True,
        )
        self._sent += 1
        tag = str(self._sent)
        confirmed: Deferred[None] = Deferred()
        self._confirming[tag] = confirmed
        sender.delivery(tag)
        sender.stream(message.encode())
        sender.advance()
        self._engine.pump()
        await confirmed

    async def _sender(self, address: str) -> Any:
        """Return the sender to an address, with a link of its own."""
        if address not in self._senders:
            self._refuse_if_lost()
            sender = self._session.sender(f"sender-{len(self._senders)}-{uuid4()}")
            sender.target.address = address
            sender.open()
            await self._wait_for(sender.name)
            self._senders[address] = sender
        return self._senders[address]

    async def close(self) -> None:
        self._closing = True
        self._engine.connection.close()
        self._engine.pump()
        await self._over

    def abort(self) -> None:
        self._engine.abort()

    def _settle(self, delivery: Any, outcome: Outcome) -> None:
        if not self.is_open:
            return
        delivery.update(OUTCOMES[outcome])
        delivery.settle()
        if outcome is not Outcome.RELEASE:
            delivery.link.flow(1)
        self._engine.pump()

    # What is waited for

    def _refuse_if_lost(self) -> None:
        if self._reason is not None:
            raise self._reason

    def _wait_for(self, name: str) -> Deferred[None]:
        """Return a Deferred for the next good news of a link, or of the connection."""
        waiting: Deferred[None] = Deferred()
        self._waiting[name] = waiting
        self._engine.pump()
        return waiting

    def _go_on(self, name: str) -> None:
        waiting = self._waiting.pop(name, None)
        if waiting is not None:
            waiting.callback(None)

    # What happens

    def _on_event(self, event: Any) -> None:
        reaction = self._reactions.get(event.type)
        if reaction is not None:
            reaction(event)

    def _on_link_open(self, event: Any) -> None:
        link = event.link
        terminus = link.remote_source if link.is_receiver else link.remote_target
        # A link without one is refused: the reason comes with its end.
        if terminus.type != proton.Terminus.UNSPECIFIED:
            self._go_on(link.name)

    def _on_flow(self, event: Any) -> None:
        if event.link.is_sender and event.link.credit > 0:
            self._go_on(event.link.name)

    def _on_delivery(self, event: Any) -> None:
        delivery = event.delivery
        if delivery.link.is_sender:
            self._on_disposition(delivery)
        elif delivery.aborted:
            delivery.settle()
            delivery.link.flow(1)
        elif delivery.readable and not delivery.partial:
            data = delivery.link.recv(delivery.pending) or b""
            delivery.link.advance()
            assert self._deliver is not None
            self._deliver(Delivery(message_from(data), self, partial(self._settle, delivery)))

    def _on_disposition(self, delivery: Any) -> None:
        """Take what the broker says of a message that was published."""
        if not (delivery.remote_state or delivery.settled):
            return
        confirmed = self._confirming.pop(delivery.tag, None)
        state = delivery.remote_state
        condition = delivery.remote.condition
        delivery.settle()
        if confirmed is None:
            return
        if state == proton.Delivery.ACCEPTED:
            confirmed.callback(None)
            return
        words = _words(condition) or DISPOSITIONS.get(state, "no outcome")
        address = delivery.link.target.address
        confirmed.errback(
            MessageNotTaken(
                f"the broker {self._settings.url} did not take a message to {address}: {words}"
            )
        )

    def _on_end(self, event: Any) -> None:
        """Take note that the broker has closed something: nothing is of use by itself."""
        condition = event.context.remote_condition
        if event.type == Event.CONNECTION_REMOTE_CLOSE:
            event.connection.close()
        self._lose(self._error_of(condition, "the broker {url} ended the connection"))

    def _on_error(self, event: Any) -> None:
        self._lose(
            self._error_of(event.transport.condition, "the broker {url} does not speak AMQP 1.0")
        )

    def _on_over(self, reason: BaseException) -> None:
        self._lose(in_plain_words(reason, self._settings))
        self._over.callback(None)

    def _error_of(self, condition: Any, otherwise: str) -> BusError:
        url = self._settings.url
        if condition is None:
            return BrokerUnreachable(otherwise.format(url=url))
        kind = BrokerUnreachable if condition.name in TROUBLES else BrokerRefusal
        return kind(f"the broker {url} says: {_words(condition)}")

    def _lose(self, reason: BusError) -> None:
        if self._reason is not None:
            return
        self._reason = reason
        self.is_open = False
        waiting, self._waiting = self._waiting, {}
        for each in waiting.values():
            each.errback(reason)
        confirming, self._confirming = self._confirming, {}
        for each in confirming.values():
            # Whether the broker has it nobody knows.
            each.errback(type(reason)(str(reason), may_have_arrived=True))
        self.lost.callback(reason)


def _words(condition: Any) -> str:
    if condition is None:
        return ""
    return " ".join(f"{condition.name} {condition.description or ''}".split())
