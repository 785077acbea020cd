"""Which architectures of a channel have no builder: a task for one would wait forever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from txkoji.exceptions import KojiException

KEPT = 300.0
"""Seconds until the hosts of a channel are read again."""


def no_builder(arch: str) -> str:
    """Say what :meth:`ChannelBuilders.lacks` returned."""
    return "its channel has no builder" if arch == "noarch" else f"no builder for {arch}"


class ChannelBuilders:
    """The architectures that the enabled hosts of a hub's channels build for.

    Args:
        checked: calls a hub method, and checks its answer.
        clock: an IReactorTime; says when an answer is old.
    """

    def __init__(self, checked: Callable[..., Awaitable[Any]], clock: Any) -> None:
        self._checked = checked
        self._clock = clock
        self._arches: dict[Any, tuple[float, frozenset[str] | None]] = {}

    def lacks(self, task: Any) -> str | None:
        """Return the architecture of a task if no builder of its channel has it.

        Args:
            task: a task; its ``arch`` says which hosts may take it.

        Returns:
            The architecture, ``noarch`` for a channel without builders; None if there is one, and
            until the channel was read.
        """
        arch = task.get("arch")
        _, arches = self._arches.get(task.get("channel_id"), (0.0, None))
        return arch if arches is not None and arch not in arches else None

    async def read(self, tasks: Iterable[Any]) -> None:
        """Read the channels of some tasks, each at most once in five minutes.

        If the hub does not answer, the next call asks again.
        """
        for channel in {task.get("channel_id") for task in tasks}:
            if not isinstance(channel, int) or not self._is_due(channel):
                continue
            # One request at a time, and none right after a refusal.
            self._arches[channel] = (self._clock.seconds(), self._arches.get(channel, _NONE)[1])
            try:
                hosts = await self._checked("listHosts", channelID=channel, enabled=True)
            except KojiException:
                continue
            listed = [host.arches.split() for host in hosts if host.arches is not None]
            # Any host takes a noarch task.
            arches = frozenset(arch for several in listed for arch in (*several, "noarch"))
            self._arches[channel] = (self._clock.seconds(), arches)

    def _is_due(self, channel: int) -> bool:
        known = self._arches.get(channel)
        return known is None or bool(self._clock.seconds() - known[0] >= KEPT)


_NONE = (0.0, None)
