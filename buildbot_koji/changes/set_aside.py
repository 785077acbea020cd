"""Events that can't become changes: kept apart, so that their neighbours can. Pure."""

from __future__ import annotations

from txkoji import Event

__all__ = ["SetAside"]


class SetAside:
    """The events that could not become changes, and why.

    Attributes:
        reason: why the last one could not.
    """

    def __init__(self) -> None:
        self._events: dict[str, tuple[Event | None, str]] = {}
        self.reason = ""

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, key: str) -> bool:
        return key in self._events

    def add(self, key: str, event: Event | None, reason: str) -> bool:
        """Add an event, after all others; returns whether its reason is new.

        Args:
            key: its key.
            event: the event; None to keep the one that is known. Without any it is not tried again.
            reason: why it can't become a change.
        """
        known, before = self._events.pop(key, (None, None))
        self._events[key] = (event or known, reason)
        self.reason = reason
        return reason != before

    def discard(self, key: str) -> bool:
        """Remove an event that is dealt with; returns whether it was there."""
        return self._events.pop(key, None) is not None

    def first(self, count: int) -> list[Event]:
        """Return the events that were tried longest ago, at most so many."""
        events = [event for event, _ in self._events.values() if event is not None]
        return events[:count]
