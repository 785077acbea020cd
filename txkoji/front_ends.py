"""What front ends answer, and what they do to the files that they serve.

The program that fetches files on a worker packs this module: it needs the standard library alone.
"""

import re
from email.utils import mktime_tz, parsedate_tz
from typing import Optional

PACE_BYTES = 64 * 1024
"""A download that receives fewer bytes than this within its deadline is given up."""

OPEN_END = "closed the connection, but never said how long the file is: it may be cut"
"""A reply without a length ends as a lost connection does (RFC 9112, section 8)."""

COMPRESSED = (".gz", ".tgz", ".Z", ".bz2", ".xz", ".zst", ".br")
"""Ends of the names of files that are compressed themselves, as a front end may say of them."""

PAGES = ("text/html", "application/xhtml+xml")
"""The content types that only a front end sends in place of a file or a hub's reply."""

LIKE_A_PAGE = re.compile(rb"\s*(?:\xef\xbb\xbf\s*)?<(?:!doctype\s+html|html)\b", re.IGNORECASE)
"""How a web page begins that says of itself nothing else."""

PAGE_SUFFIXES = (".html", ".htm")

REFUSALS = frozenset([400, 401, 403, 404, 405, 406, 407, 410, 411, 413, 414, 415, 417, 431, 451])
"""The statuses that blame the request (RFC 9110, section 15.5; 431: RFC 6585; 451: RFC 7725)."""

LASTING = REFUSALS | {301, 308}
"""The statuses that the same request would get again. Any other is trouble that passes."""


_PART = re.compile(r"bytes ([0-9]{1,18})-(?:([0-9]{1,18})/([0-9]{1,18})$)?")


# Python 3.9, which may run this on a worker, has no X | Y.
def part_of(content_range: str) -> tuple[Optional[int], bool]:  # noqa: UP045
    """Read the ``Content-Range`` of a 206 reply: a server may send less than it was asked for.

    Returns:
        The offset of the part in the file, None if the header is unreadable; and whether the file
        may have more after the part.
    """
    found = _PART.match(content_range)
    if found is None:
        return None, False
    return int(found[1]), found[3] is None or int(found[2]) + 1 < int(found[3])


MAX_RETRY_AFTER = 600.0
"""Seconds that we wait at most, however long a front end asks for."""


def asked_pause(retry_after: str, date: str) -> float:
    """Return the seconds that ``Retry-After`` asks for, 0 for none (RFC 9110, section 10.2.3).

    Args:
        retry_after: the header: seconds, or a date.
        date: the header ``Date`` of the same reply, whose clock a date goes by.

    Returns:
        At most :data:`MAX_RETRY_AFTER`.
    """
    if re.fullmatch(r"[0-9]{1,9}", retry_after):
        return min(float(retry_after), MAX_RETRY_AFTER)
    until, sent = _seconds_of(retry_after), _seconds_of(date)
    if until is None or sent is None:
        return 0.0
    return max(0.0, min(until - sent, MAX_RETRY_AFTER))


def _seconds_of(date: str) -> Optional[float]:  # noqa: UP045
    """Return an HTTP date in seconds since the epoch, None for any other text."""
    try:
        parts = parsedate_tz(date)
        return None if parts is None else float(mktime_tz(parts))
    except (ValueError, OverflowError, IndexError, TypeError):
        return None
