"""Explicit multicalls: calls collected, sent together, each with a result of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from twisted.internet.defer import Deferred

from txkoji import rich
from txkoji._deferreds import returns_deferred
from txkoji._rich_base import HubConnection
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient

__all__ = ["MultiCall", "MultiCallResults"]


class MultiCallResults:
    """The results of the calls, in their order.

    Iterating gives each result; at a call that failed it raises its exception, and resumes with the
    next call when it is asked again.
    """

    def __init__(self, outcomes: list[Any]) -> None:
        self._outcomes = outcomes
        self._next = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __len__(self) -> int:
        return len(self._outcomes)

    def __next__(self) -> Any:
        if self._next >= len(self._outcomes):
            raise StopIteration
        outcome = self._outcomes[self._next]
        self._next += 1
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


class MultiCall:
    """Collects calls; calling it sends them.

    Each hub method is an attribute, as on the connection, and returns nothing until the multicall
    is sent. Calls travel in requests of at most 100; each request is one transaction on the hub.

    Args:
        client: sends them.
        connection: what rich results ask further.
    """

    def __init__(self, client: HubClient, connection: HubConnection) -> None:
        self._client = client
        self._connection = connection
        self._calls: list[Call] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        if name.startswith("_"):
            raise AttributeError(name)
        return partial(self.add, name)

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, method: str, *args: Any, **kwargs: Any) -> None:
        """Collect a call of a hub method."""
        self._calls.append(rich.prepare(Call(method, args, kwargs)))

    def __call__(self) -> Deferred[MultiCallResults]:
        """Send the calls.

        Returns:
            A Deferred of the results. It fails as a plain call does when a whole request fails; a
            call that fails by itself shows when its result is asked for.
        """
        calls, self._calls = self._calls, []
        return self._send(calls)

    @returns_deferred
    async def _send(self, calls: list[Call]) -> MultiCallResults:
        outcomes = await self._client.send_all(calls)
        return MultiCallResults(
            [
                outcome
                if isinstance(outcome, Exception)
                else rich.convert(call.method, outcome, self._connection)
                for call, outcome in zip(calls, outcomes, strict=True)
            ]
        )
