"""Reading listings of any length in pages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

__all__ = ["PAGE", "rows_after", "rows_by_offset"]

PAGE = 250
"""Rows in one reply: about 400 kB of the largest."""


async def rows_after(
    read: Callable[[float, int], Awaitable[list[Any]]], after: float, column: str, page: int
) -> list[Any]:
    """Read the rows after a time, which they are ordered by.

    Each page starts just before the last row of the previous one: with offsets, a row that
    disappears in between would hide another.

    Args:
        read: called with a time and a number of rows; returns the first rows after that time.
        after: where to start, in seconds since the epoch.
        column: the name of the time.
        page: how many rows to read at a time.
    """
    found: dict[int, Any] = {}
    limit = page
    while True:
        rows = await read(after, limit)
        found.update((row.get("build_id", row.get("id")), row) for row in rows)
        if len(rows) < limit:
            return list(found.values())
        last = rows[-1][column] - 0.001
        if last <= after:
            # More rows than a page have the same time: only a larger page gets past them.
            limit *= 2
        after = max(after, last)


async def rows_by_offset(read: Callable[[int, int], Awaitable[list[Any]]], page: int) -> list[Any]:
    """Read all rows of a listing to which rows may be added meanwhile.

    An added row shifts the others, so that one of them may be read twice.

    Args:
        read: called with an offset and a number of rows; returns the rows there.
        page: how many rows to read at a time.
    """
    rows: list[Any] = []
    while True:
        found = await read(len(rows), page)
        rows += found
        if len(found) < page:
            return rows
