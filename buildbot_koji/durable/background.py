"""What a service does in the background, and ends when it stops."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, MutableSequence
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, maybeDeferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from buildbot_koji.durable.database import DatabaseOutage, is_database_unreachable, until_stored
from buildbot_koji.error_messages import cause_of
from txkoji import RetryPolicy
from txkoji.elapsed import Alarm, ElapsedTime

DATABASE_RETRY = RetryPolicy(first=1.0, ceiling=15.0)
"""The pauses while the master's database is unreachable."""


class Background:
    """Runs coroutines until :meth:`stop`, and logs those that fail.

    An unreachable database is one line until it answers again, whatever fails meanwhile.

    Args:
        quiet: exceptions that are not logged.

    Attributes:
        is_stopped: whether it was stopped.
    """

    _log = Logger()

    def __init__(self, *quiet: type[Exception]) -> None:
        self._quiet: tuple[type[Exception], ...] = (CancelledError, *quiet)
        self._work: set[Deferred[None]] = set()
        self._consumers: list[Any] = []
        self.is_stopped = False
        self._database = DatabaseOutage()

    def run(self, work: Coroutine[Any, Any, Any], trouble: str) -> Deferred[None]:
        """Run a coroutine; does nothing after :meth:`stop`.

        Args:
            work: the coroutine.
            trouble: the log line if it fails.

        Returns:
            A Deferred that fires when it has ended, even if it failed.
        """
        running = Deferred.fromCoroutine(work)
        self._work.add(running)
        if self.is_stopped:
            running.cancel()

        def ended(result: object) -> None:
            self._work.discard(running)
            if not isinstance(result, Failure):
                self._database.answered()
            elif not (self.is_stopped or isinstance(cause_of(result.value), self._quiet)):
                self._failed(result, trouble)

        return running.addBoth(ended)

    async def consume(
        self, master: Any, callback: Callable[..., Any], *events: tuple[str | None, ...]
    ) -> None:
        """Pass events of the master to a function until :meth:`end`."""
        for event in events:
            self._consumers.append(await master.mq.startConsuming(callback, event))

    def repeat(
        self,
        work: Callable[[], Coroutine[Any, Any, Any]],
        trouble: str,
        clock: Any,
        pause: Callable[[], float],
        first: float = 0.0,
    ) -> Alarm:
        """Run some work again and again until :meth:`stop`, also after it failed.

        Args:
            work: the work.
            trouble: the log line if it fails.
            clock: an IReactorTime.
            pause: returns the seconds until the work is repeated.
            first: the seconds until it runs first; at once by default.

        Returns:
            What ends a pause early.
        """
        alarm = Alarm(ElapsedTime(clock))

        async def rounds() -> None:
            if first:
                await alarm.sleep(first)
            while not self.is_stopped:
                await self.run(work(), trouble)
                # A stop ends the work without an error.
                if not self.is_stopped:
                    await alarm.sleep(pause())

        self.run(rounds(), trouble)
        return alarm

    async def run_once_stored(
        self, work: Callable[[], Awaitable[None]], clock: Any, trouble: str
    ) -> None:
        """Run what needs the master's database; if that is unreachable, later, in the background.

        A service that waited for it would keep the master from starting, and from stopping.

        Args:
            work: the work, which is repeated until the database answers.
            clock: an IReactorTime.
            trouble: the log line if it fails.
        """
        try:
            await work()
        except Exception as error:
            if not is_database_unreachable(error):
                raise
            self.run(until_stored(work, clock, DATABASE_RETRY, trouble), trouble)

    def _failed(self, failure: Failure, trouble: str) -> None:
        if is_database_unreachable(failure.value):
            self._database.failed(trouble, failure.value)
        else:
            self._log.failure("{trouble}", failure, trouble=trouble)

    def stop(self) -> None:
        """Cancel everything; returns at once."""
        self.is_stopped = True
        for running in list(self._work):
            running.cancel()

    async def end(self) -> None:
        """Cancel everything, and consume no more events."""
        self.stop()
        await stop_consuming(self._consumers)


async def stop_consuming(consumers: MutableSequence[Any]) -> None:
    """Stop consumers of the master's events, and forget them."""
    while consumers:
        await maybeDeferred(consumers.pop().stopConsuming)
