"""What the history needs of a hub."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred

from txkoji._deferreds import returns_deferred
from txkoji._rich_base import HubConnection
from txkoji.cache import Cache
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient


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

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Return a Deferred of the plain result."""
        return self._batcher.add(Call(method, args, kwargs))

    @returns_deferred
    async def checked(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return a Deferred of the result of a call, read; see :meth:`HubClient.read_answer`."""
        result = await self.call(method, *args, **kwargs)
        return self._client.read_answer(Call(method, args, kwargs), result)
