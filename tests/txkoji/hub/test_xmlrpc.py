"""The dialect: what a real hub says is read as Koji's own client reads it, and the other way."""

from __future__ import annotations

import datetime
import gc
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from koji import xmlrpcplus
from munch import Munch

from tests.support import recorded_calls, reply_bytes
from tests.support.ends import AtEnd
from txkoji.exceptions import (
    ForbiddenXML,
    GenericError,
    NotXMLRPC,
    ReplyTooLarge,
    TruncatedReply,
    UnknownFault,
    UnreadableReply,
)
from txkoji.hub.xmlrpc import ResponseDecoder, decode_call, encode_call
from txkoji.retry import RetryPolicy, is_passing

HEAD = b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"
TAIL = b"</param>\n</params>\n</methodResponse>\n"


def decode_response(data: bytes) -> Any:
    """Decode a complete reply."""
    decoder = ResponseDecoder()
    decoder.feed(data)
    return decoder.close()


def reply(value: bytes) -> bytes:
    return HEAD + b"<value>" + value + b"</value>\n" + TAIL


def official(data: bytes) -> Any:
    """Return what the official client makes of a reply: a value, or a fault's code and text."""
    parser, unmarshaller = xmlrpcplus.getparser()
    try:
        parser.feed(data)
        parser.close()
        [value] = unmarshaller.close()
    except xmlrpcplus.Fault as fault:
        return ("fault", fault.faultCode, fault.faultString)
    return value


def ours(data: bytes, size: int | None = None) -> Any:
    decoder = ResponseDecoder()
    try:
        for start in range(0, len(data), size or len(data)):
            decoder.feed(data[start : start + (size or len(data))])
        return decoder.close()
    except (GenericError, UnknownFault) as fault:
        return ("fault", fault.code, fault.text)


def test_recorded_replies() -> None:
    """Every recorded reply decodes to what the official client makes of it."""
    for call in recorded_calls():
        data = reply_bytes(call)
        assert ours(data) == official(data), call["method"]


def test_recorded_replies_in_pieces() -> None:
    """A reply that comes in pieces of seven bytes decodes like one that comes whole."""
    for call in recorded_calls()[:60]:
        data = reply_bytes(call)
        assert ours(data, 7) == ours(data), call["method"]


def test_recorded_requests() -> None:
    """Every recorded request, decoded and encoded by us, means the same to the official client."""
    for call in recorded_calls():
        if call["method"] == "rawUpload":
            continue
        method, args, kwargs = decode_call(call["request"].encode("utf-8"))
        params, name = xmlrpcplus.loads(encode_call(method, args, kwargs).decode("utf-8"))
        assert (params, name) == xmlrpcplus.loads(call["request"]), call["method"]


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=("Cs", "Cc"))),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text("ab<&é", max_size=3), inner)
    ),
    max_leaves=20,
)


@given(st.lists(VALUES, max_size=3), st.dictionaries(st.text("abc", min_size=1), VALUES))
def test_round_trip(args: list[Any], kwargs: dict[str, Any]) -> None:
    """i8, nil, nested values, unicode and named arguments arrive as they were sent."""
    body = encode_call("echo", args, kwargs)
    assert decode_call(body) == ("echo", args, kwargs)
    params, _ = xmlrpcplus.loads(body.decode("utf-8"))
    expected = [*args, {**kwargs, "__starstar": True}] if kwargs else args
    assert list(params) == expected


@given(VALUES)
def test_reply_round_trip(value: Any) -> None:
    """What the hub's marshaller writes is read as it was."""
    from txkoji.testing.formats import marshal

    assert decode_response(marshal.response(value)) == value


def test_structs_are_munches() -> None:
    """A struct is a Munch, so that its members are attributes."""
    data = reply(b"<struct><member><name>id</name><value><int>7</int></value></member></struct>")
    decoded = decode_response(data)
    assert isinstance(decoded, Munch)
    assert decoded.id == 7


def test_untyped_value_is_text() -> None:
    """A value without a type is text, white space kept."""
    assert decode_response(reply(b" x ")) == " x "


def test_carriage_return_survives() -> None:
    """A carriage return in an argument arrives as one."""
    assert decode_call(encode_call("echo", ["a\r\nb"]))[1] == ["a\r\nb"]


def test_times_travel_as_text() -> None:
    """A datetime travels as the hub writes times: text, in UTC; a float as its plain number."""
    moment = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
    odd = type("Odd", (float,), {"__repr__": lambda _: "Odd(1.5)"})(1.5)
    found = decode_call(encode_call("x", [moment, odd]))[1]
    assert found == ["2026-01-02 03:04:05+00:00", 1.5]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (2**63, "64 bits"),
        pytest.param(10**5000, "64 bits", id="huge"),
        (float("nan"), "not finite"),
        (datetime.datetime.max.replace(tzinfo=datetime.timezone.min), "9999"),
        ({1: 2}, "must be a str"),
        (object(), "object"),
        (iter([1]), "iterator"),
        ("\x00", "U+0000"),
        ("\ud800", "U+D800"),
    ],
)
def test_arguments_that_cannot_travel(value: Any, words: str) -> None:
    """An argument that can't be sent is a ValueError that says why."""
    with pytest.raises(ValueError, match=words.replace("+", r"\+")):
        encode_call("echo", [value])


FAULT = b"<struct><member><name>faultCode</name><value>%s</value></member></struct>"


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"<html><body>504 Gateway Time-out</body></html>", NotXMLRPC),
        (b"hello", NotXMLRPC),
        (reply(b"<int>x</int>"), NotXMLRPC),
        (reply(b"<boolean>2</boolean>"), NotXMLRPC),
        (HEAD + TAIL, NotXMLRPC),
        (reply(b"<struct><member><value><nil/></value></member></struct>"), NotXMLRPC),
        (reply(b"<struct><value><nil/></value><value><nil/></value></struct>"), NotXMLRPC),
        (b"", TruncatedReply),
        (reply(b"<int>1</int>")[:-30], TruncatedReply),
        (b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'b'>]><methodResponse/>", ForbiddenXML),
        (reply(b"<array><data>" + b"<value><array><data>" * 300), ForbiddenXML),
        *[
            (b"<methodResponse><fault><value>%s</value></fault></methodResponse>" % each, NotXMLRPC)
            for each in (b"<int>1</int>", b"<struct></struct>", FAULT % b"<boolean>1</boolean>")
        ],
    ],
)
def test_bad_replies(data: bytes, kind: type[Exception]) -> None:
    """What is no hub's reply is an error of its own class, in one line."""
    with pytest.raises(kind) as caught:
        decode_response(data)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        b"<int>one</int>",
        b"<struct><member><value><nil/></value></member></struct>",
        b"<array><data><value>" * 300,
    ],
    ids=["bad integer", "no name", "too deep"],
)
def test_unreadable_reply(value: bytes) -> None:
    """A value that can't be read is the hub's own, which another attempt would repeat."""
    with pytest.raises(UnreadableReply) as caught:
        decode_response(reply(value))
    assert RetryPolicy().wait(caught.value, failures=1, elapsed=0, deadline=9, write=False) is None


def test_reply_too_large() -> None:
    """A reply is refused as soon as it exceeds the limit, not at its end."""
    decoder = ResponseDecoder(max_bytes=1000)
    decoder.feed(HEAD)
    with pytest.raises(ReplyTooLarge, match="1,000 bytes"):
        decoder.feed(b" " * 1000)


@pytest.mark.parametrize("space", [b"", b" "], ids=["usual", "unusual"])
def test_struct_of_too_many_members(space: bytes) -> None:
    """A table of a million members, which freezes the reactor when it grows, is never made."""
    decoder = ResponseDecoder()
    decoder.feed(HEAD + b"<value><struct>\n" + space)
    member = b"<member>\n<name>%d</name>\n<value><int>1</int></value>\n</member>\n"
    for number in range(0, 256_000, 1000):
        decoder.feed(b"".join(member % each for each in range(number, number + 1000)))
    with pytest.raises(ReplyTooLarge, match="a struct of more than 262,144 members") as caught:
        decoder.feed(b"".join(member % each for each in range(256_000, 280_000)))
    assert not is_passing(caught.value)


@pytest.mark.parametrize("start", [b"<string>", b"<array>", b"<struct><member><name>", b"<int>"])
def test_too_long_a_text(start: bytes) -> None:
    """No text, and no white space between elements, may be so long that to join it takes time."""
    decoder = ResponseDecoder()
    decoder.feed(HEAD + b"<value>" + start)
    for _ in range(127):
        decoder.feed(b" " * (1 << 17))
    with pytest.raises(ReplyTooLarge, match="a text of more than 16,777,216 characters"):
        decoder.feed(b" " * (1 << 18))


def test_fault_without_text() -> None:
    """A fault without a text still says what it is."""
    data = (
        b"<methodResponse><fault><value><struct><member><name>faultCode</name>"
        b"<value><int>1000</int></value></member></struct></value></fault></methodResponse>"
    )
    with pytest.raises(GenericError, match="fault 1000 without a text"):
        decode_response(data)


PROLOG = b"<?xml version='1.0'?><methodResponse><params><param>"


def feed_all(decoder: ResponseDecoder, pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        decoder.feed(piece)


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(b"<value><array><data>", id="arrays"),
        pytest.param(b"<value>", id="values"),
        pytest.param(b"<data>", id="data"),
    ],
)
def test_nesting_is_bounded(piece: bytes) -> None:
    """Whatever nests is refused long before it takes memory."""
    decoder = ResponseDecoder()
    decoder.feed(PROLOG)
    with pytest.raises(ForbiddenXML, match="nests deeper than 200 levels"):
        feed_all(decoder, [piece * 1000] * 100)


@pytest.mark.parametrize("inside", [b"", b"<value>", b"<value><array><data>"])
def test_unknown_elements(inside: bytes) -> None:
    """An element that XML-RPC lacks is refused at once: each name takes memory until the end."""
    decoder = ResponseDecoder()
    decoder.feed(PROLOG + inside)
    with pytest.raises(NotXMLRPC, match="it holds <a0>"):
        decoder.feed(b"".join(b"<a%d/>" % number for number in range(20_000)))
    known = b"<value><ex:i8 xmlns:ex='x'>7</ex:i8></value></param></params></methodResponse>"
    assert decode_response(PROLOG + known) == 7


@pytest.mark.parametrize("form", [b"<v%d:value/>", b"<value v%d='1'/>"])
def test_names_that_the_parser_keeps(form: bytes) -> None:
    """Neither prefixes nor attributes fill the memory with ever new names."""
    decoder = ResponseDecoder()
    decoder.feed(PROLOG)
    with pytest.raises(ForbiddenXML, match="more than 100 names"):
        decoder.feed(b"".join(form % number for number in range(20_000)))


@pytest.mark.parametrize(
    "start",
    [b"<!-- ", b'<value kind="', b"<value ", b"<?go "],
    ids=["comment", "attribute", "tag", "pi"],
)
def test_endless_markup_is_bounded(start: bytes) -> None:
    """Markup without an end, in small pieces, is refused after a few of them: no quadratic work."""
    decoder = ResponseDecoder()
    decoder.feed(PROLOG + start)
    pieces = iter([b"a" * 100] * 100_000)
    with pytest.raises(ForbiddenXML, match="markup of more than"):
        feed_all(decoder, pieces)
    assert len(list(pieces)) > 97_000


def test_many_structs(at_end: AtEnd) -> None:
    """The garbage collector does not go through all values of a reply while it is decoded."""
    # The tests freeze what is older than themselves.
    gc.unfreeze()
    at_end(gc.freeze)
    full: list[str] = []

    def collecting(phase: str, about: dict[str, int]) -> None:
        if about["generation"] == 2:
            full.append(phase)

    begin, end = reply(b"<array><data>\n|</data></array>").split(b"|")
    decoder = ResponseDecoder()
    decoder.feed(begin)
    gc.collect()
    gc.callbacks.append(collecting)
    at_end(gc.callbacks.remove, collecting)
    for _ in range(250):
        decoder.feed(b"<value><struct>\n</struct></value>\n" * 1000)
    decoder.feed(end)
    assert len(decoder.close()) == 250_000
    assert full == []


def test_garbage_beside_many_replies() -> None:
    """Objects that become garbage after a reply are collected some replies later."""
    program = """
import gc
from txkoji.hub.xmlrpc import ResponseDecoder

class Loop:
    def __init__(self):
        self.itself = self

text = b"<?xml version='1.0'?>\\n<methodResponse>\\n<params>\\n<param>\\n<value><string>"
text += b"x" * 300_000 + b"</string></value>\\n</param>\\n</params>\\n</methodResponse>\\n"
gc.collect()
before = gc.get_stats()[2]["collections"]
for _ in range(600):
    decoder, loops = ResponseDecoder(), [Loop() for _ in range(500)]
    decoder.feed(text)
    decoder.close()
print(gc.get_stats()[2]["collections"] > before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.split() == [b"True"]


def test_long_text_in_small_pieces() -> None:
    """A long string may come in small pieces of unusual XML."""
    decoder = ResponseDecoder()
    decoder.feed(PROLOG + b"<value><string>")
    for _ in range(20_000):
        decoder.feed(b"abcdefghij")
    decoder.feed(b"</string></value></param></params></methodResponse>")
    assert decoder.close() == "abcdefghij" * 20_000


def test_unusual_end_of_a_large_struct() -> None:
    """What was read before the XML became unusual is reused, not copied."""
    members = b"".join(
        b"<member>\n<name>m%d</name>\n<value><int>%d</int></value>\n</member>\n" % (n, n)
        for n in range(1000)
    )
    head = b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value><struct>\n"
    decoder = ResponseDecoder()
    decoder.feed(head + members)
    read = decoder._scanner.containers[-1][0]  # type: ignore[union-attr]
    decoder.feed(b"<member><name>x</name><value><i4>7</i4></value></member>")
    decoder.feed(b"</struct></value></param></params></methodResponse>")
    value = decoder.close()
    assert value is read
    assert (len(value), value["m999"], value["x"]) == (1001, 999, 7)


@pytest.mark.parametrize(
    "struct",
    [
        "<member><name>a</name></member>",
        "<member><value><int>1</int></value></member>",
        "<value><int>1</int></value>",
        "<name>a</name><name>b</name><value><int>1</int></value>",
        "<member><name>a</name><name>b</name></member>",
    ],
)
def test_half_a_member(struct: str) -> None:
    """A member without a name or a value is no struct's."""
    body = f"<value><struct>{struct}</struct></value></param></params></methodResponse>"
    with pytest.raises(NotXMLRPC, match="without a name or a value"):
        decode_response(PROLOG + body.encode())


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b"a\x1b[31mb", "a\ufffd[31mb"),
        (b"a\x00b", "a\ufffdb"),
        (b"caf\xe9", "caf\ufffd"),
        (b"\xed\xa0\x80", "\ufffd\ufffd\ufffd"),
        ("\ufffe\uffff".encode(), "\ufffd\ufffd"),
        (b"\xe2\x82", "\ufffd"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000])
def test_characters_that_xml_forbids(sent: bytes, read: str, size: int) -> None:
    """A changelog or fault may hold any bytes: what is no character becomes U+FFFD."""
    body = (
        PROLOG + b"<value><string>" + sent + b"</string></value></param></params></methodResponse>"
    )
    decoder = ResponseDecoder()
    for start in range(0, len(body), size):
        decoder.feed(body[start : start + size])
    assert decoder.close() == read
