"""The step that submits a Koji task, watches it and ends as it ends."""

from __future__ import annotations

import base64
import enum
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any, ClassVar

from buildbot.config.errors import error as config_error
from buildbot.process import results
from buildbot.process.buildstep import BuildStep
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji import checks
from buildbot_koji.hub import Hub, get_hub
from buildbot_koji.steps.attempts import Submission, find_submission, store_submission
from buildbot_koji.steps.progress import describe, is_queued, link_name
from txkoji import paths, task_states
from txkoji.exceptions import KojiException, ServerOffline, TransportError
from txkoji.outcomes import Outcome, read_outcome
from txkoji.submission import new_marker
from txkoji.watcher import TaskTree

__all__ = ["KojiTaskStep"]

SOURCE = "Koji"
"""Where the properties say that they come from."""

CANCEL_LIMIT = 30.0
"""Seconds that a build waits for the hub to cancel its task."""

LOOK_INTERVAL = 15.0
"""Seconds between two looks for a task of which it is not known whether the hub has it."""

GRACE = 60.0
"""Seconds that a later attempt has to see what became of a task whose time is over."""

TAIL_BYTES = 20_000
"""How much of a failed task's log is shown."""

SUMMARY_LENGTH = 400
"""Characters; a fault's text may be a book."""


AWAY = (TransportError, ServerOffline)
"""What a hub that will be back gives meanwhile."""


class Ending(enum.Enum):
    """Why a step ends before its task does."""

    STOPPED = "a user, or another builder's configuration, stopped the build"
    DETACHED = "the master stops or the worker is lost: the next attempt goes on watching"
    TIMED_OUT = "`timeout` is over"
    QUEUED_TOO_LONG = "`max_queue_time` is over"


_RESULTS = {
    Ending.STOPPED: results.CANCELLED,
    Ending.DETACHED: results.RETRY,
    Ending.TIMED_OUT: results.FAILURE,
    Ending.QUEUED_TOO_LONG: results.EXCEPTION,
}

_RESULT_OF_STATE = {
    task_states.CLOSED: results.SUCCESS,
    task_states.FAILED: results.FAILURE,
    task_states.CANCELED: results.CANCELLED,
}


class KojiTaskStep(BuildStep):
    """Submits a Koji task and follows it. The parent of the steps that start a task.

    A subclass names its arguments and their checks, and submits.

    Args:
        profile: the profile of the hub in Koji's configuration files.
        timeout: seconds that the task may take from its submission to its end.
        max_queue_time: seconds that the task may wait for a builder.
        kwargs: further arguments of the subclass, and Buildbot's own of every step.
    """

    renderables: Sequence[str] = ("profile", "timeout", "max_queue_time")
    checks: ClassVar[Mapping[str, checks.Check]] = {
        "profile": checks.text,
        "timeout": checks.seconds,
        "max_queue_time": checks.seconds,
    }
    required: ClassVar[Sequence[str]] = ["profile"]
    # A task that did not do what it should makes the rest of the build pointless.
    haltOnFailure = True

    master: Any
    build: Any

    _log = Logger()

    def __init__(
        self,
        profile: Any = None,
        *,
        timeout: Any = None,
        max_queue_time: Any = None,
        **kwargs: Any,
    ) -> None:
        self.profile = profile
        self.timeout = timeout
        self.max_queue_time = max_queue_time
        super().__init__(**kwargs)
        for complaint in self.complaints():
            config_error(f"{type(self).__name__}: {complaint}")
        self._ending: Ending | None = None
        self._work: Deferred[int] | None = None
        self._shielded = False
        self._in_doubt = False
        self._text = ""
        self._task_id: int | None = None
        self._tree: TaskTree | None = None
        self._linked: set[int] = set()
        self._linking = False
        self._showing: Deferred[None] | None = None
        self._queue_timer: Any = None
        self._timers: list[Any] = []

    def complaints(self) -> list[str]:
        """Return one line for each mistake in the arguments that are known by now."""
        values = {name: getattr(self, name) for name in self.checks}
        return checks.complaints(values, self.checks, self.required)

    async def submit(self, hub: Hub, marker: str) -> int:
        """Submit the task; returns its id. A subclass says how."""
        raise NotImplementedError

    async def find(self, hub: Hub, submission: Submission) -> int | None:
        """Look for the task of a submission whose outcome is not known. A subclass says how."""
        raise NotImplementedError

    # Buildbot's interface

    def run(self) -> Deferred[int]:
        """Submit the task, or find that of an earlier attempt, and follow it to its end.

        Returns:
            A Deferred of the result: SUCCESS, FAILURE or CANCELLED by the task's state, EXCEPTION
            where the hub or the configuration is at fault, RETRY where this attempt gives up its
            place to the next.
        """
        self._work = Deferred.fromCoroutine(self._run())
        if self._ending is not None:
            self._work.cancel()
        return self._work

    def interrupt(self, reason: str | Failure) -> Deferred[None]:
        """End the step early: cancel the task for a user, leave it alone for anything else."""
        return Deferred.fromCoroutine(self._interrupt(reason))

    async def _interrupt(self, reason: str | Failure) -> None:
        try:
            await super().interrupt(reason)
        finally:
            # Only this wakes run(): without it the build, and a stopping master, would hang.
            self._end(Ending.DETACHED if self._is_detaching(reason) else Ending.STOPPED)

    def _is_detaching(self, reason: str | Failure) -> bool:
        if isinstance(reason, Failure):
            return True
        # While `buildbot stop --clean` waits for builds, a user can still stop one of them.
        stopping = getattr(self.master.botmaster, "shuttingDown", False)
        return bool(stopping) and "Master Shutdown" in reason

    def getCurrentSummary(self) -> dict[str, str]:
        """Return what the task is doing."""
        return {"step": self._text or "starting"}

    def getResultSummary(self) -> dict[str, str]:
        """Return what came of it, in one line."""
        text = self._text or results.statusToString(self.results)
        # Buildbot itself puts "failed" or "build successful" before the build's summary.
        return {"step": text, "build": text.removeprefix("failed: ")}

    # The run

    def _end(self, ending: Ending) -> None:
        """End early; the first reason counts."""
        if self._ending is not None:
            return
        self._ending = ending
        # The next attempt finds what a detached one submitted; nobody comes after any other.
        if self._work is None:
            return
        if self._shielded and ending is not Ending.DETACHED:
            self._timers.append(self.master.reactor.callLater(CANCEL_LIMIT, self._work.cancel))
        else:
            self._work.cancel()

    def _say(self, text: str) -> None:
        self._text = text if len(text) <= SUMMARY_LENGTH else f"{text[: SUMMARY_LENGTH - 3]}..."
        self.updateSummary()

    async def _run(self) -> int:
        hub: Hub | None = None
        try:
            complaints = self.complaints()
            if complaints:
                self._say("; ".join(complaints))
                return results.EXCEPTION
            hub = await get_hub(self.master, self.profile)
            return await self._submit_and_follow(hub)
        except KojiException as error:
            self._say(_one_line(error))
            return results.EXCEPTION
        except CancelledError:
            if self._ending is None:
                raise
            return await self._end_early(hub, self._ending)
        finally:
            for timer in self._timers:
                if timer.active():
                    timer.cancel()
            await self._shown()

    async def _submit_and_follow(self, hub: Hub) -> int:
        submission = await find_submission(self)
        if submission is None:
            self._say("submitting")
            submission = await self._submit(hub, Submission(new_marker(), self._now()))
        elif submission.task_id is None:
            self._in_doubt = True
            self._say("looking for the task of an earlier attempt")
            submission = await self._submit(hub, submission)
        else:
            submission = await self._submitted(hub, submission, submission.task_id)
        if self._ending is not None:
            raise CancelledError
        assert submission.task_id is not None
        return await self._follow(hub, submission.task_id, submission.submitted)

    async def _submit(self, hub: Hub, submission: Submission) -> Submission:
        await store_submission(self, submission)
        # A stop that arrives now waits for the answer, or there would be a task that nobody knows.
        task_id = await self._shield(self._submit_surely(hub, submission))
        return await self._submitted(hub, submission, task_id)

    async def _submit_surely(self, hub: Hub, submission: Submission) -> int:
        """Submit; where the hub goes away meanwhile, wait until it says whether it has the task."""
        while True:
            try:
                await hub.log_in()
                found = await self.find(hub, submission) if self._in_doubt else None
                if found is not None:
                    return found
                return await self.submit(hub, submission.marker)
            except AWAY as error:
                if isinstance(error, TransportError) and error.may_have_arrived:
                    self._in_doubt = True
                if not self._in_doubt:
                    raise
                self._say(f"looking for the task as soon as the hub answers: {_one_line(error)}")
            await deferLater(self.master.reactor, LOOK_INTERVAL, lambda: None)

    async def _shield(self, work: Coroutine[Deferred[Any], Any, int]) -> int:
        self._shielded = True
        try:
            return await work
        finally:
            self._shielded = False

    async def _submitted(self, hub: Hub, submission: Submission, task_id: int) -> Submission:
        self._shielded = True
        try:
            self._task_id = task_id
            known = Submission(submission.marker, submission.submitted, task_id)
            await store_submission(self, known)
            url = paths.task_url(hub.connection.weburl, task_id)
            self.setProperty("koji_task_id", task_id, SOURCE)
            self.setProperty("koji_task_url", url, SOURCE)
            # Properties reach the database only at the end of the step, unless they are sent.
            await self.master.data.updates.setBuildProperties(self.build.buildid, self.build)
            await self.addURL(f"task {task_id}", url)
        finally:
            self._shielded = False
        return known

    async def _follow(self, hub: Hub, task_id: int, submitted: float) -> int:
        self._say("submitted")
        self._start_timers(submitted)
        watch = hub.watcher.watch(task_id)
        watch.on_change(lambda tree: self._changed(hub, tree))
        tree = await watch.done
        await self._shown()
        await self._show_outcome(hub, await self._outcome_surely(hub, tree))
        return _RESULT_OF_STATE[tree.root.state]

    async def _outcome_surely(self, hub: Hub, tree: TaskTree) -> Outcome:
        """Read what came of the task; a hub that is away just now makes it late."""
        while True:
            try:
                outcome: Outcome = await read_outcome(hub.connection, tree)
            except AWAY as error:
                self._say(f"the task is over; waiting for the hub to say how: {_one_line(error)}")
            else:
                return outcome
            await deferLater(self.master.reactor, LOOK_INTERVAL, lambda: None)

    def _now(self) -> float:
        return float(self.master.reactor.seconds())

    def _start_timers(self, submitted: float) -> None:
        since = self._now() - submitted
        if self.timeout is not None:
            self._timers.append(self._timer(self.timeout, since, Ending.TIMED_OUT))
        if self.max_queue_time is not None:
            self._queue_timer = self._timer(self.max_queue_time, since, Ending.QUEUED_TOO_LONG)
            self._timers.append(self._queue_timer)

    def _timer(self, limit: float, since: float, ending: Ending) -> Any:
        # After a restart of the master the task may be over already: look before it is canceled.
        seconds = max(limit - since, min(limit, GRACE))
        return self.master.reactor.callLater(seconds, self._end, ending)

    # Early ends

    async def _end_early(self, hub: Hub | None, ending: Ending) -> int:
        task_id = self._task_id
        if ending is Ending.DETACHED:
            self._say(f"left task {task_id} to the next attempt" if task_id else "interrupted")
        elif task_id is None and self._in_doubt:
            self._say(
                "stopped while the hub did not answer: it may have the task, look for it there"
            )
        elif task_id is None or hub is None:
            self._say("stopped before anything was submitted")
        else:
            words = {
                Ending.STOPPED: f"canceled task {task_id}",
                Ending.TIMED_OUT: f"timed out after {self.timeout} s: canceled task {task_id}",
                Ending.QUEUED_TOO_LONG: (
                    f"no builder took task {task_id} in {self.max_queue_time} s: canceled it"
                ),
            }
            self._say(await self._cancel(hub, task_id) or words[ending])
        return _RESULTS[ending]

    async def _cancel(self, hub: Hub, task_id: int) -> str | None:
        """Cancel the task and all below it; returns what went wrong, or None."""
        try:
            await hub.connection.call("cancelTask", task_id).addTimeout(
                CANCEL_LIMIT, self.master.reactor
            )
        except KojiException as error:
            return f"could not cancel task {task_id}: {_one_line(error)}"
        except (DeferredTimeout, CancelledError):
            return f"could not cancel task {task_id}: the hub did not answer; cancel it by hand"
        return None

    # Showing

    def _changed(self, hub: Hub, tree: TaskTree) -> None:
        self._tree = tree
        if self._queue_timer is not None and not is_queued(tree) and self._queue_timer.active():
            self._queue_timer.cancel()
        self._say(describe(tree))
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
        task_id = outcome.tree.root.id
        if outcome.nvr is not None:
            self.setProperty("koji_nvr", outcome.nvr, SOURCE)
        if outcome.build is not None:
            self.setProperty("koji_build_id", outcome.build.build_id, SOURCE)
            self.setProperty("koji_build_url", outcome.build.url, SOURCE)
            await self.addURL(f"build {outcome.nvr}", outcome.build.url)
        if outcome.tree.root.state == task_states.CLOSED:
            self._say(f"built {outcome.nvr}" if outcome.nvr else f"task {task_id} is done")
            return
        if outcome.guilty is None:
            self._say(outcome.reason)
            return
        self._say(f"failed: {outcome.reason}")
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
            await self.addCompleteLog(outcome.log, f"can't read the log: {_one_line(error)}\n")
            return
        await self.addCompleteLog(outcome.log, _tail_text(encoded))


def _tail_text(encoded: str) -> str:
    text = base64.b64decode(encoded).decode("utf-8", "replace")
    # The first line of a tail is the rest of one.
    return text if len(text) < TAIL_BYTES else text.partition("\n")[2]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
