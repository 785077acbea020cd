"""Bus messages as event objects. Pure.

A bus loses, repeats and reorders messages: a message says where to look on the hub, never what is
true.
"""

from __future__ import annotations

from txkoji.bus import BusMessage
from txkoji.history.events import BuildStateChange, Event, TagUntag, TaskStateChange, decode
from txkoji.history.hub import RichHub

__all__ = ["BuildStateChange", "TagUntag", "TaskStateChange", "read"]


def read(message: BusMessage, connection: RichHub) -> Event | None:
    """Read a bus message.

    Args:
        message: the message.
        connection: a :class:`txkoji.Connection` to the hub that sent it.

    Returns:
        The event; None for a message about something else.

    Raises:
        MalformedMessage: the message is not what its sender's plugin writes.
    """
    if message.dialect == "fedora":
        return decode("fedora", message.topic or "", message.body, connection)
    return decode("protonmsg", str(message.headers.get("type")), message.body, connection)
