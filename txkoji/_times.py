"""A hub's times as aware datetimes. Pure."""

from __future__ import annotations

import datetime

__all__ = ["moment"]


def moment(seconds: float | None, text: str | None = None) -> datetime.datetime | None:
    """Return an aware UTC datetime.

    Args:
        seconds: since the epoch (the ``*_ts`` columns), or None.
        text: the same as the hub writes it, for structs that have no ``*_ts``. Hubs before 1.22
            wrote no offset: that is UTC.
    """
    if seconds is not None:
        return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    if not text:
        return None
    # Python 3.10 does not read the short fractions that a hub may write.
    head, dot, tail = text.partition(".")
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        text = f"{head}.{digits:0<6.6}{tail[len(digits) :]}"
    read = datetime.datetime.fromisoformat(text)
    if read.tzinfo is None:
        return read.replace(tzinfo=datetime.timezone.utc)
    return read.astimezone(datetime.timezone.utc)
