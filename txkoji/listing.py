"""Read lists of any length page by page, for ``Connection.pages``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from txkoji import rich
from txkoji._rich_base import HubConnection
from txkoji.exceptions import UnusableAnswer
from txkoji.hub.answers import a_list
from txkoji.hub.call import Call
from txkoji.hub.paging import LongestPage, RepeatedRows

__all__ = ["PAGED", "Paging", "pages"]

PAGE_SIZE = 500
"""Rows in a request."""

WHOLE_LIST_PAGE_SIZE = 5000
"""The same where the hub makes the whole list for each page: fewer requests spare it work."""


@dataclass(frozen=True)
class Paging:
    """How the list of a method is read in pages.

    Attributes:
        key: the members that number the rows, by which they are ordered.
        has_options: the method takes ``queryOpts``. Any other is called through ``filterResults``,
            for which the hub makes the whole list each time.
    """

    key: tuple[str, ...]
    has_options: bool = True


PAGED: Mapping[str, Paging] = {
    "getBuildTargets": Paging(("id",)),
    "listArchives": Paging(("id",)),
    "listBuildRPMs": Paging(("id",), has_options=False),
    "listBuildroots": Paging(("id",)),
    "listBuilds": Paging(("build_id",)),
    "listChannels": Paging(("id",), has_options=False),
    "listExternalRepos": Paging(("id",)),
    # The hub ignores its queryOpts.
    "listHosts": Paging(("id",), has_options=False),
    "listPackages": Paging(("package_id",), has_options=False),
    "listPackagesSimple": Paging(("package_id",)),
    "listRPMs": Paging(("id",)),
    "listSideTags": Paging(("id",)),
    "listTagged": Paging(("build_id", "tag_id"), has_options=False),
    "listTags": Paging(("id",)),
    "listTasks": Paging(("id",)),
    "listUsers": Paging(("id",)),
    "untaggedBuilds": Paging(("id",)),
}
"""The methods that list what has an id."""


async def pages(
    connection: HubConnection,
    call: Call,
    *,
    key: str | Sequence[str] | None,
    size: int | None,
) -> AsyncIterator[Any]:
    """Read a list in pages, ordered by the ids of its rows; see ``Connection.pages``.

    Each page begins with the last row of the previous one. If another row is there, rows were
    removed meanwhile and the rest moved: earlier rows are read again until a known one is found.
    Rows that are added come last, since their ids are higher. A hub may allow fewer rows than a
    page has: the list ends where nothing follows.

    Raises:
        UnusableAnswer: the answer is no list, its rows lack the key, or the hub repeats a page.
    """
    method = call.method
    names, has_options = _ordered_by(method, key)
    if size is None:
        size = PAGE_SIZE if has_options else WHOLE_LIST_PAGE_SIZE
    if size < 2:
        raise ValueError(f"a page has two rows or more, not {size}")
    if "queryOpts" in call.kwargs:
        raise ValueError("pages are ordered and cut here: leave queryOpts out")

    last: tuple[Any, ...] | None = None
    repeated, longest = RepeatedRows(method), LongestPage(0)
    offset = overlap = 0
    while True:
        options = {"order": ",".join(names), "offset": offset, "limit": size}
        rows = await _read_page(connection, call, options, has_options=has_options)
        longest.note(rows)
        keys = [_key_of(row, names, method) for row in rows]
        if last is not None and overlap and offset and (not keys or keys[0] > last):
            offset = max(0, offset - size + 1)
            continue
        for row, number in zip(rows, keys, strict=True):
            if last is None or number > last:
                yield row
        if not longest.may_be_cut(len(rows), size):
            return
        repeated.check(offset, keys)
        last = max(keys[-1], last or ())
        # From a hub that gives one row at a time, the next page can't begin with a known one.
        overlap = int(longest.rows > 1)
        offset += len(rows) - overlap


async def _read_page(
    connection: HubConnection, call: Call, options: dict[str, Any], *, has_options: bool
) -> list[Any]:
    if has_options:
        rows = await connection.call(call.method, *call.args, **call.kwargs, queryOpts=options)
    else:
        filtered = {**call.kwargs, "filterOpts": options}
        found = await connection.call("filterResults", call.method, *call.args, **filtered)
        rows = rich.convert(call.method, found, connection)
    return a_list(rows, call.method)


def _ordered_by(method: str, key: str | Sequence[str] | None) -> tuple[tuple[str, ...], bool]:
    """Return the members that order the rows of a method, and whether its ``queryOpts`` can."""
    paging = PAGED.get(method) or Paging((), has_options=False)
    names = paging.key if key is None else (key,) if isinstance(key, str) else tuple(key)
    if not names:
        raise ValueError(f"the rows of {method} have no known key: name one, such as key='id'")
    # A database orders text as its locale says; `filterResults` orders it as Python does.
    return names, paging.has_options and names == paging.key


def _key_of(row: Any, names: Sequence[str], method: str) -> tuple[Any, ...]:
    """Return the members of a row that order it among the rows of a method."""
    try:
        found = tuple(row[name] for name in names)
    except (KeyError, TypeError):
        found = (None,)
    if not all(isinstance(value, (int, float, str)) for value in found):
        raise UnusableAnswer(method, row, f"a row with {' and '.join(names)}")
    return found
