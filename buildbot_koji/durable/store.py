"""What survives a crash: values in the master's table of states, and data attached to builds.

Only this module accesses Buildbot's database for them.
"""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from buildbot_koji.database_values import MAX_VALUE
from buildbot_koji.durable.database import replace_rows, select, transact
from buildbot_koji.durable.unreadable import DamagedRow, UnreadableRow, reading, saying
from txkoji.locks import Lock

DATA_SOURCE = "buildbot_koji"
"""Who stores the build data of steps."""

ROWS = "buildbot_koji rows"
"""Who stores what belongs to a build request, and moves from one of its builds to the next."""


LONGEST_OBJECT = 128
"""Characters of the name of an object."""

PARTS = "koji_parts"
"""The key of a struct that represents a value in several rows: it holds their set and their number.

A new value is written to the other one of two sets of rows, so that a crash leaves the old value
intact.
"""

IN_A_QUERY = 500
"""Names in a query: SQLite has a limit, of 999 in old versions."""

PART_SIZE = MAX_VALUE // 2 - 10
"""Characters of a part; encoding it again may escape each."""

_PART = re.compile("-[01]-[0-9]+$")
"""The end of the name of a part's row."""


class MasterState:
    """The values of one named object in Buildbot's table of states.

    A value that is too large for a row of MySQL's is stored in several rows.

    Args:
        master: the Buildbot master.
        name: the object's name; masters that share a database share the object of a name.
        class_name: the class under which Buildbot files the name.
    """

    def __init__(self, master: Any, name: str, class_name: str) -> None:
        self._master = master
        self._name = object_name(name)
        self._class_name = class_name
        self._object_id: int | None = None
        self._lock = Lock()
        # The keys of values that are known to have parts.
        self._split: set[str] = set()

    async def get(self, key: str, default: Any = None) -> Any:
        """Read a value.

        Args:
            key: its key, at most 240 characters.
            default: what to return if it was never stored.

        Raises:
            DamagedRow: what is stored is no JSON.
        """
        rows = await self._rows_of(key)
        return self._value(key, rows) if key in rows else default

    async def values(self, prefix: str) -> dict[str, Any]:
        """Read the values whose keys begin with a text, with one query.

        Returns:
            Each value by its key; for one that is no JSON the :class:`DamagedRow`.
        """
        rows = await self._rows(lambda name: name.startswith(prefix))
        found: dict[str, Any] = {}
        for key in rows:
            if _PART.search(key) is None:
                try:
                    found[key] = self._value(key, rows)
                except DamagedRow as error:
                    found[key] = error
        return found

    async def put(self, key: str, value: Any) -> None:
        """Store a value: anything that JSON can hold. A write costs Buildbot about 10 ms.

        Args:
            key: its key, at most 240 characters.
            value: the value, of any size.
        """
        await self.put_all({key: value})

    async def put_all(self, values: Mapping[str, Any]) -> None:
        """Store values by their keys; all that fit a row in one transaction."""
        encoded = {key: json.dumps(value) for key, value in values.items()}
        small = {key: text for key, text in encoded.items() if len(text) <= MAX_VALUE}
        async with self._lock:
            for key in encoded.keys() - small.keys():
                self._split.add(key)
                await self._write({key: await self._write_parts(key, encoded[key])})
            if small:
                await self._write(small)
            for key in self._split & small.keys():
                await self._remove_parts(key)

    async def _write_parts(self, key: str, encoded: str) -> str:
        with reading(self._named(key)):
            before = _parts(json.loads((await self._rows_of(key)).get(key, "null")))
        number_of_set = 0 if before is None else 1 - before[0]
        starts = range(0, len(encoded), PART_SIZE)
        for number, start in enumerate(starts):
            part = encoded[start : start + PART_SIZE]
            await self._write({_part(key, number_of_set, number): json.dumps(part)})
        return json.dumps({PARTS: [number_of_set, len(starts)]})

    async def _remove_parts(self, key: str) -> None:
        """Delete the parts of an earlier value."""
        await self._delete((await self._rows_of(key)).keys() - {key})
        self._split.discard(key)

    async def _rows_of(self, key: str) -> dict[str, str]:
        """Return the row of a value, and those of its parts."""
        starts = [f"{key}-{number_of_set}-" for number_of_set in (0, 1)]
        rows = await self._rows(
            lambda name: sqlalchemy.or_(name == key, *map(name.startswith, starts))
        )
        return {name: text for name, text in rows.items() if _PART.sub("", name) == key}

    async def _rows(self, condition: Callable[[Any], Any]) -> dict[str, str]:
        """Return the rows whose names meet a condition."""
        table = self._master.db.model.object_state.c
        query = sqlalchemy.select(table.name, table.value_json).where(
            (table.objectid == await self._object()) & condition(table.name)
        )
        return {str(row.name): row.value_json for row in await select(self._master, query)}

    def _value(self, key: str, rows: Mapping[str, str]) -> Any:
        """Return a value from its row and those of its parts; raise DamagedRow."""
        with reading(self._named(key)):
            value = json.loads(rows[key])
            if (parts := _parts(value)) is None:
                return value
            self._split.add(key)
            number_of_set, count = parts
            texts = (rows[_part(key, number_of_set, number)] for number in range(count))
            return json.loads("".join(map(json.loads, texts)))

    def _named(self, key: str) -> str:
        return f"the state {key!r} of {self._name!r}"

    async def _write(self, texts: Mapping[str, str]) -> None:
        """Write rows by their names."""
        object_id = await self._object()
        rows = (
            ({"objectid": object_id, "name": name}, {"value_json": text})
            for name, text in texts.items()
        )
        await replace_rows(self._master, self._master.db.model.object_state, *rows)

    async def remove(self, *keys: str) -> None:
        """Delete the values of some keys that have one."""
        async with self._lock:
            await self._delete(keys)
            for key in self._split.intersection(keys):
                await self._remove_parts(key)

    async def _delete(self, names: Collection[str]) -> None:
        table, object_id = self._master.db.model.object_state, await self._object()
        listed = list(names)

        def run(connection: sqlalchemy.Connection) -> None:
            for start in range(0, len(listed), IN_A_QUERY):
                several = table.c.name.in_(listed[start : start + IN_A_QUERY])
                connection.execute(table.delete().where((table.c.objectid == object_id) & several))

        await transact(self._master, run)

    async def move(self, prefix: str, to: MasterState) -> None:
        """Move the values whose keys begin with a text to another object, in one transaction.

        They replace those that the other object has under the same keys.
        """
        table = self._master.db.model.object_state
        here, there = await self._object(), await to._object()

        def run(connection: sqlalchemy.Connection) -> None:
            """Move them, in a thread."""
            moved = (table.c.objectid == here) & table.c.name.startswith(prefix)
            names = connection.execute(sqlalchemy.select(table.c.name).where(moved)).scalars().all()
            for name in names:
                replaced = (table.c.objectid == there) & (table.c.name == name)
                connection.execute(table.delete().where(replaced))
            connection.execute(table.update().where(moved).values(objectid=there))

        await transact(self._master, run)

    async def _object(self) -> int:
        if self._object_id is None:
            get_object_id = self._master.db.state.getObjectId
            self._object_id = int(await get_object_id(self._name, self._class_name))
        return self._object_id


async def objects_with(master: Any, class_name: str, prefix: str) -> list[str]:
    """Return the names of the objects of a class that have something under a key with a prefix."""
    objects, values = master.db.model.objects, master.db.model.object_state
    query = (
        sqlalchemy.select(objects.c.name)
        .join_from(objects, values, objects.c.id == values.c.objectid)
        .where(
            objects.c.class_name == class_name,
            values.c.name.startswith(prefix),
            values.c.value_json != "[]",
        )
    )
    return sorted({str(row.name) for row in await select(master, query)})


def object_name(name: str) -> str:
    """Return a name that fits the table of objects; that of a master contains its directory."""
    if len(name) <= LONGEST_OBJECT and name.isprintable() and max(name, default="") <= "\uffff":
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    readable = re.sub(r"[^\x20-\x7e]", "_", name)[: LONGEST_OBJECT - 33]
    return f"{readable} {digest[:32]}"


def _parts(value: Any) -> tuple[int, int] | None:
    """Return the set and the number of a value's parts; None if it is the whole value."""
    if not isinstance(value, dict) or PARTS not in value:
        return None
    number_of_set, count = map(int, value[PARTS])
    return number_of_set, count


def _part(key: str, number_of_set: int, number: int) -> str:
    return f"{key}-{number_of_set}-{number}"


class BuildData:
    """Named bytes attached to builds. Buildbot shows them with the build and deletes them with it.

    Args:
        master: the Buildbot master.
        source: who stores them.
    """

    def __init__(self, master: Any, source: str) -> None:
        self._master = master
        self._source = source

    async def get_several(self, build_id: int, names: Collection[str]) -> dict[str, bytes]:
        """Return what is stored with a build under names, with one query; others are absent."""
        return await self._select(build_id, self._master.db.model.build_data.c.name.in_(names))

    async def rows(self, build_id: int) -> dict[str, bytes]:
        """Return what this source stored with a build, by name, with one query."""
        return await self._select(
            build_id, self._master.db.model.build_data.c.source == self._source
        )

    async def _select(self, build_id: int, condition: Any) -> dict[str, bytes]:
        table = self._master.db.model.build_data
        query = sqlalchemy.select(table.c.name, table.c.value).where(
            (table.c.buildid == build_id) & condition
        )
        return {row.name: bytes(row.value) for row in await select(self._master, query)}

    async def get(self, build_id: int, name: str) -> bytes | None:
        """Return what is stored with a build under a name (see :func:`data_name`), or None."""
        return (await self.get_several(build_id, [name])).get(name)

    async def put(self, build_id: int, name: str, value: bytes) -> None:
        """Store bytes with a build, replacing what is there under the same name."""
        table = self._master.db.model.build_data
        row = {"value": value, "length": len(value), "source": self._source}
        await replace_rows(self._master, table, ({"buildid": build_id, "name": name}, row))

    def pause(self) -> Deferred[None]:
        """Yield to the reactor: between two of many rows."""
        return deferLater(self._master.reactor, 0)

    async def move(self, build_id: int, to: int) -> None:
        """Store what this source stored with a build with another one instead, in one write."""
        table = self._master.db.model.build_data
        is_ours = (table.c.buildid == build_id) & (table.c.source == self._source)
        move = table.update().where(is_ours).values(buildid=to)
        await transact(self._master, lambda connection: connection.execute(move).rowcount)

    async def earlier_builds(self, build_id: int) -> list[int]:
        """Return the earlier builds of the same build request, the newest first.

        Buildbot keeps a build request over a restart of the master and the loss of a worker, and
        runs a new build for it. The data of the earlier builds are still there; their properties
        are not.
        """
        build = await self._master.data.get(("builds", build_id))
        if build is None:
            return []
        builds = await self._master.data.get(("buildrequests", build["buildrequestid"], "builds"))
        ids = {int(each["buildid"]) for each in builds} - {build_id}
        return sorted(ids, reverse=True)


@dataclass(frozen=True)
class RowsPlace:
    """Where the rows of a build request are: with the newest of its builds that has used them.

    Buildbot's janitor deletes the data of builds that ended long ago, the first attempts of a build
    request that still runs among them.

    Attributes:
        data: the data of Buildbot's builds.
        root: the first build of the build request, which identifies the rows.
        build_id: the build that they are stored with.
    """

    data: BuildData
    root: int
    build_id: int

    @classmethod
    async def find(cls, master: Any, build_id: int) -> RowsPlace:
        """Return the place of the rows of a build's request."""
        data, table = BuildData(master, ROWS), master.db.model.build_data.c
        builds = [*await data.earlier_builds(build_id), build_id]
        query = sqlalchemy.select(sqlalchemy.func.max(table.buildid)).where(
            table.buildid.in_(builds) & (table.source == ROWS)
        )
        [[holder]] = await select(master, query)
        return cls(data, min(builds), holder or build_id)

    async def move(self, build_id: int) -> RowsPlace:
        """Store the rows with a newer build of the request: all of them in one write."""
        if build_id <= self.build_id:
            return self
        await self.data.move(self.build_id, build_id)
        return replace(self, build_id=build_id)


class BuildRows:
    """Values of any kind that are stored with a build request, each in a compressed row.

    A row can only be read in its own place: of another request, or under another name, it is
    damaged.

    Args:
        place: where they are.
        name: distinguishes the rows from those of others with the same build request.

    Attributes:
        pause: yields to the reactor.
        written: the bytes that were written.
    """

    def __init__(self, place: RowsPlace, name: str) -> None:
        self._data = place.data
        self._root = place.root
        self._build_id = place.build_id
        self._name = name
        self.pause = place.data.pause
        self.written = 0

    async def get(self, row: str) -> Any:
        """Return the value of a row, None if it was never stored; raise DamagedRow."""
        [found] = await self.get_several([row])
        return found

    async def get_several(
        self, rows: Sequence[str], say: Callable[[UnreadableRow], object] | None = None
    ) -> list[Any]:
        """Return the values of rows, with one query; None for those that were never stored.

        Args:
            rows: their names.
            say: called with the error of each one that can't be unpacked: its value is None, too.

        Raises:
            DamagedRow: one of them can't be unpacked, and there is no ``say``.
        """
        names = [data_name(self._name, row) for row in rows]
        found = await self._data.get_several(self._build_id, names)
        values = []
        for name in names:
            value = None
            with saying(say), reading(f"{name} of build {self._build_id}"):
                value = self._unpacked(name, found[name]) if name in found else None
            values.append(value)
        return values

    async def put(self, row: str, value: Any) -> None:
        """Store a value that JSON can hold in a row."""
        name = data_name(self._name, row)
        packer = zlib.compressobj(zdict=self._place(name))
        text = json.dumps(value, separators=(",", ":")).encode()
        packed = packer.compress(text) + packer.flush()
        await self._data.put(self._build_id, name, packed)
        self.written += len(packed)

    def _place(self, name: str) -> bytes:
        """Return the dictionary that packs a row; zlib stores its checksum, and asks for it."""
        return hashlib.sha256(f"{self._root} {name}".encode()).digest()

    def _unpacked(self, name: str, packed: bytes) -> Any:
        unpacker = zlib.decompressobj(zdict=self._place(name))
        text = unpacker.decompress(packed)
        if not unpacker.eof or unpacker.unused_data:
            raise ValueError(name)
        return json.loads(text)


def data_name(*words: str) -> str:
    """Return a name that build data may have: letters, digits, ``_`` and ``-``.

    Args:
        words: what the name is of: a step, or a step and one of its rows. Other words, or the same
            ones parted otherwise, have another name.
    """
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", " ".join(words))[:200]
    return f"koji_{readable}_{zlib.crc32(chr(0).join(words).encode()):08x}"
