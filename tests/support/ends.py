"""A pytest plugin: what a test has to undo is undone when it fails, too."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack

import pytest_twisted
from twisted.internet.defer import maybeDeferred

AtEnd = Callable[..., object]
"""Takes a function, and its arguments, to call when the test has ended."""


@pytest_twisted.async_yield_fixture
async def at_end() -> AsyncIterator[AtEnd]:
    """Give what takes functions to call when the test has ended, the last one first.

    What a failed test leaves open, the tests after it in the same process would meet.
    """
    async with AsyncExitStack() as stack:
        yield lambda *call: stack.push_async_callback(maybeDeferred, *call)
