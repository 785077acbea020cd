"""Events that can't become changes, set aside so that others can. Pure."""

from __future__ import annotations

import attrs

from buildbot_koji.durable.claims import ClaimLost
from buildbot_koji.durable.database import is_database_unreachable
from buildbot_koji.error_messages import cause_of
from txkoji import Event, RetryPolicy
from txkoji.bus import is_passing_trouble

RETRY = RetryPolicy(first=60.0, ceiling=6 * 3600.0)
"""The pauses between two tries of one event: most stay unusable, and each try costs the hub."""

MOST_RETRIED = 1000
"""Beyond so many events, a further one is remembered, but not retried."""

MOST_REMEMBERED = 20_000
"""Beyond so many, the event whose last try is the oldest is forgotten."""


def is_passing(error: BaseException) -> bool:
    """Return whether an error is transient trouble with the hub or the database.

    Any other error is due to the one event or message, which is set aside.
    """
    cause = cause_of(error) or error
    if isinstance(cause, ClaimLost) or is_database_unreachable(cause):
        # A lost claim: the event is good, and another master stores it.
        return True
    return is_passing_trouble(cause)


@attrs.frozen
class UnusableEvent:
    """An event that could not become a change.

    Attributes:
        key: its key.
        event: the event, None if only its key is known.
        reason: why it could not, the last time.
        since: when it was first tried, in elapsed time.
        tries: how often it was tried.
        next_at: when to try it again, likewise.
    """

    key: str
    event: Event | None
    reason: str
    since: float
    tries: int
    next_at: float = 0.0


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
            event: the event; None to keep the one that is known. Without any it is not retried, nor
                beyond :data:`MOST_RETRIED`.
            reason: why it can't become a change.
            now: the elapsed time.
        """
        known = self._events.pop(key, None) or UnusableEvent(key, None, "", now, 0)
        tries = known.tries + 1
        if known.event is None and len(self._events) >= MOST_RETRIED:
            event = None
        self._events[key] = attrs.evolve(
            known,
            event=event or known.event,
            reason=reason,
            tries=tries,
            next_at=now + RETRY.pause(tries),
        )
        if len(self._events) > MOST_REMEMBERED:
            del self._events[next(iter(self._events))]
        self.reason = reason
        return reason != known.reason

    def discard(self, key: str) -> bool:
        """Remove an event that is dealt with; returns whether it was there."""
        return self._events.pop(key, None) is not None

    def due(self, count: int, now: float) -> list[Event]:
        """Return up to so many events to retry, first those that were tried longest ago."""
        due = [
            each.event
            for each in self._events.values()
            if each.event is not None and each.next_at <= now
        ]
        return due[:count]

    def last(self, count: int) -> list[UnusableEvent]:
        """Return those that were tried last, the newest first, at most so many."""
        return list(self._events.values())[: -count - 1 : -1]
