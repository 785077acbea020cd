"""Items that can't be used: each is logged once and left out, so that its neighbours go through."""

from __future__ import annotations

from twisted.logger import Logger

from txkoji.exceptions import KojiException
from txkoji.history.structs import UnusableRecord

__all__ = ["UnusableItems"]

MAX_REMEMBERED = 1000
MAX_LOGGED = 300
"""Characters of an error to log: it may quote the item."""


class UnusableItems:
    """Remembers the items that were left out.

    Args:
        url: the address of the hub, for the log.

    Attributes:
        reasons: why each of the last 1000 left-out items is left out, by its description.
        count: how many items were ever left out.
    """

    _log = Logger()

    def __init__(self, url: str) -> None:
        self._url = url
        self.reasons: dict[str, str] = {}
        self.count = 0

    def add(self, item: str, error: Exception) -> None:
        """Leave an item out; log it, unless it was logged for the same reason.

        Args:
            item: what it is, such as ``build 17``.
            error: why it can't be used.
        """
        reason = " ".join(str(error)[: 4 * MAX_LOGGED].split())[:MAX_LOGGED]
        if not isinstance(error, (KojiException, UnusableRecord)):
            reason = f"{type(error).__name__}: {reason}"
        if self.reasons.pop(item, None) != reason:
            self.count += 1
            self._log.warn(
                "{hub}: {item} can't be used and is left out: {reason}",
                hub=self._url,
                item=item,
                reason=reason,
            )
        self.reasons[item] = reason
        if len(self.reasons) > MAX_REMEMBERED:
            del self.reasons[next(iter(self.reasons))]

    def discard(self, item: str) -> None:
        """Note that an item can be used, or can again."""
        if self.reasons.pop(item, None) is not None:
            self._log.info("{hub}: {item} can be used now", hub=self._url, item=item)
