"""The marker or the request identify the task of a call; the table has all such methods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support import DATA
from txkoji.hub.call import Call
from txkoji.hub.methods import Kind, kind
from txkoji.submission.recognition import (
    TASK_METHODS,
    arguments_of,
    may_have_made,
    surplus,
    with_marker,
)

TAG = {"id": 3, "name": "f44-build"}
BUILD = {"id": 7, "build_id": 7, "nvr": "hello-1.0-1", "name": "hello"}


def fits(
    method: str,
    args: tuple[Any, ...],
    request: list[Any],
    *,
    others: dict[str, Any] | None = None,
    **kwargs: Any,
) -> int | None:
    arguments = arguments_of(with_marker(Call(method, args, kwargs), "marker"))
    return surplus(method, arguments, {"request": request}, others or {})


def test_table() -> None:
    """All of the table's methods are the hub's, and write."""
    assert set(TASK_METHODS) <= set((DATA / "hub_writes.txt").read_text().split())
    assert {kind(method) for method in TASK_METHODS} == {Kind.WRITE}
    for entry in TASK_METHODS.values():
        held = {name for name in entry.request if name not in (None, "**")}
        assert held <= set(entry.parameters)
        assert set(entry.aliases) | entry.replaced <= {*entry.parameters, "comps"}


@pytest.mark.parametrize(
    ("method", "args", "request_"),
    [
        ("chainBuild", ([["a"], ["b"]], "f44"), [[["a"], ["b"]], "f44", {}]),
        ("mavenBuild", ("git://x", "f44", {"goals": ["a"]}), ["git://x", "f44", {"goals": ["a"]}]),
        ("chainMaven", ({"a": {}}, "f44"), [{"a": {}}, "f44", {}]),
        ("winBuild", ("win10", "git://x", "f44", None), ["win10", "git://x", "f44", {}]),
        (
            "buildImage",
            ("name", "1", ["x86_64"], "f44", "a.ks", "livemedia", {"scratch": True}),
            ["name", "1", ["x86_64"], "f44", "a.ks", {"scratch": True}],
        ),
        (
            "buildImageOz",
            ("name", "1", ["x86_64"], "f44", "http://tree", {"a": 1}, 5),
            ["name", "1", ["x86_64"], "f44", "http://tree", {"a": 1}],
        ),
        ("buildImageIndirection", ({"a": 1},), [{"a": 1}]),
        (
            "osbuildImage",
            ("name", "1", "f44", "qcow2", "f44", ["x86_64"], {"repo": ["a"]}),
            ["name", "1", "f44", "qcow2", "f44", ["x86_64"], {"repo": ["a"]}],
        ),
        ("buildContainer", ("git://x", "f44", {"a": 1}), ["git://x", "f44", {"a": 1}]),
        ("buildSourceContainer", ("f44", {"koji_build_id": 7}), ["f44", {"koji_build_id": 7}]),
        ("restartHosts", (5, {"channel": "default"}), [{"channel": "default"}]),
        ("saveFailedTree", (9,), [9, False]),
        ("newRepo", ("f44",), ["f44"]),
    ],
)
def test_request_as_it_was_given(method: str, args: tuple[Any, ...], request_: list[Any]) -> None:
    """A request that holds what the call said is its own; with anything else it is another's."""
    assert fits(method, args, request_) == 0
    assert fits(method, args, [*request_[:-1], "other"]) is None


def test_what_the_hub_fills_in() -> None:
    """The repo of a distRepo, the structs of a wrapperRPM, defaults of an image: are the hub's."""
    call = ("f44", ["abc"])
    options = {"arch": ["x86_64"], "comps": "cli-build/1/comps.xml"}
    there = {"arch": ["x86_64"], "comps": "comps.xml", "event": 12}
    assert fits("distRepo", call, ["f44", 99, ["abc"], there], **options) == 1
    assert fits("distRepo", call, ["f44", 99, ["def"], there], **options) is None
    other = {**there, "arch": ["s390x"]}
    assert fits("distRepo", call, ["f44", 99, ["abc"], other], **options) is None
    request = ["git://x", {"id": 1, "name": "f44", "build_tag": 3}, BUILD, None, {}]
    assert fits("wrapperRPM", ("hello-1.0-1", "git://x", "f44"), request) == 0
    assert fits("wrapperRPM", (7, "git://x", "f44"), request) == 0
    assert fits("wrapperRPM", (8, "git://x", "f44"), request) is None
    call = ("f44", ["x86_64"], "git://x", "a.kiwi")
    assert fits("kiwiBuild", call, [*call, {"use_buildroot_repo": True, "profile": None}]) == 1
    assert fits("kiwiBuild", call, [*call, {"scratch": True}]) is None
    assert fits("kiwiBuild", call, [*call, {"scratch": True}], scratch=True, priority=5) == 0


def test_names_and_ids() -> None:
    """What a call names and the request has by its id is the same thing."""
    others = {"tag": TAG, "build": BUILD}
    call = ("f44-build", "hello-1.0-1")
    assert fits("tagBuild", call, [3, 7, False, None], others=others) == 0
    assert fits("tagBuild", call, [4, 7, False, None], others=others) is None
    assert fits("tagBuild", call, [3, 7, True, None], others=others) is None
    assert fits("tagBuild", call, [3, 7, False, 2], others=others) is None
    moved = {"tag1": {"id": 2, "name": "f43"}, "tag2": TAG, "build": BUILD}
    assert fits("moveBuild", ("f43", *call), [3, 7, False, 2], others=moved) == 0
    assert fits("moveBuild", ("f43", *call), [3, 7, False, None], others=moved) is None


def test_named_parts_of_a_request() -> None:
    """Named arguments in a request, also those in a further struct, are compared by name."""
    named_ = {"src": True, "__starstar": True}
    assert fits("newRepo", ("f44",), ["f44", named_], src=True) == 0
    assert (
        fits("newRepo", ("f44",), ["f44", {"opts": {"src": True}, "__starstar": True}], src=True)
        == 0
    )
    assert fits("newRepo", ("f44",), ["f44"], src=True) is None
    request = ["f44", "x86_64", "ls -l", {"mounts": ["/a"], "__starstar": True}]
    assert fits("runroot", ("f44", "x86_64", "ls -l"), request, mounts=["/a"]) == 0
    assert fits("runroot", ("f44", "x86_64", "rm"), request, mounts=["/a"]) is None
    assert fits("runroot", ("f44", "x86_64", ["ls", "-l"]), request, mounts=["/a"]) == 0


@pytest.mark.parametrize(
    "odd",
    [None, 7, "x", [], ["x"], {}, {"id": []}, {"name": {}}, {"opts": "x", "__starstar": True}],
)
@pytest.mark.parametrize("others", [{}, {"tag": TAG, "build": {"id": []}}])
def test_odd_requests(odd: Any, others: dict[str, Any]) -> None:
    """A request that holds anything at all is only not the call's."""
    for request in [odd], [odd] * 4, ["f45", odd], ["f45", "x86_64", "rm", odd]:
        assert fits("newRepo", ("f44",), request, src=True) is None
        assert fits("runroot", ("f44", "x86_64", "ls"), request) is None
        assert fits("tagBuild", ("f44-build", "hello-1.0-1"), request, others=others) is None
        assert fits("build", ("git+https://x#1", "f44"), request) is None


def test_label() -> None:
    """A task that was made directly carries the marker as its label, where it has no other."""
    call = with_marker(Call("makeTask", ("sleep", [1])), "m")
    arguments = arguments_of(call)
    assert call.kwargs == {"label": "m"}
    assert surplus("makeTask", arguments, {"request": [1], "label": "m"}, {}) == 0
    assert surplus("makeTask", arguments, {"request": [1], "label": None}, {}) == 1
    assert surplus("makeTask", arguments, {"request": [2], "label": None}, {}) is None
    assert surplus("makeTask", arguments, {"request": [1], "label": "x"}, {}) is None
    assert with_marker(Call("makeTask", ("sleep", [1]), {"label": "mine"}), "m").kwargs == {
        "label": "mine"
    }


@pytest.mark.parametrize(
    ("request_", "fit"),
    [
        (["a", "f44", {"scratch": True, "custom_user_metadata": {"submission_marker": "m"}}], 0),
        (["b", "f44", {"custom_user_metadata": {"submission_marker": "m"}}], 0),
        (["a", "f44", {"scratch": True, "custom_user_metadata": {}}], 1),
        (["a", "f44", {"scratch": True, "custom_user_metadata": None}], 1),
        (["a", "f44", {"scratch": True}], 1),
        (["a", "f44", {"scratch": True, "custom_user_metadata": {"mine": 1}}], None),
        (["a", "f44", {"scratch": True, "custom_user_metadata": "odd"}], None),
        (["a", "f44", {}], None),
        (["a", "f44", {"scratch": True, "skip_tag": True}], None),
        (["a", "g", {"scratch": True}], None),
        (["b", "f44", {"scratch": True}], None),
    ],
)
def test_build_without_the_marker(request_: list[Any], fit: int | None) -> None:
    """A build whose marker the hub dropped is recognized by its request, after a marked one."""
    call = with_marker(Call("build", ("a", "f44"), {"opts": {"scratch": True}}), "m")
    assert surplus("build", arguments_of(call), {"request": request_}, {}) == fit


MARKED = {"custom_user_metadata": {"submission_marker": "marker"}}
FOREIGN = {"custom_user_metadata": {"submission_marker": "another"}}


@pytest.mark.parametrize(
    ("call", "task", "ours"),
    [
        (Call("build", ("a", "f44")), {"method": "build", "request": ["a", "f44", MARKED]}, True),
        # A hub may put something else in the place of a source or a target.
        (Call("build", ("a", "f44")), {"method": "build", "request": ["b", "g", MARKED]}, True),
        (Call("build", ("a", "f44")), {"method": "build", "request": ["a", "f44", {}]}, True),
        (Call("build", ("a", "f44")), {"method": "build", "request": ["b", "f44", {}]}, False),
        (Call("build", ("a", "f44")), {"method": "build", "request": ["a", "f44", FOREIGN]}, False),
        (Call("build", ("a", "f44")), {"method": "image", "request": ["a", "f44", MARKED]}, False),
        (Call("build", ("a", "f44")), {"method": "build", "request": []}, False),
        (
            Call("makeTask", ("buildArch", ["a"])),
            {"method": "buildArch", "request": ["a", {}], "label": "marker"},
            True,
        ),
        (
            Call("makeTask", ("buildArch", ["a"])),
            {"method": "buildArch", "request": ["a"], "label": "another"},
            False,
        ),
        (Call("makeTask", ("buildArch", ["a"])), {"method": "newRepo", "request": ["a"]}, False),
        (Call("newRepo", ("f44",)), {"method": "newRepo", "request": ["f44", None]}, True),
        (Call("newRepo", ("f44",)), {"method": "build", "request": ["a", "f44", {}]}, False),
        (Call("resubmitTask", (7,)), {"method": "build", "request": ["a", "f44", {}]}, True),
        (Call("tagBuild", ("t", 5)), {"method": "tagBuild", "request": [3, 5, False, None]}, True),
        (Call("tagBuild", ("t", 5)), {"method": "tagBuild", "request": [3, 6, False, None]}, False),
        (Call("moveBuild", (1, 2, 5)), {"method": "tagBuild", "request": [2, 5, False, 1]}, True),
        (Call("moveBuild", (1, 2, 5)), {"method": "tagBuild", "request": [2, 5, False, 3]}, False),
        # What a call names, a request may have by its id, or by its record.
        (Call("tagBuild", ("t", "a-1-1")), {"method": "tagBuild", "request": [3, 6]}, True),
        (Call("wrapperRPM", (5, "a", "g")), {"method": "wrapperRPM", "request": [{}, "a"]}, True),
        (Call("mavenBuild", ("a", "g")), {"method": "maven", "request": ["a", "h", {}]}, True),
        (Call("mavenBuild", ("a", "g")), {"method": "maven", "request": ["b", "g", {}]}, False),
    ],
)
def test_may_have_made(call: Call, task: dict[str, Any], ours: bool) -> None:
    """Only what differs for certain makes it another program's task: ours is never made again."""
    assert may_have_made(call, "marker", task, {}) is ours
