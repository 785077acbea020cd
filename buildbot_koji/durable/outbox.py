"""Sends stored deliveries to a hub or broker, however long that is unreachable.

It moves deliveries through their states and decides when to retry. Two small interfaces store and
send.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

import attrs
from twisted.internet.defer import CancelledError
from twisted.logger import Logger

from buildbot_koji.durable.background import Background
from buildbot_koji.durable.claims import ClaimLost
from buildbot_koji.durable.deliveries import Delivery, DeliveryEvent, DeliveryState
from buildbot_koji.durable.unreadable import UnreadableRow
from buildbot_koji.error_messages import with_remedy
from txkoji import RetryPolicy, is_refusal, one_line
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import KojiException, MessageNotTaken, UnknownFault
from txkoji.locks import Semaphore

SLOTS = 10
"""Deliveries that are sent at a time: a long outage must not end in a stampede."""

GRACE = 600.0
"""Seconds of retries before a delivery is given up, whatever the clock says: it may have been set
forward, or the master suspended."""


class Postponed(Exception):
    """The peer is unreachable now (transient); the text says why in one line."""


class Undone(Postponed):
    """What the peer accepted failed, and is to be sent again; the text says why in one line."""


class Refused(Exception):
    """The peer refuses the delivery (permanent); the text says why in one line."""


@dataclass(frozen=True)
class Accepted:
    """Accepted by the peer; the outcome is asynchronous.

    Attributes:
        notes: what :meth:`Sender.follow` must know.
    """

    notes: Mapping[str, Any]


class DeliveryStore(Protocol):
    """Stores deliveries."""

    async def save(self, delivery: Delivery) -> None:
        """Store a delivery, replacing its earlier form."""

    async def check(self, delivery: Delivery) -> None:
        """Raise :class:`ClaimLost` if another master sends the delivery by now."""


@attrs.define(eq=False, repr=False, slots=False)
class Attempt:
    """A delivery during one attempt.

    A sender calls :meth:`remember` or :meth:`check` right before it sends: the master may have been
    frozen until then. Both raise :class:`ClaimLost` if another master sends the delivery by now.
    """

    delivery: Delivery
    _save: Callable[[Delivery], Awaitable[None]]
    _check: Callable[[Delivery], Awaitable[None]]

    def happened(self, event: DeliveryEvent, said: str = "") -> None:
        """Apply an event."""
        self.delivery = self.delivery.after(event, said=said)

    async def save(self, notes: Mapping[str, Any]) -> None:
        """Store notes for the next attempt."""
        self.delivery = replace(self.delivery, notes=dict(notes))
        await self._save(self.delivery)

    async def remember(self, notes: Mapping[str, Any]) -> None:
        """Store notes for the next attempt, then check the claim."""
        await self.save(notes)
        await self.check()

    async def check(self) -> None:
        """Check the claim."""
        await self._check(self.delivery)


class Sender(Protocol):
    """Sends deliveries to their peer: a hub or a broker.

    Both methods raise :class:`Postponed` or :class:`Refused`.
    """

    async def send(self, delivery: Delivery, attempt: Attempt) -> str | Accepted:
        """Send a delivery.

        Args:
            delivery: what to send.
            attempt: stores notes for the next attempt, and knows whether to send.

        Returns:
            What happened, in one line, or :class:`Accepted`.
        """

    async def follow(self, delivery: Delivery) -> str:
        """Wait for the outcome of an accepted delivery; returns it in one line."""


@attrs.define(eq=False, repr=False, slots=False)
class Outbox:
    """Sends deliveries, and retries them through outages of hours.

    Args:
        name: whose outbox it is, for the log.
        store: stores the deliveries.
        sender: sends them.
        clock: an IReactorTime.
        retry: how long to pause after failures; one outage pauses all deliveries.
        retry_for: returns for how many seconds a delivery is retried.
        settled: called with each delivery that is delivered or dead.
    """

    _log = Logger()

    _name: str
    _store: DeliveryStore
    _sender: Sender
    _clock: Any
    _retry: RetryPolicy = attrs.field(kw_only=True)
    _retry_for: Callable[[], float] = attrs.field(kw_only=True)
    _settled: Callable[[Delivery], None] = attrs.field(kw_only=True)

    def __attrs_post_init__(self) -> None:
        self._lanes: dict[str, deque[Delivery]] = {}
        self._background = Background(ClaimLost)
        self._slots = Semaphore(SLOTS)
        self._failures = 0
        self._waited = 0.0
        self._elapsed = ElapsedTime(self._clock)
        self._resume = 0.0

    def add(self, delivery: Delivery) -> None:
        """Send a delivery that is stored already, after the earlier ones of its lane."""
        lane = self._lanes.setdefault(delivery.lane, deque())
        lane.append(delivery)
        if len(lane) == 1 and not self._background.is_stopped:
            self._background.run(self._empty(delivery.lane, lane), f"{self._name}: can't deliver")

    def pending(self) -> list[Delivery]:
        """Return the deliveries that are not settled, as they were after their last attempt."""
        return [delivery for lane in self._lanes.values() for delivery in lane]

    def stop(self) -> None:
        """Leave the rest to the next start; returns at once."""
        self._background.stop()

    async def _empty(self, name: str, lane: deque[Delivery]) -> None:
        try:
            while lane:
                delivery = lane[0]
                while not delivery.is_final:
                    delivery = lane[0] = await self._attempt(delivery)
                lane.popleft()
                self._settled(delivery)
        finally:
            del self._lanes[name]

    async def _attempt(self, delivery: Delivery) -> Delivery:
        await self._wait()
        attempt = Attempt(delivery, self._save, self._check)
        undone = False
        try:
            if delivery.state is not DeliveryState.SENT:
                attempt.happened(DeliveryEvent.STARTED)
                await self._send(attempt)
            if attempt.delivery.state is DeliveryState.SENT:
                attempt.happened(DeliveryEvent.DONE, await self._sender.follow(attempt.delivery))
        except ClaimLost:
            raise
        except Refused as error:
            attempt.happened(DeliveryEvent.REFUSED, str(error))
        except UnreadableRow as error:
            # A version that can read its notes may revive it.
            attempt.happened(DeliveryEvent.EXPIRED, str(error))
        except (Postponed, CancelledError) as error:
            if self._background.is_stopped:
                raise
            said = str(error) or "interrupted"
            limit = self._retry_for()
            expired = (
                self._waited >= min(limit, GRACE) and self._elapsed.age(delivery.since) > limit
            )
            self._back_off(said)
            undone = isinstance(error, Undone)
            later = DeliveryEvent.UNDONE if undone else DeliveryEvent.POSTPONED
            attempt.happened(DeliveryEvent.EXPIRED if expired else later, said)
        except Exception:
            if self._background.is_stopped:
                # A cancelled sender may raise an error of its own.
                raise
            self._log.failure("{name}: can't deliver", name=self._name)
            attempt.happened(DeliveryEvent.REFUSED, "the reporter failed: see the master's log")
        if undone or attempt.delivery.said != delivery.said or attempt.delivery.is_final:
            await self._save_until_stored(attempt.delivery)
        return attempt.delivery

    async def _send(self, attempt: Attempt) -> None:
        async with self._slots:
            # Other deliveries may have hit an outage meanwhile.
            await self._wait()
            await attempt.check()
            said = await self._sender.send(attempt.delivery, attempt)
        if self._failures:
            self._log.info("{name}: delivering again", name=self._name)
            self._failures = 0
            self._waited = 0.0
        if isinstance(said, Accepted):
            attempt.happened(DeliveryEvent.ACCEPTED)
            await attempt.save(said.notes)
        else:
            attempt.happened(DeliveryEvent.DONE, said)

    async def _save(self, delivery: Delivery) -> None:
        await self._reach(self._store.save(delivery))

    async def _check(self, delivery: Delivery) -> None:
        await self._reach(self._store.check(delivery))

    @staticmethod
    async def _reach(database: Awaitable[None]) -> None:
        try:
            await database
        except (CancelledError, ClaimLost):
            raise
        except Exception as error:
            raise Postponed(f"the master's database: {error}") from error

    async def _save_until_stored(self, delivery: Delivery) -> None:
        while True:
            try:
                await self._save(delivery)
            except Postponed as error:
                self._back_off(str(error))
                await self._wait()
            else:
                return

    async def _wait(self) -> None:
        while (rest := self._rest) > 0:
            await self._elapsed.pause(rest)

    @property
    def _rest(self) -> float:
        """Seconds until the next attempt."""
        return self._resume - self._elapsed.seconds()

    def _back_off(self, reason: str) -> None:
        if self._rest > 0:
            return
        self._failures += 1
        pause = self._retry.pause(self._failures)
        self._waited += pause
        self._resume = self._elapsed.seconds() + pause
        if self._failures == 1:
            self._log.warn(
                "{name}: {reason}; retrying {count} deliveries until they arrive",
                name=self._name,
                reason=reason,
                count=sum(len(lane) for lane in self._lanes.values()),
            )


@contextmanager
def mapped_errors(about: str = "") -> Iterator[None]:
    """Map errors to Refused (permanent) or Postponed (transient).

    Raises:
        Refused: the hub or broker refused, and would refuse again.
        Postponed: anything else; also a failed login, which an administrator can repair.
        UnreadableRow: it says nothing of the hub or broker.
    """
    try:
        yield
    except UnreadableRow:
        raise
    except KojiException as error:
        said = f"{about}{one_line(error)}"
        # A failure within the hub says nothing about the call.
        refused = is_refusal(error) and not isinstance(error, UnknownFault)
        if refused or isinstance(error, MessageNotTaken):
            raise Refused(with_remedy(said)) from error
        raise Postponed(said) from error
    except ValueError as error:
        # An argument that no hub takes: a property is wrong.
        raise Refused(f"{about}{error}") from error
