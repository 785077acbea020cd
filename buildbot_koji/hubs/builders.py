"""Which architectures of a channel have no builder: a task for one would wait forever."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import KojiException

KEPT = 300.0
"""Seconds until the hosts of a channel are read again."""


def no_builder(arch: str) -> str:
    """Say what :func:`lacking` returned."""
    return "its channel has no builder" if arch == "noarch" else f"no builder for {arch}"


def lacking(task: Any, arches: Mapping[int, frozenset[str]]) -> str | None:
    """Return the architecture of a task if no builder of its channel has it. Pure, and total.

    Args:
        task: a task; its ``arch`` says which hosts may take it.
        arches: what :attr:`ChannelBuilders.arches` is.

    Returns:
        The architecture, ``noarch`` for a channel without builders; None if there is one, and until
        the channel was read.
    """
    arch, channel = task.get("arch"), task.get("channel_id")
    known = arches.get(channel) if isinstance(channel, int) else None
    return arch if known is not None and isinstance(arch, str) and arch not in known else None


class ChannelBuilders:
    """The architectures that the enabled hosts of a hub's channels build for.

    Args:
        checked: calls a hub method, and checks its answer.
        clock: an IReactorTime; says when an answer is old.

    Attributes:
        arches: the architectures, by the channel's id; another object when they changed.
    """

    def __init__(self, checked: Callable[..., Awaitable[Any]], clock: Any) -> None:
        self._checked = checked
        self._elapsed = ElapsedTime(clock)
        self._read_at: dict[int, float] = {}
        self.arches: Mapping[int, frozenset[str]] = {}

    async def read(self, tasks: Iterable[Any]) -> None:
        """Read the channels of some tasks, each at most once in five minutes.

        If the hub does not answer, the next call asks again.
        """
        for channel in {task.get("channel_id") for task in tasks}:
            if not isinstance(channel, int) or not self._is_due(channel):
                continue
            # One request at a time, and none right after a refusal.
            self._read_at[channel] = self._elapsed.seconds()
            try:
                hosts = await self._checked("listHosts", channelID=channel, enabled=True)
            except KojiException:
                continue
            listed = [host.arches.split() for host in hosts if host.arches is not None]
            # Any host takes a noarch task.
            arches = frozenset(arch for several in listed for arch in (*several, "noarch"))
            if arches != self.arches.get(channel):
                self.arches = {**self.arches, channel: arches}

    def _is_due(self, channel: int) -> bool:
        read_at = self._read_at.get(channel)
        return read_at is None or self._elapsed.seconds() - read_at >= KEPT
