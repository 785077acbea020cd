"""A pytest plugin: garbage is collected after every test, at the cost of what that test made.

A Deferred that nobody handles the failure of logs it when it is collected. To look through all that
pytest and the imported modules hold takes longer than most tests, so a collection leaves out what
is older than the test, and a full one comes now and then.
"""

from __future__ import annotations

import gc
import itertools

import pytest

TESTS = 200
"""How many tests there are between full collections."""

_count = itertools.count(1)


def pytest_collection_finish() -> None:
    """Leave out what there is before the first test."""
    gc.collect()
    gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> None:
    """Collect all garbage after the last test, while a failure in it is still that test's."""
    if nextitem is None:
        gc.unfreeze()


def collect() -> None:
    """Collect the garbage of the test that ends, and now and then all of it."""
    if next(_count) % TESTS == 0:
        gc.unfreeze()
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """Let the interpreter's own end see everything again."""
    gc.unfreeze()
