"""The switch that pauses a change source: a build step, so that it is a button on the pages."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.buttons import PAUSED, NotThere, PauseStep
from buildbot_koji.arguments.declaration import argument
from buildbot_koji.changes.source import KojiChangeSource
from buildbot_koji.changes.storage import SourceStorage

__all__ = ["KojiPauseChanges", "pause_source", "paused_sources"]


async def pause_source(master: Any, name: str, paused: bool) -> str:
    """Pause a change source, or resume it, on whatever master it is.

    Args:
        master: the Buildbot master.
        name: the change source's name.
        paused: True to pause it.

    Returns:
        What was done, in words.

    Raises:
        NotThere: there is no change source of that name.
    """
    known = await master.data.get(("changesources",))
    if name not in [each["name"] for each in known]:
        raise NotThere(f"there is no change source {name}: check the name")
    await SourceStorage(master, name).set_paused(paused)
    here = master.change_svc.namedServices.get(name)
    if isinstance(here, KojiChangeSource):
        here.wake()
    return f"{name} {'is paused' if paused else 'resumes'}"


async def paused_sources(master: Any, names: Iterable[str]) -> set[str]:
    """Return which of some change sources someone has paused, on whatever master they are."""
    return {name for name in names if await SourceStorage(master, name).is_paused()}


class KojiPauseChanges(PauseStep):
    """Pauses a ``KojiChangeSource``, or resumes it.

    What happens on the hub meanwhile is not lost: it becomes changes when the source resumes. The
    switch is in the master's database: it survives restarts, and all masters of a cluster see it.
    """

    name = "koji pause changes"

    source = argument(checks.text, "the name of the change source", required=True, positional=True)
    paused = PAUSED

    async def press(self) -> str:
        """Pause or resume the source."""
        return await pause_source(self.master, self.source, bool(self.paused))
