"""The fast reader gives what the XML parser alone gives, for whatever comes."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from koji import xmlrpcplus

from tests.support import recorded_calls, reply_bytes
from txkoji.exceptions import KojiException
from txkoji.hub.scanner import LIMIT
from txkoji.hub.xmlrpc import ResponseDecoder

TEXTS = st.text(
    st.sampled_from("ab é&<>]\"'\n\t\x7f\x85\u2028\U0001f600") | st.characters(codec="utf-8"),
    max_size=8,
).filter(lambda text: all(c in "\n\t" or c >= " " for c in text))
NAMES = st.sampled_from(["id", "name", "a b", "é", "&", "<", ""]) | TEXTS
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | TEXTS
    | st.binary(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
FRAGMENTS = st.sampled_from(
    [
        b"\n",
        b" ",
        b"<!-- -->",
        b"<value><nil/></value>",
        b"<value><nil/></value>\n",
        b"<value><int> 7 </int></value>\n",
        b"<value><int>007</int></value>\n",
        b"<value><int>1_0</int></value>\n",
        b"<value><double>nan</double></value>\n",
        b"<value><string>a]]>b</string></value>\n",
        b"<value><string>a&#13;b&quot;</string></value>\n",
        b"<value>plain</value>\n",
        b"<member>\n<name>id</name>\n<value><int>1</int></value>\n</member>\n",
        b"</member>\n",
        b"</struct></value>\n",
        b"</data></array></value>\n",
        b"<value><struct>\n",
        b"<value><array><data>\n",
        b"</param>\n</params>\n</methodResponse>\n",
        b"\r",
        b"\x00",
        b"\xff",
        b"\xed\xa0\x80",
        b"\xef\xbf\xbf",
        b"&amp;",
        b"&",
    ]
)


def reply(value: Any) -> bytes:
    """Return a reply as Koji's own marshaller writes it."""
    return bytes(xmlrpcplus.dumps((value,), methodresponse=True, allow_none=True).encode("utf-8"))


def decode(data: bytes, size: int, *, fast: bool) -> Any:
    """Return the type and the value of a reply, or the type and the text of its error."""
    decoder = ResponseDecoder(max_bytes=10**9)
    if not fast:
        assert decoder._scanner is not None
        decoder._hand_over(decoder._scanner)
    try:
        for start in range(0, len(data), size):
            decoder.feed(data[start : start + size])
        value = decoder.close()
    except KojiException as error:
        # What it quotes is what had come by then, which may be more where the scanner waited.
        return type(error), str(error).partition("; it begins")[0]
    return type(value), repr(value)


def same(data: bytes, size: int) -> None:
    assert decode(data, size, fast=True) == decode(data, size, fast=False)


@given(VALUES, st.integers(1, 400))
def test_whole_replies(value: Any, size: int) -> None:
    """What the marshaller writes is the same, however it is cut into pieces."""
    data = reply(value)
    same(data, size)
    assert decode(data, size, fast=True)[0] is not KojiException


@given(VALUES)
@settings(max_examples=15)
def test_cut_at_every_byte(value: Any) -> None:
    """A reply that ends too early is the same error, wherever it ends."""
    data = reply(value)
    for end in range(len(data)):
        same(data[:end], 64)


@given(VALUES, st.data())
@settings(max_examples=150)
@example([{"a": 1}], None)
def test_odd_and_broken_replies(value: Any, draw: Any) -> None:
    """Odd markup, and broken one, in whatever place, is the same value or the same error."""
    data = reply(value)
    if draw is None:
        places = list(range(len(data)))
    else:
        places = [draw.draw(st.integers(0, len(data))) for _ in range(3)]
    for place in places:
        fragment = b"\n" if draw is None else draw.draw(FRAGMENTS)
        removed = 0 if draw is None else draw.draw(st.integers(0, 12))
        changed = data[:place] + fragment + data[place + removed :]
        same(changed, 50)
        same(changed, len(changed))


def lines_of(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


@given(st.lists(VALUES, min_size=1, max_size=3), st.data())
def test_moved_lines(value: list[Any], draw: st.DataObject) -> None:
    """Lines doubled, dropped or moved are the same value or the same error."""
    lines = lines_of(reply(value))
    source = draw.draw(st.integers(0, len(lines) - 1))
    target = draw.draw(st.integers(0, len(lines)))
    line = lines[source]
    if draw.draw(st.booleans()):
        del lines[source]
    lines.insert(target, line)
    data = b"".join(lines)
    same(data, 30)
    same(data, len(data))


def test_recorded_replies() -> None:
    """Every recorded reply is the same, at once and in pieces."""
    for call in recorded_calls():
        data = reply_bytes(call)
        same(data, len(data) or 1)
        same(data, 333)


def test_usual_reply_needs_no_parser() -> None:
    """A reply of the usual shape is read by the scanner to its end: else it would not be fast."""
    rows = [{"id": n, "nvr": f"a-{n} & b", "epoch": None, "ts": 1.5, "extra": {}} for n in range(9)]
    decoder = ResponseDecoder()
    decoder.feed(reply(rows))
    assert decoder._scanner is not None
    assert decoder._scanner.done
    assert decoder.close() == rows


@pytest.mark.parametrize("length", [LIMIT - 10, LIMIT + 10, 5 * LIMIT])
def test_long_text(length: int) -> None:
    """A text longer than the scanner waits for is the same."""
    same(reply(["x", "line\n" * (length // 5), {"a": "y" * length}, 7]), 8192)


@pytest.mark.parametrize("depth", [198, 199, 200, 201, 202])
def test_depth(depth: int) -> None:
    """The limit of nesting is the same."""
    head = b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"
    tail = b"</param>\n</params>\n</methodResponse>\n"
    opened, closed = b"<value><array><data>\n" * depth, b"</data></array></value>\n" * depth
    same(head + opened + closed + tail, 4096)


def test_doubles() -> None:
    """Doubles are read to the last bit."""
    values = [0.1, 1e300, -2.5e-7, math.pi, 1e22, 5e-324, math.inf]
    same(reply(values), 4096)
