"""What an embedded hub knows: tables, sequences, events, transactions.

Pure: no I/O, no reactor; the time comes from the clock that is passed in.
It knows nothing of what the rows mean: that is the hub methods' business.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Row = dict[str, Any]


class HubState:
    """Tables of rows with undo, numbered like a hub's database.

    Each table numbers its rows with a sequence of its own, from 1 up, never reused, not even
    after a roll-back, as PostgreSQL's sequences do. Events are the rows of the table ``events``.
    Rows of *versioned* tables (tag configurations, inheritance, tag listings, ...) hold
    ``create_event``, ``creator_id``, ``revoke_event`` and ``revoker_id``: see :meth:`active`.

    Args:
        seconds: gives the time, in seconds since the epoch.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.seconds = seconds
        self._tables: dict[str, dict[int, Row]] = defaultdict(dict)
        self._sequences: dict[str, int] = defaultdict(int)
        self._undo: list[Callable[[], None]] = []
        self._event: int | None = None
        self._commit_hooks: list[Callable[[], None]] = []
        self.depth = 0
        self.changed = False

    # Reading

    def get(self, table: str, id: int) -> Row | None:
        """Return the row with that id, or None."""
        return self._tables[table].get(id)

    def rows(self, table: str, **equal: Any) -> list[Row]:
        """Return the rows whose columns equal the given values, in the order of their ids."""
        return [
            row
            for row in self._tables[table].values()
            if all(row.get(column) == value for column, value in equal.items())
        ]

    def one(self, table: str, **equal: Any) -> Row | None:
        """Return the first row whose columns equal the given values, or None."""
        for row in self._tables[table].values():
            if all(row.get(column) == value for column, value in equal.items()):
                return row
        return None

    def active(self, table: str, event: int | None = None, **equal: Any) -> list[Row]:
        """Return the rows of a versioned table that are in force.

        Args:
            table: the table.
            event: an event id: what was in force then; None for now.
            equal: values that the columns must equal.
        """
        return [row for row in self.rows(table, **equal) if in_force(row, event)]

    # Writing

    def next_id(self, sequence: str) -> int:
        """Draw the next number of a sequence. It is not given back by a roll-back."""
        self._sequences[sequence] += 1
        return self._sequences[sequence]

    def insert(self, table: str, row: Row, *, id: int | None = None) -> Row:
        """Store a row under ``row["id"]``, drawn from the table's sequence unless given."""
        if id is None:
            number = self.next_id(table)
        else:
            number = id
            self._sequences[table] = max(self._sequences[table], id)
        stored = {"id": number, **row}
        self._tables[table][number] = stored

        def undo() -> None:
            del self._tables[table][number]

        self._log(undo)
        return stored

    def update(self, table: str, id: int, **changes: Any) -> Row:
        """Change columns of a row and return it."""
        row = self._tables[table][id]
        before = {column: row[column] for column in changes if column in row}
        added = [column for column in changes if column not in row]

        def undo() -> None:
            row.update(before)
            for column in added:
                del row[column]

        row.update(changes)
        self._log(undo)
        return row

    def delete(self, table: str, id: int) -> None:
        """Remove a row."""
        row = self._tables[table].pop(id)
        # A row that comes back goes to the end of the table: nothing here relies on that order
        # after a roll-back, and the hub promises none without an ORDER BY.
        self._log(lambda: self._tables[table].__setitem__(id, row))

    def event(self) -> int:
        """Return the event id of this transaction, allocated at its first use."""
        if self._event is None:
            event = self.insert("events", {"ts": self.seconds()})["id"]
            self._event = event

            def undo() -> None:
                self._event = None

            self._log(undo)
        assert self._event is not None
        return self._event

    def insert_version(self, table: str, row: Row, user_id: int | None) -> Row:
        """Store a row of a versioned table, created by this transaction's event."""
        event = self.event()
        versioned = {"create_event": event, "creator_id": user_id}
        return self.insert(table, {**row, **versioned, "revoke_event": None, "revoker_id": None})

    def revoke(self, table: str, id: int, user_id: int | None) -> Row:
        """End the validity of a row of a versioned table at this transaction's event."""
        return self.update(table, id, revoke_event=self.event(), revoker_id=user_id)

    def touch(self) -> None:
        """Count this transaction as one that changed something, though no row did."""
        self._log(lambda: None)

    # Transactions

    def on_commit(self, hook: Callable[[], None]) -> None:
        """Call the hook when the outermost transaction is committed; never if it is undone."""
        if not self.depth:
            hook()
            return
        self._commit_hooks.append(hook)
        self._undo.append(lambda: self._commit_hooks.remove(hook))

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Undo every change made inside if the block raises.

        Nested, it is a savepoint: the inner one's failure leaves the outer one's changes alone.
        The outermost one has an event id of its own and runs the commit hooks at its end.
        """
        mark = len(self._undo)
        self.depth += 1
        if self.depth == 1:
            self.changed = False
        try:
            yield
        except BaseException:
            while len(self._undo) > mark:
                self._undo.pop()()
            raise
        finally:
            self.depth -= 1
            if not self.depth:
                self.changed = bool(self._undo)
                self._undo.clear()
                self._event = None
                hooks, self._commit_hooks = self._commit_hooks, []
        if not self.depth:
            for hook in hooks:
                hook()

    def _log(self, undo: Callable[[], None]) -> None:
        if self.depth:
            self._undo.append(undo)


def in_force(row: Row, event: int | None = None) -> bool:
    """Tell whether a row of a versioned table is in force, now or at an event."""
    revoked = row["revoke_event"]
    if event is None:
        return revoked is None
    return bool(row["create_event"] <= event and (revoked is None or event < revoked))
