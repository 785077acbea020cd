"""Reading listings of any length in pages, around records that can't be read."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

from txkoji._values import integer, member, seconds, struct
from txkoji.hub.paging import LongestPage, RepeatedRows
from txkoji.retry import UNREADABLE

PAGE = 250
"""Rows in one reply: about 400 kB of the largest."""

LARGEST_PAGE = 8
"""How many times as large the pages of a long listing get."""

MAX_UNREADABLE = 100
"""Rows in succession that can't be read: after so many, nothing that the hub answers can be."""

Read = Callable[[int, int], Awaitable[list[Any]]]
"""Called with an offset and a number of rows; returns the rows there."""

Unreadable = Callable[[Any, Exception], None]
"""Called with the record before an unreadable one, if there is one, and the error."""


class Listing:
    """Reads the pages of one listing, around the rows that can't be read.

    It ends whatever the hub answers: the same rows at each offset and nothing readable at any
    offset are failures.

    Args:
        method: what lists the rows.
        page: how many rows to read at a time.
        longest: the longest page of the hub so far.
        unreadable: called for each row that can't be read.

    Raises:
        UnusableAnswer: (while reading) the hub ignores offsets.
        UnreadableReply, ReplyTooLarge: (while reading) nothing that the hub answers can be read.
    """

    def __init__(
        self, method: str, page: int, longest: LongestPage, unreadable: Unreadable
    ) -> None:
        self._repeated = RepeatedRows(method)
        self._page = page
        self._longest = longest
        self._unreadable = unreadable
        self._count = 0

    async def after(
        self,
        time: float,
        column: str,
        read: Callable[[float, int, int], Awaitable[list[Any]]],
    ) -> list[Any]:
        """Read the rows after a time, which they are ordered by.

        Each page starts just before the last row of the previous one: with offsets, a row that
        disappears in between would hide another. The hub may allow fewer rows than a page has.

        Args:
            time: where to start, in seconds since the epoch.
            column: the name of the time.
            read: called with a time, an offset and a number of rows; returns those rows after that
                time.
        """
        found: dict[Any, Any] = {}
        limit, offset = self._page, 0
        while True:
            rows, count = await self._around_unreadable(partial(read, time), offset, limit)
            for row in rows:
                found[_id_of(row, len(found))] = row
            if not self._longest.may_be_cut(count, limit):
                return list(found.values())
            times = [each for row in rows if (each := seconds(member(row, column))) is not None]
            last = max(times, default=0.0) - 0.001
            if last > time:
                time, offset = last, 0
            elif count == limit:
                # More rows than a page have the same time: only a larger page gets past them.
                limit *= 2
            else:
                # The hub gives no larger page.
                offset += count

    async def by_offset(self, read: Read) -> list[Any]:
        """Read all rows; see :meth:`pages`."""
        return [row async for rows in self.pages(read, LARGEST_PAGE * self._page) for row in rows]

    async def pages(self, read: Read, largest: int) -> AsyncIterator[list[Any]]:
        """Yield the pages of a listing to which rows may be added meanwhile.

        An added row shifts the others, so that one of them may be read twice.

        Args:
            read: reads a page.
            largest: how many rows to read at a time later: each full page is followed by a larger
                one.
        """
        offset, limit = 0, self._page
        while True:
            found, count = await self._around_unreadable(read, offset, limit)
            yield found
            offset += count
            if not self._longest.may_be_cut(count, limit):
                return
            # The hub sorts the whole listing for each request: a long one is read in fewer.
            limit = min(2 * limit, largest)

    async def _around_unreadable(
        self, read: Read, offset: int, limit: int
    ) -> tuple[list[Any], int]:
        """Return the readable rows of a page, and how many rows it has in all."""
        try:
            rows = await read(offset, limit)
        except UNREADABLE as error:
            if limit == 1:
                await self._leave_out(read, offset, error)
                return [], 1
        else:
            self._longest.note(rows)
            self._repeated.check(offset, rows)
            self._count = 0
            return rows, len(rows)
        half = limit // 2
        first, first_count = await self._around_unreadable(read, offset, half)
        if first_count != half:
            return first, first_count
        rest, rest_count = await self._around_unreadable(read, offset + half, limit - half)
        return first + rest, first_count + rest_count

    async def _leave_out(
        self,
        read: Read,
        offset: int,
        error: Exception,
    ) -> None:
        """Leave a row out, unless all of the last rows can't be read."""
        self._count += 1
        if self._count == MAX_UNREADABLE:
            raise error
        self._unreadable(await _row_before(read, offset), error)


async def _row_before(read: Read, offset: int) -> Any:
    """Return the row before an unreadable one, by which people can find it."""
    if offset == 0:
        return None
    try:
        return next(iter(await read(offset - 1, 1)), None)
    except UNREADABLE:
        return None


def _id_of(row: Any, otherwise: int) -> Any:
    fields = struct(row) or {}
    row_id = integer(fields.get("build_id", fields.get("id")))
    return ("row", otherwise) if row_id is None else row_id
