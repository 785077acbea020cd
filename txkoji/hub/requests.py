"""One request to a hub, retried until it is answered: attempts, pauses, the deadline."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from twisted.internet.defer import CancelledError, Deferred
from twisted.logger import Logger
from twisted.web.http_headers import Headers

from txkoji._values import one_line
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import (
    ConnectionFailed,
    HTTPStatusError,
    HubFault,
    KojiException,
    RequestTimeout,
    TLSError,
)
from txkoji.hub.address import Address
from txkoji.hub.session import CallNumber
from txkoji.hub.statistics import RequestStatistics
from txkoji.hub.transport import Sink, Transport
from txkoji.hub.xmlrpc import DEFAULT_MAX_BYTES
from txkoji.locks import Lock, Semaphore
from txkoji.retry import RetryPolicy, is_passing, was_idle

ABOUT_THE_REQUEST = (400, 413, 414, 431)
"""Statuses that say nothing of other requests: this one is malformed, or too large."""

SLOWEST_UPLOAD = 50_000.0
"""Bytes a second: while a body may still be on its way, the hub does not count as silent."""


@dataclass(frozen=True)
class Limits:
    """How long a call may take, and how large its reply may be.

    Attributes:
        deadline: seconds that a call and its retries may take in all.
        request_timeout: seconds until a reply begins, and between two pieces of it.
        max_reply_bytes: the largest reply that is accepted.
        at_once: how many requests outside of a session are in flight at a time; the others queue.
            All clients of the same host and port that have the same limit are counted together. A
            hub has some hundred processes for all its users, and this process a limited number of
            sockets.
        first_deadline: the deadline while the hub has never answered and takes no connection; None
            for ``deadline``.
        silence: seconds after which a hub that has answered nothing while a request is in flight
            counts as unreachable; the request itself is waited for until its own limits.
    """

    deadline: float = 120.0
    request_timeout: float = 120.0
    max_reply_bytes: int = DEFAULT_MAX_BYTES
    at_once: int = 10
    first_deadline: float | None = 5.0
    silence: float = 10.0


@dataclass(frozen=True)
class Request:
    """A request to a hub, without what a session adds to it.

    Attributes:
        method: the hub method, for messages.
        body: the body; it may hold a password.
        repeatable: whether sending it twice does the same as sending it once.
        path: what is appended to the endpoint's path.
        query: the query string; it may hold a session.
        headers: further headers; they may hold a session.
        on_headers: called with the headers of the reply.
        before: awaited right before each attempt, once it is the request's turn; what it raises
            ends the request.
        number: the call number of a write that is retried: that of its first attempt.
        since: when the first attempt began, in elapsed time, of a request that repeats a part of
            an earlier one: the deadline counts from there.
    """

    method: str
    body: bytes = field(repr=False)
    repeatable: bool = False
    path: str = ""
    query: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    on_headers: Callable[[Headers], None] | None = field(default=None, repr=False)
    before: Callable[[], Awaitable[None]] | None = field(default=None, repr=False)
    number: CallNumber | None = None
    since: float | None = None

    def carried(self, query: str, headers: Mapping[str, str]) -> Request:
        """Return the request with what a session adds to it."""
        return replace(
            self,
            query="&".join(filter(None, [self.query, query])),
            headers={**self.headers, **headers},
        )


class Requester:
    """Sends requests to one hub, each until it is answered or its deadline expires.

    Attributes:
        trouble: why the hub is unreachable, None if the last attempt was answered. A hub that takes
            requests and answers none is unreachable, too.
        refusal: why what stands before the hub lets no call through, None once the hub answers.
        statistics: counts the requests, and knows since when there is trouble.
        elapsed: measures pauses and deadlines.
    """

    _log = Logger()

    def __init__(
        self,
        url: str,
        transport: Transport,
        reactor: Any,
        limits: Limits,
        retry: RetryPolicy,
        address: Address,
    ) -> None:
        self._url = url
        self._address = address
        self._transport = transport
        self._reactor = reactor
        self.elapsed = ElapsedTime(reactor)
        self.limits = limits
        self._retry = retry
        self.trouble: KojiException | None = None
        self.refusal: KojiException | None = None
        self.statistics = RequestStatistics()
        self._slots = address.slots("calls", limits.at_once)
        self._was_answered = False
        # In elapsed time: the hub's last answer, when calls began or ceased to be answered, and
        # when the hub fell silent.
        self._heard_at = self._changed_at = self._silent_at = float("-inf")
        self._has_ended = False

    def end(self) -> None:
        """Log no further failure: it is the reactor that ends, not the hub that fails."""
        self._has_ended = True

    async def send(self, request: Request, *, queued: bool = False) -> Any:
        """Send a request until it is answered; returns the plain result.

        Args:
            request: the request.
            queued: wait for one of the slots that limit the requests in flight; see :meth:`take`. A
                session has its own queue instead.

        Raises:
            HubFault: the hub refused.
            TransportError: the request or its reply was lost until the deadline expired.
            ProtocolError: what came back is not a hub's reply.
        """
        url = f"{self._url.rstrip('/')}{request.path}" if request.path else self._url
        url += f"?{request.query}" if request.query else ""
        start = self.elapsed.seconds() if request.since is None else request.since
        failures = 0
        with self._transport:
            while True:
                began = self.elapsed.seconds()
                if queued:
                    start += await self.take(self._slots, request.method)
                    began = self.elapsed.seconds()
                try:
                    try:
                        return await self._attempt(url, request, start)
                    finally:
                        if queued:
                            self._slots.release()
                except KojiException as error:
                    if isinstance(error, HubFault) and error.method is None:
                        error.method = request.method
                    failures += 1
                    if failures == 1 and request.repeatable and was_idle(error):
                        # A fresh connection, at once.
                        self.statistics.retries += 1
                        continue
                    write = not request.repeatable
                    if not await self.wait_out(error, failures, start, began=began, write=write):
                        raise

    async def take(self, queue: Lock | Semaphore, method: str) -> float:
        """Wait for a turn in a queue; while the hub answers nobody, all who wait give up together.

        Args:
            queue: the queue, which the caller releases.
            method: what is to be called, for the message.

        Returns:
            The seconds of the wait in which the hub answered others: they count for no deadline.

        Raises:
            RequestTimeout: the hub was unreachable for the whole deadline. Nothing was sent.
        """
        asked = self.elapsed.seconds()
        turn = queue.acquire()
        if turn.called:
            return 0.0
        deadline = self.limits.deadline
        limit = self.elapsed.until(
            lambda: self._silent_since(asked) + deadline - self.elapsed.seconds(),
            turn.cancel,
        )
        try:
            await turn
        except CancelledError as error:
            if limit.active():
                raise
            raise RequestTimeout(
                f"{method} waited {deadline:g} s for its turn while the hub answered nobody:"
                f" {one_line(self.trouble)}",
                url=self._url,
                may_have_arrived=False,
            ) from error
        finally:
            limit.cancel()
        return self._silent_since(asked) - asked

    def _silent_since(self, asked: float) -> float:
        """Return when the hub fell silent, ``asked`` at the earliest; now, if it answers."""
        return max(asked, self.elapsed.seconds() - (self.trouble_for or 0.0))

    @property
    def trouble_for(self) -> float | None:
        """For how many seconds no attempt was answered, None if the last one was."""
        return None if self.trouble is None else self.elapsed.seconds() - self._silent_at

    async def wait_out(
        self,
        error: KojiException,
        failures: int,
        since: float,
        *,
        began: float | None = None,
        write: bool = False,
    ) -> bool:
        """Wait before another attempt; return whether there is to be one.

        Args:
            error: what the last attempt failed with.
            failures: how many failed in a row.
            since: when the first of them began, in elapsed time.
            began: when the last of them began; by default it was the first.
            write: whether it changes something on the hub.
        """
        if is_passing(error):
            self._set_trouble(error, since if began is None else began)
        elif not isinstance(error, (HTTPStatusError, TLSError)):
            self._set_trouble(None)
        pause = self.pause_after(error, failures, since, write=write)
        if pause is None or self._is_wrong_address(error, since, pause):
            return False
        self.statistics.retries += 1
        await self.elapsed.pause(pause)
        return True

    async def _attempt(self, url: str, request: Request, start: float) -> Any:
        """Send a request once; its reply must be complete before the deadline."""
        self._address.check()
        if request.before is not None:
            await request.before()
        limits = self.limits
        sent, sent_at = self.elapsed.seconds(), self._reactor.seconds()
        self.statistics.sent(sent_at)
        left = max(start + limits.deadline - sent, 0.1)
        patience = limits.silence + len(request.body) / SLOWEST_UPLOAD
        silence = self.elapsed.until(
            # A hub that answers others meanwhile is only slow with this one.
            lambda: max(sent, self._heard_at) + patience - self.elapsed.seconds(),
            lambda: self._silent(request, sent),
        )

        def hear(headers: Headers) -> None:
            """Note that the hub answers: the headers of its reply are here."""
            self._heard_at = self.elapsed.seconds()
            [date] = headers.getRawHeaders("Date", [None])[:1]
            self.statistics.dated(date, sent_at, self._reactor.seconds())
            silence.cancel()
            if request.on_headers is not None:
                request.on_headers(headers)

        attempt = Deferred.fromCoroutine(
            self._transport.post(
                url,
                request.body,
                request.headers,
                on_headers=hear,
                timeout=min(limits.request_timeout, left),
                max_bytes=limits.max_reply_bytes,
            )
        )
        try:
            # A little later than the inner limits, whose errors say more.
            result = await self._within(left + 0.05, attempt, request)
        except HubFault as fault:
            self._count_answer(sent, fault)
            raise
        except (HTTPStatusError, TLSError) as error:
            if isinstance(error, HTTPStatusError):
                self._address.refused(error)
            if not is_passing(error):
                # A login has an address of its own, and some statuses are about one request.
                is_own = request.path or getattr(error, "status", None) in ABOUT_THE_REQUEST
                self._set_trouble(None, sent, refusal=self.refusal if is_own else error)
            raise
        finally:
            silence.cancel()
        self._count_answer(sent)
        self._set_trouble(None)
        return result

    async def _within(self, seconds: float, attempt: Deferred[Any], request: Request) -> Any:
        def expired(*_: Any) -> None:
            raise RequestTimeout(
                f"{self._url} did not finish its reply to {request.method} within"
                f" {self.limits.deadline:g} s",
                url=self._url,
            )

        return await self.elapsed.limit(attempt, seconds, expired)

    def _count_answer(self, sent: float, fault: HubFault | None = None) -> None:
        self._was_answered = True
        if fault is None or not is_passing(fault):
            self.statistics.took(self.elapsed.seconds() - sent, self._reactor.seconds())

    def _set_trouble(
        self,
        trouble: KojiException | None,
        began: float | None = None,
        *,
        refusal: KojiException | None = None,
    ) -> None:
        """Record why the hub does not answer, None if it does; log when that begins and ends."""
        if self._has_ended:
            return
        now = self.elapsed.seconds()
        before, after = self.trouble or self.refusal, trouble or refusal
        if after is not None and before is None:
            words = one_line(after)
            # Many reasons name the address.
            who = "the hub" if self._url in words else self._url
            self._log.warn("{who} does not answer: {reason}", who=who, reason=words)
        elif after is None and before is not None:
            self._log.info(
                "{url} answers again, after {seconds:.0f} s",
                url=self._url,
                seconds=now - self._changed_at,
            )
        if (after is None) is not (before is None) or self.statistics.changed_at is None:
            self._changed_at = now if after is None or began is None else began
            self.statistics.changed_at = self.elapsed.moment(self._changed_at)
        if self.trouble is None:
            self._silent_at = now if began is None else began
        self.trouble, self.refusal = trouble, refusal

    def _silent(self, request: Request, sent: float) -> None:
        """Record that a request, and every other one meanwhile, has had no answer."""
        if self.trouble is None:
            seconds = self.elapsed.seconds() - sent
            words = f"no answer to {request.method} within {seconds:.0f} s"
            self._set_trouble(RequestTimeout(words, url=self._url), sent)

    def _is_wrong_address(self, error: KojiException, start: float, pause: float) -> bool:
        """Return whether to give up on a hub that has never answered and takes no connection."""
        limit = self.limits.first_deadline
        if limit is None or self._was_answered:
            return False
        if not isinstance(error, ConnectionFailed) or error.may_have_arrived:
            return False
        return self.elapsed.seconds() - start + pause >= limit

    async def receive(self, url: str, offset: int, sink: Sink) -> None:
        """Receive a file from an offset on, in one attempt.

        Raises:
            TransportError: the request or its reply was lost; the sink has what arrived.
        """
        with self._transport:
            await self._transport.get(
                url,
                offset,
                sink,
                timeout=min(self.limits.request_timeout, self.limits.deadline),
                pace=self.limits.deadline,
            )

    def pause_after(
        self, error: KojiException, failures: int, since: float, *, write: bool = False
    ) -> float | None:
        """Return the seconds to wait before another attempt, None to give up; see `wait_out`."""
        return self._retry.wait(
            error,
            failures=failures,
            elapsed=self.elapsed.seconds() - since,
            deadline=self.limits.deadline,
            write=write,
        )
