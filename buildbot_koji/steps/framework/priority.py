"""The parent of the steps whose task may be made more or less urgent."""

from __future__ import annotations

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.steps.framework.task_step import KojiTaskStep

__all__ = ["PrioritizedTaskStep"]

BACKGROUND_PRIORITY = 5
"""What the option ``--background`` of Koji's own client adds to the priority."""


class PrioritizedTaskStep(KojiTaskStep):
    """Starts a Koji task that has a priority."""

    priority = argument(
        checks.integer,
        "of the task, relative to Koji's own 20; higher is later, negative needs an admin",
    )
    background = argument(
        checks.flag, "as ``--background`` of Koji's client: a lower priority", default=False
    )

    def complaints(self) -> list[str]:
        """Return one line for each mistake, in a single argument or in how they go together."""
        found = super().complaints()
        if self.background is True and self.priority is not None:
            found.append("background and priority exclude each other: background is a priority")
        return found

    @property
    def hub_priority(self) -> int | None:
        """The priority as a hub call takes it."""
        return BACKGROUND_PRIORITY if self.background else self.priority
