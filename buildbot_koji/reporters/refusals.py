"""Which errors are a no that will be said again, and which may be gone at the next attempt."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from buildbot_koji.durable.outbox import Postponed, Refused
from txkoji.exceptions import (
    AuthError,
    HubFault,
    KojiException,
    LockError,
    MessageNotTaken,
    ServerOffline,
    UnknownFault,
)

__all__ = ["refusals_told"]

PASSING = (AuthError, LockError, ServerOffline, UnknownFault)
"""Faults of a hub that say nothing about what it was asked to do."""


@contextmanager
def refusals_told() -> Iterator[None]:
    """Map errors to Refused (permanent) or Postponed (transient: unreachable, or no login now).

    Raises:
        Refused: it would say no again.
        Postponed: it may be otherwise later; a wrong login, too, is mended without us.
    """
    try:
        yield
    except KojiException as error:
        said = " ".join(str(error).split())
        refused = isinstance(error, HubFault) and not isinstance(error, PASSING)
        if refused or isinstance(error, MessageNotTaken):
            raise Refused(said) from error
        raise Postponed(said) from error
