"""Repairs what an unreachable database did to Buildbot: builds, requests and the heartbeat."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from buildbot.process.results import RETRY, statusToString
from twisted.logger import Logger

from buildbot_koji.durable.database import is_database_unreachable, select
from buildbot_koji.error_messages import was_cancelled

_log = Logger()


def builds_of(master: Any) -> list[Any]:
    """Return the builds that a master runs."""
    builders = master.botmaster.builders.values()
    return [build for builder in builders for build in builder.building]


def _is_stuck(build: Any) -> bool:
    """Return whether a build neither runs a step nor waits for its worker, or a lock."""
    is_waiting = (
        build._is_substantiating  # noqa: SLF001 - nothing public tells
        or build._acquiringLock  # noqa: SLF001
        or build.workerforbuilder.ping_watchers
    )
    step = build.currentStep
    return not is_waiting and (step is None or step.results is not None)


class StuckWork:
    """The builds, requests and builders of a master in which nothing happens."""

    def __init__(self, master: Any) -> None:
        self._master = master
        self._left: set[Any] = set()

    def _stuck(self) -> set[Any]:
        """Return the builds in which nothing happens, each with the last step that it ran."""
        return {(build, build.currentStep) for build in filter(_is_stuck, builds_of(self._master))}

    async def _idle_requests(self) -> set[int]:
        """Return the requests that this master has claimed, and neither builds nor prepares."""
        botmaster, requests = self._master.botmaster, self._master.db.buildrequests
        claimed = await requests.getBuildRequests(complete=False, claimed=self._master.masterid)
        held = {request.id for build in builds_of(self._master) for request in build.requests}
        if botmaster.brd.active:
            held.update(botmaster._starting_brid_to_cancel)  # noqa: SLF001 - nothing else tells
        return {each.buildrequestid for each in claimed} - held

    async def _idle_builders(self) -> set[Any]:
        """Return the builders that have a free worker, and a request that no master has claimed."""
        model = self._master.db.model
        requests, claims = model.buildrequests, model.buildrequest_claims
        query = sqlalchemy.select(requests.c.builderid).distinct()
        query = query.select_from(requests.outerjoin(claims, claims.c.brid == requests.c.id))
        query = query.where(requests.c.complete == 0, claims.c.brid.is_(None))

        rows = await select(self._master, query)
        builders = (self._master.botmaster.getBuilderById(row.builderid) for row in rows)
        return {each for each in builders if each is not None and each.getAvailableWorkers()}

    async def end(self) -> None:
        """End what the last look found already: an unreachable database stopped Buildbot there."""
        if self._master.botmaster.shuttingDown:
            self._left = set()
            return
        try:
            requests, idle = await self._idle_requests(), await self._idle_builders()
            before, self._left = self._left, {*requests, *idle, *self._stuck()}
            for builder in idle & before:
                # Buildbot looks for requests when one comes; what fails then is not repeated.
                self._master.botmaster.maybeStartBuildsForBuilder(builder.name)
            for request_id in requests & before:
                await self._end_request(request_id)
            for build, _ in before & self._stuck():
                await self._end_build(build)
        except Exception as error:  # noqa: BLE001 - the next looks do it
            self._left = set()
            if not (is_database_unreachable(error) or was_cancelled(error)):
                _log.failure("can't end what an outage of the database left")

    async def _end_build(self, build: Any) -> None:
        if not build.finished:
            build.results = RETRY
        if build.buildid is not None:
            await self._master.data.updates.finishBuild(build.buildid, build.results)
        # What still waits in it, if anything does, finds no worker and ends.
        build.finished, build.conn = True, None
        build.workerforbuilder.buildFinished()
        build.builder.buildFinished(build, build.workerforbuilder)
        self._master.botmaster.maybeStartBuildsForBuilder(build.builder.name)
        _log.warn(
            "{builder}: ended a build that an unreachable database had stopped: {result}",
            builder=build.builder.name,
            result=statusToString(build.results),
        )

    async def _end_request(self, request_id: int) -> None:
        """Complete a request with the result of its build, or let it be built again."""
        self._master.botmaster.remove_in_progress_buildrequest(request_id)
        builds = await self._master.data.get(("buildrequests", request_id, "builds"))
        last = max(builds, key=lambda each: each["buildid"], default=None)
        if last is None or last["results"] == RETRY:
            why = "without its database"
            await unclaim(self._master, [request_id], self._master.masterid, why)
        elif last["complete"]:
            # One that is not complete continues: the configuration no longer has its builder.
            complete = self._master.data.updates.completeBuildRequests
            await complete([request_id], last["results"])


async def unclaim(master: Any, ids: list[int], master_id: int, why: str) -> None:
    """Release the build requests that a master has claimed, and log why."""
    if not ids:
        return
    # Buildbot's public method releases only a master's own claims.
    await master.db.buildrequests._unclaim_buildrequests_for_master(ids, master_id)  # noqa: SLF001
    await master.data.rtypes.buildrequest.generateEvent(ids, "unclaimed")
    _log.info(
        "released the build requests {ids} of master {id}, which was {why}",
        ids=", ".join(map(str, ids)),
        id=master_id,
        why=why,
    )


async def keep_heartbeat(master: Any) -> None:
    """Restart Buildbot's heartbeat, which its first error ends."""
    heartbeat = master.masterHeartbeatService
    if not heartbeat.running or heartbeat._loop.running:  # noqa: SLF001 - Twisted's own
        return
    await master.data.updates.masterActive(master.name, master.masterid)
    await heartbeat.stopService()
    heartbeat.startService()
    _log.warn(
        "an unreachable database had ended the master's heartbeat: restarted it before the"
        " other masters declare this one dead"
    )
