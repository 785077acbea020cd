"""What all rich objects share: a Munch that knows its connection, and times."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING, Any

from munch import Munch

if TYPE_CHECKING:
    from txkoji.connection import Connection


class RichObject(Munch):
    """A struct from a hub that can ask further.

    Attributes:
        connection: the connection that it came over. It is no item of the struct.
    """

    # A slot keeps the connection out of the items; Munch would store it as one.
    __slots__ = ("connection",)

    connection: Connection

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "connection":
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)


def make(kind: type[RichObject], struct: dict[str, Any], connection: Any) -> Any:
    """Make a rich object of a struct, cheaply: a listing has twenty thousand."""
    built = kind.__new__(kind)
    dict.update(built, struct)
    object.__setattr__(built, "connection", connection)
    return built


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
