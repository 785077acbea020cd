"""Whatever a hub sends becomes values that the master's database accepts."""

from __future__ import annotations

import json
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import CancelledError, FirstError
from twisted.python.failure import Failure

from buildbot_koji.changes.mapping import change_of, fitted
from buildbot_koji.changes.selection import Selection
from buildbot_koji.changes.set_aside import is_passing
from buildbot_koji.database_values import (
    MAX_VALUE,
    clean_line,
    database_time,
    encoded_size,
    fit_properties,
    fit_text,
    member,
)
from buildbot_koji.durable.claims import ClaimLost
from txkoji import Event, TagUntag
from txkoji.build import Build
from txkoji.history.events import make

TEXT = 65_535
"""Bytes of the smallest Text column of Buildbot's databases."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def test_passing_behind_buildbots_own_errors() -> None:
    """Of several reads at a time Buildbot reports a FirstError: what is behind it decides."""
    for error, passing in ((CancelledError(), True), (ClaimLost(), True), (ValueError(), False)):
        assert is_passing(FirstError(Failure(FirstError(Failure(error), 0)), 1)) is passing
        assert is_passing(error) is passing


def tagged(*, rpms: int = 0, when: Any = 1.0, **struct: Any) -> Event:
    """Return the event of a build with some members of a struct."""
    connection: Any = SimpleNamespace(weburl="http://hub.test/koji")
    build = make(
        Build,
        {
            "build_id": 7,
            "name": "hello",
            "version": "1",
            "release": "1",
            "nvr": "hello-1-1",
            "package_name": "hello",
            "owner_name": "alice",
            "state": 1,
            "task_id": 5,
            **struct,
        },
        connection,
    )
    return TagUntag(
        connection=connection,
        event="Tag",
        build=build,
        tag_id=1,
        tag_name="f44-candidate",
        create_event=9,
        when=when,
        rpms=tuple(
            f"rust-web-sys+WebglCompressed{number:04}-devel-0.3.72-1.fc44.noarch"
            for number in range(rpms)
        ),
    )


def change(event: Event) -> dict[str, Any]:
    return change_of(event, source="koji", hub="fake", project=None)


@pytest.mark.parametrize(
    "struct",
    [
        {"extra": []},
        {"extra": "text"},
        {"extra": {"source": "git+https://git.example.test/x#1"}},
        {"extra": {"source": {"original_url": ["x"]}}},
        {"source": 5},
        {"extra": {"custom_user_metadata": "mine"}},
    ],
)
def test_odd_extra(struct: dict[str, Any]) -> None:
    """A build with anything in ``extra`` becomes a change, and matches no marker."""
    event = tagged(**struct)
    selection = Selection(ignore_marker=True)
    assert selection.may_fit(event)
    assert selection.fits(event)
    assert (change(event)["repository"], change(event)["revision"]) == ("hello", "hello-1-1")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("git+https://bob:hunter2@host.test/x.git#1", "git+https://host.test/x.git#1"),
        ("https://hunter2@host.test:8443/x@y.git?a#1", "https://host.test:8443/x@y.git?a#1"),
        ("git+HTTP://bob:hun@ter2@host.test/x.git#1", "git+HTTP://host.test/x.git#1"),
        ("git+https://bob:hunter2/@host.test/x.git#1", "git+https://host.test/x.git#1"),
        ("git+ssh://git:hunter2@host.test:22/x.git#1", "git+ssh://git@host.test:22/x.git#1"),
        ("svn+ssh://git@host.test:22/x@y.git#1@2", "svn+ssh://git@host.test:22/x@y.git#1@2"),
        ("git+https://host.test:443/x@y.git#1@2", "git+https://host.test:443/x@y.git#1@2"),
        ("git+https://[::1]:443/x@y.git#1", "git+https://[::1]:443/x@y.git#1"),
        ("git://host.test/x:y@z.git#1", "git://host.test/x:y@z.git#1"),
        ("cli-build/1.2/hello@1-1.src.rpm", "cli-build/1.2/hello@1-1.src.rpm"),
    ],
)
def test_source_with_a_password(given: str, shown: str) -> None:
    """Of a source everyone sees all but what logs in."""
    for struct in ({"source": given}, {"extra": {"source": {"original_url": given}}}):
        found = change(tagged(**struct))
        assert found["properties"]["koji_source"] == shown
        assert "hunter2" not in json.dumps(found)
        if "://" in shown:
            assert found["repository"] == shown.partition("#")[0].removeprefix("git+")


@pytest.mark.parametrize("when", [32503680000.0, -1.0, float("nan"), float("inf"), None])
def test_odd_time(when: Any) -> None:
    """A time that PostgreSQL's column can't hold is dropped."""
    assert change(tagged(when=when))["when_timestamp"] is None


def test_text() -> None:
    """Texts are cut at bytes, between characters; NUL and half a surrogate pair are replaced."""
    assert fit_text("äöü", 5) == "äö"
    assert fit_text("a\0b\ud800", 255) == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}"
    found = change(tagged(source="git+https://git.example.test/ä\0#" + "ü" * 300))
    assert len(found["revision"].encode()) <= 255
    assert "\0" not in found["repository"] + found["properties"]["koji_source"]


@pytest.mark.parametrize("part", ["\0", "\ud800", "\U0001f600", "é"])
def test_huge_text(part: str) -> None:
    """Of ten million characters those that may stay are read, not all."""
    text = part * 10_000_000
    began = time.thread_time()
    assert 0 < len(fit_text(text, 300).encode()) <= 300
    assert 0 < encoded_size(fit_properties({"a": text}, MAX_VALUE)) <= MAX_VALUE
    assert 0 < len(clean_line(text)) <= 10_000
    assert time.thread_time() - began < 0.5


def test_many_rpms() -> None:
    """A change takes at most one value of the database; what is cut is its largest property."""
    found = change(tagged(rpms=2000, source="git+https://git.example.test/x#1"))
    assert 50_000 < len(json.dumps(found)) <= MAX_VALUE < TEXT
    assert len(found["properties"]["koji_rpms"]) > 800
    assert found["properties"]["koji_source"] == "git+https://git.example.test/x#1"
    # Of a struct, too, only its largest members are cut.
    names = {"newer": ["n" * 250] * 300, "older": ["o"]}
    compared = fit_properties({"compared": {"same": 7, "packages": names}}, MAX_VALUE)["compared"]
    assert (compared["same"], compared["packages"]["older"]) == (7, ["o"])
    assert 200 < len(compared["packages"]["newer"]) < 300
    few = change(tagged(rpms=10))
    assert len(few["properties"]["koji_rpms"]) == 10


@given(st.dictionaries(st.text(max_size=5), JSON), st.integers(2, 300))
def test_properties(properties: dict[str, Any], size: int) -> None:
    """Any properties fit any size."""
    assert len(json.dumps(fit_properties(properties, size))) <= size


@given(JSON)
def test_any_value(value: Any) -> None:
    """No value breaks the readers, in any field."""
    when = database_time(value)
    assert when is None or 0 <= when < 2**31
    assert len(fit_text(value, 10).encode()) <= 10
    member(value, "a", "b")
    found = change(tagged(extra=value, source=value, owner_name=value, draft=value, when=value))
    assert len(json.dumps(found)) < TEXT
    assert json.dumps(fitted(found)) == json.dumps(found)
