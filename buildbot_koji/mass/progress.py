"""The progress of a mass build over time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

MAX_STEPS = 300
"""Moments that are kept."""

LEAST_ENDED = 3
"""Packages that must have ended before the time that is left is estimated."""

LONGEST_GAP = 300.0
"""Seconds between two moments; if there are more, the master or the hub was down in between."""


@dataclass(frozen=True)
class Step:
    """How many packages have ended at a moment.

    Attributes:
        time: in seconds since the epoch.
        done: how many packages have ended, failed ones too.
        failed: how many of them failed.
        worked: for how many seconds the mass build has worked: without pauses and outages.
    """

    time: float
    done: int
    failed: int
    worked: float = 0.0


class MassProgress:
    """How many packages had ended at some moments.

    Args:
        rows: what :meth:`rows` returned in an earlier attempt.

    Attributes:
        steps: the moments, oldest first.
    """

    def __init__(self, rows: Iterable[Sequence[float]] = ()) -> None:
        self.steps = [
            Step(float(time), int(done), int(failed), *map(float, worked))
            for time, done, failed, *worked in rows
        ]

    @property
    def still_since(self) -> float | None:
        """When the last package ended, as far as the moments tell; None if there are none."""
        done = self.steps[-1].done if self.steps else 0
        return next((each.time for each in self.steps if each.done == done), None)

    def note(self, now: float, done: int, failed: int, *, paused: bool = False) -> None:
        """Add a moment; see :class:`Step`."""
        worked = 0.0
        if self.steps:
            last = self.steps[-1]
            is_idle = now - last.time > LONGEST_GAP or (paused and done == last.done)
            worked = last.worked + (0.0 if is_idle else max(now - last.time, 0.0))
            if is_idle and self.steps[-2:-1] and self.steps[-2].worked == worked:
                # A long pause keeps only its start and its end.
                self.steps.pop()
        self.steps.append(Step(now, done, failed, worked))
        if len(self.steps) > MAX_STEPS:
            # Drop every second step of the older half: the curve keeps its shape.
            half = len(self.steps) // 2
            self.steps = [*self.steps[:half:2], *self.steps[half:]]

    def time_left(self, total: int, active: int) -> float | None:
        """Estimate the seconds until all packages have ended, from the later half of the progress.

        Args:
            total: how many packages there are.
            active: how many of them are in Koji. Until as many have ended, only the fast ones have.

        Returns:
            The seconds, None while too little has ended to tell.
        """
        if len(self.steps) < 2:
            return None
        last = self.steps[-1]
        enough = max(active, LEAST_ENDED)
        # While few have ended, all of the progress counts.
        for begin in (self.steps[len(self.steps) // 2 - 1], self.steps[0]):
            ended, worked = last.done - begin.done, last.worked - begin.worked
            if ended >= enough and worked > 0:
                return (total - last.done) * worked / ended
        return None

    def rows(self) -> list[list[float]]:
        """Return the stored form."""
        return [
            [round(each.time), each.done, each.failed, round(each.worked)] for each in self.steps
        ]
