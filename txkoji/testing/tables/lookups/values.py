"""Times and types of the values that callers pass, and rows by id or name."""

from __future__ import annotations

import datetime
from typing import Any, TypeVar

from txkoji.exceptions import GenericError, ParameterError
from txkoji.testing.tables.state import HubState, Row

Found = TypeVar("Found")


def time_text(seconds: float | None) -> str | None:
    """Write a time as the hub does: ``YYYY-MM-DD HH:MM:SS.ffffff+00:00``; None stays None."""
    if seconds is None:
        return None
    return str(datetime.datetime.fromtimestamp(round(seconds, 6), datetime.timezone.utc))


def rounded(seconds: float | None) -> float | None:
    """Round a time to the microseconds that a database keeps."""
    return None if seconds is None else round(seconds, 6)


def seconds_of(value: Any) -> float:
    """Read a time that a caller passes: a number, or ISO text (UTC where it names no zone)."""
    if isinstance(value, (int, float)):
        return float(value)
    try:
        moment = datetime.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise ParameterError(f"Invalid time: {value!r}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def require_type(value: Any, expected: type) -> None:
    """Refuse a value of another type, with the hub's text."""
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise ParameterError(
            f"Invalid type for value {value!r}: {type(value)}, expected type {expected}"
        )


def must(found: Found | None, text: str) -> Found:
    """Return what was found; fault 1000 with the hub's text if nothing was."""
    if found is None:
        raise GenericError(text)
    return found


def row_by_info(state: HubState, table: str, info: Any) -> Row | None:
    """Return the row of a table by its id, its name, or a struct with one of them."""
    if isinstance(info, dict):
        info = info.get("id", info.get("name"))
    if isinstance(info, bool):
        raise ParameterError(f"Invalid type for value {info!r}: {type(info)}")
    if isinstance(info, int):
        return state.get(table, info)
    if isinstance(info, str):
        return state.one(table, name=info)
    return None
