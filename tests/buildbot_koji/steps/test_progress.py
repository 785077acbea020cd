"""What a step says of a running task tree."""

from __future__ import annotations

import time
from typing import Any

import pytest

from buildbot_koji.durable.store import data_name
from buildbot_koji.steps.view.progress import about, describe, link_name
from buildbot_koji.words import clock_time, counted, size_in_words
from txkoji import TaskTree
from txkoji.task import Task

FREE, OPEN, CLOSED, CANCELED, ASSIGNED, FAILED = range(6)


def tree(state: int, *children: tuple[str, str | None, int]) -> TaskTree:
    tasks = tuple(
        Task(id=number, method=method, arch=arch, state=child_state, parent=1)
        for number, (method, arch, child_state) in enumerate(children, start=2)
    )
    return TaskTree(Task(id=1, method="build", state=state), {1: tasks} if tasks else {})


SRPM = ("buildSRPMFromSCM", "noarch", CLOSED)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (tree(FREE), "waiting for a builder"),
        (tree(ASSIGNED), "waiting for a builder"),
        (tree(OPEN), "building"),
        (tree(OPEN, ("waitrepo", "noarch", OPEN)), "waiting for the repo"),
        (tree(OPEN, ("buildSRPMFromSCM", "noarch", FREE)), "making the source RPM"),
        (tree(OPEN, ("rebuildSRPM", "noarch", OPEN)), "making the source RPM"),
        (tree(OPEN, SRPM), "building"),
        (
            tree(OPEN, SRPM, ("buildArch", "x86_64", OPEN), ("buildArch", "s390x", FREE)),
            "building: x86_64 building, s390x waiting",
        ),
        (
            tree(OPEN, SRPM, ("buildArch", "x86_64", CLOSED), ("buildArch", "s390x", OPEN)),
            "building: x86_64 done, s390x building",
        ),
        (
            tree(OPEN, SRPM, ("buildArch", "x86_64", FAILED), ("buildArch", "s390x", CANCELED)),
            "building: x86_64 failed, s390x canceled",
        ),
        (
            tree(OPEN, SRPM, ("buildArch", "x86_64", CLOSED), ("tagBuild", "noarch", OPEN)),
            "tagging",
        ),
        (tree(CLOSED, SRPM, ("buildArch", "x86_64", CLOSED)), "building: x86_64 done"),
    ],
)
def test_describe(task: TaskTree, words: str) -> None:
    """The summary says what Koji is doing now, and how many architectures are done."""
    assert describe(task) == words


def test_queue_places_and_estimates() -> None:
    """A waiting task shows how many are ahead; with an estimate, the time left is shown."""
    assert describe(tree(FREE), places={1: 0}) == "waiting for a builder: next in the queue"
    assert describe(tree(FREE), places={1: 14}) == "waiting for a builder: 14 tasks before it"
    assert describe(tree(FREE), places={1: 1}) == "waiting for a builder: 1 task before it"
    assert describe(tree(FREE), places={1: 500}) == (
        "waiting for a builder: 500 or more tasks before it"
    )
    arches = (("buildArch", "x86_64", CLOSED), ("buildArch", "aarch64", FREE))
    assert describe(tree(OPEN, *arches), places={3: 2}, seconds_left=720) == (
        "building: x86_64 done, aarch64 waiting (2 tasks before it), about 10 min left"
    )
    srpm = ("buildSRPMFromSCM", "noarch", FREE)
    assert describe(tree(OPEN, srpm), places={2: 3}, seconds_left=7300) == (
        "making the source RPM: 3 tasks before it, about 2 h left"
    )
    assert describe(tree(OPEN), "making an image") == "making an image"


def test_missing_builders() -> None:
    """A task for an architecture without a builder shows that, instead of a place in a queue."""
    arches = (("buildArch", "x86_64", OPEN), ("buildArch", "sparc", FREE))
    assert describe(tree(OPEN, *arches), places={3: 0}, missing={3: "sparc"}) == (
        "building: x86_64 building, sparc waiting (no builder for sparc)"
    )
    assert describe(tree(FREE), missing={1: "noarch"}) == (
        "waiting for a builder: its channel has no builder"
    )


def test_estimates_are_rough() -> None:
    """Estimates are rounded, so that they rarely change."""
    said = [about(seconds) for seconds in range(-300, 4 * 3600)]
    assert len(set(said)) <= 40
    assert about(4.2 * 60) == ", about 4 min left"
    assert about(58 * 60) == ", about 60 min left"
    assert about(42) == ", about 40 s left"
    assert about(0) == ", about to end"
    assert about(-60, usual=480) == ", longer than usual, which is 8 min"
    assert about(-47, usual=480) == ", about to end"
    assert about(-60) == ", longer than usual"


def test_numbers_of_things() -> None:
    """One of something is singular, and none of it is no number."""
    assert [counted(count, "file") for count in (0, 1, 2)] == ["no files", "1 file", "2 files"]
    assert [size_in_words(size) for size in (512, 4_200_000)] == ["0.5 kB", "4.2 MB"]


def test_time_of_another_day() -> None:
    """A time of today has no date."""
    noon = time.mktime((2026, 3, 4, 12, 5, 0, 0, 0, -1))
    assert clock_time(noon, noon + 60) == "12:05"
    assert clock_time(noon, noon + 86400) == "2026-03-04 12:05"


def test_queue() -> None:
    """A task is queued until a builder opened it."""
    assert tree(FREE).is_queued
    assert tree(ASSIGNED).is_queued
    assert not tree(OPEN).is_queued
    assert not tree(CANCELED).is_queued


@pytest.mark.parametrize(
    ("task", "attempt", "name"),
    [
        ({"method": "buildArch", "arch": "x86_64"}, "", "buildArch x86_64 (task 7)"),
        ({"method": "buildSRPMFromSCM", "arch": "noarch"}, "", "buildSRPMFromSCM (task 7)"),
        ({"method": "buildArch"}, "", "buildArch (task 7)"),
        ({"method": "createImage", "arch": "x86_64"}, "", "createImage x86_64 (task 7)"),
        ({"method": "waitrepo"}, "attempt 2", "attempt 2: waitrepo (task 7)"),
        (
            {"method": "build", "request": ["git+https://a.test/hello.git#1", "f44", {}]},
            "",
            "build hello (task 7)",
        ),
        ({"method": "build"}, "", "build (task 7)"),
    ],
)
def test_links(task: dict[str, Any], attempt: str, name: str) -> None:
    """A link names the method, the task, and the architecture or package of several."""
    assert link_name(Task(id=7, **task), attempt) == name


def test_names_of_build_data() -> None:
    """The name is one that Buildbot takes, and two steps, or their rows, don't share one."""
    of = (["koji build"], ["koji_build"], ["koji build_1"], ["é" * 50], ["koji", "build"])
    names = {data_name(*words) for words in of}
    assert len(names) == len(of)
    assert all(name.replace("_", "").replace("-", "").isascii() for name in names)
    assert all(len(name) < 100 for name in names)
