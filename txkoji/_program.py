"""Run a program that uses Koji, from its start to its exit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from inspect import signature
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import react
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from txkoji._values import one_line
from txkoji.elapsed import ElapsedTime
from txkoji.exceptions import KojiException


def run(
    main: Callable[..., Coroutine[Any, Any, object]], *args: Any, grace: float = 10.0
) -> NoReturn:
    """Run a coroutine function on Twisted's reactor, and exit when it ends.

    A :class:`txkoji.KojiException` (no such profile, no permission, an unreachable hub) ends the
    program with its text in one line and the exit code 1, any other exception with a traceback.
    Ctrl-C cancels the function, so that its ``finally`` runs, and the exit code is 130; a function
    that ignores it is abandoned. Warnings (the hub does not answer, and why) go to stderr.
    Arguments that the function does not take end the program with one line, too.

    Args:
        main: the function; it is called with the reactor.
        args: its further arguments: ``*sys.argv[1:]``, for instance.
        grace: seconds after Ctrl-C within which the function must end.
    """
    try:
        signature(main).bind(None, *args)
    except TypeError as error:
        # They come from the command line.
        sys.exit(f"{sys.argv[0]}: {error}")
    program = _Program(main, args, grace)
    globalLogPublisher.addObserver(program.warn)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    try:
        react(program.start)
    except KeyboardInterrupt:
        # Before the reactor runs, Ctrl-C raises.
        _interrupted()


class _Program:
    """A coroutine function from its start to its end, or to the end of its grace."""

    def __init__(
        self, main: Callable[..., Coroutine[Any, Any, object]], args: Sequence[Any], grace: float
    ) -> None:
        self._main = main
        self._args = args
        self._grace = grace
        self._said: list[str] = []
        self._is_stopped = False
        self._ended: Deferred[Any] = Deferred(self._give_up)

    def start(self, reactor: Any) -> Deferred[Any]:
        """Call the function; returns a Deferred of its end, or of a SystemExit."""
        running = Deferred.fromCoroutine(self._run(reactor))
        running.addBoth(lambda end: None if self._ended.called else self._ended.callback(end))
        reactor.addSystemEventTrigger("before", "shutdown", self._stop, running, reactor)
        return self._ended

    async def _run(self, reactor: Any) -> None:
        try:
            await self._main(reactor, *self._args)
        except KojiException as error:
            text = one_line(error)
            sys.exit(1 if self._said and text in self._said[-1] else text)
        except CancelledError:
            if not self._is_stopped:
                raise
            _interrupted()
        except KeyboardInterrupt:
            _interrupted()

    def _stop(self, running: Deferred[None], reactor: Any) -> Deferred[None] | None:
        """End the function before the reactor."""
        if self._ended.called:
            return None
        self._is_stopped = True
        may_stop: Deferred[None] = Deferred()

        def end(result: Any) -> Any:
            may_stop.callback(None)
            return result

        ElapsedTime(reactor).limit(self._ended, self._grace).addBoth(end)
        running.cancel()
        return may_stop

    def _give_up(self, ended: Deferred[Any]) -> None:
        print(f"interrupted; still running {self._grace:g} s later", file=sys.stderr)
        ended.errback(SystemExit(130))

    def warn(self, event: LogEvent) -> None:
        """Print a warning of ours."""
        if event["log_level"] >= LogLevel.warn and event["log_namespace"].startswith("txkoji."):
            self._said.append(formatEvent(event))
            print(self._said[-1], file=sys.stderr)


def _interrupted() -> NoReturn:
    """Exit as a program that Ctrl-C ended."""
    print("interrupted", file=sys.stderr)
    sys.exit(130)
