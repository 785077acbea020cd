"""A step that revives the dead letters of a reporter."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.buttons import ButtonStep, NotThere
from buildbot_koji.arguments.declaration import required
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.reporters.base import REDELIVER, KojiReporter
from buildbot_koji.reporters.records import dead_letters


async def dead_letters_of(master: Any, reporter: str) -> list[Delivery]:
    """Return the dead letters of a reporter, on all masters.

    Raises:
        NotThere: there is no such reporter.
    """
    letters = await dead_letters(master, reporter)
    services = master.config.services
    reporters = [name for name, each in services.items() if isinstance(each, KojiReporter)]
    # Another master may have it.
    if not (letters and master.config.multiMaster) and reporter not in reporters:
        known = f": it has {', '.join(sorted(reporters))}" if reporters else ""
        raise NotThere(f"this master has no reporter {reporter}{known}")
    return letters


def redeliver(master: Any, reporter: str, letters: Collection[Delivery]) -> str:
    """Have all masters retry some dead letters; returns that in words."""
    if letters:
        chosen = [[each.build_id, each.name] for each in letters]
        master.mq.produce(REDELIVER, {"reporter": reporter, "letters": chosen})
    words = {0: "no dead letters of {}", 1: "trying 1 dead letter of {} again"}
    some = words.get(len(letters), f"trying {len(letters)} dead letters of {{}} again")
    return some.format(reporter)


class KojiRedelivery(ButtonStep):
    """Lists the dead letters of a reporter, on all masters, and retries them."""

    name = "redelivery"

    reporter = required(checks.text, "the name of the reporter", positional=True)

    async def press(self) -> str:
        """List them, and have all masters retry them."""
        letters = await dead_letters_of(self.master, self.reporter)
        if letters:
            lines = [f"{each.name} of build {each.build_id}: {each.said}\n" for each in letters]
            await self.addCompleteLog("dead letters", "".join(lines))
        return redeliver(self.master, self.reporter, letters)
