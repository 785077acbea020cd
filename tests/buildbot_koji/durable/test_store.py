"""Values in the master's table of states."""

from __future__ import annotations

import json
from typing import Any

import pytest
import pytest_twisted

from buildbot_koji.durable.store import MasterState
from buildbot_koji.durable.unreadable import DamagedRow

LIMIT = 65_535
"""Bytes of a row on MySQL."""


class Table:
    """Buildbot's table of states, which a crash may cut off after some writes."""

    def __init__(self) -> None:
        self.state = self.pool = self.db = self
        self.rows: dict[tuple[int, str], str] = {}
        self.objects: dict[str, int] = {}
        self.writes_left = 1000

    async def getObjectId(self, name: str, _class: str) -> int:  # noqa: N802 - Buildbot's name
        assert len(name) <= 128
        assert max(name) <= "\uffff"
        return self.objects.setdefault(name, len(self.objects))

    async def do(self, query: Any) -> Any:
        return query(None)

    def thdGetState(self, _: None, number: int, key: str, default: Any) -> Any:  # noqa: N802
        found = self.rows.get((number, key))
        return default if found is None else json.loads(found)

    async def setState(self, number: int, key: str, value: Any) -> None:  # noqa: N802
        if not self.writes_left:
            raise OSError("the master died")
        self.writes_left -= 1
        assert len(key) <= 255
        self.rows[number, key] = json.dumps(value)
        assert len(self.rows[number, key]) <= LIMIT


@pytest_twisted.ensureDeferred
async def test_large_values() -> None:
    """A value of any size is stored in rows that MySQL takes, and read back."""
    table = Table()
    state = MasterState(table, "koji", "Test")
    for value in (["small"], ['\\"\0ü'] * 20_000, {"n": 1}, "x" * 300_000, ["\\" * 60_000]):
        await state.put("k" * 240, value)
        assert await state.get("k" * 240) == value
    assert await state.get("other", 5) == 5


@pytest_twisted.ensureDeferred
async def test_long_names() -> None:
    """Objects whose names are longer than the database's column have values of their own."""
    table = Table()
    long = "builder.example.test:/srv/" + "buildbot/" * 20
    names = ["koji", long + "a", long + "b", "\U0001f600", "\U0001f601", "a\nb", "a\0b", "\ud800"]
    for name in names:
        await MasterState(table, name, "Test").put("key", name)
    for name in names:
        assert await MasterState(table, name, "Test").get("key") == name
    assert table.objects["koji"] == 0


@pytest_twisted.ensureDeferred
async def test_crash_while_a_large_value_is_stored() -> None:
    """A crash leaves the earlier value or the new one."""
    before, after = ["a" * 99_999], ["b" * 150_000]
    for writes in range(8):
        table = Table()
        state = MasterState(table, "koji", "Test")
        await state.put("key", before)
        table.writes_left = writes
        try:
            await state.put("key", after)
        except OSError:
            assert await state.get("key") == before
        else:
            assert await state.get("key") == after
            break
    else:
        pytest.fail("it needs more writes")


@pytest.mark.parametrize(
    "damage",
    ['{"koji_parts": [0, 1000000000]}', '{"koji_parts": 5}', '{"koji_parts": [0, 9]}', "[1"],
)
@pytest_twisted.ensureDeferred
async def test_damaged_value(damage: str) -> None:
    """A value whose rows are damaged, or not all there, is not read."""
    table = Table()
    state = MasterState(table, "koji", "Test")
    await state.put("key", ["a" * 99_999])
    table.rows[0, "key"] = damage
    with pytest.raises(DamagedRow, match="the state 'key' of 'koji'"):
        await state.get("key")


@pytest_twisted.ensureDeferred
async def test_damaged_value_is_not_replaced_by_a_large_one() -> None:
    """Which rows are in use is unknown."""
    table = Table()
    state = MasterState(table, "koji", "Test")
    await state.put("key", ["a" * 99_999])
    table.rows[0, "key"] = '{"koji_parts": null}'
    with pytest.raises(DamagedRow, match="the state 'key' of 'koji'"):
        await state.put("key", ["b" * 99_999])
