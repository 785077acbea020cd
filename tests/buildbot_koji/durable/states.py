"""Buildbot's table of states, in memory."""

from __future__ import annotations

from typing import Any

from buildbot.db.model import Model
from buildbot.util.sautils import get_upsert_method
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
        for table in (Model.object_state, Model.build_data):
            table.create(self.engine)
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
        return self.rows_of(1)

    def rows_of(self, object_id: int) -> dict[str, str]:
        """Return the rows of an object."""
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

    async def do(self, query: Any) -> Any:
        """Run a query, unless the master is dead."""
        if len(self.written) == self.killed_after:
            await Deferred()
        with self.engine.connect() as connection:
            value = query(connection)
        if self.slow is not None:
            await self.slow
        return value

    def upsert(self, connection: Any, table: Any, *, update_values: Any, **more: Any) -> None:
        """Write a row, as Buildbot's connector does."""
        self.written.append(update_values[0][1])
        assert len(self.written[-1]) <= LIMIT
        get_upsert_method(self.engine)(connection, table, update_values=update_values, **more)
