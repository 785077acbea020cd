"""The table of task methods that the embedded hub's builder knows."""

from __future__ import annotations

from collections.abc import Callable

from txkoji.testing.farm.builder import Handler

HANDLERS: dict[str, Handler] = {}
"""What the builder runs for each task method, filled by this package's modules."""


def handler(method: str) -> Callable[[Handler], Handler]:
    """Register a coroutine function as the handler of a task method.

    It gets the builder and the row of the task, and returns the task's result, or raises the
    :class:`txkoji.exceptions.HubFault` that the task fails with.
    """

    def register(function: Handler) -> Handler:
        HANDLERS[method] = function
        return function

    return register
