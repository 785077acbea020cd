"""AMQP 0-9-1 by pika's Twisted adapter: RabbitMQ, and with it Fedora's broker."""

from __future__ import annotations

import logging
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
    NackError,
    UnroutableError,
)
from twisted.internet import error
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from txkoji.bus.amqpvalue import NotAValue, body_of, properties_of
from txkoji.bus.base import CLOSE_TIMEOUT, BusMessage, Delivery, Link, Outcome, text
from txkoji.bus.connecting import connect, in_plain_words
from txkoji.bus.settings import AMQP
from txkoji.bus.topics import dialect_of, topic_of
from txkoji.exceptions import BrokerRefusal, BrokerUnreachable, BusError, MessageNotTaken

__all__ = ["make_link", "message_from"]

PERSISTENT = 2
AMQP_1_0 = "amqp-1.0"
"""The type by which RabbitMQ 3 marks a message that came over AMQP 1.0."""

AMQP_1_0_PROPERTIES = "x-amqp-1.0-app-properties"

REFUSALS = frozenset({311, 402, 403, 404, 405, 406, 530})
"""Reply codes that mean "no"; the others say that the broker, or the connection, is in trouble."""

PROBLEMS = (AMQPError, error.ConnectionClosed, SSL.Error)
"""What pika fails with."""

# pika logs at length what it raises as well. Without this, Python would print that to stderr for
# programs that don't configure logging.
logging.getLogger("pika").addHandler(logging.NullHandler())


def make_link(settings: AMQP, reactor: Any) -> Link:
    """Make a connection, not opened yet."""
    return _Link(settings, reactor)


def message_from(
    routing_key: str, redelivered: bool | None, properties: BasicProperties, body: bytes
) -> BusMessage:
    """Make a message out of what the broker delivers."""
    headers: Mapping[str, Any] = properties.headers or {}
    content: Any = body
    if properties.type == AMQP_1_0:
        # What can't be read stays as it came: the handler will find that it is of no use.
        with suppress(NotAValue):
            content = body_of(body)
        encoded = headers.get(AMQP_1_0_PROPERTIES)
        if isinstance(encoded, bytes):
            with suppress(NotAValue):
                headers = properties_of(encoded)
    return BusMessage(
        topic=topic_of(routing_key, headers),
        headers=headers,
        body=text(content),
        message_id=properties.message_id,
        redelivered=redelivered,
        dialect=dialect_of(routing_key, headers),
    )


class _Parting:
    """A transport that does not wait for ever to send what is left when it is closed.

    pika closes a connection whose other side is frozen as it closes any other.
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
            self._timer = self._reactor.callLater(CLOSE_TIMEOUT, self.abortConnection)

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        self._transport.abortConnection()

    def gone(self) -> None:
        """Be told that the connection is over."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()


class _Connection(TwistedProtocolConnection):
    """pika's connection, which also tells the broker's reason when it is over.

    Attributes:
        over: a Deferred that fires with the reason when the connection is over.
        reason: why it is over, or about to be, as an exception, else None.
    """

    def __init__(self, parameters: ConnectionParameters, reactor: Any) -> None:
        super().__init__(parameters, custom_reactor=reactor)
        self.over: Deferred[BaseException] = Deferred()
        self.reason: BaseException | None = None
        self._clock = reactor
        self._parting: _Parting | None = None

    def makeConnection(self, transport: Any) -> None:  # noqa: N802 - Twisted's name
        transport.setTcpNoDelay(True)
        self._parting = _Parting(transport, self._clock)
        super().makeConnection(self._parting)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        try:
            super().dataReceived(data)
        except Exception as error:  # noqa: BLE001 - pika raises what it makes of the broker's words
            self.reason = error
            self.abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: N802
        # pika puts the end of the connection over what the broker said before.
        why = self.reason or self._impl._error or reason.value  # noqa: SLF001
        assert why is not None
        self.reason = why
        if self._parting is not None:
            self._parting.gone()
        super().connectionLost(reason)
        self.over.callback(why)

    def abort(self) -> None:
        """Drop the connection."""
        if self._parting is not None and not self.over.called:
            self._parting.abortConnection()


class _Link(Link):
    """A connection with one channel, to receive or to publish."""

    def __init__(self, settings: AMQP, reactor: Any) -> None:
        self.lost: Deferred[BusError] = Deferred()
        self.is_open = False
        self._settings = settings
        self._reactor = reactor
        self._connection: _Connection | None = None
        self._channel: Any = None
        self._confirms = False

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
        # pika drops it when it has fired.
        ready = connection.ready
        assert ready is not None
        try:
            await connect(settings, self._reactor, connection)
            await ready
            self._channel = await connection.channel()
        except PROBLEMS as problem:
            raise self._in_words(connection.reason or problem) from None
        self.is_open = True
        connection.over.addCallback(self._lose)
        self._channel.on_closed.addCallback(self._lose)

    async def subscribe(self, prefetch: int, deliver: Callable[[Delivery], None]) -> None:
        settings = self._settings
        queue = settings.queue
        try:
            await self._channel.basic_qos(prefetch_count=prefetch)
            if not settings.passive:
                await self._declare(queue)
            messages, _ = await self._channel.basic_consume(queue)
        except PROBLEMS as problem:
            raise self._in_words(problem) from None
        Deferred.fromCoroutine(self._receive(messages, deliver)).addErrback(self._fail)

    async def _declare(self, queue: str | None) -> None:
        settings = self._settings
        await self._channel.queue_declare(
            queue,
            durable=settings.durable,
            exclusive=settings.exclusive,
            auto_delete=settings.auto_delete,
            arguments=settings.declared_arguments,
        )
        for key in settings.routing_keys:
            await self._channel.queue_bind(queue, settings.exchange, key)

    async def _receive(self, messages: Any, deliver: Callable[[Delivery], None]) -> None:
        while True:
            _channel, method, properties, body = await messages.get()
            message = message_from(method.routing_key, method.redelivered, properties, body)
            deliver(Delivery(message, self, partial(self._settle, method.delivery_tag)))

    def _settle(self, tag: int, outcome: Outcome) -> None:
        if not self.is_open:
            return
        if outcome is Outcome.ACCEPT:
            self._channel.basic_ack(tag)
        else:
            self._channel.basic_reject(tag, requeue=outcome is Outcome.RELEASE)

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
                f" {topic!r} from the exchange {exchange!r}: bind one, or say mandatory=False"
            ) from None
        except NackError:
            raise MessageNotTaken(
                f"the broker {self._settings.url} could not keep the message {topic!r}"
            ) from None
        except PROBLEMS as problem:
            # pika tells those who wait before it tells that the connection is over.
            self._lose(problem)
            raise self._in_words(problem, may_have_arrived=sent) from None

    async def close(self) -> None:
        assert self._connection is not None
        closing = self._connection.close()
        if closing is not None:
            await closing

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    def _lose(self, reason: BaseException) -> None:
        """Take note that connection, channel or consumer is over: none is of use by itself."""
        self.is_open = False
        if not self.lost.called:
            self.lost.callback(self._in_words(reason))

    def _fail(self, failure: Failure) -> None:
        """End the link when nothing more can be received."""
        assert failure.value is not None
        self._lose(failure.value)

    def _in_words(self, problem: BaseException, *, may_have_arrived: bool = False) -> BusError:
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
            return BrokerUnreachable(
                f"the broker {url} has taken the queue {self._settings.queue!r} away"
            )
        if isinstance(problem, AMQPHeartbeatTimeout):
            return BrokerUnreachable(f"the broker {url} gives no sign of life")
        return in_plain_words(problem, self._settings)
