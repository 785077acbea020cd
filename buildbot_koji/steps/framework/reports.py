"""Long reports in a step's logs."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from twisted.internet.task import deferLater

from buildbot_koji.database_values import clean_text
from buildbot_koji.steps.framework.base import KojiStep

LOG_PART = 50_000
"""Characters of a report that are written at once."""


async def write_report(step: KojiStep, name: str, kind: str, parts: Iterable[str]) -> None:
    """Write a report to a log of its own, and yield to the reactor between its parts.

    Args:
        step: the step.
        name: the name of the log.
        kind: Buildbot's type of the log: ``t`` for text, ``h`` for HTML.
        parts: the text; they are joined.
    """
    log = await step.until_stored(lambda: step.addLog(name, type=kind))
    waiting: list[str] = []
    size = 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= LOG_PART:
            text = clean_text("".join(waiting))
            await step.until_stored(partial(log.addContent, text))
            await deferLater(step.master.reactor, 0)
            waiting, size = [], 0
    await step.until_stored(partial(log.addContent, clean_text("".join(waiting))))
    await step.until_stored(log.finish)
