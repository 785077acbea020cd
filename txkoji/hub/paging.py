"""Where a listing ends that is read page by page, even if the hub ignores offsets and limits."""

from __future__ import annotations

from collections.abc import Sequence
from operator import eq
from typing import Any

from txkoji.exceptions import UnusableAnswer

MAX_REPEATED = 3
"""How often the same rows may come at another offset."""


KOJIWEB_PAGE = 50
"""Rows of a page of Koji's own web UI: a hub that allows fewer breaks it."""


class LongestPage:
    """Tells the end of a listing from a page that is short because the hub limits pages.

    Args:
        rows: how many rows the hub is known to allow.

    Attributes:
        rows: the same, from the longest page so far.
    """

    def __init__(self, rows: int = KOJIWEB_PAGE) -> None:
        self.rows = rows

    def note(self, rows: Sequence[Any]) -> None:
        """Note a page that the hub returned."""
        self.rows = max(self.rows, len(rows))

    def may_be_cut(self, count: int, limit: int) -> bool:
        """Return whether a listing may have more rows than a page of it.

        Args:
            count: the rows of the page. A hub that ignores the limit returns all at once.
            limit: how many were asked for.
        """
        return 0 < count <= limit and count >= min(limit, self.rows)


class RepeatedRows:
    """Stops reading a list from a hub that ignores offsets, which would go on forever."""

    def __init__(self, method: str) -> None:
        self._method = method
        self._offset = 0
        self._rows: Sequence[Any] = ()
        self._count = 0

    def check(self, offset: int, rows: Sequence[Any]) -> None:
        """Note what a request returned; rows are compared with those of the request before.

        Raises:
            UnusableAnswer: the hub gives the same rows at one offset after the other.
        """
        if not rows:
            return
        is_same = offset != self._offset and bool(self._rows) and all(map(eq, rows, self._rows))
        self._count = self._count + 1 if is_same else 0
        # Rows that are added before a page push it to the next offset, once or twice.
        if self._count == MAX_REPEATED:
            raise UnusableAnswer(self._method, rows[0], "the rows of another page")
        self._offset, self._rows = offset, rows
