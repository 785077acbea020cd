"""What all parts of a running change source share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from buildbot_koji.changes.interruption import Interruption
from buildbot_koji.changes.options import SourceLimits, SourceOptions
from buildbot_koji.changes.storage import SourceStorage
from buildbot_koji.durable.claims import Claim
from txkoji.elapsed import ElapsedTime


@dataclass(frozen=True)
class SourceContext:
    """A change source from its activation to its deactivation.

    Attributes:
        master: the Buildbot master.
        name: the source's name.
        options: its arguments.
        limits: its pauses and limits.
        storage: what it keeps in the database.
        claim: the claim to it.
        interruption: ends all its waits.
    """

    master: Any
    name: str
    options: SourceOptions
    limits: SourceLimits
    storage: SourceStorage
    claim: Claim
    interruption: Interruption = field(default_factory=Interruption)

    @property
    def elapsed(self) -> ElapsedTime:
        """What pauses and limits go by."""
        return ElapsedTime(self.master.reactor)

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return float(self.master.reactor.seconds())
