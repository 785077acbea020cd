"""AMQP 1.0 by proton's engine, in a Twisted protocol: ActiveMQ, Artemis, qpidd, RabbitMQ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any
from uuid import uuid4

import proton
from proton import Event
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TimedOut
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from txkoji._values import one_line
from txkoji.bus.base import (
    MAX_MESSAGE,
    BusMessage,
    Link,
    QueueState,
    ReceivedMessage,
    Settlement,
    decoded,
)
from txkoji.bus.connecting import connect, plain_error
from txkoji.bus.settings import AMQP1
from txkoji.bus.topics import bus_message
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import BrokerRefusal, BrokerUnreachable, BusError, MessageNotTaken

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
"""Conditions of a broker or connection in trouble; any other is a refusal."""

OUTCOMES = {
    Settlement.ACCEPTED: proton.Delivery.ACCEPTED,
    Settlement.REJECTED: proton.Delivery.REJECTED,
    Settlement.RELEASED: proton.Delivery.RELEASED,
}

REFUSED_OUTCOMES = {
    proton.Delivery.REJECTED: "rejected",
    proton.Delivery.RELEASED: "no consumer takes it",
    proton.Delivery.MODIFIED: "no consumer takes it",
}
"""What the broker's outcome means for a published message that it did not accept."""

SESSION_TIMEOUT = 5.0
"""Seconds that a broker has to answer the end of a session; RabbitMQ 3 sometimes never does."""

CONNECTION = ""
"""The name to wait for while the connection opens, or its session ends: no link has it."""


def message_from(data: bytes) -> BusMessage:
    """Decode a message that the broker delivers."""
    message = proton.Message()
    message.decode(data)
    headers: dict[str, Any] = dict(message.properties or {})
    redelivered = None
    if message.delivery_count:
        redelivered = True
    elif message.first_acquirer:
        # Only True counts: False is also the default of a broker that does not say.
        redelivered = False
    identity = None if message.id is None else str(message.id)
    address = message.subject or message.address
    return bus_message(address, headers, message.body, identity, redelivered)


class _Engine(Protocol):
    """Moves bytes between the network and proton's engine, and passes on the engine's events.

    Args:
        settings: the broker.
        clock: an IReactorTime.
        on_event: called with each event.
        on_end: called with the reason when the connection has ended.
    """

    transport: Any

    def __init__(
        self,
        settings: AMQP1,
        clock: Any,
        on_event: Callable[[Any], None],
        on_end: Callable[[BaseException], None],
    ) -> None:
        self._elapsed = ElapsedTime(clock)
        self._on_event = on_event
        self._on_end = on_end
        self._collector = proton.Collector()
        self._pumping = False
        self._has_ended = False
        self._problem: BaseException | None = None
        self._timer: Any = None
        self.connection = proton.Connection()
        self.connection.collect(self._collector)
        self.connection.container = settings.client_id or f"txkoji-{uuid4()}"
        self.connection.hostname = settings.host
        self._engine = proton.Transport()
        self._engine.idle_timeout = settings.heartbeat
        sasl = self._engine.sasl()
        # Exactly one: given a choice, proton prefers EXTERNAL to a password, and mistakes AMQPLAIN
        # for PLAIN and then logs in as ANONYMOUS, whatever the password.
        sasl.allowed_mechs(settings.login_mechanism)
        # proton can't see Twisted's TLS; the settings check it.
        sasl.allow_insecure_mechs = True
        if settings.login_mechanism == "PLAIN":
            self.connection.user = settings.user or ""
            self.connection.password = settings.password or ""
        self._engine.bind(self.connection)

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        self.transport.setTcpNoDelay(True)
        self.connection.open()
        self.pump()

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        try:
            self._push(data)
        except (ValueError, TypeError, proton.ProtonException) as error:
            # proton decodes names and reasons only when they are read.
            self._problem = error
            self.abort()

    def _push(self, data: bytes) -> None:
        while data:
            capacity = self._engine.capacity()
            if capacity <= 0:
                # The engine is closed: nobody wants the rest.
                return
            self._engine.push(data[:capacity])
            data = data[capacity:]
            self.pump()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        if self._timer is not None:
            self._timer.cancel()
        self._has_ended = True
        self._engine.unbind()
        self._collector.release()
        assert reason.value is not None
        self._on_end(self._problem or reason.value)

    def abort(self) -> None:
        """Drop the connection."""
        if self.transport is not None and not self._has_ended:
            self.transport.abortConnection()

    def pump(self) -> None:
        """Dispatch the engine's events and write its pending output."""
        if self._pumping or self._has_ended or not self.connected:
            # An event's handler called this: the loop below dispatches what it caused.
            return
        self._pumping = True
        now = self._elapsed.seconds()
        deadline = self._engine.tick(now)
        try:
            # Writing makes events too: only then the engine reports a refused login.
            while self._dispatch() | self._write():
                pass
        finally:
            self._pumping = False
        if self._timer is not None:
            self._timer.cancel()
        if deadline:
            # For the heartbeats.
            self._timer = self._elapsed.callLater(max(0.0, deadline - now), self.pump)

    def _dispatch(self) -> bool:
        """Dispatch all events; return whether there was one."""
        found = False
        while (event := self._collector.peek()) is not None:
            found = True
            self._on_event(event)
            self._collector.pop()
        return found

    def _write(self) -> bool:
        """Write all pending output; return whether there was any."""
        found = False
        while (pending := self._engine.pending()) > 0:
            found = True
            self.transport.write(bytes(self._engine.peek(pending) or b""))
            self._engine.pop(pending)
        if pending < 0:
            self.transport.loseConnection()
        return found


class _ProtonLink(Link):
    """A connection with a session, to receive or to publish."""

    _settings: AMQP1

    def __init__(self, settings: AMQP1, reactor: Any) -> None:
        super().__init__(settings, reactor)
        self._engine = _Engine(settings, reactor, self._on_event, self._on_end_of_connection)
        self._ended: Deferred[None] = Deferred()
        self._reason: BusError | None = None
        self._waiting: dict[str, Deferred[None]] = {}
        self._confirming: dict[str, Deferred[None]] = {}
        self._senders: dict[str, Any] = {}
        self._sent = 0
        self._is_oversized = False
        self._session: Any = None
        self._receiver: Any = None
        self._is_receiving = False
        self._deliver: Callable[[ReceivedMessage], None] | None = None
        self._event_handlers: dict[Any, Callable[[Any], None]] = {
            Event.CONNECTION_REMOTE_OPEN: lambda _: self._resume(CONNECTION),
            Event.LINK_REMOTE_OPEN: self._on_link_open,
            Event.LINK_FLOW: self._on_flow,
            Event.DELIVERY: self._on_delivery,
            Event.LINK_REMOTE_CLOSE: self._on_end,
            Event.LINK_REMOTE_DETACH: self._on_end,
            Event.SESSION_REMOTE_CLOSE: self._on_session_end,
            Event.CONNECTION_REMOTE_CLOSE: self._on_end,
            Event.TRANSPORT_ERROR: self._on_error,
        }

    async def open(self) -> None:
        opened = self._wait_for(CONNECTION)
        server_expires = await connect(self._settings, self._reactor, self._engine)
        await opened
        self._session = self._engine.connection.session()
        self._session.open()
        self.is_open = True
        self.server_expires = server_expires()

    async def subscribe(self, prefetch: int, deliver: Callable[[ReceivedMessage], None]) -> None:
        settings = self._settings
        self._deliver = deliver
        receiver = self._session.receiver(settings.subscription or f"receiver-{uuid4()}")
        receiver.source.address = settings.address
        if settings.subscription is not None:
            # Closing the link would end the durable subscription: only the connection is closed.
            receiver.source.durability = proton.Terminus.DELIVERIES
            receiver.source.expiry_policy = proton.Terminus.EXPIRE_NEVER
        receiver.open()
        await self._wait_for(receiver.name)
        receiver.flow(prefetch)
        self._receiver = receiver
        self._is_receiving = True
        self._engine.pump()

    def end_delivery(self) -> None:
        if self._is_receiving:
            self._is_receiving = False
            self._receiver.flow(-self._receiver.credit)
            self._engine.pump()

    async def inspect(self) -> QueueState:
        # Under another name: a durable subscription would be made, or taken from its owner.
        receiver = self._session.receiver(f"look-{uuid4()}")
        receiver.source.address = self._settings.address
        receiver.open()
        await self._wait_for(receiver.name)
        return QueueState()

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
        """Return the sender for an address; each has a link of its own."""
        if address not in self._senders:
            if self._reason is not None:
                raise self._reason
            sender = self._session.sender(f"sender-{len(self._senders)}-{uuid4()}")
            sender.target.address = address
            sender.open()
            await self._wait_for(sender.name)
            self._senders[address] = sender
        return self._senders[address]

    async def close(self) -> None:
        # RabbitMQ 3 forgets the settlements that wait in a session when the connection closes: it
        # has processed all of them only when it answers the end of the session.
        self.is_open = False
        self._session.close()
        with suppress(TimedOut):
            await ElapsedTime(self._reactor).limit(self._wait_for(CONNECTION), SESSION_TIMEOUT)
        self._engine.connection.close()
        self._engine.pump()
        await self._ended

    def abort(self) -> None:
        self._engine.abort()

    def _settle(self, delivery: Any, settlement: Settlement) -> None:
        if not self.is_open:
            return
        delivery.update(OUTCOMES[settlement])
        delivery.settle()
        if self._is_receiving and settlement is not Settlement.RELEASED:
            delivery.link.flow(1)
        self._engine.pump()

    # Waiting for the peer

    def _wait_for(self, name: str) -> Deferred[None]:
        """Return a Deferred that fires when a link, or the connection, makes progress."""
        waiting: Deferred[None] = Deferred()
        self._waiting[name] = waiting
        self._engine.pump()
        return waiting

    def _resume(self, name: str) -> None:
        waiting = self._waiting.pop(name, None)
        if waiting is not None:
            waiting.callback(None)

    # Events of the engine

    def _on_event(self, event: Any) -> None:
        handler = self._event_handlers.get(event.type)
        if handler is not None:
            handler(event)

    def _on_link_open(self, event: Any) -> None:
        link = event.link
        terminus = link.remote_source if link.is_receiver else link.remote_target
        # A link without a terminus is refused: the reason comes when it is closed.
        if terminus.type != proton.Terminus.UNSPECIFIED:
            self._resume(link.name)

    def _on_flow(self, event: Any) -> None:
        if event.link.is_sender and event.link.credit > 0:
            self._resume(event.link.name)

    def _on_delivery(self, event: Any) -> None:
        delivery = event.delivery
        if delivery.link.is_sender:
            self._on_disposition(delivery)
        elif delivery.aborted:
            self._is_oversized = False
            delivery.settle()
            delivery.link.flow(1)
        elif delivery.partial and delivery.pending > MAX_MESSAGE:
            # One flag is enough: the deliveries of a link do not overlap.
            self._is_oversized = True
            delivery.link.recv(delivery.pending)
        elif delivery.readable and not delivery.partial:
            data = delivery.link.recv(delivery.pending) or b""
            delivery.link.advance()
            if self._is_oversized:
                self._is_oversized = False
                message = BusMessage(None, unreadable="it is larger than any that a hub sends")
            else:
                message = decoded(partial(message_from, data))
            assert self._deliver is not None
            self._deliver(ReceivedMessage(message, self, partial(self._settle, delivery)))

    def _on_disposition(self, delivery: Any) -> None:
        """Handle the broker's outcome of a published message."""
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
        reason = _describe(condition) or REFUSED_OUTCOMES.get(state, "no outcome")
        address = delivery.link.target.address
        confirmed.errback(
            MessageNotTaken(
                f"the broker {self._settings.url} did not take a message to {address}: {reason}"
            )
        )

    def _on_session_end(self, event: Any) -> None:
        if event.session.state & proton.Endpoint.LOCAL_CLOSED:
            self._resume(CONNECTION)
        else:
            self._on_end(event)

    def _on_end(self, event: Any) -> None:
        """Record that the broker closed link, session or connection: each needs the others."""
        condition = event.context.remote_condition
        if event.type == Event.CONNECTION_REMOTE_CLOSE:
            event.connection.close()
        self._lose(self._error_of(condition, "the broker {url} closed the connection"))

    def _on_error(self, event: Any) -> None:
        self._lose(
            self._error_of(event.transport.condition, "the broker {url} does not speak AMQP 1.0")
        )

    def _on_end_of_connection(self, reason: BaseException) -> None:
        self._lose(plain_error(reason, self._settings))
        self._ended.callback(None)

    def _error_of(self, condition: Any, otherwise: str) -> BusError:
        url = self._settings.url
        if condition is None:
            return BrokerUnreachable(otherwise.format(url=url))
        kind = BrokerUnreachable if condition.name in TROUBLES else BrokerRefusal
        return kind(f"the broker {url} says: {_describe(condition)}")

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
            # The broker may have stored it before the connection ended.
            each.errback(type(reason)(str(reason), may_have_arrived=True))
        self.lost.callback(reason)


def _describe(condition: Any) -> str:
    if condition is None:
        return ""
    return one_line(f"{condition.name} {condition.description or ''}", 300)


make_link = _ProtonLink
