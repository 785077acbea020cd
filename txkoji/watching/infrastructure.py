"""Tells a failure of the build system from a package that does not build. Pure: a table.

No fault says of itself whose it is. The table holds what Koji's hub and builders give where
something of theirs is broken; a site that knows better passes its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from txkoji import exceptions
from txkoji.exceptions import HubFault, ProtocolError, TransportError

__all__ = ["INFRASTRUCTURE_FAULTS", "is_infrastructure"]

UNCAUGHT = 1
"""The code of an error that no handler expected: its text is a Python traceback."""

INFRASTRUCTURE_FAULTS: tuple[int | str, ...] = (
    UNCAUGHT,
    exceptions.LockError.code,
    exceptions.AuthError.code,
    exceptions.AuthLockError.code,
    exceptions.AuthExpired.code,
    exceptions.SequenceError.code,
    exceptions.RetryError.code,
    exceptions.GSSAPIAuthError.code,
    # "could not init mock buildroot": not the package's requirements, they come later.
    exceptions.BuildrootError.code,
    exceptions.ServerOffline.code,
    exceptions.PluginError.code,
    exceptions.CallbackError.code,
    exceptions.HubConfigurationError.code,
    r"no space left on device",
    r"disk quota exceeded",
    r"input/output error",
    r"read-only file system",
    r"cannot allocate memory",
    r"out of memory",
    r"killed by signal",
    # A repository that can't be read. An unknown revision fails later, in `git reset` or `fetch`.
    r"git clone\b",
    r"could not resolve host",
    r"name or service not known",
    r"temporary failure in name resolution",
    r"connection (refused|reset|timed out|aborted)",
    r"network is unreachable",
    r"no route to host",
    r"bad gateway|service unavailable|gateway time-?out",
    r"unsuccessfully waited .* for .* repo",
)
"""Fault codes, and regular expressions that are searched in a fault's text, whatever its case."""


def is_infrastructure(
    error: BaseException | None, faults: Iterable[int | str] = INFRASTRUCTURE_FAULTS
) -> bool:
    """Tell whether a failure is the build system's rather than the package's.

    Args:
        error: the fault of a failed task, or whatever else ended it; None for none.
        faults: fault codes, and regular expressions to search in the text; to extend the default,
            ``(*INFRASTRUCTURE_FAULTS, "my builder is broken")``.

    Returns:
        True for a fault that the table has, and where the hub could not be asked at all.

    Raises:
        re.error: a pattern is no regular expression.
    """
    if isinstance(error, (TransportError, ProtocolError)):
        return True
    if not isinstance(error, HubFault):
        return False
    return any(
        re.search(fault, error.text, re.IGNORECASE)
        if isinstance(fault, str)
        else fault == error.code
        for fault in faults
    )
