"""Receiving from a broker over a connection that is made again whenever it ends.

What is received is handled one at a time (:mod:`txkoji.bus.handling`); meanwhile the broker sends
at most ``prefetch`` others.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger

from txkoji._deferreds import returns_deferred
from txkoji.bus.base import CLOSE_TIMEOUT, Link, close_link
from txkoji.bus.handling import Handler, Handling, Pauses
from txkoji.bus.settings import Broker
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import (
    BrokerRefusal,
    BrokerUnreachable,
    BusError,
    ConfigurationError,
)
from txkoji.retry import RetryPolicy, is_passing_trouble

READY_TIMEOUT = 30.0
HANDLER_TIMEOUT = 30.0


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
            as text, else None. Messages may have been lost before READY: catch up then.
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
        counts: the :class:`~txkoji.bus.MessageCounts`.
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
        self.reconnects = 0
        self._prefix = "" if name is None else f"{name}: "
        self._settings = settings
        self._reactor = reactor
        self._prefetch = prefetch
        self._on_state = on_state
        self._ready_timeout = ready_timeout
        self._handler_timeout = handler_timeout
        self._close_timeout = close_timeout
        self._retry = retry or RetryPolicy()
        self._pauses = Pauses(reactor)
        self._handling = Handling(
            handler,
            is_passing=is_passing,
            retry=self._retry,
            pauses=self._pauses,
            prefix=self._prefix,
        )
        self.counts = self._handling.counts
        self._link: Link | None = None
        self._running: Deferred[None] | None = None
        self._connecting: Deferred[None] | None = None
        self._was_ready = False
        self._logged_reason: str | None = None

    def start(self) -> None:
        """Connect and receive, in the background; call it only once."""
        if self.state is ReceiverState.IDLE:
            self._running = Deferred.fromCoroutine(self._run())

    @property
    def trouble(self) -> str | None:
        """The last error of the handler for the message that is being retried, else None."""
        return self._handling.trouble

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
        self._pauses.end()
        if self._link is not None and self._link.is_open:
            # Before messages are released: the broker would deliver them here again at once, and
            # a queue with a delivery limit would drop them.
            self._link.end_delivery()
        self._handling.release()
        if self._connecting is not None:
            self._connecting.cancel()
        await self._handling.ended(self._reactor, self._handler_timeout)
        if self._link is not None:
            await close_link(self._link, self._reactor, self._close_timeout)
        if self._running is not None:
            await self._running
        self._enter(ReceiverState.STOPPED)

    async def _run(self) -> None:
        """Connect and reconnect until :meth:`stop`."""
        failures = 0
        while not self._pauses.are_over:
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
                self._handling.forget()
                self._enter(ReceiverState.LOST, str(lost))
            if self._link is not None:
                self._link.abort()
            await self._pauses.pause(self._retry.pause(max(failures, 1)))

    async def _subscribe(self, link: Link) -> None:
        async def subscribe() -> None:
            await link.open()
            await link.subscribe(self._prefetch, self._handling.add)

        def expired(_: Any, seconds: float) -> None:
            raise BrokerUnreachable(
                f"the broker {self._settings.url} was not ready within {seconds:g} s: does it"
                " speak this protocol?"
            )

        self._connecting = Deferred.fromCoroutine(subscribe())
        ElapsedTime(self._reactor).limit(self._connecting, self._ready_timeout, expired)
        try:
            await self._connecting
        finally:
            self._connecting = None

    def _enter(self, state: ReceiverState, reason: str | None = None) -> None:
        if self._pauses.are_over and state is not ReceiverState.STOPPED:
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
