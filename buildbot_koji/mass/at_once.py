"""How many packages of a mass build may be in Koji at the same time: now, and later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.logger import Logger

from buildbot_koji.arguments import checks
from buildbot_koji.arguments.plugins import Unrenderable
from txkoji import one_line

AT_ONCE = 50
"""The number unless the configuration gives another one."""


class AtOnce:
    """The number that a configuration gives, which is evaluated now and then.

    Args:
        render: renders it, as a ``CheckedRenderable``.
    """

    _log = Logger()

    def __init__(self, render: Callable[[], Awaitable[Any]]) -> None:
        self._render = render
        self._mistake = ""

    async def now(self, last: int | None) -> int:
        """Return the number now.

        Args:
            last: the number so far, also of an earlier attempt, which stays in force if the
                configuration gives none; None at first.
        """
        found = await self.evaluate()
        last = AT_ONCE if last is None else last
        mistake = found if isinstance(found, str) else ""
        if mistake and mistake != self._mistake:
            self._log.warn(
                "at_once can't be evaluated: {mistake}; {last} stays in force",
                mistake=mistake,
                last=last,
            )
        self._mistake = mistake
        return found if isinstance(found, int) else last

    async def evaluate(self) -> int | str | None:
        """Return the configuration's current number, or what is wrong with it."""
        found = checks.rendered(checks.count, await self._render())
        if isinstance(found, Unrenderable):
            return found.reason
        complaint = None if found is None else checks.count(found)
        if complaint is not None:
            return one_line(f"{found!r:.100} {complaint}")
        return None if found is None else int(found)
