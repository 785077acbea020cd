"""Submits the packages of a mass build, each exactly once, over lost replies and crashes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import attrs

from buildbot_koji.durable.claims import CLAIM_AGE
from buildbot_koji.durable.once import Intent, IntentState
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.error_messages import explain
from buildbot_koji.mass.context import MassContext, begun_of
from buildbot_koji.mass.plan import MassPackage, PackageEvent, PackageState
from txkoji.exceptions import HubFault


@attrs.define(eq=False, repr=False, slots=False)
class MassSubmissions:
    """The submissions of a mass build."""

    _context: MassContext
    _follow: Callable[[MassPackage], None]
    _flush: Callable[[], Awaitable[None]]
    _is_paused: Callable[[], bool]

    def __attrs_post_init__(self) -> None:
        self._hub = self._context.hub
        self._plan = self._context.plan

    def intents(self) -> list[TaskIntent]:
        """Return the intents of the tasks that this mass build has, or may have, on the hub."""
        packages = self._plan.packages
        return [self._context.intent_of(each) for each in packages if each.may_have_task]

    async def submit(self, chosen: list[MassPackage]) -> None:
        """Submit packages, whose intents are stored in one write before the first is sent."""
        call = self._context.options.call(chosen[0])
        try:
            # All of them begin at once.
            first = await self._context.ask(partial(self._hub.begin, call))
        except BaseException:
            self._plan.put_back(chosen)
            raise
        for package in chosen:
            self._plan.happened(package, PackageEvent.STORED, begun=begun_of(first))
        await self._flush()
        for package in chosen:
            await self._submit(package)

    async def find_in_doubt(self) -> None:
        """Search for the tasks that an earlier attempt stored the intent of, and may have sent."""
        in_doubt = [each for each in self._plan.packages if each.state is PackageState.SUBMITTING]
        if not in_doubt:
            return
        await self._context.ask(self._hub.log_in)
        intents = map(self._context.intent_of, in_doubt)
        wanted = [(each.call, each.submission) for each in intents]
        find = partial(self._hub.connection.submissions.find_all, wanted)
        missing = []
        for package, task_id in zip(in_doubt, await self._context.ask(find), strict=True):
            if task_id is None:
                missing.append(package)
            else:
                self._accepted(package, task_id)
        # Only these: one that was found may be submitted again by now, if its task has failed.
        for package in missing:
            await self._submit(package)

    async def _submit(self, package: MassPackage) -> None:
        context = self._context
        if self._plan.stopped or self._is_paused():
            self._plan.happened(package, PackageEvent.WITHDRAWN)
            return
        intent = context.intent_of(package)
        action = self._hub.submit_once(intent.call, intent.submission)

        async def save(task_id: Any) -> None:
            # Until it is stored the task is found by its marker.
            self._accepted(package, task_id)

        # A successor finds that this one was not submitted, and submits it.
        once = context.host.once_of(action, Intent(save, IntentState.STORED), max_age=CLAIM_AGE)
        try:
            await context.ask(once.attempt, (HubFault,))
        except (HubFault, ValueError) as error:
            if isinstance(error, HubFault) and not await context.has_target():
                self._plan.happened(package, PackageEvent.WITHDRAWN)
                return
            reason = explain(error) if isinstance(error, HubFault) else str(error)
            self._plan.happened(package, PackageEvent.REFUSED, reason=reason)
            context.note(package)

    def _accepted(self, package: MassPackage, task_id: int) -> None:
        self._plan.happened(
            package,
            PackageEvent.ACCEPTED,
            task_id=task_id,
            is_foreign=not self._hub.connection.submissions.is_certain(task_id),
            since=self._context.now(),
        )
        self._follow(package)
