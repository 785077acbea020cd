"""A hub's times as aware datetimes. Pure."""

from __future__ import annotations

import datetime
from typing import Any

from txkoji import _values

__all__ = ["moment"]

LONGEST = 64
"""Characters of a time."""


def moment(seconds: Any, text: Any = None) -> datetime.datetime | None:
    """Return an aware UTC datetime, None where neither argument is a time.

    Args:
        seconds: since the epoch (the ``*_ts`` columns), or None.
        text: the same as the hub writes it, for structs that have no ``*_ts``. Hubs before 1.22
            wrote no offset: that is UTC.
    """
    number = _values.seconds(seconds)
    if number is not None:
        return datetime.datetime.fromtimestamp(number, datetime.timezone.utc)
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    # Python 3.10 does not read the short fractions that a hub may write.
    head, dot, tail = text.partition(".")
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        text = f"{head}.{digits:0<6.6}{tail[len(digits) :]}"
    try:
        read = datetime.datetime.fromisoformat(text)
        if read.tzinfo is None:
            return read.replace(tzinfo=datetime.timezone.utc)
        return read.astimezone(datetime.timezone.utc)
    except (ValueError, OverflowError):
        return None
