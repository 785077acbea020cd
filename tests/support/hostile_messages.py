"""Messages that no hub publishes, as a broker passes them on: each byte is the sender's."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import pika
from pika.data import encode_short_string

from tests.support.brokers import PASSWORD, USER, RabbitMQ

__all__ = ["hostile_messages", "publish_hostile"]

# The bits of a header frame's flags.
CONTENT_TYPE, CONTENT_ENCODING, HEADERS = 1 << 15, 1 << 14, 1 << 13
MESSAGE_ID, TYPE = 1 << 7, 1 << 5

LARGE = 20 << 20


class RawProperties(pika.BasicProperties):
    """Properties that are sent as they are written here.

    Args:
        table: the encoded fields of the headers.
        texts: short strings, by their flags.
    """

    def __init__(self, table: bytes = b"", texts: dict[int, bytes] | None = None) -> None:
        super().__init__()
        self._fields = {HEADERS: struct.pack(">I", len(table)) + table}
        for flag, text in (texts or {}).items():
            pieces: list[bytes] = []
            encode_short_string(pieces, text)  # type: ignore[arg-type]
            self._fields[flag] = b"".join(pieces)

    def encode(self) -> list[bytes]:
        """Return the encoded properties."""
        flags = sum(self._fields)
        fields = [self._fields[flag] for flag in sorted(self._fields, reverse=True)]
        return [struct.pack(">H", flags), *fields]


def _field(name: bytes, kind: bytes, value: bytes) -> bytes:
    return bytes([len(name)]) + name + kind + value


def _text(name: bytes, value: bytes) -> bytes:
    return _field(name, b"S", struct.pack(">I", len(value)) + value)


def _nested_tables(levels: int) -> bytes:
    table = b""
    for _ in range(levels):
        table = _field(b"a", b"F", struct.pack(">I", len(table)) + table)
    return table


def _amqp1_lists(levels: int) -> bytes:
    value = b"\x45"
    for _ in range(levels):
        value = b"\xd0" + struct.pack(">II", len(value) + 4, 1) + value
    return value


TAG = _text(b"type", b"Tag")

FIELDS: dict[str, bytes] = {
    "a date of the year 50,000,000": _field(b"t", b"T", struct.pack(">Q", 1_600_000_000_000_000)),
    "a date out of range": _field(b"t", b"T", b"\xff" * 8),
    "nested tables": _nested_tables(3000),
    "a table twice": TAG + TAG + _text(b"type", b"Untag"),
    "not UTF-8": _field(b"\xff\xfe", b"S", struct.pack(">I", 2) + b"\xff\xfe"),
    "a type that is a table": _field(b"type", b"F", struct.pack(">I", 0)),
    "a type that is a list": _field(b"type", b"A", struct.pack(">I", 2) + b"VV"),
    "an empty name": _field(b"", b"V", b""),
    "every type": b"".join(
        _field(kind, kind, b"\xff" * size)
        for kind, size in zip(
            (b"t", b"b", b"B", b"s", b"u", b"I", b"i", b"l"), (1, 1, 1, 2, 2, 4, 4, 8), strict=True
        )
    )
    + _field(b"D", b"D", b"\xff" * 5)
    + _field(b"f", b"f", struct.pack(">f", 1.5))
    + _field(b"d", b"d", struct.pack(">d", 1e300))
    + _field(b"x", b"x", struct.pack(">I", 3) + b"\0\xff\n"),
    "protonmsg's properties": _field(
        b"x-amqp-1.0-app-properties", b"x", struct.pack(">I", 4) + b"\0\x53\x74\xff"
    ),
}

BODIES: tuple[bytes, ...] = (
    b"",
    b"\xff\xfe",
    b"\xef\xbb\xbf{}",
    "{}".encode("utf-16"),
    b"nonsense",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"build": NaN}',
    b'{"build": {"build_id": Infinity}}',
    b'{"build": {"build_id": 1e999}}',
    b'{"build": {"build_id": ' + b"9" * 10_000 + b"}}",
    b'{"build": 1, "build": {}, "tag": []}',
    b'{"\\ud800": "\\udfff", "tag": {"id": 1, "name": "\\ud800\\u0000"}}',
    b'{"tag": {"id": 1, "name": "demo-candidate"}, "build": {"build_id": true, "name": "\\u0000"}}',
    b'{"x": "' + b"\x1b[31m\0\r" + b'"}',
    b'"' + b"x" * LARGE + b'"',
)

SECTIONS: tuple[bytes, ...] = (
    # AMQP 1.0: a value that is text but not UTF-8, a character and a date out of range, a map with
    # a list for a key, lists in lists, nothing, a truncated value, an unknown section.
    b"\0\x53\x77\xa1\x02\xff\xfe",
    b"\0\x53\x77\x73\xff\xff\xff\xff",
    b"\0\x53\x77\x83\xff\xff\xff\xff\xff\xff\xff\x0f",
    b"\0\x53\x77\xc1\x03\x02\x45\x40",
    b"\0\x53\x77" + _amqp1_lists(3000),
    b"",
    b"\0\x53\x77\xb1\xff\xff\xff\xff",
    b"\0\x53\x99\x40",
    b"\0\x53\x75\xa0\x02\xff\xfe",
)


def hostile_messages(topic: bytes = b"build.tag") -> Iterator[tuple[bytes, RawProperties, bytes]]:
    """Yield the routing key, the properties and the body of messages.

    Args:
        topic: what a good message is published under.
    """
    for key in (b"", topic, topic[:250], b"\xff\xfe.buildsys.\xff", b"\r\n\0", b"." * 255):
        yield key, RawProperties(TAG), b"{}"
        yield key, RawProperties(_text(b"fedora_messaging_schema", b"\xff")), b"{}"
    for fields in FIELDS.values():
        yield topic, RawProperties(fields), b"{}"
        yield topic, RawProperties(TAG + fields), b"{}"
    for body in BODIES:
        odd = {CONTENT_TYPE: b"\xff", CONTENT_ENCODING: b"gzip", MESSAGE_ID: b"\xff\0" * 120}
        yield topic, RawProperties(TAG, odd), body
    for section in SECTIONS:
        yield topic, RawProperties(TAG, {TYPE: b"amqp-1.0"}), section


def publish_hostile(broker: RabbitMQ, queue: str, exchange: str = "") -> int:
    """Publish all hostile messages to a queue, in a thread; returns how many.

    Args:
        broker: the broker.
        queue: a queue that is there.
        exchange: an exchange to bind it to; messages go there with their own keys.
    """
    login = pika.PlainCredentials(USER, PASSWORD)
    parameters = pika.ConnectionParameters("127.0.0.1", broker.port, credentials=login)
    connection = pika.BlockingConnection(parameters)
    channel = connection.channel()
    # Every routing key arrives.
    channel.exchange_declare(exchange or f"{queue}-all", "fanout", auto_delete=True)
    channel.queue_bind(queue, exchange or f"{queue}-all")
    channel.confirm_delivery()
    count = 0
    for key, properties, body in hostile_messages():
        channel.basic_publish(exchange or f"{queue}-all", key, body, properties)  # type: ignore[arg-type]
        count += 1
    connection.close()
    return count
