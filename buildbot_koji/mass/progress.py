"""The progress of a mass build over time. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

__all__ = ["MassProgress", "Step", "time_left"]

MAX_STEPS = 300
"""Moments that are kept."""


@dataclass(frozen=True)
class Step:
    """How many packages have ended at a moment.

    Attributes:
        time: in seconds since the epoch.
        done: how many packages have ended, failed ones too.
        failed: how many of them failed.
    """

    time: float
    done: int
    failed: int


class MassProgress:
    """How many packages had ended at some moments.

    Args:
        rows: what :meth:`rows` returned in an earlier attempt.

    Attributes:
        steps: the moments, oldest first.
    """

    def __init__(self, rows: Iterable[Sequence[float]] = ()) -> None:
        self.steps = [Step(time, int(done), int(failed)) for time, done, failed in rows]

    @property
    def last(self) -> float:
        """The newest moment, in seconds since the epoch; 0 if there is none."""
        return self.steps[-1].time if self.steps else 0.0

    def note(self, now: float, done: int, failed: int) -> None:
        """Add a moment; see :class:`Step`."""
        self.steps.append(Step(now, done, failed))
        if len(self.steps) > MAX_STEPS:
            # Every second one of the older half: the curve keeps its shape.
            half = len(self.steps) // 2
            self.steps = [*self.steps[:half:2], *self.steps[half:]]

    def time_left(self, total: int, now: float) -> float | None:
        """Return the seconds until all packages have ended, None if too little has to tell."""
        return time_left(self.steps, total, now)

    def rows(self) -> list[list[float]]:
        """Return the stored form."""
        return [[round(each.time), each.done, each.failed] for each in self.steps]


def time_left(progress: Sequence[Step], total: int, now: float) -> float | None:
    """Estimate the seconds until all packages have ended, from the later half of the progress.

    Args:
        progress: how many packages had ended at some moments, oldest first.
        total: how many packages there are.
        now: the time, in seconds since the epoch.

    Returns:
        The seconds, None while too little has ended to tell.
    """
    if len(progress) < 2:
        return None
    begin, last = progress[len(progress) // 2 - 1], progress[-1]
    ended = last.done - begin.done
    if ended < 3 or now <= begin.time:
        return None
    return (total - last.done) * (now - begin.time) / ended
