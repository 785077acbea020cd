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
        "the priority of the task, relative to Koji's own 20: higher is later; a negative one"
        " requires the permission ``admin``",
    )
    background = argument(
        checks.flag,
        "run at a lower priority, as ``--background`` of Koji's client",
        default=False,
        excludes=("priority",),
    )

    @property
    def hub_priority(self) -> int | None:
        """The priority as a hub call takes it."""
        return BACKGROUND_PRIORITY if self.background else self.priority
