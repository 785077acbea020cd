"""``queryOpts``: how a caller counts, orders and pages what a hub method lists."""

from __future__ import annotations

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
