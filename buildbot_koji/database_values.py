"""Make values from a hub fit the master's database. Pure; nothing here raises."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from txkoji import one_line

MAX_VALUE = 60_000
"""Bytes of a value as JSON: MySQL's columns for properties, states and links hold 65,535."""

MOST_MEMBERS = 100
"""Members of a struct that is cut, one after the other: each costs a look at all."""

MAX_TIME = 2**31 - 1
"""PostgreSQL's column for the time of a change holds 32 bits."""

MAX_ID = 2**31 - 1
"""A hub's ids have 32 bits."""

_ID = re.compile("[0-9]{1,10}")

_BROKEN = re.compile("[\x00\ud800-\udfff]")
"""PostgreSQL refuses NUL, and no database takes half of a surrogate pair."""

_REFUSED = re.compile("[\x00\ud800-\udfff\U00010000-\U0010ffff]")
"""With the character set that Buildbot insists on, MySQL and MariaDB refuse what takes four bytes,
except in JSON, which Buildbot writes in ASCII.
"""


def member(value: Any, *names: str) -> Any:
    """Return a member of nested structs; None if one of them is no struct or lacks it."""
    for name in names:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def number(value: Any) -> float | None:
    """Return a finite number, None for anything else."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def id_of(value: Any) -> int | None:
    """Return an id of the hub, which a form gives as text; None for anything else."""
    text = value if isinstance(value, str) else str(value) if type(value) is int else ""
    found = int(text) if _ID.fullmatch(text) else 0
    return found if 0 < found <= MAX_ID else None


def database_time(when: Any) -> int | None:
    """Return a time for a change, in seconds since the epoch; None if no database can hold it."""
    seconds = number(when)
    return None if seconds is None or not 0 <= seconds <= MAX_TIME else int(seconds)


def encoded_size(value: Any) -> int:
    """Return the bytes that a value takes as Buildbot stores it: JSON in ASCII."""
    return len(json.dumps(value))


def clean_text(text: str) -> str:
    """Return a text for a column of its own, without characters that databases refuse."""
    return _REFUSED.sub("\N{REPLACEMENT CHARACTER}", text)


def clean_line(text: str) -> str:
    """Return a text as one line, without control characters and what databases refuse."""
    return clean_text(one_line(text))


def fit_text(value: Any, size: int) -> str:
    """Return a text of at most so many bytes in UTF-8, without characters that databases refuse."""
    # No character takes less than a byte.
    return clean_text(str(value)[:size]).encode()[:size].decode(errors="ignore")


def fit_properties(properties: Mapping[str, Any], size: int) -> dict[str, Any]:
    """Return properties that take at most so many bytes: the largest ones are cut."""
    # No character takes less than a byte.
    fitted = {
        name: clean_value(value[:size] if isinstance(value, str) else value)
        for name, value in properties.items()
    }
    while (excess := encoded_size(fitted) - size) > 0 and fitted:
        largest = max(fitted, key=lambda name: encoded_size(fitted[name]))
        shorter = _shortened(fitted[largest], encoded_size(fitted[largest]) - excess)
        if shorter is None:
            del fitted[largest]
        else:
            fitted[largest] = shorter
    return fitted


def fit_property(value: Any) -> Any:
    """Return the value of a property, cut if it is too large; None if it can't be cut."""
    return fit_properties({"": value}, MAX_VALUE).get("")


def clean_value(value: Any) -> Any:
    """Return a value that JSON and databases can hold.

    Characters that they refuse become U+FFFD, numbers that are not finite None, tuples lists.
    """
    if isinstance(value, str):
        return _BROKEN.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, float) and not math.isfinite(value):
        # JSON has no such numbers: a browser could not read the page.
        return None
    if isinstance(value, (list, tuple)):
        return [clean_value(each) for each in value]
    if isinstance(value, Mapping):
        return {clean_value(str(name)): clean_value(each) for name, each in value.items()}
    return value


def _shortened(value: Any, size: int) -> Any:
    """Return the start of a list or text, or a struct of such, at most so many bytes of JSON.

    None if nothing is left.
    """
    if isinstance(value, dict):
        # To cut many members takes too long.
        return (len(value) <= MOST_MEMBERS and fit_properties(value, size)) or None
    if not isinstance(value, (list, str)):
        return None
    # Bisect for the longest start that fits: a value may have millions of items.
    low, high = 0, len(value)
    while low < high:
        middle = (low + high + 1) // 2
        if encoded_size(value[:middle]) <= size:
            low = middle
        else:
            high = middle - 1
    return value[:low] if low else None
