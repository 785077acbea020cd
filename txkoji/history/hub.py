"""What the history needs of a hub."""

from __future__ import annotations

from typing import Any, Protocol

from txkoji._deferreds import returns_deferred
from txkoji._rich_base import HubConnection
from txkoji.cache import Cache
from txkoji.exceptions import ReplyTooLarge, UnreadableReply
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient

UNREADABLE = (UnreadableReply, ReplyTooLarge)
"""Replies of the hub itself that would be as unreadable if it were asked again."""


class RichHub(HubConnection, Protocol):
    """A hub client, and what the rich objects of its events need: a :class:`txkoji.Connection`."""

    client: HubClient
    cache: Cache


class BatchedCalls:
    """Sends the calls of one reactor iteration in as few requests as possible.

    Unlike :meth:`HubClient.call`, it also batches listings: those of a poll are small.
    """

    def __init__(self, client: HubClient) -> None:
        self._client = client
        self._batcher = client.batcher()

    @returns_deferred
    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return a Deferred of the plain result; unreadable is only the reply to this very call."""
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
        """Return a Deferred of the result of a call, read; see :meth:`HubClient.read_answer`."""
        result = await self.call(method, *args, **kwargs)
        return self._client.read_answer(Call(method, args, kwargs), result)
