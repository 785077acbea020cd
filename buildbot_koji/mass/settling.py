"""Finds out how the tasks of a mass build ended, and what that means for their packages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from twisted.logger import Logger

from buildbot_koji.database_values import member, number
from buildbot_koji.hubs.existing import find_existing_build
from buildbot_koji.mass.context import REFUSALS, MassContext, begun_of
from buildbot_koji.mass.packages import answers_by_key
from buildbot_koji.mass.plan import MassPackage, PackageEvent
from buildbot_koji.mass.tasks import EndedTask
from buildbot_koji.words import duration
from txkoji import (
    Call,
    Outcome,
    TaskTree,
    arch_of,
    build_states,
    is_infrastructure,
    nvr,
    one_line,
    read_outcome,
    task_states,
)
from txkoji.gathering import gather

CLOSED_AT_ONCE = 100
"""Closed tasks that are asked about in one request."""

_OF_THE_TAG = ("tag is locked", "tag requires", "not in list for", "No arches for tag")
"""Words of a refusal whose cause, the tag, may concern every package."""

FAILED_AT_ONCE = 20
"""Tasks that are asked about at the same time, each by several requests."""


class Settler:
    """Finds out the outcomes of tasks that have ended."""

    _log = Logger()

    def __init__(self, context: MassContext, follow: Callable[[MassPackage], None]) -> None:
        self._context = context
        self._plan = context.plan
        self._options = context.options
        self._follow = follow

    async def settle(self, ended: Sequence[EndedTask]) -> None:
        """Find out the outcomes of tasks; those of an early end remain RUNNING."""
        trees = await gather([self._context.own_tree(*each) for each in ended])
        ended = [(package, tree) for (package, _), tree in zip(ended, trees, strict=True)]
        closed, others = [], []
        for package, tree in ended:
            if tree is None:
                self._retry(package, f"the hub has no task {package.task_id} any more")
            elif tree.root.state == task_states.CLOSED and not self._may_lack_build(package):
                closed.append((package, tree))
            else:
                others.append((package, tree))
        for start in range(0, len(closed), CLOSED_AT_ONCE):
            part = closed[start : start + CLOSED_AT_ONCE]
            await self._settle_closed({package.index: (package, tree) for package, tree in part})
        for start in range(0, len(others), FAILED_AT_ONCE):
            await gather(
                self._settle_other(*each) for each in others[start : start + FAILED_AT_ONCE]
            )

    def _may_lack_build(self, package: MassPackage) -> bool:
        """Return whether a successful task may have built for another target than the plan's."""
        return package.is_foreign and not self._options.scratch

    async def _settle_closed(self, trees: Mapping[int, tuple[MassPackage, TaskTree]]) -> None:
        try:
            answers = await self._context.ask(partial(self._read_builds, trees), REFUSALS)
        except REFUSALS as fault:
            # One odd build fails the whole request.
            if len(trees) > 1:
                for index, each in trees.items():
                    await self._settle_closed({index: each})
                return
            self._log.warn(
                "can't read what a task of a mass build made: {error}", error=one_line(fault)
            )
            answers = {}
        for index, (package, tree) in trees.items():
            self._context.hub.counts.add(tree, infrastructure=False)
            name, build_id = answers.get(index, (None, None))
            self._happened(package, PackageEvent.CLOSED, tree, nvr=name, build_id=build_id)

    async def _read_builds(
        self, trees: Mapping[int, tuple[MassPackage, TaskTree]]
    ) -> dict[int, tuple[str | None, int | None]]:
        calls: dict[int, Call] = {}
        for index, (package, tree) in trees.items():
            if not self._context.options.scratch:
                calls[index] = Call.of("listBuilds", taskID=package.task_id)
                continue
            for task in tree.descendents():
                if task.method in ("buildSRPMFromSCM", "rebuildSRPM"):
                    calls[index] = Call.of("getTaskResult", task.id)
                    break
        connection = self._context.hub.connection
        found = await answers_by_key(connection, calls) if calls else {}
        read = _made if self._context.options.scratch else _built
        return {index: read(answer) for index, answer in found.items()}

    async def _settle_other(self, package: MassPackage, tree: TaskTree) -> None:
        """Find out the outcome of a task that failed, or that someone else started."""
        counts, outcome, existing = self._context.hub.counts, None, None
        if overdue := self._overdue(package, tree):
            self._failed(package, tree, overdue)
        else:
            try:
                outcome, existing = await self._read_outcome(package, tree)
            except REFUSALS as fault:
                self._failed(package, tree, one_line(fault))
        if outcome is None:
            counts.add(tree, infrastructure=False)
            return
        counts.add(tree, infrastructure=self._is_infrastructure(outcome))
        if isinstance(existing, Outcome):
            self._happened(
                package,
                PackageEvent.EXISTS,
                tree,
                nvr=existing.nvr,
                build_id=existing.build.build_id if existing.build else None,
                reason=existing.reason,
            )
        elif existing is not None:
            own = self._context.intent_of(package).submission
            adopt = partial(self._context.hub.connection.submissions.adopt, existing, own)
            begun = begun_of(await self._context.ask(adopt))
            self._plan.happened(
                package, PackageEvent.REPLACED, task_id=existing, is_foreign=True, begun=begun
            )
            self._follow(package)
        elif tree.root.state == task_states.CLOSED:
            self._happened(package, PackageEvent.CLOSED, tree)
        elif package.is_foreign and outcome.is_canceled:
            self._retry(package, f"the adopted task {tree.root.id} was canceled")
        elif not await self._has_target(outcome):
            self._plan.happened(package, PackageEvent.WITHDRAWN)
        elif self._is_infrastructure(outcome) and not _has_draft(outcome):
            self._retry(package, outcome.reason, outcome)
        else:
            self._failed(package, tree, outcome.reason, outcome)

    async def _read_outcome(
        self, package: MassPackage, tree: TaskTree
    ) -> tuple[Outcome, int | Outcome | None]:
        """Return the outcome of a task, and what :func:`find_existing_build` finds in its place."""
        ask, connection = self._context.ask, self._context.hub.connection
        outcome = await ask(partial(read_outcome, connection, tree), REFUSALS)
        if not (package.is_foreign or (self._options.adopts and outcome.fault is not None)):
            return outcome, None
        target = None if self._options.skip_tag else self._options.target
        find = partial(find_existing_build, connection, outcome, package.source, target)
        return outcome, await ask(find, REFUSALS)

    async def _has_target(self, outcome: Outcome) -> bool:
        """Return False if a task failed because the hub refuses every build of the plan."""
        text = "" if outcome.fault is None else outcome.fault.text
        needed = (self._options.target, self._options.channel, *_OF_THE_TAG)
        may_lack = any(each in text for each in needed if each)
        return not may_lack or await self._context.has_target()

    def _overdue(self, package: MassPackage, tree: TaskTree) -> str:
        """Return why a task was canceled for taking too long, an empty text if it was not.

        It may have been canceled before a restart.
        """
        if package.is_foreign or tree.root.state != task_states.CANCELED:
            return ""
        started = tree.root.get("start_ts") is not None
        limit = self._options.package_timeout if started else self._options.max_queue_time
        if (
            limit is None
            or (_duration(tree, "start_ts" if started else "create_ts") or 0.0) < limit
        ):
            return ""
        words = duration(limit)
        return (
            f"canceled: it took longer than {words}"
            if started
            else f"no builder took it in {words}"
        )

    def _is_infrastructure(self, outcome: Outcome) -> bool:
        return is_infrastructure(outcome.fault, self._options.infra_faults)

    def _retry(self, package: MassPackage, reason: str, outcome: Outcome | None = None) -> None:
        if package.attempt >= self._options.infra_retries:
            tree = None if outcome is None else outcome.tree
            self._failed(package, tree, f"the build system failed: {reason}", outcome)
            return
        pause = self._context.timing.infra_retry.pause(package.attempt + 1)
        self._plan.happened(
            package,
            PackageEvent.INFRASTRUCTURE,
            reason=reason,
            is_foreign=False,
            not_before=self._context.now() + pause,
        )

    def _failed(
        self,
        package: MassPackage,
        tree: TaskTree | None,
        reason: str,
        outcome: Outcome | None = None,
    ) -> None:
        guilty = None if outcome is None else outcome.guilty
        self._happened(
            package,
            PackageEvent.BROKE,
            tree,
            reason=reason,
            arch=None if guilty is None else arch_of(guilty),
            log_url=None if outcome is None else outcome.log_url,
            nvr=None if outcome is None else outcome.nvr,
        )

    def _happened(
        self, package: MassPackage, event: PackageEvent, tree: TaskTree | None, **facts: Any
    ) -> None:
        """Apply the event that ends a package, and note it."""
        duration = None if tree is None else _duration(tree)
        self._plan.happened(package, event, duration=duration, **facts)
        self._context.note(package)


def _has_draft(outcome: Outcome) -> bool:
    """Return whether a task completed a draft, which a retry would build a second time."""
    complete = (build for build in outcome.builds if build.state == build_states.COMPLETE)
    return any(build.get("draft") for build in complete)


def _duration(tree: TaskTree, since: str = "create_ts") -> float | None:
    begin, end = number(tree.root.get(since)), number(tree.root.get("completion_ts"))
    return None if begin is None or end is None or end < begin else round(end - begin, 1)


def _made(result: Any) -> tuple[str | None, None]:
    """Return the NVR of a source RPM, from the result of its task."""
    rpm = nvr.parse_rpm(member(result, "srpm"))
    return None if rpm is None else str(rpm.nvr), None


def _built(builds: Sequence[Any]) -> tuple[str | None, int | None]:
    """Return the NVR and the id of the build that a task completed, or else began."""
    for build in sorted(builds, key=lambda each: each["state"] != build_states.COMPLETE):
        return build["nvr"], build["build_id"]
    return None, None
