"""What the buttons of the pages do: the same as the steps of that name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from buildbot_koji.arguments.buttons import NotThere
from buildbot_koji.changes.switch import pause_source, poll_source
from buildbot_koji.mass.registry import running
from buildbot_koji.reporters.redelivery import dead_letters_of, redeliver
from buildbot_koji.www.deliveries import delivery_id

__all__ = ["Action", "ActionRefused", "Actions"]


class ActionRefused(Exception):
    """The action can't be done; the text says why."""

    def __init__(self, text: str, *, code: int) -> None:
        super().__init__(text)
        self.code = code


@attrs.frozen
class Action:
    """What a button does.

    Attributes:
        name: what Buildbot's authorization calls it.
        do: does it, with the options that the page gave; returns what was done, in words.
    """

    name: str
    do: Callable[[Mapping[str, Any]], Awaitable[str]]


class Actions:
    """The actions of a master's pages."""

    def __init__(self, master: Any) -> None:
        self._master = master

    def find(self, path: Sequence[str]) -> Action | None:
        """Return the action at a path below ``api/``, None if there is none."""
        match path:
            case ["sources", name, ("pause" | "resume") as what]:
                return Action(f"koji-{what}", partial(self._pause, name, what == "pause"))
            case ["sources", name, "poll"]:
                return Action("koji-poll", partial(self._poll, name))
            case ["deliveries", name, "redeliver"]:
                return Action("koji-redeliver", partial(self._redeliver, name))
            case ["mass", name, ("pause" | "resume" | "stop") as what]:
                return Action(f"koji-mass-{what}", partial(self._mass, name, what))
        return None

    async def _pause(self, name: str, paused: bool, _: Mapping[str, Any]) -> str:
        try:
            return await pause_source(self._master, name, paused)
        except NotThere as error:
            raise ActionRefused(str(error), code=404) from error

    async def _poll(self, name: str, _: Mapping[str, Any]) -> str:
        try:
            return await poll_source(self._master, name)
        except NotThere as error:
            raise ActionRefused(str(error), code=404) from error

    async def _redeliver(self, name: str, options: Mapping[str, Any]) -> str:
        ids = options.get("ids")
        if ids is not None and not (
            isinstance(ids, list) and all(isinstance(each, str) for each in ids)
        ):
            raise ActionRefused("ids must be a list of texts, or null for all", code=400)
        try:
            letters = await dead_letters_of(self._master, name)
        except NotThere as error:
            raise ActionRefused(str(error), code=404) from error
        chosen = [each for each in letters if ids is None or delivery_id(each) in ids]
        return redeliver(self._master, name, chosen)

    async def _mass(self, name: str, what: str, _: Mapping[str, Any]) -> str:
        found = next((each for each in running(self._master) if each.id == name), None)
        if found is None:
            raise ActionRefused("this master runs no such mass build", code=404)
        if found.has_ended:
            raise ActionRefused("the mass build has ended", code=400)
        if what == "pause":
            found.pause()
            return "the mass build submits nothing more until it is resumed"
        if what == "resume":
            found.resume()
            return "the mass build submits again"
        found.stop("stopped on the Koji page")
        return "the mass build stops"
