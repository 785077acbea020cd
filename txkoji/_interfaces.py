"""Twisted's interfaces, as far as this package uses them, as protocols.

Twisted declares them by zope.interface, which type checkers and editors can't read; only mypy can,
by a plugin. What implements one of Twisted's implements the protocol too, and a program that passes
its own clock or agent needs no plugin.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.web.http_headers import Headers


class Timer(Protocol):
    """A call that a clock has scheduled: an IDelayedCall."""

    def active(self) -> bool:
        """Return whether the call is still to come."""
        ...

    def cancel(self) -> None:
        """Drop the call."""

    def getTime(self) -> float:  # noqa: N802 - Twisted's name
        """Return when the call is due, in the clock's seconds."""
        ...


class Clock(Protocol):
    """Gives the time and schedules calls: an IReactorTime."""

    def seconds(self) -> float:
        """Return the time in seconds."""
        ...

    def callLater(  # noqa: N802 - Twisted's name
        self, delay: float, function: Callable[..., object], /, *args: Any, **kwargs: Any
    ) -> Timer:
        """Call a function in some seconds."""
        ...


class Endpoint(Protocol):
    """Leads to a host: an IStreamClientEndpoint."""

    def connect(self, factory: Any, /) -> Deferred[Any]:
        """Connect; returns a Deferred of the protocol that the factory builds."""
        ...


class Response(Protocol):
    """The head of an HTTP response: an IResponse."""

    @property
    def code(self) -> int:
        """The status."""
        ...

    @property
    def headers(self) -> Headers:
        """The headers."""
        ...

    def deliverBody(self, protocol: Any, /) -> None:  # noqa: N802 - Twisted's name
        """Deliver the body to a protocol."""


class HTTPAgent(Protocol):
    """Sends HTTP requests: an IAgent."""

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None, body: Any, /
    ) -> Deferred[Any]:
        """Send a request; returns a Deferred of a :class:`Response`."""
        ...
