"""The base classes of the steps whose tasks have a priority."""

from __future__ import annotations

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.task_step import KojiTaskStep

__all__ = ["PrioritizedStep", "PrioritizedTaskStep"]

BACKGROUND_PRIORITY = 5
"""The priority that ``--background`` of Koji's own client requests."""


class PrioritizedStep(KojiStep):
    """Submits tasks with a priority."""

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


class PrioritizedTaskStep(PrioritizedStep, KojiTaskStep):
    """Submits a Koji task with a priority, and follows it."""
