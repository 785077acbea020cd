"""What the history needs of a hub."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred

from txkoji._deferreds import returns_deferred
from txkoji._rich_base import HubConnection
from txkoji.exceptions import ReplyTooLarge, UnreadableReply
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient

__all__ = ["UNREADABLE", "BatchedCalls", "RichHub"]

UNREADABLE = (UnreadableReply, ReplyTooLarge)
"""Replies of the hub itself that would be as unreadable if it were asked again."""


class NamesById(Protocol):
    """Names of users and tags by their ids."""

    def user_name(self, user_id: int, /) -> Deferred[str | None]:
        """Return a Deferred of the name of a user, or of None."""
        ...

    def tag_name(self, tag_id: int, /) -> Deferred[str | None]:
        """Return a Deferred of the name of a tag, or of None."""
        ...


class RichHub(HubConnection, Protocol):
    """A hub client, and what the rich objects of its events need: a :class:`txkoji.Connection`."""

    client: HubClient

    @property
    def cache(self) -> NamesById:
        """The names of users and tags."""
        ...


class BatchedCalls:
    """Sends the calls of one reactor iteration in as few requests as possible.

    Unlike :meth:`HubClient.call`, it also batches listings: those of a poll are small.
    """

    def __init__(self, client: HubClient) -> None:
        self._client = client
        self._batcher = client.batcher()

    @returns_deferred
    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return a Deferred of the plain result of a call.

        Raises:
            UnreadableReply, ReplyTooLarge: the hub's reply to this very call is unreadable.
            KojiException: the hub is unreachable, or refused.
        """
        call = Call(method, args, kwargs)
        try:
            return await self._batcher.add(call)
        except UNREADABLE:
            # One unreadable result spoils the reply to a whole batch.
            [result] = await self._client.send_all([call])
        if isinstance(result, Exception):
            raise result
        return result

    @returns_deferred
    async def checked(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return a Deferred of the result of a call, read; see :meth:`HubClient.read_answer`.

        Raises:
            UnusableAnswer: the hub answered something else.
            KojiException: as for :meth:`call`.
        """
        result = await self.call(method, *args, **kwargs)
        return self._client.read_answer(Call(method, args, kwargs), result)
