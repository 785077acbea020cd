"""The step that starts a Koji task, watches it and ends as it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, TypeVar

from buildbot.process import results
from twisted.internet.task import deferLater

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.durable.attempts import find_attempt, store_attempt
from buildbot_koji.durable.cancellations import AWAY
from buildbot_koji.durable.submissions import (
    Attempt,
    HubCall,
    begin_submission,
    find_task,
    submit_task,
)
from buildbot_koji.explanations import one_line
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.properties import SOURCE
from buildbot_koji.steps.framework.base import CANCEL_LIMIT, Ending, KojiStep
from buildbot_koji.steps.view.display import TaskDisplay
from buildbot_koji.steps.view.live_logs import LiveLogs
from buildbot_koji.steps.view.progress import is_queued
from buildbot_koji.steps.view.result import show_conclusion
from txkoji import paths, task_states
from txkoji.exceptions import KojiException, TransportError
from txkoji.watching.infrastructure import INFRASTRUCTURE_FAULTS, is_infrastructure
from txkoji.watching.outcomes import Outcome, read_outcome
from txkoji.watching.watcher import TaskTree

__all__ = ["HubCall", "KojiTaskStep"]

_T = TypeVar("_T")

LOOK_INTERVAL = 15.0
"""Seconds between two looks for a task of which it is not known whether the hub has it."""

_RESULT_OF_STATE = {
    task_states.CLOSED: results.SUCCESS,
    task_states.FAILED: results.FAILURE,
    task_states.CANCELED: results.CANCELLED,
}


class KojiTaskStep(KojiStep):
    """Starts a Koji task and follows it. The parent of the steps that start a task.

    A subclass says in :meth:`hub_call` how the task is started. It may prepare something before
    (:meth:`prepare`), take what the task left (:meth:`finished`), and name what the task is doing
    (``activity``) and what came of it (:meth:`done_words`).
    """

    # What is not as it should be must be seen from afar.
    warnOnWarnings = True

    activity: ClassVar[str] = "building"
    """What an open task is doing where none of its children says more."""

    max_queue_time = argument(checks.seconds, "seconds that the task may wait for a builder")
    on_stop = argument(
        checks.one_of("cancel", "leave"),
        "what becomes of the task when someone stops the build, or a time is over:"
        ' ``"cancel"`` or ``"leave"``',
        default="cancel",
    )
    infra_retries = argument(
        checks.count,
        "how often the task is submitted again where the build system fails, not the package",
        default=1,
    )
    infra_faults = argument(
        checks.faults,
        "what is a failure of the build system: fault codes, and regular expressions that are"
        " searched in the fault's text; by default ``txkoji.INFRASTRUCTURE_FAULTS``",
    )
    live_logs = argument(
        checks.flag_or_texts,
        "whether logs of the task are shown while they grow, or which of them: a list of names",
        default=True,
    )
    live_log_bytes = argument(
        checks.count,
        "how much of each log is shown: half of it from its begin, half from its end",
        default=1_000_000,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._attempt: Attempt | None = None
        self._in_doubt = False

    # What a subclass says

    def hub_call(self) -> HubCall:
        """Return the call that starts the task. A subclass says which; all arguments are JSON's."""
        raise NotImplementedError

    async def prepare(self, hub: Hub) -> None:
        """Do what must be done before the task is started: an upload, for one.

        It is done once: an attempt that finds the task of an earlier one does not come here.
        """

    async def finished(self, hub: Hub, outcome: Outcome) -> None:
        """Take what the task left, after it has ended in whatever state: properties, files."""

    async def made_already(self, hub: Hub, outcome: Outcome) -> int | Outcome | None:
        """Say who made, or is making, what a task could not make because it is there.

        Returns:
            The id of the task that is making it, the outcome of one that made it (with a reason
            where something is not as it would be after this step), or None.
        """

    def done_words(self, outcome: Outcome) -> str:
        """Return what came of a task that closed, in a few words."""
        return f"built {outcome.nvr}" if outcome.nvr else f"task {outcome.tree.root.id} is done"

    # The work

    async def work(self, hub: Hub) -> int:
        """Start the task, or find that of an earlier attempt, and follow it to its end."""
        began = self.now()
        attempt = await find_attempt(self)
        if attempt is None:
            await self.prepare(hub)
            self.say("submitting")
            attempt = await self._begin(hub, self.hub_call(), began)
        elif attempt.task_id is None:
            self._in_doubt = True
            self.say("looking for the task of an earlier attempt")
        self.limit(Ending.TIMED_OUT, self.timeout, attempt.began)
        for task_id in attempt.earlier:
            await self._link_earlier(hub, task_id)
        following: Attempt | None = attempt
        while following is not None:
            # A stop that arrives now waits for the answer, or there would be a task that nobody
            # knows.
            with self.shielded():
                attempt = await self._submitted(hub, following)
            await self._show_task(hub, attempt)
            logs = LiveLogs(self, hub, self.live_logs, self.live_log_bytes)
            outcome = await self._follow(hub, attempt, logs)
            found = await self._surely(partial(self.made_already, hub, outcome))
            if isinstance(found, Outcome):
                catch = f"; {found.reason}" if found.reason else ""
                self.say(f"took over {found.nvr}, built from the same source before{catch}")
                result = results.WARNINGS if found.reason else results.SUCCESS
                return await self._conclude(hub, found, logs, result)
            following = await self._next(hub, attempt, outcome, found)
        self._say_outcome(outcome)
        return await self._conclude(hub, outcome, logs, self._result_of(outcome))

    async def _conclude(self, hub: Hub, outcome: Outcome, logs: LiveLogs, result: int) -> int:
        await show_conclusion(self, hub, outcome, logs)
        await self.finished(hub, outcome)
        return result

    def _result_of(self, outcome: Outcome) -> int:
        state = outcome.tree.root.state
        if state == task_states.FAILED and self._is_infrastructure(outcome):
            return int(results.EXCEPTION)
        return int(_RESULT_OF_STATE[state])

    async def _begin(self, hub: Hub, call: HubCall, began: float, **known: Any) -> Attempt:
        await hub.log_in()
        return Attempt(call, await begin_submission(hub.connection, call), began, **known)

    async def _submitted(self, hub: Hub, attempt: Attempt) -> Attempt:
        """Submit what was not, and store what the next attempt must know, before and after."""
        if attempt.task_id is None:
            await store_attempt(self, attempt)
            self._attempt = attempt
            attempt = replace(attempt, task_id=await self._submit_surely(hub, attempt))
        elif not attempt.adopted:
            hub.connection.claim(attempt.task_id, attempt.submission)
        self._attempt = attempt
        self._in_doubt = False
        await store_attempt(self, attempt)
        return attempt

    async def _submit_surely(self, hub: Hub, attempt: Attempt) -> int:
        """Submit; where the hub goes away meanwhile, wait until it says whether it has the task."""
        call, submission = attempt.call, attempt.submission
        while True:
            try:
                await hub.log_in()
                if self._in_doubt:
                    found = await find_task(hub.connection, call, submission)
                    if found is not None:
                        return int(found)
                return int(await submit_task(hub.connection, call, submission))
            except AWAY as error:
                if isinstance(error, TransportError) and error.may_have_arrived:
                    self._in_doubt = True
                if not self._in_doubt:
                    raise
                self.say(f"looking for the task as soon as the hub answers: {one_line(error)}")
            await deferLater(self.master.reactor, LOOK_INTERVAL, lambda: None)

    async def _show_task(self, hub: Hub, attempt: Attempt) -> None:
        assert attempt.task_id is not None
        url = paths.task_url(hub.connection.weburl, attempt.task_id)
        self.setProperty("koji_task_id", attempt.task_id, SOURCE)
        self.setProperty("koji_task_url", url, SOURCE)
        # Properties reach the database only at the end of the step, unless they are sent.
        await self.master.data.updates.setBuildProperties(self.build.buildid, self.build)
        await self.addURL(f"task {attempt.task_id}", url)

    async def _link_earlier(self, hub: Hub, task_id: int) -> None:
        url = paths.task_url(hub.connection.weburl, task_id)
        await self.addURL(f"task {task_id}", url)

    async def _follow(self, hub: Hub, attempt: Attempt, logs: LiveLogs) -> Outcome:
        assert attempt.task_id is not None
        self.say(f"following task {attempt.task_id}" if attempt.adopted else "submitted")
        self.limit(Ending.QUEUED_TOO_LONG, self.max_queue_time, attempt.submission.submitted)
        watch = hub.watcher.watch(attempt.task_id)
        watch.on_change(self._mind_queue)
        display = TaskDisplay(self, hub, watch, self.activity, logs)
        display.begin()
        try:
            tree = await watch.done
            outcome: Outcome = await self._surely(lambda: read_outcome(hub.connection, tree))
            await logs.ended()
        finally:
            logs.stop()
            await display.end()
        self.check_ending()
        return outcome

    def _mind_queue(self, tree: TaskTree) -> None:
        if not is_queued(tree):
            self.lift_limit(Ending.QUEUED_TOO_LONG)

    async def _surely(self, ask: Callable[[], Awaitable[_T]]) -> _T:
        """Ask the hub what must be known; a hub that is away just now makes it late."""
        while True:
            try:
                return await ask()
            except AWAY as error:
                self.say(f"the task is over; waiting for the hub to say how: {one_line(error)}")
            await deferLater(self.master.reactor, LOOK_INTERVAL, lambda: None)

    # What follows on a failure

    async def _next(
        self, hub: Hub, attempt: Attempt, outcome: Outcome, other_task: int | None
    ) -> Attempt | None:
        """Return the attempt that takes the place of one that failed, or None."""
        if other_task is not None:
            return replace(attempt, task_id=other_task, adopted=True)
        if len(attempt.earlier) >= self.infra_retries or not self._is_infrastructure(outcome):
            return None
        assert attempt.task_id is not None
        self.say(f"submitting again: {outcome.reason}")
        earlier = (*attempt.earlier, attempt.task_id)
        return await self._surely(
            lambda: self._begin(hub, attempt.call, attempt.began, earlier=earlier)
        )

    def _is_infrastructure(self, outcome: Outcome) -> bool:
        faults = INFRASTRUCTURE_FAULTS if self.infra_faults is None else self.infra_faults
        return is_infrastructure(outcome.fault, faults)

    def _say_outcome(self, outcome: Outcome) -> None:
        if outcome.tree.root.state == task_states.CLOSED:
            self.say(self.done_words(outcome))
        elif outcome.guilty is None:
            self.say(outcome.reason)
        elif self._is_infrastructure(outcome):
            self.say(f"the build system failed: {outcome.reason}")
        else:
            self.say(f"failed: {outcome.reason}")

    # Early ends

    async def end_early(self, hub: Hub | None, ending: Ending) -> None:
        """Cancel the task for a user and for a time that is over; leave it to a next attempt."""
        attempt = self._attempt
        if ending is Ending.DETACHED:
            task_id = attempt.task_id if attempt is not None else None
            self.say(f"left task {task_id} to the next attempt" if task_id else "interrupted")
        elif attempt is None or hub is None:
            self.say("stopped before anything was submitted")
        else:
            why = {
                Ending.TIMED_OUT: f"timed out after {self.timeout} s: ",
                Ending.QUEUED_TOO_LONG: f"no builder took it in {self.max_queue_time} s: ",
            }
            self.say(why.get(ending, "") + await self._leave_or_cancel(hub, attempt))

    async def _leave_or_cancel(self, hub: Hub, attempt: Attempt) -> str:
        """Cancel the task and all below it, where it is ours; returns what became of it."""
        task = f"task {attempt.task_id}" if attempt.task_id else "what was submitted"
        if attempt.adopted or self.on_stop == "leave":
            return f"left {task} alone"
        try:
            canceled = await hub.cancellations.cancel(attempt, CANCEL_LIMIT)
        except KojiException as error:
            return f"could not cancel {task}: {one_line(error)}"
        if canceled:
            return f"canceled {task}"
        return f"the hub does not answer: {task} is canceled as soon as it does"
