"""Stores changes, each exactly once, and no more than the hourly limit.

The database knows what was stored: the keys of recent changes are read back at the start, and an
older event is looked up individually.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from buildbot.db.changesources import ChangeSourceAlreadyClaimedError
from twisted.logger import Logger

from buildbot_koji.changes.context import SourceContext
from buildbot_koji.changes.pacing import HourlyLimit
from buildbot_koji.changes.set_aside import is_passing
from buildbot_koji.changes.storage import HeldChanges, SourceState, change_key
from buildbot_koji.changes.stored import Announcements, StoredChanges
from buildbot_koji.durable.claims import CLAIM_AGE
from buildbot_koji.properties import EVENT_KEY

UNDATED = ("koji-build-deleted", "koji-build-promoted")
"""Events that the hub may be unable to list, so that their message may come at any later time."""


class ChangeRecorder:
    """Stores the changes of one source, as long as this master holds the claim to it.

    All methods that write raise :class:`ClaimLost` once another master has the claim.

    Args:
        context: the change source.
        refused: called with a change that can't be stored, and the error: it is dealt with.
        announced: the value of :attr:`announced` of an earlier recorder in this process.

    Attributes:
        state: where the source continues after a restart; :meth:`save` writes it.
    """

    _log = Logger()

    def __init__(
        self,
        context: SourceContext,
        refused: Callable[[dict[str, Any], Exception], None],
        announced: int,
    ) -> None:
        self._refused = refused
        self._in_doubt: set[str] = set()
        self._doubtful_report: dict[str, Any] | None = None
        self._master = context.master
        self._name = context.name
        self._storage = context.storage
        self._claim = context.claim
        self._limit = HourlyLimit(context.options.max_changes_per_hour)
        self._stored = StoredChanges(context)
        self._announcements = Announcements(context, announced)
        self._held = HeldChanges(context.storage, context.limits.chunk)
        self._keys: dict[str, float] = {}
        self._read_from = 0.0
        self.state = SourceState()

    @property
    def announced(self) -> int:
        """The last change that was announced to the schedulers of this master."""
        return self._announcements.last

    @property
    def held(self) -> int:
        """How many changes are held back."""
        return len(self._held)

    @property
    def held_since(self) -> float | None:
        """When the oldest held-back change happened, in seconds since the epoch."""
        return float(self._held.first()["when_timestamp"]) if self._held else None

    async def load(self) -> None:
        """Take the claim, and read the state."""
        await self._claim.take()
        await self._storage.fence(self._claim)
        self.state = await self._storage.load()
        self._limit.hour, self._limit.count = self.state.hour, self.state.count
        await self._held.load()

    async def read_back(self, horizon: float) -> None:
        """Read the keys of events that may be polled again, and announce what no scheduler took."""
        self._read_from = horizon
        for change in await self._stored.find("when_timestamp", "ge", int(horizon)):
            self._keys[change["properties"][EVENT_KEY][0]] = float(change["when_timestamp"])
        late = await self._stored.find("changeid", "gt", self.state.scheduled)
        await self._announcements.resume(late)
        self._count_again([change["changeid"] for change in late])

    async def announce_again(self) -> None:
        """Announce what no scheduler took: the master that has them may have ended before."""
        await self._claim.check()
        late = await self._stored.find("changeid", "gt", self.state.scheduled)
        await self._announcements.repeat(late)

    def _count_again(self, late: Sequence[int]) -> None:
        """Count the changes that were stored after the count was: the master died in between."""
        missed = [number for number in late if number > self.state.counted]
        self._limit.add(len(missed), self._master.reactor.seconds())
        self.state.counted = max(missed, default=self.state.counted)

    def knows(self, key: str) -> bool:
        """Return whether the event with a key is stored, held back or dismissed."""
        return key in self._keys or key in self._held.keys

    def dismiss(self, key: str, when: float, now: float) -> None:
        """Record that an event becomes no change, so that it is not asked about again."""
        self._keys[key] = max(when, now)

    def forget(self, horizon: float) -> None:
        """Forget the keys of events before a time: they are not polled again."""
        if horizon <= self._read_from:
            return
        self._read_from = horizon
        self._keys = {key: when for key, when in self._keys.items() if when >= horizon}

    async def record(
        self, changes: Sequence[dict[str, Any]], now: float, may_continue: Callable[[], bool]
    ) -> int:
        """Store changes, or hold them back.

        Args:
            changes: the arguments of ``addChange``.
            now: the time, in seconds since the epoch.
            may_continue: returns whether to store another one.

        Returns:
            How many are dealt with.
        """
        await self._claim.check()
        done = 0
        for change in changes:
            if self._held or not self._limit.allows(now):
                break
            if not may_continue():
                return done
            await self._try_to_store(change, now)
            done += 1
        await self._save_count()
        rest = [change for change in changes[done:] if not self.knows(change_key(change))]
        if rest:
            if not self._held:
                self._log.warn(
                    "{name}: {count} changes in an hour, the most allowed: holding back the rest",
                    name=self._name,
                    count=self._limit.count,
                )
            await self._held.append(rest)
        return len(changes)

    def may_release(self, now: float) -> bool:
        """Return whether a change that is held back may come now."""
        return bool(self._held) and self._limit.allows(now)

    async def release(self, count: int, now: float) -> None:
        """Store changes that are held back, as many as the limit allows."""
        await self._claim.check()
        for _ in range(count):
            if not self.may_release(now):
                break
            # The master may have died after it was stored and before it was dropped.
            await self._try_to_store(self._held.first(), now, may_be_stored=True)
            await self._held.drop_first()
        await self._save_count()
        if not self._held:
            self._log.info("{name}: no change is held back any more", name=self._name)

    @property
    def releases_at(self) -> float | None:
        """When held-back changes may come, in seconds since the epoch; None if there are none."""
        return self._limit.renewed_at if self._held else None

    async def _try_to_store(
        self, change: dict[str, Any], now: float, *, may_be_stored: bool = False
    ) -> None:
        key = change_key(change)
        try:
            await self._store(change, now, may_be_stored=may_be_stored or key in self._in_doubt)
        except Exception as error:
            # It may be stored nevertheless: Buildbot reads and announces a change after storing it.
            self._in_doubt.add(key)
            if is_passing(error):
                raise
            self._refused(change, error)
        else:
            self._in_doubt.discard(key)

    async def _store(self, change: dict[str, Any], now: float, *, may_be_stored: bool) -> None:
        key = change_key(change)
        if key in self._keys:
            return
        stored = None
        if may_be_stored or self._is_older(change):
            stored = await self._stored.get(change)
        if stored is None:
            self._made(await self._add(change), now)
        elif key in self._in_doubt:
            await self._announcements.repeat([stored])
            self._made(stored["changeid"], now)
        self._keys[key] = max(change["when_timestamp"] or 0.0, now)

    async def _add(self, change: dict[str, Any]) -> int:
        await self._claim.check(max_age=CLAIM_AGE)
        # Buildbot modifies the properties that it gets.
        given = {**change, "properties": dict(change["properties"]), "files": []}
        try:
            number: int = await self._master.data.updates.addChange(**given)
        except ChangeSourceAlreadyClaimedError:
            # The master was frozen within the transaction.
            await self._claim.check()
            raise
        return number

    def _made(self, number: int, now: float) -> None:
        self._announcements.made(number)
        self._limit.add(1, now)
        self.state.counted = number

    def _is_older(self, change: dict[str, Any]) -> bool:
        """Return whether a change may be stored although its key was not read back."""
        when = change["when_timestamp"]
        return when is None or when < self._read_from or change["category"] in UNDATED

    async def add_health(self, change: dict[str, Any]) -> None:
        """Store a change that reports the health of the source.

        A report of the same condition that failed before may be stored nevertheless.
        """
        await self._claim.check()
        doubtful = self._doubtful_report
        if doubtful is not None and _condition(doubtful) == _condition(change):
            stored = await self._stored.get(doubtful)
            if stored is not None:
                await self._announcements.repeat([stored])
                self._doubtful_report = None
                return
        self._doubtful_report = change
        await self._master.data.updates.addChange(
            **{**change, "properties": dict(change["properties"])}, files=[]
        )
        self._doubtful_report = None

    async def _save_count(self) -> None:
        """Write how many changes came in this hour: a crash must not grant the rest again."""
        if self._limit.most is not None:
            await self.save()

    async def save(self) -> None:
        """Write the state."""
        await self._claim.check(max_age=CLAIM_AGE)
        self.state.scheduled = self._announcements.take_settled() or self.state.scheduled
        self.state.hour, self.state.count = self._limit.hour, self._limit.count
        await self._storage.save(self.state)

    @property
    def counted(self) -> int | None:
        """The changes of this hour; None if there is no limit."""
        return None if self._limit.most is None else self._limit.count


def _condition(report: dict[str, Any]) -> Any:
    return report["properties"]["koji_health"]
