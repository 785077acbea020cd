"""The files that a task left: the one place that reads what ``listTaskOutput`` answers. Pure."""

from __future__ import annotations

from typing import Any

from txkoji._values import member, struct, text
from txkoji.paths import DEFAULT_VOLUME

MAX_DIGITS = 18
"""No file is larger; Python takes seconds to convert millions of digits."""


def volumes(answer: Any) -> dict[str, dict[str, int | None]]:
    """Return the files of a task: for each name its sizes by volume, the default one first.

    The answer is one with ``stat`` and ``all_volumes``. A file on no volume is left out.
    """
    found: dict[str, dict[str, int | None]] = {}
    for name, listed in sorted((struct(answer) or {}).items()):
        stats = struct(listed) or {}
        sizes = {each: byte_count(member(stat, "st_size")) for each, stat in stats.items()}
        places = sorted(filter(text, sizes), key=lambda place: (place != DEFAULT_VOLUME, place))
        if places and text(name):
            found[name] = {place: sizes[place] for place in places}
    return found


def where(answer: Any, name: str) -> tuple[str | None, int | None] | None:
    """Return the volume of a file and its size in bytes, None if there is no such file.

    The answer is one with ``stat`` and ``all_volumes``. The default volume is None, as for the
    methods that take a volume; an unknown size is None, too.
    """
    for volume, size in volumes(answer).get(name, {}).items():
        return (None if volume == DEFAULT_VOLUME else volume), size
    return None


def byte_count(size: Any) -> int | None:
    """Return a file's size, None for anything else; a hub gives it as text above 2 GiB."""
    if isinstance(size, str) and size.isascii() and size.isdigit() and len(size) <= MAX_DIGITS:
        size = int(size)
    return size if isinstance(size, int) and not isinstance(size, bool) and size >= 0 else None
