"""What the buttons of the pages do: the same as the steps of that name."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs

from buildbot_koji.arguments.buttons import NotThere
from buildbot_koji.changes.switch import pause_source, poll_source
from buildbot_koji.mass.status import running
from buildbot_koji.reporters.redelivery import dead_letters_of, redeliver
from buildbot_koji.www.deliveries import delivery_id


class ActionRefused(Exception):
    """The action can't be done as it is asked for; the text says why."""


@attrs.frozen
class Action:
    """What a button does.

    Attributes:
        name: what Buildbot's authorization calls it.
        do: does it, with the options that the page gave; returns what was done, in words; raises
            NotThere or ActionRefused.
    """

    name: str
    do: Callable[[Mapping[str, Any]], Awaitable[str]]


def find_action(master: Any, path: Sequence[str]) -> Action | None:
    """Return the action at a path below ``api/``, None if there is none."""
    match path:
        case ["sources", name, ("pause" | "resume") as what]:
            return Action(f"koji-{what}", lambda _: pause_source(master, name, what == "pause"))
        case ["sources", name, "poll"]:
            return Action("koji-poll", lambda _: poll_source(master, name))
        case ["deliveries", name, "redeliver"]:
            return Action("koji-redeliver", partial(_redeliver, master, name))
        case ["mass", name, ("pause" | "resume" | "stop") as what]:
            return Action(f"koji-mass-{what}", partial(_mass, master, name, what))
    return None


async def _redeliver(master: Any, name: str, options: Mapping[str, Any]) -> str:
    ids = options.get("ids")
    if ids is not None and not (
        isinstance(ids, list) and all(isinstance(each, str) for each in ids)
    ):
        raise ActionRefused("ids must be a list of texts, or null for all")
    letters = await dead_letters_of(master, name)
    chosen = [each for each in letters if ids is None or delivery_id(each) in ids]
    return redeliver(master, name, chosen)


async def _mass(master: Any, name: str, what: str, _: Mapping[str, Any]) -> str:
    found = next((each for each in running(master) if each.id == name), None)
    if found is None:
        raise NotThere("this master runs no such mass build")
    if found.has_ended:
        raise ActionRefused("the mass build has ended")
    if what == "stop":
        found.stop("stopped on the Koji page")
        return "the mass build stops"
    found.runner.set_paused(what == "pause")
    more = "nothing more until it is resumed" if what == "pause" else "again"
    return f"the mass build submits {more}"
