"""txkoji in a program that runs on asyncio.

::

    async with aio.connect("koji") as koji:
        build = await koji.getBuild("bash-5.3-1.fc44")
        async for task in koji.pages("listTasks", {"state": [0]}):
            ...

An asyncio coroutine can't await a Deferred; here each method returns a Future. Cancelling an
asyncio task cancels the call, and cancelling the call cancels its Future.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from inspect import signature
from typing import Any, ParamSpec, TypeVar

from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.base import DelayedCall
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.posixbase import PosixReactorBase
from twisted.internet.task import LoopingCall
from twisted.python.failure import Failure
from twisted.python.threadpool import ThreadPool

from txkoji import _typed_calls
from txkoji._deferreds import Future
from txkoji._hub_methods import AwaitedMethods
from txkoji.connection import Connection
from txkoji.history.events import Event
from txkoji.history.interest import Interest

__all__ = ["AioConnection", "connect", "future", "iterate"]

P = ParamSpec("P")
T = TypeVar("T")


def _takes_arguments_of(
    model: Callable[P, object],
) -> Callable[[Callable[..., T]], Callable[P, T]]:
    """Give a function the arguments of another one, for type checkers and ``help()``."""

    def show(function: Any) -> Callable[P, T]:
        parameters = signature(model).parameters.values()
        function.__signature__ = signature(function).replace(parameters=list(parameters))
        return function  # type: ignore[no-any-return]

    return show


def future(deferred: Deferred[T]) -> Future[T]:
    """Return the Future of a Deferred, in the running loop.

    Cancelling either cancels the other.
    """
    made: Future[T] = Future(loop=asyncio.get_running_loop())

    def succeed(result: T) -> None:
        if not made.done():
            made.set_result(result)

    def fail(failure: Failure) -> None:
        if made.done():
            return
        if failure.check(CancelledError):
            made.cancel()
        else:
            made.set_exception(failure.value)  # type: ignore[arg-type]

    def stop(ended: asyncio.Future[T]) -> None:
        if ended.cancelled():
            deferred.cancel()

    deferred.addCallbacks(succeed, fail)
    made.add_done_callback(stop)
    return made


async def iterate(
    items: AsyncIterator[T], *, begin: Callable[[Deferred[T]], Future[T]] = future
) -> AsyncIterator[T]:
    """Iterate, in an asyncio coroutine, over an iterator that awaits Deferreds.

    Args:
        items: the iterator.
        begin: makes a Future of the Deferred of the next item.
    """
    iterator = aiter(items)

    async def following() -> T:
        """Return the next item."""
        return await anext(iterator)

    while True:
        try:
            item = await begin(Deferred.fromCoroutine(following()))
        except StopAsyncIteration:
            return
        yield item


class AioConnection(AwaitedMethods):
    """A :class:`txkoji.Connection` whose methods return Futures.

    Call methods that it lacks on the connection: ``await future(koji.connection.upload(path))``.
    The end of the connection cancels these too.

    Attributes:
        connection: the connection itself, whose methods return Deferreds.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._in_flight: set[Future[Any]] = set()
        self._has_ended = False

    def end(self) -> None:
        """Cancel the calls in flight, and refuse others: nothing would ever answer them."""
        self._has_ended = True
        for each in tuple(self._in_flight):
            each.cancel()

    def _begin(self, deferred: Deferred[T]) -> Future[T]:
        """Return the Future of a call, which ends with the connection."""
        made = future(deferred)
        self._in_flight.add(made)
        made.add_done_callback(self._in_flight.discard)
        if self._has_ended:
            made.cancel()
            raise RuntimeError("the connection has ended: call inside of its `async with`")
        return made

    def call(self, method: str, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call a hub method; see :meth:`txkoji.Connection.call`."""
        return self._begin(self.connection.call(method, *args, **kwargs))

    def login(self) -> Future[bool]:
        """Log in as the profile says; see :meth:`txkoji.Connection.login`."""
        return self._begin(self.connection.login())

    @_typed_calls.awaited_submit
    def submit(self, method: Any, /, *args: Any, **kwargs: Any) -> Future[int]:
        """Submit a task exactly once; see :meth:`txkoji.Connection.submit`."""
        return self._begin(self.connection.submit(method, *args, **kwargs))

    @_typed_calls.pages
    def pages(self, method: Any, /, *args: Any, **options: Any) -> AsyncIterator[Any]:
        """Iterate over a list of any length; see :meth:`txkoji.Connection.pages`."""
        return iterate(self.connection.pages(method, *args, **options), begin=self._begin)

    def follow(
        self,
        interest: Interest,
        *,
        state: Mapping[str, Any] | None = None,
        since: float | None = None,
        interval: float = 60.0,
    ) -> AsyncIterator[Event]:
        """Iterate over what happens on the hub; see :meth:`txkoji.Connection.follow`."""
        follower = self.connection.follow(interest, state=state, since=since, interval=interval)
        return iterate(aiter(follower), begin=self._begin)


class _LoopReactor(AsyncioSelectorReactor):
    """A reactor for one connection, on a loop that someone else runs.

    Each test may have a loop of its own, and the program may not want the global reactor.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._loop = loop
        self._has_ended = False

    # Twisted's own classes call the first argument by two names.
    def callFromThread(  # type: ignore[override]  # noqa: N802 - Twisted's name
        self, f: Callable[..., object], /, *args: object, **kwargs: object
    ) -> None:
        """Call a function on the loop, also after the end: a thread's answer cancels its call."""
        self._loop.call_soon_threadsafe(partial(f, *args, **kwargs))

    def callLater(  # noqa: N802 - Twisted's name
        self,
        delay: float,
        callable: Callable[..., object],  # noqa: A002 - likewise
        *args: object,
        **kwargs: object,
    ) -> DelayedCall:
        """Call a function later; after the end, what wants to wait is canceled instead."""
        if not self._has_ended:
            made: DelayedCall = super().callLater(delay, callable, *args, **kwargs)
            return made
        if isinstance(callable, LoopingCall):
            # It would try the next address of a host, and nothing awaits it: it just ends.
            return DelayedCall(0, callable, args, kwargs, lambda _: None, lambda _: None)
        raise CancelledError

    def connectTCP(  # noqa: N802 - Twisted's name
        self, *args: Any, **kwargs: Any
    ) -> Any:
        """Open a connection, but none after the end: nobody would close it."""
        if self._has_ended:
            raise CancelledError
        return super().connectTCP(*args, **kwargs)

    def getThreadPool(self) -> ThreadPool:  # noqa: N802 - Twisted's name
        """Return the threads, but none after the end: those of a new pool would never start."""
        if self._has_ended:
            raise CancelledError
        pool: ThreadPool = super().getThreadPool()
        return pool

    def crash(self) -> None:
        """End only the reactor: the default would also stop the loop."""
        PosixReactorBase.crash(self)

    async def end(self) -> None:
        """Stop the threads, and cancel everything that still waits for this reactor.

        Whatever waits is woken, and canceled when it begins to wait or to connect again.
        """
        self._has_ended = True
        self.fireSystemEvent("shutdown")
        try:
            # What the threads have answered is delivered first.
            await asyncio.sleep(0)
        finally:
            self._close()

    def _close(self) -> None:
        """Close the sockets, end all waiting, and remove the reactor from the loop."""
        for _ in range(3):
            # What is about to connect, or was aborted, closes its socket in a call of its own.
            self.runUntilCurrent()
            self.disconnectAll()
        for call in self.getDelayedCalls():
            _run_now(call)
        # Twisted never closes its waker: it expects one reactor for the whole process.
        for waker in list(self._internalReaders):
            self.removeReader(waker)
            waker.connectionLost(Failure(ConnectionDone()))
        self._internalReaders.clear()


def _run_now(call: Any) -> None:
    """Run a delayed call before its time, unless another one that ran has canceled it."""
    if not call.active():
        return
    function, args, kwargs = call.func, call.args, call.kw
    call.cancel()
    with suppress(CancelledError):
        function(*args, **kwargs)


@_takes_arguments_of(Connection)
@asynccontextmanager
async def connect(*profile: Any, **options: Any) -> AsyncIterator[AioConnection]:
    """Open a connection on the running loop, and close it at the end, which cancels its calls.

    The arguments are those of :class:`txkoji.Connection`, except ``reactor``; the connection keeps
    idle connections to the hub until its end.

    Yields:
        The connection.

    Raises:
        ConfigurationError: (a ValueError) no file has the profile, or it can't be used.
    """
    reactor = _LoopReactor(asyncio.get_running_loop())
    # The loop already runs, so nothing else starts the threads that resolve names.
    reactor.startRunning(installSignalHandlers=False)
    try:
        connection = Connection(*profile, **{"keep_alive": True, **options, "reactor": reactor})
        made = AioConnection(connection)
        try:
            yield made
        finally:
            made.end()
            connection.client.requester.end()
            await future(connection.close())
    finally:
        await reactor.end()
