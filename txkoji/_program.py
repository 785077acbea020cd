"""Run a program that uses Koji, from its start to its exit."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from txkoji._values import one_line
from txkoji.exceptions import KojiException

__all__ = ["run"]


def run(main: Callable[..., Coroutine[Any, Any, object]], *args: Any) -> NoReturn:
    """Run a coroutine function on Twisted's reactor, and exit when it ends.

    A :class:`txkoji.KojiException` (no such profile, no permission, an unreachable hub) ends the
    program with its text in one line and the exit code 1, any other exception with a traceback.

    Args:
        main: the function; it is called with the reactor.
        args: its further arguments: ``*sys.argv[1:]``, for instance.
    """

    async def until_error(reactor: Any) -> None:
        try:
            await main(reactor, *args)
        except KojiException as error:
            sys.exit(one_line(error))

    react(lambda reactor: Deferred.fromCoroutine(until_error(reactor)))
