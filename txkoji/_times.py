"""A hub's times as aware datetimes. Pure."""

from __future__ import annotations

import datetime
from typing import Any

from txkoji import _values

UTC = datetime.timezone.utc

LONGEST = 64
"""Characters of a time."""


class Moment(datetime.datetime):
    """An aware UTC datetime that a naive one can be subtracted from.

    Programs for the existing txkoji subtract ``datetime.utcnow()``, so a naive time is UTC.
    """

    def __sub__(self, other: Any) -> Any:
        return super().__sub__(_aware(other))

    def __rsub__(self, other: Any) -> Any:
        return super().__rsub__(_aware(other))  # type: ignore[misc]


def _aware(other: Any) -> Any:
    if isinstance(other, datetime.datetime) and other.tzinfo is None:
        return other.replace(tzinfo=UTC)
    return other


def elapsed(
    began: datetime.datetime | None, ended: datetime.datetime | None
) -> datetime.timedelta | None:
    """Return how long something took, or has taken so far; None before its start."""
    return None if began is None else (ended or datetime.datetime.now(UTC)) - began


def moment(seconds: Any, text: Any = None) -> Moment | None:
    """Return an aware UTC datetime, None where neither argument is a time.

    Args:
        seconds: since the epoch (the ``*_ts`` columns), or None.
        text: the same as the hub writes it, for structs that have no ``*_ts``. Hubs before 1.22
            wrote no offset: that is UTC.
    """
    number = _values.seconds(seconds)
    if number is not None:
        return Moment.fromtimestamp(number, UTC)
    if not isinstance(text, str) or len(text) > LONGEST:
        return None
    # Python 3.10 does not read the short fractions that a hub may write.
    head, dot, tail = text.partition(".")
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        text = f"{head}.{digits:0<6.6}{tail[len(digits) :]}"
    try:
        read = Moment.fromisoformat(text)
        if read.tzinfo is None:
            return read.replace(tzinfo=UTC)
        return read.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
