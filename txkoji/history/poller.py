"""What happened on a hub since the last poll: complete, from the hub's own records.

Koji numbers what happens to its tags (events), and records when builds and tasks end. A round asks
for everything after a checkpoint. A transaction draws its event id, and its time, before it
commits; so a checkpoint is settled only when it is older than the longest transaction is likely to
take (``overlap``), and events that were reported before are recognized by their keys.
"""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from twisted.logger import Logger

from txkoji._deferreds import returns_deferred
from txkoji.exceptions import GenericError, UnusableAnswer
from txkoji.gathering import gather
from txkoji.history.cursor import Checkpoint, Cursor
from txkoji.history.details import Details
from txkoji.history.events import (
    BuildPromote,
    BuildStateChange,
    Event,
    PackageListChange,
    RepoDone,
    RPMSign,
    TagUntag,
    TaskStateChange,
)
from txkoji.history.hub import BatchedCalls, RichHub
from txkoji.history.interest import Interest
from txkoji.history.paging import PAGE
from txkoji.history.queries import (
    Builds,
    GeneratedBuilds,
    Promotions,
    Query,
    Repos,
    Scope,
    Signatures,
    TagHistory,
    Tasks,
)
from txkoji.history.tags import TagWatch
from txkoji.history.unusable import UnusableItems
from txkoji.retry import is_passing_trouble

HELD = 4000
"""Rows that :meth:`Poller.tag_changes` holds at a time, of all tags together."""

SAME = 0.5
"""Seconds by which two times of one event may differ: replies round them."""

MOST_RESTORES = 100
"""How many restores of a hub a cursor remembers, the last ones."""

UNKNOWN_SINCE = 3600.0
"""Seconds to look back once the hub's clock was set back, if an earlier process made the last
round: it is unknown how long ago that was."""


@dataclass(frozen=True)
class Round:
    """The result of a round of the poll.

    Attributes:
        events: what happened, oldest first.
        cursor: where to continue once the events are handled.
    """

    events: list[Event]
    cursor: Cursor


class Poller:
    """Asks a hub what happened. Its Deferreds fail with a KojiException if it can't answer.

    The calls of a round travel together: a round in which nothing happened is one request.

    Args:
        connection: a :class:`txkoji.Connection`.
        interest: what to look for.
        overlap: seconds that a transaction of the hub may take.
        page: how many rows to read at a time.
        name: who asks; each log line begins with it. By default the hub's address.

    Attributes:
        tags: a :class:`txkoji.history.tags.TagWatch`: the watched tags.
        unusable: a :class:`txkoji.history.unusable.UnusableItems`: what was left out.
    """

    _log = Logger()

    def __init__(
        self,
        connection: RichHub,
        interest: Interest,
        *,
        overlap: float = 300.0,
        page: int = PAGE,
        name: str | None = None,
    ) -> None:
        batch = BatchedCalls(connection.client)
        self._client = connection.client
        self._name = connection.client.url if name is None else name
        self._checked = batch.checked
        self._interest = interest
        self._overlap = overlap
        self.tags = TagWatch(
            connection.client,
            interest.tags,
            inherited=interest.inherited,
            batch=batch,
            name=self._name,
        )
        self.unusable = UnusableItems(self._name)
        scope = Scope(connection, batch, interest, self.tags, page, self.unusable)
        self._latest = scope.latest
        self._history = TagHistory(scope)
        self._generated = GeneratedBuilds(scope)
        self._queries: dict[type[Event], Query] = {
            TagUntag: self._history,
            PackageListChange: self._history,
            BuildStateChange: Builds(scope),
            BuildPromote: Promotions(scope),
            TaskStateChange: Tasks(scope),
            RepoDone: Repos(scope),
            RPMSign: Signatures(scope),
        }
        self._details = Details(connection, batch, interest)
        self._asked_at: float | None = None
        # The time of the latest event that a message reported and the hub confirmed, before the hub
        # was restored.
        self._confirmed = 0.0

    @returns_deferred
    async def baseline(self, since: float | None = None) -> Cursor:
        """Return a Deferred of the cursor for a first run.

        Args:
            since: where to start, in seconds since the epoch; by default now.
        """
        before = {} if since is None else {"before": since}
        found = await self._checked("getLastEvent", strict=False, **before) or {"id": 0, "ts": None}
        time = found["ts"] if since is None else since
        if time is None:
            # The hub's own clock counts if possible: ours may differ.
            time = self._client.reactor.seconds()
        start = Checkpoint(found["id"], time, found["ts"])
        return Cursor(floor=time, checkpoints=(start,), names=start)

    @returns_deferred
    async def round(self, cursor: Cursor, *, known: Callable[[str], bool]) -> Round:
        """Ask for everything that happened since a cursor.

        Args:
            cursor: where the last round ended.
            known: returns whether the event with a key need not be reported again.

        Returns:
            A Deferred of a :class:`Round`. Its events have what their own records say;
            :meth:`complete` adds the details. After a failed round the next one finds everything.
        """
        limit = self._latest()
        cursor = cursor.no_later_than(limit)
        # The hub carries out the calls of a request in order: getLastEvent comes first, so that
        # the checkpoint is no later than what the queries have seen.
        newest = cursor.checkpoints[-1]
        before = cursor.begin.time - SAME
        latest, earlier, has_newest, (refreshed, found) = await gather(
            [
                self._checked("getLastEvent"),
                self._before(before),
                self._has(newest),
                self._query(cursor),
            ]
        )
        if latest is None:
            raise UnusableAnswer("getLastEvent", None)
        if latest["id"] < newest.event or not has_newest:
            restored = await self._rebased(cursor)
            if restored.begin.event < newest.event:
                return await self.round(restored, known=known)
        now = self._client.reactor.seconds()
        last = min(latest["ts"] or 0.0, limit)
        if earlier is not None and earlier["id"] > newest.event and earlier["ts"] < before:
            # An event that is later by its id, and earlier by the clock: by more than the overlap,
            # unless this is one of the first rounds.
            return await self.round(await self._set_back(cursor, earlier, now), known=known)
        self._asked_at = now
        self._history.settle()
        # If the clock was set back since, what was found is ahead of it.
        read = max(last, min(_latest_time(found), last + self._overlap))
        time = max(min(read, limit), cursor.checkpoints[-1].time)
        checkpoint = Checkpoint(latest["id"], time, latest["ts"])
        return Round(
            self._news(found, cursor, known),
            cursor.after(
                checkpoint,
                self._overlap,
                names=checkpoint if refreshed else cursor.names,
                reserved=self._generated.reserved_since(time),
            ),
        )

    async def _has(self, checkpoint: Checkpoint) -> bool:
        """Return whether the hub still has the event of a checkpoint, and no other under its id."""
        if checkpoint.event_time is None:
            return True
        try:
            found = await self._checked("getEvent", checkpoint.event)
        except GenericError as error:
            if type(error) is not GenericError:
                raise
            return False
        return bool(found and abs((found["ts"] or 0.0) - checkpoint.event_time) < SAME)

    async def _rebased(self, cursor: Cursor) -> Cursor:
        """Return a cursor for a hub that was restored: its ids have started over."""
        self._log.warn(
            "{name}: the hub has lost its last events, as if restored from a backup: looking again"
            " at what happened since",
            name=self._name,
        )
        time = cursor.horizon
        found = await self._checked("getLastEvent", strict=False, before=time)
        found = found or {"id": 0, "ts": None}
        start = Checkpoint(found["id"], time, found["ts"])
        return replace(self._restored(cursor), checkpoints=(start,), names=start)

    def _restored(self, cursor: Cursor) -> Cursor:
        """Return a cursor that knows that the hub was restored after what it has seen."""
        restores = (*cursor.restores, max(cursor.checkpoints[-1].time, self._confirmed))
        return replace(cursor, restores=restores[-MOST_RESTORES:])

    async def _before(self, time: float) -> Any:
        """Return the hub's latest event before a time, None if there is none or it has no time."""
        found = await self._checked("getLastEvent", strict=False, before=time)
        return None if found is None or found["ts"] is None else found

    async def _set_back(self, cursor: Cursor, earlier: Any, now: float) -> Cursor:
        """Return a cursor for a hub whose clock was set back: its times have started over.

        ``earlier`` is an event since then that is before the cursor by the clock; ``now`` is our
        own time.
        """
        lost = cursor.begin.time - earlier["ts"]
        # What ended before the first event, and after the clock was set back.
        step = UNKNOWN_SINCE if self._asked_at is None else max(now - self._asked_at, 0.0)
        step += self._overlap
        time = earlier["ts"] - step
        while time > 0 and (found := await self._before(time)) and found["id"] > cursor.begin.event:
            step *= 2
            time = found["ts"] - step
        if lost > self._overlap:
            self._log.warn(
                "{name}: the hub's clock was set back by {seconds:.0f} s or more: looking again at"
                " what happened since",
                name=self._name,
                seconds=lost,
            )
        start = replace(cursor.begin, time=time)
        names = cursor.names.no_later_than(time)
        return replace(cursor, floor=min(cursor.floor, time), checkpoints=(start,), names=names)

    async def _query(self, cursor: Cursor) -> tuple[bool, list[Event]]:
        """Return whether the tags were looked up again, and all events that the queries find."""
        refreshed = await self.tags.refresh()
        if refreshed:
            await self._generated.refresh()
        queries = dict.fromkeys([*self._queries.values(), self._generated])
        found = await gather([query.since(cursor) for query in queries])
        return refreshed, [event for events in found for event in events]

    def _news(
        self, found: Sequence[Event], cursor: Cursor, known: Callable[[str], bool]
    ) -> list[Event]:
        """Return the events to report, each once, oldest first."""
        news: dict[str, Event] = {}
        for event in (_with_generation(each, cursor) for each in found):
            key = event.key
            if key is not None and self._interest.covers(event, cursor.floor) and not known(key):
                news.setdefault(key, event)
        return sorted(news.values(), key=lambda event: event.when or 0.0)

    def tag_changes(self, after: int, last: int, *, held: int = HELD) -> AsyncIterator[TagUntag]:
        """Iterate over the changes of the watched tags that :attr:`tags` found, oldest first.

        Args:
            after: the id of the event to begin after.
            last: the id of the last event to yield.
            held: how many rows to hold at a time; at least 25 of each tag and kind are.
        """
        listings = [(tag_id, action) for tag_id in self.tags.names for action in ("tag", "untag")]
        largest = max(held // max(len(listings), 1), 25)
        return _merged(
            [
                self._history.in_order(tag_id, action, after, last, largest)
                for tag_id, action in listings
            ]
        )

    @returns_deferred
    async def confirm(self, reported: Event, cursor: Cursor) -> list[Event]:
        """Ask the hub for the event that a message reports.

        Args:
            reported: the event that :func:`txkoji.messages.read` made of the message.
            cursor: where the last round ended.

        Returns:
            A Deferred of the events that the hub knows of it: none if the message is about
            something outside of the interest, is wrong, or older than the cursor.
        """
        if reported.name not in self._interest.names or not self._interest.wanted(reported):
            return []
        try:
            has_newest, found = await gather(
                [
                    self._has(cursor.checkpoints[-1]),
                    self._queries[type(reported)].like(reported, cursor),
                ]
            )
        except GenericError as error:
            if type(error) is not GenericError:
                raise
            # The hub does not know the object of the message.
            return []
        if has_newest:
            self._confirmed = max(self._confirmed, _latest_time(found))
        else:
            # The next round will see that, too.
            cursor = self._restored(cursor)
        return [
            _with_generation(event, cursor)
            for event in found
            if event.key and self._interest.covers(event, cursor.floor)
        ]

    @returns_deferred
    async def complete(self, found: Sequence[Event]) -> list[Event]:
        """Add the details that the events' own records lack: builds, tasks, RPMs, owners.

        Returns:
            A Deferred of the events, in the same order. One whose details can't be used stays as it
            is (see :attr:`unusable`).
        """
        return await gather([self._with_details(event) for event in found])

    async def _with_details(self, event: Event) -> Event:
        try:
            complete = await self._details.added_to(event)
        except Exception as error:
            if is_passing_trouble(error):
                raise
            self.unusable.add(f"the rest of {event.key}", error)
            return event
        self.unusable.discard(f"the rest of {event.key}")
        return complete


def _with_generation(event: Event, cursor: Cursor) -> Event:
    """Return an event that knows after how many restores of the hub it happened."""
    generation = cursor.generation(event.when)
    return replace(event, generation=generation) if generation else event


def _latest_time(events: Sequence[Event]) -> float:
    """Return the time of the latest event that the hub's clock timed.

    The end of a build may be a content generator's word.
    """
    return max((event.when or 0.0 for event in events if event.build is None), default=0.0)


async def _merged(listings: Sequence[AsyncIterator[TagUntag]]) -> AsyncIterator[TagUntag]:
    """Merge listings, each in the order of the hub's events, into one.

    An untagging is left out if the same event tags the build again: tagging by force does that.
    """
    event_id: int | None = None
    tagged: set[tuple[int | None, int]] = set()
    firsts = await gather([_next(listing) for listing in listings])
    heap = [(_place(first), number, first) for number, first in enumerate(firsts) if first]
    heapq.heapify(heap)
    while heap:
        _, number, event = heap[0]
        if event.event_id != event_id:
            event_id = event.event_id
            tagged.clear()
        build = (event.tag_id, event.build.build_id)
        if event.action == "tag":
            tagged.add(build)
            yield event
        elif build not in tagged:
            yield event
        following = await _next(listings[number])
        if following is None:
            heapq.heappop(heap)
        else:
            heapq.heapreplace(heap, (_place(following), number, following))


async def _next(listing: AsyncIterator[TagUntag]) -> TagUntag | None:
    return await anext(listing, None)


def _place(event: TagUntag) -> tuple[int, bool, int, int]:
    """Return the sort key of an event: within one hub event, taggings come first."""
    return (event.event_id or 0, event.action != "tag", event.tag_id or 0, event.build.build_id)
