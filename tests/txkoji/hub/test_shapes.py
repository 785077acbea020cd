"""A result that no hub gives is named with its method, before anyone relies on it."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
import pytest_twisted

from tests.support.odd import VALUES
from txkoji import Connection
from txkoji.exceptions import ProtocolError
from txkoji.hub import shapes
from txkoji.hub.call import Call
from txkoji.testing import FakeHub

BUILD = {"build_id": 7, "name": "a", "version": "1", "release": "1", "nvr": "a-1-1", "state": 1}
TASK = {"id": 1, "state": 2, "method": "build"}


@pytest.mark.parametrize(
    ("call", "result"),
    [
        (Call("getBuild", (7,)), None),
        (Call("getBuild", (7,)), BUILD),
        (Call("getTaskInfo", ([1, 2],)), [TASK, None]),
        (Call("listBuilds", (), {"queryOpts": {"countOnly": True}}), 3),
        (Call("listTasks", ({"state": [1]}, {"countOnly": True})), 3),
        (Call("listTagged", ("f44",)), []),
        (Call("getPerms"), ["admin"]),
        (Call("noSuchMethod"), object()),
    ],
)
def test_usual_results(call: Call, result: Any) -> None:
    """What hubs answer is taken, also where the query makes another shape of it."""
    shapes.check(call, result)


@pytest.mark.parametrize(
    ("call", "result", "words"),
    [
        (Call("getBuild", (7,), {"strict": True}), None, "getBuild with None instead of a struct"),
        (Call("getBuild", (7,)), {**BUILD, "nvr": None}, "getBuild, as nvr, with None instead"),
        (Call("getTaskInfo", (1,)), {**TASK, "id": True}, "getTaskInfo, as id, with True instead"),
        (Call("listTagged", ("f44",)), [BUILD, {**BUILD, "nvr": 5}], "as nvr, with 5 instead"),
        (Call("getTaskInfo", (1,)), [], r"getTaskInfo with \[\] instead of a struct"),
        (Call("listTags"), None, "listTags with None instead of a list"),
        (Call("createSideTag", (1,)), None, "createSideTag with None"),
        (Call("getPerms"), "x" * 10_000, "getPerms with .{80}[.]{3} instead of a list"),
    ],
)
def test_odd_results(call: Call, result: Any, words: str) -> None:
    """Anything else is refused in one short line."""
    with pytest.raises(ProtocolError, match=words):
        shapes.check(call, result)


def test_any_value() -> None:
    """No value at any place raises anything else."""
    for method in ("getBuild", "listTagged", "getTaskInfo", "listTasks", "repo.request"):
        for value in VALUES:
            for result in (value, [value], {**BUILD, "name": value}, [{**TASK, "state": value}]):
                with contextlib.suppress(ProtocolError):
                    shapes.check(Call(method), result)


@pytest_twisted.ensureDeferred
async def test_in_calls(koji: Connection, hub: FakeHub) -> None:
    """Calls and the calls of a multicall are checked, each for itself."""
    hub.answer = lambda name, _, run: [{}] if name == "listTags" else run()
    with pytest.raises(ProtocolError, match="listTags, as id, with None"):
        await koji.listTags()
    multicall = koji.MultiCall()
    multicall.listTags()
    multicall.getTag("demo")
    results = await multicall()
    with pytest.raises(ProtocolError, match="listTags, as id, with None"):
        results[0]
    assert results[1] is None or results[1].name == "demo"
