"""Whether tasks of other users wait for a builder."""

from __future__ import annotations

from functools import partial
from typing import Any

from buildbot_koji.mass.context import MassContext
from txkoji import task_states


class IdleChannel:
    """Checks now and then whether tasks of other users wait in the channel of a mass build.

    Attributes:
        is_busy: whether any waited at the last check.
    """

    def __init__(self, context: MassContext) -> None:
        self._context = context
        self._checked = float("-inf")
        self.is_busy = False

    async def is_idle(self) -> bool:
        """Return whether no other user's task waits, or the mass build need not care."""
        if not self._context.options.only_when_idle:
            return True
        interval = self._context.timing.idle_interval
        if self._context.elapsed.seconds() - self._checked >= interval:
            channel = await self._context.find_channel()
            if channel is None:
                return False
            self.is_busy = await self._context.ask(partial(self._others_wait, channel["id"]))
            self._checked = self._context.elapsed.seconds()
        return not self.is_busy

    async def _others_wait(self, channel: int) -> bool:
        hub = self._context.hub
        wanted: dict[str, Any] = {"channel_id": channel, "state": [int(task_states.FREE)]}
        await hub.log_in()
        me = await hub.connection.checked("getLoggedInUser")
        if me is not None:
            wanted["not_owner"] = int(me.id)
        return bool(await hub.connection.call("listTasks", wanted, {"limit": 1}))
