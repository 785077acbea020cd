"""Many calls in one request: explicit multicalls, and lookups of one reactor iteration.

A program that looks up a thousand tasks at once costs its hub ten requests instead of a thousand,
without a change. Only lookups of a single object are batched: a heavy call would hold up all the
others of its request.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator, Sequence
from typing import Any

import attrs
from twisted.internet.defer import Deferred

from txkoji._interfaces import Clock
from txkoji.exceptions import UNCAUGHT, UnusableAnswer, fault_from
from txkoji.hub.call import Call

MAX_CALLS = 100
"""Calls of one request, unless the caller says how many."""

MAX_BYTES = 2 << 20
"""Half of the 4 MiB that a hub accepts in one request."""

Outcomes = AsyncIterator[tuple[int, Any]]
"""The index of each call of a batch, with its result or exception, as soon as it is known."""


def batches(
    weighed: Iterable[tuple[Call, int]], max_calls: int = MAX_CALLS
) -> Iterator[list[Call]]:
    """Split calls, each with its size in bytes, into requests well below a hub's limit."""
    batch: list[Call] = []
    size = 0
    for call, weight in weighed:
        if batch and (len(batch) >= max_calls or size + weight > MAX_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(call)
        size += weight
    if batch:
        yield batch


def multicall(batch: Sequence[Call]) -> Call:
    """Return the call that carries a batch."""
    return Call("multiCall", ([call.multicall_entry() for call in batch],))


def results_of(batch: Sequence[Call], reply: Any) -> list[Any]:
    """Read the reply to a batch.

    Returns:
        For each call its plain result, or the exception that it failed with.

    Raises:
        UnusableAnswer: the reply does not fit this batch.
    """
    if not isinstance(reply, list) or len(reply) != len(batch):
        raise UnusableAnswer("multiCall", reply, f"a list of {len(batch)} results")
    return [_result(call.method, entry) for call, entry in zip(batch, reply, strict=True)]


def _result(method: str, entry: Any) -> Any:
    if isinstance(entry, list) and len(entry) == 1:
        return entry[0]
    if isinstance(entry, dict) and type(entry.get("faultCode")) is int:
        return fault_from(entry["faultCode"], _fault_text(entry), method=method)
    return UnusableAnswer(method, entry, "a result or a fault")


def _fault_text(entry: dict[str, Any]) -> str:
    """Return the text of a fault, as a call of its own would have got it.

    Of an exception that the hub did not expect, ``faultString`` has only the arguments: its class
    is in the last line of the traceback.
    """
    trace = entry.get("traceback")
    if entry["faultCode"] == UNCAUGHT and isinstance(trace, list) and trace:
        last = trace[-1]
        if isinstance(last, str) and last.strip():
            return last.strip()
    return str(entry.get("faultString") or "")


@attrs.define(eq=False, repr=False, slots=False)
class Batcher:
    """Collects the lookups of one reactor iteration.

    Args:
        clock: schedules the end of the iteration.
        send_one: sends a single call, which is passed with its encoded form.
        send_batch: sends several in one request.
    """

    _clock: Clock
    _send_one: Callable[[Call, bytes], Coroutine[Deferred[Any], Any, Any]]
    _send_batch: Callable[[Sequence[Call]], Outcomes]

    def __attrs_post_init__(self) -> None:
        # The calls to send, each with its encoded form.
        self._waiting: dict[Deferred[Any], tuple[Call, bytes]] = {}
        # The request of each answer, and the answers of the same request that are wanted.
        self._sent: dict[Deferred[Any], tuple[Deferred[Any], set[Deferred[Any]]]] = {}

    def add(self, call: Call) -> Deferred[Any]:
        """Send a lookup at the end of this iteration.

        Returns:
            A Deferred of the plain result, or of the call's own exception. Cancelling it before the
            end of the iteration withdraws the call; afterwards, it discards the answer, and cancels
            the request when nobody wants another answer of it.

        Raises:
            ValueError: an argument can't be sent. The other lookups are unaffected.
        """
        body = call.encode()
        if not self._waiting:
            self._clock.callLater(0, self._send_all)
        answer: Deferred[Any] = Deferred(self._take_back)
        self._waiting[answer] = (call, body)
        return answer

    def _take_back(self, answer: Deferred[Any]) -> None:
        self._waiting.pop(answer, None)
        if answer in self._sent:
            request, wanted = self._sent.pop(answer)
            wanted.remove(answer)
            if not wanted:
                request.cancel()

    def _send_all(self) -> None:
        waiting, self._waiting = self._waiting, {}
        answers = list(waiting)
        for batch in batches([(call, len(body)) for call, body in waiting.values()]):
            those, answers = answers[: len(batch)], answers[len(batch) :]
            alone = len(those) == 1
            self._begin(
                self._alone(*waiting[those[0]]) if alone else self._send_batch(batch), those
            )

    async def _alone(self, call: Call, body: bytes) -> Outcomes:
        yield 0, await self._send_one(call, body)

    def _begin(self, outcomes: Outcomes, answers: list[Deferred[Any]]) -> None:
        wanted = set(answers)
        request: Deferred[None] = Deferred()
        self._sent.update((answer, (request, wanted)) for answer in answers)
        request.addCallback(
            lambda _: Deferred.fromCoroutine(self._deliver(outcomes, answers, wanted))
        )
        request.callback(None)

    async def _deliver(
        self, outcomes: Outcomes, answers: list[Deferred[Any]], wanted: set[Deferred[Any]]
    ) -> None:
        try:
            async for index, outcome in outcomes:
                self._answer(answers[index], outcome, wanted)
                # A callback may have cancelled the rest.
                if not wanted:
                    return
        except Exception as error:  # noqa: BLE001 - each caller gets it
            for answer in answers:
                self._answer(answer, error, wanted)

    def _answer(self, answer: Deferred[Any], outcome: Any, wanted: set[Deferred[Any]]) -> None:
        if answer in wanted:
            wanted.remove(answer)
            self._sent.pop(answer, None)
            if isinstance(outcome, Exception):
                answer.errback(outcome)
            else:
                answer.callback(outcome)
