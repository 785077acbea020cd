"""The step that submits a Koji task, watches it, and ends with the task's outcome."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, TypeVar

from buildbot.process import results

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.durable.cancellations import is_final
from buildbot_koji.durable.once import IntentState
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.hubs.existing import find_taken_name, may_be_generated
from buildbot_koji.properties import PACKAGE, SOURCE
from buildbot_koji.steps.framework.base import SUPERSEDED, KojiStep
from buildbot_koji.steps.framework.early_end import Ending
from buildbot_koji.steps.framework.submitting import begin, submit, unless_lost
from buildbot_koji.steps.view.display import TaskDisplay
from buildbot_koji.steps.view.live_logs import LiveLogs
from buildbot_koji.steps.view.result import failure_words, result_of, show_outcome
from txkoji import (
    Call,
    Outcome,
    TaskTree,
    build_states,
    is_infrastructure,
    one_line,
    paths,
    read_outcome,
    task_states,
)
from txkoji.exceptions import KojiException

T = TypeVar("T")


class KojiTaskStep(KojiStep):
    """Submits a Koji task and follows it. The base class of the steps that do.

    A subclass returns in :meth:`hub_call` the call that submits the task. It may prepare something
    first (:meth:`prepare`), read the task's results (:meth:`finished`), and describe what the task
    is doing (``activity``) and its success (:meth:`done_words`).

    Attributes:
        intent: what this attempt or an earlier one submitted, None before.
    """

    # A build that was adopted with a defect must show that.
    warnOnWarnings = True

    activity: ClassVar[str] = "building"
    """What an open task is doing unless one of its children says more."""

    max_queue_time = argument(
        checks.seconds,
        "seconds that the task may wait for a builder; then it is canceled, and the step is an"
        " exception",
    )
    on_stop = argument(
        checks.one_of("cancel", "leave"),
        "what to do with what was submitted if the build is stopped or a time limit expires:"
        ' ``"cancel"`` it or ``"leave"`` it',
        default="cancel",
    )
    infra_retries = argument(
        checks.count,
        "how often to resubmit the task after a failure of the build system, not of the package",
        default=1,
    )
    infra_faults = argument(
        checks.faults,
        "what counts as a failure of the build system: fault codes, and regular expressions to"
        " search the fault's text for; by default ``txkoji.INFRASTRUCTURE_FAULTS``",
    )
    live_logs = argument(
        checks.flag_or_texts,
        "show the task's logs while they grow: True for the ``build.log`` of each architecture,"
        " or a list of names",
        default=True,
    )
    live_log_bytes = argument(
        checks.count,
        "bytes of each log to show: half of them from its start, half from its end",
        default=1_000_000,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.intent: TaskIntent | None = None
        self._no_retry = ""

    @property
    def follows_task(self) -> bool:
        """Whether there is a task."""
        return self.intent is not None and self.intent.task_id is not None

    # What a subclass implements

    def hub_call(self) -> Call:
        """Return the call that submits the task; JSON must be able to hold its arguments."""
        raise NotImplementedError

    async def prepare(self) -> int | None:
        """Do what must precede the submission: an upload, for instance.

        An attempt that finds the task of an earlier one skips it.

        Returns:
            None, or Buildbot's result if no task is needed.
        """
        return None

    async def finished(self, outcome: Outcome) -> None:
        """Read the task's results, in whatever state it ended."""

    async def find_existing(self, outcome: Outcome) -> int | Outcome | None:
        """Find the build, or the task, that kept a failed task from making its build.

        Returns:
            The id of a task that is making the build, the outcome of one that made it (with a
            reason if it differs from what this step would have made), or None.
        """

    async def call_again(self, call: Call, outcome: Outcome) -> Call | None:
        """Return the call that replaces a task that the build system failed, None to give up.

        A task whose build is complete is not replaced: a draft or an image would be built twice.
        """
        is_built = any(build.state == build_states.COMPLETE for build in outcome.builds)
        return None if is_built else call

    def done_words(self, outcome: Outcome) -> str:
        """Return the result of a task that closed, in a few words."""
        # Somebody may have deleted it meanwhile.
        built = [
            build.nvr
            if build.state == build_states.COMPLETE
            else f"{build.nvr} ({build_states.to_str(build.state)} now)"
            for build in outcome.builds
        ] or [outcome.nvr or ""]
        if not built[0]:
            return f"task {outcome.tree.root.id} is done"
        return f"built {', '.join(built)}"

    # The work

    async def work(self) -> int:
        """Submit the task, or find that of an earlier attempt, and follow it to its end."""
        intent, state = self.intent or await self.resume(), IntentState.IN_DOUBT
        if intent is None:
            result = await self.prepare()
            if result is not None:
                return result
            self.say("submitting")
            intent, state = await begin(self.hub, self.hub_call(), self.began), IntentState.NEW
        else:
            self.patience.begun()
            intent = await unless_lost(self, intent)
            if intent.task_id is None:
                self.say("looking for the task of an earlier attempt")
        self.early_end.limit(Ending.TIMED_OUT, self.timeout, intent.began)
        for number, task_id in enumerate(intent.earlier, 1):
            await self._link(task_id, f"attempt {number}: ")
        following: TaskIntent | None = intent
        while following is not None:
            if state is IntentState.IN_DOUBT:
                # A stop looks for what an earlier attempt may have submitted.
                self.intent = following
            intent = await submit(self, following, state, self._save_intent)
            await self._show_task(intent)
            attempt = len(intent.earlier) + 1
            logs = LiveLogs(self, self.live_logs, self.live_log_bytes, attempt)
            outcome = await self._follow(intent, logs)
            found = await self._ask_outcome(partial(self.find_existing, outcome))
            if isinstance(found, Outcome):
                catch = f"; {found.reason}" if found.reason else ""
                self.say(f"adopted {found.nvr}, already built from the same source{catch}")
                await self._finish(found, logs)
                return results.WARNINGS if found.reason else results.SUCCESS
            following, state = await self._next(intent, outcome, found), IntentState.NEW
        return await self._end_with(intent, outcome, logs)

    async def _end_with(self, intent: TaskIntent, outcome: Outcome, logs: LiveLogs) -> int:
        """Show the outcome of the step's last task; returns Buildbot's result."""
        outcome = await self._ask_outcome(partial(self._name_existing, outcome))
        infrastructure = self._is_infrastructure(outcome)
        if outcome.tree.root.state == task_states.CLOSED:
            words = self.done_words(outcome)
        else:
            words = failure_words(outcome, self._no_retry, infrastructure=infrastructure)
        attempt = self._attempt(intent)
        self.say(f"{words} ({attempt})" if attempt else words)
        await self._finish(outcome, logs)
        return result_of(outcome, infrastructure=infrastructure)

    async def _name_existing(self, outcome: Outcome) -> Outcome:
        """If the task failed because a build already has the NVR, name and link that build."""
        build = await find_taken_name(self.connection, outcome)
        if build is None:
            return outcome
        await self.until_stored(lambda: self.addURL(f"build {build.nvr}", build.url))
        reason = f"{build.nvr} is built already: raise the release, or tag that build"
        return replace(outcome, reason=reason)

    async def _finish(self, outcome: Outcome, logs: LiveLogs) -> None:
        await self.until_stored(lambda: show_outcome(self, outcome, logs))
        finish = partial(self.finished, outcome)
        await self.until_stored(lambda: self._ask_outcome(finish))

    # What is stored

    async def find_begun(self) -> TaskIntent | None:
        """Return what an earlier attempt of the same build request stored, or None."""
        stored = await self.find_earlier_attempt()
        self.intent = None if stored is None else TaskIntent.from_struct(stored)
        return self.intent

    async def _save_intent(self, intent: TaskIntent) -> None:
        """Store an intent for the next attempt, for a stop, and for ``LeftTasks``."""
        cancel_on = None if self.on_stop == "leave" else self.hub.identity
        intent = replace(intent, cancel_on=cancel_on)
        if intent.task_id is not None:
            self.intent = intent
        await self.store_attempt(intent.to_struct())
        self.intent = intent

    # The task

    async def _show_task(self, intent: TaskIntent) -> None:
        assert intent.task_id is not None
        url = paths.task_url(self.connection.weburl, intent.task_id)
        self.setProperty("koji_task_id", intent.task_id, SOURCE)
        self.setProperty("koji_task_url", url, SOURCE)
        await self.store_properties()
        attempt = f"attempt {len(intent.earlier) + 1}: " if intent.earlier else ""
        await self._link(intent.task_id, attempt)

    async def _link(self, task_id: int, attempt: str) -> None:
        url = paths.task_url(self.connection.weburl, task_id)
        await self.addURL(f"{attempt}task {task_id}", url)

    def _attempt(self, intent: TaskIntent) -> str:
        """Return which attempt at the task an intent is, in words; empty for the first."""
        if not intent.earlier:
            return ""
        return f"attempt {len(intent.earlier) + 1} of {self.infra_retries + 1}"

    async def _follow(self, intent: TaskIntent, logs: LiveLogs) -> Outcome:
        assert intent.task_id is not None
        self.say(f"following task {intent.task_id}" if intent.adopted else "submitted")
        self.early_end.limit(
            Ending.QUEUED_TOO_LONG, self.max_queue_time, intent.submission.submitted
        )
        watch = self.hub.watch(intent.task_id, self.build)

        def lift_queue_limit(tree: TaskTree) -> None:
            if not tree.is_queued:
                self.early_end.lift_limit(Ending.QUEUED_TOO_LONG)

        watch.on_change(lift_queue_limit)
        attempt = self._attempt(intent)
        display = TaskDisplay(self, watch, self.activity, logs, attempt=attempt)
        display.begin()
        try:
            tree = await self.hub.ended(watch, intent.call, intent.submission)
            outcome = await self._ask_outcome(lambda: read_outcome(self.connection, tree))
            if tree.root.package is not None:
                self.setProperty(PACKAGE, tree.root.package, SOURCE)
            self.hub.counts.add(tree, infrastructure=self._is_infrastructure(outcome))
            await logs.ended()
        finally:
            logs.stop()
            await display.end()
        self.early_end.check()
        return outcome

    async def _ask_outcome(self, ask: Callable[[], Awaitable[T]]) -> T:
        return await self.ask(ask, "the task is over; waiting for the hub to say how")

    # After a failure

    async def _next(
        self, intent: TaskIntent, outcome: Outcome, other_task: int | None
    ) -> TaskIntent | None:
        """Return the intent that replaces that of a failed task, or None."""
        if other_task is not None:
            adopt = partial(self.connection.submissions.adopt, other_task, intent.submission)
            submission = await self._ask_outcome(adopt)
            return replace(intent, submission=submission, task_id=other_task, adopted=True)
        if len(intent.earlier) >= self.infra_retries or not self._is_infrastructure(outcome):
            return None
        self._no_retry = await self._ask_outcome(
            partial(may_be_generated, self.connection, outcome)
        )
        if self._no_retry:
            return None
        call = await self._ask_outcome(partial(self.call_again, intent.call, outcome))
        if call is None:
            return None
        assert intent.task_id is not None
        earlier = (*intent.earlier, intent.task_id)
        attempt = self._attempt(replace(intent, earlier=earlier))
        self.say(f"{attempt}: submitting again: {outcome.reason}")
        return await self._ask_outcome(lambda: begin(self.hub, call, intent.began, earlier=earlier))

    def _is_infrastructure(self, outcome: Outcome) -> bool:
        return is_infrastructure(outcome.fault, self.infra_faults)

    # Early ends

    async def end_early(self, ending: Ending) -> None:
        """Cancel the task on a stop or an expired limit; otherwise leave it to the next attempt."""
        intent = self.intent
        if ending is Ending.DETACHED:
            task_id = intent.task_id if intent is not None else None
            self.say(f"left task {task_id} to the next attempt" if task_id else "interrupted")
        elif ending is Ending.SUPERSEDED:
            task_id = intent.task_id if intent is not None else None
            self.say(f"{SUPERSEDED}; left task {task_id} to it" if task_id else SUPERSEDED)
        elif ending is Ending.UNREACHABLE and not self.patience.has_begun:
            await super().end_early(ending)
        elif intent is None:
            self.say("stopped before anything was submitted")
        else:
            why = {
                Ending.TIMED_OUT: f"timed out after {self.timeout} s{self.doing}; ",
                Ending.QUEUED_TOO_LONG: f"no builder took it in {self.max_queue_time} s: ",
                Ending.UNREACHABLE: f"{self.unreachable}; ",
            }
            self.say(why.get(ending, "") + await self._leave_or_cancel(intent))

    async def _leave_or_cancel(self, intent: TaskIntent) -> str:
        """Cancel the task and its descendants, unless it is adopted; returns what was done."""
        task = f"task {intent.task_id}" if intent.task_id else "what was submitted"
        if intent.adopted or self.on_stop == "leave":
            hint = "" if intent.task_id else "; look for it with `koji list-tasks --mine`"
            return f"left {task} alone{hint}"
        self.say(": ".join(filter(None, [f"canceling {task}", self.trouble])))
        try:
            outcome = await self.hub.cancellations.cancel(intent, self.timing.cancel_limit)
        except KojiException as error:
            later = "" if is_final(error) else "; it is retried"
            return f"could not cancel {task}: {one_line(error)}{later}"
        return outcome.value.format(task)
