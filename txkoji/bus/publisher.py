"""Messages to a broker: published is what the broker has confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from twisted.internet.defer import CancelledError, Deferred, DeferredLock

from txkoji._deferreds import returns_deferred
from txkoji.bus.base import Link, end
from txkoji.bus.settings import Broker
from txkoji.exceptions import BrokerUnreachable

__all__ = ["Publisher"]

TIMEOUT = 30.0


class Publisher:
    """Publishes messages, over one connection that is made when it is needed.

    Args:
        settings: :class:`~txkoji.bus.AMQP` or :class:`~txkoji.bus.AMQP1`.
        reactor: the reactor.
        timeout: seconds for one message, connecting and the broker's answer included.

    Raises:
        ConfigurationError: the library for the protocol is not installed; the text says what to do.
    """

    def __init__(self, settings: Broker, *, reactor: Any, timeout: float = TIMEOUT) -> None:
        settings.require_extra()
        self._settings = settings
        self._reactor = reactor
        self._timeout = timeout
        self._link: Link | None = None
        self._publishing = DeferredLock()

    @returns_deferred
    async def publish(
        self,
        topic: str,
        body: str | bytes,
        headers: Mapping[str, Any] | None = None,
        message_id: str | None = None,
    ) -> None:
        """Publish a message.

        It is not sent again by itself. With a ``message_id`` of its own, whoever receives can tell
        that two copies are one message.

        Args:
            topic: what it is about; ``topic_prefix`` of the settings is put before it.
            body: what it says; text is sent as UTF-8.
            headers: strings, whole numbers, booleans and None by name.
            message_id: its id; by default a new UUID.

        Returns:
            A Deferred that fires when the broker has confirmed that it has the message. On AMQP
            0-9-1 that means that it is in a queue at least.

            It fails with :class:`~txkoji.exceptions.MessageNotTaken` where the broker says no to
            this message, and with another :class:`~txkoji.exceptions.BusError` where the broker
            can't be used or does not answer in time; ``may_have_arrived`` tells whether it may have
            the message. It fails with :class:`~txkoji.exceptions.ConfigurationError` where a
            certificate file can't be used, and with TypeError where a header is of another kind.
        """
        for name, value in (headers or {}).items():
            if not isinstance(value, (str, int, type(None))):
                raise TypeError(f"the header {name} must not be a {type(value).__name__}")
        sent = False

        async def publish() -> None:
            nonlocal sent
            # One at a time: their order is kept, and pika could not tell which of several it is
            # that the broker sends back.
            await self._publishing.acquire()
            try:
                link = await self._open_link()
                sent = True
                await link.publish(
                    self._settings.prefixed(topic), body, headers or {}, message_id or str(uuid4())
                )
            except CancelledError:
                # Out of time, or given up: what the broker still says would be of this message.
                self._drop_link()
                raise
            finally:
                self._publishing.release()

        def expired(_: Any, seconds: float) -> None:
            raise BrokerUnreachable(
                f"the broker {self._settings.url} did not take a message within {seconds:g} s",
                may_have_arrived=sent,
            )

        waiting = Deferred.fromCoroutine(publish())
        waiting.addTimeout(self._timeout, self._reactor, expired)
        await waiting

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.abort()

    async def _open_link(self) -> Link:
        if self._link is not None and self._link.is_open:
            return self._link
        link = self._settings.link(self._reactor)
        try:
            await link.open()
        except BaseException:
            link.abort()
            raise
        self._link = link
        return link

    @returns_deferred
    async def stop(self) -> None:
        """Close the connection. What waits for a confirmation then fails with a BusError."""
        link, self._link = self._link, None
        if link is not None:
            await end(link, self._reactor)
