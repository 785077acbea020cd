"""Messages to a broker: published is what the broker has confirmed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from twisted.internet.defer import CancelledError, Deferred, DeferredLock

from txkoji._deferreds import returns_deferred
from txkoji.bus.base import Link, end
from txkoji.bus.settings import Broker
from txkoji.exceptions import BrokerUnreachable, BusError

__all__ = ["Publisher"]

TIMEOUT = 30.0


@dataclass
class _Attempt:
    """One use of the connection."""

    may_have_arrived: bool = False


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
        self._using = DeferredLock()
        self._working: set[Deferred[None]] = set()
        self._is_stopped = False

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
        attempt = _Attempt()

        async def publish(link: Link) -> None:
            attempt.may_have_arrived = True
            await link.publish(
                self._settings.prefixed(topic), body, headers or {}, message_id or str(uuid4())
            )

        await self._limited(attempt, publish)

    @returns_deferred
    async def connect(self) -> None:
        """Make the connection now, if there is none.

        Returns:
            A Deferred that fires when it is there. It fails as that of :meth:`publish` does.
        """

        async def nothing(_link: Link) -> None:
            pass

        await self._limited(_Attempt(), nothing)

    async def _limited(self, attempt: _Attempt, use: Callable[[Link], Awaitable[None]]) -> None:
        """Use the connection, one at a time, within the time limit and until a stop."""
        url = self._settings.url

        async def work() -> None:
            # Their order is kept, and pika could not tell which of several messages it is that
            # the broker sends back.
            await self._using.acquire()
            try:
                await use(await self._open_link())
            except CancelledError:
                # Out of time, or given up: what the broker still says would be of this message.
                self._drop_link()
                raise
            finally:
                self._using.release()

        def expired(_: Any, seconds: float) -> None:
            raise BrokerUnreachable(
                f"the broker {url} did not take a message within {seconds:g} s",
                may_have_arrived=attempt.may_have_arrived,
            )

        if self._is_stopped:
            raise BrokerUnreachable(f"publishing to the broker {url} was stopped")
        working = Deferred.fromCoroutine(work())
        self._working.add(working)
        working.addTimeout(self._timeout, self._reactor, expired)
        try:
            await working
        except (CancelledError, BusError):
            # What a connection that is being made fails with when it is cancelled is anything.
            if not self._is_stopped:
                raise
            raise BrokerUnreachable(
                f"publishing to the broker {url} was stopped",
                may_have_arrived=attempt.may_have_arrived,
            ) from None
        finally:
            self._working.discard(working)

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
        """Close the connection, for good. What waits for a confirmation fails with a BusError."""
        self._is_stopped = True
        for working in list(self._working):
            working.cancel()
        link, self._link = self._link, None
        if link is not None:
            await end(link, self._reactor)
