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


class StateFile:
    """Records in a file that survive a SIGKILL once they are committed.

    The write-ahead log is not synced: a power failure may lose the last commits.

    Args:
        path: the file; it is created if necessary.

    Raises:
        sqlite3.Error: the file is not a state file, or another hub uses it.
    """

    def __init__(self, path: Path) -> None:
        # It holds the authority's key; SQLite gives its own files the same mode.
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS record"
            " (collection TEXT, key, value BLOB, PRIMARY KEY (collection, key)) WITHOUT ROWID"
        )
        # Not before it is known to be one of ours.
        path.chmod(0o600)

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
