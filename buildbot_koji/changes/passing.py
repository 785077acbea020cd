"""Which failures to store a change are transient. Pure."""

from __future__ import annotations

from buildbot_koji.durable.claims import ClaimLost
from buildbot_koji.durable.database import is_database_unreachable
from txkoji.bus import is_passing_trouble

__all__ = ["is_passing"]


def is_passing(error: BaseException) -> bool:
    """Return whether an error is transient trouble with the hub or the database.

    Any other error is due to the one event or message, and would happen again.
    """
    if isinstance(error, ClaimLost) or is_database_unreachable(error):
        # A lost claim: the event is good, and another master stores it.
        return True
    return is_passing_trouble(error)
