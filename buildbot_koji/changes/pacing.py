"""When a change source polls, and when events become changes. Pure: time comes in as numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from txkoji import Event, RetryPolicy

HOUR = 3600.0


class PollSchedule:
    """Decides when to poll next.

    Attributes:
        next_at: when the next poll is due, in elapsed time.
        wanted: whether someone asked for a poll now.
    """

    def __init__(self, interval: float, retry: RetryPolicy) -> None:
        self._interval = interval
        self._retry = retry
        self._failures = 0
        self.next_at = 0.0
        self.wanted = False

    def take(self, now: float) -> bool:
        """Return whether a poll is due; the caller then polls and reports the result."""
        if not self.wanted and self.next_at > now:
            return False
        self.wanted = False
        return True

    def succeeded(self, now: float) -> None:
        """Record that a poll ended well, or was skipped on purpose."""
        self._failures = 0
        self.next_at = now + self._interval

    def failed(self, now: float) -> None:
        """Record that a poll failed."""
        self._failures += 1
        self.next_at = now + self._retry.pause(self._failures)


class PendingEvents:
    """Events that become changes once nothing has happened for the quiet time.

    Args:
        quiet_time: seconds without another event; 0 for at once.
        longest: how many times the quiet time the first of a flood waits at most.
    """

    def __init__(self, quiet_time: float, longest: int) -> None:
        self._quiet_time = quiet_time
        self._longest = longest
        self._events: dict[str, Event] = {}
        self._first_at = self._last_at = 0.0

    def __len__(self) -> int:
        return len(self._events)

    def __contains__(self, key: str) -> bool:
        return key in self._events

    def add(self, events: Iterable[Event], now: float) -> None:
        """Add events; one with a known key replaces the earlier one."""
        for event in events:
            if not self._events:
                self._first_at = now
            self._events[str(event.key)] = event
            self._last_at = now

    def get(self, key: str) -> Event | None:
        """Return the event with a key, or None."""
        return self._events.get(key)

    def first(self, count: int) -> list[Event]:
        """Return the oldest events, at most so many."""
        return [event for event, _ in zip(self._events.values(), range(count), strict=False)]

    def discard(self, key: str) -> None:
        """Remove an event that is dealt with."""
        self._events.pop(key, None)

    @property
    def since(self) -> float | None:
        """When the first of the events came, in elapsed time; None if there are none."""
        return self._first_at if self._events else None

    def are_ready(self, now: float) -> bool:
        """Return whether it is time to make changes."""
        return self.ready_at is None or now >= self.ready_at

    @property
    def ready_at(self) -> float | None:
        """When the events become changes, in elapsed time; None if there are none."""
        if not self._events:
            return None
        quiet = self._quiet_time
        return min(self._last_at + quiet, self._first_at + self._longest * quiet)


@dataclass
class HourlyLimit:
    """Counts changes, so that no more than the limit come in an hour.

    Attributes:
        most: the limit; None for none.
        hour: when the hour started in which changes are counted, in seconds since the epoch.
        count: the changes of that hour.
    """

    most: int | None
    hour: float = 0.0
    count: int = 0

    def allows(self, now: float) -> bool:
        """Return whether another change may come; starts a new hour if the old one is over."""
        # A clock that was set back must not make this hour longer.
        self.hour = min(self.hour, now)
        if now - self.hour >= HOUR:
            self.hour, self.count = now, 0
        return self.most is None or self.count < self.most

    def add(self, count: int, now: float) -> None:
        """Count changes that were stored."""
        if count:
            self.allows(now)
            self.count += count

    @property
    def renewed_at(self) -> float:
        """When a new hour starts, in seconds since the epoch."""
        return self.hour + HOUR
