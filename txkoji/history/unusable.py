"""Items that can't be used: each is logged once and left out, so that its neighbors go through."""

from __future__ import annotations

from twisted.logger import Logger

from txkoji._values import one_line
from txkoji.exceptions import KojiException
from txkoji.history.structs import UnusableRecord

MAX_REMEMBERED = 1000
MAX_LOGGED = 300
"""Characters of an error to log: it may quote the item."""


class UnusableItems:
    """Remembers the items that were left out.

    Attributes:
        reasons: why each of the last 1,000 items was left out, by its description.
        count: how many items were ever left out.
    """

    _log = Logger()

    def __init__(self, name: str) -> None:
        self._name = name
        self.reasons: dict[str, str] = {}
        self.count = 0

    def add(self, item: str, error: Exception) -> None:
        """Leave an item out; log it, unless it was logged for the same reason."""
        reason = one_line(error, MAX_LOGGED)
        if not isinstance(error, (KojiException, UnusableRecord)):
            reason = f"{type(error).__name__}: {reason}"
        if self.reasons.pop(item, None) != reason:
            self.count += 1
            self._log.warn(
                "{name}: {item} can't be used and is left out: {reason}",
                name=self._name,
                item=item,
                reason=reason,
            )
        self.reasons[item] = reason
        if len(self.reasons) > MAX_REMEMBERED:
            del self.reasons[next(iter(self.reasons))]

    def discard(self, item: str) -> None:
        """Note that an item can be used, perhaps after it was left out."""
        if self.reasons.pop(item, None) is not None:
            self._log.info("{name}: {item} can be used now", name=self._name, item=item)
