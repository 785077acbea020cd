"""The states of a Koji build."""

from __future__ import annotations

from enum import IntEnum

from txkoji._values import state_name

__all__ = ["BUILDING", "CANCELED", "COMPLETE", "DELETED", "FAILED", "BuildStates", "to_str"]


class BuildStates(IntEnum):
    """The numbers that a hub uses (Koji's BUILD_STATES)."""

    BUILDING = 0
    COMPLETE = 1
    DELETED = 2
    FAILED = 3
    CANCELED = 4


BUILDING, COMPLETE, DELETED, FAILED, CANCELED = BuildStates


def to_str(number: int) -> str:
    """Return the name of a state.

    >>> to_str(1), to_str(999)
    ('COMPLETE', '(unknown state 999)')
    """
    return state_name(BuildStates, number)
