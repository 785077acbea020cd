"""The changes of several tags in one order, without holding all of them."""

from __future__ import annotations

import heapq
from collections.abc import AsyncIterator, Sequence

from txkoji.gathering import gather
from txkoji.history.events import TagUntag

__all__ = ["merged"]


async def merged(listings: Sequence[AsyncIterator[TagUntag]]) -> AsyncIterator[TagUntag]:
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
