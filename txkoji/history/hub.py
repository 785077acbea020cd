"""What the history needs of a hub."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred

from txkoji._deferreds import returns_deferred
from txkoji._rich_base import HubConnection
from txkoji.exceptions import ConnectionFailed, ProtocolError
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient
from txkoji.retry import is_passing

__all__ = ["BatchedCalls", "RichHub"]


class UserNames(Protocol):
    """Names of users by their ids."""

    def user_name(self, user_id: int, /) -> Deferred[str | None]:
        """Return a Deferred of the name of a user, or of None."""


class RichHub(HubConnection, Protocol):
    """A hub client, and what the rich objects of its events need: a :class:`txkoji.Connection`."""

    client: HubClient

    @property
    def cache(self) -> UserNames:
        """The names of users."""


class BatchedCalls:
    """Sends the calls of one reactor iteration in as few requests as possible.

    Unlike :meth:`HubClient.call`, it also batches listings: those of a poll are small.
    """

    def __init__(self, client: HubClient) -> None:
        self._client = client
        self._batcher = client.batcher()
        self._probes = client.batcher()

    @returns_deferred
    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Return a Deferred of the plain result of a call.

        Raises:
            ProtocolError: the hub's answer to this very call is unreadable: another call worked.
            KojiException: the hub is unreachable, or refused.
        """
        call = Call(method, args, kwargs)
        try:
            return await self._batcher.add(call)
        except ProtocolError as error:
            if is_passing(error):
                raise
        # One unreadable result spoils the reply to the whole batch. A front end that answers for
        # the hub spoils it too, but then the probe fails as well.
        await self._probe()
        [result] = await self._client.send_all([call])
        if isinstance(result, Exception):
            raise result
        return result

    async def _probe(self) -> None:
        """Make a small call: those of calls that fail together are one request."""
        try:
            await self._probes.add(Call("getAPIVersion"))
        except ProtocolError as error:
            raise ConnectionFailed(
                f"{self._client.url} does not answer as a Koji hub: {error}"
            ) from error
