"""The switch that pauses a change source: a build step, so that it is a button on the pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildbot.process.results import FAILURE, SUCCESS
from buildbot.util.twisted import async_to_deferred

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.arguments.plugins import DeclaredStep
from buildbot_koji.changes.source import KojiChangeSource
from buildbot_koji.changes.storage import SourceStorage

__all__ = ["KojiPauseChanges", "UnknownSource", "pause_source", "paused_sources"]


class UnknownSource(Exception):
    """The database has no change source of that name; the text says so."""


async def pause_source(master: Any, name: str, paused: bool) -> str:
    """Pause a change source, or resume it, on whatever master it is.

    Args:
        master: the Buildbot master.
        name: the change source's name.
        paused: True to pause it.

    Returns:
        What was done, in words.

    Raises:
        UnknownSource: there is no change source of that name.
    """
    known = await master.data.get(("changesources",))
    if name not in [each["name"] for each in known]:
        raise UnknownSource(f"there is no change source {name}: check the name")
    await SourceStorage(master, name).set_paused(paused)
    here = master.change_svc.namedServices.get(name)
    if isinstance(here, KojiChangeSource):
        here.wake()
    return f"{name} {'is paused' if paused else 'resumes'}"


async def paused_sources(master: Any, names: Iterable[str]) -> set[str]:
    """Return which of some change sources someone has paused, on whatever master they are."""
    return {name for name in names if await SourceStorage(master, name).is_paused()}


class KojiPauseChanges(DeclaredStep):
    """Pauses a ``KojiChangeSource``, or resumes it.

    What happens on the hub meanwhile is not lost: it becomes changes when the source resumes. The
    switch is in the master's database: it survives restarts, and all masters of a cluster see it.
    """

    name = "koji pause changes"

    source = argument(checks.text, "the name of the change source", required=True, positional=True)
    paused = argument(
        checks.flag,
        "True to pause it, False to resume it; usually the property of a ``BooleanParameter``",
        required=True,
        positional=True,
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._words = "interrupted"
        super().__init__(*args, **kwargs)

    def getResultSummary(self) -> dict[str, str]:
        """Return what was done, for the step and for the build."""
        return {"step": self._words, "build": self._words}

    @async_to_deferred
    async def run(self) -> int:
        """Turn the switch."""
        if self.paused is None:
            # A util.Property renders False as None, by default.
            self.paused = False
        complaints = self.complaints()
        if complaints:
            self._words = complaints[0]
            return FAILURE
        assert self.master is not None
        try:
            self._words = await pause_source(self.master, self.source, self.paused)
        except UnknownSource as error:
            self._words = str(error)
            return FAILURE
        return SUCCESS
