"""Whether a change source hears from its hub, and its reports of that in the log and as changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.internet.defer import DeferredLock
from twisted.logger import Logger

from buildbot_koji.changes.context import Alarm, SourceContext
from buildbot_koji.changes.intake import EventIntake
from buildbot_koji.changes.mapping import fitted
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.properties import CHANGE_SOURCE
from txkoji import one_line
from txkoji.exceptions import KojiException

CATEGORY = "koji-health"

CONFIRMED_AFTER = 60.0
"""Seconds that a failure must last to count: a suspended master, or a clock that jumps ahead, makes
each request fail that is in flight then.
"""

LOOKS = 6
"""How often a failure is looked at until it counts: at each look it may be known since the last."""


class Health:
    """Notices when the hub is silent for too long or events are unusable, and when that ends.

    Args:
        stale_after: seconds without an answer.
        now: the time, in seconds.

    Attributes:
        stale: whether the silence was reported, and its end was not.
        unusable: the same for events that can't become changes.
        trouble: why the last request failed; None if it succeeded.
    """

    def __init__(self, stale_after: float, now: float) -> None:
        self._stale_after = stale_after
        self._answered_at = now
        self._confirmed_after = min(stale_after / 2, CONFIRMED_AFTER)
        self._failing_since: float | None = None
        self._recovered = False
        self.stale = False
        self.unusable = False
        self.trouble: str | None = None

    def succeeded(self, now: float) -> bool:
        """Record an answer; returns whether the previous request had failed."""
        had_trouble, self.trouble = self.trouble is not None, None
        self.not_asked(now)
        self._recovered = True
        return had_trouble

    def failed(self, reason: str) -> bool:
        """Record a failure; returns whether the previous request had succeeded."""
        is_new, self.trouble = self.trouble is None, reason
        return is_new

    def not_asked(self, now: float) -> None:
        """Record that the hub was not asked: its silence means nothing."""
        self._answered_at = now
        self._failing_since = None

    def record_request(self, now: float, *, is_failing: bool) -> None:
        """Record whether the last request failed, or has no answer so far."""
        if not is_failing:
            self._failing_since = None
        elif self._failing_since is None:
            self._failing_since = now

    @property
    def condition(self) -> str:
        """The worst of what is reported: ``stale``, ``unusable`` or ``well``."""
        return "stale" if self.stale else "unusable" if self.unusable else "well"

    def changed(self, now: float, *, unusable: bool = False) -> bool:
        """Update the condition; returns whether it changed."""
        before = self.condition
        if self._recovered or not self.stale:
            self.stale = self._left(now) == 0
        self.unusable = unusable
        return self.condition != before

    def due_in(self, now: float) -> float | None:
        """Return the seconds until the next look; 0 if a silence is due, None if it is reported."""
        return None if self.stale else min(self._left(now), self._confirmed_after / LOOKS)

    def _left(self, now: float) -> float:
        left = self._stale_after - self.silence(now)
        if self._failing_since is not None:
            left = max(left, self._confirmed_after - (now - self._failing_since))
        return max(left, 0.0)

    def silence(self, now: float) -> float:
        """Return the seconds since the last answer."""
        return max(now - self._answered_at, 0.0)


def health_change(
    source: str, hub: str, *, condition: str, words: str, now: float, unusable: int = 0
) -> dict[str, Any]:
    """Return the arguments of Buildbot's ``addChange`` for a report of the health."""
    return fitted(
        {
            "author": "koji",
            "category": CATEGORY,
            "comments": words,
            "project": hub,
            "repository": hub,
            "revision": f"{source}-{condition}-{int(now)}",
            "when_timestamp": int(now),
            "properties": {
                "koji_health": condition,
                "koji_unusable": unusable,
                "koji_hub": hub,
                CHANGE_SOURCE: source,
            },
        }
    )


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
        self._health = Health(context.options.stale_after, context.now())
        self._alarm = Alarm(context.master.reactor, context.interruption)
        self._reporting = DeferredLock()
        self._hub: Hub | None = None

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
        return self._health.silence(self._context.now())

    @property
    def trouble(self) -> str | None:
        """Why the hub does not answer, also while the first request still waits for it."""
        trouble = None if self._hub is None else self._hub.connection.trouble
        return self._health.trouble or (None if trouble is None else one_line(trouble))

    def answered(self) -> None:
        """Record an answer of the hub; log it if the request before had failed."""
        if self._health.succeeded(self._context.now()):
            self._log.info("{name}: the hub answers again", name=self._name)

    def failed(self, error: KojiException) -> None:
        """Log why a request failed, once until the hub answers."""
        words = one_line(error)
        if self._health.failed(words):
            self._log.warn("{name}: {error}; retrying", name=self._name, error=words)

    async def watch(self, until_done: Callable[[Callable[[], Awaitable[None]]], Any]) -> None:
        """Report the silence when it is due: a poll may wait for an unreachable hub meanwhile."""
        while True:
            await until_done(self.report)
            due = self._health.due_in(self._context.now())
            await self._alarm.sleep(INTERVAL if due is None else due)

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
        health, now, unusable = self._health, self._context.now(), self._intake.unusable
        health.record_request(now, is_failing=self.trouble is not None)
        # While a master is suspended, or its clock jumps ahead, nothing is sent that could fail.
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
