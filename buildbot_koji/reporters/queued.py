"""Pending build requests, each reported once.

A pending request has no build that could hold a record. The requests themselves are the queue: they
are reported in their order, and a mark in the database says which was the last. Of several masters
the first living one reports them: a pending request belongs to none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from buildbot.data.resultspec import Filter

from buildbot_koji.durable.claims import ClaimLost, acts_for_gone_masters
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.durable.outbox import DeliveryStore, Outbox
from buildbot_koji.durable.store import MasterState
from buildbot_koji.reporters.backlog import log_settled
from buildbot_koji.reporters.records import CLASS

KEY = "queued"


class QueuedRequests:
    """Delivers a reporter's messages about pending build requests, each once.

    Args:
        master: the master that this runs in.
        reporter: the reporter's name.
        wanted: returns what to deliver about a pending request, or None.
        outbox: makes the outbox, of a store and a callback for settled deliveries.
    """

    def __init__(
        self,
        master: Any,
        reporter: str,
        wanted: Callable[[Mapping[str, Any]], Awaitable[Delivery | None]],
        outbox: Callable[[DeliveryStore, Callable[[Delivery], None]], Outbox],
    ) -> None:
        self._master = master
        self._state = MasterState(master, reporter, CLASS)
        self._wanted = wanted
        self._outbox = outbox(self, partial(log_settled, reporter, "build request"))
        self._taken: set[int] = set()

    def stop(self) -> None:
        """Leave the rest to the next start; returns at once."""
        self._outbox.stop()

    async def save(self, delivery: Delivery) -> None:
        """Advance the mark past a settled request; the outbox calls it."""
        if delivery.is_final:
            await self._state.put(KEY, max(delivery.build_id, await self._state.get(KEY, 0)))

    async def check(self, delivery: Delivery) -> None:
        """Raise ClaimLost if another master reports the request, or did."""
        mark = await self._state.get(KEY, 0)
        if delivery.build_id <= mark or not await acts_for_gone_masters(self._master):
            # The outbox drops the later ones, too.
            self._taken.clear()
            raise ClaimLost

    async def scan(self) -> None:
        """Take up the pending requests that were not reported; the very first scan takes none."""
        if not await acts_for_gone_masters(self._master):
            return
        mark = await self._state.get(KEY)
        if mark is None:
            last = await self._master.data.get(
                ("buildrequests",), order=["-buildrequestid"], limit=1
            )
            await self._state.put(KEY, last[0]["buildrequestid"] if last else 0)
            return
        waiting = await self._master.data.get(
            ("buildrequests",),
            filters=[
                Filter("buildrequestid", "gt", [mark]),
                Filter("complete", "eq", [False]),
                Filter("claimed", "eq", [False]),
            ],
            order=["buildrequestid"],
        )
        known = {each["buildrequestid"] for each in waiting}
        self._taken &= known | {each.build_id for each in self._outbox.pending()}
        for request in waiting:
            await self._take(request)

    async def take(self, request_id: int) -> None:
        """Take up a new request."""
        if await acts_for_gone_masters(self._master):
            request = await self._master.data.get(("buildrequests", request_id))
            if request is not None:
                await self._take(request)

    async def _take(self, request: Mapping[str, Any]) -> None:
        request_id = request["buildrequestid"]
        if request_id in self._taken:
            return
        self._taken.add(request_id)
        try:
            delivery = await self._wanted(request)
        except Exception:
            # The database may be unavailable: the next scan takes it up.
            self._taken.discard(request_id)
            raise
        if delivery is not None:
            self._outbox.add(delivery)
