"""What every bus has in common: messages, how they are settled, and the connection they come over.

A transport (:mod:`txkoji.bus.amqp`, :mod:`txkoji.bus.amqp1`) supplies a :class:`Link`. Ordering,
retries, state and reconnecting belong to the :class:`~txkoji.bus.receiver.Receiver` and the
:class:`~txkoji.bus.publisher.Publisher`, once for all transports.
"""

from __future__ import annotations

import abc
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal

from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as TimedOut

from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import BusError

CLOSE_TIMEOUT = 2.0
"""Seconds that a broker has to answer the closing of a connection."""

MAX_MESSAGE = 16 << 20
"""Bytes: a larger message is dropped as it arrives. A hub's have a few megabytes at most."""

Dialect = Literal["protonmsg", "fedora"]
"""The hub plugin that wrote a message: Koji's protonmsg, or Fedora's."""


@dataclass(frozen=True)
class BusMessage:
    """A message from a hub, whatever bus it came over.

    Attributes:
        topic: what it is about, without the site's prefix. In the dialect ``protonmsg`` it is the
            suffix that the plugin appends (``build.tag``, ``task.closed``, ``repo.done``), derived
            from the headers because not every broker passes it on. In the dialect ``fedora`` it
            is what follows ``buildsys.`` (``tag``, ``build.state.change``). None if unknown.
        headers: protonmsg's application properties, or Fedora's headers.
        body: text, or bytes that are not UTF-8.
        message_id: the sender's id; protonmsg sets none.
        redelivered: whether the broker delivered it before; None if the broker does not say.
        dialect: see :data:`Dialect`.
        unreadable: why the message can't be decoded, else None. A receiver rejects such a message;
            its handler never gets it.
    """

    topic: str | None
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: str | bytes = ""
    message_id: str | None = None
    redelivered: bool | None = None
    dialect: Dialect = "protonmsg"
    unreadable: str | None = None

    def json(self) -> Any:
        """Return the body, decoded.

        Raises:
            Reject: the body is not JSON: the message is permanently unusable.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError) as error:
            raise Reject(f"its body is not JSON: {error}") from error


def decoded(decode: Callable[[], BusMessage]) -> BusMessage:
    """Return a message as a library decodes it, or one that says why it can't be decoded.

    An exception here would end the connection, and the broker would deliver the same message first
    after each reconnect.
    """
    try:
        return decode()
    except Exception as error:  # noqa: BLE001 - libraries raise anything on odd bytes
        return BusMessage(None, unreadable=f"it can't be decoded: {type(error).__name__}: {error}")


class Reject(Exception):
    """Raised by a handler for a permanently unusable message; the text says why.

    The broker drops the message, or dead-letters it if the queue has a dead letter exchange.
    """


class Settlement(Enum):
    """How a received message is settled, in AMQP's terms."""

    ACCEPTED = "handled"
    REJECTED = "permanently unusable"
    RELEASED = "free for another receiver"


@dataclass(frozen=True)
class ReceivedMessage:
    """A message that is not settled yet.

    Attributes:
        message: the message.
        link: the connection that it came over.
        settle: sends the settlement to the broker. It does nothing if the connection is gone: the
            broker delivers the message again.
    """

    message: BusMessage
    link: Link
    settle: Callable[[Settlement], None]


@dataclass(frozen=True)
class QueueState:
    """The state of a queue or address.

    Attributes:
        messages: how many messages wait in it, None if the broker does not say.
        receivers: how many receivers it has, None if the broker does not say.
    """

    messages: int | None = None
    receivers: int | None = None


class Link(abc.ABC):
    """One connection to a broker, from its first byte to its last. It is used once.

    Attributes:
        lost: a Deferred that fires with a :class:`~txkoji.exceptions.BusError` when an open
            connection ends, whichever side ended it.
        is_open: whether the connection is usable now.
        server_expires: when the broker's own certificate expires, in seconds since the epoch; None
            without TLS, or before the connection is open.
        blocked: why the broker takes no message from anyone now, in its words; empty if it does.
    """

    server_expires: float | None = None
    blocked: str = ""

    def __init__(self, settings: Any, reactor: Any) -> None:
        self.lost: Deferred[Any] = Deferred()
        self.is_open = False
        self._settings = settings
        self._reactor = reactor

    @abc.abstractmethod
    async def open(self) -> None:
        """Connect and log in.

        Raises:
            BusError: the broker is unreachable, or refuses.
            ConfigurationError: a certificate file is unusable.
        """

    @abc.abstractmethod
    async def subscribe(self, prefetch: int, deliver: Callable[[ReceivedMessage], None]) -> None:
        """Start to receive.

        Args:
            prefetch: how many messages may be unsettled at a time.
            deliver: called with each message.

        Raises:
            BusError: the broker refuses.
        """

    @abc.abstractmethod
    def end_delivery(self) -> None:
        """Ask the broker for no more messages; those received can still be settled."""

    @abc.abstractmethod
    async def inspect(self) -> QueueState:
        """Look at the queue or address to receive from; make nothing and take no message.

        Raises:
            BusError: there is no such queue or address, it has other settings, or the broker
                refuses.
        """

    @abc.abstractmethod
    async def publish(
        self, topic: str, body: str | bytes, headers: Mapping[str, Any], message_id: str
    ) -> None:
        """Publish a message, one at a time; return when the broker has confirmed it.

        Raises:
            BusError: the broker did not confirm it.
        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Close the connection and wait for the peer's answer.

        The broker has processed all settlements by then. Unsettled messages are requeued.
        """

    @abc.abstractmethod
    def abort(self) -> None:
        """Drop the connection. Whatever waits for it fails with a BusError."""


async def close_link(link: Link, reactor: Any, timeout: float = CLOSE_TIMEOUT) -> None:
    """Close a connection; drop it if the broker does not answer in time."""
    try:
        if link.is_open:
            closing = Deferred.fromCoroutine(link.close())
            await ElapsedTime(reactor).limit(closing, timeout)
    except (BusError, TimedOut):
        # The connection is gone either way.
        pass
    finally:
        link.abort()
