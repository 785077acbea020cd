"""What a change source keeps in the master's database: its state, and the changes it holds back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from buildbot_koji.database_values import encoded_size
from buildbot_koji.durable.claims import Claim
from buildbot_koji.durable.fence import fence_source
from buildbot_koji.durable.store import MasterState, object_name, objects_with
from buildbot_koji.durable.unreadable import DamagedRow, check_fields, reading
from buildbot_koji.properties import EVENT_KEY

CLASS = "KojiChangeSource"
"""The class under which Buildbot files the values; with the source's name, their key."""

HELD = "held-"
"""The start of the keys of changes that are held back."""

CLAIM_KEY = "claim"
"""The key of the token by which a master claims the source."""


@dataclass
class SourceState:
    """Where a change source continues after a restart.

    Attributes:
        cursor: how far its poll has come, as :meth:`txkoji.history.poller.Cursor.to_json` gives
            it; None before the first.
        scheduled: the last change that the schedulers have certainly seen.
        hour: when the hour started in which changes are counted, in seconds since the epoch.
        count: the changes of that hour.
        counted: the last change in the count.
        stale: whether the hub was reported as unreachable.
        unusable: whether events were reported that can't become changes.
        credentials: the credential that was reported to run out, empty for none.
    """

    cursor: dict[str, Any] | None = None
    scheduled: int = 0
    hour: float = 0.0
    count: int = 0
    counted: int = 0
    stale: bool = False
    unusable: bool = False
    credentials: str = ""


class SourceStorage(MasterState):
    """The values of one change source in the master's database."""

    def __init__(self, master: Any, name: str) -> None:
        super().__init__(master, name, CLASS)

    async def fence(self, claim: Claim) -> None:
        """Let no change of the source be stored once another master has taken the claim."""
        object_id = await self._object()
        fence_source(
            self._master, self._name, object_id=object_id, key=CLAIM_KEY, token=claim.token
        )

    async def load(self) -> SourceState:
        """Read the state; raise UnreadableRow."""
        found = await self.get("standing", None)
        if found is None:
            return SourceState()
        with reading("the state of a change source"):
            check_fields(SourceState, found, "the state of a change source")
            return SourceState(**found)

    async def save(self, state: SourceState) -> None:
        """Write the state."""
        await self.put("standing", asdict(state))

    async def is_paused(self) -> bool:
        """Return whether someone has paused the source; raise DamagedRow."""
        found = await self.get("paused", False)
        if not isinstance(found, bool):
            raise DamagedRow("whether a change source is paused")
        return found

    async def set_paused(self, paused: bool) -> None:
        """Pause the source, or resume it."""
        await self.put("paused", paused)


async def held_by_none(master: Any, names: Iterable[str]) -> list[str]:
    """Return the names of the sources, other than some, that hold changes back."""
    holding = await objects_with(master, CLASS, HELD)
    return sorted({*holding} - {*map(object_name, names)})


class HeldChanges:
    """The changes that are held back, in order, in the database.

    Only the two ends are in memory. A crash between two writes loses no change: a chunk is written
    before the bounds that include it, and the bounds advance only after the changes that they leave
    behind are delivered.

    Args:
        storage: where they are kept.
        chunk: the bytes of changes in one row; a row has at least one change.

    Attributes:
        keys: the keys of the changes that are held.
    """

    def __init__(self, storage: SourceStorage, chunk: int) -> None:
        self._storage = storage
        self._size = chunk
        self._first = self._last = 0
        self._bounds = [0, 0]
        self._head: list[dict[str, Any]] = []
        self._tail: list[dict[str, Any]] = []
        self.keys: set[str] = set()

    def __len__(self) -> int:
        return len(self.keys)

    async def load(self) -> None:
        """Read what was held back before; raise UnreadableRow."""
        self.keys = set()
        self._head = self._tail = []
        bounds = await self._storage.get("held", [0, 0])
        with reading("the number of changes that are held back"):
            self._first, self._last = self._bounds = bounds
        for number in range(self._first, self._last + 1):
            self._tail = await self._chunk(number)
            if number == self._first:
                self._head = self._tail
            with reading("changes that are held back"):
                self.keys.update(map(change_key, self._tail))
        while not self._head and self._first < self._last:
            # The master died between the delivery of the last change of a chunk and the bounds.
            await self._next_head()

    async def append(self, changes: Sequence[dict[str, Any]]) -> None:
        """Hold changes back, after those that are held already."""
        for change in changes:
            if self._tail and encoded_size([*self._tail, change]) > self._size:
                await self._write(self._last, self._tail)
                self._last += 1
                self._tail = []
            self._tail.append(change)
            if self._first == self._last:
                self._head = self._tail
            self.keys.add(change_key(change))
        await self._write(self._last, self._tail)
        await self._write_bounds()

    def first(self) -> dict[str, Any]:
        """Return the change that is held longest."""
        return self._head[0]

    async def drop_first(self) -> None:
        """Forget the first change: it is delivered."""
        self.keys.discard(change_key(self._head.pop(0)))
        await self._write(self._first, self._head)
        if not self._head and self._first < self._last:
            await self._next_head()
        if not self.keys:
            self._first = self._last = 0
            self._head = self._tail = []
        await self._write_bounds()

    async def _next_head(self) -> None:
        self._first += 1
        last = self._first == self._last
        self._head = self._tail if last else await self._chunk(self._first)

    async def _chunk(self, number: int) -> list[dict[str, Any]]:
        return list(await self._storage.get(f"{HELD}{number}", []))

    async def _write(self, number: int, chunk: list[dict[str, Any]]) -> None:
        await self._storage.put(f"{HELD}{number}", chunk)

    async def _write_bounds(self) -> None:
        (first, last), self._bounds = self._bounds, [self._first, self._last]
        await self._storage.put("held", self._bounds)
        for number in range(first, last + 1):
            if not self._first <= number <= self._last:
                await self._storage.remove(f"{HELD}{number}")


def change_key(change: dict[str, Any]) -> str:
    """Return the key of the event that a change is of."""
    return str(change["properties"][EVENT_KEY])
