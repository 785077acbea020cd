"""Data that no schema promised: copies of structs with some values replaced, by a seed."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["JSON_VALUES", "VALUES", "Mutator"]

LONG = ["odd-1-1.noarch"] * 2000
"""A list that takes as long to copy as a hundred structs: it is chosen a tenth as often."""

VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, -(2**31), 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 0.5, 1e308,
    float("inf"), float("nan"), "", "0", "-7", "hello", " ", "\0", "a\0b", "\x1b[31m\x07\x7f\r\n\t",
    "äöü€\ufffe\U0001f600", "\U0001f600" * 300, "ü" * 300, "x" * 70_000,
    "<b>&amp;%(prop:x)s{0}</b>", "git+https://git.example.test/rpms/odd.git#",
    "1970-01-01 00:00:00", "3000-01-01 00:00:00.000000", "0000-00-00T00:00:00+00:00",
    32_503_680_000.0, -62_135_596_801.0, [], {}, [None], [[]], [{}], ["a", 1, None, {"b": [2]}],
    {"": None}, {"id": {}, "name": [], "build_id": "7"}, {"faultCode": 1, "faultString": "x"},
    [[[[[[[[[[["deep"]]]]]]]]]]], LONG,
)  # fmt: skip
"""What may stand in the place of any value, as far as XML-RPC can carry it."""

JSON_VALUES: tuple[Any, ...] = (
    *VALUES, 2**63, -(2**70), 10**400, "\ud800", "a\udfffb", {"\ud800": "\0"},
)  # fmt: skip
"""The same for JSON, which carries more."""


class Mutator:
    """Changes structs at random, the same ones at every run with a seed.

    Args:
        seed: what failures print.
        values: the values to put in.

    Attributes:
        count: how many structs were changed.
    """

    def __init__(self, seed: int, values: tuple[Any, ...] = VALUES) -> None:
        self._random = random.Random(seed)
        self._values = values
        self.count = 0

    def __call__(self, value: Any) -> Any:
        """Return a copy of a value, changed at one to three places."""
        self.count += 1
        changed = copy.deepcopy(value)
        for _ in range(self._random.choice((1, 1, 1, 2, 3))):
            changed = self._changed(changed)
        return changed

    def chance(self, probability: float) -> bool:
        """Return True with a probability."""
        return self._random.random() < probability

    def shuffle(self, values: list[Any]) -> None:
        """Change the order of a list."""
        self._random.shuffle(values)

    def text(self, text: str) -> str:
        """Return a text, truncated or with some characters replaced."""
        self.count += 1
        place = self._random.randrange(len(text) + 1)
        if self.chance(0.5):
            return text[:place]
        return text[:place] + self._random.choice('\0{}[]",:é\ud800') + text[place + 1 :]

    def _changed(self, value: Any) -> Any:
        places = _places(value)
        if not places or self.chance(0.01):
            return self._value()
        container, key = self._random.choice(places)
        changes: list[Callable[[], None]] = [lambda: container.__setitem__(key, self._value())] * 6
        changes.append(lambda: container.__setitem__(key, [container[key]]))
        changes.append(lambda: container.__setitem__(key, {"value": container[key]}))
        changes.append(lambda: container.__setitem__(key, str(container[key])))
        changes.append(lambda: container.__delitem__(key))
        self._random.choice(changes)()
        return value

    def _value(self) -> Any:
        value = self._random.choice(self._values)
        if value is LONG and self.chance(0.9):
            return self._value()
        return copy.deepcopy(value)


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return all members of structs and lists, at every depth."""
    keys: list[Any] = []
    if isinstance(value, Mapping):
        keys = list(value)
    elif isinstance(value, list):
        keys = list(range(len(value)))
    found = [(value, key) for key in keys]
    for key in keys:
        found += _places(value[key])
    return found
