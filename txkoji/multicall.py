"""Explicit multicalls: collect calls, send them together, get a result for each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

from txkoji import rich
from txkoji._deferreds import Deferred, returns_deferred
from txkoji._hub_methods import CollectedMethods
from txkoji._rich_base import HubConnection
from txkoji.hub.batching import MAX_CALLS
from txkoji.hub.call import Call
from txkoji.hub.client import HubClient

__all__ = ["MAX_CALLS", "MultiCall", "MultiCallResults"]


class MultiCallResults:
    """The results of the calls, in their order; a failed call's raises its exception.

    ``results[i]`` is one result. Iterating gives each, any number of times; after an exception, the
    iterator resumes with the next call when it is asked again. ``next(results)`` yields each once.

    Attributes:
        calls: the calls (:class:`txkoji.Call`).
    """

    def __init__(self, calls: Sequence[Call], outcomes: Sequence[Any]) -> None:
        self.calls = tuple(calls)
        self._outcomes = outcomes
        self._once = iter(self)

    def __iter__(self) -> Iterator[Any]:
        # A generator would end at the first exception.
        return map(_result_of, self._outcomes)

    def __len__(self) -> int:
        return len(self._outcomes)

    def __getitem__(self, index: int | slice) -> Any:
        found = self._outcomes[index]
        return list(map(_result_of, found)) if isinstance(index, slice) else _result_of(found)

    def __next__(self) -> Any:
        return next(self._once)


def _result_of(outcome: Any) -> Any:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


class MultiCall(CollectedMethods):
    """Collects calls; calling it sends them.

    Each hub method is an attribute, as on the connection, and returns nothing until the multicall
    is sent. Calls travel in requests of at most ``batch``; each is one transaction on the hub.

    Args:
        client: sends them.
        connection: the connection of rich results.
        batch: the most calls of one request.

    Attributes:
        calls: the calls (:class:`txkoji.Call`) that are not sent yet.
    """

    def __init__(
        self, client: HubClient, connection: HubConnection, *, batch: int = MAX_CALLS
    ) -> None:
        self._batch = batch
        self._client = client
        self._connection = connection
        self.calls: list[Call] = []

    def __len__(self) -> int:
        return len(self.calls)

    def call(self, method: str, /, *args: Any, **kwargs: Any) -> None:
        """Collect a call of a hub method, also of one with a dot in its name."""
        self.calls.append(rich.prepare(Call(method, args, kwargs)))

    def __call__(
        self, *, before: Callable[[], Awaitable[None]] | None = None
    ) -> Deferred[MultiCallResults]:
        """Send the calls.

        Args:
            before: awaited right before each request is sent; what it raises ends the sending.

        Returns:
            A Deferred of the results. It fails like a plain call if a whole request fails. If only
            one call fails, accessing its result raises. Reads for which the hub loses its database
            are retried until the deadline, unless their request also has a write.
        """
        calls, self.calls = self.calls, []
        return self._send(calls, before)

    @returns_deferred
    async def _send(
        self, calls: list[Call], before: Callable[[], Awaitable[None]] | None
    ) -> MultiCallResults:
        outcomes = await self._client.send_all(calls, batch=self._batch, before=before)
        return MultiCallResults(
            calls,
            [
                outcome
                if isinstance(outcome, Exception)
                else rich.convert(call.method, outcome, self._connection)
                for call, outcome in zip(calls, outcomes, strict=True)
            ],
        )
