"""How long a search for a regular expression of the configuration may take. Pure.

Python's ``re`` tries every way in which an expression can match the start of a text before it says
that none does: of ``(a+)+$`` these double with each character. They are counted in the parse tree.
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from typing import Any

_IS_PACKAGE = sys.version_info >= (3, 11)
_parser: Any = importlib.import_module("re._parser" if _IS_PACKAGE else "sre_parse")
_compiler: Any = importlib.import_module("re._compiler" if _IS_PACKAGE else "sre_compile")

MOST_STEPS = 5e9
"""The highest bound that is accepted: such a search takes a second or two."""

_MOST_NESTED = 6
"""The deepest nesting of repetitions that is counted: each level doubles the time of that."""

_REPEATS = ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT")
_CHARACTERS = ("LITERAL", "NOT_LITERAL", "IN", "ANY")
_EMPTY = ("AT", "ASSERT", "ASSERT_NOT")

_Chars = frozenset[str]
"""Characters out of a sample: Latin letters and those of the pattern."""


def steps(pattern: str, size: int) -> float:
    """Return an upper bound of the steps of a search, infinity where they are exponential.

    Args:
        pattern: a regular expression.
        size: the length of the text, in characters.

    Raises:
        re.error, OverflowError, RecursionError: the pattern can't be parsed.
    """
    tree = _parser.parse(pattern)
    return (size + 1) * _Ways(tree.state, size, pattern).ways(tree, frozenset(), 0)


class _Ways:
    """Counts the ways in which parts of a pattern can match."""

    def __init__(self, state: Any, size: int, pattern: str) -> None:
        self._state = state
        self._size = size
        self._all = frozenset([*map(chr, range(0x180)), *pattern])
        self._text = "".join(sorted(self._all))
        self._known: dict[str, _Chars] = {}

    def ways(self, items: Any, after: _Chars, depth: int) -> float:
        """Return an upper bound of the ways in which a sequence matches the start of a text.

        Args:
            items: the parts of the sequence.
            after: the characters with which the rest of the pattern may begin.
            depth: how many repetitions it is inside.
        """
        product = 1.0
        for index, (kind, value) in enumerate(items):
            follows = self._first(items[index + 1 :], after)
            product *= self._ways_of(str(kind), value, follows, depth)
        return product

    def _ways_of(self, kind: str, value: Any, follows: _Chars, depth: int) -> float:
        if kind in _REPEATS:
            return self._ways_to_repeat(value, follows, depth)
        parts = _parts(kind, value)
        each = [self.ways(part, follows, depth) for part in parts]
        firsts = [self._first(part, follows) for part in parts]
        if sum(map(len, firsts)) == len(frozenset().union(*firsts)):
            # The next character decides which of them it is.
            return max(each, default=1.0)
        return sum(each)

    def _ways_to_repeat(self, value: Any, follows: _Chars, depth: int) -> float:
        *limits, body = value
        least, most = (min(int(each), self._size) for each in limits)
        begins, ways = self._first(body, follows), 1.0
        if depth >= _MOST_NESTED:
            return math.inf
        if most > 1:
            try:
                ways = self.ways(body, begins, depth + 1) ** most
            except OverflowError:
                return math.inf
        ways *= self.ways(body, follows, depth + 1)
        return ways if begins.isdisjoint(follows) else ways * (most - least + 1)

    def _first(self, items: Any, after: _Chars) -> _Chars:
        """Return the characters that a sequence, with what follows it, may begin with."""
        found: _Chars = frozenset()
        for kind, value in items:
            name = str(kind)
            if name in _EMPTY:
                continue
            if name in _CHARACTERS:
                return found | self._members((kind, value))
            parts = _parts(name, value)
            if not parts:
                return self._all
            for part in parts:
                found |= self._first(part, frozenset())
            is_optional = name in _REPEATS and value[0] == 0
            if not is_optional and all(part.getwidth()[0] for part in parts):
                return found
        return found | after

    def _members(self, item: Any) -> _Chars:
        """Return the characters that match a part of one character, ignoring case."""
        key = str(item)
        if key not in self._known:
            tree = _parser.SubPattern(self._state, [item])
            found = _compiler.compile(tree, re.IGNORECASE).finditer(self._text)
            # It matches only characters outside of the sample: assume the worst.
            self._known[key] = frozenset(each[0] for each in found) or self._all
        return self._known[key]


def _parts(kind: str, value: Any) -> list[Any]:
    """Return the alternatives inside a part of a pattern, each a sequence."""
    if kind == "BRANCH":
        return list(value[1])
    if kind == "GROUPREF_EXISTS":
        return [each for each in value[1:] if each is not None]
    if kind == "ATOMIC_GROUP":
        return [value]
    is_group = kind in (*_REPEATS, "SUBPATTERN", "ASSERT", "ASSERT_NOT")
    return [value[-1]] if is_group else []
