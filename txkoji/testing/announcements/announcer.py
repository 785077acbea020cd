"""Puts an embedded hub's announcements on a message bus, in one of the dialects of real hubs."""

from __future__ import annotations

from collections import deque
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger

from txkoji.bus import AMQP, Broker, Publisher
from txkoji.bus.base import Dialect
from txkoji.exceptions import BusError, ConfigurationError, MessageNotTaken
from txkoji.testing.announcements.fedora import fedora_message
from txkoji.testing.announcements.messages import Announcement
from txkoji.testing.tables.state import HubState

KEPT = 10_000
"""The most messages that wait for the broker; beyond that the oldest are dropped."""

PAUSE = 1.0
FLUSH_LIMIT = 2.0


def broker_settings(url: str, topic_prefix: str) -> AMQP:
    """Return settings to publish to a broker.

    Args:
        url: its address with a user, such as ``amqp://guest:guest@127.0.0.1``.
        topic_prefix: the site's, such as ``koji``.

    Raises:
        ConfigurationError: the URL names no user or is malformed.
    """
    parts = urlsplit(url)
    if parts.username is None or parts.password is None:
        raise ConfigurationError("the address of the bus must be one with a user and a password")
    return AMQP(
        urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])),
        user=unquote(parts.username),
        password=unquote(parts.password),
        allow_insecure_login=True,
        topic_prefix=topic_prefix,
    )


def _publisher(settings: Broker, reactor: Any) -> Publisher:
    if isinstance(settings, AMQP):
        # A hub publishes whether or not a queue is bound.
        settings = evolve(settings, mandatory=False)
    return Publisher(settings, reactor=reactor)


class Announcer:
    """Publishes a hub's announcements in order, if it has a bus; retries what is not accepted.

    Args:
        state: the hub's tables.
        reactor: the reactor.
        bus: settings of the broker, or None.
        dialect: ``protonmsg``, or ``fedora``.
    """

    _log = Logger()

    def __init__(self, state: HubState, reactor: Any, bus: Broker | None, dialect: Dialect) -> None:
        self._state = state
        self._reactor = reactor
        self._dialect = dialect
        self._publisher = None if bus is None else _publisher(bus, reactor)
        self._urls: dict[str, str] = {}
        self._waiting: deque[Announcement] = deque(maxlen=KEPT)
        self._is_working = False
        self._working: Deferred[None] | None = None

    async def use(self, bus: Broker) -> None:
        """Publish to a broker.

        Args:
            bus: settings of the broker.

        Raises:
            BusError: the broker is unreachable or takes no messages; there is no bus then.
        """
        publisher = _publisher(bus, self._reactor)
        try:
            await publisher.connect()
        except BusError:
            await publisher.stop()
            raise
        self._publisher = publisher

    def start(self, base_url: str, files_url: str) -> None:
        """Publish every announcement from now on.

        Args:
            base_url: the hub's scheme, host and port, which Fedora's messages hold.
            files_url: the address of its files, likewise.
        """
        if self._publisher is not None:
            self._urls = {"base_url": base_url, "files_url": files_url}
            self._state.listeners.append(self._emit)

    def _emit(self, message: Announcement) -> None:
        """Publish a message after those before it."""
        outgoing: Announcement | None = message
        if self._dialect == "fedora":
            outgoing = fedora_message(message, self._state, **self._urls)
        if outgoing is not None:
            self._waiting.append(outgoing)
        if self._waiting and not self._is_working:
            self._is_working = True
            self._working = Deferred.fromCoroutine(self._work())

    async def _work(self) -> None:
        said = None
        assert self._publisher is not None
        try:
            while self._waiting:
                message = self._waiting[0]
                try:
                    await self._publisher.publish(message.address, message.body, message.properties)
                except MessageNotTaken as error:
                    self._log.warn(
                        "the broker rejected a message of the embedded hub: {error}", error=error
                    )
                except BusError as error:
                    if str(error) != said:
                        said = str(error)
                        self._log.warn(
                            "the embedded hub can't publish: {error}; retrying", error=error
                        )
                    await deferLater(self._reactor, PAUSE)
                    continue
                if self._waiting and self._waiting[0] is message:
                    self._waiting.popleft()
        except CancelledError:
            # Stopped: the rest is lost, as on a hub without a message queue.
            pass
        finally:
            self._is_working = False

    async def stop(self) -> None:
        """Publish what is left, if the broker accepts it promptly, and close the connection."""
        if self._is_working and self._working is not None:
            limit = self._reactor.callLater(FLUSH_LIMIT, self._working.cancel)
            await self._working
            if limit.active():
                limit.cancel()
        if self._publisher is not None:
            await self._publisher.stop()
