"""The base class of the steps whose task has a priority."""

from __future__ import annotations

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.steps.framework.task_step import KojiTaskStep

__all__ = ["PrioritizedTaskStep"]

BACKGROUND_PRIORITY = 5
"""The priority that ``--background`` of Koji's own client requests."""


class PrioritizedTaskStep(KojiTaskStep):
    """Submits a Koji task with a priority."""

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
        """The priority argument of the hub call."""
        return BACKGROUND_PRIORITY if self.background else self.priority
