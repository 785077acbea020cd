"""A decoder for sections of AMQP 1.0 messages. Pure.

RabbitMQ 3 passes a message that arrived over AMQP 1.0 to AMQP 0-9-1 consumers with its body and
properties still encoded. This module decodes them without a library for AMQP 1.0. The codes are
from the standard (OASIS AMQP 1.0, part 1, section 1.6, and part 3, section 3.2).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Any

APPLICATION_PROPERTIES = 0x74
DATA = 0x75
AMQP_VALUE = 0x77
MAX_DEPTH = 32
"""Levels of nesting: a hub's values have two at most."""

_FIXED: dict[int, tuple[int, Callable[[bytes], Any]]] = {
    0x40: (0, lambda _: None),
    0x41: (0, lambda _: True),
    0x42: (0, lambda _: False),
    0x43: (0, lambda _: 0),
    0x44: (0, lambda _: 0),
    0x45: (0, lambda _: []),
    0x50: (1, lambda data: data[0]),
    0x51: (1, lambda data: struct.unpack(">b", data)[0]),
    0x52: (1, lambda data: data[0]),
    0x53: (1, lambda data: data[0]),
    0x54: (1, lambda data: struct.unpack(">b", data)[0]),
    0x55: (1, lambda data: struct.unpack(">b", data)[0]),
    0x56: (1, lambda data: data != b"\0"),
    0x60: (2, lambda data: struct.unpack(">H", data)[0]),
    0x61: (2, lambda data: struct.unpack(">h", data)[0]),
    0x70: (4, lambda data: struct.unpack(">I", data)[0]),
    0x71: (4, lambda data: struct.unpack(">i", data)[0]),
    0x72: (4, lambda data: struct.unpack(">f", data)[0]),
    0x73: (4, lambda data: data.decode("utf-32-be")),
    0x80: (8, lambda data: struct.unpack(">Q", data)[0]),
    0x81: (8, lambda data: struct.unpack(">q", data)[0]),
    0x82: (8, lambda data: struct.unpack(">d", data)[0]),
    # A timestamp is a number of milliseconds since the epoch.
    0x83: (8, lambda data: struct.unpack(">q", data)[0]),
    0x98: (16, lambda data: uuid.UUID(bytes=data)),
}
"""Constructors of fixed-width values: the width, and the decoder of the bytes."""

_VARIABLE: dict[int, tuple[str, Callable[[bytes], Any]]] = {
    0xA0: (">B", bytes),
    0xA1: (">B", lambda data: data.decode("utf-8")),
    0xA3: (">B", lambda data: data.decode("ascii")),
    0xB0: (">I", bytes),
    0xB1: (">I", lambda data: data.decode("utf-8")),
    0xB3: (">I", lambda data: data.decode("ascii")),
}
"""Constructors of length-prefixed values: the prefix's format, and the decoder of the bytes."""

_COMPOUND = {0xC0: ">B", 0xC1: ">B", 0xD0: ">I", 0xD1: ">I"}
"""Constructors of lists and maps: the format of their size and count."""

_MAPS = (0xC1, 0xD1)


class UndecodableValue(ValueError):
    """The bytes are no AMQP 1.0 value, or one of a type that no hub sends."""


def body_of(data: bytes) -> Any:
    """Decode the body of a message: an encoded ``amqp-value`` or ``data`` section.

    Returns:
        The value: str for protonmsg's text, bytes for a ``data`` section.

    Raises:
        UndecodableValue: the bytes are something else.
    """
    return _section(data, AMQP_VALUE, DATA)


def properties_of(data: bytes) -> dict[str, Any]:
    """Decode an encoded ``application-properties`` section.

    Raises:
        UndecodableValue: the bytes are something else.
    """
    properties = _section(data, APPLICATION_PROPERTIES)
    if not isinstance(properties, dict):
        raise UndecodableValue("the properties are not a map")
    return properties


def _section(data: bytes, *expected: int) -> Any:
    reader = _Reader(data)
    try:
        code, value = reader.section()
    except (struct.error, UnicodeError, OverflowError, TypeError) as error:
        raise UndecodableValue(f"not an AMQP 1.0 value: {error}") from error
    if code not in expected:
        raise UndecodableValue(f"unexpected section {code!r}")
    if not reader.is_at_end:
        raise UndecodableValue("trailing bytes after the value")
    return value


class _Reader:
    """Decodes values one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise UndecodableValue("truncated value")
        self._at += count
        return taken

    def _number(self, layout: str) -> int:
        number: int = struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        return number

    def section(self) -> tuple[Any, Any]:
        """Decode a described value; return its descriptor and the value."""
        if self._take(1) != b"\0":
            raise UndecodableValue("no descriptor")
        return self.value(0), self.value(0)

    def value(self, depth: int) -> Any:
        """Decode a value."""
        if depth > MAX_DEPTH:
            raise UndecodableValue("nested too deeply")
        code = self._take(1)[0]
        if code == 0:
            # The descriptor, such as a symbol of the site's own, is of no use here.
            self.value(depth + 1)
            return self.value(depth + 1)
        if code in _FIXED:
            width, read = _FIXED[code]
            return read(self._take(width))
        if code in _VARIABLE:
            layout, read = _VARIABLE[code]
            return read(self._take(self._number(layout)))
        if code in _COMPOUND:
            return self._compound(code, depth)
        raise UndecodableValue(f"constructor {code:#x}")

    def _compound(self, code: int, depth: int) -> Any:
        layout = _COMPOUND[code]
        size = self._number(layout)
        end = self._at + size
        count = self._number(layout)
        if count > size:
            raise UndecodableValue(f"{count} values in {size} bytes")
        values = [self.value(depth + 1) for _ in range(count)]
        if self._at != end:
            raise UndecodableValue("a list or map of another size than announced")
        if code not in _MAPS:
            return values
        if count % 2:
            raise UndecodableValue("a map with a key but no value")
        return dict(zip(values[::2], values[1::2], strict=True))
