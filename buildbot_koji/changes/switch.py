"""The switch that pauses a change source: a build step, so that it is a button on the pages."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.buttons import PAUSED, ButtonStep, NotThere
from buildbot_koji.arguments.declaration import required
from buildbot_koji.arguments.plugins import DeclaredService
from buildbot_koji.changes.listener import POLL
from buildbot_koji.changes.storage import SourceStorage
from buildbot_koji.durable.unreadable import UnreadableRow


async def pause_source(master: Any, name: str, paused: bool) -> str:
    """Pause a change source, or resume it, on any master.

    Returns:
        What was done, in words.

    Raises:
        NotThere: there is no change source of that name.
    """
    await _owner(master, name)
    await SourceStorage(master, name).set_paused(paused)
    _wake(master, name)
    return f"{name} {'is paused' if paused else 'resumes'}"


async def poll_source(master: Any, name: str) -> str:
    """Let a change source poll now, on any master.

    Returns:
        What was done, in words.

    Raises:
        NotThere: there is no change source of that name, or no master runs it.
    """
    owner = await _owner(master, name)
    if owner is None:
        raise NotThere(f"no master runs the change source {name} now")
    if await paused_sources(master, [name]):
        return f"{name} is paused: it polls once it is resumed"
    _wake(master, name)
    return f"{name} polls now" + ("" if owner == master.name else f", on the master {owner}")


def _wake(master: Any, name: str) -> None:
    # Only the master that runs the source consumes it.
    master.mq.produce(POLL, {"source": name})


async def _owner(master: Any, name: str) -> str | None:
    others = {
        each.name for each in master.config.change_sources if not isinstance(each, DeclaredService)
    }
    found = {each: owner for each, owner in (await owners(master)).items() if each not in others}
    if name not in found:
        meant = checks.did_you_mean(name, found) or ": check the name"
        raise NotThere(f"there is no Koji change source {name}{meant}")
    return found[name]


async def owners(master: Any) -> dict[str, str | None]:
    """Return the name of the master that runs each change source, None for one that none runs."""
    found = await master.data.get(("changesources",))
    return {each["name"]: each["master"] and each["master"]["name"] for each in found}


async def paused_sources(master: Any, names: Iterable[str]) -> set[str]:
    """Return which of these change sources are paused, on any master."""
    paused = set()
    for name in names:
        # The source itself says, and shows, what it can't read.
        with suppress(UnreadableRow):
            if await SourceStorage(master, name).is_paused():
                paused.add(name)
    return paused


class KojiPauseChanges(ButtonStep):
    """Pauses a ``KojiChangeSource``, or resumes it.

    What happens on the hub meanwhile is not lost: it becomes changes when the source resumes. The
    switch is in the master's database: it survives restarts, and all masters of a cluster see it.
    """

    name = "koji pause changes"

    source = required(checks.text, "the name of the change source", positional=True)
    paused = PAUSED

    async def press(self) -> str:
        """Pause or resume the source."""
        return await pause_source(self.master, self.source, self.paused)
