"""What the building steps share: a priority, and arguments that mean the same in several."""

from __future__ import annotations

from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument, flag, option
from buildbot_koji.steps.framework.base import KojiStep
from buildbot_koji.steps.framework.task_step import KojiTaskStep

BACKGROUND_PRIORITY = 5
"""The priority that ``--background`` of Koji's own client requests."""

SCRATCH = flag("build without importing the result", option=True)
SKIP_TAG = flag("don't tag the build", option=True)
REPO_ID = option(checks.positive, "build with this repo instead of the target's newest")


class PrioritizedStep(KojiStep):
    """Submits tasks with a priority."""

    channel: Any

    priority = argument(
        checks.integer,
        "the priority of the task, relative to Koji's own 20: higher is later; a negative one"
        " requires the permission ``admin``",
    )
    background = flag(
        "run at a lower priority, as ``--background`` of Koji's client", excludes=("priority",)
    )

    @property
    def hub_priority(self) -> int | None:
        """The priority argument of the hub call."""
        return BACKGROUND_PRIORITY if self.background else self.priority

    @property
    def task_options(self) -> dict[str, Any]:
        """The priority, and the channel if one is given, as named arguments of a hub call."""
        options: dict[str, Any] = {"priority": self.hub_priority}
        return options if self.channel is None else {**options, "channel": self.channel}


class PrioritizedTaskStep(PrioritizedStep, KojiTaskStep):
    """Submits a Koji task with a priority, and follows it."""
