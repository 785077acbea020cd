"""Releases the claims of dead masters, and those that this one left when it was killed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, wraps
from typing import Any

from buildbot.data.resultspec import Filter
from buildbot.process.botmaster import BotMaster
from buildbot.process.results import RETRY
from buildbot.util import service
from buildbot.util.twisted import async_to_deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredService
from buildbot_koji.durable.background import Background
from buildbot_koji.durable.claims import gone_masters
from buildbot_koji.durable.database import is_database_unreachable
from buildbot_koji.durable.timers import Timers
from buildbot_koji.error_messages import was_cancelled
from buildbot_koji.frozen import guard_schedulers, stand_back
from buildbot_koji.hubs.hub import configured_hubs
from buildbot_koji.left_tasks import LeftTasks
from buildbot_koji.stuck import StuckWork, keep_heartbeat, unclaim

GUARD_INTERVAL = 5.0
"""Seconds between two checks for new schedulers, and of the heartbeat."""

TROUBLE = "can't release the claims of dead masters"

LEFT_INTERVAL = 30.0
"""Seconds between two looks for what an unreachable database stopped: what both find is ended."""

_log = Logger()


class OrphanReleaser(service.SharedService):
    """Lets the masters that share a database run the builds that a dead one had started.

    Masters declare one dead that has sent no heartbeat for ten minutes. Buildbot 4.3.0 closes its
    builds then, but their requests stay claimed by it: no other master runs them until a master of
    the same name starts. This service releases the claims, on whichever master notices the death
    first; the next attempt of a Koji step resumes watching the task of the previous one.

    A master that was killed while it started finds its own claims and unfinished builds: Buildbot
    releases and closes them only if the master was running. This service does it at the start,
    before any worker is there.

    A master that was frozen for so long is declared dead too. When it wakes up, its schedulers
    schedule no change and stand by if another master has taken them over: Buildbot itself would
    run both. Its Koji steps end, and leave their tasks to the builds that other masters run for the
    same requests.

    A master whose heartbeat met a database that was unreachable never sends another one: ten
    minutes later it is declared dead, although it works. This service starts the heartbeat again.
    It also ends the builds that such a database kept Buildbot from starting or finishing: their
    requests are built again, or completed, within a minute.

    Each master whose configuration uses this package has one. Buildbot stops it after everything
    else.
    """

    master: Any
    stuck: StuckWork

    def __init__(self) -> None:
        super().__init__()
        self._background = Background()

    @async_to_deferred
    async def startService(self) -> None:
        """Release the claims of masters that are dead already, and of those that die."""
        await super().startService()
        self._background = Background()
        consume = partial(self._background.consume, self.master)
        await consume(self._release_dead, ("masters", None, "stopped"))
        await consume(self._stand_back, ("masters", str(self.master.masterid), "started"))
        try:
            await self._background.run_once_stored(
                self._release_stale, self.master.reactor, TROUBLE
            )
        except Exception:  # noqa: BLE001 - it must not keep the master from starting
            _log.failure(TROUBLE)
        await LeftTasks.getService(self.master)
        await Timers.getService(self.master)
        self.stuck = StuckWork(self.master)
        repeat, clock = self._background.repeat, self.master.reactor
        repeat(self._guard, TROUBLE, clock, lambda: GUARD_INTERVAL)
        repeat(self.stuck.end, TROUBLE, clock, lambda: LEFT_INTERVAL, LEFT_INTERVAL)

    @async_to_deferred
    async def stopService(self) -> None:
        """Stop watching for dead masters."""
        await self._background.end()
        await super().stopService()

    async def _guard(self) -> None:
        guard_schedulers(self.master)
        try:
            await keep_heartbeat(self.master)
        except Exception as error:  # noqa: BLE001 - the next check retries it
            if not (is_database_unreachable(error) or was_cancelled(error)):
                _log.failure("the master has no heartbeat: restart it")

    @async_to_deferred
    async def _stand_back(self, *_: Any) -> None:
        await stand_back(self.master)

    async def _release_stale(self) -> None:
        await self._release_own()
        await self._release_dead()

    @async_to_deferred
    async def _release_dead(self, *_: Any) -> None:
        for master_id in await gone_masters(self.master):
            await self._release(master_id, "dead")

    async def _release_own(self) -> None:
        """Release what an earlier process of this master claimed, and close its builds."""
        mine, database, data = self.master.masterid, self.master.db, self.master.data
        for manager, claimed, release in (
            (
                self.master.change_svc,
                database.changesources.getChangeSources,
                database.changesources.setChangeSourceMaster,
            ),
            (
                self.master.scheduler_manager,
                database.schedulers.getSchedulers,
                database.schedulers.setSchedulerMaster,
            ),
        ):
            held = {each.serviceid for each in manager if getattr(each, "active", False)}
            for each in await claimed(masterid=mine):
                if each.id not in held:
                    await release(each.id, None)
        if self.master.workers.workers:
            # This process may have begun builds by now.
            return
        await self._release(mine, "killed while it started")
        # Buildbot records that it has closed its builds before it does: killed in between and
        # started again within ten minutes, it leaves them open.
        is_open = Filter("complete", "eq", [False])
        of_mine = Filter("masterid", "eq", [mine])
        for build in await data.get(("builds",), filters=[of_mine, is_open]):
            for step in await data.get(("builds", build["buildid"], "steps"), filters=[is_open]):
                for log in await data.get(("steps", step["stepid"], "logs"), filters=[is_open]):
                    await data.updates.finishLog(logid=log["logid"])
                await data.updates.finishStep(stepid=step["stepid"], results=RETRY, hidden=False)
            await data.updates.finishBuild(buildid=build["buildid"], results=RETRY)

    async def _release(self, master_id: int, why: str) -> None:
        requests = self.master.db.buildrequests
        orphans = await requests.getBuildRequests(complete=False, claimed=master_id)
        await unclaim(self.master, [each.buildrequestid for each in orphans], master_id, why)


def bring_releaser(master: Any) -> None:
    """Start the releaser of a master that has none; a failure is logged."""
    OrphanReleaser.getService(master).addErrback(_not_brought)


def _not_brought(failure: Failure) -> None:
    _log.failure(TROUBLE, failure=failure)


class KojiOrphanReleaser(DeclaredService, service.BuildbotService):
    """Gives a releaser to a master whose configuration shows no other use of this package.

    Needed only if no change source, reporter, step of a factory or page of Koji is configured,
    because a custom step adds the Koji steps: the master would get it at the first of them.
    """

    name = argument(checks.stored_name, "the name of the service", default="koji-orphan-releaser")


def _bring(reconfigure: Callable[..., Any]) -> Callable[..., Any]:
    """Let a master whose configuration uses this package start a releaser."""

    @wraps(reconfigure)
    @async_to_deferred
    async def reconfigure_and_start(botmaster: Any, config: Any) -> Any:
        await reconfigure(botmaster, config)
        listed = any(isinstance(each, KojiOrphanReleaser) for each in config.services.values())
        if listed or any(configured_hubs(config)) or "koji" in config.www.get("plugins", {}):
            await OrphanReleaser.getService(botmaster.master)

    return reconfigure_and_start


# Buildbot passes no master to a step before its first build, which may never begin: a master that
# was killed while it started has claimed the request. The builders are configured first of all, the
# workers last.
BotMaster.reconfigServiceWithBuildbotConfig = _bring(  # type: ignore[method-assign]
    BotMaster.reconfigServiceWithBuildbotConfig
)
