"""The tables of a new master's database, made once in each process."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy
from buildbot.db.model import Model
from twisted.internet.defer import Deferred

__all__ = ["make_tables", "write_database"]

_made: list[sqlite3.Connection] = []
"""An SQLite database with the tables and nothing else: to make one takes longer than most tests."""


async def make_tables(db: Any) -> None:
    """Give a master's empty database its tables; SQLite copies those made before.

    Args:
        db: the master's DBConnector, after its setup.
    """
    if db._engine.dialect.name != "sqlite":
        await db.model.upgrade()
        return
    if not _made:
        await db.model.upgrade()
        # Threads of several masters read it, each while its test waits.
        made = sqlite3.connect(":memory:", check_same_thread=False)
        await _copy(db, made, to_master=False)
        made.executescript("".join(_refusals()))
        await _copy(db, made, to_master=True)
        _made.append(made)
    else:
        await _copy(db, _made[0], to_master=True)


def write_database(file: Path) -> bool:
    """Write an empty SQLite database with all tables; return whether they were made before."""
    if _made:
        with closing(sqlite3.connect(file)) as database:
            _made[0].backup(database)
    return bool(_made)


TEXT = 65_535
"""Bytes of MySQL's smallest column for text."""


def _refusals() -> Iterator[str]:
    """Return the triggers by which SQLite refuses what MySQL or PostgreSQL refuse.

    A column of some characters takes as many bytes here: a text that passes fits every database.
    """
    for table in Model.metadata.sorted_tables:
        for column in table.columns:
            if not isinstance(column.type, sqlalchemy.String):
                continue
            size, name = column.type.length or TEXT, f"{table.name}_{column.name}"
            value = f"NEW.{column.name}"
            for when in ("INSERT", f"UPDATE OF {column.name}"):
                yield (
                    f"CREATE TRIGGER strict_{when[:6]}_{name} BEFORE {when} ON {table.name}"
                    f" WHEN length(CAST({value} AS BLOB)) > {size}"
                    f" OR instr({value}, char(0)) OR {value} GLOB '*[\U00010000-\U0010ffff]*'"
                    f" BEGIN SELECT RAISE(ABORT, 'Data too long or odd for column {name}'); END;"
                )


def _copy(db: Any, other: sqlite3.Connection, *, to_master: bool) -> Deferred[None]:
    def copy(connection: Any) -> None:
        """Copy all pages, in a thread of the pool."""
        mine = connection.connection.dbapi_connection
        if to_master:
            other.backup(mine)
        else:
            mine.backup(other)

    copying: Deferred[None] = db.pool.do(copy)
    return copying
