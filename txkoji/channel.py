"""A channel of a hub: the hosts that take a kind of task."""

from __future__ import annotations

from typing import Any

from typing_extensions import Unpack

from txkoji._deferreds import returns_deferred
from txkoji._rich_base import RichObject
from txkoji.options import QueryOptions, TaskOptions
from txkoji.results import Host

__all__ = ["Channel"]


class Channel(RichObject):
    """A channel, as ``getChannel`` and ``listChannels`` return it."""

    id: int
    name: str
    description: str | None
    enabled: bool
    comment: str | None

    @returns_deferred
    async def hosts(self, **kwargs: Any) -> list[Host]:
        """List the channel's hosts.

        Args:
            kwargs: further arguments of ``listHosts``: ``enabled=True``, ``arches=[...]``.

        Returns:
            A Deferred of a list of structs.
        """
        return list(await self.connection.call("listHosts", channelID=self.id, **kwargs))

    @returns_deferred
    async def tasks(
        self,
        *,
        queryOpts: QueryOptions | None = None,  # noqa: N803 - Koji's name
        **kwargs: Unpack[TaskOptions],
    ) -> list[Any]:
        """List the channel's tasks.

        Args:
            queryOpts: how the list is ordered and cut, such as ``{"limit": 100}``.
            kwargs: options of ``listTasks``. Without ``state=[...]`` it lists tasks in all states,
                which are millions on an old hub.

        Returns:
            A Deferred of a list of :class:`txkoji.task.Task`, by priority and then by creation.
        """
        query = {"order": "priority,create_time", **(queryOpts or {})}
        return list(
            await self.connection.call("listTasks", {**kwargs, "channel_id": self.id}, query)
        )

    @returns_deferred
    async def total_capacity(self) -> float:
        """Return a Deferred of the sum of the capacities of the channel's enabled hosts."""
        hosts = await self.hosts(enabled=True)
        return float(sum(host.capacity for host in hosts))
