"""What a change source is doing, for pages and metrics. Pure."""

from __future__ import annotations

import attrs

from buildbot_koji.changes.set_aside import UnusableEvent


@attrs.frozen
class ListenerStatus:
    """What a change source is doing on the master that runs it.

    Attributes:
        state: ``starting``, ``listening``, ``paused``, ``unreachable`` (the last request failed),
            ``stale`` (the hub was silent for ``stale_after``) or, on another master, ``waiting``.
        reason: why the last request failed, None if it did not.
        silence: seconds since the hub answered.
        polled_at: when the last poll succeeded, in seconds since the epoch; None before the first.
        next_poll: when the next poll is due, likewise.
        pending: events that wait for the quiet time to pass.
        held_back: changes that wait for room in the hourly limit.
        waiting_since: since when the oldest of those waits, in seconds since the epoch; None if
            nothing does.
        unusable: events that can't become changes.
        last_unusable: some of them, the newest first.
        bus: whether the bus is connected, None without one.
        bus_reason: why it is not.
    """

    state: str
    reason: str | None = None
    silence: float = 0.0
    polled_at: float | None = None
    next_poll: float | None = None
    pending: int = 0
    held_back: int = 0
    waiting_since: float | None = None
    unusable: int = 0
    last_unusable: tuple[UnusableEvent, ...] = ()
    bus: bool | None = None
    bus_reason: str | None = None

    @property
    def is_silent(self) -> bool:
        """Whether the hub does not answer it."""
        return self.state in ("unreachable", "stale")

    @property
    def complete_until(self) -> float | None:
        """The time before which all that happened is a change; None before the first poll."""
        if self.polled_at is None or self.waiting_since is None:
            return self.polled_at
        return min(self.polled_at, self.waiting_since)


@attrs.frozen
class SourceStatus:
    """A change source of a master.

    Attributes:
        name: its name.
        hub: the name of the hub's profile.
        listener: what it is doing; None while another master has it.
    """

    name: str
    hub: str
    listener: ListenerStatus | None
