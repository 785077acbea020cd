"""Sections of AMQP 1.0 messages, decoded. Pure.

RabbitMQ 3 hands a message that came over AMQP 1.0 to consumers of AMQP 0-9-1 as it is: body and
properties are sections of that protocol, still encoded. This reads them without a library for it.
The numbers are those of the standard (OASIS AMQP 1.0, part 1, section 1.6, and part 3, section
3.2).
"""

from __future__ import annotations

import struct
import uuid
from collections.abc import Callable
from typing import Any

__all__ = ["NotAValue", "body_of", "properties_of"]

APPLICATION_PROPERTIES = 0x74
DATA = 0x75
AMQP_VALUE = 0x77
DEEPEST = 32
"""Values inside values: none of a hub's has more than two."""

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
"""Constructors whose values have a fixed width: the width, and what reads the bytes."""

_VARIABLE: dict[int, tuple[str, Callable[[bytes], Any]]] = {
    0xA0: (">B", bytes),
    0xA1: (">B", lambda data: data.decode("utf-8")),
    0xA3: (">B", lambda data: data.decode("ascii")),
    0xB0: (">I", bytes),
    0xB1: (">I", lambda data: data.decode("utf-8")),
    0xB3: (">I", lambda data: data.decode("ascii")),
}
"""Constructors whose values begin with their length: its format, and what reads the bytes."""

_COMPOUND = {0xC0: ">B", 0xC1: ">B", 0xD0: ">I", 0xD1: ">I"}
"""Lists and maps: the format of their size and of their count."""

_MAPS = (0xC1, 0xD1)


class NotAValue(ValueError):
    """The bytes are not a value of AMQP 1.0, or one of a kind that no hub sends."""


def body_of(data: bytes) -> Any:
    """Return the body that a section of a message holds.

    Args:
        data: one body section, encoded: an ``amqp-value`` or a ``data``.

    Returns:
        The value: text of protonmsg is a str, a ``data`` section bytes.

    Raises:
        NotAValue: it is something else.
    """
    return _section(data, AMQP_VALUE, DATA)


def properties_of(data: bytes) -> dict[str, Any]:
    """Return the application properties that a section of a message holds.

    Args:
        data: an ``application-properties`` section, encoded.

    Raises:
        NotAValue: it is something else.
    """
    properties = _section(data, APPLICATION_PROPERTIES)
    if not isinstance(properties, dict):
        raise NotAValue("the properties are no map")
    return properties


def _section(data: bytes, *expected: int) -> Any:
    reader = _Reader(data)
    try:
        code, value = reader.section()
    except (struct.error, UnicodeError, OverflowError, TypeError) as error:
        raise NotAValue(f"not a value of AMQP 1.0: {error}") from error
    if code not in expected:
        raise NotAValue(f"not the section that was expected: {code!r}")
    if not reader.is_at_end:
        raise NotAValue("there is more after the value")
    return value


class _Reader:
    """Reads values one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_at_end(self) -> bool:
        return self._at == len(self._data)

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) != count:
            raise NotAValue("it ends in the middle of a value")
        self._at += count
        return taken

    def _number(self, layout: str) -> int:
        number: int = struct.unpack(layout, self._take(struct.calcsize(layout)))[0]
        return number

    def section(self) -> tuple[Any, Any]:
        """Read a described value; returns its descriptor and the value."""
        if self._take(1) != b"\0":
            raise NotAValue("it does not begin with a descriptor")
        return self.value(0), self.value(0)

    def value(self, depth: int) -> Any:
        """Read a value."""
        if depth > DEEPEST:
            raise NotAValue("values inside values inside values")
        code = self._take(1)[0]
        if code == 0:
            # What a value is said to be, such as a symbol of the site's own, is of no use here.
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
        raise NotAValue(f"constructor {code:#x}")

    def _compound(self, code: int, depth: int) -> Any:
        layout = _COMPOUND[code]
        size = self._number(layout)
        end = self._at + size
        count = self._number(layout)
        if count > size:
            raise NotAValue(f"{count} values in {size} bytes")
        values = [self.value(depth + 1) for _ in range(count)]
        if self._at != end:
            raise NotAValue("a list or map is not as long as it says")
        if code not in _MAPS:
            return values
        if count % 2:
            raise NotAValue("a map with a key and no value")
        return dict(zip(values[::2], values[1::2], strict=True))
