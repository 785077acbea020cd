"""The state file of an embedded hub: a killed hub resumes from it.

One SQLite file holds the tables, one record per row; each commit of the hub is a commit of SQLite.
The hub's files are in a directory beside it
(:class:`txkoji.testing.tables.file_tree.DiskFileTree`).
"""

from __future__ import annotations

import contextlib
import os
import pickle
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from txkoji.testing.tables.state import HubState, Record

VERSION = 2
"""The version of the records. Increase it when rows of a table get or lose a column."""


class StateFile:
    """Records in a file that survive a SIGKILL once they are committed.

    The write-ahead log is not synced: a power failure may lose the last commits.

    Args:
        path: the file, created if necessary; None keeps nothing.
        state: the tables, which are restored from the file and saved at each commit.

    Attributes:
        restored: whether the file held a hub.

    Raises:
        sqlite3.Error: the file is not a state file, is that of another version, or another hub
            uses it.
    """

    def __init__(self, path: Path | None, state: HubState) -> None:
        self._state = state
        self._unsaved: dict[tuple[str, Any], Record] = {}
        self._database = None if path is None else _open(path)
        self.restored = False
        if self._database is not None:
            kept = self._database.execute(
                "SELECT collection, key, value FROM record ORDER BY collection, key"
            ).fetchall()
            state.restore((table, key, pickle.loads(value)) for table, key, value in kept)
            self.restored = bool(kept)
            state.before_commit = self._save_changes

    def _save_changes(self) -> None:
        self._unsaved.update({record[:2]: record for record in self._state.changes()})
        if self._unsaved:
            # What a full disk refuses is saved with the next commit.
            self.save(self._unsaved.values())
            self._unsaved.clear()

    def save(self, records: Iterable[Record]) -> None:
        """Store records, all of them or none."""
        assert self._database is not None
        with self._database:
            self._database.execute("BEGIN")
            for collection, key, value in records:
                if value is None:
                    text, values = "DELETE FROM record WHERE collection = ? AND key = ?", []
                else:
                    text, values = "INSERT OR REPLACE INTO record VALUES (?, ?, ?)", [value]
                self._database.execute(text, (collection, key, *map(pickle.dumps, values)))

    def recall(self, name: str) -> Any:
        """Return a setting that :meth:`remember` kept, or None."""
        row = self._state.one("hub_setting", name=name)
        return row["value"] if row else None

    def remember(self, name: str, value: Any) -> None:
        """Keep a setting for the next hub of this file; the first value stays."""
        if self._database is not None and self.recall(name) is None:
            self._state.insert("hub_setting", {"name": name, "value": value})

    def close(self) -> None:
        """Close the file; later changes are not saved."""
        if self._database is not None:
            self._state.before_commit = None
            self._database.close()
            self._database = None


def _open(path: Path) -> sqlite3.Connection:
    # It holds the authority's key; SQLite gives its own files the same mode.
    with contextlib.suppress(OSError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    try:
        _create_or_check(database)
    except sqlite3.Error:
        database.close()
        raise
    # Not before it is known to be one of ours.
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = NORMAL")
    path.chmod(0o600)
    return database


def _create_or_check(database: sqlite3.Connection) -> None:
    """Create the table in an empty file; refuse what this version can't read."""
    execute = database.execute
    execute("BEGIN IMMEDIATE")
    if execute("SELECT 1 FROM sqlite_master").fetchone() is None:
        execute(
            "CREATE TABLE record"
            " (collection TEXT, key, value BLOB, PRIMARY KEY (collection, key)) WITHOUT ROWID"
        )
        execute(f"PRAGMA user_version = {VERSION}")
    [version] = execute("PRAGMA user_version").fetchone()
    if version != VERSION:
        raise sqlite3.DatabaseError(
            "another version of the embedded hub, or another program, wrote it: name a new file"
        )
    execute("COMMIT")
