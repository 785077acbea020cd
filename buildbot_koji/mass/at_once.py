"""How many packages of a mass build may be in Koji at the same time: now, and later."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from twisted.logger import Logger

from buildbot_koji.arguments import checks
from buildbot_koji.durable.database import was_cancelled
from txkoji import one_line

AT_ONCE = 50
"""The number unless the configuration says another one."""


class AtOnce:
    """The number that a configuration gives, or a renderable that is evaluated now and then.

    Args:
        given: the number or the renderable.
        render: renders it.
    """

    _log = Logger()

    def __init__(self, given: Any, render: Callable[[Any], Awaitable[Any]]) -> None:
        self._given = given
        self._render = render
        self._mistake = ""

    async def now(self, last: int | None) -> int:
        """Return the number now.

        Args:
            last: the number until now, also in an earlier attempt; it stays in force if the
                configuration says none. None if there was none.
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
        try:
            found = checks.rendered(checks.count, await self._render(self._given))
        except Exception as error:
            if was_cancelled(error):
                raise
            # A mistake of the configuration's code.
            return one_line(f"{type(error).__name__}: {error}")
        complaint = None if found is None else checks.count(found)
        if complaint is not None:
            return one_line(f"{found!r:.100} {complaint}")
        return None if found is None else int(found)
