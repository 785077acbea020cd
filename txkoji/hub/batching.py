"""Look-ups that are made in the same reactor turn travel together.

A program that asks for a thousand tasks at once costs its hub ten requests instead of a thousand,
and no line of it changes. Only look-ups of a single object go this way: a call that is heavy for
the hub would hold up all the others of its request.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from txkoji.hub import methods
from txkoji.hub.xmlrpc import encode_call
from txkoji.multicall import Call, batches, send_batch

if TYPE_CHECKING:
    from txkoji.connection import Connection

__all__ = ["Batcher", "is_point_lookup"]


def is_point_lookup(call: Call) -> bool:
    """Tell whether a call looks up one object: by its method, and with nothing but plain values."""
    method, args, kwargs = call
    return method in methods.POINT_LOOKUPS and not any(
        isinstance(value, (list, tuple, dict)) for value in [*args, *kwargs.values()]
    )


class Batcher:
    """Gathers the look-ups of one reactor turn.

    Args:
        connection: sends them.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        # The calls that are to be sent, and each as it would travel alone.
        self._waiting: dict[Deferred[Any], tuple[Call, bytes]] = {}

    def add(self, call: Call) -> Deferred[Any]:
        """Make a look-up at the end of this turn.

        Returns:
            A Deferred of the raw result, or of the call's own exception. Cancelling it before the
            end of the turn takes the call back; afterwards, it gives up the answer.

        Raises:
            ValueError: an argument can't be sent. The other look-ups are not touched by that.
        """
        body = encode_call(*call)
        if not self._waiting:
            self._connection.reactor.callLater(0, self._send_all)
        answer: Deferred[Any] = Deferred(self._take_back)
        self._waiting[answer] = (call, body)
        return answer

    def _take_back(self, answer: Deferred[Any]) -> None:
        self._waiting.pop(answer, None)

    def _send_all(self) -> None:
        waiting, self._waiting = self._waiting, {}
        answers = list(waiting)
        if len(answers) == 1:
            [((method, _, _), body)] = waiting.values()
            self._begin(self._send_one(method, body), answers)
            return
        for batch in batches([(call, len(body)) for call, body in waiting.values()]):
            those, answers = answers[: len(batch)], answers[len(batch) :]
            self._begin(self._send(batch), those)

    def _begin(
        self, sending: Coroutine[Deferred[Any], Any, list[Any]], answers: list[Deferred[Any]]
    ) -> None:
        Deferred.fromCoroutine(sending).addCallbacks(
            self._answer, self._fail, callbackArgs=(answers,), errbackArgs=(answers,)
        )

    async def _send_one(self, method: str, body: bytes) -> list[Any]:
        return [await self._connection.send_encoded(method, body, methods.Kind.READ)]

    async def _send(self, batch: list[Call]) -> list[Any]:
        if len(batch) > 1:
            return await send_batch(self._connection, batch)
        # A call so large that it travels alone.
        [(method, args, kwargs)] = batch
        return [await self._connection.send(method, args, kwargs, methods.Kind.READ)]

    def _answer(self, outcomes: list[Any], answers: list[Deferred[Any]]) -> None:
        for answer, outcome in zip(answers, outcomes, strict=True):
            # One that was cancelled meanwhile has its answer.
            if answer.called:
                continue
            if isinstance(outcome, Exception):
                answer.errback(outcome)
            else:
                answer.callback(outcome)

    def _fail(self, failure: Failure, answers: list[Deferred[Any]]) -> None:
        self._answer([failure.value] * len(answers), answers)
