"""Handling received messages: one at a time, each settled only when its handler is done."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred, maybeDeferred, succeed
from twisted.logger import Logger

from txkoji._values import one_line, printable
from txkoji.bus.base import BusMessage, ReceivedMessage, Reject, Settlement
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import KojiException
from txkoji.retry import RetryPolicy

MAX_LOGGED = 300
"""Characters of an error to log: it may quote a message."""

Handler = Callable[[BusMessage], "Awaitable[Any] | None"]


@dataclass
class MessageCounts:
    """Counts of messages, by outcome.

    Attributes:
        received: messages received, redelivered ones included.
        accepted: messages that the handler accepted.
        rejected: messages that the handler rejected.
        redelivered: messages that the broker marks as delivered before.
        retried: how often a message was given to the handler again.
    """

    received: int = 0
    accepted: int = 0
    rejected: int = 0
    redelivered: int = 0
    retried: int = 0


class Pauses:
    """Pauses that can be ended together.

    Attributes:
        are_over: whether :meth:`end` was called.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._running: set[Deferred[None]] = set()
        self.are_over = False

    async def pause(self, seconds: float) -> None:
        """Wait, unless or until :meth:`end` is called."""
        if self.are_over:
            return
        over: Deferred[None] = Deferred()
        self._running.add(over)
        timer = ElapsedTime(self._reactor).callLater(seconds, over.callback, None)
        try:
            await over
        finally:
            self._running.discard(over)
            timer.cancel()

    def end(self) -> None:
        """End all pauses, those that start later too."""
        self.are_over = True
        for over in list(self._running):
            over.callback(None)


class Handling:
    """Gives messages to a handler, retries those that it can't handle now, and settles them.

    Args:
        handler: see :class:`~txkoji.bus.Receiver`.
        is_passing: returns whether to retry a message for which the handler raised an exception.
        retry: the back-off between two attempts at a message.
        pauses: the pauses; once they are ended, no message is given to the handler.
        prefix: begins each log line.

    Attributes:
        counts: the outcomes of the messages so far.
        trouble: the last error of the handler for the message that is being retried, else None.
    """

    _log = Logger()

    def __init__(
        self,
        handler: Handler,
        *,
        is_passing: Callable[[BaseException], bool],
        retry: RetryPolicy,
        pauses: Pauses,
        prefix: str,
    ) -> None:
        self.counts = MessageCounts()
        self.trouble: str | None = None
        self._handler = handler
        self._is_passing = is_passing
        self._retry = retry
        self._pauses = pauses
        self._prefix = prefix
        self._waiting: deque[ReceivedMessage] = deque()
        self._working: Deferred[None] = succeed(None)
        self._is_working = False
        self._handling: Deferred[Any] | None = None

    def add(self, received: ReceivedMessage) -> None:
        """Handle a message, after those that were received before it."""
        if self._pauses.are_over:
            received.settle(Settlement.RELEASED)
            return
        self.counts.received += 1
        self.counts.redelivered += received.message.redelivered is True
        self._waiting.append(received)
        # One at a time, also across connections: a message that is redelivered while its first
        # copy is still being handled must see the effects of that.
        if not self._is_working:
            self._is_working = True
            self._working = Deferred.fromCoroutine(self._work())

    def forget(self) -> None:
        """Forget the waiting messages: the broker redelivers those of a lost connection."""
        self._waiting.clear()

    def release(self) -> None:
        """Give the waiting messages back to the broker."""
        while self._waiting:
            self._waiting.popleft().settle(Settlement.RELEASED)

    async def ended(self, reactor: Any, limit: float) -> None:
        """Wait for the handler; cancel it if it takes longer than the limit, in seconds."""
        if not self._is_working:
            return
        timer = ElapsedTime(reactor).callLater(limit, self._cancel)
        try:
            await self._working
        finally:
            timer.cancel()

    def _cancel(self) -> None:
        if self._handling is not None:
            self._handling.cancel()

    async def _work(self) -> None:
        try:
            while self._waiting and not self._pauses.are_over:
                await self._handle(self._waiting.popleft())
        finally:
            self._is_working = False

    async def _handle(self, received: ReceivedMessage) -> None:
        failures = 0
        settlement = await self._attempt(received.message)
        while settlement is None:
            failures += 1
            await self._pauses.pause(self._retry.pause(failures))
            if self._pauses.are_over or not received.link.is_open:
                # The broker still has the message, and redelivers it.
                break
            self.counts.retried += 1
            settlement = await self._attempt(received.message)
        self.trouble = None
        if settlement is not None:
            self.counts.accepted += settlement is Settlement.ACCEPTED
            self.counts.rejected += settlement is Settlement.REJECTED
            received.settle(settlement)

    async def _attempt(self, message: BusMessage) -> Settlement | None:
        """Call the handler; return how to settle the message, None to retry it."""
        if message.unreadable is not None:
            self._log_rejection(message, Reject(message.unreadable))
            return Settlement.REJECTED
        self._handling = maybeDeferred(self._handler, message)
        try:
            await self._handling
        except Reject as reason:
            self._log_rejection(message, reason)
            return Settlement.REJECTED
        except Exception as error:  # noqa: BLE001 - whatever it is, the next message must come
            if self._pauses.are_over:
                return None
            if self._is_passing(error):
                self._log_trouble(message, error)
                return None
            self._log_rejection(message, error)
            return Settlement.REJECTED
        finally:
            self._handling = None
        return Settlement.ACCEPTED

    def _log_rejection(self, message: BusMessage, error: Exception) -> None:
        text = "{prefix}rejected the bus message {topic}: {reason}"
        reason = one_line(error, MAX_LOGGED) or type(error).__name__
        if isinstance(error, (Reject, KojiException)):
            self._log.warn(text, prefix=self._prefix, topic=_topic(message), reason=reason)
        else:
            self._log.failure(text, prefix=self._prefix, topic=_topic(message), reason=reason)

    def _log_trouble(self, message: BusMessage, error: Exception) -> None:
        """Log the error of the handler, unless it is the same as before."""
        trouble = one_line(error, MAX_LOGGED) or type(error).__name__
        if trouble == self.trouble:
            return
        self.trouble = trouble
        self._log.warn(
            "{prefix}the bus message {topic} stays unacknowledged and is retried: {trouble}",
            prefix=self._prefix,
            topic=_topic(message),
            trouble=trouble,
        )


def _topic(message: BusMessage) -> str:
    return printable(str(message.topic)[:MAX_LOGGED])
