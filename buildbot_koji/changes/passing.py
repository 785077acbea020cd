"""Which failures of storing a change pass. Pure."""

from __future__ import annotations

from buildbot_koji.durable.claims import ClaimLost
from buildbot_koji.durable.database import is_database_unreachable
from txkoji.bus import is_passing_trouble

__all__ = ["is_passing"]


def is_passing(error: BaseException) -> bool:
    """Return whether trouble with the hub or the database is to be waited out.

    Everything else is the trouble of the one event or message: it would fail again.
    """
    if isinstance(error, ClaimLost) or is_database_unreachable(error):
        # A lost claim: the event is good, and another master stores it.
        return True
    return is_passing_trouble(error)
