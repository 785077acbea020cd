"""A pytest plugin: one time limit for every asynchronous test, set-up and tear-down.

``@pytest.mark.limit(seconds)`` gives a test another one. Those that name the usual one or a longer
one take long, and run first.
"""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import mock
import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.python.failure import Failure

SECONDS = 300.0
"""Many times what a test takes: a machine that runs many at once is slow."""

AGAIN = 5.0
"""Seconds until a test that goes on after its cancellation is canceled again."""


def pytest_configure(config: pytest.Config) -> None:
    """Register the mark."""
    config.addinivalue_line("markers", "limit(seconds): how long the test may take")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run first what may take longest: at the end, one process would be alone with it."""
    items.sort(key=lambda item: -_limit(item, 0.0) if _limit(item, 0.0) >= SECONDS else 0.0)


def _limit(item: pytest.Item, usual: float = SECONDS) -> float:
    mark = item.get_closest_marker("limit")
    return float(mark.args[0]) if mark else usual


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Cancel everything asynchronous that runs for a test when it takes too long."""
    seconds = _limit(item)
    # pytest-twisted runs tests, set-ups and tear-downs through this function.
    run = functools.partial(pytest_twisted._run_inline_callbacks, _in_time, item, seconds)
    with mock.patch.object(pytest_twisted, "_run_inline_callbacks", run):
        return (yield)


def _in_time(
    item: pytest.Item, seconds: float, function: Callable[..., Any], *args: Any
) -> Deferred[Any]:
    """Call a function that may return a Deferred, and cancel it when the time is over."""
    running = maybeDeferred(function, *args)
    is_late = False

    def cancel() -> None:
        nonlocal call, is_late
        is_late = True
        call = reactor.callLater(AGAIN, cancel)
        running.cancel()

    def ended(result: Any) -> Any:
        if call.active():
            call.cancel()
        if not is_late:
            return result
        message = f"{item.nodeid} takes more than {seconds:g} s"
        if isinstance(result, Failure):
            raise TimeoutError(f"{message}, waiting at {_place(result, item)}") from result.value
        raise TimeoutError(f"{message}, and ignores its cancellation")

    call = reactor.callLater(seconds, cancel)
    return running.addBoth(ended)


def _place(failure: Failure, item: pytest.Item) -> str:
    """Return the lines of the tests that a failure went through, innermost first."""
    frames = traceback.extract_tb(failure.value.__traceback__ if failure.value else None)
    root = item.config.rootpath
    lines = [
        f"{Path(frame.filename).relative_to(root)}:{frame.lineno}: {frame.line}"
        for frame in frames
        if Path(frame.filename).is_relative_to(root) and "site-packages" not in frame.filename
    ]
    return ", in ".join(reversed(lines))
