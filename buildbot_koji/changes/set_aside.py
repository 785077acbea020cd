"""Events that can't become changes, kept apart so that others can. Pure."""

from __future__ import annotations

import attrs

from txkoji import Event

__all__ = ["SetAside", "UnusableEvent"]


@attrs.frozen
class UnusableEvent:
    """An event that could not become a change.

    Attributes:
        key: its key.
        event: the event, None if only its key is known.
        reason: why it could not, the last time.
        since: when it was first tried, in seconds since the epoch.
        tries: how often it was tried.
    """

    key: str
    event: Event | None
    reason: str
    since: float
    tries: int


class SetAside:
    """The events that could not become changes, and why.

    Attributes:
        reason: why the last one could not.
    """

    def __init__(self) -> None:
        self._events: dict[str, UnusableEvent] = {}
        self.reason = ""

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, key: str) -> bool:
        return key in self._events

    def add(self, key: str, event: Event | None, reason: str, now: float) -> bool:
        """Add an event, after all others; returns whether its reason is new.

        Args:
            key: its key.
            event: the event; None to keep the one that is known. Without any it is not retried.
            reason: why it can't become a change.
            now: the time, in seconds since the epoch.
        """
        known = self._events.pop(key, None) or UnusableEvent(key, None, "", now, 0)
        self._events[key] = attrs.evolve(
            known, event=event or known.event, reason=reason, tries=known.tries + 1
        )
        self.reason = reason
        return reason != known.reason

    def discard(self, key: str) -> bool:
        """Remove an event that is dealt with; returns whether it was there."""
        return self._events.pop(key, None) is not None

    def first(self, count: int) -> list[Event]:
        """Return the events that were tried longest ago, at most so many."""
        events = [each.event for each in self._events.values() if each.event is not None]
        return events[:count]

    def last(self, count: int) -> list[UnusableEvent]:
        """Return those that were tried last, the newest first, at most so many."""
        return list(self._events.values())[: -count - 1 : -1]
