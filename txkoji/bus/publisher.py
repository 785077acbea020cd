"""Publishing to a broker, with confirmation."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from twisted.internet.defer import CancelledError, Deferred

from txkoji._deferreds import returns_deferred
from txkoji.bus.base import CLOSE_TIMEOUT, Link, close_link
from txkoji.bus.settings import Broker
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import BrokerUnreachable, BusError
from txkoji.locks import Lock

TIMEOUT = 30.0


@dataclass
class _Use:
    """One use of the connection: to publish a message, or only to open it.

    Attributes:
        has_sent: whether the message may have arrived.
        link: the connection, None before there is one.
    """

    publish: Callable[[Link], Awaitable[None]] | None
    before: Callable[[], Awaitable[None]] | None
    has_sent: bool = False
    link: Link | None = None

    async def run(self, link: Link) -> None:
        self.link = link
        if self.before is not None:
            await self.before()
        if self.publish is not None:
            self.has_sent = True
            await self.publish(link)

    def unreachable(self, words: str) -> BrokerUnreachable:
        return BrokerUnreachable(words, may_have_arrived=self.has_sent)


class Publisher:
    """Publishes messages over one connection, opened on first use.

    Args:
        settings: :class:`~txkoji.bus.AMQP` or :class:`~txkoji.bus.AMQP1`.
        reactor: the reactor.
        timeout: seconds for one message, connecting and the broker's confirmation included.
        close_timeout: seconds that the broker has to answer the closing of the connection.

    Raises:
        ConfigurationError: the library for the protocol is missing; the message says how to
            install it.
    """

    def __init__(
        self,
        settings: Broker,
        *,
        reactor: Any,
        timeout: float = TIMEOUT,
        close_timeout: float = CLOSE_TIMEOUT,
    ) -> None:
        settings.require_extra()
        self._settings = settings
        self._reactor = reactor
        self._timeout = timeout
        self._close_timeout = close_timeout
        self._link: Link | None = None
        self._using = Lock()
        self._working: set[Deferred[None]] = set()
        self._is_stopped = False

    @property
    def server_expires(self) -> float | None:
        """When the broker's own certificate expires, in seconds since the epoch.

        None without TLS, or while there is no connection.
        """
        return None if self._link is None else self._link.server_expires

    @returns_deferred
    async def publish(
        self,
        topic: str,
        body: str | bytes,
        headers: Mapping[str, Any] | None = None,
        message_id: str | None = None,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Publish a message, without retries.

        Args:
            topic: what it is about; ``topic_prefix`` of the settings is prepended.
            body: the body; text is sent as UTF-8.
            headers: strings, whole numbers, booleans and None by name.
            message_id: its id, by which receivers recognize a second copy; by default a new UUID.
            before: awaited right before the message is sent, after those that were published before
                it; what it raises fails the Deferred, and nothing is sent.

        Returns:
            A Deferred that fires when the broker has confirmed the message. On AMQP 0-9-1 the
            message is in at least one queue then.

            It fails with :class:`~txkoji.exceptions.MessageNotTaken` if the broker refuses this
            message, and with another :class:`~txkoji.exceptions.BusError` if the broker is
            unusable or does not answer in time; ``may_have_arrived`` says whether the broker may
            have the message. It fails with :class:`~txkoji.exceptions.ConfigurationError` if a
            certificate file is unusable, and with TypeError if a header has another type.
        """
        for name, value in (headers or {}).items():
            if not isinstance(value, (str, int, type(None))):
                raise TypeError(f"the header {name} must not be a {type(value).__name__}")
        identity = message_id or str(uuid4())
        full_topic = self._settings.prefixed(topic)
        await self._limited(
            lambda link: link.publish(full_topic, body, headers or {}, identity), before
        )

    @returns_deferred
    async def connect(self) -> None:
        """Open the connection now, unless it is open.

        Returns:
            A Deferred that fires when the connection is open. It fails like that of
            :meth:`publish`.
        """
        await self._limited()

    async def _limited(
        self,
        publish: Callable[[Link], Awaitable[None]] | None = None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Use the connection exclusively, within the time limit and until :meth:`stop`."""
        use = _Use(publish, before)
        url = self._settings.url

        def expired(_: Any, seconds: float) -> None:
            words = f"the broker {url} did not take a message within {seconds:g} s"
            if use.link is not None and use.link.blocked:
                words += f": it takes none from anyone, being {use.link.blocked}"
            raise use.unreachable(words)

        stopped = f"publishing to the broker {url} was stopped"
        if self._is_stopped:
            raise use.unreachable(stopped)
        working = Deferred.fromCoroutine(self._run(use))
        self._working.add(working)
        ElapsedTime(self._reactor).limit(working, self._timeout, expired)
        try:
            await working
        except (CancelledError, BusError):
            # A connection attempt that is cancelled may fail with either.
            if not self._is_stopped:
                raise
            raise use.unreachable(stopped) from None
        finally:
            self._working.discard(working)

    async def _run(self, use: _Use) -> None:
        # In order, and one at a time: pika can't tell which of several messages the broker returns.
        async with self._using:
            try:
                await use.run(await self._open_link())
            except CancelledError:
                # The broker's late confirmation would count for the next message.
                self._drop_link()
                raise

    def _drop_link(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.abort()

    async def _open_link(self) -> Link:
        if self._link is not None and self._link.is_open:
            return self._link
        # The broker may have closed only the channel.
        self._drop_link()
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
        """Close the connection permanently. Unconfirmed messages fail with a BusError."""
        self._is_stopped = True
        for working in list(self._working):
            working.cancel()
        link, self._link = self._link, None
        if link is not None:
            await close_link(link, self._reactor, self._close_timeout)
