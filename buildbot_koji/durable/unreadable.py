"""What the master's database holds and this version can't read: it is left alone."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

from txkoji.exceptions import KojiException


class UnreadableRow(KojiException):
    """What is stored can't be read: nothing may be done, or stored, in its place."""


class StoredByNewerVersion(UnreadableRow):
    """A newer version stored it, and this one can't tell what that did."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"a newer version of buildbot_koji stored {what}: it is left alone, and nothing is"
            " submitted again; upgrade this master, and look at the hub before you rebuild"
        )


class DamagedRow(UnreadableRow):
    """It is not JSON, or nothing that any version stores."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"the master's database holds {what}, damaged: it is left alone, and nothing is"
            " submitted again; restore it from a backup, or look at the hub and delete the row"
        )


def check_fields(kind: Any, stored: Mapping[str, Any], what: str) -> None:
    """Raise StoredByNewerVersion if a struct has more fields than this version's dataclass.

    Args:
        kind: the dataclass.
        stored: the struct.
        what: what was stored, for the message.
    """
    unknown = sorted(stored.keys() - {each.name for each in fields(kind)})
    if unknown:
        raise StoredByNewerVersion(f"{what} with {', '.join(unknown)}")


_DAMAGE = (
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    zlib.error,
)


@contextmanager
def reading(what: str) -> Iterator[None]:
    """Turn any error of reading a stored value into :class:`DamagedRow`.

    Args:
        what: what was stored, for the message.
    """
    try:
        yield
    except _DAMAGE:
        raise DamagedRow(what) from None


@contextmanager
def saying(say: Callable[[UnreadableRow], object] | None) -> Iterator[None]:
    """Call ``say`` with the error of what can't be read, and go on; without it, raise the error."""
    try:
        yield
    except UnreadableRow as error:
        if say is None:
            raise
        say(error)
