"""Which errors of a hub or broker are permanent, and which are transient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from buildbot_koji.durable.outbox import Postponed, Refused
from txkoji import one_line
from txkoji.exceptions import (
    AuthError,
    HubFault,
    KojiException,
    LockError,
    MessageNotTaken,
    UnknownFault,
)
from txkoji.retry import is_passing

__all__ = ["mapped_errors"]

TRANSIENT = (AuthError, LockError, UnknownFault)
"""Faults of a hub that say nothing about the call."""


@contextmanager
def mapped_errors(about: str = "") -> Iterator[None]:
    """Map errors to Refused (permanent) or Postponed (transient).

    Args:
        about: prepended to what they say.

    Raises:
        Refused: the hub or broker refused, and would refuse again.
        Postponed: anything else; also a failed login, which an administrator can repair.
    """
    try:
        yield
    except KojiException as error:
        said = f"{about}{one_line(error)}"
        transient = is_passing(error) or isinstance(error, TRANSIENT)
        refused = isinstance(error, HubFault) and not transient
        if refused or isinstance(error, MessageNotTaken):
            raise Refused(said) from error
        raise Postponed(said) from error
    except ValueError as error:
        # An argument that no hub takes: a property is wrong.
        raise Refused(f"{about}{error}") from error
