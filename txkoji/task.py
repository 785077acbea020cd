"""A task of a hub, and its channel: each leads to the other."""

from __future__ import annotations

import datetime

from typing_extensions import Unpack

from txkoji import estimates, paths, task_states
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import RichObject, make
from txkoji._values import structs
from txkoji.exceptions import KojiException
from txkoji.hub.answers import a_list
from txkoji.options import HostOptions, QueryOptions, TaskOptions
from txkoji.results import Host
from txkoji.task_info import TaskInfo

__all__ = ["NoDescendentsError", "Task"]


class NoDescendentsError(KojiException):
    """A task has no descendents of the method that was asked for."""


class Task(TaskInfo, RichObject):
    """A task, as ``getTaskInfo``, ``listTasks`` and the like return it, with its request."""

    @property
    def url(self) -> str:
        """The address of the task's page."""
        return paths.task_url(self.connection.weburl, self.id)

    @property
    def channel(self) -> Channel | None:
        """The task's :class:`txkoji.channel.Channel`, of which only the id is known, or None.

        ``koji.getChannel(task.channel_id)`` asks the hub for all of it.
        """
        channel_id = self.get("channel_id")
        return None if channel_id is None else make(Channel, {"id": channel_id}, self.connection)

    @returns_deferred
    async def descendents(self, method: str | None = None, state: int | None = None) -> list[Task]:
        """List the tasks below this one.

        Args:
            method: only those of this method.
            state: only those in this state.

        Returns:
            A Deferred of a list of tasks, parents before their children.
        """
        found = await self.connection.call("getTaskDescendents", self.id)
        return [
            task
            for task in a_list(found, "getTaskDescendents")
            # On a hub with tasks that are each other's parents, a task would be below itself.
            if task.id != self.id
            and (method is None or task.method == method)
            and (state is None or task.state == state)
        ]

    @returns_deferred
    async def estimate_duration(self) -> datetime.timedelta | None:
        """Estimate how long the task takes.

        Returns:
            A Deferred of a timedelta: how long it took, for a task that has ended; else what
            :func:`txkoji.estimates.average_build_duration` says of its package, or None.
        """
        if self.completed is not None:
            return self.duration
        package = self.package
        if package is None:
            return None
        return await estimates.average_build_duration(self.connection, package)

    @returns_deferred
    async def estimate_descendents(self, method: str = "buildArch") -> datetime.datetime | None:
        """Estimate when the tasks of a method below this one end.

        Args:
            method: the method.

        Returns:
            A Deferred of an aware UTC datetime: when the one that started last should end,
            preferring an open one; None without an estimate.

        Raises:
            NoDescendentsError: no such task has started.
        """
        started = [task for task in await self.descendents(method) if task.started is not None]
        if not started:
            raise NoDescendentsError(f"no {method} task below the task {self.id} has started")
        is_open = [task for task in started if task.state == task_states.OPEN]
        latest = max(
            is_open or started, key=lambda task: task.started.timestamp() if task.started else 0.0
        )
        return await latest.estimate_completion()

    @returns_deferred
    async def estimate_completion(self) -> datetime.datetime | None:
        """Estimate when the task ends.

        Returns:
            A Deferred of an aware UTC datetime: when the task ended or should end; None if it has
            not started or there is no estimate. A ``build`` counts from its last ``buildArch``,
            as :meth:`estimate_descendents` does: its source RPM and its repo may take any time.
        """
        if self.completed is not None:
            return self.completed
        if self.method == "build":
            try:
                return await self.estimate_descendents("buildArch")
            except NoDescendentsError:
                return None
        began = self.started
        average = await self.estimate_duration()
        return None if average is None or began is None else began + average


class Channel(RichObject):
    """A channel, as ``getChannel`` and ``listChannels`` return it."""

    id: int
    name: str
    description: str | None
    enabled: bool
    comment: str | None

    @returns_deferred
    async def hosts(self, **kwargs: Unpack[HostOptions]) -> list[Host]:
        """List the channel's hosts.

        Args:
            kwargs: further arguments of ``listHosts``: ``enabled=True``, ``arches=[...]``.

        Returns:
            A Deferred of a list of structs.
        """
        hosts = await self.connection.call("listHosts", channelID=self.id, **kwargs)
        return a_list(hosts, "listHosts")

    @returns_deferred
    async def tasks(
        self,
        *,
        queryOpts: QueryOptions | None = None,  # noqa: N803 - Koji's name
        **kwargs: Unpack[TaskOptions],
    ) -> list[Task]:
        """List the channel's tasks.

        Args:
            queryOpts: how the list is ordered and cut, such as ``{"limit": 100}``.
            kwargs: options of ``listTasks``. Without ``state=[...]`` it lists tasks in all states,
                which are millions on an old hub.

        Returns:
            A Deferred of a list of tasks, by priority and then by creation.
        """
        query = {"order": "priority,create_time", **(queryOpts or {})}
        tasks = await self.connection.call("listTasks", {**kwargs, "channel_id": self.id}, query)
        return a_list(tasks, "listTasks")

    @returns_deferred
    async def total_capacity(self) -> float:
        """Return a Deferred of the sum of the capacities of the channel's enabled hosts."""
        found = [host.get("capacity") for host in structs(await self.hosts(enabled=True))]
        return float(sum(each for each in found if isinstance(each, (int, float))))
