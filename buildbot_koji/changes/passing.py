"""Which failures to store a change are transient. Pure."""

from __future__ import annotations

from buildbot_koji.durable.claims import ClaimLost
from buildbot_koji.durable.database import cause_of, is_database_unreachable
from txkoji.bus import is_passing_trouble

__all__ = ["is_passing"]


def is_passing(error: BaseException) -> bool:
    """Return whether an error is transient trouble with the hub or the database.

    Any other error is due to the one event or message, and would happen again.
    """
    cause = cause_of(error) or error
    if isinstance(cause, ClaimLost) or is_database_unreachable(cause):
        # A lost claim: the event is good, and another master stores it.
        return True
    return is_passing_trouble(cause)
