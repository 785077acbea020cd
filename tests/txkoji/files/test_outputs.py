"""What ``listTaskOutput`` answers is read by one module, whatever it is."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support import REPOSITORY
from txkoji.files import outputs

ASKS = re.compile(r"""(call\(|_detail\(connection, )"listTaskOutput\"""")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=9,
)


@given(VALUES)
def test_any_answer(answer: Any) -> None:
    """Any value of JSON is read, and gives names, sizes and volumes of the right types."""
    assert outputs.where(answer, "build.log") is None
    for name, sizes in outputs.volumes(answer).items():
        assert isinstance(name, str)
        assert sizes
        assert all(size is None or size >= 0 for size in sizes.values())
        assert outputs.where(answer, name) is not None


@pytest.mark.parametrize(
    "stat",
    [None, "text", [], 7, {}, {"st_size": None}, {"st_size": "many"}, {"st_size": -1},
     {"st_size": True}, {"st_size": "9" * 99}, {"st_size": 1.5}],
)  # fmt: skip
def test_odd_file(stat: Any) -> None:
    """A file whose size is no size has none; its neighbors have theirs."""
    answer = {"a.log": {"DEFAULT": stat}, "b.log": {"v": {"st_size": "3000000000"}}, "c.log": stat}
    assert outputs.where(answer, "a.log") == (None, None)
    assert outputs.where(answer, "b.log") == ("v", 3_000_000_000)
    assert outputs.where(answer, "d.log") is None


def test_volumes() -> None:
    """The default volume comes first; what is on no volume, or has no name, is left out."""
    on_two = {"elsewhere": {"st_size": "1"}, "DEFAULT": {"st_size": "2"}}
    found = outputs.volumes({"b": on_two, "a": {"DEFAULT": None}, "": on_two, "c": {}, "d": "x"})
    assert list(found) == ["a", "b"]
    assert list(found["b"].items()) == [("DEFAULT", 2), ("elsewhere", 1)]
    assert found["a"] == {"DEFAULT": None}


def test_nothing_else_reads_it() -> None:
    """No other module parses the answer."""
    askers = {
        str(path.relative_to(REPOSITORY))
        for package in ("txkoji", "buildbot_koji")
        for path in (REPOSITORY / package).rglob("*.py")
        if "testing" not in path.parts and ASKS.search(path.read_text("utf-8"))
    }
    assert askers == {
        "txkoji/connection.py",
        "txkoji/files/downloads.py",
        "txkoji/files/logs.py",
        "txkoji/outcomes.py",
    }
