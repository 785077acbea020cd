"""The details of an event that its own record lacks."""

from __future__ import annotations

import dataclasses
from typing import Any

from txkoji._rich_base import make
from txkoji.build import Build
from txkoji.history.events import BuildStateChange, Event, RPMSign
from txkoji.history.hub import BatchedCalls, RichHub
from txkoji.history.interest import Interest
from txkoji.task import Task

__all__ = ["Details"]


class Details:
    """Reads the details of events: whole builds, tasks with their owners, RPMs, types.

    Args:
        hub: the hub.
        batch: sends calls together.
        interest: which details to read.
    """

    def __init__(self, hub: RichHub, batch: BatchedCalls, interest: Interest) -> None:
        self._hub = hub
        self._call = batch.call
        self._interest = interest
        self._users: dict[int, str | None] = {}

    async def added_to(self, event: Event) -> Event:
        """Return an event with its details.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
        build, task = event.build, event.task
        rpms: Any = None
        types: Any = None
        if build is not None:
            build = await self._whole_build(build)
            if self._interest.rpms and not isinstance(event, RPMSign):
                rpms = self._call("listBuildRPMs", build.build_id)
            if self._interest.types:
                types = self._call("getBuildType", build.build_id)
            if self._interest.targets or isinstance(event, BuildStateChange):
                task = await build.task()
        if task is not None:
            await self._name_owner(task)
        return dataclasses.replace(
            event,
            build=build,
            task=task,
            target=None if task is None else task.target,
            rpms=() if rpms is None else tuple(map(_rpm_name, await rpms)),
            types=() if types is None else tuple(sorted(await types or {})),
        )

    async def _whole_build(self, build: Build) -> Build:
        if "source" in build:
            return build
        # The history of a tag has a few columns of the build only.
        struct = await self._hub.client.call("getBuild", build.build_id)
        return build if struct is None else make(Build, struct, self._hub)

    async def _name_owner(self, task: Task) -> None:
        if "owner_name" in task:
            return
        if task.owner not in self._users:
            found = await self._hub.client.call("getUser", task.owner)
            self._users[task.owner] = None if found is None else str(found["name"])
        task.owner_name = self._users[task.owner]


def _rpm_name(rpm: Any) -> str:
    return f"{rpm['name']}-{rpm['version']}-{rpm['release']}.{rpm['arch']}"
