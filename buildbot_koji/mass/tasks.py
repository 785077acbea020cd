"""Follows the tasks of a mass build until they end."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Any

from twisted.internet.defer import CancelledError, DeferredList
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from buildbot_koji.database_values import number
from buildbot_koji.hubs.builders import lacking
from buildbot_koji.mass.context import MassContext
from buildbot_koji.mass.plan import MassPackage, PackageEvent, PackageState
from txkoji import TaskTree, Watch, one_line, task_states
from txkoji.exceptions import HubFault

RESUMED_AT_ONCE = 500
"""Tasks of an earlier attempt that are followed again before the first poll reads them."""

OLDEST = 10
"""Tasks whose builders are looked for: without one they remain the oldest."""

EndedTask = tuple[MassPackage, TaskTree | None]
"""A package and the tree of its task that has ended; None if the hub has no such task."""


class MassTasks:
    """The tasks of a mass build.

    Attributes:
        ended: the tasks that have ended, and that nobody has taken off this list.
        lacking: the architectures that the oldest tasks wait for and no builder has.
    """

    def __init__(self, context: MassContext, wake: Callable[[], None]) -> None:
        self._context = context
        self._wake = wake
        self._watches: dict[int, Watch] = {}
        self._overdue: set[int] = set()
        # When the task of each package was submitted, and first seen to run, in elapsed time.
        self._submitted: dict[int, float | None] = {}
        self._started: dict[int, float] = {}
        self._checked = self._asked = float("-inf")
        self.lacking: list[str] = []
        self.ended: list[EndedTask] = []

    async def resume(self) -> None:
        """Follow all tasks that an earlier attempt submitted."""
        packages = self._context.plan.packages
        running = [each for each in packages if each.state is PackageState.RUNNING]
        for place, package in enumerate(running):
            assert package.task_id is not None
            if not package.is_foreign:
                submission = self._context.intent_of(package).submission
                self._context.hub.connection.submissions.claim(package.task_id, submission)
            self.follow(package)
            if place % RESUMED_AT_ONCE == RESUMED_AT_ONCE - 1:
                await deferLater(self._context.clock, 0)

    def follow(self, package: MassPackage) -> None:
        """Follow the task of a package."""
        assert package.task_id is not None
        watch = self._context.hub.watch(
            package.task_id,
            self._context.host.build,
            queue_place=True,
            usual=package.usual,
        )
        self._watches[package.index] = watch
        since, elapsed = None if package.is_foreign else package.since, self._context.elapsed
        submitted = None if since is None else elapsed.seconds() - elapsed.age(since)
        self._submitted[package.index] = submitted
        self._started.pop(package.index, None)
        self._overdue.discard(package.index)
        # A canceled watch is this attempt's end.
        watch.done.addCallbacks(
            self._has_ended,
            self._is_unknown,
            callbackArgs=(package,),
            errbackArgs=(package,),
        )

    def _has_ended(self, tree: TaskTree | None, package: MassPackage) -> None:
        self._watches.pop(package.index, None)
        self._started.pop(package.index, None)
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

    @property
    def oldest(self) -> MassPackage | None:
        """The package whose task is in Koji longest, None if there is none."""
        packages = [self._context.plan.packages[index] for index in self._watches]
        return min(packages, key=lambda each: each.since or 0.0, default=None)

    def keep_averages(self) -> None:
        """Keep the average durations that were read: the next attempt need not ask again."""
        plan = self._context.plan
        for index, watch in self._watches.items():
            package = plan.packages[index]
            if watch.usual_seconds is not None and package.usual is None:
                package.usual = watch.usual_seconds
                plan.changed.add(index)

    async def find_lacking_builders(self) -> None:
        """Find out for which architectures of the oldest tasks no builder is there."""
        context = self._context
        now = context.elapsed.seconds()
        if now - self._asked < context.timing.idle_interval:
            return
        self._asked = now
        trees = [watch.tree for watch in islice(self._watches.values(), OLDEST)]
        tasks = [task for tree in trees if tree is not None for task in tree.tasks()]
        waiting = [task for task in tasks if task.state == task_states.FREE]
        await context.hub.builders.read(waiting)
        found = {lacking(task, context.hub.builders.arches) for task in waiting}
        self.lacking = sorted(arch for arch in found if arch is not None)

    async def cancel_overdue(self) -> None:
        """Cancel the tasks that take too long; each then ends as a canceled one.

        A task that someone else started is not canceled, only no longer waited for.
        """
        options = self._context.options
        if options.max_queue_time is None and options.package_timeout is None:
            return
        now = self._context.elapsed.seconds()
        if now - self._checked < self._context.timing.tick:
            return
        self._checked = now
        packages = self._context.plan.packages
        overdue = [
            packages[index]
            for index, watch in self._watches.items()
            if index not in self._overdue and self._is_overdue(packages[index], watch.tree)
        ]
        self._overdue.update(each.index for each in overdue)
        ours = [each for each in overdue if not each.is_foreign]
        canceling = [
            self._context.hub.cancellations.cancel(
                self._context.intent_of(each), self._context.timing.cancel_limit
            )
            for each in ours
        ]
        # A cancellation without an answer is retried.
        outcomes: list[Any] = await DeferredList(canceling, consumeErrors=True)
        for package in overdue:
            if package.is_foreign:
                self._give_up(package, "the adopted task takes too long")
        for package, (is_good, failure) in zip(ours, outcomes, strict=True):
            if is_good:
                assert package.task_id is not None
                self._context.hub.watcher.hint(package.task_id)
            elif isinstance(failure.value, HubFault):
                why = one_line(failure.value)
                self._give_up(package, f"its task takes too long, and can't be canceled: {why}")

    def _is_overdue(self, package: MassPackage, tree: TaskTree | None) -> bool:
        if tree is None:
            return False
        options, now = self._context.options, self._context.elapsed.seconds()
        if tree.is_queued:
            limit, since = options.max_queue_time, self._submitted[package.index]
        else:
            limit, since = options.package_timeout, self._runs_since(package, tree, now)
        return limit is not None and since is not None and now - since > limit

    def _runs_since(self, package: MassPackage, tree: TaskTree, now: float) -> float:
        """Return since when a task has had a builder, by our clock: the hub's may be wrong."""
        submitted = self._submitted[package.index]
        seen = self._started.setdefault(package.index, now)
        created, started = number(tree.root.get("create_ts")), number(tree.root.get("start_ts"))
        if submitted is None or created is None or started is None:
            return seen
        return min(seen, submitted + started - created) if started >= created else seen

    def _give_up(self, package: MassPackage, reason: str) -> None:
        """Fail a package whose task continues."""
        watch = self._watches.pop(package.index, None)
        if watch is not None:
            watch.stop()
            self._context.plan.happened(package, PackageEvent.BROKE, reason=reason)
            self._context.note(package)
