"""The loop that waits for an unreachable hub."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from twisted.internet.task import deferLater

from txkoji import RetryPolicy
from txkoji.exceptions import KojiException
from txkoji.retry import is_passing

T = TypeVar("T")


async def until_answered(
    ask: Callable[[], Awaitable[T]],
    clock: Any,
    policy: RetryPolicy,
    say: Callable[[KojiException], object],
    *,
    ends: Callable[[KojiException], bool] = lambda error: not is_passing(error),
) -> T:
    """Ask the hub until it answers.

    It can be cancelled at any time.

    Args:
        ask: asks the hub; must be safe to repeat.
        clock: an IReactorTime.
        policy: how long to pause after each failure.
        say: called before each pause with the error that says why the hub is unreachable.
        ends: returns whether to raise an error instead of pausing: by default, one that is an
            answer of the hub.

    Returns:
        The answer.

    Raises:
        KojiException: an error for which ``ends`` returns True.
    """
    failures = 0
    while True:
        try:
            return await ask()
        except KojiException as error:
            if ends(error):
                raise
            say(error)
        failures += 1
        await deferLater(clock, policy.pause(failures))
