"""The table of hub methods."""

from __future__ import annotations

import pytest

from tests.support import DATA
from txkoji.hub import methods
from txkoji.hub.methods import Kind, kind

METHODS = (DATA / "hub_methods.txt").read_text().split()
WRITES = set((DATA / "hub_writes.txt").read_text().split())


def test_every_method_has_its_kind() -> None:
    """Each method of a real hub is in one table, or one of the writes, and in one only."""
    assert sorted([*methods.READS, *WRITES, *methods.SESSION_METHODS]) == sorted(METHODS)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("getTag", Kind.READ),
        ("listTagged", Kind.READ),
        ("getTaskInfo", Kind.READ),
        ("downloadTaskOutput", Kind.READ),
        ("build", Kind.WRITE),
        ("cancelTask", Kind.WRITE),
        ("tagBuildBypass", Kind.WRITE),
        ("repo.request", Kind.WRITE),
        ("someMethodOfAPlugin", Kind.WRITE),
        ("showSession", Kind.SESSION),
    ],
)
def test_kind(method: str, expected: Kind) -> None:
    """A method that is not known counts as a write: it is never sent twice by mistake."""
    assert kind(method) is expected


def test_point_lookups_are_reads() -> None:
    """Only reads are lookups that may travel together."""
    assert methods.POINT_LOOKUPS <= methods.READS


def test_writes_that_may_be_repeated() -> None:
    """What may be repeated is a write, and nothing that makes something."""
    assert methods.IDEMPOTENT_WRITES <= WRITES
    assert not {"build", "makeTask", "tagBuild", "createTag"} & methods.IDEMPOTENT_WRITES
