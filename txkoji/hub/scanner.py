"""A fast parser for the exact XML in which a hub writes its replies. Pure.

Every hub uses Python's marshaller, which writes each value in the same way, to the last line feed.
Regular expressions read that several times as fast as an XML parser. At the first deviation an XML
parser takes over: the scanner says what it has read and which elements are open.
"""

from __future__ import annotations

import re
from typing import Any

from munch import Munch

HEAD = "<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n"
TAIL = "</param>\n</params>\n</methodResponse>\n"

LIMIT = 64 * 1024
"""Characters of an incomplete value. At each new piece the scanner rereads it from its start;
beyond this limit an XML parser, which does not, is faster.
"""

MAX_KEYS = 1 << 16
"""Names that are kept: a larger table blocks the reactor when it grows."""

# Excludes what needs an XML parser: markup, references, line ends to normalize, and characters that
# XML forbids.
_PLAIN = r"[^<>&\r\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]*"
_TEXT = rf"{_PLAIN}(?:&(?:amp|lt|gt);{_PLAIN})*"
# A value of an array or of the reply itself, or a whole member of a struct; the start or end of a
# container; the end of the reply; anything else. The marshaller writes no line feed after a nil.
_TOKEN = (
    rf"(?:<member>\n<name>({_PLAIN})</name>\n)?<value>(?:(?:"
    rf"<string>({_TEXT})</string>"
    r"|<int>(-?[0-9]{1,18})</int>"
    r"|<boolean>([01])</boolean>"
    r"|<double>(-?[0-9]+\.[0-9]+(?:e[+-]?[0-9]{1,3})?)</double>"
    r"|<i8>(-?[0-9]{1,18})</i8>"
    r")</value>\n(?(1)</member>\n)"
    r"|(<nil/>)</value>(?(1)</member>\n)"
    r"|<(?:(struct>)|(array><data>))\n)"
    r"|(?:(</struct>)|(</data></array>))</value>\n(</member>\n)?"
    rf"|({TAIL})"
    r"|([\s\S])"
)
_tokens = re.compile(_TOKEN).finditer
_NAME, _STRING, _INT, _BOOLEAN, _DOUBLE, _I8, _NIL = range(1, 8)
_STRUCT, _ARRAY, _END_STRUCT, _END_ARRAY, _END_MEMBER, _END = range(8, 14)


class Keys(dict[str, str]):
    """One object for each name that occurs often: a listing repeats 27 keys 20,000 times."""

    def __missing__(self, name: str) -> str:
        if len(self) >= MAX_KEYS:
            self.clear()
        self[name] = name
        return name


class Scanner:
    """Reads a reply as it arrives, while it has the usual shape and nests no deeper than usual."""

    def __init__(self, max_depth: int) -> None:
        self.done = False
        self._max_depth = max_depth
        self._keys = Keys()
        # The open containers: their content so far, and which member of the enclosing struct they
        # are. The first holds the value of the reply.
        self._stack: list[tuple[Any, str | None]] = []
        self._bytes = b""
        self._text = ""

    def feed(self, data: bytes) -> bool:
        """Take the next bytes; returns whether the shape is still the usual one.

        Once it is not, :attr:`rest` has the bytes that the scanner has not read.
        """
        if self.done or b"\n" not in data:
            self._bytes += data
            return len(self._bytes) <= LIMIT and not self.done
        # In UTF-8 a line feed is never part of another character.
        lines, newline, begin = data.rpartition(b"\n")
        whole = self._bytes + lines + newline
        try:
            text = whole.decode("utf-8")
        except UnicodeDecodeError:
            self._bytes = whole + begin
            return False
        self._bytes = begin
        self._text += text
        if not self._stack and not self._begin():
            return not self.done and HEAD.startswith(self._text)
        position = self._scan(self._text)
        self._text = self._text[position:]
        if self.done:
            return not self.rest
        return len(self._text) <= LIMIT

    @property
    def value(self) -> Any:
        """The value of the reply, once ``done``."""
        return self._stack[0][0][0]

    @property
    def rest(self) -> bytes:
        """The bytes that have arrived but were not read."""
        return self._text.encode("utf-8") + self._bytes

    def _begin(self) -> bool:
        if not self._text.startswith(HEAD):
            return False
        self._text = self._text[len(HEAD) :]
        self._stack.append(([], None))
        return True

    def _scan(self, text: str) -> int:
        """Read as far as possible; returns the position of the first unread character.

        One function reads all tokens, with its state in local variables: a call for each of the
        half million values of a large reply would double the cost.
        """
        stack = self._stack
        keys = self._keys
        new_struct = Munch.__new__
        values: Any
        values, key = stack.pop()
        in_struct = type(values) is not list
        position = len(text)
        for token in _tokens(text):
            group: Any = token.lastindex
            name = token[_NAME]
            if group == _STRING:
                value: Any = token[_STRING]
                if "&" in value:
                    value = value.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            elif group == _INT:
                value = int(token[_INT])
            elif group == _NIL:
                value = None
            elif _END_STRUCT <= group <= _END_MEMBER:
                closes_struct = token[_END_STRUCT] is not None
                is_member = group == _END_MEMBER
                if closes_struct is not in_struct or is_member is (key is None) or not stack:
                    position = token.start()
                    break
                value = values
                name = key
                values, key = stack.pop()
                in_struct = name is not None
            elif group == _DOUBLE:
                value = float(token[_DOUBLE])
            elif group == _BOOLEAN:
                value = token[_BOOLEAN] == "1"
            elif group == _I8:
                value = int(token[_I8])
            elif group <= _ARRAY:
                fits = in_struct is (name is not None) and (stack or not values)
                if not fits or len(stack) >= self._max_depth:
                    position = token.start()
                    break
                stack.append((values, key))
                key = None if name is None else keys[name]
                in_struct = group == _STRUCT
                values = new_struct(Munch) if in_struct else []
                continue
            else:
                self.done = group == _END and not stack and len(values) == 1
                position = token.end() if self.done else token.start()
                break
            if in_struct and name is not None:
                values[keys[name]] = value
            elif not in_struct and name is None and (stack or not values):
                values.append(value)
            else:
                position = token.start()
                break
        stack.append((values, key))
        return position

    # For the XML parser that takes over

    @property
    def opened(self) -> bytes:
        """The start of a document with the same elements open as in the reply."""
        if not self._stack:
            return b""
        out = [HEAD]
        if len(self._stack) == 1 and self._stack[0][0]:
            out.append("<value><nil/></value>\n")
        if self.done:
            out.append(TAIL)
        for values, key in self._stack[1:]:
            if key is not None:
                out.append("<member>\n<name></name>\n")
            is_struct = type(values) is not list
            out.append("<value><struct>\n" if is_struct else "<value><array><data>\n")
        return "".join(out).encode("ascii")

    @property
    def containers(self) -> list[tuple[Any, str | None]]:
        """The open containers, each with the member of the enclosing struct that it is."""
        return self._stack or [([], None)]
