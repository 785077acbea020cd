"""The tables of a new master's database, made once in each process."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

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
        _made.append(made)
    else:
        await _copy(db, _made[0], to_master=True)


def write_database(file: Path) -> bool:
    """Write an empty SQLite database with all tables; return whether they were made before."""
    if _made:
        with closing(sqlite3.connect(file)) as database:
            _made[0].backup(database)
    return bool(_made)


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
