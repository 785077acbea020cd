"""The step that pauses mass builds: a button on the pages, without the Koji pages."""

from __future__ import annotations

from typing import Any

from buildbot.process.results import FAILURE, SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredStep
from buildbot_koji.mass.registry import running

__all__ = ["KojiPauseMassBuild"]


class KojiPauseMassBuild(DeclaredStep):
    """Pauses the mass builds of a builder that run on this master, or resumes them.

    A paused mass build submits nothing; what runs goes on. It stays paused over a restart.
    """

    name = "koji pause mass build"

    builder = argument(checks.text, "the name of the builder", required=True, positional=True)
    paused = argument(
        checks.flag,
        "True to pause, False to resume; usually the property of a ``BooleanParameter``",
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
        """Pause or resume."""
        if self.paused is None:
            # A util.Property renders False as None, by default.
            self.paused = False
        complaints = self.complaints()
        if complaints:
            self._words = complaints[0]
            return FAILURE
        found = [
            each
            for each in running(self.master)
            if not each.has_ended and each.status()["builder"] == self.builder
        ]
        if not found:
            self._words = f"no mass build of {self.builder} runs on this master"
            return FAILURE
        for each in found:
            if self.paused:
                each.pause()
            else:
                each.resume()
        self._words = f"{self.builder} {'is paused' if self.paused else 'resumes'}"
        return SUCCESS
