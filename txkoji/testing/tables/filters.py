"""Filters of the methods that list rows: for each option, what its value asks of a row.

A table maps the options of a method to filters. A filter takes the tables and the option's value,
once, and returns the test that each row must pass.
"""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from txkoji.testing.tables.lookups.find import find
from txkoji.testing.tables.lookups.values import database_integer, seconds_of
from txkoji.testing.tables.state import HubState, Row

Test = Callable[[Row], bool]
Filter = Callable[[HubState, Any], Test]


def select(
    state: HubState,
    table: str,
    filters: Mapping[str, Filter],
    options: Mapping[str, Any],
    rows: Iterable[Row] | None = None,
) -> list[Row]:
    """Return the rows of a table that pass every filter whose option is given.

    Args:
        state: the tables.
        table: the table.
        filters: the filters by the options' names.
        options: the options' values; None asks for nothing, other names are ignored.
        rows: the rows to look at; by default all.
    """
    tests = [
        make(state, options[name])
        for name, make in filters.items()
        if options.get(name) is not None
    ]
    looked_at = state.rows(table) if rows is None else rows
    return [row for row in looked_at if all(test(row) for test in tests)]


def equals(column: str) -> Filter:
    """Ask for rows with the value in a column; a database refuses other types for numbers."""
    is_number = column in ("id", "state", "size", "checksum_type") or column.endswith("_id")

    def make(_: HubState, wanted: Any) -> Test:
        value = database_integer(wanted) if is_number else wanted
        return lambda row: bool(row[column] == value)

    return make


def refers(column: str, kind: str, strict: bool = False) -> Filter:
    """Ask for rows that refer to what a lookup finds; none if it finds none, unless strict."""

    def make(state: HubState, info: Any) -> Test:
        found = find(state, kind, info, strict)
        return lambda row: found is not None and row[column] == found["id"]

    return make


def after(column: str) -> Filter:
    """Ask for rows whose time in a column is later."""
    return _in_time(column, operator.gt)


def before(column: str) -> Filter:
    """Ask for rows whose time in a column is earlier."""
    return _in_time(column, operator.lt)


def _in_time(column: str, holds: Callable[[float, float], bool]) -> Filter:
    def make(_: HubState, moment: Any) -> Test:
        limit = seconds_of(moment)
        return lambda row: row[column] is not None and holds(row[column], limit)

    return make


def matches(text: Callable[[HubState, Row], str | None]) -> Filter:
    """Ask for rows whose text matches a pattern with ``*`` and ``?``."""

    def make(state: HubState, pattern: Any) -> Test:
        expression = glob(pattern)
        return lambda row: expression.fullmatch(text(state, row) or "") is not None

    return make


def starts(text: Callable[[HubState, Row], str]) -> Filter:
    """Ask for rows whose text has a prefix."""
    return lambda state, prefix: lambda row: not prefix or text(state, row).startswith(prefix)


def glob(pattern: str) -> re.Pattern[str]:
    """Compile a pattern of the hub's: ``*`` and ``?``, or SQL's ``%`` and ``_``, in any case."""
    letters = {"%": "*", "_": "?", "[": "[[]"}
    body = fnmatch.translate("".join(letters.get(letter, letter) for letter in pattern))
    return re.compile(body, re.IGNORECASE)
