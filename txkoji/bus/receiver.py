"""Receiving from a broker: one message at a time, settled only when the handler is done.

The receiver reconnects forever. A message whose handler fails stays unacknowledged and is retried
here with back-off; meanwhile the broker sends at most ``prefetch`` others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred, succeed
from twisted.logger import Logger

from txkoji._deferreds import returns_deferred
from txkoji._interfaces import Timer
from txkoji._values import one_line, printable
from txkoji.bus.base import (
    CLOSE_TIMEOUT,
    BusMessage,
    Link,
    ReceivedMessage,
    Reject,
    Settlement,
    close_link,
    is_passing_trouble,
)
from txkoji.bus.settings import Broker
from txkoji.exceptions import (
    BrokerRefusal,
    BrokerUnreachable,
    BusError,
    ConfigurationError,
    KojiException,
)
from txkoji.retry import RetryPolicy

__all__ = ["Receiver", "ReceiverState"]

READY_TIMEOUT = 30.0
HANDLER_TIMEOUT = 30.0
MAX_LOGGED = 300
"""Characters of an error to log: it may quote a message."""

Handler = Callable[[BusMessage], "Awaitable[Any] | None"]


class ReceiverState(Enum):
    """The states of a receiver: connecting, receiving, and between two attempts to connect."""

    IDLE = "idle"
    CONNECTING = "connecting"
    READY = "ready"
    LOST = "lost"
    REFUSED = "refused"
    STOPPED = "stopped"


class Receiver:
    """Receives messages from a bus.

    Args:
        settings: :class:`~txkoji.bus.AMQP` or :class:`~txkoji.bus.AMQP1`.
        handler: called with each :class:`~txkoji.bus.BusMessage`. When it returns, or its Deferred
            or coroutine does, the message is acknowledged. If it raises
            :class:`~txkoji.bus.Reject`, the message is dropped (or dead-lettered, if the queue has
            a dead letter exchange), counted, and logged in one line. The same happens if it raises
            anything else, unless ``is_passing`` says that the trouble passes: then the message
            stays unacknowledged and is retried until it succeeds.
        reactor: the reactor.
        prefetch: how many messages the broker may send ahead.
        on_state: called with each new :class:`ReceiverState` and, for LOST and REFUSED, the reason
            as text, else None. Messages may have been lost before READY: time to catch up.
        ready_timeout: seconds that connecting, login and subscribing may take.
        handler_timeout: seconds that :meth:`stop` waits for the handler before it cancels it.
        close_timeout: seconds that the broker has to answer the closing of the connection.
        is_passing: called with an exception of the handler; returns whether to retry the message.
            By default, trouble with the network, the hub or a broker passes.
        retry: the back-off between two attempts to connect, and between two at a message.
        name: who receives; each log line begins with it.

    Attributes:
        state: the :class:`ReceiverState`.
        reason: why the receiver is LOST or REFUSED, as text, else None.
        trouble: the last error of the handler for the message that is being retried, else None.
        received: messages received, redelivered ones included.
        accepted: messages that the handler accepted.
        rejected: messages that the handler rejected.
        redelivered: messages that the broker marks as delivered before.
        retried: how often a message was given to the handler again.
        reconnects: how often the receiver was ready again after the first time.

    Raises:
        ConfigurationError: the settings don't say what to receive, or the library for the protocol
            is missing; the message says what to do.
    """

    _log = Logger()

    def __init__(
        self,
        settings: Broker,
        handler: Handler,
        *,
        reactor: Any,
        prefetch: int = 10,
        on_state: Callable[[ReceiverState, str | None], None] | None = None,
        ready_timeout: float = READY_TIMEOUT,
        handler_timeout: float = HANDLER_TIMEOUT,
        close_timeout: float = CLOSE_TIMEOUT,
        is_passing: Callable[[BaseException], bool] = is_passing_trouble,
        retry: RetryPolicy | None = None,
        name: str | None = None,
    ) -> None:
        settings.check_receiving()
        settings.require_extra()
        self.state = ReceiverState.IDLE
        self.reason: str | None = None
        self.trouble: str | None = None
        self.received = 0
        self.accepted = 0
        self.rejected = 0
        self.redelivered = 0
        self.retried = 0
        self.reconnects = 0
        self._prefix = "" if name is None else f"{name}: "
        self._settings = settings
        self._handler = handler
        self._reactor = reactor
        self._prefetch = prefetch
        self._on_state = on_state
        self._ready_timeout = ready_timeout
        self._handler_timeout = handler_timeout
        self._close_timeout = close_timeout
        self._is_passing = is_passing
        self._retry = retry or RetryPolicy()
        self._link: Link | None = None
        self._running: Deferred[None] | None = None
        self._connecting: Deferred[None] | None = None
        self._waiting: deque[ReceivedMessage] = deque()
        self._working: Deferred[None] = succeed(None)
        self._is_working = False
        self._handling: Deferred[Any] | None = None
        self._pauses: set[Deferred[None]] = set()
        self._stopping = False
        self._was_ready = False
        self._logged_reason: str | None = None

    def start(self) -> None:
        """Start to connect and to receive, in the background. Once only."""
        if self.state is ReceiverState.IDLE:
            self._running = Deferred.fromCoroutine(self._run())

    @property
    def server_expires(self) -> float | None:
        """When the broker's own certificate expires, in seconds since the epoch.

        None without TLS, or while there is no connection.
        """
        return None if self._link is None else self._link.server_expires

    @returns_deferred
    async def stop(self) -> None:
        """Stop receiving, wait for the handler, and close the connection.

        Unhandled messages go back to the broker. A handler that is not done within
        ``handler_timeout`` is cancelled.
        """
        self._stopping = True
        if self._link is not None and self._link.is_open:
            # Before messages are released: the broker would deliver them here again at once, and
            # a queue with a delivery limit would drop them.
            self._link.end_delivery()
        while self._waiting:
            self._waiting.popleft().settle(Settlement.RELEASED)
        for pause in list(self._pauses):
            pause.callback(None)
        if self._connecting is not None:
            self._connecting.cancel()
        await self._end_handling()
        if self._link is not None:
            await close_link(self._link, self._reactor, self._close_timeout)
        if self._running is not None:
            await self._running
        self._enter(ReceiverState.STOPPED)

    async def _end_handling(self) -> None:
        if not self._is_working:
            return
        limit = self._reactor.callLater(self._handler_timeout, self._cancel_handling)
        try:
            await self._working
        finally:
            if limit.active():
                limit.cancel()

    def _cancel_handling(self) -> None:
        if self._handling is not None:
            self._handling.cancel()

    async def _run(self) -> None:
        """Connect and reconnect until :meth:`stop`."""
        failures = 0
        while not self._stopping:
            self._enter(ReceiverState.CONNECTING)
            try:
                self._link = self._settings.link(self._reactor)
                await self._subscribe(self._link)
            except (BrokerRefusal, ConfigurationError) as error:
                failures += 1
                self._enter(ReceiverState.REFUSED, str(error))
            except CancelledError:
                # By stop().
                pass
            except BusError as error:
                failures += 1
                self._enter(ReceiverState.LOST, str(error))
            except Exception as error:  # noqa: BLE001 - a defect must not end the receiver
                failures += 1
                self._log.failure(
                    "{prefix}connecting to the message bus {url} failed",
                    prefix=self._prefix,
                    url=self._settings.url,
                )
                self._enter(ReceiverState.LOST, f"{type(error).__name__}: {error}")
            else:
                # Only now: a broker that accepts connections may still refuse every login.
                failures = 0
                self._enter(ReceiverState.READY)
                lost = await self._link.lost
                self._waiting.clear()
                self._enter(ReceiverState.LOST, str(lost))
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
                f"the broker {self._settings.url} was not ready within {seconds:g} s: does it"
                " speak this protocol?"
            )

        self._connecting = Deferred.fromCoroutine(subscribe())
        self._connecting.addTimeout(self._ready_timeout, self._reactor, expired)
        try:
            await self._connecting
        finally:
            self._connecting = None

    def _enter(self, state: ReceiverState, reason: str | None = None) -> None:
        if self._stopping and state is not ReceiverState.STOPPED:
            return
        self.reconnects += state is ReceiverState.READY and self._was_ready
        self._was_ready = self._was_ready or state is ReceiverState.READY
        self.state = state
        self.reason = reason
        self._log_state(state, reason)
        if self._on_state is not None:
            try:
                self._on_state(state, reason)
            except Exception:  # noqa: BLE001 - a caller's defect must not end the receiver
                self._log.failure("{prefix}the on_state callback failed", prefix=self._prefix)

    def _log_state(self, state: ReceiverState, reason: str | None) -> None:
        """Log what is new: an outage of hours is one line."""
        if state is ReceiverState.READY:
            self._logged_reason = None
            self._log.info(
                "{prefix}listening to the message bus {url}",
                prefix=self._prefix,
                url=self._settings.url,
            )
        elif reason is not None and reason != self._logged_reason:
            self._logged_reason = reason
            self._log.warn(
                "{prefix}message bus: {reason}; retrying", prefix=self._prefix, reason=reason
            )

    async def _pause(self, seconds: float) -> None:
        """Wait; :meth:`stop` ends the wait."""
        over: Deferred[None] = Deferred()
        self._pauses.add(over)
        timer: Timer = self._reactor.callLater(seconds, over.callback, None)
        try:
            await over
        finally:
            self._pauses.discard(over)
            if timer.active():
                timer.cancel()

    def _deliver(self, received: ReceivedMessage) -> None:
        if self._stopping:
            received.settle(Settlement.RELEASED)
            return
        self.received += 1
        self.redelivered += received.message.redelivered is True
        self._waiting.append(received)
        # One at a time, also across connections: a message that is redelivered while its first
        # copy is still being handled must see the effects of that.
        if not self._is_working:
            self._is_working = True
            self._working = Deferred.fromCoroutine(self._work())

    async def _work(self) -> None:
        try:
            while self._waiting and not self._stopping:
                await self._handle(self._waiting.popleft())
        finally:
            self._is_working = False

    async def _handle(self, received: ReceivedMessage) -> None:
        failures = 0
        settlement = await self._attempt(received.message)
        while settlement is None:
            failures += 1
            if not self._stopping:
                await self._pause(self._retry.pause(failures))
            if self._stopping or not received.link.is_open:
                # The broker still has the message, and redelivers it.
                break
            self.retried += 1
            settlement = await self._attempt(received.message)
        self.trouble = None
        if settlement is not None:
            self.accepted += settlement is Settlement.ACCEPTED
            self.rejected += settlement is Settlement.REJECTED
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
            if self._stopping:
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
