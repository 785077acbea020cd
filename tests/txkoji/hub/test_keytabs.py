"""The principals in a keytab."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from txkoji.hub.keytabs import principals


def _entry(realm: str, *names: str) -> bytes:
    parts = b"".join(struct.pack(">H", len(each)) + each.encode() for each in (realm, *names))
    return struct.pack(">H", len(names)) + parts + bytes(20)


def _keytab(*entries: bytes) -> bytes:
    return b"\x05\x02" + b"".join(struct.pack(">i", len(each)) + each for each in entries)


def test_principals() -> None:
    """Each principal is listed once, holes are skipped, anything but a keytab gives None."""
    me, host = _entry("A.TEST", "me"), _entry("A.TEST", "host", "a.test")
    hole = struct.pack(">i", -7) + bytes(7)
    assert principals(_keytab(me, me, host) + hole) == {"me@A.TEST", "host/a.test@A.TEST"}
    assert principals(_keytab()) == set()
    assert principals(_keytab(me)[:-30]) is None
    assert principals(b"\x05\x01" + me) is None
    assert principals(b"PEM") is None


@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    """No content of a file makes it fail."""
    assert principals(b"\x05\x02" + data) is None or principals(b"\x05\x02" + data) is not None
