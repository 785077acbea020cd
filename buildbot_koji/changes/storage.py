"""What a change source keeps in the master's database: where it stands, and what it holds back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from buildbot_koji.properties import EVENT_KEY

__all__ = ["Backlog", "Standing", "Storage", "change_key"]

CLASS = "KojiChangeSource"
"""The class under which Buildbot files the values; with the source's name, their key."""

CHUNK = 50
"""Changes in one value of the database."""


@dataclass
class Standing:
    """Where a change source stands.

    Attributes:
        cursor: how far its poll has come, as :meth:`txkoji.history.poller.Cursor.to_json` gives
            it; None before the first.
        scheduled: the last change of which it is certain that the schedulers have seen it.
        hour: when the hour began in which changes are counted, in seconds since the epoch.
        count: the changes of that hour.
        stale: whether it was said that nothing is heard of the hub.
    """

    cursor: dict[str, Any] | None = None
    scheduled: int = 0
    hour: float = 0.0
    count: int = 0
    stale: bool = False


class Storage:
    """Values of one change source in the master's database.

    Args:
        master: the Buildbot master.
        name: the change source's name.
    """

    def __init__(self, master: Any, name: str) -> None:
        self._master = master
        self._name = name
        self._object: int | None = None

    async def get(self, key: str, default: Any) -> Any:
        """Read a value."""
        return await self._master.db.state.getState(await self._object_id(), key, default)

    async def put(self, key: str, value: Any) -> None:
        """Write a value: it is JSON."""
        await self._master.db.state.setState(await self._object_id(), key, value)

    async def _object_id(self) -> int:
        if self._object is None:
            self._object = await self._master.db.state.getObjectId(self._name, CLASS)
        return self._object

    async def load(self) -> Standing:
        """Read where the source stands."""
        found = await self.get("standing", None)
        return Standing() if found is None else Standing(**found)

    async def save(self, standing: Standing) -> None:
        """Write where the source stands."""
        await self.put("standing", asdict(standing))

    async def is_paused(self) -> bool:
        """Tell whether someone has paused the source."""
        return bool(await self.get("paused", False))

    async def set_paused(self, paused: bool) -> None:
        """Pause the source, or let it go on."""
        await self.put("paused", paused)


class Backlog:
    """Changes that are held back, in order, in the database.

    Only the two ends are in memory. The database can't be left between two states in which one is
    lost: a chunk is written before the bounds that take it in, and the bounds move on only after
    what they leave behind is delivered.

    Args:
        storage: where they are kept.

    Attributes:
        keys: the keys of the changes that are held.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._first = self._last = 0
        self._head: list[dict[str, Any]] = []
        self._tail: list[dict[str, Any]] = []
        self.keys: set[str] = set()

    def __len__(self) -> int:
        return len(self.keys)

    async def load(self) -> None:
        """Read what was held back before."""
        self._first, self._last = await self._storage.get("held", [0, 0])
        self.keys = set()
        self._head = self._tail = []
        for number in range(self._first, self._last + 1):
            self._tail = await self._chunk(number)
            if number == self._first:
                self._head = self._tail
            self.keys.update(map(change_key, self._tail))
        while not self._head and self._first < self._last:
            # What was delivered as the master died is left behind.
            await self._next_head()

    async def append(self, changes: Sequence[dict[str, Any]]) -> None:
        """Hold changes back, after those that are held already."""
        for change in changes:
            if len(self._tail) >= CHUNK:
                await self._write(self._last, self._tail)
                self._last += 1
                self._tail = []
            self._tail.append(change)
            if self._first == self._last:
                self._head = self._tail
            self.keys.add(change_key(change))
        await self._write(self._last, self._tail)
        await self._write_bounds()

    def head(self, count: int) -> list[dict[str, Any]]:
        """Return the first changes that are held, at most so many."""
        return self._head[:count]

    async def drop(self, count: int) -> None:
        """Forget the first changes: they are delivered."""
        for change in self._head[:count]:
            self.keys.discard(change_key(change))
        del self._head[:count]
        await self._write(self._first, self._head)
        if not self._head and self._first < self._last:
            await self._next_head()
        if not self.keys:
            # Use the same rows again: none can be taken out of the database.
            self._first = self._last = 0
            self._head = self._tail = []
        await self._write_bounds()

    async def _next_head(self) -> None:
        self._first += 1
        last = self._first == self._last
        self._head = self._tail if last else await self._chunk(self._first)

    async def _chunk(self, number: int) -> list[dict[str, Any]]:
        return list(await self._storage.get(f"held-{number}", []))

    async def _write(self, number: int, chunk: list[dict[str, Any]]) -> None:
        await self._storage.put(f"held-{number}", chunk)

    async def _write_bounds(self) -> None:
        await self._storage.put("held", [self._first, self._last])


def change_key(change: dict[str, Any]) -> str:
    """Return the key of the event that a change is of."""
    return str(change["properties"][EVENT_KEY])
