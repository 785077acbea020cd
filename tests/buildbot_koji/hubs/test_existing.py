"""Builds that the text of a fault names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted

from buildbot_koji.hubs.existing import find_existing_build, find_taken_name
from txkoji.exceptions import GenericError


@pytest.mark.parametrize(
    "words", ["exists (id={}, state=COMPLETE): {{}}", "in progress (task {})"], ids=["id", "task"]
)
@pytest.mark.parametrize("digits", ["9" * 30, "9" * 5000, "\u0663"], ids=["30", "5000", "odd"])
@pytest_twisted.ensureDeferred
async def test_number_that_is_no_id(words: str, digits: str) -> None:
    """The hub is not asked for a number that it can't have."""
    outcome: Any = SimpleNamespace(fault=GenericError(f"Build already {words.format(digits)}"))
    nobody: Any = None
    assert await find_taken_name(nobody, outcome) is None
    assert await find_existing_build(nobody, outcome, "git+https://a/b#c", None) is None
