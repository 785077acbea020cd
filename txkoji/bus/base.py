"""What every bus has in common: messages, their deliveries, and the connection they come over.

A transport (:mod:`txkoji.bus.amqp`, :mod:`txkoji.bus.amqp1`) supplies a :class:`Link`. Order,
retry, state and the next connection are the :class:`~txkoji.bus.receiver.Receiver`'s and the
:class:`~txkoji.bus.publisher.Publisher`'s, once for all transports.
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

from txkoji.exceptions import BusError

__all__ = ["BusMessage", "Delivery", "Dialect", "Link", "Outcome", "Reject", "end", "text"]

CLOSE_TIMEOUT = 2.0

Dialect = Literal["protonmsg", "fedora", "stomp"]
"""Who wrote a message: the hub's plugin protonmsg, Fedora's, or something that speaks STOMP."""


@dataclass(frozen=True)
class BusMessage:
    """A message of a hub, whatever bus it came over.

    Attributes:
        topic: what it is about, without the site's prefix. In the dialect ``protonmsg`` it is the
            suffix that the plugin appends (``build.tag``, ``task.closed``, ``repo.done``), rebuilt
            from the headers: the broker may not tell it. In the dialect ``fedora`` it is what comes
            after ``buildsys.`` (``tag``, ``build.state.change``). None where it is unknown.
        headers: protonmsg's properties, or the headers of the other dialects.
        body: text, or bytes where they are not UTF-8.
        message_id: the id that the sender gave it; protonmsg gives none.
        redelivered: whether it was given out before; None where the broker does not say.
        dialect: see :data:`Dialect`.
    """

    topic: str | None
    headers: Mapping[str, Any] = field(default_factory=dict)
    body: str | bytes = ""
    message_id: str | None = None
    redelivered: bool | None = None
    dialect: Dialect = "protonmsg"

    def json(self) -> Any:
        """Return the body's value.

        Raises:
            Reject: the body is not JSON: the message can never be used.
        """
        try:
            return json.loads(self.body)
        except ValueError as error:
            raise Reject(f"its body is not JSON: {error}") from error


def text(content: Any) -> str | bytes:
    """Return a body as a :class:`BusMessage` has it: text, or bytes that are not UTF-8."""
    if not isinstance(content, (bytes, bytearray, memoryview)):
        return str(content)
    data = bytes(content)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data


class Reject(Exception):
    """A handler raises it for a message that can never be used; the text says why.

    The broker drops such a message, or puts it aside where the queue has a dead letter exchange.
    """


class Outcome(Enum):
    """What becomes of a message that was received."""

    ACCEPT = "it was handled"
    REJECT = "it can never be used"
    RELEASE = "another may have it"


@dataclass(frozen=True)
class Delivery:
    """A message in the hands of a receiver.

    Attributes:
        message: the message.
        link: the connection over which it came.
        settle: tells the broker the outcome. Where the connection is gone, it does nothing: the
            broker gives the message out again.
    """

    message: BusMessage
    link: Link
    settle: Callable[[Outcome], None]


class Link(abc.ABC):
    """One connection to a broker, from its first byte to its last. It is used once.

    Attributes:
        lost: a Deferred that fires with a :class:`~txkoji.exceptions.BusError` when an open
            connection is over, whoever ended it.
        is_open: whether it can be used now.
    """

    lost: Deferred[Any]
    is_open: bool

    @abc.abstractmethod
    async def open(self) -> None:
        """Connect and log in.

        Raises:
            BusError: it did not work.
            ConfigurationError: a certificate file can't be used.
        """

    @abc.abstractmethod
    async def subscribe(self, prefetch: int, deliver: Callable[[Delivery], None]) -> None:
        """Begin to receive.

        Args:
            prefetch: how many messages may be unsettled at a time.
            deliver: is called with each.

        Raises:
            BusError: the broker does not let us.
        """

    @abc.abstractmethod
    async def publish(
        self, topic: str, body: str | bytes, headers: Mapping[str, Any], message_id: str
    ) -> None:
        """Publish a message, one at a time; returns when the broker has confirmed that it took it.

        Raises:
            BusError: it did not.
        """

    @abc.abstractmethod
    async def close(self) -> None:
        """Say good-bye and wait for the other side's. The broker gets back what is not settled."""

    @abc.abstractmethod
    def abort(self) -> None:
        """Drop the connection. What waits for it fails with a BusError."""


async def end(link: Link, reactor: Any) -> None:
    """Close a connection; a broker that does not answer the good-bye in time is cut off."""
    try:
        if link.is_open:
            closing = Deferred.fromCoroutine(link.close())
            await closing.addTimeout(CLOSE_TIMEOUT, reactor)
    except (BusError, TimedOut):
        # It is over either way.
        pass
    finally:
        link.abort()
