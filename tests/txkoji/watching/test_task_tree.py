"""Trees of tasks, and what became different between two of them."""

from __future__ import annotations

from typing import Any

import pytest

from txkoji.task_info import TaskInfo
from txkoji.watching.records import record_of
from txkoji.watching.task_tree import (
    TaskChange,
    TaskTree,
    arch_of,
    changes_between,
    may_have_children,
    states_of,
)

FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED = range(6)


def task(number: int, state: int, start: float | None = None, **more: Any) -> TaskInfo:
    return TaskInfo(id=number, state=state, start_ts=start, host_id=None, waiting=None, **more)


def build_arch(number: int, arch: str, state: int = OPEN) -> TaskInfo:
    # The column says which hosts may take the task.
    request = ["a.src.rpm", 7, arch, False, {"repo_id": 1}]
    return task(number, state, method="buildArch", arch="noarch", label=arch, request=request)


def told(changes: list[TaskChange]) -> list[tuple[int, int | None, int]]:
    return [(change.task.id, change.old_state, change.new_state) for change in changes]


@pytest.mark.parametrize("below", [{1: [1]}, {1: [2], 2: [1]}, {1: [2], 2: [3], 3: [3, 2]}])
def test_tasks_in_a_circle(below: dict[int, list[int]]) -> None:
    """A tree ends, and holds each task once, even if tasks are each other's parents."""
    children = {parent: [task(each, OPEN) for each in ids] for parent, ids in below.items()}
    tree = TaskTree(task(1, OPEN), children)
    assert [each.id for each in tree.tasks()] == [*below]


@pytest.mark.parametrize(
    ("method", "request_", "arch"),
    [
        ("buildArch", ["a.src.rpm", 7, "i686", True, {}], "i686"),
        ("createImage", ["n", "1", "2", "s390x", {}, 7, {}, "http://tree", {}], "s390x"),
        ("createKiwiImage", ["n", "1", "2", "aarch64", {}, 7, {}, "git://x", "p", {}], "aarch64"),
        ("createLiveMedia", ["n", "1", "2", "x86_64", {}, 7, {}, "x.ks", {}], "x86_64"),
        ("createLiveCD", ["n", "1", "2", "x86_64", {}, 7, {}, "x.ks", {}], "x86_64"),
        ("createAppliance", ["n", "1", "2", "x86_64", {}, 7, {}, "x.ks", {}], "x86_64"),
        ("createrepo", [5, "ppc64le", None], "ppc64le"),
        ("createdistrepo", [7, 5, "ppc64le", ["key"], {}], "ppc64le"),
        ("runroot", ["f44-build", "x86_64", "ls"], "x86_64"),
        ("buildMaven", ["git://x", {"name": "t"}, {}], "noarch"),
        ("vmExec", ["vm", [], {}], "noarch"),
        ("buildSRPMFromSCM", ["git://x", 7, {}], None),
        ("tagBuild", [1, 2], None),
    ],
)
def test_arch(method: str, request_: list[Any], arch: str | None) -> None:
    """The architecture of a task is what it was asked to build for, where it builds for one."""
    assert arch_of(task(1, OPEN, method=method, arch="noarch", request=request_)) == arch


def test_arches() -> None:
    """Each architecture has its task, whatever else is in the tree; of two the later one."""
    tree = TaskTree(
        task(1, OPEN, method="chainbuild"),
        {
            1: (task(2, CLOSED, method="build"), task(6, OPEN, method="build")),
            2: (build_arch(3, "i686", CLOSED), build_arch(4, "x86_64", FAILED)),
            6: (task(7, CLOSED, method="buildSRPMFromSCM"), build_arch(8, "x86_64")),
        },
    )
    assert {arch: (each.id, each.state) for arch, each in tree.arches.items()} == {
        "i686": (3, CLOSED),
        "x86_64": (8, OPEN),
    }


def test_first_look() -> None:
    """At the first look every task is new: parents before children, children end first."""
    tree = TaskTree(task(1, CLOSED), {1: (task(2, CLOSED), task(3, OPEN)), 2: (task(4, CANCELED),)})
    assert told(changes_between(None, tree.records)) == [
        (3, None, OPEN),
        (4, None, CANCELED),
        (2, None, CLOSED),
        (1, None, CLOSED),
    ]


def test_later_look() -> None:
    """Later, only what is new or has another state is told."""
    old = TaskTree(task(1, OPEN, 5.0), {1: (task(2, OPEN, 6.0), task(3, FREE))})
    new = TaskTree(task(1, OPEN, 5.0), {1: (task(2, CLOSED, 6.0), task(3, FREE), task(4, FREE))})
    assert told(changes_between(old.records, new.records)) == [(4, None, FREE), (2, OPEN, CLOSED)]
    assert changes_between(new.records, new.records) == []


@pytest.mark.parametrize(
    ("before", "after", "restarted"),
    [
        ((OPEN, 5.0), (OPEN, 9.0), True),
        ((FREE, 5.0), (OPEN, 9.0), True),
        ((OPEN, 5.0), (CLOSED, 9.0), True),
        ((OPEN, 5.0), (FREE, 5.0), False),
        ((FREE, 5.0), (ASSIGNED, 5.0), False),
        ((ASSIGNED, None), (OPEN, 9.0), False),
        ((OPEN, 5.0), (CLOSED, 5.0), False),
    ],
)
def test_restart(
    before: tuple[int, float | None], after: tuple[int, float | None], restarted: bool
) -> None:
    """A task that a builder took up again is reported as restarted once it is seen to run again."""
    old, new = TaskTree(task(1, *before)), TaskTree(task(1, *after))
    [change] = changes_between(old.records, new.records)
    assert change.restarted is restarted
    assert states_of(old.records) != states_of(new.records)


@pytest.mark.parametrize(
    ("found", "may"),
    [
        (task(1, FREE, method="build"), False),
        (task(1, CANCELED, method="build"), False),
        (task(1, FREE, 5.0, method="build"), True),
        (task(1, OPEN, 5.0, method="build"), True),
        (task(1, CANCELED, 5.0, method="build"), True),
        (task(1, OPEN, 5.0, method="buildArch"), False),
        (task(1, OPEN, 5.0, method="somePlugin"), True),
    ],
)
def test_children_may_be(found: TaskInfo, may: bool) -> None:
    """There is nothing below a task that never ran, nor below one that only builds an arch."""
    assert may_have_children(record_of(found)) is may
