"""Topics and dialects of a hub's messages. Pure.

A broker may rename a topic or drop it (RabbitMQ drops it over AMQP 1.0), so a protonmsg topic is
derived from the message's properties, the way the plugin itself builds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from txkoji.bus.base import BusMessage, Dialect

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


def bus_message(
    address: str | None,
    headers: Mapping[str, Any],
    body: Any,
    message_id: str | None,
    redelivered: bool | None,
) -> BusMessage:
    """Return a message as it is, whichever bus it came over."""
    topic, dialect = topic_of(address, headers), dialect_of(address, headers)
    is_text = not isinstance(body, (bytes, bytearray, memoryview))
    content = str(body) if is_text else bytes(body)
    if isinstance(content, bytes):
        with suppress(UnicodeDecodeError):
            content = content.decode("utf-8")
    return BusMessage(topic, headers, content, message_id, redelivered, dialect)


def dialect_of(address: str | None, headers: Mapping[str, Any]) -> Dialect:
    """Return the dialect that a message is written in.

    Args:
        address: the broker's routing key or subject, if it passes one on.
        headers: the message's headers or application properties.
    """
    fedora = FEDORA_HEADER in headers or FEDORA_MARK in (address or "")
    return "fedora" if fedora else "protonmsg"


def topic_of(address: str | None, headers: Mapping[str, Any]) -> str | None:
    """Return the topic of a message without the site's prefix, None if unknown.

    The arguments are those of :func:`dialect_of`.
    """
    if dialect_of(address, headers) == "fedora":
        _, mark, topic = (address or "").partition(FEDORA_MARK)
        return topic if mark and topic else None
    make = _PROTONMSG.get(str(headers.get("type")))
    try:
        return None if make is None else make(headers).lower()
    except KeyError:
        return None
