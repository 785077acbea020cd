"""The states of a Koji task."""

from __future__ import annotations

from enum import IntEnum

from txkoji._values import state_name

__all__ = [
    "ACTIVE_GROUP",
    "ASSIGNED",
    "CANCELED",
    "CLOSED",
    "DONE_GROUP",
    "FAILED",
    "FREE",
    "OPEN",
    "TaskStates",
    "to_str",
]


class TaskStates(IntEnum):
    """The numbers that a hub uses (Koji's TASK_STATES)."""

    FREE = 0
    OPEN = 1
    CLOSED = 2
    CANCELED = 3
    ASSIGNED = 4
    FAILED = 5


FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED = TaskStates

ACTIVE_GROUP = (FREE, OPEN, ASSIGNED)
"""The states of a task that is not finished. OPEN can go back to FREE."""

DONE_GROUP = (CLOSED, CANCELED, FAILED)
"""The states that no task leaves."""


def to_str(number: int) -> str:
    """Return the name of a state.

    >>> to_str(0), to_str(999)
    ('FREE', '(unknown state 999)')
    """
    return state_name(TaskStates, number)
