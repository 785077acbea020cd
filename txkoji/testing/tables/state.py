"""What an embedded hub knows: tables, sequences, events, transactions.

Pure: no I/O, no reactor; the time comes from the clock that is passed in.
It does not know what the rows mean: hub methods do.
"""

from __future__ import annotations

import bisect
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.tables.columns import DEFAULTS, KEYS, check_columns

Row = dict[str, Any]
Record = tuple[str, Any, Any]
"""A collection's name, a key, and its value: None after a deletion."""

SEQUENCES = "sequences"
"""The collection of the sequences among saved records; no table may have this name."""


class HubState:
    """Tables of rows with undo, numbered like a hub's database.

    Each table numbers its rows with a sequence of its own, from 1 up, never reused, not even after
    a rollback, as PostgreSQL's sequences do. Events are the rows of the table ``events``.
    Rows of *versioned* tables (tag configurations, inheritance, tag listings, ...) hold
    ``create_event``, ``creator_id``, ``revoke_event`` and ``revoker_id``: see :meth:`active`.

    Args:
        seconds: gives the time, in seconds since the epoch.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self.seconds = seconds
        self._tables: dict[str, dict[int, Row]] = defaultdict(dict)
        self._sequences: dict[str, int] = defaultdict(int)
        self._undo: list[Callable[[], object]] = []
        self._event: int | None = None
        self._commit_hooks: list[Callable[[], None]] = []
        self._touched: set[tuple[str, Any]] = set()
        self.before_commit: Callable[[], None] | None = None
        self.listeners: list[Callable[[Any], None]] = []
        self._change_hooks: dict[str, Callable[[], None]] = {}
        self._indexed: dict[str, list[str]] = defaultdict(list)
        self._last_changes: dict[tuple[str, int], int] = {}
        self._indexes: dict[tuple[str, str], dict[Any, dict[int, Row]]] = {}
        self.depth = 0

    def add_index(self, table: str, column: str) -> None:
        """Index a column for :meth:`rows`; the table must be empty.

        Of several columns of a table, the one that was added first is used first.
        """
        self._indexed[table].append(column)
        self._indexes[table, column] = defaultdict(dict)

    def _put(self, table: str, row: Row) -> None:
        self._tables[table][row["id"]] = row
        for column in self._indexed.get(table, ()):
            self._indexes[table, column][row[column]][row["id"]] = row

    def _drop(self, table: str, id: int) -> Row:
        row = self._tables[table].pop(id)
        for column in self._indexed.get(table, ()):
            del self._indexes[table, column][row[column]][id]
        return row

    def _set(self, table: str, row: Row, values: Row) -> None:
        moved = [
            each
            for each in self._indexed.get(table, ())
            if row[each] != values.get(each, row[each])
        ]
        for column in moved:
            del self._indexes[table, column][row[column]][row["id"]]
        row.update(values)
        for column in moved:
            rows = self._indexes[table, column]
            rows[row[column]] = dict(sorted({**rows[row[column]], row["id"]: row}.items()))

    def _candidates(self, table: str, equal: dict[str, Any]) -> Iterable[Row]:
        for column in self._indexed.get(table, ()):
            if column in equal:
                return self._indexes[table, column].get(equal[column], {}).values()
        return self._tables[table].values()

    # Reading

    def get(self, table: str, id: int | None) -> Row | None:
        """Return the row with that id, or None."""
        return None if id is None else self._tables[table].get(id)

    def row(self, table: str, id: int) -> Row:
        """Return the row with that id; KeyError if there is none."""
        return self._tables[table][id]

    def rows(self, table: str, **equal: Any) -> list[Row]:
        """Return the rows whose columns equal the given values, in the order of their ids."""
        found = self._candidates(table, equal)
        if not equal:
            return list(found)
        wanted = equal.items()
        return [row for row in found if all(row.get(name) == value for name, value in wanted)]

    def one(self, table: str, **equal: Any) -> Row | None:
        """Return the first row whose columns equal the given values, or None."""
        for row in self._candidates(table, equal):
            if all(row.get(column) == value for column, value in equal.items()):
                return row
        return None

    def active(self, table: str, event: int | None = None, **equal: Any) -> list[Row]:
        """Return the active rows of a versioned table.

        Args:
            table: the table.
            event: an event id: the rows that were active then; None for now.
            equal: values that the columns must equal.

        Raises:
            GenericError: the event is no number.
        """
        check_event(event)
        return [row for row in self.rows(table, **equal) if in_force(row, event)]

    def current(self, table: str, event: int | None = None, **equal: Any) -> Row | None:
        """Return the first active row of a versioned table, or None."""
        return next(iter(self.active(table, event, **equal)), None)

    @property
    def changed(self) -> bool:
        """Whether the current transaction has changed anything."""
        return bool(self._undo)

    # Saving

    def restore(self, records: Iterable[Record]) -> None:
        """Take over records that :meth:`changes` gave once; those of a table by ascending ids."""
        for table, key, value in records:
            if table == SEQUENCES:
                self._sequences[key] = value
            else:
                self._put(table, value)
                if "revoke_event" in value and "tag_id" in value:
                    event = max(value["create_event"], value["revoke_event"] or 0)
                    key = table, value["tag_id"]
                    self._last_changes[key] = max(event, self._last_changes.get(key, 0))

    def changes(self) -> list[Record]:
        """Return the rows and sequences that were written since the last call."""
        touched, self._touched = self._touched, set()
        return [
            (table, key, self._sequences[key] if table == SEQUENCES else self.get(table, key))
            for table, key in touched
        ]

    # Writing

    def next_id(self, sequence: str) -> int:
        """Return the next number of a sequence; a rollback does not return it."""
        self._sequences[sequence] += 1
        self._touch(SEQUENCES, sequence)
        return self._sequences[sequence]

    def rewind(self, sequence: str, last: int) -> None:
        """Drop the rows after an id, and number the next ones from there, as a restored backup."""
        for dropped in [each for each in self._tables[sequence] if each > last]:
            self.delete(sequence, dropped)
        self._sequences[sequence] = last

    def insert(self, table: str, row: Row, *, id: int | None = None) -> Row:
        """Store a row under ``row["id"]``, drawn from the table's sequence unless given.

        Raises:
            UnknownFault: (1) a column is of another type.
        """
        row = {**DEFAULTS.get(table, {}), **check_columns(table, row)}
        if id is None:
            number = self.next_id(table)
        else:
            number = id
            self._sequences[table] = max(self._sequences[table], id)
            self._touch(SEQUENCES, table)
        stored = {"id": number, **row}
        self._put(table, stored)
        self._log(lambda: self._drop(table, number))
        self._touch(table, number)
        return stored

    def update(self, table: str, id: int, **changes: Any) -> Row:
        """Change columns of a row and return it."""
        changes = check_columns(table, changes)
        row = self._tables[table][id]
        before = {column: row[column] for column in changes if column in row}
        added = [column for column in changes if column not in row]

        def undo() -> None:
            self._set(table, row, before)
            for column in added:
                del row[column]

        self._set(table, row, changes)
        self._log(undo)
        self._touch(table, id)
        return row

    def delete(self, table: str, id: int) -> None:
        """Remove a row."""
        row = self._drop(table, id)
        # A rollback puts the row at the end of the table: the hub promises no order without an
        # ORDER BY.
        self._log(lambda: self._put(table, row))
        self._touch(table, id)

    def event(self) -> int:
        """Return the event id of this transaction, allocated at its first use (``end_event``)."""
        if self._event is None:
            event = self.insert("events", {"ts": self.seconds()})["id"]
            self._event = event

            def undo() -> None:
                self._event = None

            self._log(undo)
        assert self._event is not None
        return self._event

    def end_event(self) -> None:
        """Let what follows in this transaction happen at an event of its own."""
        event = self._event

        def undo() -> None:
            self._event = event

        self._event = None
        self._log(undo)

    def insert_version(self, table: str, row: Row, user_id: int | None) -> Row:
        """Store a row of a versioned table at this transaction's event.

        It takes the place of the active row of the same key, if there is one.
        """
        self.revoke_all(table, user_id, **pick(row, KEYS[table]))
        event = self.event()
        versioned = {"create_event": event, "creator_id": user_id}
        self._note_change(table, row, event)
        return self.insert(table, {**row, **versioned, "revoke_event": None, "revoker_id": None})

    def revoke(self, table: str, id: int, user_id: int | None) -> Row:
        """Revoke a row of a versioned table at this transaction's event."""
        event = self.event()
        self._note_change(table, self.row(table, id), event)
        return self.update(table, id, revoke_event=event, revoker_id=user_id)

    def revoke_all(self, table: str, user_id: int | None, /, **equal: Any) -> None:
        """Revoke the active rows whose columns equal the given values."""
        for row in self.active(table, None, **equal):
            self.revoke(table, row["id"], user_id)

    def _note_change(self, table: str, row: Row, event: int) -> None:
        if "tag_id" not in row:
            return
        key = table, row["tag_id"]
        before = self._last_changes.get(key, 0)
        self._last_changes[key] = event
        self._log(lambda: self._last_changes.update({key: before}))

    def last_change(self, table: str, tag_id: int) -> int:
        """Return the last event at which a versioned table changed for a tag; 0 for none."""
        return self._last_changes.get((table, tag_id), 0)

    def last_event(self, before: float) -> int:
        """Return the id of the last event that is not younger than a time; 0 for none."""
        events = self._tables["events"]

        def existing(number: int) -> int:
            # A rollback leaves gaps.
            while number and number not in events:
                number -= 1
            return number

        def seconds(number: int) -> float:
            found = existing(number)
            return float(events[found]["ts"]) if found else 0.0

        numbers = range(1, self._sequences["events"] + 1)
        return existing(bisect.bisect_right(numbers, before, key=seconds))

    def touch(self) -> None:
        """Mark this transaction as one that wrote, though no row changed."""
        self._log(lambda: None)

    # Transactions

    def on_commit(self, hook: Callable[[], None]) -> None:
        """Call the hook when the outermost transaction commits; never after a rollback."""
        if not self.depth:
            hook()
            return
        self._commit_hooks.append(hook)
        self._undo.append(lambda: self._commit_hooks.remove(hook))

    def on_change(self, table: str, hook: Callable[[], None]) -> None:
        """Call the hook after each commit that changed a table, perhaps more than once."""
        self._change_hooks[table] = hook

    def announce(self, make: Callable[[], Any]) -> None:
        """Notify the listeners of a change when it commits; never after a rollback.

        Args:
            make: makes the notice, from the tables as they are now.
        """
        if not self.listeners:
            return
        notice = make()

        def notify() -> None:
            for listener in self.listeners:
                listener(notice)

        self.on_commit(notify)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Roll back the changes of the block if it raises.

        Nested, it is a savepoint: its failure leaves the outer transaction's changes alone.
        The outermost one has an event id of its own; at its end ``before_commit`` is called, after
        a rollback too because sequences keep their numbers, then the commit hooks.
        """
        mark = len(self._undo)
        hooks: list[Callable[[], None]] = []
        self.depth += 1
        try:
            yield
        except BaseException:
            while len(self._undo) > mark:
                self._undo.pop()()
            raise
        finally:
            self.depth -= 1
            if not self.depth:
                self._undo.clear()
                self._event = None
                hooks, self._commit_hooks = self._commit_hooks, []
                if self.before_commit is not None:
                    self.before_commit()
        for hook in hooks:
            hook()

    def _log(self, undo: Callable[[], object]) -> None:
        if self.depth:
            self._undo.append(undo)

    def _touch(self, table: str, key: Any) -> None:
        hook = self._change_hooks.get(table)
        if hook is not None:
            self.on_commit(hook)
        if self.before_commit is None:
            return
        self._touched.add((table, key))
        if not self.depth:
            self.before_commit()


def pick(row: Mapping[str, Any], columns: str) -> dict[str, Any]:
    """Return the columns of a row whose names stand in a text."""
    return {column: row[column] for column in columns.split()}


def check_event(event: Any) -> None:
    """Refuse what is no event, in the hub's words; None is now."""
    if event is not None and not isinstance(event, int):
        raise GenericError(f"Invalid event: {event!r}")


def in_force(row: Row, event: int | None = None) -> bool:
    """Return whether a row of a versioned table is active, now or at an event."""
    # A state file of an earlier version may hold rows without a history.
    revoked = row.get("revoke_event")
    if event is None:
        return revoked is None
    return bool(row.get("create_event", 0) <= event and (revoked is None or event < revoked))
