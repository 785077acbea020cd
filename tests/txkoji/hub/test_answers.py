"""What a hub answers is read by total functions: an odd row is left out, an odd answer is named."""

from __future__ import annotations

import copy
from contextlib import suppress
from typing import Any

import pytest
import pytest_twisted
from twisted.logger import LogEvent, globalLogPublisher

from tests.support.odd import VALUES
from txkoji import Connection
from txkoji.exceptions import UnusableAnswer
from txkoji.hub import answers
from txkoji.hub.answers import read_answer
from txkoji.hub.call import Call
from txkoji.retry import is_passing
from txkoji.testing import FakeHub

BUILD = {"build_id": 7, "nvr": "a-1-1", "state": 1, "task_id": 5, "package_name": "a"}


def read(method: str, answer: Any, **named: Any) -> Any:
    """Read an answer, and forget what is left out."""
    return read_answer(Call(method, (), named), answer, lambda row: row)


def test_usual_answers() -> None:
    """Both ids of a build are there, ids in text are numbers, and None is None."""
    [build] = read("listBuilds", [dict(BUILD)])
    assert (build["id"], build["build_id"], build["draft"]) == (7, 7, None)
    assert read("getTag", {"id": "9", "name": "f44"})["id"] == 9
    assert read("getBuild", None) is None
    assert read("getPerms", ["admin", 7]) == ["admin"]
    repo = {"id": 3, "create_event": 8}
    assert read("repo.request", {"repo": repo, "request": None})["repo"]["id"] == 3


@pytest.mark.parametrize(
    ("method", "answer", "named"),
    [
        ("getBuild", None, {"strict": True}),
        ("getBuild", {"id": 0, "nvr": "a-1-1"}, {}),
        ("getTaskInfo", {"id": 1, "state": "OPEN"}, {}),
        ("listTagged", {}, {}),
        ("createSideTag", None, {}),
        ("repo.checkRequest", {"repo": None, "request": None}, {}),
        ("repo.request", {"repo": {"id": 3}, "request": {"id": 1}}, {}),
        ("tagLastChangeEvent", 2**40, {}),
        ("listTasks", [], {"queryOpts": {"countOnly": True}}),
    ],
)
def test_unusable_answers(method: str, answer: Any, named: dict[str, Any]) -> None:
    """An answer that is unusable as a whole names its method, in a short line, permanently."""
    with pytest.raises(UnusableAnswer, match=f"the hub answered {method} with") as caught:
        read(method, answer, **named)
    assert not is_passing(caught.value)
    with pytest.raises(UnusableAnswer, match=r"x{70}.{,9}\.\.\., which can't be used"):
        read(method, "x" * 10_000)


@pytest.mark.parametrize("method", [*answers._STRUCTS, *answers._ROWS, "getPerms"])
def test_any_value(method: str) -> None:
    """No value in any member hides the neighbors of its row, or raises anything else."""
    good: Any = {
        **BUILD, "id": 7, "name": "a", "version": "1", "release": "1", "arch": "src",
        "build_tag": 1, "build_tag_name": "b", "dest_tag": 2, "dest_tag_name": "d",
        "parent_id": 3, "create_event": 4, "perm": None, "owner": 1, "ready": True,
    }  # fmt: skip
    if method == "getPerms":
        good = "admin"
    for value in VALUES:
        with suppress(UnusableAnswer):
            read(method, copy.deepcopy(value))
        for name in good if isinstance(good, dict) else ():
            odd = {**good, name: copy.deepcopy(value)}
            if method in answers._STRUCTS:
                with suppress(UnusableAnswer):
                    read(method, odd)
            else:
                rows = read(method, [odd, dict(good), value])
                assert [row for row in rows if row.get("id") == 7], (name, value)


@pytest_twisted.ensureDeferred
async def test_left_out_once(koji: Connection, hub: FakeHub) -> None:
    """A row that is left out is logged once, however often the hub gives it."""
    logged: list[LogEvent] = []
    hub.answer = lambda name, _, run: [*run(), {"id": 8}] if name == "listTags" else run()
    globalLogPublisher.addObserver(logged.append)
    try:
        for _ in range(3):
            tags = await koji.checked("listTags")
    finally:
        globalLogPublisher.removeObserver(logged.append)
    assert "demo-build" in [tag.name for tag in tags]
    [event] = [each for each in logged if each.get("method") == "listTags"]
    assert "'id': 8" in event["row"]
