"""The table of task methods that the embedded hub's builder knows."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from twisted.internet.defer import Deferred

from txkoji.testing.farm.builder import Builder, Handler
from txkoji.testing.farm.handlers.job import Job
from txkoji.testing.tables.state import Row

Running = Coroutine[Deferred[Any], Any, Any]

HANDLERS: dict[str, Handler] = {}
"""What the builder runs for each task method, filled by this package's modules."""


def handler(*methods: str) -> Callable[[Callable[[Job], Running]], Callable[[Job], Running]]:
    """Register a coroutine function as the handler of task methods.

    It returns the task's result, or raises the :class:`txkoji.exceptions.HubFault` that the task
    fails with.
    """

    def register(function: Callable[[Job], Running]) -> Callable[[Job], Running]:
        def run(builder: Builder, task: Row) -> Running:
            return function(Job(builder, task))

        HANDLERS.update(dict.fromkeys(methods, run))
        return function

    return register
