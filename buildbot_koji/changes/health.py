"""Whether a change source still hears from its hub. Pure: time comes in as numbers."""

from __future__ import annotations

from typing import Any

from buildbot_koji.changes.mapping import fitted
from buildbot_koji.properties import CHANGE_SOURCE

CATEGORY = "koji-health"

CONFIRMED_AFTER = 60.0
"""Seconds that a failure must last to count: a suspended master fails each request in flight.
"""

LOOKS = 6
"""How often a failure is looked at until it counts: at each look it may be known since the last."""


class Health:
    """Notices when the hub is silent for too long or events are unusable, and when that ends.

    Args:
        stale_after: seconds without an answer.
        now: the elapsed time.

    Attributes:
        stale: whether the silence was reported, and its end was not.
        unusable: the same for events that can't become changes.
        trouble: why the last request failed; None if it succeeded.
    """

    def __init__(self, stale_after: float, now: float) -> None:
        self._stale_after = stale_after
        self._answered_at = now
        self._confirmed_after = min(stale_after / 2, CONFIRMED_AFTER)
        self._failing_since: float | None = None
        self._recovered = False
        self.stale = False
        self.unusable = False
        self.trouble: str | None = None

    def succeeded(self, now: float) -> None:
        """Record an answer."""
        self.trouble = None
        self.not_asked(now)
        self._recovered = True

    def not_asked(self, now: float) -> None:
        """Record that the hub was not asked: its silence means nothing."""
        self._answered_at = now
        self._failing_since = None

    def record_request(self, now: float, *, is_failing: bool) -> None:
        """Record whether the last request failed, or has no answer so far."""
        if not is_failing:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = now

    @property
    def condition(self) -> str:
        """The worst of what is reported: ``stale``, ``unusable`` or ``well``."""
        return "stale" if self.stale else "unusable" if self.unusable else "well"

    def changed(self, now: float, *, unusable: bool = False) -> bool:
        """Update the condition; returns whether it changed."""
        before = self.condition
        if self._recovered or not self.stale:
            self.stale = self._left(now) == 0
        self.unusable = unusable
        return self.condition != before

    def due_in(self, now: float) -> float | None:
        """Return the seconds until the next look; 0 if a silence is due, None if it is reported."""
        return None if self.stale else min(self._left(now), self._confirmed_after / LOOKS)

    def _left(self, now: float) -> float:
        left = self._stale_after - self.silence(now)
        if self._failing_since is not None:
            left = max(left, self._confirmed_after - (now - self._failing_since))
        return max(left, 0.0)

    def silence(self, now: float) -> float:
        """Return the seconds since the last answer."""
        return max(now - self._answered_at, 0.0)


def health_change(
    source: str, hub: str, *, condition: str, words: str, now: float, unusable: int = 0
) -> dict[str, Any]:
    """Return the arguments of Buildbot's ``addChange`` for a report of the health."""
    return fitted(
        {
            "author": "koji",
            "category": CATEGORY,
            "comments": words,
            "project": hub,
            "repository": hub,
            "revision": f"{source}-{condition}-{int(now)}",
            "when_timestamp": int(now),
            "properties": {
                "koji_health": condition,
                "koji_unusable": unusable,
                "koji_hub": hub,
                CHANGE_SOURCE: source,
            },
        }
    )
