"""Check that a hub's answer has the type that the caller relies on. Any value may come in."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import ProtocolError

__all__ = ["a_struct", "an_id", "structs"]

QUOTED = 80
"""How many characters of an odd answer a message shows."""


def an_id(value: Any, method: str) -> int:
    """Return a reply that must be an id, a positive whole number.

    Raises:
        ProtocolError: it is something else.
    """
    if type(value) is not int or value <= 0:
        raise _odd(value, method, "an id")
    return value


def a_struct(value: Any, method: str, *names: str) -> dict[str, Any]:
    """Return a reply that must be a struct with some members.

    Raises:
        ProtocolError: it is something else, or lacks one.
    """
    if not isinstance(value, dict) or any(name not in value for name in names):
        wanted = f"a struct with {', '.join(names)}" if names else "a struct"
        raise _odd(value, method, wanted)
    return value


def structs(value: Any, method: str, *names: str) -> list[dict[str, Any]]:
    """Return a reply that must be a list of structs with some members.

    Raises:
        ProtocolError: it is something else, or one lacks a member.
    """
    if not isinstance(value, list):
        raise _odd(value, method, "a list")
    return [a_struct(each, method, *names) for each in value]


def _odd(value: Any, method: str, wanted: str) -> ProtocolError:
    text = repr(value)
    shown = text if len(text) <= QUOTED else f"{text[:QUOTED]}..."
    return ProtocolError(f"the hub answered {method} with {shown} instead of {wanted}")
