"""Buildbot's table of states, in memory."""

from __future__ import annotations

import json
from typing import Any

from buildbot.db.model import Model
from sqlalchemy import StaticPool, create_engine
from twisted.internet.defer import Deferred

LIMIT = 65_535
"""Bytes of a row on MySQL."""


class States:
    """The table, and the pool of its database; a crash may cut it off after some writes.

    Attributes:
        written: what was written, in order.
        slow: what each query waits for, if anything.
        killed_after: after how many writes the master dies, None for never.
        objects: the numbers of the objects, by their names.
    """

    model = Model

    def __init__(self) -> None:
        self.engine = create_engine("sqlite://", poolclass=StaticPool)
        Model.object_state.create(self.engine)
        self.written: list[str] = []
        self.slow: Deferred[None] | None = None
        self.killed_after: int | None = None
        self.objects: dict[str, int] = {}

    @property
    def state(self) -> Any:
        return self

    pool = db = state

    @property
    def rows(self) -> dict[str, str]:
        """The rows of the first object."""
        return self._rows(1)

    def _rows(self, object_id: int) -> dict[str, str]:
        with self.engine.connect() as connection:
            found = connection.execute(Model.object_state.select())
            return {row.name: row.value_json for row in found if row.objectid == object_id}

    def put(self, key: str, text: str, object_id: int = 1) -> None:
        """Replace a row."""
        assert len(key) <= 255
        row = Model.object_state.insert().prefix_with("OR REPLACE")
        with self.engine.begin() as connection:
            connection.execute(row, {"objectid": object_id, "name": key, "value_json": text})

    async def getObjectId(self, name: str, _class: str) -> int:  # noqa: N802 - Buildbot's name
        assert len(name) <= 128
        assert max(name) <= "\uffff"
        return self.objects.setdefault(name, len(self.objects) + 1)

    def thdGetState(self, _: Any, object_id: int, key: str, default: Any) -> Any:  # noqa: N802
        rows = self._rows(object_id)
        return json.loads(rows[key]) if key in rows else default

    async def do(self, query: Any) -> Any:
        """Run a query."""
        with self.engine.connect() as connection:
            value = query(connection)
        if self.slow is not None:
            await self.slow
        return value

    async def do_with_transaction(self, query: Any) -> None:
        with self.engine.begin() as connection:
            query(connection)

    async def setState(self, object_id: int, key: str, value: Any) -> None:  # noqa: N802
        if len(self.written) == self.killed_after:
            await Deferred()
        self.written.append(json.dumps(value))
        assert len(self.written[-1]) <= LIMIT
        self.put(key, self.written[-1], object_id)
