"""A task of a hub."""

from __future__ import annotations

import datetime
from typing import Any

from txkoji import estimates, paths
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import RichObject
from txkoji.exceptions import KojiException
from txkoji.task_info import TaskInfo

__all__ = ["NoDescendentsError", "Task"]


class NoDescendentsError(KojiException):
    """A task that should have children has none."""


class Task(TaskInfo, RichObject):
    """A task, as ``getTaskInfo``, ``listTasks`` and the like answer it, its request included."""

    @property
    def url(self) -> str:
        """The address of the task's page."""
        return paths.task_url(self.connection.weburl, self.id)

    @returns_deferred
    async def channel(self) -> Any:
        """Return a Deferred of the task's :class:`txkoji.channel.Channel`."""
        return await self.connection.call("getChannel", self.channel_id)

    @returns_deferred
    async def descendents(self, method: str | None = None, state: int | None = None) -> list[Task]:
        """List the tasks below this one.

        Args:
            method: only those of this method.
            state: only those in this state.

        Returns:
            A Deferred of a list of tasks, parents before their children.
        """
        tree = await self.connection.call("getTaskDescendents", self.id)
        found: dict[int, Task] = {}
        waiting = [self.id]
        for parent in waiting:
            for child in tree.get(str(parent), []):
                # A hub whose tasks go in a circle is not followed in circles.
                if child["id"] not in found and child["id"] != self.id:
                    found[child["id"]] = child
                    waiting.append(child["id"])
        return [
            task
            for task in found.values()
            if (method is None or task.method == method) and (state is None or task.state == state)
        ]

    @returns_deferred
    async def estimate_duration(self) -> datetime.timedelta | None:
        """Estimate how long the task takes.

        Returns:
            A Deferred of a timedelta: the average duration of the package's builds; for a
            container build, which the hub keeps no average of, that of its last builds. None where
            there is none.
        """
        package = self.package
        if package is None:
            return None
        if self.method == "buildContainer":
            return await estimates.average_last_builds(self.connection, package)
        return await estimates.average_build_duration(self.connection, package)

    @returns_deferred
    async def estimate_completion(self) -> datetime.datetime | None:
        """Estimate when the task ends.

        Returns:
            A Deferred of an aware UTC datetime: when it ended, for one that did; None where there
            is no estimate or the task has not begun.
        """
        if self.completed is not None:
            return self.completed
        began = self.started
        average = await self.estimate_duration()
        return None if average is None or began is None else began + average
