"""Topics and dialects of a hub's messages. Pure.

The table of protonmsg's topics is how its plugin makes them; a broker may rename a topic or not
tell it at all (RabbitMQ does not over AMQP 1.0), so it is made anew from the message's properties.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from txkoji.bus.base import Dialect

__all__ = ["dialect_of", "topic_of"]

FEDORA_MARK = "buildsys."
FEDORA_HEADER = "fedora_messaging_schema"

_PROTONMSG: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "TaskStateChange": lambda headers: f"task.{headers['new']}",
    "BuildStateChange": lambda headers: f"build.{headers['new']}",
    "BuildPromote": lambda _: "build.promote",
    "Tag": lambda _: "build.tag",
    "Untag": lambda _: "build.untag",
    "PackageListChange": lambda headers: f"package.{headers['action']}",
    "Import": lambda headers: f"import.{headers['importType']}",
    "RPMSign": lambda _: "sign.rpm",
    "RepoInit": lambda _: "repo.init",
    "RepoDone": lambda _: "repo.done",
}


def dialect_of(address: str | None, headers: Mapping[str, Any]) -> Dialect:
    """Tell who wrote a message.

    Args:
        address: the routing key or subject under which the broker has it, if it says so.
        headers: its headers or application properties.
    """
    fedora = FEDORA_HEADER in headers or FEDORA_MARK in (address or "")
    return "fedora" if fedora else "protonmsg"


def topic_of(address: str | None, headers: Mapping[str, Any]) -> str | None:
    """Return the topic of a message without the site's prefix, None where it is unknown.

    Args:
        address: the routing key or subject under which the broker has it, if it says so.
        headers: its headers or application properties.
    """
    if dialect_of(address, headers) == "fedora":
        _, mark, topic = (address or "").partition(FEDORA_MARK)
        return topic if mark and topic else None
    make = _PROTONMSG.get(str(headers.get("type")))
    try:
        return None if make is None else make(headers).lower()
    except KeyError:
        return None
