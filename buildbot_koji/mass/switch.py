"""The step that pauses mass builds: a button on the pages, without the Koji pages."""

from __future__ import annotations

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.buttons import PAUSED, ButtonStep, NotThere
from buildbot_koji.arguments.declaration import required
from buildbot_koji.mass.status import running


class KojiPauseMassBuild(ButtonStep):
    """Pauses the mass builds of a builder that run on this master, or resumes them.

    A paused mass build submits nothing; running tasks continue. It stays paused over a restart.
    """

    name = "koji pause mass build"

    builder = required(checks.text, "the name of the builder", positional=True)
    paused = PAUSED

    async def press(self) -> str:
        """Pause or resume."""
        found = [
            each
            for each in running(self.master)
            if not each.has_ended and each.builder == self.builder
        ]
        if not found:
            raise NotThere(f"no mass build of {self.builder} runs on this master")
        for each in found:
            each.runner.set_paused(self.paused)
        return f"{self.builder} {'is paused' if self.paused else 'resumes'}"
