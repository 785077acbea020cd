"""What a delivery is and the states that it goes through. Pure.

::

    WAITING -- STARTED --> SENDING -- TAKEN --> SENT -- DONE --> DELIVERED
       ^                      |                  |
       +------ POSTPONED -----+                  |
       |                      +---- REFUSED -----+--> DEAD
       +--------------------- RETRIED ----------------+

A delivery that a crash left SENDING starts again: its notes tell the sender what may have arrived.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

__all__ = ["FINAL", "TRANSITIONS", "Delivery", "DeliveryEvent", "State"]


class State(enum.Enum):
    """Where a delivery is."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    DEAD = "dead"


class DeliveryEvent(enum.Enum):
    """What happens to a delivery."""

    STARTED = "an attempt begins"
    TAKEN = "the other side has it; what comes of it is not known yet"
    DONE = "it is known to have arrived, or not to be needed"
    POSTPONED = "the other side can't be reached now"
    REFUSED = "the other side said no, and would again"
    EXPIRED = "the other side could not be reached for too long"
    RETRIED = "a user wants it tried again"


TRANSITIONS: Mapping[tuple[State, DeliveryEvent], State] = {
    (State.WAITING, DeliveryEvent.STARTED): State.SENDING,
    (State.SENDING, DeliveryEvent.STARTED): State.SENDING,
    (State.SENDING, DeliveryEvent.TAKEN): State.SENT,
    (State.SENDING, DeliveryEvent.DONE): State.DELIVERED,
    (State.SENDING, DeliveryEvent.POSTPONED): State.WAITING,
    (State.SENDING, DeliveryEvent.REFUSED): State.DEAD,
    (State.SENDING, DeliveryEvent.EXPIRED): State.DEAD,
    (State.SENT, DeliveryEvent.DONE): State.DELIVERED,
    (State.SENT, DeliveryEvent.POSTPONED): State.SENT,
    (State.SENT, DeliveryEvent.REFUSED): State.DEAD,
    (State.SENT, DeliveryEvent.EXPIRED): State.DEAD,
    (State.DEAD, DeliveryEvent.RETRIED): State.WAITING,
}

FINAL = frozenset({State.DELIVERED, State.DEAD})


@dataclass(frozen=True)
class Delivery:
    """Something that a reporter must bring to a hub or a broker, once.

    Attributes:
        build_id: the Buildbot build that it is about.
        name: tells it from the build's other deliveries of the same reporter.
        lane: deliveries with the same lane go one after the other, in the order of their making.
        content: what is delivered: what JSON can hold.
        since: when it was made, or last revived, in seconds since the epoch.
        state: where it is.
        said: what happened last, in one line.
        attempts: how often it was tried.
        notes: what the sender must know when it tries again.
    """

    build_id: int
    name: str
    lane: str
    content: Mapping[str, Any]
    since: float
    state: State = State.WAITING
    said: str = ""
    attempts: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)

    def after(self, event: DeliveryEvent, *, said: str = "", now: float | None = None) -> Delivery:
        """Return the delivery as it is after an event.

        Args:
            event: what happened.
            said: the same in one line, for people.
            now: the time, for RETRIED.

        Raises:
            ValueError: nothing of the kind can happen in this state.
        """
        if (self.state, event) not in TRANSITIONS:
            raise ValueError(f"a {self.state.value} delivery can't be {event.name}")
        return replace(
            self,
            state=TRANSITIONS[self.state, event],
            said=said or self.said,
            attempts=self.attempts + (event is DeliveryEvent.STARTED),
            # After a plain no nothing is under way any more that would have to be looked for.
            notes={} if event is DeliveryEvent.REFUSED else self.notes,
            since=self.since if now is None else now,
        )

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens by itself."""
        return self.state in FINAL

    def to_json(self) -> bytes:
        """Return it as it is stored."""
        return json.dumps({**asdict(self), "state": self.state.value}).encode()

    @classmethod
    def from_json(cls, stored: bytes) -> Delivery:
        """Make it of what was stored."""
        values = json.loads(stored)
        return cls(**{**values, "state": State(values["state"])})
