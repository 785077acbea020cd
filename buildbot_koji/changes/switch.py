"""The switch that pauses a change source: a build step, so that it is a button on the pages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildbot.config.errors import error as config_error
from buildbot.process.buildstep import BuildStep
from buildbot.process.results import FAILURE, SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_koji.arguments import checks
from buildbot_koji.changes.storage import SourceStorage

__all__ = ["KojiPauseChanges"]


class KojiPauseChanges(BuildStep):
    """Pauses a ``KojiChangeSource``, or lets it go on.

    What happens on the hub meanwhile is not lost: it becomes changes when the source goes on. The
    switch is in the master's database: it survives restarts, and all masters of a cluster see it.

    Args:
        source: the name of the change source.
        paused: True to pause it, False to let it go on; renderable, as of a ``BooleanParameter``.
        kwargs: Buildbot's own arguments of every step.
    """

    name = "koji pause changes"
    renderables: Sequence[str] = ("source", "paused")

    def __init__(self, source: Any = None, paused: Any = None, **kwargs: Any) -> None:
        self.source = source
        self.paused = paused
        self._words = "interrupted"
        super().__init__(**kwargs)
        for complaint in self._complaints():
            config_error(f"KojiPauseChanges: {complaint}")

    def getResultSummary(self) -> dict[str, str]:
        """Return what was done, for the step and for the build."""
        return {"step": self._words, "build": self._words}

    def _complaints(self) -> list[str]:
        values = {"source": self.source, "paused": self.paused}
        wanted = {"source": checks.text, "paused": checks.flag}
        return checks.complaints(values, wanted, ["source", "paused"])

    @async_to_deferred
    async def run(self) -> int:
        """Turn the switch."""
        if self.paused is None:
            # What Buildbot's Property makes of False, unless it is told otherwise.
            self.paused = False
        complaints = self._complaints()
        if complaints:
            self._words = complaints[0]
            return FAILURE
        assert self.master is not None
        known = await self.master.data.get(("changesources",))
        if self.source not in [each["name"] for each in known]:
            self._words = f"there is no change source {self.source}: check the name"
            return FAILURE
        await SourceStorage(self.master, self.source).set_paused(self.paused)
        here = self.master.change_svc.namedServices.get(self.source)
        if here is not None and not self.paused:
            here.wake()
        words = "is paused" if self.paused else "resumes"
        self._words = f"{self.source} {words}"
        return SUCCESS
