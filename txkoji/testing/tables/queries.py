"""``queryOpts``: counting, ordering and paging of lists."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any

from txkoji.exceptions import ParameterError, UnknownFault

_KNOWN = {"countOnly", "order", "offset", "limit", "asList", "rowlock", "group", "opts"}


def apply_query_options(rows: list[dict[str, Any]], options: dict[str, Any] | None) -> Any:
    """Apply ``queryOpts`` to rows.

    Args:
        rows: the rows.
        options: ``countOnly``; ``order`` ("a,-b", by keys of the rows); ``offset``; ``limit`` (0
            and None are none); ``asList`` (rows as lists of values, by sorted key).

    Returns:
        An int with ``countOnly``, else a list.

    Raises:
        UnknownFault: (1) ``order`` names a key that no row has.
        ParameterError: an option is unknown.
    """
    options = options or {}
    unknown = sorted(set(options) - _KNOWN)
    if unknown:
        raise ParameterError(f"Invalid query options: {', '.join(unknown)}")
    result = rows
    for key in reversed(str(options.get("order") or "").split(",")):
        name = key.strip().lstrip("-")
        if not name:
            continue
        if result and name not in result[0]:
            raise UnknownFault(f"<class 'Exception'>: Invalid order: {name}", code=1)
        # NULLs come last in ascending order, as PostgreSQL has it.
        result = sorted(
            result,
            key=lambda row: (row[name] is None, row[name] if row[name] is not None else 0),
            reverse=key.strip().startswith("-"),
        )
    offset = int(options.get("offset") or 0)
    limit = int(options.get("limit") or 0)
    if offset or limit:
        result = result[offset : offset + limit if limit else None]
    if options.get("countOnly"):
        return len(result)
    if options.get("asList"):
        return [[row[key] for key in sorted(row)] for row in result]
    return result


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "IN": lambda value, wanted: value in wanted,
    "NOT IN": lambda value, wanted: value not in wanted,
    "IS": lambda value, wanted: value is wanted,
    "IS NOT": lambda value, wanted: value is not wanted,
}


def query_by_clauses(
    rows: list[dict[str, Any]],
    table: str,
    clauses: list[list[Any]] | None,
    fields: Iterable[str],
    options: dict[str, Any] | None,
) -> Any:
    """Select rows as ``repo.query`` and its like do.

    Args:
        rows: the rows, with all their fields.
        table: their table's name, for the text of a refusal.
        clauses: conditions that all must hold: field, operator, value.
        fields: the fields to return.
        options: as ``queryOpts``.

    Raises:
        ParameterError: a field or operator is unknown.
    """
    names = list(fields)
    known = set(rows[0]) if rows else None
    for clause in clauses or []:
        if len(clause) != 3 or str(clause[1]).upper() not in _OPERATORS:
            raise ParameterError(f"Invalid clause: {clause!r}")
    if known is not None:
        for name in [*names, *(clause[0] for clause in clauses or [])]:
            if name not in known:
                raise ParameterError(f"Invalid field for query {table}: {name}")

    def fits(row: dict[str, Any]) -> bool:
        for name, sign, wanted in clauses or []:
            value = row[name]
            if value is None and not sign.upper().startswith("IS"):
                # A comparison with NULL is never true.
                return False
            if not _OPERATORS[sign.upper()](value, wanted):
                return False
        return True

    found = [{name: row[name] for name in names} for row in rows if fits(row)]
    order = str((options or {}).get("order") or "")
    for key in filter(None, order.replace("-", "").split(",")):
        if key.strip() not in names:
            raise ParameterError(f"Invalid order: {key.strip()}")
    return apply_query_options(found, options)
