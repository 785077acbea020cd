"""Which waiting build requests were reported already.

A request has no build yet that could hold a record. The requests themselves are the list of what
to report; they are reported in order, and a mark in the database says how far that has come. Of
several masters the first running one does it: a waiting request belongs to none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from buildbot.data.resultspec import Filter
from twisted.logger import Logger, LogLevel

from buildbot_koji.durable.deliveries import Delivery, State
from buildbot_koji.durable.masters import acts_for_gone_masters
from buildbot_koji.durable.outbox import Outbox, Sender
from buildbot_koji.durable.store import MasterState
from buildbot_koji.reporters.backlog import CLASS

__all__ = ["QueuedRequests", "QueuedWork"]

KEY = "queued"


class QueuedWork(Protocol):
    """What a reporter makes of build requests."""

    async def queued(self, request: Mapping[str, Any]) -> Delivery | None:
        """Return what is to be delivered about a request that waits, or None."""


class QueuedRequests:
    """Delivers what a reporter makes of build requests, each once.

    Args:
        master: the master that this runs in.
        reporter: the reporter's name.
        work: what the reporter makes of requests.
        sender: brings deliveries to where they go.
        retry_for: returns for how many seconds a delivery is tried.
    """

    _log = Logger()

    def __init__(
        self,
        master: Any,
        reporter: str,
        work: QueuedWork,
        sender: Sender,
        retry_for: Callable[[], float],
    ) -> None:
        self._master = master
        self._reporter = reporter
        self._state = MasterState(master, reporter, CLASS)
        self._work = work
        self._outbox = Outbox(
            reporter, self, sender, master.reactor, retry_for=retry_for, settled=self._settled
        )
        self._taken: set[int] = set()

    def stop(self) -> None:
        """Leave the rest to the next start; waits for nothing."""
        self._outbox.stop()

    async def _mark(self) -> int | None:
        mark: int | None = await self._state.get(KEY)
        return mark

    async def _set_mark(self, mark: int) -> None:
        await self._state.put(KEY, mark)

    async def save(self, delivery: Delivery) -> None:
        """Move the mark over a request that was told; for the outbox."""
        if delivery.is_final:
            await self._set_mark(max(delivery.build_id, await self._mark() or 0))

    async def look(self) -> None:
        """Take up the requests that wait and were not told; the first look of all takes none."""
        if not await acts_for_gone_masters(self._master):
            return
        mark = await self._mark()
        if mark is None:
            last = await self._master.data.get(
                ("buildrequests",), order=["-buildrequestid"], limit=1
            )
            await self._set_mark(last[0]["buildrequestid"] if last else 0)
            return
        self._taken = {each for each in self._taken if each > mark}
        waiting = await self._master.data.get(
            ("buildrequests",),
            filters=[
                Filter("buildrequestid", "gt", [mark]),
                Filter("complete", "eq", [False]),
                Filter("claimed", "eq", [False]),
            ],
            order=["buildrequestid"],
        )
        for request in waiting:
            await self._take(request)

    async def take(self, request_id: int) -> None:
        """Take up a request that was just made."""
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
            delivery = await self._work.queued(request)
        except Exception:
            # The database may be away: the next look takes it up.
            self._taken.discard(request_id)
            raise
        if delivery is not None:
            self._outbox.add(delivery)

    def _settled(self, delivery: Delivery) -> None:
        dead = delivery.state is State.DEAD
        self._log.emit(
            LogLevel.error if dead else LogLevel.info,
            "{name}: build request {id}: {said}",
            name=self._reporter,
            id=delivery.build_id,
            said=delivery.said,
        )
