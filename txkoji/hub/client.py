"""One hub: calls, sessions, multicalls and requests for files, with plain results."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

from twisted.logger import Logger

from txkoji._deferreds import returns_deferred
from txkoji._interfaces import HTTPAgent
from txkoji._values import one_line, shown
from txkoji.exceptions import AuthError, HubFault, KojiException, RetryError
from txkoji.hub.address import Address
from txkoji.hub.answers import a_struct, an_id, read_answer
from txkoji.hub.batching import MAX_CALLS, Batcher, batches, multicall, results_of
from txkoji.hub.call import Call
from txkoji.hub.login import Authenticator
from txkoji.hub.methods import Kind
from txkoji.hub.requests import Limits, Request, Requester
from txkoji.hub.session import CallNumber, Session, has_run_out
from txkoji.hub.transport import Transport
from txkoji.hub.xmlrpc import encode_call
from txkoji.locks import Semaphore
from txkoji.profiles import Profile
from txkoji.retry import UNREADABLE, RetryPolicy, is_passing

SHOWN = 200
"""Characters of an odd row that are logged."""

MOST_LEFT_OUT = 1000
"""Odd rows of a hub that are logged."""


class HubClient:
    """Talks to one hub.

    Results are plain: structs are :class:`munch.Munch`, never richer objects. The arguments are
    those of :class:`txkoji.Connection`.

    Attributes:
        session: the session, None while not logged in.
        requester: sends requests until they are answered; knows whether the hub is reachable.
        transport: holds the connections to the hub.
    """

    _log = Logger()

    def __init__(
        self,
        profile: Profile,
        reactor: Any,
        *,
        limits: Limits | None = None,
        anonymous_reads: bool = True,
        batching: bool = True,
        retry: RetryPolicy | None = None,
        agent: HTTPAgent | None = None,
    ) -> None:
        self.profile = profile
        self.url = profile.server.rstrip("/")
        self.reactor = reactor
        self.session: Session | None = None
        self._anonymous_reads = anonymous_reads
        self.transport = Transport(reactor, profile, agent=agent)
        # An agent that is given may connect to any other host.
        self._own_address = Address(reactor) if agent is not None else None
        self._addresses: set[Address] = set()
        self.requester = Requester(
            profile.server,
            self.transport,
            reactor,
            limits or Limits(),
            retry or RetryPolicy(),
            self._address_of(profile.server),
        )
        self._authenticator = Authenticator(
            profile, reactor, self.requester.limits.request_timeout, self.transport.show_certificate
        )
        self._batcher = self.batcher() if batching else None
        self._left_out: set[tuple[str, str]] = set()

    def __repr__(self) -> str:
        return f"<HubClient {shown(self.profile.name)} {self.url}>"

    def _address_of(self, url: str) -> Address:
        address = self._own_address or Address.of(url, self.reactor)
        # Keeps it alive: it is forgotten with the last client that uses it.
        self._addresses.add(address)
        return address

    # Calls

    @returns_deferred
    async def call(self, method: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a hub method; see :meth:`send`."""
        return await self.send(Call(method, args, kwargs))

    def read_answer(self, call: Call, answer: Any) -> Any:
        """Return the checked answer to a call; each odd row is left out and logged once.

        Raises:
            UnusableAnswer: it answered something of another type.
        """
        return read_answer(call, answer, partial(self.leave_out, call.method))

    def leave_out(self, method: str, row: Any) -> None:
        """Log once that a part of a method's answer can't be used."""
        shown = repr(row)[:SHOWN]
        if (method, shown) not in self._left_out and len(self._left_out) < MOST_LEFT_OUT:
            self._left_out.add((method, shown))
            self._log.warn(
                "{url}: a part of what {method} answered can't be used, and is left out: {row}",
                url=self.url,
                method=method,
                row=shown,
            )

    async def send(
        self,
        call: Call,
        number: CallNumber | None = None,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> Any:
        """Send a call and return its plain result; see :meth:`txkoji.Connection.call`.

        Args:
            call: the call.
            number: the call number of a write that is retried: that of its first attempt.
            before: awaited right before a write is sent or sent again, when it is its turn in the
                session; what it raises ends the call.
        """
        if self._batcher is not None and number is None and call.is_point_lookup:
            with self.transport:
                return await self._batcher.add(call)
        return await self._send(call, call.encode(), number, before)

    def batcher(self) -> Batcher:
        """Return a batcher for any reads of one reactor iteration, light or not."""
        return Batcher(self.reactor, self._send, self._send_batch)

    async def send_all(
        self,
        calls: Sequence[Call],
        *,
        batch: int = MAX_CALLS,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> list[Any]:
        """Send calls in as few requests as a hub accepts; each request is one transaction there.

        Args:
            calls: the calls.
            batch: the most calls of one request.
            before: awaited right before each request is sent; what it raises ends the sending.

        Returns:
            For each call its plain result, or the exception that it failed with.

        Raises:
            KojiException: a whole request failed, like a plain call.
        """
        results: list[Any] = []
        for several in batches([(call, len(call.encode())) for call in calls], batch):
            found = {index: result async for index, result in self._send_batch(several, before)}
            results += [found[index] for index in range(len(several))]
        return results

    async def _send_batch(
        self, batch: Sequence[Call], before: Callable[[], Awaitable[None]] | None = None
    ) -> AsyncIterator[tuple[int, Any]]:
        """Send a batch; yield the index of each call, with its result or exception, once known.

        Of a batch of reads, those for which the hub lost its database are sent again, as a read by
        itself would be, until the deadline; if the reply can't be read, its halves are asked for.
        """
        reads = all(each.kind is Kind.READ for each in batch)
        waiting = list(range(len(batch)))
        since, failures = self.requester.elapsed.seconds(), 0
        while waiting:
            calls = [batch[index] for index in waiting]
            call = multicall(calls)
            request = Request(call.method, call.encode(), reads, before=before, since=since)
            try:
                results = results_of(calls, await self._route(request, outside=reads))
            except KojiException as error:
                is_unreadable = reads and isinstance(error, UNREADABLE)
                if is_unreadable and len(calls) > 1:
                    # One unreadable result spoils the others of its reply.
                    for half in (waiting[: len(calls) // 2], waiting[len(calls) // 2 :]):
                        outcomes = self._send_batch([batch[index] for index in half])
                        async for place, result in outcomes:
                            yield half[place], result
                    return
                if not (failures or is_unreadable):
                    raise
                results = [error] * len(calls)
            failures += 1
            faults: dict[int, HubFault] = {}
            for index, result in zip(waiting, results, strict=True):
                if reads and isinstance(result, HubFault) and is_passing(result):
                    faults[index] = result
                else:
                    yield index, result
            waiting = list(faults)
            if faults and not await self.requester.wait_out(faults[waiting[0]], failures, since):
                for found in faults.items():
                    yield found
                return

    async def _send(
        self,
        call: Call,
        body: bytes,
        number: CallNumber | None = None,
        before: Callable[[], Awaitable[None]] | None = None,
    ) -> Any:
        request = Request(
            call.method, body, repeatable=call.is_repeatable, before=before, number=number
        )
        return await self._route(request, outside=call.kind is Kind.READ)

    async def _route(self, request: Request, *, outside: bool) -> Any:
        """Send a request inside the session, if there is one and the call belongs there."""
        if self.session is None or (outside and self._anonymous_reads):
            return await self.requester.send(request, queued=True)
        return await self._through_session(self.session, request)

    async def _through_session(self, session: Session, request: Request) -> Any:
        """Send a request when it is its turn in the session; renew an expired session."""
        async with self._turn(session, request):
            try:
                return await self._in_session(session, request)
            except HubFault as fault:
                if has_run_out(fault):
                    await self._renew(session, fault)
                elif not (request.repeatable and isinstance(fault, RetryError)):
                    raise
            # Either the hub refused the call without looking at it, so even a write may be retried;
            # or it was done and its reply lost, and the hub repeats that reply.
            return await self._in_session(session, request)

    @asynccontextmanager
    async def _turn(self, session: Session, request: Request) -> AsyncIterator[None]:
        """Wait for a request's turn in a session, and hold the session's queue meanwhile."""
        await self.requester.take(session.queue, request.method)
        try:
            yield
        finally:
            session.queue.release()

    async def _in_session(self, session: Session, request: Request) -> Any:
        """Send a request of a session; the caller holds its queue."""
        callnum = session.take_callnum(request.number or CallNumber())
        return await self.requester.send(request.carried(*session.carried(callnum)))

    # Files

    def file_slots(self, url: str) -> Semaphore:
        """Return the slots for downloads from the host and port of a file."""
        return self._address_of(url).slots("files", self.requester.limits.at_once)

    async def send_chunk(self, query: str, chunk: bytes) -> Any:
        """Send a piece of a file, and return the hub's answer.

        A piece may be sent again: it goes to the same place.

        Raises:
            HubFault, TransportError, ProtocolError: as for a write.
        """
        assert self.session is not None
        request = Request(
            "rawUpload",
            chunk,
            repeatable=True,
            query=query,
            headers={"Content-Type": "application/octet-stream"},
        )
        return await self._through_session(self.session, request)

    # Session

    @returns_deferred
    async def login(self) -> None:
        """Log in as the profile says.

        Raises:
            KojiLoginException: it did not work; the text says what was tried and what to do.
            TransportError: the hub could not be reached.
        """
        self.session = await self._authenticator.log_in(self.requester.send)
        self.requester.statistics.logged_in(self.reactor.seconds())

    async def _renew(self, session: Session, fault: HubFault) -> None:
        reason = one_line(fault.text)
        self._log.info("{url}: {reason}; logging in again", url=self.url, reason=reason)

        async def send_inside(request: Request) -> Any:
            return await self._in_session(session, request)

        await self._authenticator.renew(session, fault, self.requester.send, send_inside)
        self.requester.statistics.logged_in(self.reactor.seconds())

    async def user_id(self) -> int | None:
        """Return the id of the user who is logged in, None for nobody."""
        session = self.session
        if session is not None and session.user_id is None:
            user = a_struct(await self.call("getLoggedInUser"), "getLoggedInUser", "id")
            session.user_id = an_id(user["id"], "getLoggedInUser")
        return session.user_id if session is not None else None

    @returns_deferred
    async def logout(self) -> None:
        """End the session, if there is one; anonymous calls still work.

        Raises:
            TransportError: the hub could not be reached; the session is forgotten here anyway.
        """
        session, self.session = self.session, None
        if session is None:
            return
        request = Request("logout", encode_call("logout"), repeatable=True)
        # One that has expired is as good as a logout.
        with suppress(AuthError):
            async with self._turn(session, request):
                await self._in_session(session, request)

    @returns_deferred
    async def close(self) -> None:
        """Close the idle connections; calls still work."""
        await self.transport.close()
