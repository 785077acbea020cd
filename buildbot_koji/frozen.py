"""Keeps a master that was frozen from scheduling beside the one that took over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from buildbot.db.schedulers import SchedulerAlreadyClaimedError
from buildbot.schedulers.basic import BaseBasicScheduler
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import maybeDeferred
from twisted.logger import Logger

from buildbot_koji.durable.claims import Supersedable, has_request, has_scheduler
from buildbot_koji.durable.database import DatabaseOutage, is_database_unreachable
from buildbot_koji.durable.fence import fence_scheduler
from buildbot_koji.properties import CHANGE_SOURCE
from buildbot_koji.stuck import builds_of

_log = Logger()

MISSED = ("koji_source", "announcement", "missed")
"""The event that makes a change source announce again what no scheduler took."""

MOST_SCHEDULED = 10_000
"""Changes that a scheduler is remembered to have had."""


class _Guarded:
    """A scheduler's ``gotChange``, called once a change while this master has the scheduler."""

    def __init__(self, master: Any, scheduler: Any, schedule: Callable[..., Any]) -> None:
        self._master = master
        self._scheduler = scheduler
        self._schedule = schedule
        self._had: dict[int, None] = {}
        self._database = DatabaseOutage()

    @async_to_deferred
    async def __call__(self, change: Any, *args: Any, **kwargs: Any) -> Any:
        """Schedule a change, unless another master does or it was scheduled before."""
        if change.number in self._had:
            return None
        try:
            if not await has_scheduler(self._master, self._scheduler.serviceid):
                return None
            result = await maybeDeferred(self._schedule, change, *args, **kwargs)
        except SchedulerAlreadyClaimedError:
            # The master was frozen within the transaction.
            return None
        except Exception as error:
            source = change.properties.getProperty(CHANGE_SOURCE)
            if source is None or not is_database_unreachable(error):
                raise
            self._database.failed(str(self._scheduler.name), error)
            self._master.mq.produce(MISSED, {"source": source})
            return None
        self._database.answered()
        self._had[change.number] = None
        if len(self._had) > MOST_SCHEDULED:
            del self._had[next(iter(self._had))]
        return result


def guard_schedulers(master: Any) -> None:
    """Let each scheduler check its claim before it schedules a change.

    A master that wakes up receives its successor's changes before its own next heartbeat.
    """
    for scheduler in master.scheduler_manager:
        schedule = getattr(scheduler, "gotChange", None)
        if scheduler.serviceid is None or isinstance(schedule, _Guarded):
            continue
        if schedule is not None:
            scheduler.gotChange = _Guarded(master, scheduler, schedule)
            # A user may force a build on any master, and a step trigger one.
            if isinstance(scheduler, BaseBasicScheduler):
                fence_scheduler(master, str(scheduler.name), scheduler.serviceid)


async def stand_back(master: Any) -> None:
    """Stop the work that another master has taken over: this one was declared dead."""
    # The schedulers of a master that starts exist by now.
    guard_schedulers(master)
    for build in builds_of(master):
        step = build.currentStep
        if isinstance(step, Supersedable) and not await has_request(master, build.requests[0].id):
            step.supersede()
    for scheduler in master.scheduler_manager:
        if not getattr(scheduler, "active", False):
            continue
        if await has_scheduler(master, scheduler.serviceid):
            continue
        scheduler.active = False
        await maybeDeferred(scheduler.deactivate)
        scheduler._startActivityPolling()  # noqa: SLF001 - Buildbot has no way back in line
        _log.warn(
            "another master took over the scheduler {name} while this one was frozen;"
            " standing by again",
            name=scheduler.name,
        )
