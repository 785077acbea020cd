"""Values for JSON: bounded texts, real numbers, links to http(s) only. Pure, and total."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from buildbot_koji.database_values import clean_line, clean_value, number

SHORT = 200
"""Characters of a name."""

LONG = 500
"""Characters of a reason."""

LONGEST_LINK = 2000


def text(value: Any, size: int = SHORT) -> str | None:
    """Return a value as a text of one line, None for None."""
    if value is None:
        return None
    # Cut first: a value may be huge.
    words = clean_line(str(value)[: 2 * size])
    return words if len(words) <= size else f"{words[: size - 1]}\N{HORIZONTAL ELLIPSIS}"


def link(value: Any) -> str | None:
    """Return an address if it is an http(s) one, else None."""
    if not isinstance(value, str) or len(value) > LONGEST_LINK or value != value.strip():
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    good = parts.scheme in ("http", "https") and parts.hostname and "@" not in parts.netloc
    return value if good else None


def encoded(value: Any) -> bytes:
    """Return a value as JSON; a number that JSON can't hold is null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        return json.dumps(clean_value(value), allow_nan=False, separators=(",", ":")).encode()


def bounded(value: Any, name: str = "") -> Any:
    """Return a value that another part made for JSON, its texts bounded and its links checked.

    Args:
        value: texts, numbers, flags, lists and dictionaries of them.
        name: the key that it stands under: what ends in ``url`` is a link.
    """
    if isinstance(value, str):
        return link(value) if name.endswith("url") else text(value, LONG)
    if isinstance(value, dict):
        return {str(key): bounded(each, str(key)) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [bounded(each, name) for each in value]
    return value if isinstance(value, (bool, int)) else number(value)
