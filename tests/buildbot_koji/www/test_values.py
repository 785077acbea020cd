"""What the pages show of odd values: bounded, plain, and never an exception."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from typing import Any

import hypothesis
import pytest
from buildbot.process.results import FAILURE, SUCCESS
from hypothesis import strategies

from buildbot_koji.changes.set_aside import UnusableEvent
from buildbot_koji.changes.status import ListenerStatus, SourceStatus
from buildbot_koji.durable.deliveries import Delivery
from buildbot_koji.hubs.hub import WatchingBuild
from buildbot_koji.hubs.survey import loads
from buildbot_koji.properties import CHANGE_SOURCE, EVENT_KEY
from buildbot_koji.reporters.status import ReporterStatus
from buildbot_koji.www.deliveries import reporter_json
from buildbot_koji.www.overview import heard
from buildbot_koji.www.packages import build_json
from buildbot_koji.www.plain import LONG, bounded, encoded, link, number, text
from buildbot_koji.www.sources import last_changes, source_json
from buildbot_koji.www.tasks import Trees, by_trouble
from tests.buildbot_koji.www import test_metrics
from txkoji import Call, TagUntag, TaskTree, WatchedTask, one_line, task_states
from txkoji.exceptions import UnusableAnswer
from txkoji.hub.answers import read_answer

ODD = strategies.recursive(
    strategies.none()
    | strategies.booleans()
    | strategies.integers()
    | strategies.floats()
    | strategies.text()
    | strategies.sampled_from(["javascript:alert(1)", "http://user:pw@x/", "x" * 10_000]),
    lambda inner: (
        strategies.lists(inner, max_size=3)
        | strategies.dictionaries(strategies.text(), inner, max_size=3)
    ),
    max_leaves=5,
)

NOW = 1_000_000.0
WEB = "https://koji.example.test/koji"


def task(number_: int, **more: Any) -> dict[str, Any]:
    given = {"id": number_, "state": int(task_states.OPEN), "method": "build", "parent": None}
    return {**given, "create_ts": NOW - 500, "start_ts": NOW - 400, **more}


def shown(watched: WatchedTask, ahead: float = 0.0) -> dict[str, Any]:
    build = WatchingBuild(5, "builder", 3)
    trees = Trees("koji", WEB, "https://koji.example.test/files")
    trees.ahead, trees.builders = ahead, {1: frozenset(("x86_64", "noarch")), 2: frozenset()}
    return trees.render(watched, build, 1, NOW)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://koji.example.test/koji/taskinfo?taskID=1", True),
        ("http://koji.example.test", True),
        ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False),
        ("data:text/html,x", False),
        (" https://x.test/", False),
        ("//x.test/", False),
        ("https://user:password@x.test/", False),
        ("https://[", False),
        ("https://x.test/" + "x" * 3000, False),
        (None, False),
        (7, False),
    ],
)
def test_link(given: Any, expected: bool) -> None:
    """Only http(s) addresses without credentials are links."""
    assert link(given) == (given if expected else None)


@hypothesis.given(ODD)
def test_plain(value: Any) -> None:
    """Whatever comes, texts are short and of one line, numbers finite, and JSON can hold it."""
    words = text(value)
    assert words is None or (len(words) <= 200 and words == one_line(words))
    found = number(value)
    assert found is None or math.isfinite(found)
    assert link(value) is None or value.startswith("http")
    clean = bounded({"url": value, "other": value})
    assert len(json.dumps(clean, allow_nan=False)) < 20 * LONG * 10
    json.loads(encoded({"value": value}))


@hypothesis.given(
    strategies.dictionaries(
        strategies.sampled_from(
            ["request", "label", "arch", "start_ts", "create_ts", "channel_id", "host_id", "method"]
        ),
        ODD,
    )
)
def test_odd_task(odd: dict[str, Any]) -> None:
    """An odd task is shown as far as it can be."""
    child = task(2, **{**odd, "method": "buildArch"})
    tree = TaskTree(task(1, **odd), {1: [child]})
    found = shown(WatchedTask(1, tree, NOW, NOW, None, {}))
    json.dumps(found, allow_nan=False)
    assert len(json.dumps(found)) < 10_000


@hypothesis.given(strategies.lists(ODD, min_size=3, max_size=3))
def test_odd_load(answers: list[Any]) -> None:
    """A channel that a hub answers oddly about is left out: its queue is not known."""
    calls = [*2 * [Call("listTasks", ({}, {"countOnly": True}))], Call("listHosts")]
    read: list[Any] = [None, None, None]
    for place, (call, answer) in enumerate(zip(calls, answers, strict=True)):
        with suppress(UnusableAnswer):
            read[place] = read_answer(call, answer, lambda row: row)
    found = loads([(1, "default")], read, {})
    assert len(found) == (None not in read)
    assert all(math.isfinite(each.capacity) for each in found)


def test_last_changes() -> None:
    """Events are shown by our clock, whatever the hub's says; a report of the health already is.

    Buildbot gives the newest changes with the oldest of them first.
    """
    change = {"when_timestamp": NOW, "comments": "", "revlink": ""}
    changes = [
        {
            **change,
            "changeid": number,
            "revision": str(number),
            "properties": {CHANGE_SOURCE: ("koji", ""), **more},
        }
        for number, more in enumerate([*12 * [{}], {EVENT_KEY: ("tag 1", "")}])
    ]
    found = last_changes(changes, {"koji": 60.0})["koji"]
    assert [each["at"] for each in found] == [NOW - 60.0, *9 * [NOW]]
    assert [each["revision"] for each in found] == [str(12 - place) for place in range(10)]


@pytest.mark.parametrize(
    ("event", "what"),
    [
        (None, "tag:1:2:32"),
        (TagUntag({}, "Tag", tag_name="f44"), "tag:1:2:32"),
        (TagUntag({"nvr": "hello-1-1"}, "Tag", tag_name="f44"), "hello-1-1, tag:1:2:32"),
    ],
)
def test_what_is_set_aside(event: Any, what: str) -> None:
    """An event that is set aside is shown with the build that it is about, if that is known."""
    aside = UnusableEvent("tag:1:2:32", event, "refused", NOW, 1)
    listener = ListenerStatus("listening", last_unusable=(aside,))
    [found] = source_json(SourceStatus("koji", "hub", listener), False, (), NOW)["set_aside"]
    assert found["what"] == what


def test_ready_hosts() -> None:
    """A host that is enabled, but takes no task now, is not counted as ready."""
    hosts = [
        {"id": 1, "ready": True, "capacity": 2.0},
        {"id": 2, "ready": False, "capacity": 2.0, "arches": ["x86_64"]},
        {"id": 3, "capacity": "x"},
    ]
    read = read_answer(Call("listHosts"), [*hosts, {"capacity": 2.0}], lambda row: row)
    [found] = loads([(1, "default")], [3, 0, read], {})
    assert (found.hosts, found.ready, found.capacity) == (3, 1, 4.0)


@hypothesis.given(ODD)
def test_odd_build(value: Any) -> None:
    """Odd properties of a build are texts, or nothing."""
    names = ["id", "number", "builderid", "started_at", "complete_at", "results"]
    row = {**dict.fromkeys(names, 1), "state_string": value, "name": "any"}
    properties = dict.fromkeys(
        ["koji_package", "koji_nvr", "koji_nvrs", "koji_reason", "koji_log_url"], value
    )
    assert len(encoded(build_json(row, properties, "hello"))) < 20_000


@pytest.mark.parametrize(("results", "reason"), [(SUCCESS, None), (FAILURE, "no space")])
def test_reason(results: int, reason: str | None) -> None:
    """A build that tolerated a failure, and succeeded, shows no reason of it."""
    names = ["id", "number", "builderid", "started_at", "complete_at"]
    row = {**dict.fromkeys(names, 1), "results": results, "state_string": "", "name": "any"}
    assert build_json(row, {"koji_reason": "no space"})["reason"] == reason


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        (["tasks/1/1/hello-1.0-1.fc44.src.rpm", 1, "s390x"], "hello-1.0-1.fc44"),
        (["x", 1, "s390x"], None),
    ],
)
def test_nvr(arch: list[Any], expected: str | None) -> None:
    """A build has its package's name until its source RPM is made, then its NVR."""
    source = ["git+https://git.example.test/rpms/hello.git#1", "demo", {}]
    child = task(2, parent=1, method="buildArch", arch="s390x", request=arch)
    found = shown(
        WatchedTask(1, TaskTree(task(1, request=source), {1: [child]}), NOW, NOW, None, {})
    )
    assert (found["nvr"], found["label"]) == (expected, expected or "hello")
    assert "elapsed" not in found


def test_trouble_first() -> None:
    """What failed comes first, then what takes long, then the rest, the oldest first."""
    src = ["git+https://git.example.test/rpms/hello.git#1", "demo", {}]
    failed = [
        task(
            9,
            parent=3,
            method="buildArch",
            state=int(task_states.FAILED),
            arch="s390x",
            request=["x", 1, "s390x"],
        )
    ]
    trees = [
        shown(WatchedTask(1, TaskTree(task(1)), NOW, NOW - 5, 3600.0, {})),
        shown(WatchedTask(2, TaskTree(task(2, request=src)), NOW, NOW - 9, 100.0, {2: 7})),
        shown(WatchedTask(3, TaskTree(task(3), {3: failed}), NOW, NOW, None, {})),
        shown(WatchedTask(4, None, NOW, NOW - 7, None, {})),
    ]
    trees.sort(key=by_trouble)
    assert [tree["task_id"] for tree in trees] == [3, 2, 4, 1]
    failing, slow, *_ = trees
    assert failing["trouble"] == "failed on s390x"
    assert (slow["label"], slow["queue_position"]) == ("hello", 7)
    assert slow["trouble"] == "takes longer than usual"
    late = task(
        8, parent=2, method="buildArch", state=int(task_states.OPEN), arch="x", start_ts=NOW - 9
    )
    tree = TaskTree(task(2, request=src), {2: [{**late, "request": ["x", 1, "x"]}]})
    busy = shown(WatchedTask(2, tree, NOW, NOW - 9, 100.0, {}))
    assert (busy["started"], busy["trouble"]) == (NOW - 9, None)
    # The hub's clock goes by neither.
    assert shown(WatchedTask(2, tree, NOW, NOW, 5.0, {}), ahead=-3600)["started"] == NOW + 3591
    assert shown(WatchedTask(2, tree, NOW, NOW, 5.0, {}))["trouble"] == "takes longer than usual"
    assert shown(WatchedTask(2, tree, NOW, NOW, 5.0, {}), ahead=-60)["trouble"] is None
    chain = task(2, method="chainbuild", request=[[src[:1], src[:1]], "demo", {}])
    tree = TaskTree(chain, {2: [task(9, parent=2, request=src)]})
    chained = shown(WatchedTask(2, tree, NOW, NOW - 9, None, {}))
    assert chained["label"] == "chainbuild: hello"
    assert [each["label"] for each in chained["arches"]] == ["hello"]
    # One package is still being built for the architecture that another one is done with.
    done = {"state": int(task_states.CLOSED)}
    arch = {"method": "buildArch", "request": ["x", 1, "x86_64"]}
    failed = task(11, parent=2, request=src, state=int(task_states.FAILED))
    builds = [task(9, parent=2, request=src), task(10, parent=2, request=src, **done), failed]
    arches = {9: [task(12, parent=9, **arch)], 10: [task(13, parent=10, **arch, **done)]}
    chained = shown(WatchedTask(2, TaskTree(chain, {2: builds, **arches}), NOW, NOW, None, {}))
    states = [(each["label"], each["state"], each["log_url"]) for each in chained["arches"]]
    assert states == [("hello", state, None) for state in ("FAILED", "OPEN", "CLOSED")]
    assert chained["trouble"] == "failed to build hello"
    # More are being built than the page shows.
    builds = [*(task(each, parent=2, request=src) for each in range(20, 60)), failed]
    chained = shown(WatchedTask(2, TaskTree(chain, {2: builds}), NOW, NOW, None, {}))
    assert chained["trouble"] == "failed to build hello"
    srpm = task(9, parent=2, method="buildSRPMFromSCM", request=src)
    made = WatchedTask(2, TaskTree(task(2, request=src), {2: [srpm]}), NOW, NOW - 9, None, {})
    assert [each["label"] for each in shown(made)["arches"]] == ["source RPM"]
    repo = shown(
        WatchedTask(2, TaskTree(task(2, method="newRepo", request=["x"])), NOW, NOW, None, {})
    )
    assert repo["label"] == "newRepo: x"
    queued = task(9, parent=2, method="buildArch", state=int(task_states.FREE), request=src)
    tree = TaskTree(task(2, request=src), {2: [queued]})
    waiting = shown(WatchedTask(2, tree, NOW, NOW - 9, 100.0, {2: 7}))
    assert waiting["trouble"] is None
    assert failing["arches"][0]["log_url"].startswith("https://koji.example.test/files/work/tasks/")


def test_hub_that_is_away() -> None:
    """No task takes longer and longer while the hub can't say that it has ended."""
    hub = test_metrics.hub()
    assert heard(hub, test_metrics.NOW) == test_metrics.NOW
    assert heard(test_metrics.hub(trouble="no route"), test_metrics.NOW) == test_metrics.NOW - 9


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ({"build": 7, "nvr": "hello-1-1"}, "tag of hello-1-1"),
        ({"build": 7, "nvr": None}, "tag of Koji build 7"),
        ({"build": "hello-1-1"}, "tag of hello-1-1"),
        ({"artifact": {"build": 7, "nvr": None}}, "tag of Koji build 7"),
        ({"artifact": {"task": 9, "nvr": "hello-1-1"}}, "tag of hello-1-1"),
        ({}, "tag"),
    ],
)
def test_what_is_delivered(content: dict[str, Any], what: str) -> None:
    """A delivery is shown with what it is about, even if only an id on the hub is known."""
    delivery = Delivery(1, "tag", "lane", content, NOW)
    status = ReporterStatus("gate", "KojiTagReporter", "hub", frozenset({1}), (delivery,), 0)
    [pending] = reporter_json(status, [], [], None, {})["pending"]
    assert pending["what"] == what


@pytest.mark.parametrize(
    ("more", "trouble"),
    [
        ({"arch": "x86_64", "channel_id": 1}, None),
        ({"arch": "s390x", "channel_id": 1}, "no builder for s390x"),
        ({"arch": "noarch", "channel_id": 2}, "its channel has no builder"),
        ({"arch": "s390x", "channel_id": 3}, None),
        ({"arch": "x86_64", "create_ts": NOW - 7200}, "has waited for a builder for 2 h"),
    ],
)
def test_what_can_not_start(more: dict[str, Any], trouble: str | None) -> None:
    """A part that no builder can take, or that waits for an hour, is trouble of the whole."""
    free = {"method": "buildArch", "parent": 1, "state": int(task_states.FREE)}
    tree = TaskTree(task(1), {1: [task(2, **{**free, "request": ["x", 1, "x"], **more})]})
    found = shown(WatchedTask(1, tree, NOW, NOW, None, {2: 0}))
    assert found["trouble"] == trouble
    # Nothing is the next that a builder takes which there is not.
    assert found["queue_position"] == (None if "no builder" in str(trouble) else 0)
