"""What happens on a hub, for programs without a master: ``Connection.follow``, ``tagged_since``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from functools import partial
from typing import Any, TypeVar

from txkoji.elapsed import ElapsedTime
from txkoji.gathering import gather
from txkoji.history.cursor import Cursor
from txkoji.history.events import BUS_ONLY, IN_TAGS, Event, TagUntag
from txkoji.history.hub import RichHub
from txkoji.history.interest import Interest
from txkoji.history.poller import Poller, Round
from txkoji.history.tags import is_glob
from txkoji.hub.answers import a_struct, an_id
from txkoji.retry import RetryPolicy, is_passing_trouble, until_answered

PORTION = 100
"""Events whose details are read, and kept, at a time."""

_T = TypeVar("_T")


class Follower:
    """An endless ``async for`` over what happens on a hub, complete over restarts.

    Args:
        connection: a :class:`txkoji.Connection`.
        interest: what to look for.
        state: :attr:`state` of an earlier follower, to resume there; by default start now.
        since: where to start instead, in seconds since the epoch.
        interval: seconds between two polls.

    Raises:
        HubFault: (while iterating) the hub has no tag of a name in ``interest.tags`` when the
            iteration starts (a glob may match none yet), or it refused.
        ValueError: no poll can find what ``interest`` names.
    """

    def __init__(
        self,
        connection: RichHub,
        interest: Interest,
        *,
        state: Mapping[str, Any] | None = None,
        since: float | None = None,
        interval: float = 60.0,
    ) -> None:
        _check(interest)
        self._client = connection.client
        self._clock = connection.client.reactor
        self._tags = [name for name in interest.tags if not is_glob(name)]
        self._poller = Poller(connection, interest)
        self._interval = interval
        self._retry = RetryPolicy(ceiling=300.0)
        self._since = since
        self._cursor = None if state is None else Cursor.from_json(state["cursor"])
        self._known: dict[str, float] = {} if state is None else dict(state["known"])

    @property
    def state(self) -> dict[str, Any] | None:
        """How far the program has come, a JSON value; None before the first poll.

        Store it after handling each event: a follower that resumes from it leaves no event out, and
        repeats at most the one that was being handled.
        """
        if self._cursor is None:
            return None
        return {"cursor": self._cursor.to_json(), "known": dict(self._known)}

    async def __aiter__(self) -> AsyncIterator[Event]:
        # A misspelt tag would otherwise be followed forever without an event.
        await self._retried(self._look_up_tags)
        while True:
            found = await self._retried(self._round)
            latest = found.cursor.checkpoints[-1].time
            for some in _portions(found.events):
                for event in await self._retried(partial(self._poller.complete, some)):
                    # Known before it is handled: the state that the program stores then has it.
                    self._known[str(event.key)] = min(event.when or latest, latest)
                    yield event
            self._cursor = found.cursor
            self._known = {
                key: when for key, when in self._known.items() if when >= found.cursor.horizon
            }
            await ElapsedTime(self._clock).pause(self._interval)

    async def _look_up_tags(self) -> None:
        """Fail if the hub lacks a tag."""
        await gather([self._client.call("getTag", name, strict=True) for name in self._tags])

    async def _round(self) -> Round:
        if self._cursor is None:
            self._cursor = await self._poller.baseline(self._since)
        return await self._poller.round(self._cursor, known=self._known.__contains__)

    async def _retried(self, read: Callable[[], Awaitable[_T]]) -> _T:
        """Retry a read until the hub is reachable; return its result."""
        return await until_answered(
            read,
            self._clock,
            self._retry,
            ends=lambda error: not is_passing_trouble(error),
        )


def _check(interest: Interest) -> None:
    """Raise ValueError if no poll can find something that an interest names."""
    if not interest.names:
        raise ValueError("the interest names no event")
    unseen = sorted(interest.names & BUS_ONLY)
    if unseen:
        raise ValueError(f"no poll finds {', '.join(unseen)}: receive the hub's messages instead")
    in_tags = sorted(interest.names & IN_TAGS)
    if in_tags and not interest.tags:
        raise ValueError(
            f"{', '.join(in_tags)} happen in tags: name them in tags=, or ('*',) for all"
        )


async def tagged_since(
    connection: RichHub, tag: str, event_id: int, *, inherited: bool
) -> AsyncIterator[TagUntag]:
    """Yield what was tagged and untagged after an event; see ``Connection.tagged_since``."""
    client = connection.client
    _, _, last = await gather(
        [
            client.call("getTag", tag, strict=True),
            client.call("getEvent", event_id, strict=True),
            client.call("getLastEvent"),
        ]
    )
    last = a_struct(last, "getLastEvent", "id")
    interest = Interest(frozenset({"tagged", "untagged"}), tags=(tag,), inherited=inherited)
    poller = Poller(connection, interest)
    await poller.tags.refresh()
    async for some in _collected(poller.tag_changes(event_id, an_id(last["id"], "getLastEvent"))):
        for each in await poller.complete(some):
            if isinstance(each, TagUntag):
                yield each


async def _collected(changes: AsyncIterator[TagUntag]) -> AsyncIterator[list[TagUntag]]:
    some: list[TagUntag] = []
    async for change in changes:
        some.append(change)
        if len(some) == PORTION:
            yield some
            some = []
    yield some


def _portions(events: list[Event]) -> Iterator[list[Event]]:
    """Take a list apart, oldest first: only a portion has its details in memory."""
    events.reverse()
    while events:
        portion = events[-PORTION:]
        del events[-PORTION:]
        yield portion[::-1]
