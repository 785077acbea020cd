"""Ask the hub for the event that a bus message reports."""

from __future__ import annotations

from txkoji._values import integer, member
from txkoji.exceptions import GenericError
from txkoji.gathering import gather
from txkoji.history.cursor import Cursor
from txkoji.history.events import (
    BuildPromote,
    Event,
    PackageListChange,
    RepoDone,
    RPMSign,
    TagUntag,
    TaskStateChange,
)
from txkoji.history.queries import Repos, Scope, TagHistory


class Confirmation:
    """Asks the hub for the event that a bus message reports."""

    def __init__(self, scope: Scope, history: TagHistory, repos: Repos) -> None:
        self._call = scope.batch.call
        self._tags = scope.tags
        self._records = scope.records
        self._latest = scope.latest
        self._history = history
        self._repos = repos

    async def events(self, reported: Event, cursor: Cursor) -> list[Event]:
        """Return the events of the hub that a message reports; none if it has none."""
        try:
            return await self._lookup(reported, cursor)
        except GenericError as error:
            if type(error) is not GenericError:
                raise
            # The hub does not know the object of the message.
            return []

    async def _lookup(self, reported: Event, cursor: Cursor) -> list[Event]:
        if isinstance(reported, (TagUntag, PackageListChange, RepoDone)):
            return await self._of_tag(reported, cursor)
        if isinstance(reported, TaskStateChange):
            return await self._of_task(reported)
        if isinstance(reported, RPMSign):
            return await self._of_signature(reported)
        return await self._of_build(reported)

    async def _of_tag(self, reported: Event, cursor: Cursor) -> list[Event]:
        assert reported.tag_name is not None
        tag_id = await self._tags.find(reported.tag_name)
        if tag_id is None:
            return []
        if isinstance(reported, RepoDone):
            return await self._repos.one(reported.repo_id)
        return await self._history.like(reported, tag_id, cursor)

    async def _of_task(self, reported: TaskStateChange) -> list[Event]:
        assert reported.task is not None
        task = await self._call("getTaskInfo", reported.task.id, request=True)
        return [] if task is None else self._records.tasks([task])

    async def _of_signature(self, reported: RPMSign) -> list[Event]:
        rpm_id = reported.rpm["id"]
        found, signatures = await gather(
            [
                self._call("getRPM", rpm_id),
                self._call("queryRPMSigs", rpm_id=rpm_id, sigkey=reported.sigkey),
            ]
        )
        build_id = integer(member(found, "build_id"))
        if build_id is None or not signatures:
            return []
        build = await self._call("getBuild", build_id)
        return [] if build is None else self._records.signature(build, found, signatures[0])

    async def _of_build(self, reported: Event) -> list[Event]:
        assert reported.build is not None
        build = await self._call("getBuild", reported.build.build_id)
        if build is None:
            return []
        if isinstance(reported, BuildPromote):
            return self._records.promotions([build])
        return self._records.builds([build], self._latest())
