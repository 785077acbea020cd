"""What all parts of a running mass build share, and how they wait for the hub."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.hubs.hub import Hub
from buildbot_koji.mass.options import MassHost, MassOptions, MassTiming
from buildbot_koji.mass.packages import refusals
from buildbot_koji.mass.plan import MassPackage, MassPlan, ended_line
from txkoji import Call, Submission, TaskTree
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import HubFault, KojiException, UnusableAnswer
from txkoji.retry import UNREADABLE, is_passing, is_without_access, until_answered

T = TypeVar("T")

REFUSALS = (HubFault, UnusableAnswer, *UNREADABLE)
"""What one package's odd data may raise; it must not stop the others."""


def intent_of(package: MassPackage, run_id: str, call: Call) -> TaskIntent:
    """Return the intent of the task of a package whose submission began.

    Args:
        package: the package.
        run_id: the unique id of the mass build, which is in the marker.
        call: the call that submits the task.
    """
    assert package.begun is not None
    newest, submitted, owner, created = package.begun
    marker = f"{run_id}.{package.index}.{package.attempt}"
    submission = Submission(marker, submitted, newest, owner, created)
    return TaskIntent(call, submission, submitted, package.task_id, package.is_foreign)


def begun_of(submission: Submission) -> tuple[int, float, int | None, float | None]:
    """Return what is kept of a submission with a package; its marker follows from the package."""
    return (
        submission.newest_task,
        submission.submitted,
        submission.owner,
        submission.newest_created,
    )


@dataclass(frozen=True)
class MassContext:
    """A running mass build.

    The ``run_id`` tells it from all others, in the markers of its submissions; the ``lines`` of its
    log are not written yet.
    """

    hub: Hub
    plan: MassPlan
    options: MassOptions
    host: MassHost
    clock: Any
    run_id: str
    timing: MassTiming
    lines: list[str] = field(default_factory=list)

    @property
    def elapsed(self) -> ElapsedTime:
        """What pauses go by."""
        return ElapsedTime(self.clock)

    def now(self) -> float:
        """Return the time, in seconds since the epoch."""
        return float(self.clock.seconds())

    def note(self, package: MassPackage) -> None:
        """Note in the log that a package has ended."""
        self.lines.append(ended_line(package))

    def intent_of(self, package: MassPackage) -> TaskIntent:
        """Return what is known of the task of a package whose submission began."""
        return intent_of(package, self.run_id, self.options.call(package))

    async def own_tree(self, package: MassPackage, tree: TaskTree | None) -> TaskTree | None:
        """Return the tree of a package's task; None if it is another's, or the hub has none.

        A hub that was restored from a backup gives an id again.
        """
        if tree is None:
            return None
        intent, submissions = self.intent_of(package), self.hub.connection.submissions
        is_own = partial(submissions.is_task_of, tree.root, intent.call, intent.submission)
        return tree if await self.ask(is_own) else None

    # Waiting for the hub

    async def ask(
        self, do: Callable[[], Awaitable[T]], refusals: tuple[type[KojiException], ...] = ()
    ) -> T:
        """Do something on the hub; wait while that is unreachable or refuses access.

        A step that gave up would forget its tasks. Someone may fix credentials, permissions or
        proxies meanwhile.

        Args:
            do: what to do; must be safe to repeat.
            refusals: errors that are about this very call, and are raised. A refusal of access, and
                what passes, is waited out even if it is among them.
        """

        def ends(error: Exception) -> bool:
            """Return whether to raise an error."""
            is_waited_out = is_passing(error) or is_without_access(error)
            is_refusal = isinstance(error, refusals) and not is_waited_out
            return is_refusal or not isinstance(error, KojiException)

        return await until_answered(do, self.clock, self.timing.retry, self.say_trouble, ends=ends)

    async def find_channel(self) -> Any:
        """Return the channel of the tasks; None if it takes none: then nothing more starts."""
        name, checked = self.options.channel, self.hub.connection.checked
        found = await self.ask(lambda: checked("getChannel", name))
        if found is not None and found.get("enabled", True):
            return found
        gone = f"the hub has no channel {name} any more"
        self.plan.stop(gone if found is None else f"channel {name} is disabled")
        return None

    async def has_target(self) -> bool:
        """Return whether the hub still takes the builds of the plan; if not, stop the plan."""
        why = await self.ask(self._why_refused)
        if why:
            self.plan.stop(why)
            return False
        return self.options.channel is None or await self.find_channel() is not None

    async def _why_refused(self) -> str:
        options, connection = self.options, self.hub.connection
        await self.hub.log_in()
        target = await connection.checked("getBuildTarget", options.target)
        if target is None:
            return f"the hub has no build target {options.target} any more"
        tags = not (options.scratch or options.skip_tag)
        if tags and options.destination not in (None, target["dest_tag"]):
            other = target["dest_tag_name"]
            return f"target {options.target} has another destination tag by now: {other}"
        return "; ".join(await refusals(connection, target, tags=tags))

    def say_trouble(self, error: KojiException) -> None:
        """Say in the summary why the step waits: the hub is unreachable, or refuses something."""
        self.host.say_error(f"{self.plan.summary(None)}; waiting", error)
