"""Which errors of a hub or broker are permanent, and which are transient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from buildbot_koji.durable.outbox import Postponed, Refused
from buildbot_koji.durable.unreadable import UnreadableRow
from buildbot_koji.error_messages import with_remedy
from txkoji import is_refusal, one_line
from txkoji.exceptions import KojiException, MessageNotTaken, UnknownFault


@contextmanager
def mapped_errors(about: str = "") -> Iterator[None]:
    """Map errors to Refused (permanent) or Postponed (transient).

    Raises:
        Refused: the hub or broker refused, and would refuse again.
        Postponed: anything else; also a failed login, which an administrator can repair.
        UnreadableRow: it says nothing of the hub or broker.
    """
    try:
        yield
    except UnreadableRow:
        raise
    except KojiException as error:
        said = f"{about}{one_line(error)}"
        # A failure within the hub says nothing about the call.
        refused = is_refusal(error) and not isinstance(error, UnknownFault)
        if refused or isinstance(error, MessageNotTaken):
            raise Refused(with_remedy(said)) from error
        raise Postponed(said) from error
    except ValueError as error:
        # An argument that no hub takes: a property is wrong.
        raise Refused(f"{about}{error}") from error
