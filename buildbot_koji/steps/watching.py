"""The step that starts a Koji task, watches it and ends as it ends."""

from __future__ import annotations

import base64
from dataclasses import replace
from typing import Any, ClassVar

from buildbot.process import results
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater
from twisted.logger import Logger

from buildbot_koji import checks
from buildbot_koji.arguments import argument
from buildbot_koji.explanations import one_line
from buildbot_koji.hub import Hub
from buildbot_koji.steps.attempts import Attempt, find_attempt, store_attempt
from buildbot_koji.steps.base import CANCEL_LIMIT, SOURCE, Ending, KojiStep
from buildbot_koji.steps.progress import describe, is_queued, link_name
from buildbot_koji.steps.submitting import HubCall, begin_submission, find_task, submit_task
from txkoji import paths, task_states
from txkoji.exceptions import KojiException, ServerOffline, TransportError
from txkoji.outcomes import Outcome, read_outcome
from txkoji.watcher import TaskTree

__all__ = ["HubCall", "KojiTaskStep"]

LOOK_INTERVAL = 15.0
"""Seconds between two looks for a task of which it is not known whether the hub has it."""

TAIL_BYTES = 20_000
"""How much of a failed task's log is shown."""

AWAY = (TransportError, ServerOffline)
"""What a hub that will be back gives meanwhile."""

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

    activity: ClassVar[str] = "building"
    """What an open task is doing where none of its children says more."""

    max_queue_time = argument(checks.seconds, "seconds that the task may wait for a builder")
    on_stop = argument(
        checks.one_of("cancel", "leave"),
        "what becomes of the task when someone stops the build, or a time is over:"
        ' ``"cancel"`` or ``"leave"``',
        default="cancel",
    )

    _log = Logger()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._attempt: Attempt | None = None
        self._in_doubt = False
        self._tree: TaskTree | None = None
        self._linked: set[int] = set()
        self._linking = False
        self._showing: Deferred[None] | None = None

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

    def done_words(self, outcome: Outcome) -> str:
        """Return what came of a task that closed, in a few words."""
        return f"built {outcome.nvr}" if outcome.nvr else f"task {outcome.tree.root.id} is done"

    # The work

    async def work(self, hub: Hub) -> int:
        """Start the task, or find that of an earlier attempt, and follow it to its end."""
        attempt = await find_attempt(self)
        if attempt is None:
            await self.prepare(hub)
            self.say("submitting")
            call = self.hub_call()
            await hub.log_in()
            attempt = Attempt(call, await begin_submission(hub.connection, call))
        elif attempt.task_id is None:
            self._in_doubt = True
            self.say("looking for the task of an earlier attempt")
        self.limit(Ending.TIMED_OUT, self.timeout, attempt.submitted)
        # A stop that arrives now waits for the answer, or there would be a task that nobody knows.
        with self.shielded():
            attempt = await self._submitted(hub, attempt)
        await self._show_task(hub, attempt)
        return await self._follow(hub, attempt)

    async def _submitted(self, hub: Hub, attempt: Attempt) -> Attempt:
        """Submit what was not, and store what the next attempt must know, before and after."""
        if attempt.task_id is None:
            await store_attempt(self, attempt)
            self._attempt = attempt
            attempt = replace(attempt, task_id=await self._submit_surely(hub, attempt))
        self._attempt = attempt
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

    async def _follow(self, hub: Hub, attempt: Attempt) -> int:
        assert attempt.task_id is not None
        self.say("submitted")
        self.limit(Ending.QUEUED_TOO_LONG, self.max_queue_time, attempt.submitted)
        watch = hub.watcher.watch(attempt.task_id)
        watch.on_change(lambda tree: self._changed(hub, tree))
        try:
            tree = await watch.done
        finally:
            await self._shown()
        outcome = await self._outcome_surely(hub, tree)
        await self._show_outcome(hub, outcome)
        await self.finished(hub, outcome)
        return _RESULT_OF_STATE[tree.root.state]

    async def _outcome_surely(self, hub: Hub, tree: TaskTree) -> Outcome:
        """Read what came of the task; a hub that is away just now makes it late."""
        while True:
            try:
                outcome: Outcome = await read_outcome(hub.connection, tree)
            except AWAY as error:
                self.say(f"the task is over; waiting for the hub to say how: {one_line(error)}")
            else:
                return outcome
            await deferLater(self.master.reactor, LOOK_INTERVAL, lambda: None)

    # Early ends

    async def end_early(self, hub: Hub | None, ending: Ending) -> None:
        """Cancel the task for a user and for a time that is over; leave it to a next attempt."""
        attempt = self._attempt
        task_id = attempt.task_id if attempt is not None else None
        if ending is Ending.DETACHED:
            self.say(f"left task {task_id} to the next attempt" if task_id else "interrupted")
        elif attempt is None or hub is None:
            self.say("stopped before anything was submitted")
        elif task_id is None:
            self.say(
                "stopped while the hub did not answer: it may have the task, look for it there"
            )
        else:
            why = {
                Ending.TIMED_OUT: f"timed out after {self.timeout} s: ",
                Ending.QUEUED_TOO_LONG: f"no builder took it in {self.max_queue_time} s: ",
            }
            self.say(why.get(ending, "") + await self._cancel(hub, task_id))

    async def _cancel(self, hub: Hub, task_id: int) -> str:
        """Cancel the task and all below it; returns what became of it."""
        if self.on_stop == "leave":
            return f"left task {task_id} running"
        try:
            await hub.connection.call("cancelTask", task_id).addTimeout(
                CANCEL_LIMIT, self.master.reactor
            )
        except KojiException as error:
            return f"could not cancel task {task_id}: {one_line(error)}"
        except (DeferredTimeout, CancelledError):
            return f"could not cancel task {task_id}: the hub did not answer; cancel it by hand"
        return f"canceled task {task_id}"

    # Showing

    def _changed(self, hub: Hub, tree: TaskTree) -> None:
        self._tree = tree
        if not is_queued(tree):
            self.lift_limit(Ending.QUEUED_TOO_LONG)
        self.say(describe(tree, self.activity))
        if not self._linking:
            self._linking = True
            self._showing = Deferred.fromCoroutine(self._link_children(hub))
            self._showing.addErrback(
                lambda failure: self._log.failure("can't link the tasks of a build", failure)
            )

    async def _shown(self) -> None:
        if self._showing is not None:
            await self._showing

    async def _link_children(self, hub: Hub) -> None:
        assert self._tree is not None
        try:
            while new := [task for task in self._tree.descendents() if task.id not in self._linked]:
                for task in new:
                    self._linked.add(task.id)
                    url = paths.task_url(hub.connection.weburl, task.id)
                    await self.addURL(link_name(task.method, task.get("arch"), task.id), url)
        finally:
            self._linking = False

    async def _show_outcome(self, hub: Hub, outcome: Outcome) -> None:
        if outcome.nvr is not None:
            self.setProperty("koji_nvr", outcome.nvr, SOURCE)
        if outcome.build is not None:
            self.setProperty("koji_build_id", outcome.build.build_id, SOURCE)
            self.setProperty("koji_build_url", outcome.build.url, SOURCE)
            await self.addURL(f"build {outcome.nvr}", outcome.build.url)
        if outcome.tree.root.state == task_states.CLOSED:
            self.say(self.done_words(outcome))
            return
        if outcome.guilty is None:
            self.say(outcome.reason)
            return
        self.say(f"failed: {outcome.reason}")
        if outcome.log is not None and outcome.log_url is not None:
            where = f" ({outcome.guilty.arch})" if outcome.guilty.method == "buildArch" else ""
            await self.addURL(f"{outcome.log}{where}", outcome.log_url)
            await self._show_tail(hub, outcome)

    async def _show_tail(self, hub: Hub, outcome: Outcome) -> None:
        assert outcome.log is not None
        try:
            encoded = await hub.connection.call(
                "downloadTaskOutput", outcome.guilty.id, outcome.log, offset=-TAIL_BYTES
            )
        except KojiException as error:
            await self.addCompleteLog(outcome.log, f"can't read the log: {one_line(error)}\n")
            return
        await self.addCompleteLog(outcome.log, _tail_text(encoded))


def _tail_text(encoded: str) -> str:
    text = base64.b64decode(encoded).decode("utf-8", "replace")
    # The first line of a tail is the rest of one.
    return text if len(text) < TAIL_BYTES else text.partition("\n")[2]
