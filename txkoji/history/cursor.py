"""How far a poll has come: a frozen value that survives a restart as JSON. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import astuple, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Checkpoint:
    """A moment on the hub.

    Attributes:
        event: the id of the hub's latest event at that moment.
        time: the hub's clock at that moment or slightly earlier, in seconds since the epoch.
        event_time: when that event happened; None if unknown.
    """

    event: int
    time: float
    event_time: float | None = None

    def no_later_than(self, limit: float) -> Checkpoint:
        """Return the checkpoint, not after a limit."""
        return replace(self, time=min(self.time, limit))


@dataclass(frozen=True)
class Cursor:
    """How far a poll has come. Everything before the first checkpoint is settled.

    Attributes:
        floor: earlier events are ignored, in seconds since the epoch.
        checkpoints: of the last rounds, oldest first; the next round starts at the first.
        names: when the tags were looked up: a tag created later may have events since then.
        reserved: the reservation times of builds that content generators reserved, by build id.
        restores: for each time that the hub was restored from a backup, the time of the last event
            before it, in seconds since the epoch; see :meth:`generation`.
    """

    floor: float
    checkpoints: tuple[Checkpoint, ...]
    names: Checkpoint
    reserved: Mapping[int, float] = field(default_factory=dict)
    restores: tuple[float, ...] = ()

    def generation(self, when: float | None) -> int:
        """Return how often the hub was restored before an event: each time it gives lost ids again.

        Args:
            when: the time of the event, in seconds since the epoch; 0 is returned if it is None.
        """
        return sum(when > each for each in self.restores) if when is not None else 0

    @property
    def begin(self) -> Checkpoint:
        """Where the next round starts."""
        return self.checkpoints[0]

    @property
    def horizon(self) -> float:
        """The time before which no event comes up again, in seconds since the epoch."""
        return min(self.begin.time, self.names.time)

    def no_later_than(self, limit: float) -> Cursor:
        """Return the cursor with no time after a limit.

        A cursor that once believed a record of the year 2100 would find nothing until then.
        """
        checkpoints = tuple(each.no_later_than(limit) for each in self.checkpoints)
        names = self.names.no_later_than(limit)
        return replace(self, floor=min(self.floor, limit), checkpoints=checkpoints, names=names)

    def to_json(self) -> dict[str, Any]:
        """Return the cursor as a JSON value."""
        return {
            "floor": self.floor,
            "checkpoints": [[*astuple(each)] for each in self.checkpoints],
            "names": [*astuple(self.names)],
            "reserved": {str(build): time for build, time in self.reserved.items()},
            "restores": [*self.restores],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Cursor:
        """Return the cursor that :meth:`to_json` stored."""
        return cls(
            floor=value["floor"],
            checkpoints=tuple(Checkpoint(*each) for each in value["checkpoints"]),
            names=Checkpoint(*value["names"]),
            reserved={int(build): time for build, time in value["reserved"].items()},
            restores=tuple(value.get("restores", ())),
        )

    def after(
        self,
        latest: Checkpoint,
        overlap: float,
        *,
        names: Checkpoint,
        reserved: Mapping[int, float],
    ) -> Cursor:
        """Return the cursor after a round that started at ``latest``.

        A checkpoint is settled once it is ``overlap`` seconds old.
        """
        checkpoints = self.checkpoints
        if latest != checkpoints[-1]:
            checkpoints = (*checkpoints, latest)
        while len(checkpoints) > 1 and checkpoints[1].time <= latest.time - overlap:
            checkpoints = checkpoints[1:]
        return replace(self, checkpoints=checkpoints, names=names, reserved=reserved)
