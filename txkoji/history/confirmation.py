"""What the hub knows of the event that a bus message reports."""

from __future__ import annotations

from txkoji.exceptions import GenericError
from txkoji.history import records
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
from txkoji.history.hub import BatchedCalls, RichHub
from txkoji.history.queries import Repos, TagHistory
from txkoji.history.tags import TagWatch

__all__ = ["Confirmation"]


class Confirmation:
    """Asks the hub for the event that a bus message reports.

    Args:
        hub: the hub.
        batch: sends calls together.
        tags: the watched tags.
        history: reads the history of a tag.
        repos: reads a repo.
    """

    def __init__(
        self, hub: RichHub, batch: BatchedCalls, tags: TagWatch, history: TagHistory, repos: Repos
    ) -> None:
        self._hub = hub
        self._call = batch.call
        self._tags = tags
        self._history = history
        self._repos = repos

    async def events(self, reported: Event, cursor: Cursor) -> list[Event]:
        """Return what the hub knows of a reported event; nothing if it knows nothing.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
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
        task = await self._hub.client.call("getTaskInfo", reported.task.id, request=True)
        return [] if task is None else records.task_events(self._hub, [task])

    async def _of_signature(self, reported: RPMSign) -> list[Event]:
        rows = await self._call("queryRPMSigs", rpm_id=reported.rpm["id"], sigkey=reported.sigkey)
        return [reported] if rows else []

    async def _of_build(self, reported: Event) -> list[Event]:
        assert reported.build is not None
        build = await self._hub.client.call("getBuild", reported.build.build_id)
        if build is None:
            return []
        if isinstance(reported, BuildPromote):
            return records.promotion_events(self._hub, [build])
        return records.build_events(self._hub, [build])
