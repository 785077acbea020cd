"""Brings stored deliveries to their hub or broker, however long that is unreachable.

It knows the states of a delivery and when to try again; how something is stored or sent is behind
two small interfaces.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from random import random
from typing import Any, Protocol

from twisted.internet.defer import CancelledError, Deferred, DeferredSemaphore
from twisted.internet.task import deferLater
from twisted.logger import Logger

from buildbot_koji.durable.deliveries import Delivery, DeliveryEvent, State

__all__ = ["Outbox", "Postponed", "Refused", "Remember", "Sender", "Store", "Taken"]

FIRST_PAUSE = 5.0
"""Seconds before the first repetition; each one after that waits twice as long."""

LONGEST_PAUSE = 600.0
"""Seconds: what is back after an outage of hours is noticed within ten minutes."""

JITTER = 0.25
"""The share of a pause that chance may take off it."""

SLOTS = 10
"""Deliveries that are handed over at a time: a long outage must not end in a stampede."""

Remember = Callable[[Mapping[str, Any]], Awaitable[None]]
"""Stores a delivery's notes, at once."""


class Postponed(Exception):
    """The other side can't be reached now; its text says why in one line."""


class Refused(Exception):
    """The other side says no and would say it again; its text says why in one line."""


@dataclass(frozen=True)
class Taken:
    """Says that the other side has a delivery, and that what comes of it shows later.

    Attributes:
        notes: what must be known to follow it.
    """

    notes: Mapping[str, Any]


class Store(Protocol):
    """Keeps deliveries."""

    async def save(self, delivery: Delivery) -> None:
        """Store a delivery in place of what was stored of it before."""


class Sender(Protocol):
    """Hands deliveries over.

    Both methods raise :class:`Postponed` or :class:`Refused`.
    """

    async def send(self, delivery: Delivery, remember: Remember) -> str | Taken:
        """Hand a delivery over.

        Returns:
            What happened, in one line, or :class:`Taken`.
        """

    async def follow(self, delivery: Delivery) -> str:
        """Wait for what comes of a delivery that was handed over; returns it in one line."""


class Outbox:
    """Delivers, with the patience that an outage of hours needs.

    Args:
        name: whose it is, for the log.
        store: keeps the deliveries.
        sender: hands them over.
        clock: an IReactorTime.
        retry_for: returns for how many seconds a delivery is tried.
        settled: called with each delivery that has come to its end.
        chance: gives a number from 0 to 1, so that many masters don't come back at one moment.
    """

    _log = Logger()

    def __init__(
        self,
        name: str,
        store: Store,
        sender: Sender,
        clock: Any,
        *,
        retry_for: Callable[[], float],
        settled: Callable[[Delivery], None],
        chance: Callable[[], float] = random,
    ) -> None:
        self._name = name
        self._store = store
        self._sender = sender
        self._clock = clock
        self._retry_for = retry_for
        self._settled = settled
        self._chance = chance
        self._lanes: dict[str, deque[Delivery]] = {}
        self._work: dict[str, Deferred[None]] = {}
        self._slots = DeferredSemaphore(SLOTS)
        self._failures = 0
        self._resume = 0.0
        self._stopping = False

    def add(self, delivery: Delivery) -> None:
        """Deliver something that is stored already; those of one lane in the order of the calls."""
        lane = self._lanes.setdefault(delivery.lane, deque())
        lane.append(delivery)
        if len(lane) == 1:
            work = Deferred.fromCoroutine(self._empty(delivery.lane, lane))
            if not work.called:
                self._work[delivery.lane] = work
            work.addErrback(self._stopped)

    def stop(self) -> None:
        """Leave the rest to the next start. It waits for nothing."""
        self._stopping = True
        for work in list(self._work.values()):
            work.cancel()

    def _stopped(self, failure: Any) -> None:
        if not self._stopping:
            self._log.failure("{name}: can't deliver", failure, name=self._name)

    async def _empty(self, name: str, lane: deque[Delivery]) -> None:
        try:
            while lane:
                delivery = lane[0]
                while not delivery.is_final:
                    delivery = await self._attempt(delivery)
                lane.popleft()
                self._settled(delivery)
        finally:
            del self._lanes[name]
            self._work.pop(name, None)

    async def _attempt(self, delivery: Delivery) -> Delivery:
        await self._wait()
        attempt = _Attempt(delivery, self._save)
        try:
            if delivery.state is not State.SENT:
                attempt.happened(DeliveryEvent.STARTED)
                await self._hand_over(attempt)
            if attempt.delivery.state is State.SENT:
                attempt.happened(DeliveryEvent.DONE, await self._sender.follow(attempt.delivery))
        except Refused as error:
            attempt.happened(DeliveryEvent.REFUSED, str(error))
        except (Postponed, CancelledError) as error:
            if self._stopping:
                raise
            said = str(error) or "interrupted"
            self._back_off(said)
            expired = self._clock.seconds() - delivery.since > self._retry_for()
            attempt.happened(DeliveryEvent.EXPIRED if expired else DeliveryEvent.POSTPONED, said)
        except Exception:
            if self._stopping:
                # Who is cancelled may say so in words of his own.
                raise
            self._log.failure("{name}: can't deliver", name=self._name)
            attempt.happened(
                DeliveryEvent.REFUSED, "an error of the reporter: see the master's log"
            )
        if attempt.delivery.said != delivery.said or attempt.delivery.is_final:
            await self._save_surely(attempt.delivery)
        return attempt.delivery

    async def _hand_over(self, attempt: _Attempt) -> None:
        await self._slots.acquire()
        try:
            # The other deliveries may have met an outage meanwhile.
            await self._wait()
            said = await self._sender.send(attempt.delivery, attempt.remember)
        finally:
            self._slots.release()
        if self._failures:
            self._log.info("{name}: delivering again", name=self._name)
            self._failures = 0
        if isinstance(said, Taken):
            attempt.happened(DeliveryEvent.TAKEN)
            await attempt.remember(said.notes)
        else:
            attempt.happened(DeliveryEvent.DONE, said)

    async def _save(self, delivery: Delivery) -> None:
        try:
            await self._store.save(delivery)
        except Exception as error:
            raise Postponed(f"the master's database: {error}") from error

    async def _save_surely(self, delivery: Delivery) -> None:
        while True:
            try:
                await self._save(delivery)
            except Postponed as error:
                self._back_off(str(error))
                await self._wait()
            else:
                return

    async def _wait(self) -> None:
        while (rest := self._resume - self._clock.seconds()) > 0:
            await deferLater(self._clock, rest, lambda: None)

    def _back_off(self, reason: str) -> None:
        now = self._clock.seconds()
        if now < self._resume:
            return
        # 2.0 ** 64 is beyond the ceiling; the bound keeps a long outage from overflowing.
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 64))
        pause *= 1 - JITTER * self._chance()
        self._resume = now + pause
        if self._failures == 0:
            self._log.warn(
                "{name}: {reason}; {count} deliveries wait, and are tried again until they arrive",
                name=self._name,
                reason=reason,
                count=sum(len(lane) for lane in self._lanes.values()),
            )
        self._failures += 1


class _Attempt:
    """A delivery while it is tried."""

    def __init__(self, delivery: Delivery, save: Callable[[Delivery], Awaitable[None]]) -> None:
        self.delivery = delivery
        self._save = save

    def happened(self, event: DeliveryEvent, said: str = "") -> None:
        """Take an event."""
        self.delivery = self.delivery.after(event, said=said)

    async def remember(self, notes: Mapping[str, Any]) -> None:
        """Store what the next attempt must know."""
        self.delivery = replace(self.delivery, notes=dict(notes))
        await self._save(self.delivery)
