"""Gives the build requests of a dead master to the others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildbot.util import service
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger

from buildbot_koji.durable.masters import gone_masters

__all__ = ["KojiOrphanReleaser"]


class KojiOrphanReleaser(service.BuildbotService):
    """Lets the masters that share a database run what a dead one had begun.

    A master that gives no sign of life for ten minutes is declared dead by the others. Buildbot
    4.3.0 closes its builds then, but leaves their requests claimed, by it: nobody runs them until
    a master of the same name starts. This service takes the claims away, on whichever master
    notices it; the next attempt of a Koji step goes on watching the task of the one before.

    Put one among the ``services`` of each master. It takes no arguments.
    """

    name = "koji-orphan-releaser"

    master: Any

    _log = Logger()
    _consumer: Any = None

    @async_to_deferred
    async def startService(self) -> None:
        """Wait for masters to die; one may have died while nobody looked."""
        await super().startService()
        self._consumer = await self.master.mq.startConsuming(
            self._stopped, ("masters", None, "stopped")
        )
        await self._release_all()

    @async_to_deferred
    async def stopService(self) -> None:
        """Wait no more."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await maybeDeferred(consumer.stopConsuming)
        await super().stopService()

    @async_to_deferred
    async def _stopped(self, _: Any, message: Mapping[str, Any]) -> None:
        del message
        await self._release_all()

    async def _release_all(self) -> None:
        for master_id in await gone_masters(self.master):
            await self._release(master_id)

    async def _release(self, master_id: int) -> None:
        requests = self.master.db.buildrequests
        orphans = await requests.getBuildRequests(complete=False, claimed=master_id)
        ids = [each.buildrequestid for each in orphans]
        if not ids:
            return
        # Buildbot's public way takes away only a master's own claims: that is its mistake.
        await requests._unclaim_buildrequests_for_master(ids, master_id)  # noqa: SLF001
        await self.master.data.rtypes.buildrequest.generateEvent(ids, "unclaimed")
        self._log.info(
            "released the build requests {ids} of master {id}, which is gone",
            ids=", ".join(map(str, ids)),
            id=master_id,
        )
