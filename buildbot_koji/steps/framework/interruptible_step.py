"""How a step runs in Buildbot: what it stores, how it is interrupted, how it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from typing import Any, ClassVar, TypeVar

from buildbot.process import results
from buildbot.util.twisted import async_to_deferred
from twisted.internet.defer import Deferred, succeed
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji.arguments.plugins import DeclaredStep
from buildbot_koji.database_values import (
    MAX_VALUE,
    clean_line,
    clean_text,
    encoded_size,
    fit_property,
    fit_text,
)
from buildbot_koji.durable.attempts import StepIdentity, choose_attempt, to_row
from buildbot_koji.durable.database import is_database_unreachable, until_stored
from buildbot_koji.durable.store import SOURCE as STORED_BY
from buildbot_koji.durable.store import BuildData, RowsPlace, data_name
from buildbot_koji.hubs.koji_hub import profile_name
from buildbot_koji.properties import REASON, SOURCE
from buildbot_koji.steps.framework.early_end import EarlyEnd, Ending, StepTiming

T = TypeVar("T")

IDENTIFYING = frozenset({"args", "draft", "kwargs", "scratch"})
"""Arguments that identify the work of a step, beside those that must be given."""

LOG_PART = 50_000
"""Characters of a report that are written at once."""

LINK_SIZE = 1000
"""Bytes of the text or the address of a link, or of the title of a log."""


class StoringStep(DeclaredStep):
    """A step whose properties, links and logs come from a hub.

    Attributes:
        properties_set: the names of the properties that it has set.
        found_attempt: the row that it found of an earlier attempt: its build's id, and its name.
    """

    timing: ClassVar[StepTiming] = StepTiming()
    """The pauses and limits that users don't set."""

    _log = Logger()
    master: Any
    build: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.properties_set: set[str] = set()
        self._links_size = 0
        self._earlier: list[int] | None = None
        self.found_attempt: tuple[int, str] | None = None

    def setProperty(
        self, propname: str, value: Any, source: str = "Step", runtime: bool | None = None
    ) -> None:
        """Set a property; a value that is too large for the database is cut."""
        self.properties_set.add(propname)
        super().setProperty(propname, fit_property(value), source, runtime)

    @async_to_deferred
    async def addURL(self, name: str, url: str) -> None:
        """Add a link, unless the step has as many as the database takes."""
        link = {"name": fit_text(clean_line(name), LINK_SIZE), "url": fit_text(url, LINK_SIZE)}
        self._links_size += encoded_size(link) + len(", ")
        if self._links_size <= MAX_VALUE:
            add = super().addURL
            await self.until_stored(lambda: add(**link))

    def addLog(self, name: str, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Add a log."""
        return super().addLog(fit_text(clean_line(name), LINK_SIZE), *args, **kwargs)

    async def write_report(self, name: str, kind: str, parts: Iterable[str]) -> None:
        """Write a long text to a log of its own, and yield to the reactor between its parts.

        Args:
            name: the name of the log.
            kind: Buildbot's type of the log: ``t`` for text, ``h`` for HTML.
            parts: the text; they are joined.
        """
        log = await self.until_stored(lambda: self.addLog(name, type=kind))
        waiting: list[str] = []
        size = 0
        for part in parts:
            waiting.append(part)
            size += len(part)
            if size >= LOG_PART:
                text = clean_text("".join(waiting))
                await self.until_stored(partial(log.addContent, text))
                await self._build_data.pause()
                waiting, size = [], 0
        await self.until_stored(partial(log.addContent, clean_text("".join(waiting))))
        await self.until_stored(log.finish)

    async def until_stored(self, write: Callable[[], Awaitable[T]]) -> T:
        """Write to the master's database, and retry while it is unreachable."""
        policy = self.timing.database_retry
        return await until_stored(write, self.master.reactor, policy, str(self.name))

    async def store_attempt(self, value: Mapping[str, Any]) -> None:
        """Store what the next attempt of the same build request must know: a JSON object."""
        name, row = data_name(str(self.name)), to_row(value, self._identity)
        await self.until_stored(lambda: self._build_data.put(self.build.buildid, name, row))

    async def find_earlier_attempt(self) -> dict[str, Any] | None:
        """Return what this step stored in the newest earlier attempt that did, or None.

        The steps of an earlier attempt may have had other names, or an equal name may have been
        another step's: see :class:`StepIdentity`.
        """
        data, own = self._build_data, data_name(str(self.name))
        build_id = self.build.buildid
        for earlier in await self._earlier_builds():
            rows = await self.until_stored(partial(data.rows, earlier))
            found = choose_attempt(earlier, rows.items(), own, self._identity, self._taken)
            if found is not None:
                name, value = found
                self.found_attempt = (earlier, name)
                # The janitor deletes the data of a build that ended long ago.
                await self.store_attempt(value)
                return value
            if own in rows:
                self._log.info(
                    "{name} of build {id} leaves alone what another step of that name began in"
                    " build {earlier}",
                    name=self.name,
                    id=build_id,
                    earlier=earlier,
                )
        return None

    async def store_stop(self, reason: str) -> None:
        """Store that a person stopped the step: until it has ended, another attempt may come."""
        name, value = self._stop_row, reason.encode()
        await self.until_stored(lambda: self._build_data.put(self.build.buildid, name, value))

    async def earlier_stop(self) -> str | None:
        """Return why a person stopped this step in an earlier attempt, None if no one did."""
        for earlier in await self._earlier_builds():
            read = partial(self._build_data.get, earlier, self._stop_row)
            found = await self.until_stored(read)
            if found is not None:
                return found.decode(errors="replace")
        return None

    async def own_rows(self) -> RowsPlace:
        """Return the place of the rows of the build request: with this build from now on."""
        own = self.build.buildid
        place = await self.until_stored(lambda: RowsPlace.find(self.master, own))
        return await self.until_stored(lambda: place.move(own))

    @property
    def _stop_row(self) -> str:
        return data_name(str(self.name), "stopped")

    async def _earlier_builds(self) -> list[int]:
        if self._earlier is None:
            find = partial(self._build_data.earlier_builds, self.build.buildid)
            self._earlier = await self.until_stored(find)
        return self._earlier

    @property
    def _identity(self) -> StepIdentity:
        names = [
            name
            for name, each in self.arguments.items()
            if (each.required or each.required_unless or name in IDENTIFYING) and not each.secret
        ]
        configured = {name: self.declared_values[name] for name in names}
        rendered = {name: getattr(self, name) for name in names}
        if "profile" in names:
            configured["profile"] = rendered["profile"] = profile_name(configured["profile"])
        return StepIdentity.of(type(self).__name__, configured, rendered)

    @property
    def _taken(self) -> set[tuple[int, str]]:
        """The rows that other steps of this attempt have found to be theirs."""
        steps = [each for each in self.build.executedSteps if isinstance(each, StoringStep)]
        found = [each.found_attempt for each in steps if each is not self]
        return {each for each in found if each is not None}

    @property
    def _build_data(self) -> BuildData:
        return BuildData(self.master, STORED_BY)


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
            self.setProperty(REASON, f"{self.getResultSummary()['build']}{why}", SOURCE)
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
        store = self.master.data.updates.setBuildProperties
        await self.until_stored(lambda: store(self.build.buildid, self.build))
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
        # Buildbot itself puts "failed" or "build successful" before the build's summary.
        return {"step": text, "build": text.removeprefix("failed: ")}

    def say(self, text: str) -> None:
        """Set the summary to what the step is doing, or did."""
        text = clean_line(text[: 4 * SUMMARY_LENGTH])
        text = text if len(text) <= SUMMARY_LENGTH else f"{text[: SUMMARY_LENGTH - 3]}..."
        if text != self._text:
            self._text = text
            self.updateSummary()
