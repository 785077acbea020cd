"""Turns the events of a hub into changes: reads, collects, converts and stores them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from twisted.logger import Logger

from buildbot_koji.changes.context import SourceContext
from buildbot_koji.changes.feed import HubFeed
from buildbot_koji.changes.interruption import Interrupted
from buildbot_koji.changes.mapping import change_of
from buildbot_koji.changes.pacing import PendingEvents
from buildbot_koji.changes.recorder import ChangeRecorder
from buildbot_koji.changes.set_aside import SetAside, is_passing
from buildbot_koji.changes.storage import change_key
from buildbot_koji.durable.unreadable import reading
from txkoji import Connection, Cursor, Event, one_line

LONGEST_REASON = 300
"""Characters of an error in the log: a database repeats the statement."""


class EventIntake:
    """The events of one source, from the hub to stored changes.

    The cursor that is stored never passes an event that has not become a change. Only one of its
    methods may run at a time; the caller holds a lock. Changes are stored under the master's own
    lock, so that schedulers don't start or stop meanwhile.

    Attributes:
        recorder: stores the changes.
        pending: the events that wait for the quiet time to pass.
        set_aside: the events that can't become changes.
        is_paused: whether the source was paused when that was last read.
    """

    _log = Logger()

    def __init__(self, context: SourceContext, announced: int) -> None:
        self._context = context
        self._name = context.name
        self._options = context.options
        self._limits = context.limits
        self._interruption = context.interruption
        self._elapsed = context.elapsed
        self._loaded_feed: HubFeed | None = None
        self._saved: tuple[Cursor, int | None] | None = None
        self.recorder = ChangeRecorder(
            context,
            lambda change, error: self._set_aside(change_key(change), error),
            announced,
        )
        self.pending = PendingEvents(self._options.quiet_time, self._limits.longest_quiet)
        self.set_aside = SetAside()
        self.is_paused = False

    async def load(self, connection: Connection) -> None:
        """Take the claim, and read what was stored before.

        Args:
            connection: the hub.
        """
        await self.recorder.load()
        stored = self.recorder.state.cursor
        with reading("the cursor of a change source"):
            cursor = None if stored is None else Cursor.from_json(stored)
        if cursor is not None:
            self._saved = (cursor, self.recorder.counted)
            await self.recorder.read_back(cursor.horizon)
        self._loaded_feed = HubFeed(self._context, connection, self._may_fit, cursor)

    @property
    def _feed(self) -> HubFeed:
        assert self._loaded_feed is not None, "load() comes first"
        return self._loaded_feed

    @property
    def unusable(self) -> int:
        """How many events and records of the hub can't become changes."""
        left_out = 0 if self._loaded_feed is None else len(self._loaded_feed.left_out)
        return len(self.set_aside) + left_out

    @property
    def unusable_reason(self) -> str:
        """Why the last of those can't become a change."""
        left_out = None if self._loaded_feed is None else self._loaded_feed.left_out
        return ": ".join(list(left_out.items())[-1]) if left_out else self.set_aside.reason

    @property
    def next_time(self) -> float | None:
        """When :meth:`store` has something to do, in elapsed time; None for never."""
        if self.is_paused:
            return None
        releases_at = self.recorder.releases_at
        ahead = self._context.now() - self._elapsed.seconds()
        releases = None if releases_at is None else releases_at - ahead
        times = (self.pending.ready_at, releases)
        return min((time for time in times if time is not None), default=None)

    @property
    def waiting_since(self) -> float | None:
        """Since when the oldest event waits to become a change; None if none does."""
        since = self.pending.since
        pending = None if since is None else self._elapsed.moment(since)
        times = (pending, self.recorder.held_since)
        return min((time for time in times if time is not None), default=None)

    async def read_pause(self) -> bool:
        """Return whether the source is paused; another master may have done it."""
        is_paused = await self._context.storage.is_paused()
        if is_paused != self.is_paused:
            self.is_paused = is_paused
            words = "is paused" if is_paused else "resumes"
            self._log.info("{name}: {words}", name=self._name, words=words)
        return is_paused

    # From the hub

    async def poll(self) -> None:
        """Add what happened since the last poll to the pending events.

        Raises:
            KojiException: the hub is unreachable, or refused; the cursor stays where it is.
        """
        if self._feed.cursor is None:
            await self._feed.start_now(self._options.start_time(self._context.now()))
            await self._save()
        self.pending.add(await self._feed.poll(self._is_known), self._elapsed.seconds())

    async def retry_set_aside(self) -> None:
        """Retry the events that could not become changes: the hub may have corrected them."""
        for event in self.set_aside.due(self._limits.batch, self._elapsed.seconds()):
            key = str(event.key)
            try:
                again = await self._feed.read_again(event)
            except Interrupted:
                raise
            except Exception as error:  # noqa: BLE001 - it must not stop the others
                if is_passing(error):
                    return
                self._set_aside(key, error)
                continue
            if again is None:
                self.set_aside.discard(key)
            else:
                self.pending.add([again], self._elapsed.seconds())

    async def confirm(self, reported: Event) -> bool:
        """Add what the hub knows of a reported event to the pending events.

        Returns:
            Whether the hub was asked: otherwise the next poll finds the event.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
        if self.is_paused or self._feed.cursor is None:
            return False
        found = await self._feed.confirm(reported)
        news = [event for event in found if not self._is_known(str(event.key))]
        self.pending.add(news, self._elapsed.seconds())
        return True

    def _is_known(self, key: str) -> bool:
        return key in self.pending or key in self.set_aside or self.recorder.knows(key)

    # To the database

    async def store(self) -> None:
        """Turn the pending events into changes, and store held-back ones as the limit allows.

        Raises:
            KojiException: the hub is unreachable, or refused; the events stay pending.
        """
        lock = self._context.master.initLock
        while self.pending and not self.is_paused:
            events = await self._feed.complete(
                self.pending.first(self._limits.batch),
                lambda event, error: self._set_aside(str(event.key), error),
            )
            await self._interruption.locked(lock, partial(self._record, events))
        while self.recorder.may_release(self._context.now()) and not self.is_paused:
            await self._interruption.locked(lock, self._release)
        await self._save()

    async def _record(self, events: Sequence[Event]) -> None:
        if await self.read_pause():
            # They stay pending.
            return
        changes = []
        for event in events:
            key = str(event.key)
            try:
                change = self._convert(event)
            except Exception as error:  # noqa: BLE001 - it must not stop the others
                self._set_aside(key, error)
                continue
            if change is None:
                self.recorder.dismiss(key, event.when or 0.0, self._context.now())
                self._done_with(key)
            else:
                changes.append((key, change))
        done = await self.recorder.record(
            [change for _, change in changes],
            self._context.now(),
            lambda: not self._interruption.is_stopped,
        )
        for key, _ in changes[:done]:
            if key in self.pending:
                self._done_with(key)

    def _may_fit(self, event: Event) -> bool:
        """Return whether an event, whose details may still be missing, can become a change."""
        try:
            return self._options.may_fit(event)
        except Exception:  # noqa: BLE001 - _convert() meets it again, and tells which event it is
            return True

    def _convert(self, event: Event) -> dict[str, Any] | None:
        """Return the arguments of ``addChange`` for a complete event; None if it does not fit."""
        options = self._options
        try:
            if not options.fits(event):
                return None
        except Exception:  # noqa: BLE001 - a mistake in a function of master.cfg must lose nothing
            self._log.failure(
                "{name}: the filter failed at {key}, which becomes a change",
                name=self._name,
                key=event.key,
            )
        change = change_of(event, source=self._name, hub=options.hub_name, project=options.project)
        return change if options.codebase is None else {**change, "codebase": options.codebase}

    async def _release(self) -> None:
        if not await self.read_pause():
            await self.recorder.release(self._limits.batch, self._context.now())

    def _done_with(self, key: str) -> None:
        self.pending.discard(key)
        if self.set_aside.discard(key):
            self._log.info("{name}: the event {key} is usable now", name=self._name, key=key)

    def _set_aside(self, key: str, error: Exception) -> None:
        """Set an event aside that can't become a change, and log each reason once."""
        reason = one_line(f"{type(error).__name__}: {error}", LONGEST_REASON)
        if self.set_aside.add(key, self.pending.get(key), reason, self._elapsed.seconds()):
            self._log.warn(
                "{name}: the event {key} can't become a change: {reason}",
                name=self._name,
                key=key,
                reason=reason,
            )
        self.pending.discard(key)

    async def _save(self) -> None:
        """Write the state if it changed and no event is pending."""
        cursor = self._feed.cursor
        if cursor is None or self.pending:
            return
        resume_at = self._resume_at(cursor)
        saved = (resume_at, self.recorder.counted)
        if saved != self._saved:
            self.recorder.state.cursor = resume_at.to_json()
            await self.recorder.save()
            self._saved = saved
        # No later poll reports an event before the cursor, except in tags that are found later:
        # of those, none was stored.
        self.recorder.forget(cursor.begin.time)

    def _resume_at(self, cursor: Cursor) -> Cursor:
        """Return where to continue after a restart: no event that is set aside lies before it."""
        if self.set_aside and self._saved is not None:
            before, _ = self._saved
            if cursor.begin.time - before.begin.time < self._limits.set_aside:
                return before
        return cursor
