"""The switch that pauses a change source: a build step, so that it is a button on the pages."""

from __future__ import annotations

from typing import Any

from buildbot.process.results import FAILURE, SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredStep
from buildbot_koji.changes.storage import SourceStorage

__all__ = ["KojiPauseChanges"]


class KojiPauseChanges(DeclaredStep):
    """Pauses a ``KojiChangeSource``, or resumes it.

    What happens on the hub meanwhile is not lost: it becomes changes when the source resumes. The
    switch is in the master's database: it survives restarts, and all masters of a cluster see it.
    """

    name = "koji pause changes"

    source = argument(checks.text, "the name of the change source", required=True, positional=True)
    paused = argument(
        checks.flag,
        "True to pause it, False to resume it; usually the property of a ``BooleanParameter``",
        required=True,
        positional=True,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._words = "interrupted"
        super().__init__(*args, **kwargs)

    def getResultSummary(self) -> dict[str, str]:
        """Return what was done, for the step and for the build."""
        return {"step": self._words, "build": self._words}

    @async_to_deferred
    async def run(self) -> int:
        """Turn the switch."""
        if self.paused is None:
            # A util.Property renders False as None, by default.
            self.paused = False
        complaints = self.complaints()
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
