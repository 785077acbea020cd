"""Check that a hub's answer has the type that the caller relies on. Any value may come in."""

from __future__ import annotations

from typing import Any

from txkoji._values import identity
from txkoji.exceptions import UnusableAnswer

__all__ = ["a_list", "a_struct", "an_id"]


def an_id(value: Any, method: str) -> int:
    """Return a reply that must be an id, a positive 32-bit number.

    Raises:
        UnusableAnswer: it is something else.
    """
    if type(value) is not int or identity(value) is None:
        raise UnusableAnswer(method, value, "an id")
    return value


def a_struct(value: Any, method: str, *names: str) -> dict[str, Any]:
    """Return a reply that must be a struct with some members.

    Raises:
        UnusableAnswer: it is something else, or lacks one.
    """
    if not isinstance(value, dict) or any(name not in value for name in names):
        wanted = f"a struct with {', '.join(names)}" if names else "a struct"
        raise UnusableAnswer(method, value, wanted)
    return value


def a_list(value: Any, method: str) -> list[Any]:
    """Return a reply that must be a list.

    Raises:
        UnusableAnswer: it is something else.
    """
    if not isinstance(value, list):
        raise UnusableAnswer(method, value, "a list")
    return value
