"""What a test leaves to its end happens, in reverse order, whatever fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.ends import AtEnd


@pytest.fixture
def ended() -> Iterator[list[str]]:
    """Give a list for what happens at the end of a test, and look at it after that."""
    happened: list[str] = []
    yield happened
    assert happened == ["last", "second", "first"]


def test_reverse_order(ended: list[str], at_end: AtEnd) -> None:
    """Functions and coroutine functions are called, the last one first."""

    async def happen(word: str) -> None:
        ended.append(word)

    at_end(ended.append, "first")
    at_end(happen, "second")
    at_end(ended.append, "last")
