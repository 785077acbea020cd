"""Whether a change source still hears of its hub. Pure."""

from __future__ import annotations

from typing import Any

from buildbot_koji.changes.mapping import fitted
from buildbot_koji.properties import CHANGE_SOURCE

__all__ = ["CATEGORY", "Health", "health_change"]

CATEGORY = "koji-health"


class Health:
    """Notices when nothing was heard for too long, and when that is over.

    Args:
        stale_after: seconds without a success.
        now: the time, in seconds.
        stale: whether it was said before.

    Attributes:
        stale: whether nothing was heard for too long.
    """

    def __init__(self, stale_after: float, now: float, *, stale: bool) -> None:
        self._stale_after = stale_after
        self._heard = now
        self.stale = stale
        self._recovered = False

    def succeeded(self, now: float) -> None:
        """Note that the hub was heard."""
        self._heard = now
        self._recovered = True

    def not_asked(self, now: float) -> None:
        """Note that there was nothing to hear: nobody listened."""
        self._heard = now

    def changed(self, now: float) -> bool:
        """Tell whether it has become stale, or is so no more, since this was asked last."""
        stale = now - self._heard >= self._stale_after
        if stale == self.stale or (self.stale and not self._recovered):
            return False
        self.stale = stale
        return True

    def silence(self, now: float) -> float:
        """Return for how many seconds nothing was heard."""
        return now - self._heard


def health_change(source: str, hub: str, *, stale: bool, words: str, now: float) -> dict[str, Any]:
    """Make the change that tells of it.

    Args:
        source: the name of the change source.
        hub: the name of the hub's profile.
        stale: whether nothing is heard.
        words: what there is to say.
        now: the time, in seconds since the epoch.

    Returns:
        The arguments of Buildbot's ``addChange``.
    """
    return fitted(
        {
            "author": "koji",
            "category": CATEGORY,
            "comments": words,
            "project": hub,
            "repository": hub,
            "revision": f"{source}-{'stale' if stale else 'well'}-{int(now)}",
            "when_timestamp": int(now),
            "properties": {
                "koji_health": "stale" if stale else "well",
                "koji_hub": hub,
                CHANGE_SOURCE: source,
            },
        }
    )
