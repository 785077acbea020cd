"""Messages of a bus as event objects. Pure.

A bus loses, repeats and disorders: a message says where to look on the hub, never what is true.
"""

from __future__ import annotations

from typing import Any, Protocol

from txkoji.history import dialects
from txkoji.history.events import BuildStateChange, Event, Frame, TagUntag, TaskStateChange, decode

__all__ = ["BuildStateChange", "TagUntag", "TaskStateChange", "read"]


class Message(Frame, Protocol):
    """What this module needs of a :class:`txkoji.bus.BusMessage`."""

    @property
    def dialect(self) -> str:
        """Who wrote it."""

    @property
    def topic(self) -> str | None:
        """What it is about."""


def read(message: Message, connection: Any) -> Event | None:
    """Read a message of a bus.

    Args:
        message: a :class:`txkoji.bus.BusMessage`.
        connection: a :class:`txkoji.Connection` to the hub that sent it.

    Returns:
        The event; None for a message that is about something else.

    Raises:
        MalformedMessage: the message has not the form that its sender gives it.
    """
    if message.dialect == "fedora":
        return decode(dialects.fedora, message.topic or "", message.body, connection)
    kind = str(message.headers.get("type"))
    return decode(dialects.protonmsg, kind, message.body, connection)
