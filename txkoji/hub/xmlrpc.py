"""The hub's XML-RPC dialect: encodes calls, decodes replies as they arrive.

Pure: bytes in, values out; no sockets, no meaning of methods. In the dialect of Koji's hub integers
beyond 32 bits are ``<i8>``, None is ``<nil/>``, times are text, and named arguments are one more
struct with the key ``__starstar``.
"""

from __future__ import annotations

import base64
import binascii
import codecs
import datetime
import gc
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any
from xml.parsers import expat

from munch import Munch

from txkoji._values import from_params, to_params
from txkoji.exceptions import (
    ForbiddenXML,
    NotXMLRPC,
    ProtocolError,
    ReplyTooDeep,
    ReplyTooLarge,
    TruncatedReply,
    UnreadableReply,
    fault_from,
)
from txkoji.hub.scanner import Keys, Scanner

DEFAULT_MAX_BYTES = 1 << 30
"""A larger reply is refused; the largest known ones (whole-tag listings) are a tenth of this."""

MAX_DEPTH = 200
"""Levels of nested containers. No real hub nests a tenth as deep; a deeper reply is an attack."""

MAX_ELEMENTS = 5 * MAX_DEPTH + 10
"""Levels of nested elements: a container, its members or data, and its values."""

PIECE = 64 * 1024
"""The XML parser gets at least so many bytes at a time, except at the end."""

MAX_MEMBERS = 1 << 18
"""Members of a struct. No real hub sends a tenth as many; the table of a larger one blocks the
reactor when it grows.
"""

MAX_TEXT = 1 << 24
"""Characters of a text: to join the parts of a larger one blocks the reactor."""

AGED = 256 * 1024
"""Each time that so many bytes of a reply have arrived, :class:`_Garbage` moves its values."""

MOST_AGINGS = 256
"""After so many agings no reply begins to age objects until a full collection: each delays that."""

MAX_TOKEN = 64 * 1024
"""Bytes of a tag, a comment or an instruction."""

MAX_NAMES = 100
"""Names of elements and attributes: the XML parser keeps each of them to the end of the reply."""

_TRUNCATED = {
    expat.errors.codes[words]
    for words in (
        expat.errors.XML_ERROR_NO_ELEMENTS,
        expat.errors.XML_ERROR_UNCLOSED_TOKEN,
        expat.errors.XML_ERROR_PARTIAL_CHAR,
        expat.errors.XML_ERROR_UNCLOSED_CDATA_SECTION,
    )
}
"""expat's errors at the end of a document that only lacks its rest."""


# Encoding


def encode_call(
    method: str, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
) -> bytes:
    """Encode a call of a hub method.

    Args:
        method: the name of the method.
        args: its positional arguments: None, bool, int, float, str, bytes, datetime, and lists,
            tuples, sets and str-keyed mappings of these. Not an iterator: a call may be encoded
            again.
        kwargs: its named arguments.

    Returns:
        The body of the HTTP request, UTF-8.

    Raises:
        ValueError: an argument can't be encoded: an integer beyond 64 bits, a float that is not
            finite, a mapping with a key that is not a str, a character that XML can't hold, another
            type. The text names it.
    """
    out: list[str] = ["<?xml version='1.0'?>\n<methodCall>\n<methodName>", _escape(method)]
    out.append("</methodName>\n<params>\n")
    for value in to_params(args, kwargs):
        out.append("<param>\n")
        _encode(value, out, 0)
        out.append("</param>\n")
    out.append("</params>\n</methodCall>\n")
    return "".join(out).encode("utf-8")


_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def _escape(text: str) -> str:
    illegal = _ILLEGAL.search(text)
    if illegal is not None:
        code = f"U+{ord(illegal[0]):04X}"
        raise ValueError(f"XML can't hold the character {code} in {text[:40]!r}")
    # A literal carriage return would become a line feed; a reference stays one.
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return escaped.replace("\r", "&#13;")


def _encode(value: Any, out: list[str], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"an argument nests deeper than {MAX_DEPTH} levels")
    if value is None:
        out.append("<value><nil/></value>\n")
    elif value is True or value is False:
        out.append(f"<value><boolean>{int(value)}</boolean></value>\n")
    elif isinstance(value, str):
        out.append(f"<value><string>{_escape(value)}</string></value>\n")
    elif isinstance(value, int):
        tag = "int" if -(2**31) <= value < 2**31 else "i8"
        if not -(2**63) <= value < 2**63:
            raise ValueError("an integer is beyond the 64 bits that a hub takes")
        out.append(f"<value><{tag}>{int(value)}</{tag}></value>\n")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"a float that is not finite ({float(value)}) can't be sent to a hub")
        out.append(f"<value><double>{float(value)!r}</double></value>\n")
    elif isinstance(value, (bytes, bytearray)):
        text = base64.encodebytes(value).decode("ascii")
        out.append(f"<value><base64>\n{text}</base64></value>\n")
    elif isinstance(value, datetime.datetime):
        # The hub writes and reads times as text, and assumes its own zone if there is none.
        moment = value if value.tzinfo else value.replace(tzinfo=datetime.timezone.utc)
        try:
            text = str(moment.astimezone(datetime.timezone.utc))
        except OverflowError as error:
            raise ValueError(f"the time {value} is before the year 1 or after 9999") from error
        out.append(f"<value><string>{text}</string></value>\n")
    elif isinstance(value, Mapping):
        out.append("<value><struct>\n")
        for key, member in value.items():
            if not isinstance(key, str):
                kind = type(key).__name__
                raise ValueError(f"a key of a struct must be a str, not {kind}")  # noqa: TRY004
            out.append(f"<member>\n<name>{_escape(key)}</name>\n")
            _encode(member, out, depth + 1)
            out.append("</member>\n")
        out.append("</struct></value>\n")
    elif isinstance(value, Collection):
        out.append("<value><array><data>\n")
        for member in value:
            _encode(member, out, depth + 1)
        out.append("</data></array></value>\n")
    else:
        raise ValueError(f"a value of the type {type(value).__name__} can't be sent to a hub")


# Decoding


def _boolean(text: str) -> bool:
    if text == "0":
        return False
    if text == "1":
        return True
    raise ValueError(f"bad boolean {text!r}")


_SCALARS: dict[str, Callable[[str], Any]] = {
    "int": int,
    "i1": int,
    "i2": int,
    "i4": int,
    "i8": int,
    "biginteger": int,
    "boolean": _boolean,
    "double": float,
    "string": str,
    "base64": base64.b64decode,
    "dateTime.iso8601": str,
}

_CONTAINERS = {"struct", "member", "name", "array", "data"}
_ELEMENTS = {"methodName", "params", "param", "fault", "value", "nil"} | _CONTAINERS | {*_SCALARS}
"""What a document may hold below its root, perhaps with the prefix of a name space."""


class _Document:
    """The values of an XML-RPC document, built from expat's events without recursion."""

    def __init__(self, root: str) -> None:
        self.root = root
        self.ended = False
        self.fault = False
        self.method: str | None = None
        self._begun = False
        self._depth = 0
        # The open container, the member of the enclosing struct that it is, and the containers
        # around it. The outermost one holds the values of the document.
        self._values: Any = []
        self._key: str | None = None
        self._stack: list[tuple[Any, str | None]] = []
        # The name of the member whose value is next.
        self._name: str | None = None
        self._text: list[str] = []
        self._typed = True
        self._tag = root
        self._names: set[str] = set()
        self._keys = Keys()
        self._pieces: list[bytes] = []
        self._waiting = 0
        self._fed = 0
        # Changelogs and faults hold whatever a program wrote: bytes that are not UTF-8, and
        # characters that XML forbids. A hub passes them on unchanged.
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        parser = expat.ParserCreate("utf-8")
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text.append
        parser.StartDoctypeDeclHandler = self._doctype
        self.parser = parser

    def _doctype(self, *_: Any) -> None:
        raise ForbiddenXML("the reply declares a document type, which no Koji hub does: refused")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if not self._begun:
            if tag != self.root:
                raise NotXMLRPC(f"expected <{self.root}>, got <{tag[:40]}>")
            self._begun = True
        elif attributes or tag not in self._names:
            if tag.rpartition(":")[2] not in _ELEMENTS:
                raise NotXMLRPC(f"it holds <{tag[:40]}>")
            self._names.update((tag, *attributes))
            if len(self._names) > MAX_NAMES:
                raise ForbiddenXML(f"the reply has more than {MAX_NAMES} names of tags: refused")
        self._depth += 1
        # expat keeps each open element in memory.
        if self._depth > MAX_ELEMENTS:
            raise _too_deep()
        if tag in ("struct", "array"):
            if len(self._stack) >= MAX_DEPTH:
                raise _too_deep()
            self._stack.append((self._values, self._key))
            self._key, self._name = self._name, None
            self._values = Munch() if tag == "struct" else []
        elif tag == "fault":
            self.fault = True
        self._typed = tag != "value"
        self._tag = tag
        self._text.clear()

    def _end(self, tag: str) -> None:
        tag = tag.rpartition(":")[2]
        text = "".join(self._text)
        self._text.clear()
        self._depth -= 1
        self.ended = self._depth == 0
        scalar = _SCALARS.get(tag)
        if tag == "name":
            self._begin_member(text)
        elif scalar is not None:
            try:
                value = scalar(text)
            except (ValueError, binascii.Error) as error:
                raise UnreadableReply(f"a bad <{tag}> in the reply: {error}") from error
            self._put(value)
        elif tag == "value":
            if not self._typed:
                self._put(text)
        elif tag == "nil":
            self._put(None)
        elif tag == "member":
            if self._name is not None:
                raise _half_a_member()
        elif tag in ("struct", "array"):
            if self._name is not None:
                raise _half_a_member()
            value, self._name = self._values, self._key
            self._values, self._key = self._stack.pop()
            self._put(value)
        elif tag == "methodName":
            self.method = text
        self._typed = True

    def _begin_member(self, name: str) -> None:
        if self._name is not None or isinstance(self._values, list):
            raise _half_a_member()
        self._name = self._keys[name]

    def _put(self, value: Any) -> None:
        if isinstance(self._values, list):
            self._values.append(value)
        elif self._name is None:
            raise _half_a_member()
        else:
            self._values[self._name] = value
            self._name = None

    def feed(self, data: bytes, final: bool = False) -> None:
        """Take the next bytes.

        Small pieces are collected: expat rescans an open token from its start at each of them.
        """
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting < PIECE and not final:
            return
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._waiting = 0
        text = _ILLEGAL.sub("\N{REPLACEMENT CHARACTER}", self._decoder.decode(data, final))
        data = text.encode("utf-8")
        self._fed += len(data)
        self.parser.Parse(data, final)
        # Only files, which are base64, are larger.
        if self._tag != "base64" and sum(map(len, self._text)) > MAX_TEXT:
            raise ReplyTooLarge(
                f"the hub's reply holds a text of more than {MAX_TEXT:,} characters: refused"
            )
        # expat hands text over in parts. Only a comment, a tag or an instruction stays open for
        # long.
        if not final and self._fed - self.parser.CurrentByteIndex > MAX_TOKEN:
            raise ForbiddenXML(
                f"the reply holds markup of more than {MAX_TOKEN:,} bytes, which no Koji hub sends:"
                " refused"
            )

    def resume(self, scanner: Scanner) -> None:
        """Continue where a scanner stopped: with its elements open and its values read."""
        self.parser.Parse(scanner.opened, False)
        self._fed += len(scanner.opened)
        *self._stack, (self._values, self._key) = scanner.containers
        self.feed(scanner.rest)

    @property
    def containers(self) -> list[tuple[Any, str | None]]:
        """The open containers, each with the member of the enclosing struct that it is."""
        return [*self._stack, (self._values, self._key)]

    @property
    def params(self) -> list[Any]:
        """The values of the document, once it has ended."""
        values: list[Any] = self._values
        return values


def _too_deep() -> ForbiddenXML:
    return ReplyTooDeep(f"the reply nests deeper than {MAX_DEPTH} levels: refused")


def _half_a_member() -> UnreadableReply:
    return UnreadableReply("a struct in the reply has a member without a name or a value")


class ResponseDecoder:
    """Decodes one reply of a hub as its bytes arrive.

    Args:
        max_bytes: the largest reply, in bytes, that is accepted.
    """

    def __init__(self, *, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._size = 0
        self._begin = b""
        self._is_aging = False
        self._scanner: Scanner | None = Scanner(MAX_DEPTH)
        # Made once the scanner can't continue, which is seldom: it costs as much as a short reply.
        self._document: _Document

    def feed(self, data: bytes) -> None:
        """Take the next bytes of the reply.

        Raises:
            ReplyTooLarge: more than ``max_bytes`` have arrived.
            ForbiddenXML: the reply could exhaust the memory: a document type, too many names, too
                much markup, or nested too deeply.
            NotXMLRPC: the reply is not an XML-RPC response: a web page, broken XML.
            UnreadableReply: the hub's reply holds a value that can't be read.
        """
        before, self._size = self._size, self._size + len(data)
        if self._size > self._max_bytes:
            raise ReplyTooLarge(
                f"the hub's reply is larger than {self._max_bytes:,} bytes:"
                " ask for less at a time, or raise max_reply_bytes"
            )
        if len(self._begin) < 80:
            self._begin += data[: 80 - len(self._begin)]
        if self._scanner is None:
            self._guarded(lambda: self._document.feed(data))
        elif not self._scanner.feed(data):
            self._hand_over(self._scanner)
        if before // AGED < self._size // AGED:
            self._is_aging = _garbage.age(self._is_aging)
            opened = (self._scanner or self._document).containers
            if any(len(values) > MAX_MEMBERS for values, _ in opened if isinstance(values, dict)):
                raise ReplyTooLarge(
                    f"the hub's reply holds a struct of more than {MAX_MEMBERS:,} members: refused"
                )

    def _hand_over(self, scanner: Scanner) -> None:
        self._scanner = None
        self._document = _Document("methodResponse")
        self._guarded(lambda: self._document.resume(scanner))

    def close(self) -> Any:
        """End the reply and return its value.

        Raises:
            HubFault: the reply is a fault; its class is that of the fault's code.
            TruncatedReply: the reply ends in the middle, or is empty.
            NotXMLRPC: the reply is complete but not an XML-RPC response.
        """
        if self._scanner is not None:
            if self._scanner.done:
                return self._scanner.value
            self._hand_over(self._scanner)
        # expat may hold back the last piece until here (2.6 and newer do).
        self._guarded(lambda: self._document.feed(b"", True), at_end=True)
        values = self._document.params
        if self._document.fault:
            if len(values) != 1 or not isinstance(values[0], dict):
                raise NotXMLRPC("the hub's reply is a fault without a struct")
            code = values[0].get("faultCode")
            if type(code) is not int:
                raise NotXMLRPC("the hub's reply is a fault without a code")
            text = values[0].get("faultString")
            raise fault_from(code, text if isinstance(text, str) else "")
        if len(values) != 1:
            raise NotXMLRPC(f"the hub's reply holds {len(values)} values instead of one")
        return values[0]

    def _guarded(self, step: Callable[[], None], *, at_end: bool = False) -> None:
        try:
            step()
        except expat.ExpatError as error:
            begun = self._begin.lstrip()[:1] in (b"", b"<")
            if at_end and error.code in _TRUNCATED and not self._document.ended and begun:
                raise TruncatedReply(
                    f"the hub's reply ends in the middle, after {self._size:,} bytes"
                ) from error
            words = expat.ErrorString(error.code)
            raise NotXMLRPC(f"the hub's reply is not XML-RPC ({words}); {self._quote()}") from error
        except NotXMLRPC as error:
            message = f"the hub's reply is not XML-RPC ({error}); {self._quote()}"
            raise type(error)(message) from error

    def _quote(self) -> str:
        words = " ".join(self._begin.decode("utf-8", "replace").split())
        return f"it begins {words[:60]!r}"


class _Garbage:
    """Moves all objects to the garbage collector's oldest generation, without a collection.

    Collections would visit a million new values, none of them garbage, several times: each takes up
    to 0.6 s, and together more than half of the time that decoding takes.
    """

    def __init__(self) -> None:
        self._collections = self._agings = 0
        self._is_frozen = False

    def age(self, has_begun: bool) -> bool:
        """Move all objects; returns whether that was done.

        Only a full collection frees old objects that are garbage by now. What is moved counts as
        visited by one, so that large replies now and then would put it off forever: a reply does
        not begin to move objects if that was done too often since the last one.

        Args:
            has_begun: whether the same reply has moved some already.
        """
        collections = gc.get_stats()[-1]["collections"]
        if collections != self._collections:
            self._collections, self._agings, self._is_frozen = collections, 0, False
        # What a program has frozen stays frozen. Python counts it one by one: once is enough.
        self._is_frozen = self._is_frozen or gc.get_freeze_count() > 0
        if self._is_frozen or not (has_begun or self._agings < MOST_AGINGS):
            return False
        self._agings += 1
        gc.freeze()
        gc.unfreeze()
        return True


_garbage = _Garbage()


def decode_call(data: bytes) -> tuple[str, list[Any], dict[str, Any]]:
    """Decode a call, such as the ``request`` that a hub stores with a task.

    Returns:
        The method, its positional arguments, and its named arguments.

    Raises:
        ProtocolError: it is not an XML-RPC call.
    """
    document = _Document("methodCall")
    try:
        document.feed(data, True)
    except expat.ExpatError as error:
        raise NotXMLRPC(f"not an XML-RPC call: {error}") from error
    if document.method is None:
        raise ProtocolError("the XML-RPC call names no method")
    return document.method, *from_params(document.params)
