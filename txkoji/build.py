"""A build of a package."""

from __future__ import annotations

import datetime
import re
from typing import Any

from txkoji import estimates, paths
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import RichObject
from txkoji._times import elapsed, moment
from txkoji._values import integer, member, text
from txkoji.hub.answers import a_list
from txkoji.results import Tag
from txkoji.task import Task

__all__ = ["Build"]

_GIT_HASH = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class Build(RichObject):
    """A build, as ``getBuild``, ``listBuilds``, ``listTagged`` and the like return it."""

    # Listings of tags give no `*_ts` and no `source`; only they give `create_event`.
    build_id: int
    name: str
    version: str
    release: str
    epoch: int | None
    nvr: str
    state: int
    draft: bool
    package_id: int
    package_name: str
    owner_id: int
    owner_name: str
    volume_id: int
    volume_name: str
    source: str | None
    extra: dict[str, Any] | None
    creation_event_id: int
    creation_time: str
    creation_ts: float
    start_time: str | None
    start_ts: float | None
    completion_time: str | None
    completion_ts: float | None
    cg_id: int | None
    cg_name: str | None
    create_event: int
    promotion_time: str | None
    promotion_ts: float | None
    promoter_id: int | None
    promoter_name: str | None
    tag_id: int
    tag_name: str

    @property
    def id(self) -> int:
        """The build's id; ``listBuilds`` gives ``build_id`` alone."""
        found = integer(self.get("build_id")) or integer(self.get("id"))
        if found is None:
            raise AttributeError("id")
        return found

    @property
    def url(self) -> str:
        """The address of the build's page."""
        return paths.build_url(self.connection.weburl, self.id)

    @property
    def started(self) -> datetime.datetime | None:
        """When the build started, or else was created, an aware UTC datetime."""
        began = moment(self.get("start_ts"), self.get("start_time"))
        return began or moment(self.get("creation_ts"), self.get("creation_time"))

    @property
    def completed(self) -> datetime.datetime | None:
        """When the build ended, an aware UTC datetime; None while it runs."""
        return moment(self.get("completion_ts"), self.get("completion_time"))

    @property
    def duration(self) -> datetime.timedelta | None:
        """How long the build took, or has taken so far; None before it starts."""
        return elapsed(self.started, self.completed)

    @property
    def task_id(self) -> int | None:
        """The id of the build's task, None for an imported build.

        Builds of content generators may have it in ``extra.container_koji_task_id`` only.
        """
        own = integer(self.get("task_id"))
        if own is None:
            own = integer(member(self.get("extra"), "container_koji_task_id"))
        return own

    @property
    def gitbuildhash(self) -> str | None:
        """The Git commit that was built, None if the source names none.

        It is a branch or tag (``origin/master``) if the hub knows no more.
        """
        original = member(member(self.get("extra"), "source"), "original_url")
        sources = [each for each in (self.get("source"), original) if isinstance(each, str)]
        named = [revision for revision in (each.partition("#")[2] for each in sources) if revision]
        commits = [revision for revision in named if _GIT_HASH.fullmatch(revision)]
        return next(iter(commits + named), None)

    @returns_deferred
    async def estimate_completion(self) -> datetime.datetime | None:
        """Estimate when the build ends.

        Returns:
            A Deferred of an aware UTC datetime: when the build ended; if it still runs, its start
            plus the average duration of its package's builds; None if the hub knows no average.
        """
        if self.completed is not None:
            return self.completed
        # A message may have the name alone.
        package, began = text(self.get("package_name")) or text(self.get("name")), self.started
        if package is None or began is None:
            return None
        average = await estimates.average_build_duration(self.connection, package)
        return None if average is None else began + average

    @returns_deferred
    async def tags(self) -> list[Tag]:
        """Return a Deferred of the tags that the build is in, as structs."""
        return a_list(await self.connection.call("listTags", self.id), "listTags")

    @returns_deferred
    async def task(self) -> Task | None:
        """Return a Deferred of the build's task, None for an imported build."""
        task_id = self.task_id
        if task_id is None:
            return None
        return await self.connection.call("getTaskInfo", task_id)  # type: ignore[no-any-return]

    @returns_deferred
    async def target(self) -> str | None:
        """Return a Deferred of the name of the target that the build was made for, or None."""
        task = await self.task()
        return None if task is None else task.target
