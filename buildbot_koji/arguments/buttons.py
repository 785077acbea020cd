"""Steps that serve as buttons on Buildbot's pages: they work on the master alone."""

from __future__ import annotations

from typing import Any

from buildbot.process.results import FAILURE, SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import required
from buildbot_koji.arguments.plugins import DeclaredStep

PAUSED = required(
    checks.flag,
    "True to pause, False to resume; usually the property of a ``BooleanParameter``",
    positional=True,
)


class NotThere(Exception):
    """The object that a button works on does not exist; the text names it."""


class ButtonStep(DeclaredStep):
    """Does something on the master, and reports it in the summary of step and build."""

    master: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._words = "interrupted"
        super().__init__(*args, **kwargs)

    def getResultSummary(self) -> dict[str, str]:
        """Return what was done, for the step and for the build."""
        # Buildbot itself puts "failed" before the summary of the build.
        return {"step": self._words, "build": self._words.removeprefix("failed: ")}

    async def press(self) -> str:
        """Do it, and return what was done, in words.

        Raises:
            NotThere: the object that it works on does not exist.
        """
        raise NotImplementedError

    @async_to_deferred
    async def run(self) -> int:
        """Check the arguments, and do it."""
        self.take_rendered()
        complaints = self.complaints()
        if complaints:
            self._words = complaints[0]
            return int(FAILURE)
        try:
            self._words = await self.press()
        except NotThere as error:
            self._words = f"failed: {error}"
            return int(FAILURE)
        return int(SUCCESS)
