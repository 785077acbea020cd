"""The files that a task left: the one place that reads what ``listTaskOutput`` answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from txkoji._values import member, struct, text
from txkoji.paths import DEFAULT_VOLUME

MAX_DIGITS = 18
"""No file is larger; Python takes seconds to convert millions of digits."""


def names(answer: Any) -> list[str]:
    """Return the names of a task's files, in the hub's order."""
    listed = answer if isinstance(answer, (list, Mapping)) else ()
    return [name for name in listed if name and text(name)]


def size_of(answer: Any, name: str) -> int | None:
    """Return the size in bytes of a file, in an answer with ``stat``; None if it is unknown."""
    return byte_count(member(member(answer, name), "st_size"))


def volumes(answer: Any) -> dict[str, dict[str, int | None]]:
    """Return the files of a task: for each name its sizes by volume, the default one first.

    The answer is one with ``stat`` and ``all_volumes``. A file on no volume is left out.
    """
    found: dict[str, dict[str, int | None]] = {}
    for name in sorted(names(answer if isinstance(answer, Mapping) else ())):
        stats = struct(answer[name]) or {}
        sizes = {each: byte_count(member(stat, "st_size")) for each, stat in stats.items()}
        places = sorted(filter(text, sizes), key=lambda place: (place != DEFAULT_VOLUME, place))
        if places:
            found[name] = {place: sizes[place] for place in places}
    return found


def byte_count(size: Any) -> int | None:
    """Return a file's size, None for anything else; a hub gives it as text above 2 GiB."""
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) <= MAX_DIGITS:
        size = int(size)
    return size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None
