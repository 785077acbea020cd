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

Record = tuple[str, Any, Any]
"""A collection's name, a key, and its value: None after a deletion."""

VERSION = 2
"""The version of the records. Increase it when rows of a table get or lose a column."""


class StateFile:
    """Records in a file that survive a SIGKILL once they are committed.

    The write-ahead log is not synced: a power failure may lose the last commits.

    Args:
        path: the file; it is created if necessary.

    Raises:
        sqlite3.Error: the file is not a state file, is that of another version, or another hub
            uses it.
    """

    def __init__(self, path: Path) -> None:
        # It holds the authority's key; SQLite gives its own files the same mode.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        try:
            self._create_or_check()
        except sqlite3.Error:
            self._database.close()
            raise
        # Not before it is known to be one of ours.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        path.chmod(0o600)

    def _create_or_check(self) -> None:
        """Create the table in an empty file; refuse what this version can't read."""
        execute = self._database.execute
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

    def load(self) -> list[Record]:
        """Return all records, those of a collection by ascending keys."""
        rows = self._database.execute(
            "SELECT collection, key, value FROM record ORDER BY collection, key"
        )
        return [(collection, key, pickle.loads(value)) for collection, key, value in rows]

    def save(self, records: Iterable[Record]) -> None:
        """Store records, all of them or none."""
        with self._database:
            self._database.execute("BEGIN")
            for collection, key, value in records:
                if value is None:
                    self._database.execute(
                        "DELETE FROM record WHERE collection = ? AND key = ?", (collection, key)
                    )
                else:
                    self._database.execute(
                        "INSERT OR REPLACE INTO record VALUES (?, ?, ?)",
                        (collection, key, pickle.dumps(value)),
                    )

    def close(self) -> None:
        """Close the file."""
        self._database.close()
