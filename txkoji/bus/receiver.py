"""Messages from a broker to a handler: one at a time, settled only when the handler is done.

It reconnects by itself, for ever. A message whose handler fails stays with the broker and is tried
again here, with growing pauses; meanwhile the broker sends no more than ``prefetch`` others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger

from txkoji._deferreds import returns_deferred
from txkoji.bus.base import BusMessage, Delivery, Link, Outcome, Reject, end
from txkoji.bus.settings import Broker
from txkoji.exceptions import (
    BrokerRefusal,
    BrokerUnreachable,
    BusError,
    ConfigurationError,
    KojiException,
)
from txkoji.retry import RetryPolicy

__all__ = ["Receiver", "State"]

READY_TIMEOUT = 30.0
HANDLER_TIMEOUT = 30.0
LOGGED = 300
"""Characters of an error that are logged: it may quote a message."""

Handler = Callable[[BusMessage], "Awaitable[Any] | None"]


class State(Enum):
    """How a receiver is."""

    IDLE = "idle"
    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"
    REFUSED = "refused"
    STOPPED = "stopped"


class Receiver:
    """Receives the messages of a bus.

    Args:
        settings: :class:`~txkoji.bus.AMQP` or :class:`~txkoji.bus.AMQP1`.
        handler: takes a :class:`~txkoji.bus.BusMessage`. When it returns, or its Deferred or
            coroutine does, the message is acknowledged. Where it raises
            :class:`~txkoji.bus.Reject`, the message is dropped (or put aside, where the queue has a
            dead letter exchange), counted, and logged in one line. Where it raises anything else,
            the message stays unacknowledged and is given to it again later, as often as it takes.
        reactor: the reactor.
        prefetch: how many messages the broker may send ahead.
        on_state: is called with each new :class:`State` and, for LOST and REFUSED, the reason in
            words, else None. At READY, messages may have been lost before: time to catch up.
        ready_timeout: seconds until a connection must be ready.
        retry: the pauses between two connections and between two attempts at a message.

    Attributes:
        state: the :class:`State`.
        reason: why it is LOST or REFUSED, in words, else None.
        trouble: what the handler failed with at the message that it is tried with again, else None.
        received: messages that came, repeated ones too.
        accepted: messages that the handler took.
        rejected: messages that the handler rejected.
        redelivered: messages of which the broker says that they had been given out before.
        retried: how often a message was given to the handler again.
        reconnects: how often a connection was ready after the first.

    Raises:
        ConfigurationError: the settings don't say what to receive, or the library for the protocol
            is not installed; the text says what to do.
    """

    _log = Logger()

    def __init__(
        self,
        settings: Broker,
        handler: Handler,
        *,
        reactor: Any,
        prefetch: int = 10,
        on_state: Callable[[State, str | None], None] | None = None,
        ready_timeout: float = READY_TIMEOUT,
        retry: RetryPolicy | None = None,
    ) -> None:
        settings.check_receiving()
        settings.require_extra()
        self.state = State.IDLE
        self.reason: str | None = None
        self.trouble: str | None = None
        self.received = 0
        self.accepted = 0
        self.rejected = 0
        self.redelivered = 0
        self.retried = 0
        self.reconnects = 0
        self._settings = settings
        self._handler = handler
        self._reactor = reactor
        self._prefetch = prefetch
        self._on_state = on_state
        self._ready_timeout = ready_timeout
        self._retry = retry or RetryPolicy()
        self._link: Link | None = None
        self._running: Deferred[None] | None = None
        self._connecting: Deferred[None] | None = None
        self._waiting: deque[Delivery] = deque()
        self._working: Deferred[None] = succeed(None)
        self._is_working = False
        self._handling: Deferred[Any] | None = None
        self._pauses: set[Deferred[None]] = set()
        self._stopping = False
        self._was_ready = False
        self._said: str | None = None

    def start(self) -> None:
        """Begin to connect and to receive, in the background. Once only."""
        if self.state is State.IDLE:
            self._running = Deferred.fromCoroutine(self._run())

    @returns_deferred
    async def stop(self) -> None:
        """Take no more messages, wait for the handler, and close the connection.

        What was not handled goes back to the broker. A handler that is not done after 30 seconds is
        cancelled; a broker that does not answer the good-bye within 2 seconds is cut off.
        """
        self._stopping = True
        while self._waiting:
            self._waiting.popleft().settle(Outcome.RELEASE)
        for pause in list(self._pauses):
            pause.callback(None)
        if self._connecting is not None:
            self._connecting.cancel()
        await self._end_handling()
        if self._link is not None:
            await end(self._link, self._reactor)
        if self._running is not None:
            await self._running
        self._enter(State.STOPPED)

    async def _end_handling(self) -> None:
        if not self._is_working:
            return
        limit = self._reactor.callLater(HANDLER_TIMEOUT, self._cancel_handling)
        try:
            await self._working
        finally:
            if limit.active():
                limit.cancel()

    def _cancel_handling(self) -> None:
        if self._handling is not None:
            self._handling.cancel()

    async def _run(self) -> None:
        """Connect, again and again."""
        failures = 0
        while not self._stopping:
            self._enter(State.CONNECTING)
            try:
                self._link = self._settings.link(self._reactor)
                await self._subscribe(self._link)
            except (BrokerRefusal, ConfigurationError) as error:
                failures += 1
                self._enter(State.REFUSED, str(error))
            except CancelledError:
                # Stopped.
                pass
            except BusError as error:
                failures += 1
                self._enter(State.LOST, str(error))
            except Exception as error:  # noqa: BLE001 - a surprise must not end the listening
                failures += 1
                self._log.failure("connecting to the message bus {url}", url=self._settings.url)
                self._enter(State.LOST, f"{type(error).__name__}: {error}")
            else:
                # Not before: a broker that takes connections and refuses the login comes this far
                # without being any good.
                failures = 0
                self._enter(State.READY)
                lost = await self._link.lost
                self._waiting.clear()
                self._enter(State.LOST, str(lost))
            if self._link is not None:
                self._link.abort()
            if not self._stopping:
                await self._pause(self._retry.pause(max(failures, 1)))

    async def _subscribe(self, link: Link) -> None:
        async def subscribe() -> None:
            await link.open()
            await link.subscribe(self._prefetch, self._deliver)

        def expired(_: Any, seconds: float) -> None:
            raise BrokerUnreachable(
                f"{self._settings.url} did not let us in within {seconds:g} s: is it a broker of"
                " this protocol, and is it well?"
            )

        self._connecting = Deferred.fromCoroutine(subscribe())
        self._connecting.addTimeout(self._ready_timeout, self._reactor, expired)
        try:
            await self._connecting
        finally:
            self._connecting = None

    def _enter(self, state: State, reason: str | None = None) -> None:
        if self._stopping and state is not State.STOPPED:
            return
        self.reconnects += state is State.READY and self._was_ready
        self._was_ready = self._was_ready or state is State.READY
        self.state = state
        self.reason = reason
        self._say(state, reason)
        if self._on_state is not None:
            try:
                self._on_state(state, reason)
            except Exception:  # noqa: BLE001 - the listening goes on whatever a caller does with it
                self._log.failure("what was to be told of the message bus's state failed")

    def _say(self, state: State, reason: str | None) -> None:
        """Log what is new: an outage of hours is one line."""
        if state is State.READY:
            self._said = None
            self._log.info("listening to the message bus {url}", url=self._settings.url)
        elif reason is not None and reason != self._said:
            self._said = reason
            self._log.warn("the message bus: {reason}; trying again", reason=reason)

    async def _pause(self, seconds: float) -> None:
        """Wait; a stop ends it."""
        over: Deferred[None] = Deferred()
        self._pauses.add(over)
        timer: IDelayedCall = self._reactor.callLater(seconds, over.callback, None)
        try:
            await over
        finally:
            self._pauses.discard(over)
            if timer.active():
                timer.cancel()

    def _deliver(self, delivery: Delivery) -> None:
        if self._stopping:
            delivery.settle(Outcome.RELEASE)
            return
        self.received += 1
        self.redelivered += delivery.message.redelivered is True
        self._waiting.append(delivery)
        # One at a time, also across connections: a message that is handed out again while its first
        # copy is still being handled must find what that has done.
        if not self._is_working:
            self._is_working = True
            self._working = Deferred.fromCoroutine(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting and not self._stopping:
                await self._handle(self._waiting.popleft())
        finally:
            self._is_working = False

    async def _handle(self, delivery: Delivery) -> None:
        failures = 0
        while True:
            self._handling = maybeDeferred(self._handler, delivery.message)
            try:
                await self._handling
            except Reject as reason:
                self.rejected += 1
                self._log.warn(
                    "a message of the bus is of no use, {topic}: {reason}",
                    topic=delivery.message.topic,
                    reason=_one_line(reason),
                )
                delivery.settle(Outcome.REJECT)
                break
            except Exception as error:  # noqa: BLE001 - whatever it is, the message must not be lost
                if self._stopping:
                    break
                failures += 1
                self._complain(delivery.message, error)
            else:
                self.accepted += 1
                delivery.settle(Outcome.ACCEPT)
                break
            await self._pause(self._retry.pause(failures))
            if self._stopping or not delivery.link.is_open:
                # The broker has it still, and gives it out again.
                break
            self.retried += 1
        self.trouble = None
        self._handling = None

    def _complain(self, message: BusMessage, error: Exception) -> None:
        """Log what the handler failed with, once as long as it is the same."""
        trouble = _one_line(error) or type(error).__name__
        if trouble == self.trouble:
            return
        self.trouble = trouble
        words = "a message of the bus, {topic}, is kept and tried again: {trouble}"
        if isinstance(error, KojiException):
            self._log.warn(words, topic=message.topic, trouble=trouble)
        else:
            self._log.failure(words, topic=message.topic, trouble=trouble)


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())[:LOGGED]
