"""Messages to a broker: published is what the broker has confirmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from twisted.internet.defer import Deferred, DeferredLock

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
        self._opening = DeferredLock()
        self._pending: set[Deferred[None]] = set()

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
            headers: strings, numbers, booleans and None by name.
            message_id: its id; by default a new UUID.

        Returns:
            A Deferred that fires when the broker has confirmed that it has the message. On AMQP
            0-9-1 that means that it is in a queue at least.

            It fails with :class:`~txkoji.exceptions.MessageNotTaken` where the broker says no to
            this message, and with another :class:`~txkoji.exceptions.BusError` where the broker
            can't be used or does not answer in time; ``may_have_arrived`` tells whether it may have
            the message. It fails with :class:`~txkoji.exceptions.ConfigurationError` where a
            certificate file can't be used.
        """
        sent = False

        async def publish() -> None:
            nonlocal sent
            link = await self._open_link()
            sent = True
            await link.publish(
                self._settings.prefixed(topic), body, headers or {}, message_id or str(uuid4())
            )

        def expired(_: Any, seconds: float) -> None:
            raise BrokerUnreachable(
                f"{self._settings.url} did not take a message within {seconds:g} s",
                may_have_arrived=sent,
            )

        waiting = Deferred.fromCoroutine(publish())
        waiting.addTimeout(self._timeout, self._reactor, expired)
        await waiting

    async def _open_link(self) -> Link:
        await self._opening.acquire()
        try:
            if self._link is None or not self._link.is_open:
                if self._link is not None:
                    self._link.abort()
                self._link = self._settings.link(self._reactor)
                try:
                    await self._link.open()
                except BaseException:
                    self._link.abort()
                    self._link = None
                    raise
            return self._link
        finally:
            self._opening.release()

    @returns_deferred
    async def stop(self) -> None:
        """Close the connection. What waits for a confirmation then fails with a BusError."""
        link, self._link = self._link, None
        if link is not None:
            await end(link, self._reactor)
