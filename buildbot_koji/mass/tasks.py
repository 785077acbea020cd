"""Follows the tasks of a mass build until they end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import CancelledError, DeferredList
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.error_messages import one_line
from buildbot_koji.mass.context import MassContext
from buildbot_koji.mass.plan import MassPackage, PackageState
from txkoji import TaskTree, Watch

__all__ = ["EndedTask", "MassTasks"]

RESUMED_AT_ONCE = 500
"""Tasks of an earlier attempt that are followed again before the first look reads them."""

ESTIMATE_AFTER = 600.0
"""Seconds after which it matters how long a package's builds usually take: it may be stuck."""

EndedTask = tuple[MassPackage, TaskTree | None]
"""A package and the tree of its task that has ended; None if the hub has no such task."""


class MassTasks:
    """The tasks of a mass build.

    Args:
        context: the mass build.
        wake: called when a task has ended.

    Attributes:
        ended: the tasks that have ended, and that nobody has taken off this list.
    """

    _log = Logger()

    def __init__(self, context: MassContext, wake: Callable[[], None]) -> None:
        self._context = context
        self._wake = wake
        self._watches: dict[int, Watch] = {}
        self._overdue: set[int] = set()
        self.ended: list[EndedTask] = []

    async def resume(self) -> None:
        """Follow all tasks that an earlier attempt submitted."""
        packages = self._context.plan.packages
        running = [each for each in packages if each.state is PackageState.RUNNING]
        for place, package in enumerate(running):
            assert package.task_id is not None
            if not package.is_foreign:
                submission = self._context.submission_of(package)
                self._context.hub.connection.submissions.claim(package.task_id, submission)
            self.follow(package)
            if place % RESUMED_AT_ONCE == RESUMED_AT_ONCE - 1:
                await deferLater(self._context.clock, 0, lambda: None)

    def follow(self, package: MassPackage) -> None:
        """Follow the task of a package."""
        assert package.task_id is not None
        watch = self._context.hub.watch(
            package.task_id, self._context.host.build, estimate_after=ESTIMATE_AFTER
        )
        self._watches[package.index] = watch
        # A canceled watch is this attempt's end.
        watch.done.addCallbacks(
            self._has_ended,
            self._is_unknown,
            callbackArgs=(package,),
            errbackArgs=(package,),
        )

    def _has_ended(self, tree: TaskTree | None, package: MassPackage) -> None:
        self._watches.pop(package.index, None)
        self.ended.append((package, tree))
        self._wake()

    def _is_unknown(self, failure: Failure, package: MassPackage) -> None:
        if not failure.check(CancelledError):
            self._has_ended(None, package)

    def stop(self) -> None:
        """End the watches; the tasks continue."""
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.stop()

    async def cancel_overdue(self, intent_of: Callable[[MassPackage], TaskIntent]) -> None:
        """Cancel the tasks that no builder took in time; each then ends as a canceled one."""
        limit = self._context.options.max_queue_time
        if limit is None:
            return
        packages = self._context.plan.packages
        overdue = [
            index
            for index, watch in self._watches.items()
            if index not in self._overdue
            and watch.tree is not None
            and watch.tree.is_queued
            and self._waited(packages[index]) > limit
        ]
        self._overdue.update(overdue)
        canceling = [
            self._context.hub.cancellations.cancel(
                intent_of(packages[index]), self._context.timing.cancel_limit
            )
            for index in overdue
        ]
        # A refusal is about one task, which still waits; what gets no answer is retried.
        outcomes: list[Any] = await DeferredList(canceling, consumeErrors=True)
        for is_good, failure in outcomes:
            if not is_good:
                self._log.warn(
                    "can't cancel a task that waits for a builder: {error}",
                    error=one_line(failure.value),
                )

    def _waited(self, package: MassPackage) -> float:
        """Return how long ago a task of this mass build was submitted."""
        if package.is_foreign or package.since is None:
            return 0.0
        return self._context.now() - package.since
