"""The name of a state by its number, whatever a hub sends."""

from __future__ import annotations

from enum import IntEnum
from typing import Any


def state_name(states: type[IntEnum], number: Any) -> str:
    """Return the name of a state, or ``(unknown state 999)``."""
    try:
        return states(number).name
    except ValueError:
        return f"(unknown state {number})"
