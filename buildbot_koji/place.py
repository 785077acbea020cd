"""A worker for builds that only wait for Koji and run nothing on it."""

from __future__ import annotations

from buildbot.worker.local import LocalWorker

__all__ = ["KojiPlace"]


class KojiPlace(LocalWorker):
    """A ``worker.LocalWorker`` that is never quarantined.

    After a build that ends as EXCEPTION Buildbot gives the worker no build for ten seconds, and
    twice as long each time, up to an hour: the worker may be broken. A build that waits for a
    broken hub ends that way, and would hold up builds that don't need the hub.

    Takes the arguments of ``worker.LocalWorker``.
    """

    def putInQuarantine(self) -> None:
        """Stay available for the next build."""
