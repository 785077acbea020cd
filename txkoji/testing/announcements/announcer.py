"""Puts an embedded hub's announcements on a message bus, in one of the dialects of real hubs."""

from __future__ import annotations

from typing import Any

from txkoji.bus import Broker
from txkoji.bus.base import Dialect
from txkoji.exceptions import BusError
from txkoji.testing.announcements.emission import Emitter
from txkoji.testing.announcements.fedora import fedora_message
from txkoji.testing.announcements.messages import Announcement
from txkoji.testing.tables.state import HubState


class Announcer:
    """Publishes a hub's announcements, if it has a bus.

    Args:
        state: the hub's tables.
        reactor: the reactor.
        bus: settings of the broker, or None.
        dialect: ``protonmsg``, or ``fedora``.
    """

    def __init__(self, state: HubState, reactor: Any, bus: Broker | None, dialect: Dialect) -> None:
        self._state = state
        self._reactor = reactor
        self._dialect = dialect
        self._emitter = None if bus is None else Emitter(bus, reactor)
        self._base_url = self._files_url = ""

    async def use(self, bus: Broker) -> None:
        """Publish to a broker.

        Args:
            bus: settings of the broker.

        Raises:
            BusError: the broker is unreachable or takes no messages; there is no bus then.
        """
        emitter = Emitter(bus, self._reactor)
        try:
            await emitter.check()
        except BusError:
            await emitter.stop()
            raise
        self._emitter = emitter

    def start(self, base_url: str, files_url: str) -> None:
        """Publish every announcement from now on.

        Args:
            base_url: the hub's scheme, host and port, which Fedora's messages hold.
            files_url: the address of its files, likewise.
        """
        if self._emitter is not None:
            self._base_url, self._files_url = base_url, files_url
            self._state.listeners.append(self._emit)

    def _emit(self, message: Announcement) -> None:
        outgoing: Announcement | None = message
        if self._dialect == "fedora":
            urls = {"base_url": self._base_url, "files_url": self._files_url}
            outgoing = fedora_message(message, self._state, **urls)
        if outgoing is not None and self._emitter is not None:
            self._emitter.emit(outgoing)

    async def stop(self) -> None:
        """Publish what is left, if the broker accepts it promptly, and close the connection."""
        if self._emitter is not None:
            await self._emitter.stop()
