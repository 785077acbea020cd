"""What happened on a hub since the last look: complete, from the hub's own records.

Koji numbers what happens to its tags (events), and records when builds and tasks end. A round asks
for everything after a checkpoint. A transaction draws its event id, and its time, before it
commits; so a checkpoint is settled only when it is older than the longest transaction is likely to
take (``overlap``), and events that were reported before are recognised by their keys.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from txkoji._deferreds import returns_deferred
from txkoji.gathering import gather
from txkoji.history.confirmation import Confirmation
from txkoji.history.cursor import Checkpoint, Cursor
from txkoji.history.details import Details
from txkoji.history.events import Event
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
    TagHistory,
    Tasks,
)
from txkoji.history.tags import TagWatch

__all__ = ["Checkpoint", "Cursor", "Interest", "Poller", "Round"]


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
    """Asks a hub what happened.

    The calls of a round travel together: a round in which nothing happened is one request.

    Args:
        connection: a :class:`txkoji.Connection`.
        interest: what to look for.
        overlap: seconds that a transaction of the hub may take.
        page: how many rows to read at a time.

    Attributes:
        tags: a :class:`txkoji.history.tags.TagWatch`: the watched tags.
    """

    def __init__(
        self, connection: RichHub, interest: Interest, *, overlap: float = 300.0, page: int = PAGE
    ) -> None:
        batch = BatchedCalls(connection.client)
        self._client = connection.client
        self._call = batch.call
        self._interest = interest
        self._overlap = overlap
        self.tags = TagWatch(
            connection.client, interest.tags, inherited=interest.inherited, batch=batch
        )
        scope = Scope(connection, batch, interest, self.tags, page)
        self._history = TagHistory(scope)
        self._generated = GeneratedBuilds(scope)
        repos = Repos(scope)
        self._queries: tuple[Query, ...] = (
            self._history,
            Builds(scope),
            self._generated,
            Promotions(scope),
            Tasks(scope),
            repos,
        )
        self._confirmation = Confirmation(connection, batch, self.tags, self._history, repos)
        self._details = Details(connection, batch, interest)

    @returns_deferred
    async def baseline(self, since: float | None = None) -> Cursor:
        """Return a Deferred of the cursor for a first run.

        Args:
            since: where to start, in seconds since the epoch; by default now.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
        before = {} if since is None else {"before": since}
        found = await self._call("getLastEvent", strict=False, **before)
        event = 0 if found is None else int(found["id"])
        time = since
        if time is None:
            # The hub's own clock if possible: ours may differ.
            time = self._client.reactor.seconds() if found is None else float(found["ts"])
        start = Checkpoint(event, time)
        return Cursor(floor=time, checkpoints=(start,), names=start)

    @returns_deferred
    async def round(self, cursor: Cursor, *, known: Callable[[str], bool]) -> Round:
        """Ask for everything that happened since a cursor.

        Args:
            cursor: where the last round ended.
            known: returns whether the event with a key need not be reported again.

        Returns:
            A Deferred of a :class:`Round`. Its events have what their own records say;
            :meth:`complete` adds the details.

        Raises:
            KojiException: the hub is unreachable, or refused; the next round finds everything.
        """
        # The hub carries out the calls of a request in order: getLastEvent comes first, so that
        # the checkpoint is no later than what the queries have seen.
        latest, (refreshed, found) = await gather([self._call("getLastEvent"), self._query(cursor)])
        self._history.settle()
        time = max(float(latest["ts"]), cursor.checkpoints[-1].time, _latest_time(found))
        checkpoint = Checkpoint(int(latest["id"]), time)
        return Round(
            self._news(found, cursor, known),
            cursor.after(
                checkpoint,
                self._overlap,
                names=checkpoint if refreshed else cursor.names,
                reserved=self._generated.reserved_since(time),
            ),
        )

    async def _query(self, cursor: Cursor) -> tuple[bool, list[Event]]:
        """Return whether the tags were looked up again, and all events that the queries find."""
        refreshed = await self.tags.refresh()
        if refreshed:
            await self._generated.refresh()
        found = await gather([query.since(cursor) for query in self._queries])
        return refreshed, [event for events in found for event in events]

    def _news(
        self, found: Sequence[Event], cursor: Cursor, known: Callable[[str], bool]
    ) -> list[Event]:
        """Return the events to report, each once, oldest first."""
        news: dict[str, Event] = {}
        for event in found:
            key = event.key
            if key is not None and self._interest.covers(event, cursor.floor) and not known(key):
                news.setdefault(key, event)
        return sorted(news.values(), key=lambda event: event.when or 0.0)

    @returns_deferred
    async def look(self, reported: Event, cursor: Cursor) -> list[Event]:
        """Ask the hub for the event that a message reports.

        Args:
            reported: the event that :func:`txkoji.messages.read` made of the message.
            cursor: where the last round ended.

        Returns:
            A Deferred of the events that the hub knows of it: none if the message is about
            something outside of the interest, is wrong, or older than the cursor.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
        if reported.name not in self._interest.names or not self._interest.wanted(reported):
            return []
        found = await self._confirmation.events(reported, cursor)
        return [
            event for event in found if event.key and self._interest.covers(event, cursor.floor)
        ]

    @returns_deferred
    async def complete(self, found: Sequence[Event]) -> list[Event]:
        """Add the details that the events' own records lack: builds, tasks, RPMs, owners.

        Returns:
            A Deferred of the events, in the same order.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
        return await gather([self._details.added_to(event) for event in found])


def _latest_time(events: Sequence[Event]) -> float:
    """Return the time of the latest event that is timed by the hub's clock."""
    times = [event.when for event in events if event.when is not None and _is_timed_by_hub(event)]
    return max(times, default=0.0)


def _is_timed_by_hub(event: Event) -> bool:
    """Return whether an event's time is the hub's, not a content generator's."""
    return event.build is None or event.build.get("task_id") is not None
