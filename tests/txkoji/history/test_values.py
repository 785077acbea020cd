"""Values from outside are read to a typed value or refused; nothing raises anything else."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.internet.task import Clock

from tests.support import DATA
from txkoji import Connection, Profile, matches, messages
from txkoji._values import integer, redacted, seconds, text
from txkoji.exceptions import MalformedMessage
from txkoji.history.records import RecordReader
from txkoji.history.structs import UnusableRecord, read_build, read_rpm, read_task
from txkoji.history.unusable import UnusableItems

EDGES = st.sampled_from(
    [
        None,
        True,
        -1,
        0,
        2**31,
        10**30,
        10**400,
        float("inf"),
        float("nan"),
        32503680000.0,
        "",
        "17",
        "a\0b",
        "\x1b[1m",
        "\ud800",
        "x" * 100_000,
        [],
        {},
        [[]],
        {"name": 5},
        [{"id": 1}],
    ]
)
VALUES = st.one_of(
    EDGES,
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)
        ),
        max_leaves=6,
    ),
)
CONNECTION = Connection(
    Profile(name="x", server="http://hub.test/kojihub", weburl="http://hub.test/koji"),
    reactor=Clock(),
)
RECORDED = [
    json.loads(line) for line in (DATA / "protonmsg.jsonl").read_text(encoding="utf-8").splitlines()
]
FEDORA = [
    ("tag", {"build_id": 1, "name": "a", "version": "1", "release": "1", "tag": "t", "tag_id": 1}),
    ("package.list.change", {"tag": "t", "package": "a", "action": "add"}),
    ("repo.done", {"tag": "t", "tag_id": 1, "repo_id": 1}),
    ("rpm.sign",
     {"build": {"id": 1, "name": "a", "version": "1", "release": "1"}, "rpm": {"id": 1,
                                                                               "name": "a"},
      "sigkey": "x"}),
    ("build.state.change",
     {"attribute": "state", "build_id": 1, "name": "a", "version": "1", "release": "1", "new": 1,
      "old": 0, "task_id": 2, "task": {"id": 2, "method": "build"},
      "completion_time": "2026-11-23T17:20:00+00:00"}),
    ("task.state.change",
     {"attribute": "state", "id": 2, "method": "build", "new": "CLOSED", "info": {"owner": 1}}),
]  # fmt: skip


def paths_of(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the path of each value inside a value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    return [path, *(each for key, inner in items for each in paths_of(inner, (*path, key)))]


def changed(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of a body with another value at a path."""
    if not path:
        return value
    copy = body.copy()
    copy[path[0]] = changed(body[path[0]], path[1:], value)
    return copy


def read(dialect: str, topic: str, headers: dict[str, Any], body: str) -> None:
    message: Any = SimpleNamespace(dialect=dialect, topic=topic, headers=headers, body=body)
    try:
        event = messages.read(message, CONNECTION)
    except MalformedMessage:
        return
    if event is not None:
        # What a change source looks at before it asks the hub.
        assert event.name
        assert event.key is None or event.key
        assert event.url is None or event.url.startswith("http://hub.test/koji")
        assert event.package_name is None or isinstance(event.package_name, str)
        if event.task is not None:
            assert event.task.target is None or isinstance(event.task.target, str)
            assert event.task.is_scratch in (True, False)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_protonmsg_with_any_value_anywhere(data: st.DataObject) -> None:
    """A message of Koji's plugin becomes an event, or is refused, whatever a field holds."""
    line = data.draw(st.sampled_from(RECORDED))
    body = json.loads(line["body"])
    path = data.draw(st.sampled_from(paths_of(body)))
    mutated = json.dumps(changed(body, path, data.draw(VALUES)))
    read("protonmsg", "", line["properties"], mutated)


@settings(max_examples=250, deadline=None)
@given(st.data())
def test_fedora_with_any_value_anywhere(data: st.DataObject) -> None:
    """A message of Fedora's plugin becomes an event, or is refused, whatever a field holds."""
    topic, body = data.draw(st.sampled_from(FEDORA))
    path = data.draw(st.sampled_from(paths_of(body)))
    read("fedora", topic, {}, json.dumps(changed(body, path, data.draw(VALUES))))


@pytest.mark.parametrize(
    ("topic", "body"),
    [
        ("tag", "<xml/>"),
        ("repo.done", "[" * 100_000),
        ("repo.done", '{"a":' * 100_000),
        ("repo.done", '{"repo_id": 1, "tag": "t", "x": "' + "x" * (5 << 20) + '"}'),
        ("tag", '{"build_id": Infinity, "name": "a", "version": "1", "release": "1", "tag": "t"}'),
        ("tag", '{"build_id": 1e999, "name": "a", "version": "1", "release": "1", "tag": "t"}'),
        (
            "tag",
            f'{{"build_id": {10**30}, "name": "a", "version": "1", "release": "1", "tag": "t"}}',
        ),
        ("tag", '{"build_id": 1, "name": "a", "version": "1", "release": "1", "tag": "\\ud800"}'),
        ("package.list.change", '{"action": "add", "package": "a\\u0000b", "tag": "t"}'),
        (
            "rpm.sign",
            '{"build": {"id": 1, "name": "a", "version": "1", "release": "1"}, "rpm": {}}',
        ),
    ],
)
def test_poison(topic: str, body: str) -> None:
    """A message that no retry can make usable is malformed, in one line."""
    message: Any = SimpleNamespace(dialect="fedora", topic=topic, headers={}, body=body)
    with pytest.raises(MalformedMessage, match=f"unreadable message of the kind '{topic}': "):
        messages.read(message, CONNECTION)


BUILD = {
    "build_id": 7,
    "name": "hello",
    "version": "1",
    "release": "1",
    "epoch": None,
    "state": 1,
    "task_id": 8,
    "owner_name": "alice",
    "source": None,
    "extra": {"source": {"original_url": "git+https://src.test/hello#1"}},
    "creation_ts": 1.0,
    "completion_ts": 2.0,
    "promotion_ts": 3.0,
    "promoter_name": "bob",
}
TASK = {
    "id": 8,
    "method": "build",
    "state": 2,
    "owner": 1,
    "request": ["src", "target", {}],
    "start_ts": 1.0,
    "completion_ts": 2.0,
    "result": [[3, 4]],
}
LISTING = {
    "build_id": 7,
    "name": "hello",
    "version": "1",
    "release": "1",
    "epoch": None,
    "build.state": 1,
    "tag_id": 3,
    "tag.name": "t",
    "create_event": 10,
    "create_ts": 1.0,
    "creator_name": "alice",
    "revoke_event": 11,
    "revoke_ts": 2.0,
    "revoker_name": "bob",
    "package.name": "hello",
    "blocked": False,
}
REPO = {"id": 3, "tag_id": 3, "state": 1, "dist": False, "creation_ts": 1.0, "state_ts": 2.0}


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_records_with_any_value_anywhere(data: st.DataObject) -> None:
    """Whatever a hub's record holds, the record next to it becomes an event."""
    records = RecordReader(CONNECTION, UnusableItems("a test"))
    readers: list[tuple[dict[str, Any], Any]] = [
        (BUILD, lambda rows: records.builds(rows, 9.0)),
        (BUILD, records.promotions),
        (TASK, records.tasks),
        (TASK, records.opened_tasks),
        (LISTING, lambda rows: records.tags(rows, 1, {})),
        (LISTING, lambda rows: records.packages(rows, 1, {})),
        (REPO, lambda rows: records.repos(rows, {3: "t"}, {})),
    ]
    good, make_events = data.draw(st.sampled_from(readers))
    path = data.draw(st.sampled_from(paths_of(good)))
    bad = changed(good, path, data.draw(VALUES))
    alone = {event.key for event in make_events([good])}
    assert alone
    events = make_events([bad, good])
    # A row that claims to be the next version of the good one hides it, rightly.
    if good is not LISTING:
        assert alone <= {event.key for event in events}
    for event in events:
        assert event.name
        assert event.when is None or 0 <= event.when <= 253_402_300_799
        if event.build is not None:
            assert event.build.task_id is None or isinstance(event.build.task_id, int)
            assert event.build.gitbuildhash is None or isinstance(event.build.gitbuildhash, str)


@given(VALUES)
def test_values(value: Any) -> None:
    """A reader gives a value of its type, or None."""
    assert integer(value) is None or abs(integer(value) or 0) < 2**31
    assert seconds(value) is None or 0 <= (seconds(value) or 0) < 1e12
    assert text(value) is None or json.loads(json.dumps(text(value)).encode()) == value
    for reader in (read_build, read_task, read_rpm):
        with pytest.raises(UnusableRecord):
            reader(value)


def test_what_content_generators_write() -> None:
    """Values of other types in a build's ``extra`` are left out; an id in text is an id."""
    odd = [
        ({"extra": []}, None, None),
        ({"extra": {"source": "git+https://src.test/x#1"}}, None, None),
        ({"extra": {"container_koji_task_id": "17"}}, 17, None),
        ({"extra": {"container_koji_task_id": "later"}}, None, None),
        ({"extra": {"source": {"original_url": "x#" + 40 * "a"}}}, None, 40 * "a"),
    ]
    for more, task_id, commit in odd:
        unusable = UnusableItems("a test")
        rows = [{**BUILD, "task_id": None, **more}]
        [event] = RecordReader(CONNECTION, unusable).builds(rows, 9.0)
        assert not unusable.reasons
        assert event.build is not None
        assert (event.build.task_id, event.build.gitbuildhash) == (task_id, commit)


def test_many_patterns() -> None:
    """A name is compared with tens of thousands of names, and a glob, in little time."""
    names = [f"package-{number}" for number in range(40_000)]
    began = time.process_time()
    assert not matches("hello", names)
    assert matches("hello", [*names, "hel*"])
    assert time.process_time() - began < 1


@pytest.mark.parametrize("part", ["/", "//", ":/x", "@", "?#", "a"])
def test_huge_address(part: str) -> None:
    """An address of any length is shown in bounded time, without what it may hide."""
    began = time.process_time()
    shown = redacted(f"https://user:unseen@{part * (300_000 // len(part))}@host/")
    # Of slashes, the old pattern took minutes.
    assert time.process_time() - began < 2
    assert "unseen" not in shown
    assert len(shown) <= 300
