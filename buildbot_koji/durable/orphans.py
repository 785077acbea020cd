"""Releases the build requests of a dead master."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildbot.util import service
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredService
from buildbot_koji.durable.masters import gone_masters

__all__ = ["KojiOrphanReleaser"]


class KojiOrphanReleaser(DeclaredService, service.BuildbotService):
    """Lets the masters that share a database run the builds that a dead one had started.

    Masters declare one dead that has sent no heartbeat for ten minutes. Buildbot 4.3.0 closes its
    builds then, but their requests stay claimed by it: no other master runs them until a master of
    the same name starts. This service releases the claims, on whichever master notices the death
    first; the next attempt of a Koji step resumes watching the task of the previous one.

    Put one among the ``services`` of each master.
    """

    name = argument(checks.text, "the name of the service", default="koji-orphan-releaser")

    master: Any

    _log = Logger()
    _consumer: Any = None

    @async_to_deferred
    async def startService(self) -> None:
        """Release the claims of masters that are dead already, and of those that die."""
        await super().startService()
        self._consumer = await self.master.mq.startConsuming(
            self._stopped, ("masters", None, "stopped")
        )
        await self._release_all()

    @async_to_deferred
    async def stopService(self) -> None:
        """Stop watching for dead masters."""
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
        # Buildbot's public method releases only a master's own claims.
        await requests._unclaim_buildrequests_for_master(ids, master_id)  # noqa: SLF001
        await self.master.data.rtypes.buildrequest.generateEvent(ids, "unclaimed")
        self._log.info(
            "released the build requests {ids} of master {id}, which is dead",
            ids=", ".join(map(str, ids)),
            id=master_id,
        )
