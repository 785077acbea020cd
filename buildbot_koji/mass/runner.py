"""Runs the plan of a mass build: submits, watches, notes what ended.

One coroutine does it all, in rounds. A round asks for the outcomes of the tasks that have ended,
stores what changed, and submits a batch whose intents are stored in one write before the first of
them is sent. While the hub is unreachable a round is late; nothing else happens to it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol, TypeVar

from twisted.internet.defer import CancelledError, Deferred, DeferredList
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji.durable.claims import CLAIM_AGE
from buildbot_koji.durable.once import Intent, IntentState, Once, OnceAction
from buildbot_koji.durable.task_intents import TaskIntent, submit_once
from buildbot_koji.durable.waiting import until_answered
from buildbot_koji.error_messages import explain, one_line
from buildbot_koji.hubs.existing import find_existing_build
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.mass.plan import (
    MassPackage,
    MassPlan,
    PackageEvent,
    PackageState,
    Step,
    duration_in_words,
    time_left,
)
from buildbot_koji.mass.repos import RepoWaiter
from buildbot_koji.mass.stored import MassStore, progress_row
from txkoji import (
    INFRASTRUCTURE_FAULTS,
    Call,
    Outcome,
    RetryPolicy,
    Submission,
    TaskTree,
    Watch,
    arch_of,
    build_states,
    is_infrastructure,
    read_outcome,
    task_states,
)
from txkoji.exceptions import (
    ActionNotAllowed,
    AuthError,
    HubFault,
    KojiException,
    KojiLoginException,
)
from txkoji.retry import is_passing

__all__ = ["MassHost", "MassOptions", "MassRunner", "MassTiming"]

T = TypeVar("T")

_SHUT_OUT = (AuthError, ActionNotAllowed, KojiLoginException)
"""Refusals that are not about one package."""

RESUMED_AT_ONCE = 20
"""Tasks of an earlier attempt that are followed again per reactor iteration."""

MAX_STEPS = 300
"""Moments of the progress over time that are kept."""


@dataclass(frozen=True)
class MassTiming:
    """Pauses, limits and sizes.

    Attributes:
        tick: seconds between two looks at what may have changed without a task.
        store_interval: seconds between two writes of what changed, except intents.
        batch: how many packages are submitted after one write of their intents.
        idle_interval: seconds between two looks at others' tasks in the channel.
        progress_interval: seconds between two moments of the progress over time.
        infra_retry: the pauses before a package is submitted again.
        retry: the pauses while the hub is unreachable.
        cancel_limit: seconds that the hub has to answer a cancellation before it is put off.
    """

    cancel_limit: float = 10.0
    tick: float = 5.0
    store_interval: float = 2.0
    batch: int = 25
    idle_interval: float = 30.0
    progress_interval: float = 60.0
    infra_retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(first=60.0, factor=4.0, ceiling=1800.0, jitter=0.5)
    )
    retry: RetryPolicy = field(
        default_factory=lambda: RetryPolicy(first=15.0, factor=1.0, ceiling=15.0)
    )


@dataclass(frozen=True)
class MassOptions:
    """What a mass build does with its packages.

    Attributes:
        call: returns the call that submits a package.
        target: the build target whose destination tag the builds go to, None for none.
        scratch: whether the builds are scratch builds.
        adopts: whether an existing build of the same source is taken for the package's.
        infra_retries: how often a package is submitted again after failures of the build system.
        infra_faults: what counts as a failure of the build system, None for the usual faults.
        max_queue_time: seconds that a task may wait for a builder, None for any time.
        idle_channel: the channel in which no task of others may wait, None if any may.
    """

    call: Callable[[MassPackage], Call]
    target: str | None
    scratch: bool = False
    adopts: bool = True
    infra_retries: int = 2
    infra_faults: Any = None
    max_queue_time: float | None = None
    idle_channel: str | None = None


class MassHost(Protocol):
    """The step that a mass build runs in.

    Attributes:
        build: its Buildbot build.
    """

    build: Any

    def say(self, text: str) -> None:
        """Set the summary."""

    def say_error(self, words: str, error: BaseException) -> None:
        """Set the summary to what it waits for, and the error that makes it wait."""

    def once_of(
        self, action: OnceAction[int], intent: Intent, *, max_age: float = 0.0
    ) -> Once[int]:
        """Return the action such that only the master that runs the mass build does it."""
        ...

    async def until_stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write to the master's database, and retry while it is unreachable."""
        ...

    async def check_claim(self, *, max_age: float = 0.0) -> None:
        """Raise ClaimLost if another master runs the mass build; see ``KojiStep``."""

    async def at_once_now(self) -> int:
        """Return how many packages may be on the hub at once, as it is now."""
        ...

    async def note(self, lines: list[str]) -> None:
        """Add lines to the log."""


class MassRunner:
    """Runs a mass build.

    Args:
        hub: the hub.
        plan: the plan.
        store: where it is stored.
        options: what to do.
        host: the step.
        clock: an IReactorTime.
        run_id: tells this mass build from all others; part of the markers of its submissions.
        repos: waits for repos; None if nothing is built against what was built before.
        timing: the pauses.

    Attributes:
        paused: whether nothing more is submitted.
        progress: how many packages had ended at some moments.
        started: when the mass build began, in seconds since the epoch.
        at_once: how many packages may be on the hub at once.
    """

    _log = Logger()

    def __init__(
        self,
        hub: Hub,
        plan: MassPlan,
        store: MassStore,
        options: MassOptions,
        host: MassHost,
        clock: Any,
        run_id: str,
        *,
        repos: RepoWaiter | None = None,
        timing: MassTiming | None = None,
    ) -> None:
        self._hub = hub
        self.plan = plan
        self._store = store
        self._options = options
        self._host = host
        self._clock = clock
        self._run_id = run_id
        self._repos = repos
        self._timing = timing or MassTiming()
        self.paused = False
        self.progress: list[Step] = []
        self.started = self._now()
        self.at_once = 0
        self._control_changed = False
        self._watches: dict[int, Watch] = {}
        self._overdue: set[int] = set()
        self._over: list[tuple[MassPackage, TaskTree | None]] = []
        self._wake: Deferred[None] | None = None
        self._lines: list[str] = []
        self._flushed = 0.0
        self._idle_until = 0.0
        self._is_busy = False
        self._failure: Failure | None = None

    def _now(self) -> float:
        return float(self._clock.seconds())

    # From outside

    def set_paused(self, paused: bool) -> None:
        """Submit nothing more, or submit again."""
        self.paused = paused
        self._control_changed = True
        self.wake()

    @property
    def written(self) -> int:
        """The bytes that were stored."""
        return self._store.written

    @property
    def is_unsaved(self) -> bool:
        """Whether something changed that is not stored yet."""
        return bool(self.plan.changed) or self._control_changed

    def wake(self) -> None:
        """Look at once at what has changed."""
        if self._wake is not None and not self._wake.called:
            self._wake.callback(None)

    def time_left(self) -> float | None:
        """Return the seconds until the end, None if it is unknown."""
        return time_left(self.progress, len(self.plan.packages), self._now())

    def control(self) -> dict[str, Any]:
        """Return what is stored beside the packages."""
        return {"paused": self.paused, "progress": progress_row(self.progress)}

    def summary(self) -> str:
        """Return the progress in one line."""
        text = self.plan.summary(self.time_left())
        if self.plan.stopped_by_failures:
            return f"stopped after too many failures: {text}"
        if self.paused:
            return f"paused: {text}"
        if self._is_busy:
            return f"{text}; waiting until others' tasks have builders"
        held = len(self.plan.held)
        if held and self._repos is not None:
            return f"{text}; {held:,} wait for {self._repos.words}"
        return text

    # The run

    async def run(self) -> None:
        """Run to the end. Cancelling it leaves the tasks as they are.

        Raises:
            KojiException: only what no other attempt would do better.
            ClaimLost: another master runs it.
        """
        control = await self._store.control()
        self.paused = bool(control.get("paused"))
        self.progress = [Step(*each) for each in control.get("progress") or ()]
        # The search takes some seconds: the submissions may still be in flight.
        doubts = Deferred.fromCoroutine(self._find_doubtful())
        try:
            await self._resume_running()
            doubts.addCallbacks(lambda _: self.wake(), self._doubts_failed)
            while True:
                await self._round()
                if self._failure is not None:
                    self._failure.raiseException()
                if self.plan.is_over:
                    break
                await self._wait()
            await self.flush()
        finally:
            doubts.cancel()
            self.stop_watching()

    def _doubts_failed(self, failure: Failure) -> None:
        self._failure = failure
        self.wake()

    async def _round(self) -> None:
        over, self._over = self._over, []
        if over:
            await self._settle(over)
        await self._cancel_overdue()
        if self._repos is not None and self.plan.held:
            look = partial(self._repos.look, self.plan)
            await self._until_let_in(lambda: self._ask(look))
        self.at_once = await self._host.at_once_now()
        chosen = [] if self.paused or not await self._is_idle() else self._choose()
        if chosen:
            await self._submit_all(chosen)
        elif self._now() - self._flushed >= self._timing.store_interval:
            await self.flush()
        self._host.say(self.summary())

    def _choose(self) -> list[MassPackage]:
        room = min(self.at_once - self.plan.active, self._timing.batch)
        return self.plan.choose(room, self._now())

    async def _wait(self) -> None:
        """Wait until a task ends or something else may have changed."""
        if self._over:
            return
        now = self._now()
        waits = [self._timing.tick]
        if not self.paused and not self._is_busy and self.plan.active < self.at_once:
            due = self.plan.due()
            if due is not None:
                waits.append(due - now)
        if self._repos is not None and self.plan.held:
            waits.append(self._repos.due - now)
        if self.plan.changed:
            waits.append(self._flushed + self._timing.store_interval - now)
        self._wake = Deferred()
        timer = self._clock.callLater(max(min(waits), 0), self.wake)
        try:
            await self._wake
        finally:
            self._wake = None
            if timer.active():
                timer.cancel()

    async def flush(self) -> None:
        """Store what changed, and write what was logged.

        Raises:
            ClaimLost: another master stores its own progress.
        """
        await self._host.check_claim()
        self._flushed = self._now()
        lines, self._lines = self._lines, []
        await self._host.until_stored(
            lambda: self._store.save_packages(self.plan.packages, self.plan.changed)
        )
        if lines:
            await self._host.until_stored(lambda: self._host.note(lines))
        last = self.progress[-1].time if self.progress else 0.0
        if self._control_changed or self._now() - last >= self._timing.progress_interval:
            self._note_progress()
            await self._host.until_stored(lambda: self._store.save_control(self.control()))
            self._control_changed = False

    def _note_progress(self) -> None:
        failed = self.plan.counts[PackageState.FAILED]
        self.progress.append(Step(self._now(), self.plan.ended, failed))
        if len(self.progress) > MAX_STEPS:
            # Every second one of the older half: the curve keeps its shape.
            half = len(self.progress) // 2
            self.progress = [*self.progress[:half:2], *self.progress[half:]]

    async def _ask(self, ask: Callable[[], Awaitable[T]]) -> T:
        """Ask the hub, and wait while it is unreachable or refuses to log in."""
        return await until_answered(ask, self._clock, self._timing.retry, self._say_trouble)

    def _say_trouble(self, error: BaseException) -> None:
        self._host.say_error(f"{self.plan.summary(None)}; waiting for the hub", error)

    # Submissions

    def submission_of(self, package: MassPackage) -> Submission:
        """Return what finds the task of a package whose submission began."""
        assert package.begun is not None
        newest, submitted, owner = package.begun
        marker = f"{self._run_id}.{package.index}.{package.attempt}"
        return Submission(marker, submitted, newest, owner)

    def intents(self) -> list[TaskIntent]:
        """Return what is on the hub by now, or may be, and was started by this mass build."""
        return [
            self._intent_of(each)
            for each in self.plan.packages
            if each.state in (PackageState.SUBMITTING, PackageState.RUNNING)
            and not each.is_foreign
            and each.begun is not None
        ]

    def _intent_of(self, package: MassPackage) -> TaskIntent:
        call, submission = self._options.call(package), self.submission_of(package)
        return TaskIntent(call, submission, self.started, package.task_id)

    async def _submit_all(self, chosen: list[MassPackage]) -> None:
        call = self._options.call(chosen[0])

        async def begin() -> Submission:
            await self._hub.log_in()
            return await self._hub.connection.submissions.begin(call)

        try:
            first = await self._until_let_in(lambda: self._ask(begin))
        except BaseException:
            self.plan.put_back(chosen)
            raise
        begun = (first.newest_task, first.submitted, first.owner)
        for package in chosen:
            self.plan.happened(package, PackageEvent.STORED, begun=begun)
        await self.flush()
        for package in chosen:
            await self._submit(package)

    async def _submit(self, package: MassPackage) -> None:
        action = submit_once(self._hub, self._options.call(package), self.submission_of(package))

        async def save(task_id: Any) -> None:
            # Until it is stored the task is found by its marker.
            self._accepted(package, task_id)

        # A successor finds that this one was not submitted, and submits it.
        once = self._host.once_of(action, Intent(save, IntentState.STORED), max_age=CLAIM_AGE)
        try:
            await self._until_let_in(
                lambda: once.run(
                    self._clock, self._timing.retry, self._say_trouble, gives_up=lambda: False
                ),
                may_refuse=True,
            )
        except (HubFault, ValueError) as error:
            reason = explain(error) if isinstance(error, HubFault) else str(error)
            self.plan.happened(package, PackageEvent.REFUSED, reason=reason)
            self._note(package)

    async def _until_let_in(self, do: Callable[[], Awaitable[T]], *, may_refuse: bool = False) -> T:
        """Do something, and again while the hub does not: a step that gave up would forget tasks.

        Credentials, permissions and proxies may be mended meanwhile.

        Args:
            do: what to do; it waits for a hub that is unreachable by itself.
            may_refuse: whether a refusal that is about this very call is raised.
        """
        failures = 0
        while True:
            try:
                return await do()
            except KojiException as error:
                if may_refuse and isinstance(error, HubFault) and not isinstance(error, _SHUT_OUT):
                    raise
                failures += 1
                self._say_trouble(error)
                await deferLater(self._clock, self._timing.retry.pause(failures), lambda: None)

    def _accepted(self, package: MassPackage, task_id: int) -> None:
        self.plan.happened(package, PackageEvent.ACCEPTED, task_id=task_id, since=self._now())
        self._watch(package)

    async def _find_doubtful(self) -> None:
        """Look for the tasks that an earlier attempt had stored and maybe sent: all at once."""
        doubtful = [each for each in self.plan.packages if each.state is PackageState.SUBMITTING]
        if not doubtful:
            return
        await self._until_let_in(self._hub.log_in)
        wanted = [(self._options.call(each), self.submission_of(each)) for each in doubtful]
        find = partial(self._hub.connection.submissions.find_all, wanted)
        found = await self._until_let_in(partial(self._ask, find))
        for package, task_id in zip(doubtful, found, strict=True):
            if task_id is not None:
                self._accepted(package, task_id)
        for package in doubtful:
            if package.state is PackageState.SUBMITTING:
                await self._submit(package)

    async def _resume_running(self) -> None:
        """Follow all tasks that an earlier attempt submitted."""
        running = [each for each in self.plan.packages if each.state is PackageState.RUNNING]
        for place, package in enumerate(running):
            self._resume(package)
            if place % RESUMED_AT_ONCE == RESUMED_AT_ONCE - 1:
                await deferLater(self._clock, 0, lambda: None)

    def _resume(self, package: MassPackage) -> None:
        """Follow a task that an earlier attempt submitted."""
        assert package.task_id is not None
        if not package.is_foreign:
            self._hub.connection.submissions.claim(package.task_id, self.submission_of(package))
        self._watch(package)

    # The queue

    async def _is_idle(self) -> bool:
        """Return whether nobody else's task waits in the channel; looks now and then."""
        channel = self._options.idle_channel
        if channel is None:
            return True
        if self._now() >= self._idle_until:
            look = partial(self._others_wait, channel)
            self._is_busy = await self._until_let_in(partial(self._ask, look))
            self._idle_until = self._now() + self._timing.idle_interval
        return not self._is_busy

    async def _others_wait(self, channel: str) -> bool:
        connection = self._hub.connection
        found = await connection.call("getChannel", channel, strict=True)
        wanted: dict[str, Any] = {"channel_id": found.id, "state": [int(task_states.FREE)]}
        me = await self._our_id()
        if me is not None:
            wanted["not_owner"] = me
        tasks = await connection.call("listTasks", wanted, {"limit": 1})
        return bool(tasks)

    async def _our_id(self) -> int | None:
        await self._hub.log_in()
        user = await self._hub.connection.call("getLoggedInUser")
        return None if user is None else int(user["id"])

    # Tasks

    def _watch(self, package: MassPackage) -> None:
        assert package.task_id is not None
        watch = self._hub.watch(package.task_id, self._host.build)
        self._watches[package.index] = watch
        # A canceled watch is this attempt's end.
        watch.done.addCallbacks(
            self._task_over,
            self._task_unknown,
            callbackArgs=(package,),
            errbackArgs=(package,),
        )

    def _task_over(self, tree: TaskTree, package: MassPackage) -> None:
        self._ended_watch(package, tree)

    def _task_unknown(self, failure: Failure, package: MassPackage) -> None:
        if not failure.check(CancelledError):
            self._ended_watch(package, None)

    async def _cancel_overdue(self) -> None:
        """Cancel the tasks that no builder took in time; each then ends as a canceled one."""
        limit = self._options.max_queue_time
        if limit is None:
            return
        overdue = [
            index
            for index, watch in self._watches.items()
            if index not in self._overdue
            and watch.tree is not None
            and watch.tree.is_queued
            and self._waited(self.plan.packages[index]) > limit
        ]
        self._overdue.update(overdue)
        canceling = [
            self._hub.cancellations.cancel(
                self._intent_of(self.plan.packages[index]), self._timing.cancel_limit
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

    def _was_overdue(self, package: MassPackage, tree: TaskTree) -> bool:
        """Return whether a task was canceled because no builder took it; before a restart too."""
        root, limit = tree.root, self._options.max_queue_time
        if limit is None or package.is_foreign or root.state != task_states.CANCELED:
            return False
        return root.get("start_ts") is None and (_duration(tree) or 0.0) >= limit

    def _waited(self, package: MassPackage) -> float:
        """Return how long ago a task of this mass build was submitted."""
        if package.is_foreign or package.since is None:
            return 0.0
        return self._now() - package.since

    def _ended_watch(self, package: MassPackage, tree: TaskTree | None) -> None:
        self._watches.pop(package.index, None)
        self._over.append((package, tree))
        self.wake()

    def stop_watching(self) -> None:
        """End the watches; the tasks continue."""
        watches, self._watches = self._watches, {}
        for watch in watches.values():
            watch.stop()

    async def _settle(self, over: list[tuple[MassPackage, TaskTree | None]]) -> None:
        """Find out the outcomes of tasks that have ended."""
        try:
            closed = [
                (package, tree)
                for package, tree in over
                if tree is not None and tree.root.state == task_states.CLOSED
            ]
            for start in range(0, len(closed), 100):
                await self._settle_closed(dict(closed_in(closed[start : start + 100])))
            for package, tree in over:
                if tree is None:
                    self._try_again(package, f"the hub has no task {package.task_id} any more")
                elif tree.root.state != task_states.CLOSED:
                    await self._settle_failed(package, tree)
        except BaseException:
            # An early end: the next attempt sees the same tasks end.
            self._over = [
                each for each in over if each[0].state is PackageState.RUNNING
            ] + self._over
            raise

    async def _settle_closed(self, trees: Mapping[int, tuple[MassPackage, TaskTree]]) -> None:
        try:
            answers = await self._until_let_in(
                lambda: self._ask(partial(self._read_builds, trees)), may_refuse=True
            )
        except HubFault as fault:
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
            nvr, build_id = answers.get(index, (None, None))
            self.plan.happened(
                package,
                PackageEvent.CLOSED,
                nvr=nvr,
                build_id=build_id,
                duration=_duration(tree),
            )
            self._note(package)

    async def _read_builds(
        self, trees: Mapping[int, tuple[MassPackage, TaskTree]]
    ) -> dict[int, tuple[str | None, int | None]]:
        multicall = self._hub.connection.MultiCall()
        asked: list[int] = []
        for index, (package, tree) in trees.items():
            if not self._options.scratch:
                multicall.call("listBuilds", taskID=package.task_id)
                asked.append(index)
                continue
            for task in tree.descendents():
                if task.method in ("buildSRPMFromSCM", "rebuildSRPM"):
                    multicall.call("getTaskResult", task.id)
                    asked.append(index)
                    break
        found: dict[int, tuple[str | None, int | None]] = {}
        if not asked:
            return found
        results = iter(await multicall())
        for index in asked:
            try:
                result = next(results)
            except HubFault as fault:
                if is_passing(fault):
                    raise
                continue
            found[index] = _made(result)
        return found

    async def _settle_failed(self, package: MassPackage, tree: TaskTree) -> None:
        connection = self._hub.connection
        if self._was_overdue(package, tree):
            limit = duration_in_words(self._options.max_queue_time or 0)
            self._failed(package, tree, f"no builder took it in {limit}")
            return
        try:
            outcome = await self._until_let_in(
                lambda: self._ask(lambda: read_outcome(connection, tree)), may_refuse=True
            )
            existing = None
            if self._options.adopts and outcome.fault is not None:
                find = partial(
                    find_existing_build,
                    connection,
                    outcome,
                    package.source,
                    self._options.target,
                )
                existing = await self._until_let_in(partial(self._ask, find), may_refuse=True)
        except HubFault as fault:
            self._failed(package, tree, one_line(fault))
            return
        if isinstance(existing, Outcome):
            self.plan.happened(
                package,
                PackageEvent.EXISTS,
                nvr=existing.nvr,
                build_id=existing.build.build_id,
                reason=existing.reason,
                duration=_duration(tree),
            )
            self._note(package)
        elif existing is not None:
            self.plan.happened(
                package, PackageEvent.REPLACED, task_id=existing, is_foreign=True, begun=None
            )
            self._watch(package)
        elif self._is_infrastructure(outcome):
            self._try_again(package, outcome.reason, outcome)
        else:
            self._failed(package, tree, outcome.reason, outcome)

    def _is_infrastructure(self, outcome: Outcome) -> bool:
        faults = self._options.infra_faults
        return is_infrastructure(outcome.fault, INFRASTRUCTURE_FAULTS if faults is None else faults)

    def _try_again(self, package: MassPackage, reason: str, outcome: Outcome | None = None) -> None:
        if package.attempt >= self._options.infra_retries:
            tree = None if outcome is None else outcome.tree
            self._failed(package, tree, f"the build system failed: {reason}", outcome)
            return
        pause = self._timing.infra_retry.pause(package.attempt + 1)
        self.plan.happened(
            package,
            PackageEvent.INFRASTRUCTURE,
            reason=reason,
            is_foreign=False,
            not_before=self._now() + pause,
        )

    def _failed(
        self,
        package: MassPackage,
        tree: TaskTree | None,
        reason: str,
        outcome: Outcome | None = None,
    ) -> None:
        guilty = None if outcome is None else outcome.guilty
        self.plan.happened(
            package,
            PackageEvent.BROKE,
            reason=reason,
            duration=None if tree is None else _duration(tree),
            arch=None if guilty is None else arch_of(guilty),
            log_url=None if outcome is None else outcome.log_url,
            nvr=None if outcome is None else outcome.nvr,
        )
        self._note(package)

    def _note(self, package: MassPackage) -> None:
        self._lines.append(ended_line(package))


def closed_in(
    closed: list[tuple[MassPackage, TaskTree]],
) -> list[tuple[int, tuple[MassPackage, TaskTree]]]:
    """Return ended packages by their places."""
    return [(package.index, (package, tree)) for package, tree in closed]


def ended_line(package: MassPackage) -> str:
    """Return the line of the log for a package that has ended."""
    words = [f"{package.name}: {package.state.value}"]
    if package.nvr and package.state is not PackageState.FAILED:
        words.append(package.nvr)
    facts = []
    if package.task_id is not None:
        facts.append(f"task {package.task_id}")
    if package.duration is not None:
        facts.append(duration_in_words(package.duration))
    if facts:
        words.append(f"({', '.join(facts)})")
    line = " ".join(words)
    return f"{line}: {package.reason}" if package.reason else line


def _duration(tree: TaskTree) -> float | None:
    begin, end = tree.root.get("create_ts"), tree.root.get("completion_ts")
    if isinstance(begin, (int, float)) and isinstance(end, (int, float)) and end >= begin:
        return round(end - begin, 1)
    return None


def _made(result: Any) -> tuple[str | None, int | None]:
    """Return the NVR and the id of the build, from what a hub says of a task."""
    if isinstance(result, dict):
        path = result.get("srpm")
        if not isinstance(path, str):
            return None, None
        return posixpath.basename(path).removesuffix(".src.rpm"), None
    builds = [each for each in result if isinstance(each, dict)] if isinstance(result, list) else []
    complete = [each for each in builds if each.get("state") == build_states.COMPLETE]
    for build in complete or builds:
        nvr, build_id = build.get("nvr"), build.get("build_id")
        if isinstance(nvr, str) and isinstance(build_id, int):
            return nvr, build_id
    return None, None
