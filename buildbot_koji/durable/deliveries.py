"""A delivery and its states. Pure.

::

    WAITING -- STARTED --> SENDING -- ACCEPTED --> SENT -- DONE --> DELIVERED
       ^                      |                     |
       +------ POSTPONED -----+                     |
       |                      +------ REFUSED ------+--> DEAD
       +---------------------- RETRIED ------------------+

A delivery that a crash left SENDING starts again; its notes tell the sender what may have arrived.
"""

from __future__ import annotations

import enum
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from buildbot_koji.durable.unreadable import StoredByNewerVersion, check_fields, reading


class DeliveryState(enum.Enum):
    """How far a delivery has come."""

    WAITING = "waiting"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    DEAD = "dead"


class DeliveryEvent(enum.Enum):
    """What can happen to a delivery."""

    STARTED = "an attempt begins"
    ACCEPTED = "the peer accepted it; its outcome is asynchronous"
    DONE = "it arrived, or is not needed"
    POSTPONED = "the peer is unreachable now"
    UNDONE = "what the peer accepted has failed, and is worth another try"
    REFUSED = "the peer refused it permanently"
    EXPIRED = "the peer was unreachable for too long"
    RETRIED = "a user revived the dead letter"


TRANSITIONS: Mapping[tuple[DeliveryState, DeliveryEvent], DeliveryState] = {
    (DeliveryState.WAITING, DeliveryEvent.STARTED): DeliveryState.SENDING,
    (DeliveryState.SENDING, DeliveryEvent.STARTED): DeliveryState.SENDING,
    (DeliveryState.SENDING, DeliveryEvent.ACCEPTED): DeliveryState.SENT,
    (DeliveryState.SENDING, DeliveryEvent.DONE): DeliveryState.DELIVERED,
    (DeliveryState.SENDING, DeliveryEvent.POSTPONED): DeliveryState.WAITING,
    (DeliveryState.SENDING, DeliveryEvent.REFUSED): DeliveryState.DEAD,
    (DeliveryState.SENDING, DeliveryEvent.EXPIRED): DeliveryState.DEAD,
    (DeliveryState.SENT, DeliveryEvent.DONE): DeliveryState.DELIVERED,
    (DeliveryState.SENT, DeliveryEvent.POSTPONED): DeliveryState.SENT,
    (DeliveryState.SENT, DeliveryEvent.UNDONE): DeliveryState.WAITING,
    (DeliveryState.SENT, DeliveryEvent.REFUSED): DeliveryState.DEAD,
    (DeliveryState.SENT, DeliveryEvent.EXPIRED): DeliveryState.DEAD,
    (DeliveryState.DEAD, DeliveryEvent.RETRIED): DeliveryState.WAITING,
}

FINAL = frozenset({DeliveryState.DELIVERED, DeliveryState.DEAD})


@dataclass(frozen=True)
class Delivery:
    """Something that a reporter must deliver to a hub or a broker, once.

    Attributes:
        build_id: the Buildbot build that it is about.
        name: distinguishes it from the reporter's other deliveries about the build.
        lane: deliveries in the same lane are sent one after the other, oldest first.
        content: what is delivered; JSON must be able to hold it.
        since: when it was created, or last revived, in seconds since the epoch.
        state: how far it has come.
        said: what happened last, in one line.
        attempts: how many attempts have begun.
        notes: what the sender must know at the next attempt.
    """

    build_id: int
    name: str
    lane: str
    content: Mapping[str, Any]
    since: float
    state: DeliveryState = DeliveryState.WAITING
    said: str = ""
    attempts: int = 0
    notes: Mapping[str, Any] = field(default_factory=dict)

    def after(self, event: DeliveryEvent, *, said: str = "", now: float | None = None) -> Delivery:
        """Return the delivery after an event.

        Args:
            event: what happened.
            said: the same in one line, for people.
            now: the time, for RETRIED.

        Raises:
            ValueError: the event can't happen in this state.
        """
        if (self.state, event) not in TRANSITIONS:
            raise ValueError(f"a {self.state.value} delivery can't be {event.name}")
        return replace(
            self,
            state=TRANSITIONS[self.state, event],
            said=said or self.said,
            attempts=self.attempts + (event is DeliveryEvent.STARTED),
            # After these nothing is in flight that the next attempt would have to look for.
            notes={} if event in (DeliveryEvent.REFUSED, DeliveryEvent.UNDONE) else self.notes,
            since=self.since if now is None else now,
        )

    @property
    def nvr(self) -> str | None:
        """The NVR of the Koji build or task that it is about; None if the content has only ids."""
        found = self._values("nvr", "build")
        return next((each for each in found if isinstance(each, str) and each), None)

    @property
    def subject(self) -> str | None:
        """What it is about, in words: an NVR, or an id on the hub; None without either."""
        ids = (f"Koji {key} {each}" for key in ("build", "task") for each in self._values(key))
        return self.nvr or next(ids, None)

    def _values(self, *keys: str) -> Iterator[Any]:
        artifact = self.content.get("artifact")
        for place in (self.content, artifact if isinstance(artifact, Mapping) else {}):
            yield from (place[key] for key in keys if place.get(key) is not None)

    @property
    def is_final(self) -> bool:
        """Whether nothing more happens unless a user revives it."""
        return self.state in FINAL

    def to_json(self) -> bytes:
        """Return the stored form."""
        return json.dumps({**asdict(self), "state": self.state.value}).encode()

    @classmethod
    def from_json(cls, stored: bytes) -> Delivery:
        """Return the delivery of a stored form; raise UnreadableRow if it is none."""
        with reading("a delivery"):
            values = json.loads(stored)
            what = f"the delivery {values['name']} of build {values['build_id']}"
            check_fields(cls, values, what)
            if values["state"] not in {each.value for each in DeliveryState}:
                raise StoredByNewerVersion(f"{what} as {values['state']}")
            return cls(**{**values, "state": DeliveryState(values["state"])})
