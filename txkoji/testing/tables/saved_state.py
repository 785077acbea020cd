"""Keeps an embedded hub's tables in a file, so that a killed hub resumes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from txkoji.testing.tables.state import HubState
from txkoji.testing.tables.state_file import Record, StateFile


class SavedState:
    """The state file of a hub, if it has one.

    Args:
        path: the file; None keeps nothing.
        state: the tables, which are restored from the file and saved at each commit.

    Attributes:
        restored: whether the file held a hub.

    Raises:
        sqlite3.Error: the file is not a state file, is that of another version, or another hub
            uses it.
    """

    def __init__(self, path: Path | None, state: HubState) -> None:
        self._state = state
        self._file = None if path is None else StateFile(path)
        self._unsaved: dict[tuple[str, Any], Record] = {}
        self.restored = False
        if self._file is None:
            return
        kept = self._file.load()
        state.restore(kept)
        self.restored = bool(kept)
        state.before_commit = self._save

    def _save(self) -> None:
        if self._file is not None:
            self._unsaved.update({record[:2]: record for record in self._state.changes()})
            if self._unsaved:
                # What a full disk refuses is saved with the next commit.
                self._file.save(self._unsaved.values())
                self._unsaved.clear()

    def recall(self, name: str) -> Any:
        """Return a setting that :meth:`remember` kept, or None."""
        row = self._state.one("hub_setting", name=name)
        return row["value"] if row else None

    def remember(self, name: str, value: Any) -> None:
        """Keep a setting for the next hub of this file; the first value stays."""
        if self._file is not None and self.recall(name) is None:
            self._state.insert("hub_setting", {"name": name, "value": value})

    def close(self) -> None:
        """Close the file; later changes are not saved."""
        if self._file is not None:
            self._state.before_commit = None
            self._file.close()
            self._file = None
