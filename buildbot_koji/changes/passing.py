"""Which failures of storing a change pass. Pure."""

from __future__ import annotations

from sqlalchemy import exc

from buildbot_koji.durable.claims import ClaimLost
from txkoji.bus import is_passing_trouble

__all__ = ["is_passing"]

_REFUSALS = (exc.DataError, exc.IntegrityError, exc.NotSupportedError, exc.ProgrammingError)
"""What a database says of a value that it will never take."""


def is_passing(error: BaseException) -> bool:
    """Return whether trouble with the hub or the database is to be waited out.

    Everything else is the trouble of the one event or message: it would fail again.
    """
    if isinstance(error, (exc.DBAPIError, exc.TimeoutError)):
        return not isinstance(error, _REFUSALS)
    if isinstance(error, ClaimLost):
        # The event is good: another master stores it.
        return True
    return is_passing_trouble(error)
