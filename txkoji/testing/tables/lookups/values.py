"""Times and types of the values that callers pass, and rows by id or name."""

from __future__ import annotations

import datetime
import re
from typing import Any, TypeVar

from txkoji.exceptions import GenericError, ParameterError, UnknownFault
from txkoji.testing.tables.state import HubState, Row

Found = TypeVar("Found")
_YEAR_1, _YEAR_10000 = -62135596800, 253402300800
_ARCH = re.compile(r"[A-Za-z0-9_-]*")


def time_text(seconds: float | None) -> str | None:
    """Write a time as the hub does: ``YYYY-MM-DD HH:MM:SS.ffffff+00:00``; None stays None."""
    if seconds is None:
        return None
    return str(datetime.datetime.fromtimestamp(round(seconds, 6), datetime.timezone.utc))


def rounded(seconds: float | None) -> float | None:
    """Round a time to the microseconds that a database keeps."""
    return None if seconds is None else round(seconds, 6)


def times_of(row: Row, names: str) -> dict[str, Any]:
    """Return times of a row as the hub does, each as text and as seconds."""
    texts = {f"{name}_time": time_text(row[f"{name}_ts"]) for name in names.split()}
    return {**texts, **{f"{name}_ts": rounded(row[f"{name}_ts"]) for name in names.split()}}


def seconds_of(value: Any) -> float:
    """Read a time that a caller passes: a number, or ISO text (UTC where it names no zone)."""
    if isinstance(value, (int, float)):
        if not _YEAR_1 <= value < _YEAR_10000:
            raise hub_error(f"timestamp out of range: {value}")
        return float(value)
    try:
        moment = datetime.datetime.fromisoformat(str(value))
    except ValueError as error:
        raise hub_error(f"invalid input syntax for type timestamp: {value!r}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=datetime.timezone.utc)
    return moment.timestamp()


def require_type(value: Any, expected: type) -> None:
    """Refuse a value of another type, with the hub's text."""
    if value is None:
        raise ParameterError(f"Invalid type, expected type {expected}")
    if not isinstance(value, expected):
        raise _wrong_type(value, expected)


def integer(value: Any) -> int:
    """Return the number that a value converts to, or refuse it with the hub's text."""
    if value is None:
        raise ParameterError(f"Invalid type, expected type {int}")
    try:
        return int(value)
    except (TypeError, ValueError):
        raise _wrong_type(value, int) from None


def _wrong_type(value: Any, expected: type) -> ParameterError:
    return ParameterError(
        f"Invalid type for value '{value}': {type(value)}, expected type {expected}"
    )


def hub_error(text: str) -> UnknownFault:
    """Return the fault of an error inside the hub: real ones are as unprepared for some values."""
    return UnknownFault(text, code=1)


def no_attribute(value: Any, name: str) -> UnknownFault:
    """Return the fault of a hub that took a value for another type's."""
    text = f"'{type(value).__name__}' object has no attribute '{name}'"
    return hub_error(f"{AttributeError}: {text}")


def must(found: Found | None, text: str) -> Found:
    """Return what was found; fault 1000 with the hub's text if nothing was."""
    if found is None:
        raise GenericError(text)
    return found


def database_integer(value: Any) -> Any:
    """Return a value as a database compares it with an integer, or refuse it; None is fine."""
    if isinstance(value, str) and value.strip().lstrip("+-").isdecimal():
        return int(value)
    if isinstance(value, bool):
        raise hub_error("operator does not exist: integer = boolean")
    if isinstance(value, str | list | dict):
        raise hub_error(f"invalid input syntax for type integer: {value!r}")
    return value


def check_integers(*values: Any) -> None:
    """Refuse what a database can't compare with an integer; None is fine."""
    for value in values:
        database_integer(value)


def row_by_id(state: HubState, table: str, id: Any) -> Row | None:
    """Return the row of an id that the hub hands to its database unchecked.

    Raises:
        UnknownFault: (1) the database can't compare the value with an integer.
    """
    number = database_integer(id)
    return None if number is None else state.get(table, number)


def row_by_info(state: HubState, table: str, info: Any) -> Row | None:
    """Return the row of a table by its id, its name, or a struct with one of them.

    Raises:
        ParameterError: the value is none of them.
        UnknownFault: (1) the database can't compare the id or the name in a struct.
    """
    column = "id" if isinstance(info, int) else "name" if isinstance(info, str) else None
    key = info
    if isinstance(info, dict):
        column = next((each for each in ("id", "name") if each in info), None)
        key = info.get(column)
    if column is None:
        raise ParameterError(f"Invalid name or id value: {info}")
    if column == "id":
        return row_by_id(state, table, key)
    if not isinstance(key, str | None):
        raise hub_error(f"operator does not exist: character varying = {type(key).__name__}")
    return None if key is None else state.one(table, name=key)


def row_if(found: Found | None, strict: Any, text: str = "query returned no rows") -> Found | None:
    """Return what was found, perhaps None; with ``strict``, refuse that with the hub's text."""
    return must(found, text) if strict else found


def parse_arches(arches: Any) -> Any:
    """Return a list of architectures as text with blanks between them; None stays None."""
    if arches is None:
        return None
    if not isinstance(arches, str | list):
        raise no_attribute(arches, "split")
    names = arches.split() if isinstance(arches, str) else arches
    if not all(_ARCH.fullmatch(each) for each in names):
        raise GenericError("Architecture can be only [a-zA-Z0-9_-]")
    return " ".join(names)
