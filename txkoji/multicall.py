"""Explicit multicalls: calls collected, sent together, each with a result of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred

from txkoji import rich
from txkoji._deferreds import returns_deferred
from txkoji.exceptions import NotXMLRPC, fault_from
from txkoji.hub import methods
from txkoji.hub.xmlrpc import STARSTAR, encode_call

if TYPE_CHECKING:
    from txkoji.connection import Connection

__all__ = ["Call", "MultiCall", "MultiCallResults", "batches", "send_batch"]

MAX_CALLS = 100
MAX_BYTES = 2 << 20
"""Half of the 4 MiB that a hub takes in one request."""

Call = tuple[str, Sequence[Any], Mapping[str, Any]]
"""A method, its positional and its named arguments."""


class MultiCallResults:
    """What came of the calls, in their order.

    Iterating gives each result; at a call that failed it raises its exception, and goes on with
    the next call when it is asked again.
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
        connection: the connection that sends them.
    """

    def __init__(self, connection: Connection) -> None:
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
        self._calls.append((method, *rich.prepare(method, args, kwargs)))

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
        outcomes: list[Any] = []
        for batch in batches([(call, len(encode_call(*call))) for call in calls]):
            for (method, _, _), outcome in zip(
                batch, await send_batch(self._connection, batch), strict=True
            ):
                failed = isinstance(outcome, Exception)
                outcomes.append(
                    outcome if failed else rich.convert(method, outcome, self._connection)
                )
        return MultiCallResults(outcomes)


async def send_batch(connection: Connection, batch: Sequence[Call]) -> list[Any]:
    """Send calls in one request.

    Args:
        connection: sends it.
        batch: the calls, of a size that :func:`batches` gives.

    Returns:
        For each call its raw result, or the exception that it failed with.

    Raises:
        KojiException: the request as a whole failed, as a plain call does.
    """
    write = any(methods.kind(method) is not methods.Kind.READ for method, _, _ in batch)
    kind = methods.Kind.WRITE if write else methods.Kind.READ
    structs = [_struct(call) for call in batch]
    reply = await connection.send("multiCall", [structs], {}, kind)
    if not isinstance(reply, list) or len(reply) != len(batch):
        raise NotXMLRPC("the hub answered a multiCall with another number of results")
    return [_outcome(call, entry) for call, entry in zip(batch, reply, strict=True)]


def _outcome(call: Call, entry: Any) -> Any:
    method = call[0]
    if isinstance(entry, list) and len(entry) == 1:
        return entry[0]
    if isinstance(entry, dict) and isinstance(entry.get("faultCode"), int):
        text = entry.get("faultString")
        return fault_from(entry["faultCode"], str(text or ""), method=method)
    return NotXMLRPC(f"the hub's answer to {method} in a multiCall is neither result nor fault")


def _struct(call: Call) -> dict[str, Any]:
    method, args, kwargs = call
    params = [*args, {**kwargs, STARSTAR: True}] if kwargs else list(args)
    return {"methodName": method, "params": params}


def batches(weighed: Iterable[tuple[Call, int]]) -> Iterator[list[Call]]:
    """Cut calls into requests of at most 100, each well under what a hub takes.

    Args:
        weighed: the calls, each with the bytes that it takes.
    """
    batch: list[Call] = []
    size = 0
    for call, weight in weighed:
        if batch and (len(batch) >= MAX_CALLS or size + weight > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(call)
        size += weight
    if batch:
        yield batch
