"""A step that tries again what a reporter has given up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from buildbot.config.errors import error as config_error
from buildbot.process.buildstep import BuildStep
from buildbot.process.results import SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_koji.arguments import checks
from buildbot_koji.reporters.backlog import dead_letters
from buildbot_koji.reporters.base import REDELIVER

__all__ = ["KojiRedelivery"]


class KojiRedelivery(BuildStep):
    """Lists the dead letters of a reporter, on all masters, and lets them be tried again.

    Args:
        reporter: the reporter's name.
        kwargs: Buildbot's own arguments of every step.
    """

    name = "redelivery"
    renderables: Sequence[str] = ("reporter",)

    master: Any

    def __init__(self, reporter: Any = None, **kwargs: Any) -> None:
        self.reporter = reporter
        super().__init__(**kwargs)
        given = {"reporter": reporter}
        for complaint in checks.complaints(given, {"reporter": checks.text}, given):
            config_error(f"{type(self).__name__}: {complaint}")
        self._text = ""

    @async_to_deferred
    async def run(self) -> int:
        """List them, and tell all masters."""
        letters = await dead_letters(self.master, self.reporter)
        if letters:
            lines = [f"{each.name} of build {each.build_id}: {each.said}\n" for each in letters]
            await self.addCompleteLog("dead letters", "".join(lines))
            self.master.mq.produce(REDELIVER, {"reporter": self.reporter})
        words = {0: "no dead letters of {}", 1: "trying 1 dead letter of {} again"}
        some = words.get(len(letters), f"trying {len(letters)} dead letters of {{}} again")
        self._text = some.format(self.reporter)
        return int(SUCCESS)

    def getResultSummary(self) -> dict[str, str]:
        """Return how many there were."""
        return {"step": self._text, "build": self._text}
