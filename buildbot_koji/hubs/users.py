"""Who uses the link to a hub, and when it is closed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from txkoji.elapsed import ElapsedTime


class HubUsers:
    """The steps and listeners that use a link; the last one closes it if nobody needs it.

    Args:
        clock: the master's reactor.
        has_work: returns whether the link watches or cancels tasks.
        close: closes the link.

    Attributes:
        is_needed: whether a configuration names the link, and no newer one has replaced it.
    """

    def __init__(
        self, clock: Any, has_work: Callable[[], bool], close: Callable[[], object]
    ) -> None:
        self._clock, self._elapsed = clock, ElapsedTime(clock)
        self._has_work = has_work
        self._close = close
        self._users: set[object] = set()
        self._used_at = self._elapsed.seconds()
        self.is_needed = True

    def __iter__(self) -> Iterator[object]:
        return iter(list(self._users))

    def add(self, user: object) -> None:
        """Keep the link open until :meth:`discard`, even if a newer one replaces it."""
        self._users.add(user)

    def discard(self, user: object) -> None:
        """Note that a user is done."""
        self._users.discard(user)
        self.touch()
        if not self.is_needed:
            self.close_if_idle()

    def touch(self) -> None:
        """Note that someone uses the link now."""
        self._used_at = self._elapsed.seconds()

    def close_if_idle(self, idle: float = 0.0) -> None:
        """Close the link if nobody uses it, and nobody did in the last ``idle`` seconds."""
        unused = self._elapsed.seconds() - self._used_at
        if not self._is_in_use() and unused >= idle:
            # Not from within what that cancels.
            self._clock.callLater(0, self._close_unless_in_use)

    def _close_unless_in_use(self) -> None:
        if not self._is_in_use():
            self._close()

    def _is_in_use(self) -> bool:
        return bool(self._users) or self._has_work()
