"""What the history needs of a hub."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred

from txkoji._rich_base import HubConnection
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient

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
        self._batcher = client.batcher()

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Return a Deferred of the plain result of a call.

        Raises:
            KojiException: the hub is unreachable, or refused.
        """
        return self._batcher.add(Call(method, args, kwargs))
