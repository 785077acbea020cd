"""The decoder of AMQP 1.0 sections, beside proton's encoder."""

from __future__ import annotations

import uuid
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txkoji.bus.amqpvalue import UndecodableValue, body_of, properties_of

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.text("a", min_size=250, max_size=400)
    | st.binary()
    | st.uuids()
)
KEYS = st.text("abc", max_size=5)
VALUES = st.recursive(
    SCALARS,
    lambda values: st.lists(values, max_size=6) | st.dictionaries(KEYS, values, max_size=6),
    max_leaves=40,
)


def encoded(code: int, value: Any) -> bytes:
    """Return a section as proton encodes it."""
    proton = pytest.importorskip("proton", reason="pip install 'buildbot-koji[amqp1]'")
    data = proton.Data()
    data.put_described()
    data.enter()
    data.put_ulong(code)
    data.put_object(value)
    data.exit()
    return bytes(data.encode())


@given(VALUES)
def test_value(value: Any) -> None:
    """Every value that proton encodes is read as it was."""
    assert body_of(encoded(0x77, value)) == value


@given(st.dictionaries(KEYS, SCALARS, max_size=8))
def test_properties(properties: dict[str, Any]) -> None:
    """A message's properties are read as they were."""
    assert properties_of(encoded(0x74, properties)) == properties


@given(VALUES, st.data())
def test_damage(value: Any, data: st.DataObject) -> None:
    """A section that is cut or altered is refused, or read as something else: nothing breaks."""
    section = bytearray(encoded(0x77, value))
    at = data.draw(st.integers(0, len(section) - 1))
    with pytest.raises(UndecodableValue):
        body_of(bytes(section[:at]))
    section[at] = data.draw(st.integers(0, 255))
    with suppress(UndecodableValue):
        body_of(bytes(section))


@given(st.binary(max_size=200))
def test_anything(data: bytes) -> None:
    """Bytes that are no section are refused."""
    for read in (body_of, properties_of):
        with suppress(UndecodableValue):
            read(data)


def test_kinds_that_proton_does_not_choose() -> None:
    """Other encoders write small and large forms that proton leaves out."""
    body = b"\x00\x53\x77"
    forms = {
        b"\x43": 0,
        b"\x44": 0,
        b"\x45": [],
        b"\x50\xff": 255,
        b"\x51\xff": -1,
        b"\x54\xfe": -2,
        b"\x56\x01": True,
        b"\x56\x00": False,
        b"\x60\x01\x00": 256,
        b"\x61\xff\xfe": -2,
        b"\x70\x00\x00\x01\x00": 256,
        b"\x71\xff\xff\xff\xfe": -2,
        b"\x72\x3f\x80\x00\x00": 1.0,
        b"\x73\x00\x00\x00\xe9": "é",
        b"\x83\x00\x00\x00\x00\x00\x00\x03\xe8": 1000,
        b"\x98" + bytes(range(16)): uuid.UUID(bytes=bytes(range(16))),
        b"\xa3\x01a": "a",
        b"\xb0\x00\x00\x00\x01a": b"a",
        b"\xc0\x02\x01\x40": [None],
        b"\xd1\x00\x00\x00\x08\x00\x00\x00\x02\xa1\x01a\x41": {"a": True},
    }
    assert {form: body_of(body + form) for form in forms} == forms


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\x00\x53\x77\x40\x40",
        b"\x00\x53\x99\x40",
        b"\x00\x53\x77\xc1\x02\x01\x40",
        b"\x00\x53\x77\xc1\x04\x02\x45\x40",
        b"\x00\x53\x77\xc0\x09\x01\x40",
        b"\x00\x53\x77" + b"\x00\x40" * 100 + b"\x40",
    ],
    ids=["empty", "JSON", "more", "section", "odd map", "list as key", "length", "depth"],
)
def test_refused(data: bytes) -> None:
    """What is not exactly a section is refused."""
    with pytest.raises(UndecodableValue):
        body_of(data)
