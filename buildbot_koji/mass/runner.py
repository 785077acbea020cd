"""Runs the plan of a mass build to its end.

One coroutine does it all, in rounds. A round finds out the outcomes of the tasks that have ended,
stores what changed, and submits what the plan chooses next. While the hub is unreachable a round is
late; nothing else happens to it.
"""

from __future__ import annotations

import operator
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from buildbot_koji.durable.unreadable import reading
from buildbot_koji.hubs.builders import no_builder
from buildbot_koji.mass.at_once import AtOnce
from buildbot_koji.mass.context import MassContext
from buildbot_koji.mass.idle import IdleChannel
from buildbot_koji.mass.plan import MassPlan, PackageState
from buildbot_koji.mass.progress import MassProgress
from buildbot_koji.mass.repos import RepoWaiter
from buildbot_koji.mass.settling import Settler
from buildbot_koji.mass.stored import MassStore
from buildbot_koji.mass.submissions import MassSubmissions
from buildbot_koji.mass.tasks import MassTasks
from buildbot_koji.words import duration
from txkoji.elapsed import Alarm

YOUNG_SHARE = 10
"""How many moments of the progress a mass build has at least."""


@attrs.define(eq=False, repr=False, slots=False)
class MassRunner:
    """Runs a mass build.

    Attributes:
        plan: the plan.
        started: when it began, in seconds since the epoch.
        paused: whether nothing more is submitted.
        progress: how many packages had ended at some moments.
        at_once: how many packages may be on the hub at once; None before that was asked.
        submissions: what it has submitted.
    """

    _context: MassContext
    _store: MassStore
    started: float
    _most_at_once: AtOnce
    _repos: RepoWaiter | None = None

    def __attrs_post_init__(self) -> None:
        self._host = self._context.host
        self._timing = self._context.timing
        self.plan: MassPlan = self._context.plan
        self.paused = False
        self.progress = MassProgress()
        self.at_once: int | None = None
        self._elapsed = self._context.elapsed
        self._alarm = Alarm(self._elapsed)
        self._tasks = MassTasks(self._context, self._alarm.ring)
        self.submissions = MassSubmissions(
            self._context, self._tasks.follow, self.flush, lambda: self.paused
        )
        self._settler = Settler(self._context, self._tasks.follow)
        self._channel = IdleChannel(self._context)
        self._control_changed = False
        self._flushed = self._noted = float("-inf")
        self._failure: Failure | None = None

    # From outside

    def set_paused(self, paused: bool) -> None:
        """Submit nothing more, or submit again; running tasks continue."""
        self.paused = paused
        self._control_changed = True
        self._alarm.ring()

    @property
    def _submits(self) -> bool:
        """Whether users let it submit anything now."""
        return not self.paused and self.at_once != 0

    @property
    def held_words(self) -> str:
        """How many packages wait for a repo, and for which; empty if none does."""
        held = len(self.plan.held)
        if not held or self._repos is None:
            return ""
        return f"; {held:,} {'waits' if held == 1 else 'wait'} for {self._repos.words}"

    def time_left(self) -> float | None:
        """Return the seconds until the end, None if it is unknown."""
        is_away = self._context.hub.connection.trouble is not None
        if is_away or not (self._submits and self.plan.active):
            # The estimate goes by how fast packages end, and none does now.
            return None
        return self.progress.time_left(len(self.plan.packages), self.plan.active)

    def _until_retry(self) -> float | None:
        """Return the seconds until something starts, None if something runs."""
        due = self.plan.due()
        pause = 0.0 if due is None or self.plan.active else due - self._context.now()
        return pause if pause > 0 else None

    def control(self) -> dict[str, Any]:
        """Return what is stored beside the packages."""
        return {
            "paused": self.paused,
            "at_once": self.at_once,
            "progress": self.progress.rows(),
            "stopped": self.plan.stopped,
        }

    def summary(self, *, has_ended: bool = False) -> str:
        """Return the progress in one line; of a build that has ended, without an estimate."""
        text = self.plan.summary(None if has_ended else self.time_left())
        if (pause := self._until_retry()) is not None:
            text += f", retrying in {duration(pause)}"
        if self._tasks.lacking and not has_ended:
            text += f"; {', '.join(map(no_builder, self._tasks.lacking))}"
        still = "" if has_ended else self._still_words
        if self.plan.stopped:
            return f"{self.plan.stopped}: {text}{still}"
        if self.paused:
            return f"paused: {text}{still}"
        if self.at_once == 0:
            return f"{text}; at_once is 0{still}"
        if self._channel.is_busy:
            return f"{text}; waiting until others' tasks have builders{still}"
        return text + self.held_words + still

    @property
    def _still_words(self) -> str:
        """For how long no package has ended, if that is long, and which is in Koji longest."""
        now, since = self._context.now(), self.progress.still_since
        if since is None or now - since < self._timing.long:
            return ""
        text = f"; nothing has ended for {duration(now - since)}"
        oldest = self._tasks.oldest
        return f"{text}, longest in Koji: {oldest.name} (task {oldest.task_id})" if oldest else text

    # The run

    async def load(self) -> None:
        """Take over what an earlier attempt stored beside the packages: before anything else."""
        control = await self._store.control()
        with reading(f"the progress of the mass build {self._store.name}"):
            self.paused, at_once = bool(control.get("paused")), control.get("at_once")
            self.progress = MassProgress(control.get("progress") or ())
            self.at_once = None if at_once is None else operator.index(at_once)

    async def run(self) -> None:
        """Run to the end. Cancelling it leaves the tasks as they are.

        Raises:
            KojiException: a failure that no further attempt would avoid.
            ClaimLost: another master runs it.
        """
        # The search takes some seconds: the submissions may still be in flight.
        search = Deferred.fromCoroutine(self.submissions.find_in_doubt())
        try:
            await self._tasks.resume()
            search.addCallbacks(lambda _: self._alarm.ring(), self._search_failed)
            while True:
                await self._round()
                if self._failure is not None:
                    self._failure.raiseException()
                if self.plan.is_over:
                    break
                if not self._tasks.ended:
                    await self._alarm.sleep(self._pause())
            await self.flush()
        finally:
            search.cancel()
            self._tasks.stop()

    def _search_failed(self, failure: Failure) -> None:
        self._failure = failure
        self._alarm.ring()

    async def _round(self) -> None:
        await self._settle()
        await self._tasks.cancel_overdue()
        await self._tasks.find_lacking_builders()
        if self._repos is not None and self.plan.held:
            await self._context.ask(self._repos.poll)
            if self._repos.is_refused:
                await self._context.has_target()
        at_once = await self._most_at_once.now(self.at_once)
        self._control_changed |= at_once != self.at_once
        self.at_once = at_once
        if self._submits and await self._channel.is_idle():
            room = min(at_once - self.plan.active, self._timing.batch)
            chosen = self.plan.choose(room, self._context.now())
        else:
            chosen = []
        if chosen:
            await self.submissions.submit(chosen)
        elif self._elapsed.seconds() - self._flushed >= self._timing.store_interval:
            await self.flush()
        trouble = self._host.trouble
        self._host.say(f"{self.summary()}; {trouble}" if trouble else self.summary())

    async def _settle(self) -> None:
        ended, self._tasks.ended = self._tasks.ended, []
        try:
            await self._settler.settle(ended)
        except BaseException:
            # An early end: the next attempt sees the same tasks end.
            left = [each for each in ended if each[0].state is PackageState.RUNNING]
            self._tasks.ended = left + self._tasks.ended
            raise

    def _pause(self) -> float:
        """Return the seconds until something may have changed without a task."""
        now, waits = self._elapsed.seconds(), [self._timing.tick]
        has_room = self.at_once is not None and self.plan.active < self.at_once
        if has_room and not (self.paused or self._channel.is_busy):
            due = self.plan.due()
            if due is not None:
                waits.append(due - self._context.now())
        if self._repos is not None and self.plan.held:
            waits.append(self._repos.due - now)
        if self.plan.changed:
            waits.append(self._flushed + self._timing.store_interval - now)
        return max(min(waits), 0)

    async def flush(self) -> None:
        """Store what changed, and write what was logged.

        Raises:
            ClaimLost: another master stores its own progress.
        """
        await self._host.check_claim()
        now, self._flushed = self._context.now(), self._elapsed.seconds()
        self._tasks.keep_averages()
        lines = list(self._context.lines)
        self._context.lines.clear()
        await self._host.until_stored(
            lambda: self._store.save_packages(self.plan.packages, self.plan.changed)
        )
        if lines:
            await self._host.until_stored(lambda: self._host.note(lines))
        # While there are few moments, they are closer.
        pause = max(self._timing.tick, (now - self.started) / YOUNG_SHARE)
        pause = min(pause, self._timing.progress_interval)
        is_due = self._flushed - self._noted >= pause
        if self._control_changed or is_due or self.plan.is_over:
            self._noted = self._flushed
            failed = self.plan.counts[PackageState.FAILED]
            self.progress.note(now, self.plan.ended, failed, paused=not self._submits)
            await self._host.until_stored(lambda: self._store.save_control(self.control()))
            self._control_changed = False
