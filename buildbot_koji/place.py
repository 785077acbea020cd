"""A worker to wait in: builds that only wait for Koji need a place, and nothing else of it."""

from __future__ import annotations

from buildbot.worker.local import LocalWorker

__all__ = ["KojiPlace"]


class KojiPlace(LocalWorker):
    """A ``worker.LocalWorker`` that is never quarantined.

    After a build that ends as EXCEPTION Buildbot gives the worker no build for ten seconds, and
    twice as long each time, up to an hour: the worker may be broken. A build that waits for a hub
    ends so when the hub is broken, and builds that don't need the hub would have to wait with it.

    Takes the arguments of ``worker.LocalWorker``.
    """

    def putInQuarantine(self) -> None:
        """Take the next build at once."""
