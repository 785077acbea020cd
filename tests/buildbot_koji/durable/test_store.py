"""Values in the master's table of states."""

from __future__ import annotations

import json
from functools import partial

import pytest
import pytest_twisted
import sqlalchemy
from twisted.internet.defer import Deferred

from buildbot_koji.database_values import MAX_VALUE
from buildbot_koji.durable.store import BuildData, MasterState
from buildbot_koji.durable.unreadable import DamagedRow
from tests.buildbot_koji.durable.states import States


@pytest_twisted.ensureDeferred
async def test_large_values() -> None:
    """A value of any size is stored in rows that MySQL takes, and read back."""
    table = States()
    state = MasterState(table, "koji", "Test")
    for value in (["small"], ['\\"\0ü'] * 20_000, {"n": 1}, "x" * 300_000, ["\\" * 60_000]):
        await state.put("k" * 240, value)
        assert await state.get("k" * 240) == value
        # No row of an earlier value is left beside a small one.
        assert len(table.rows) == 1 or len(json.dumps(value)) > MAX_VALUE
    assert await state.get("other", 5) == 5


@pytest_twisted.ensureDeferred
async def test_long_names() -> None:
    """Objects whose names are longer than the database's column have values of their own."""
    table = States()
    long = "builder.example.test:/srv/" + "buildbot/" * 20
    names = ["koji", long + "a", long + "b", "\U0001f600", "\U0001f601", "a\nb", "a\0b", "\ud800"]
    for name in names:
        await MasterState(table, name, "Test").put("key", name)
    for name in names:
        assert await MasterState(table, name, "Test").get("key") == name
    assert table.objects["koji"] == 1


@pytest_twisted.ensureDeferred
async def test_crash_while_a_large_value_is_stored() -> None:
    """A crash leaves the earlier value or the new one."""
    before, after = ["a" * 99_999], ["b" * 150_000]
    for writes in range(8):
        table = States()
        state = MasterState(table, "koji", "Test")
        await state.put("key", before)
        table.killed_after = len(table.written) + writes
        storing = Deferred.fromCoroutine(state.put("key", after))
        table.killed_after = None
        found = await MasterState(table, "koji", "Test").get("key")
        assert found == (after if storing.called else before)
        if storing.called:
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
    table = States()
    state = MasterState(table, "koji", "Test")
    await state.put("key", ["a" * 99_999])
    table.put("key", damage)
    with pytest.raises(DamagedRow, match="the state 'key' of 'koji'"):
        await state.get("key")


@pytest_twisted.ensureDeferred
async def test_damaged_value_is_not_replaced_by_a_large_one() -> None:
    """Which rows are in use is unknown."""
    table = States()
    state = MasterState(table, "koji", "Test")
    await state.put("key", ["a" * 99_999])
    table.put("key", '{"koji_parts": null}')
    with pytest.raises(DamagedRow, match="the state 'key' of 'koji'"):
        await state.put("key", ["b" * 99_999])


@pytest.mark.parametrize("table", ["object_state", "build_data"])
@pytest_twisted.ensureDeferred
async def test_refused_write(table: str) -> None:
    """A write that the database refuses is not taken for done: the call would follow it."""
    states = States()
    refuse = f"CREATE TRIGGER no BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
    with states.engine.begin() as connection:
        connection.execute(sqlalchemy.text(refuse))
    write = {
        "object_state": partial(MasterState(states, "koji", "Test").put, "key", 1),
        "build_data": partial(BuildData(states, "steps").put, 1, "intent", b"{}"),
    }[table]
    with pytest.raises(sqlalchemy.exc.IntegrityError):
        await write()
