"""What ``buildbot checkconfig`` says of the arguments of a change source, its filter and switch."""

from __future__ import annotations

import ast
import dataclasses
import datetime
from typing import Any

import mock
import pytest
from buildbot.changes.changes import Change
from buildbot.plugins import changes, steps, util
from buildbot.process.properties import Properties

from buildbot_koji.changes.options import SourceOptions
from tests.support import REPOSITORY
from tests.support.checkconfig import mistakes

GOOD: dict[str, Any] = {"profile": "koji", "tags": ["f44-candidate"]}
BROKER: dict[str, Any] = {"user": "koji", "password": util.Secret("broker"), "queue": "buildbot"}


def bus(**more: Any) -> Any:
    return util.KojiAMQP("amqps://broker.test", **{**BROKER, "routing_keys": ["#"], **more})


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"events": ["tagged", "untagged", "package-listed", "repo-done"], "inherited": True},
        {"events": ["build-complete"], "tags": [], "packages": ["python-*"], "targets": ["f44"]},
        {"events": ["task-failed"], "tags": [], "methods": ["build"], "scratch": False},
        {"owners": ["alice"], "build_types": ["rpm"], "ignore_marker": True, "filter": print},
        {"rpms": False, "project": "Fedora", "codebase": "koji", "name": "mine"},
        {"poll_interval": 60, "overlap": 120.5, "stale_after": 61, "quiet_time": 30},
        {"since": datetime.timedelta(hours=1), "max_changes_per_hour": 100},
        {"since": datetime.datetime.now(datetime.timezone.utc)},
        {"bus": bus(), "events": ["build-deleted", "rpm-signed"]},
    ],
)
def test_good_arguments(options: dict[str, Any]) -> None:
    """Every argument is taken."""
    assert mistakes(changes.KojiChangeSource, **{**GOOD, **options}) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"profile": None}, "profile is missing"),
        ({"profile": 5}, "profile=5 must be the name of a profile or a util.KojiHub"),
        ({"tag": ["f44"]}, "tag is not an argument of KojiChangeSource: did you mean tags?"),
        ({"tags": "f44"}, "tags='f44' must be a list of strings"),
        ({"tags": []}, "tags is missing: tagged happen in tags; name them, or write ['*'] for all"),
        ({"events": []}, "events=[] must name at least one event"),
        ({"events": ["build-done"]}, "there is no 'build-done'; there are build-complete,"),
        ({"events": ["task-failed"]}, "methods is missing: name the methods of the tasks"),
        ({"events": ["build-deleted"]}, "bus is missing: Koji keeps no time of build-deleted"),
        ({"filter": "x"}, "filter='x' must be a function"),
        ({"inherited": 1}, "inherited=1 must be True or False"),
        ({"quiet_time": -1}, "quiet_time=-1 must be a number of seconds, or 0"),
        ({"max_changes_per_hour": 0}, "max_changes_per_hour=0 must be a whole number greater"),
        ({"stale_after": 300}, "stale_after=300 must be more than poll_interval, which is 300"),
        ({"since": 5}, "since=5 must be a timedelta or an aware datetime"),
        ({"since": datetime.datetime(2026, 1, 1)}, "must be a timedelta or an aware datetime"),  # noqa: DTZ001
        ({"bus": "amqps://x"}, "bus='amqps://x' must be a util.KojiAMQP or util.KojiAMQP1"),
        ({"bus": bus(queue=None)}, "can't be received from: queue is missing: name the"),
    ],
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    """A bad argument is one line that names it and says what to write instead."""
    [complaint] = mistakes(changes.KojiChangeSource, **{**GOOD, **options})
    assert complaint.startswith("KojiChangeSource: ")
    assert words in complaint
    assert "\n" not in complaint


def test_options() -> None:
    """The listener gets every argument of the source."""
    given = {each.name for each in dataclasses.fields(SourceOptions)} - {"hub_name"}
    assert given | {"name"} == changes.KojiChangeSource.arguments.keys()


def test_name() -> None:
    """A source without a name is named after its profile."""
    assert changes.KojiChangeSource(**GOOD).name == "KojiChangeSource-koji"
    assert changes.KojiChangeSource(**GOOD, name="other").name == "other"
    hub = util.KojiHub("koji", principal="ci@EXAMPLE.TEST", keytab=util.Secret("keytab"))
    assert changes.KojiChangeSource(**{**GOOD, "profile": hub}).name == "KojiChangeSource-koji"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"source": None, "paused": True}, "source is missing"),
        ({"source": "x", "paused": "yes"}, "paused='yes' must be True or False"),
        ({"source": "x", "paused": None}, "paused is missing"),
    ],
)
def test_bad_switch(options: dict[str, Any], words: str) -> None:
    """The switch says what is wrong with its arguments."""
    assert mistakes(steps.KojiPauseChanges, **options) == [f"KojiPauseChanges: {words}"]


def change(**properties: Any) -> Any:
    values = Properties()
    for name, value in properties.items():
        values.setProperty(f"koji_{name}", value, "Change")
    fields = {"project": "hello", "repository": "", "branch": "f44", "category": "", "codebase": ""}
    return mock.create_autospec(Change, instance=True, properties=values, **fields)


TAGGED = change(
    event="tagged",
    tag="f44-candidate",
    tag_heirs=["f44-build"],
    package="hello",
    owner="alice",
    build_types=["rpm"],
    change_source="mine",
)
TASK = change(event="task-failed", task_method="build", scratch=True, target="f44")


@pytest.mark.parametrize(
    ("options", "tagged", "task"),
    [
        ({}, True, True),
        ({"events": ["tagged"]}, True, False),
        ({"events": ["task-*"]}, False, True),
        ({"tags": ["f44-*"]}, True, False),
        ({"tags": ["f44-build"]}, True, False),
        ({"tags": ["f45-*"]}, False, False),
        ({"packages": ["he*"], "owners": ["alice", "bob"]}, True, False),
        ({"packages": ["he*"], "owners": ["bob"]}, False, False),
        ({"targets": ["f44"]}, False, True),
        ({"methods": ["build"], "scratch": True}, False, True),
        ({"scratch": False}, False, False),
        ({"build_types": ["rpm", "image"]}, True, False),
        ({"sources": ["mine"]}, True, False),
        ({"project": "world"}, False, False),
        ({"branch": "f44", "events": ["tagged"]}, True, False),
    ],
)
def test_filter(options: dict[str, Any], tagged: bool, task: bool) -> None:
    """A filter passes changes that match all its arguments, Koji's and Buildbot's."""
    found = util.KojiChangeFilter(**options)
    assert (found.filter_change(TAGGED), found.filter_change(TASK)) == (tagged, task)


def test_filter_of_other_changes() -> None:
    """Only changes of a hub's events pass: no others, and no reports of health."""
    every = util.KojiChangeFilter()
    assert [every.filter_change(each) for each in (change(health="stale"), change(), TAGGED)] == [
        False,
        False,
        True,
    ]


def test_filters_are_compared() -> None:
    """Buildbot detects whether a reconfiguration changed a filter."""
    assert util.KojiChangeFilter(tags=["a"]) == util.KojiChangeFilter(tags=["a"])
    assert util.KojiChangeFilter(tags=["a"]) != util.KojiChangeFilter(tags=["b"])
    assert repr(util.KojiChangeFilter(tags=["a"], project="x")) == (
        "<KojiChangeFilter on tags=['a'] and project in ['x']>"
    )


def test_bad_filter() -> None:
    """A filter says what is wrong with its arguments."""
    found = mistakes(util.KojiChangeFilter, events=["tagging"], tags="f44", scratch="no")
    assert [error.partition(";")[0] for error in found] == [
        "KojiChangeFilter: events=['tagging'] names no event: there is no 'tagging'",
        "KojiChangeFilter: tags='f44' must be a list of strings",
        "KojiChangeFilter: scratch='no' must be True or False",
    ]


def test_log_lines_begin_with_the_name() -> None:
    """Each line that a change source logs begins with its name: one master has several."""
    count = 0
    for path in sorted((REPOSITORY / "buildbot_koji/changes").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith(
                ("self._log.", "log")
            ):
                count += 1
                words = ast.literal_eval(node.args[0])
                assert words.startswith("{name}: "), f"{path}:{node.lineno}: {words}"
                assert "name" in [each.arg for each in node.keywords], f"{path}:{node.lineno}"
    assert count >= 15
