"""The details of an event that its own record lacks."""

from __future__ import annotations

import dataclasses
from typing import Any

from txkoji._rich_base import make
from txkoji._values import member, rpm_names, struct, text
from txkoji.build import Build
from txkoji.history.events import BuildStateChange, Event, RPMSign
from txkoji.history.hub import BatchedCalls, RichHub
from txkoji.history.interest import Interest
from txkoji.history.structs import UnusableRecord, read_build, read_task
from txkoji.task import Task


class Details:
    """Reads the details of events: whole builds, tasks with their owners, RPMs, types."""

    def __init__(self, hub: RichHub, batch: BatchedCalls, interest: Interest) -> None:
        self._hub = hub
        self._call = batch.call
        self._interest = interest
        self._users: dict[int, str | None] = {}

    async def added_to(self, event: Event) -> Event:
        """Return an event with its details.

        Raises:
            UnusableRecord: the hub's answer is of no use.
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
                task = await self._task_of(build)
        if task is not None:
            await self._name_owner(task)
        complete = dataclasses.replace(
            event,
            build=build,
            task=task,
            target=None if task is None else text(task.target),
            rpms=() if rpms is None else tuple(rpm_names(await rpms)),
            types=() if types is None else _names(await types),
        )
        if complete.key != event.key:
            raise UnusableRecord(f"the hub's details are those of {complete.key}")
        return complete

    async def _whole_build(self, build: Build) -> Build:
        if "source" in build:
            return build
        # The history of a tag has a few columns of the build only.
        found = await self._call("getBuild", build.build_id)
        return build if found is None else make(Build, read_build(found), self._hub)

    async def _task_of(self, build: Build) -> Task | None:
        if build.task_id is None:
            return None
        found = await self._call("getTaskInfo", build.task_id, request=True)
        return None if found is None else make(Task, read_task(found), self._hub)

    async def _name_owner(self, task: Task) -> None:
        owner = task.get("owner")
        if "owner_name" in task or not isinstance(owner, int):
            return
        if owner not in self._users:
            found = await self._call("getUser", owner)
            self._users[owner] = text(member(found, "name"))
        task.owner_name = self._users[owner]


def _names(found: Any) -> tuple[str, ...]:
    return tuple(sorted(filter(None, map(text, struct(found) or ()))))
