"""A step that revives the dead letters of a reporter."""

from __future__ import annotations

from typing import Any

from buildbot.process.results import FAILURE, SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredStep
from buildbot_koji.reporters.backlog import dead_letters
from buildbot_koji.reporters.base import REDELIVER, KojiReporter

__all__ = ["KojiRedelivery"]


class KojiRedelivery(DeclaredStep):
    """Lists the dead letters of a reporter, on all masters, and retries them."""

    name = "redelivery"

    reporter = argument(checks.text, "the name of the reporter", required=True, positional=True)

    master: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._text = ""

    @async_to_deferred
    async def run(self) -> int:
        """List them, and have all masters retry them."""
        letters = await dead_letters(self.master, self.reporter)
        services = self.master.config.services
        reporters = [name for name, each in services.items() if isinstance(each, KojiReporter)]
        if not letters and self.reporter not in reporters:
            known = f": it has {', '.join(sorted(reporters))}" if reporters else ""
            self._text = f"failed: this master has no reporter {self.reporter}{known}"
            return int(FAILURE)
        if letters:
            lines = [f"{each.name} of build {each.build_id}: {each.said}\n" for each in letters]
            await self.addCompleteLog("dead letters", "".join(lines))
            self.master.mq.produce(REDELIVER, {"reporter": self.reporter})
        words = {0: "no dead letters of {}", 1: "trying 1 dead letter of {} again"}
        some = words.get(len(letters), f"trying {len(letters)} dead letters of {{}} again")
        self._text = some.format(self.reporter)
        return int(SUCCESS)

    def getResultSummary(self) -> dict[str, str]:
        """Return their number."""
        return {"step": self._text, "build": self._text}
