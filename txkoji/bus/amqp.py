"""AMQP 0-9-1 by pika's Twisted adapter: RabbitMQ, Fedora's broker included."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from OpenSSL import SSL
from pika import BasicProperties, ConnectionParameters, PlainCredentials
from pika.adapters.twisted_connection import TwistedProtocolConnection
from pika.credentials import ExternalCredentials
from pika.exceptions import (
    AMQPError,
    AMQPHeartbeatTimeout,
    AuthenticationError,
    ChannelClosedByBroker,
    ConnectionClosedByBroker,
    ConsumerCancelled,
    InvalidFrameError,
    NackError,
    UnroutableError,
)
from pika.frame import Body, Header, Heartbeat
from pika.spec import FRAME_END_SIZE, FRAME_HEADER
from pika.spec import FRAME_HEADER_SIZE as HEADER_BYTES
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from txkoji.bus.amqpvalue import UndecodableValue, body_of, properties_of
from txkoji.bus.base import (
    CLOSE_TIMEOUT,
    MAX_MESSAGE,
    BusMessage,
    Link,
    QueueState,
    ReceivedMessage,
    Settlement,
    decoded,
)
from txkoji.bus.connecting import connect, plain_error
from txkoji.bus.settings import AMQP
from txkoji.bus.topics import bus_message
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import BrokerRefusal, BrokerUnreachable, BusError, MessageNotTaken

PERSISTENT = 2
AMQP_1_0 = "amqp-1.0"
"""The type that RabbitMQ 3 gives a message that arrived over AMQP 1.0."""

AMQP_1_0_PROPERTIES = "x-amqp-1.0-app-properties"

MAX_FRAME = 1 << 20
"""Bytes: brokers agree to 131,072."""

REFUSALS = frozenset({311, 402, 403, 404, 405, 406, 530})
"""Reply codes of a refusal; with any other the broker or the connection is in trouble."""

PIKA_ERRORS = (AMQPError, error.ConnectionClosed, SSL.Error)
"""What pika raises."""

# Python prints what pika logs to stderr unless the program configures logging; pika raises it too.
logging.getLogger("pika").addHandler(logging.NullHandler())


def message_from(
    routing_key: str | bytes, redelivered: bool | None, properties: BasicProperties, body: bytes
) -> BusMessage:
    """Return the message that the broker delivers."""
    if isinstance(properties, _UnreadableProperties):
        return BusMessage(None, redelivered=redelivered, unreadable=properties.reason)
    routing_key = _short_text(routing_key) or ""
    headers: Mapping[str, Any] = properties.headers or {}
    content: Any = body
    if properties.type == AMQP_1_0:
        # An undecodable body stays as it is: the handler rejects it.
        with suppress(UndecodableValue):
            content = body_of(body)
        encoded = headers.get(AMQP_1_0_PROPERTIES)
        if isinstance(encoded, bytes):
            with suppress(UndecodableValue):
                headers = properties_of(encoded)
    return bus_message(
        routing_key, headers, content, _short_text(properties.message_id), redelivered
    )


def _short_text(found: str | bytes | None) -> str | None:
    """Return a short string as text: pika leaves what is not UTF-8 as bytes."""
    return found.decode(errors="replace") if isinstance(found, bytes) else found


class _UnreadableProperties(BasicProperties):
    """Stands for the properties of a message that is rejected for a reason."""

    def __init__(self, reason: str) -> None:
        super().__init__()
        self.reason = reason


class _FrameReader:
    """Reads frames like pika, but survives a message whose properties pika can't decode.

    pika ends the connection over such a property (a date of the year 10000, a table in a table in a
    table ...), and keeps a message of any size.

    Args:
        read: pika's function, which returns how many bytes a frame took, and the frame.
        waiting: returns the bytes that wait to be read.
    """

    def __init__(self, read: Callable[[], tuple[int, Any]], waiting: Callable[[], bytes]) -> None:
        self._read = read
        self._waiting = waiting
        self._unwanted = 0

    def __call__(self) -> tuple[int, Any]:
        """Return how many bytes the next frame took, and the frame; 0 and None if it is partial."""
        data = self._waiting()
        if len(data) < HEADER_BYTES:
            return 0, None
        kind, channel, size = struct.unpack_from(">BHI", data)
        if data[:4] != b"AMQP" and size > MAX_FRAME:
            raise InvalidFrameError(f"a frame of {size} bytes")
        try:
            taken, frame = self._read()
        except Exception as error:
            if kind != FRAME_HEADER:
                raise
            taken = HEADER_BYTES + size + FRAME_END_SIZE
            [body_size] = struct.unpack_from(">Q", data, HEADER_BYTES + 4)
            reason = f"its properties can't be decoded: {type(error).__name__}: {error}"
            frame = Header(channel, body_size, _UnreadableProperties(reason))
        if isinstance(frame, Header) and frame.body_size > MAX_MESSAGE:
            reason = f"its {frame.body_size} bytes are more than any hub sends"
            self._unwanted = frame.body_size
            return taken, Header(channel, 0, _UnreadableProperties(reason))
        if isinstance(frame, Body) and self._unwanted:
            self._unwanted -= len(frame.fragment)
            return taken, Heartbeat()
        return taken, frame


class _ImpatientTransport:
    """A transport that aborts if a close can't flush what is unsent.

    pika closes the connection to a frozen peer like any other, and would wait for it forever.
    """

    def __init__(self, transport: Any, reactor: Any) -> None:
        self._transport = transport
        self._reactor = reactor
        self._timer: Any = None

    def write(self, data: bytes) -> None:
        self._transport.write(data)

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        self._transport.loseConnection()
        if self._timer is None:
            self._timer = ElapsedTime(self._reactor).callLater(CLOSE_TIMEOUT, self.abortConnection)

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        self._transport.abortConnection()

    def connection_lost(self) -> None:
        """Stop the timer: the connection has ended."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class _Connection(TwistedProtocolConnection):
    """pika's connection, which also keeps the broker's reason for closing it.

    Attributes:
        ended: a Deferred that fires with the reason when the connection ends.
        reason: why it ended or is about to, as an exception; else None.
    """

    _impl: Any

    def __init__(self, parameters: ConnectionParameters, reactor: Any) -> None:
        super().__init__(parameters, custom_reactor=reactor)
        self._impl._read_frame = _FrameReader(  # noqa: SLF001 - pika has no other way in
            self._impl._read_frame,  # noqa: SLF001
            lambda: self._impl._frame_buffer,  # noqa: SLF001
        )
        self.ended: Deferred[BaseException] = Deferred()
        self.reason: BaseException | None = None
        self._clock = reactor
        self._own_transport: _ImpatientTransport | None = None

    def makeConnection(self, transport: Any) -> None:  # noqa: N802 - Twisted's name
        transport.setTcpNoDelay(True)
        own: Any = _ImpatientTransport(transport, self._clock)
        self._own_transport = own
        super().makeConnection(own)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        try:
            super().dataReceived(data)
        except Exception as error:  # noqa: BLE001 - pika raises anything on a broken frame
            self.reason = error
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        # pika replaces the broker's reason by the end of the connection.
        why = self.reason or self._impl._error or reason.value  # noqa: SLF001
        assert why is not None
        self.reason = why
        if self._own_transport is not None:
            self._own_transport.connection_lost()
        super().connectionLost(reason)
        self.ended.callback(why)

    def abort(self) -> None:
        """Drop the connection."""
        if self._own_transport is not None and not self.ended.called:
            self._own_transport.abortConnection()


class _PikaLink(Link):
    """A connection with one channel, to receive or to publish."""

    _settings: AMQP

    def __init__(self, settings: AMQP, reactor: Any) -> None:
        super().__init__(settings, reactor)
        self._connection: _Connection | None = None
        self._channel: Any = None
        self._confirms = False
        self._consumer_tag: str | None = None

    async def open(self) -> None:
        settings = self._settings
        if settings.login_mechanism == "EXTERNAL":
            credentials: Any = ExternalCredentials()
        else:
            credentials = PlainCredentials(settings.user or "", settings.password or "")
        connection = self._connection = _Connection(
            ConnectionParameters(
                virtual_host=settings.virtual_host,
                credentials=credentials,
                heartbeat=settings.heartbeat,
            ),
            self._reactor,
        )
        # pika forgets it once it has fired.
        ready = connection.ready
        assert ready is not None
        try:
            server_expires = await connect(settings, self._reactor, connection)
            await ready
            self._channel = await connection.channel()
        except PIKA_ERRORS as problem:
            raise self._described(connection.reason or problem) from None
        self.is_open = True
        self.server_expires = server_expires()
        impl = connection._impl  # noqa: SLF001 - pika's Twisted adapter hides it
        impl.add_on_connection_blocked_callback(
            lambda _, frame: setattr(self, "blocked", str(frame.method.reason))
        )
        impl.add_on_connection_unblocked_callback(lambda *_: setattr(self, "blocked", ""))
        connection.ended.addCallback(self._lose)
        self._channel.on_closed.addCallback(self._lose)

    async def subscribe(self, prefetch: int, deliver: Callable[[ReceivedMessage], None]) -> None:
        try:
            await self._channel.basic_qos(prefetch_count=prefetch)
            if not self._settings.passive:
                await self._declare()
            messages, self._consumer_tag = await self._channel.basic_consume(self._settings.queue)
        except PIKA_ERRORS as problem:
            raise self._described(problem) from None
        Deferred.fromCoroutine(self._receive(messages, deliver)).addErrback(self._fail)

    def end_delivery(self) -> None:
        consumer_tag, self._consumer_tag = self._consumer_tag, None
        if consumer_tag is not None:
            ending = self._channel.basic_cancel(consumer_tag)
            ending.addErrback(lambda failure: failure.trap(*PIKA_ERRORS))

    async def inspect(self) -> QueueState:
        settings = self._settings
        try:
            if not settings.passive:
                # The queue is to be bound to it.
                await self._channel.exchange_declare(settings.exchange, passive=True)
            if settings.queue is None:
                return QueueState()
            found = await self._channel.queue_declare(settings.queue, passive=True)
            if not settings.passive:
                # The broker refuses other settings than those of a queue that is there.
                await self._declare_queue()
        except PIKA_ERRORS as problem:
            raise self._described(problem) from None
        return QueueState(found.method.message_count, found.method.consumer_count)

    async def _declare(self) -> None:
        settings = self._settings
        await self._declare_queue()
        for key in settings.routing_keys:
            await self._channel.queue_bind(settings.queue, settings.exchange, key)

    async def _declare_queue(self) -> None:
        settings = self._settings
        await self._channel.queue_declare(
            settings.queue,
            durable=settings.durable,
            exclusive=settings.exclusive,
            auto_delete=settings.auto_delete,
            arguments=settings.declared_arguments,
        )

    async def _receive(self, messages: Any, deliver: Callable[[ReceivedMessage], None]) -> None:
        while True:
            _channel, method, properties, body = await messages.get()
            message = decoded(
                partial(message_from, method.routing_key, method.redelivered, properties, body)
            )
            deliver(ReceivedMessage(message, self, partial(self._settle, method.delivery_tag)))

    def _settle(self, tag: int, settlement: Settlement) -> None:
        if not self.is_open:
            return
        if settlement is Settlement.ACCEPTED:
            self._channel.basic_ack(tag)
        else:
            self._channel.basic_reject(tag, requeue=settlement is Settlement.RELEASED)

    async def publish(
        self, topic: str, body: str | bytes, headers: Mapping[str, Any], message_id: str
    ) -> None:
        if not self.is_open:
            raise BrokerUnreachable(f"the connection to the broker {self._settings.url} is gone")
        exchange = self._settings.exchange
        properties = BasicProperties(
            message_id=message_id,
            headers=dict(headers),
            delivery_mode=PERSISTENT,
            content_type="application/json",
            content_encoding="utf-8",
        )
        sent = False
        try:
            if not self._confirms:
                await self._channel.confirm_delivery()
                self._confirms = True
            confirmed = self._channel.basic_publish(
                exchange,
                topic,
                body.encode() if isinstance(body, str) else body,
                properties,
                mandatory=self._settings.mandatory,
            )
            sent = True
            await confirmed
        except UnroutableError:
            raise MessageNotTaken(
                f"no queue of the broker {self._settings.url} takes a message with the routing key"
                f" {topic!r} from the exchange {exchange!r}: bind one, or write mandatory=False"
            ) from None
        except NackError:
            # A queue is full, or has no leader. Another one may have it.
            raise BrokerUnreachable(
                f"the broker {self._settings.url} did not store the message {topic!r}: a queue is"
                " full, or in trouble",
                may_have_arrived=True,
            ) from None
        except PIKA_ERRORS as problem:
            # pika fails what is pending before it reports the end of the connection.
            self._lose(problem)
            raise self._described(problem, may_have_arrived=sent) from None

    async def close(self) -> None:
        assert self._connection is not None
        closing: Any = self._connection.close()
        if closing is not None:
            await closing

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    def _lose(self, reason: BaseException) -> None:
        """Record that connection, channel or consumer has ended: each needs the others."""
        self.is_open = False
        if not self.lost.called:
            self.lost.callback(self._described(reason))

    def _fail(self, failure: Failure) -> None:
        """End the link when the consumer fails, unless we cancelled it."""
        assert failure.value is not None
        if self._consumer_tag is not None:
            self._lose(failure.value)

    def _described(self, problem: BaseException, *, may_have_arrived: bool = False) -> BusError:
        made = self._error_of(problem)
        made.may_have_arrived = may_have_arrived and not isinstance(made, BrokerRefusal)
        return made

    def _error_of(self, problem: BaseException) -> BusError:
        url = self._settings.url
        if isinstance(problem, (ConnectionClosedByBroker, ChannelClosedByBroker)):
            kind = BrokerRefusal if problem.reply_code in REFUSALS else BrokerUnreachable
            return kind(f"the broker {url} says: {problem.reply_code} {problem.reply_text}")
        if isinstance(problem, AuthenticationError):
            mechanism = self._settings.login_mechanism
            return BrokerRefusal(f"the broker {url} does not offer a login by {mechanism}")
        if isinstance(problem, ConsumerCancelled):
            return BrokerUnreachable(f"the broker {url} deleted the queue {self._settings.queue!r}")
        if isinstance(problem, AMQPHeartbeatTimeout):
            return BrokerUnreachable(f"the broker {url} missed its heartbeats")
        return plain_error(problem, self._settings)


make_link = _PikaLink
