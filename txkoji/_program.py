"""Run a program that uses Koji, from its start to its exit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from inspect import signature
from typing import Any, NoReturn

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import react
from twisted.logger import LogEvent, LogLevel, formatEvent, globalLogPublisher

from txkoji._values import one_line
from txkoji.exceptions import KojiException

__all__ = ["run"]


def run(
    main: Callable[..., Coroutine[Any, Any, object]], *args: Any, grace: float = 10.0
) -> NoReturn:
    """Run a coroutine function on Twisted's reactor, and exit when it ends.

    A :class:`txkoji.KojiException` (no such profile, no permission, an unreachable hub) ends the
    program with its text in one line and the exit code 1, any other exception with a traceback.
    Ctrl-C cancels the function, so that its ``finally`` runs, and the exit code is 130, also if the
    function ignores it and the program is ended in its midst. Warnings
    (the hub does not answer, and why) go to stderr. Arguments that the function does not take end
    the program with one line, too.

    Args:
        main: the function; it is called with the reactor.
        args: its further arguments: ``*sys.argv[1:]``, for instance.
        grace: seconds that the function has to end after Ctrl-C.
    """
    try:
        signature(main).bind(None, *args)
    except TypeError as error:
        # They come from the command line.
        sys.exit(f"{sys.argv[0]}: {error}")
    said: list[str] = []
    stopped = False

    async def until_error(reactor: Any) -> None:
        try:
            await main(reactor, *args)
        except KojiException as error:
            text = one_line(error)
            sys.exit(1 if said and text in said[-1] else text)
        except CancelledError:
            if not stopped:
                raise
            _interrupted()
        except KeyboardInterrupt:
            _interrupted()

    def program(reactor: Any) -> Deferred[None]:
        def give_up(ended: Deferred[Any]) -> None:
            print(f"interrupted; still running {grace:g} s later", file=sys.stderr)
            ended.errback(SystemExit(130))

        ended: Deferred[Any] = Deferred(give_up)
        running = Deferred.fromCoroutine(until_error(reactor))
        running.addBoth(lambda result: None if ended.called else ended.callback(result))

        def stop() -> Deferred[None] | None:
            """End the program before the reactor."""
            nonlocal stopped
            if ended.called:
                return None
            stopped = True
            may_stop: Deferred[None] = Deferred()

            def end(result: Any) -> Any:
                may_stop.callback(None)
                return result

            ended.addTimeout(grace, reactor).addBoth(end)
            running.cancel()
            return may_stop

        reactor.addSystemEventTrigger("before", "shutdown", stop)
        return ended

    def warn(event: LogEvent) -> None:
        """Print a warning of ours."""
        if event["log_level"] >= LogLevel.warn and event["log_namespace"].startswith("txkoji."):
            said.append(formatEvent(event))
            print(said[-1], file=sys.stderr)

    globalLogPublisher.addObserver(warn)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    try:
        react(program)
    except KeyboardInterrupt:
        # Before the reactor runs, Ctrl-C raises.
        _interrupted()


def _interrupted() -> NoReturn:
    """Exit as a program that Ctrl-C ended."""
    print("interrupted", file=sys.stderr)
    sys.exit(130)
