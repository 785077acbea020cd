"""The files that a task left: the one place that reads what ``listTaskOutput`` answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from txkoji._values import member, struct, text
from txkoji.paths import DEFAULT_VOLUME

MAX_DIGITS = 18
"""No file is larger; Python takes seconds to convert millions of digits."""


def names(answer: Any) -> list[str]:
    """Return the names of a task's files, in the hub's order.

    Args:
        answer: what ``listTaskOutput`` answered, with ``stat`` or without.
    """
    listed = answer if isinstance(answer, (list, Mapping)) else ()
    return [name for name in listed if name and text(name)]


def size_of(answer: Any, name: str) -> int | None:
    """Return the size of a file in bytes, None if it is not there or its size is unknown.

    Args:
        answer: what ``listTaskOutput`` answered with ``stat=True``.
        name: the file's name.
    """
    return _size(member(answer, name))


def volumes(answer: Any) -> dict[str, dict[str, int | None]]:
    """Return the files of a task: for each name the sizes in bytes by volume.

    The default volume comes first. A file on no volume is left out.

    Args:
        answer: what ``listTaskOutput`` answered with ``stat=True`` and ``all_volumes=True``.
    """
    found: dict[str, dict[str, int | None]] = {}
    for name in sorted(names(answer if isinstance(answer, Mapping) else ())):
        sizes = {each: _size(stat) for each, stat in (struct(answer[name]) or {}).items()}
        places = sorted(filter(text, sizes), key=lambda place: (place != DEFAULT_VOLUME, place))
        if places:
            found[name] = {place: sizes[place] for place in places}
    return found


def _size(stat: Any) -> int | None:
    return byte_count(member(stat, "st_size"))


def byte_count(size: Any) -> int | None:
    """Return a file's size, None for anything else; a hub gives it as text above 2 GiB."""
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) <= MAX_DIGITS:
        size = int(size)
    return size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None
