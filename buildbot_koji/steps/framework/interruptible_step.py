"""How a step runs in Buildbot: it begins, is interrupted, and ends, with a summary and a reason."""

from __future__ import annotations

from functools import partial
from typing import Any

from buildbot.process import results
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import Deferred, succeed
from twisted.python.failure import Failure

from buildbot_koji.database_values import MAX_VALUE, clean_line, fit_text
from buildbot_koji.durable.database import is_database_unreachable
from buildbot_koji.properties import REASON, SOURCE
from buildbot_koji.steps.framework.early_end import EarlyEnd, Ending
from buildbot_koji.steps.framework.storing_step import StoringStep

FAILED = (results.FAILURE, results.EXCEPTION, results.CANCELLED)
"""The results of a build that is given a reason."""

SUMMARY_LENGTH = 400
"""Characters; a fault may embed the output of another program."""


class InterruptibleStep(StoringStep):
    """A step that always ends, and that a master that stops leaves to its next attempt.

    Attributes:
        stopped_for: why a person stopped it, None if no one did.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.early_end = EarlyEnd(self.timing)
        self._text = ""
        self._has_run = False
        self.stopped_for: str | None = None

    async def work_to_end(self) -> int:
        """Do the step's work, or clean up after an early end; returns Buildbot's result."""
        raise NotImplementedError

    def run(self) -> Deferred[int]:
        """Do the work; returns a Deferred of the result of :meth:`work_to_end`."""
        self._has_run = True
        if self.stopped_for is not None:
            super().interrupt(self.stopped_for)
        return Deferred.fromCoroutine(self._run_and_finish_logs())

    async def _run_and_finish_logs(self) -> int:
        result = await self.early_end.run(self._run_with_reason(), self.master.reactor)
        # A stop or a lost worker that comes just now is writing its own log.
        await self._interrupt_deferwaiter.wait()
        if self.early_end.reason is not Ending.DETACHED:
            # If the database is unreachable now, Buildbot makes the step an exception.
            for each in list(self.logs.values()):
                await self.until_stored(partial(self.finish_log, each))
        return result

    async def _run_with_reason(self) -> int:
        result = await self.work_to_end()
        if result in FAILED and REASON not in self.properties_set:
            why = f" ({self.stopped_for})" if self.stopped_for else ""
            words = self.getResultSummary()["step"].removeprefix("failed: ")
            self.setProperty(REASON, f"{words}{why}", SOURCE)
        return result

    async def finish_log(self, log: Any) -> None:
        """Finish a log, also after an earlier attempt to was interrupted."""
        if log.finished or log._finishing:  # noqa: SLF001 - nothing public tells
            # Buildbot marks the log before it stores its end, and never repeats a cancelled write.
            await self.master.data.updates.finishLog(log.logid)
        else:
            await log.finish()

    @async_to_deferred
    async def startStep(self, remote: Any) -> int:
        """Run the step; a detached step's result is RETRY even if :meth:`run` was never called.

        Buildbot would make it CANCELLED, and the stop of the master would lose the build.
        """
        try:
            result: int = await super().startStep(remote)
        except Exception as error:
            if not is_database_unreachable(error):
                raise
            # Buildbot would never end the build. A step that had not begun is repeated.
            result = results.RETRY if self.results is None else self.results
            self.results = result
            self.releaseLocks()
            if self.stepid is not None and self.early_end.reason is not Ending.DETACHED:
                finish = self.master.data.updates.finishStep
                await self.until_stored(lambda: finish(self.stepid, result, False))
        if self.early_end.reason is Ending.DETACHED:
            return results.RETRY
        if result == results.RETRY and self.stopped_for is not None:
            # Buildbot would complete the request, which another master runs by now.
            self.build.results = result
            await self.until_stored(self._stop_next_attempt)
        # Buildbot stores them next; an unreachable database would then keep the build from ending.
        await self.store_properties()
        return result

    def addLogWithFailure(self, why: Failure, logprefix: str = "") -> Deferred[None]:
        """Log a failure; an outage of the database before the step began repeats it instead."""
        if self._has_run or not is_database_unreachable(why.value):
            logging: Deferred[None] = super().addLogWithFailure(why, logprefix)
            return logging
        self.results = results.RETRY
        return succeed(None)

    def interrupt(self, reason: str | Failure) -> Deferred[None]:
        """End the step early: for a user, or because the master stops or the worker is lost."""
        return Deferred.fromCoroutine(self._interrupt(reason))

    async def _stop_next_attempt(self) -> None:
        """Stop the build that another master runs: a person stopped this one.

        One that begins later finds that stored.
        """
        await self.store_stop(self.stopped_for or "")
        data, request = self.master.data, self.build.requests[0].id
        for each in await data.get(("buildrequests", request, "builds")):
            if each["buildid"] > self.build.buildid and not each["complete"]:
                reason = {"reason": self.stopped_for}
                await data.control("stop", reason, ("builds", each["buildid"]))

    async def _interrupt(self, reason: str | Failure) -> None:
        detaches = self._is_detaching(reason)
        if not detaches:
            # The work may end while Buildbot writes its log of the stop.
            self.stopped_for = clean_line(str(reason)[:SUMMARY_LENGTH])
        try:
            if self._has_run or detaches:
                await super().interrupt(reason)
            else:
                # Buildbot would not call run(), which cancels what an earlier attempt began.
                for lock, access, waiting in self._acquiringLocks:
                    lock.stopWaitingUntilAvailable(self, access, waiting)
                self._acquiringLocks = []
        finally:
            # Only this ends run(): otherwise the build, and a stopping master, would hang.
            if self.early_end.is_critical and not detaches:
                self.say(f"stopping; until then {self._text}")
            self.early_end.end(Ending.DETACHED if detaches else Ending.STOPPED)

    def acquireLocks(self, res: Any = None) -> Deferred[Any]:
        """Acquire the locks, unless the step was stopped: then it only cleans up."""
        if self.stopped_for is not None:
            self._locks_to_acquire = []
            return succeed(None)
        acquiring: Deferred[Any] = super().acquireLocks(res)
        return acquiring

    def _is_detaching(self, reason: str | Failure) -> bool:
        if isinstance(reason, Failure):
            return True
        if any(getattr(request, "waitedFor", False) for request in self.build.requests):
            # A build that another one triggered and waits for gets no next attempt.
            return False
        # While `buildbot stop --clean` waits for builds, a user can still stop one of them.
        stopping = getattr(self.master.botmaster, "shuttingDown", False)
        return bool(stopping) and "Master Shutdown" in reason

    def getCurrentSummary(self) -> dict[str, str]:
        """Return what the step is doing."""
        return {"step": self._text or "starting"}

    def getResultSummary(self) -> dict[str, str]:
        """Return the outcome in one line."""
        text = self._text or results.statusToString(self.results)
        # Buildbot puts "failed" before the build's summary, which joins those of all its steps. One
        # that the database refuses keeps the build from ever finishing.
        room = max(MAX_VALUE - len(" ".join(self.build.text).encode()), 0)
        return {"step": text, "build": fit_text(text.removeprefix("failed: "), room)}

    def say(self, text: str) -> None:
        """Set the summary to what the step is doing, or did."""
        text = clean_line(text[: 4 * SUMMARY_LENGTH])
        text = text if len(text) <= SUMMARY_LENGTH else f"{text[: SUMMARY_LENGTH - 3]}..."
        if text != self._text:
            self._text = text
            self.updateSummary()
