"""The settings of a change source as typed values."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from buildbot_koji.changes.selection import Selection
from buildbot_koji.database_values import MAX_VALUE
from buildbot_koji.hubs.koji_hub import RenderedHub
from txkoji import RetryPolicy


@dataclass(frozen=True, kw_only=True)
class SourceOptions(Selection):
    """The checked arguments of a ``KojiChangeSource``, whose documentation explains them.

    Attributes:
        hub_name: the name of the hub's profile.
    """

    hub_name: str
    profile: str | RenderedHub
    events: Sequence[str]
    tags: Sequence[str]
    inherited: bool
    rpms: bool
    project: str | None
    codebase: str | None
    poll_interval: float
    overlap: float
    since: datetime.datetime | datetime.timedelta | None
    bus: Any  # a util.KojiAMQP or util.KojiAMQP1; an optional extra may be missing
    quiet_time: float
    max_changes_per_hour: int | None
    stale_after: float

    def start_time(self, now: float) -> float | None:
        """Return where a first run starts, in seconds since the epoch; None for "now"."""
        if isinstance(self.since, datetime.timedelta):
            return now - self.since.total_seconds()
        return None if self.since is None else self.since.timestamp()


@dataclass(frozen=True, kw_only=True)
class SourceLimits:
    """The pauses and limits that no argument sets. Times are in seconds.

    Attributes:
        retry: the pauses after failures; none is longer than ``poll_interval``.
        batch: changes stored before the schedulers run: a third of a second on SQLite.
        longest_quiet: how many times ``quiet_time`` the first event of a flood waits at most.
        stop: how long a stop waits for a change that is being stored.
        schedulers: how long to wait for schedulers that no master has claimed: twice as long as
            Buildbot takes to look for them.
        look_for_schedulers: how long to wait between two looks for them.
        settled: how long the schedulers may take to see a change: enough for their master to be
            declared dead, another master to claim them, and a flood to end.
        announce_again: when to announce changes again that no scheduler took, after another master
            started or stopped, or the database was unreachable. A scheduler takes none twice.
        set_aside: how far back a restart looks for events that could not become changes.
        chunk: bytes of held-back changes in one row of the database.
    """

    retry: RetryPolicy = RetryPolicy(first=5.0)
    batch: int = 20
    longest_quiet: int = 10
    stop: float = 10.0
    schedulers: float = 600.0
    look_for_schedulers: float = 0.5
    settled: float = 1800.0
    announce_again: tuple[float, ...] = (2.0, 30.0)
    set_aside: float = 86400.0
    chunk: int = MAX_VALUE
