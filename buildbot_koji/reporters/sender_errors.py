"""Which errors of a hub or broker are permanent, and which are transient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from buildbot_koji.durable.outbox import Postponed, Refused
from buildbot_koji.error_messages import one_line
from txkoji.exceptions import (
    AuthError,
    HubFault,
    KojiException,
    LockError,
    MessageNotTaken,
    ServerOffline,
    UnknownFault,
)

__all__ = ["mapped_errors"]

PASSING = (AuthError, LockError, ServerOffline, UnknownFault)
"""Transient faults of a hub: they say nothing about the call."""


@contextmanager
def mapped_errors() -> Iterator[None]:
    """Map errors to Refused (permanent) or Postponed (transient).

    Raises:
        Refused: the hub or broker refused, and would refuse again.
        Postponed: anything else; also a failed login, which an administrator can repair.
    """
    try:
        yield
    except KojiException as error:
        said = one_line(error)
        refused = isinstance(error, HubFault) and not isinstance(error, PASSING)
        if refused or isinstance(error, MessageNotTaken):
            raise Refused(said) from error
        raise Postponed(said) from error
