"""Reports in the log and as changes: the hub is silent, events are unusable, credentials expire."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.logger import Logger

from buildbot_koji.changes.context import SourceContext
from buildbot_koji.changes.health import Health, health_change
from buildbot_koji.changes.intake import EventIntake
from buildbot_koji.hubs.hub import Hub
from txkoji import one_line
from txkoji.elapsed import Alarm
from txkoji.exceptions import KojiException
from txkoji.locks import Lock

INTERVAL = 60.0
"""Seconds between two checks of the health while the hub is silent; an answer ends the wait."""


class HealthReports:
    """What a change source says of its own health, each once."""

    _log = Logger()

    def __init__(self, context: SourceContext, intake: EventIntake) -> None:
        self._context = context
        self._name = context.name
        self._hub_name = context.options.hub_name
        self._intake = intake
        self._health = Health(context.options.stale_after, context.elapsed.seconds())
        self._alarm = Alarm(context.elapsed)
        self._reporting = Lock()
        self._hub: Hub | None = None
        self._is_logged = False

    def load(self, hub: Hub) -> None:
        """Continue with what was reported before; the intake has read it."""
        self._hub = hub
        state = self._intake.recorder.state
        self._health.stale, self._health.unusable = state.stale, state.unusable

    @property
    def is_stale(self) -> bool:
        """Whether the hub was reported as silent, and not yet as answering again."""
        return self._health.stale

    @property
    def silence(self) -> float:
        """Seconds since the hub answered."""
        return self._health.silence(self._context.elapsed.seconds())

    @property
    def trouble(self) -> str | None:
        """Why the hub does not answer, also while the first request still waits for it."""
        trouble = None if self._hub is None else self._hub.connection.trouble
        return self._health.trouble or (None if trouble is None else one_line(trouble))

    def answered(self) -> None:
        """Record an answer of the hub; log it if a failure was logged."""
        self._health.succeeded(self._context.elapsed.seconds())
        if self._is_logged:
            self._log.info("{name}: the hub answers again", name=self._name)
        self._is_logged = False

    def failed(self, error: KojiException) -> None:
        """Log why a request failed, once until the hub answers; its link logs an outage."""
        words = self._health.trouble = one_line(error)
        if not self._is_logged and (self._hub is None or self._hub.trouble is None):
            self._is_logged = True
            self._log.warn("{name}: {error}; retrying", name=self._name, error=words)

    async def watch(self, until_done: Callable[[Callable[[], Awaitable[None]]], Any]) -> None:
        """Report the silence when it is due: a poll may wait for an unreachable hub meanwhile."""
        while True:
            await until_done(self.report)
            due = self._health.due_in(self._context.elapsed.seconds())
            pause = INTERVAL if due is None else due
            await self._context.interruption.wait(self._alarm.sleep, pause)

    def wake(self) -> None:
        """End the sleep of :meth:`watch`: the health was just reported, so plan again."""
        self._alarm.ring()

    async def report(self) -> None:
        """Log and store the condition if it changed."""
        await self._context.interruption.locked(self._reporting, self._report)

    async def _report(self) -> None:
        health, before = self._health, (self._health.stale, self._health.unusable)
        try:
            await self._store_condition()
        except BaseException:
            # The next report says it.
            health.stale, health.unusable = before
            raise

    async def _store_condition(self) -> None:
        health, unusable = self._health, self._intake.unusable
        now = self._context.elapsed.seconds()
        health.record_request(now, is_failing=self.trouble is not None)
        # While a master is suspended nothing is sent that could fail.
        if self._intake.is_paused or (self.trouble is None and health.due_in(now) == 0):
            health.not_asked(now)
        was_stale = health.stale
        if not health.changed(now, unusable=unusable > 0):
            return
        words = self._words(was_stale, unusable)
        log = self._log.info if health.condition == "well" else self._log.warn
        log("{name}: {words}", name=self._name, words=words)
        await self._add_change(health.condition, words, unusable)
        state = self._intake.recorder.state
        state.stale, state.unusable = health.stale, health.unusable
        await self._intake.recorder.save()

    def _words(self, was_stale: bool, unusable: int) -> str:
        hub = self._hub_name
        if self._health.condition == "stale":
            return f"no answer from {hub} for {self.silence:.0f} s: {self.trouble}"
        if self._health.condition == "unusable":
            reason = self._intake.unusable_reason
            return f"events of {hub} that can't become changes: {unusable}, the last one: {reason}"
        return f"{hub} answers again" if was_stale else f"all events of {hub} are usable"

    async def report_credentials(self) -> None:
        """Make a change when a credential begins to run out, and when it is replaced."""
        if self._hub is None or not self._hub.knows_credentials:
            return
        trouble, state = self._hub.credential_trouble, self._intake.recorder.state
        found = "" if trouble is None else f"{trouble.kind} {trouble.name}: {trouble.state}"
        if found == state.credentials:
            return
        if trouble is None:
            await self._add_change(
                "credentials-well", f"the credentials for {self._hub_name} are good"
            )
        else:
            await self._add_change("credentials", trouble.message)
        state.credentials = found
        await self._intake.recorder.save()

    async def _add_change(self, condition: str, words: str, unusable: int = 0) -> None:
        change = health_change(
            self._name,
            self._hub_name,
            condition=condition,
            words=words,
            unusable=unusable,
            now=self._context.now(),
        )
        await self._context.interruption.locked(
            self._context.master.initLock, lambda: self._intake.recorder.add_health(change)
        )
