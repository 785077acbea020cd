"""Which Koji build a Buildbot build is about, and the builders' votes on it."""

from __future__ import annotations

import pytest
from buildbot.process.results import FAILURE, SUCCESS, WARNINGS

from buildbot_koji.hubs.builds import BuildName
from buildbot_koji.reporters import votes
from buildbot_koji.reporters.votes import Vote, Votes, subject_of, worst


@pytest.mark.parametrize(
    ("properties", "subject"),
    [
        ({}, None),
        ({"koji_build_id": (5, "Koji"), "koji_nvr": ("a-1-1", "Koji")}, BuildName(5, "a-1-1")),
        ({"koji_build_id": (5, "Change"), "koji_nvr": ("a-1-1", "Koji")}, BuildName(5, None)),
        ({"koji_nvr": ("a-1-1", "Koji")}, None),
        ({"koji_nvr": ("a-1-1", "Change")}, BuildName(None, "a-1-1")),
        ({"koji_build_id": ("5", "Form"), "koji_nvr": ("", "Form")}, BuildName(5, None)),
        ({"koji_build_id": ("", "Form"), "koji_nvr": ("", "Form")}, None),
        ({"koji_build_id": ("five", "Form")}, None),
        ({"koji_build_id": ("9" * 5000, "Form")}, None),
        (
            {"koji_build_id": (2**31, "Form"), "koji_nvr": ("a-1-1", "Form")},
            BuildName(None, "a-1-1"),
        ),
        ({"koji_build_id": (True, "Form")}, None),
    ],
)
def test_subject(properties: dict[str, tuple[object, str]], subject: BuildName | None) -> None:
    """The id counts; a name alone counts where no scratch build has set it."""
    assert subject_of(properties) == subject


def test_newest_vote() -> None:
    """The newest vote of a builder counts, in whatever order they come."""
    counted = Votes()
    subject = BuildName(5, "a-1-1")
    counted.add(subject, "one", Vote(7, SUCCESS))
    group = counted.add(subject, "one", Vote(3, FAILURE))
    assert group == {"one": Vote(7, SUCCESS)}


def test_names_and_ids() -> None:
    """Votes by name and votes by id meet, and other builds' votes don't."""
    counted = Votes()
    counted.add(BuildName(None, "a-1-1"), "one", Vote(1, SUCCESS))
    counted.add(BuildName(6, "a-1-2"), "one", Vote(2, SUCCESS))
    counted.add(BuildName(5, "a-1-1"), "two", Vote(3, SUCCESS))
    assert set(counted.add(BuildName(5, None), "three", Vote(4, SUCCESS))) == {
        "one",
        "two",
        "three",
    }
    # Its promotion renames a draft; a restored hub gives its id to another build.
    draft = BuildName(7, "a-1-3,draft_7")
    counted.add(draft, "one", Vote(5, SUCCESS))
    promoted, other = BuildName(7, "a-1-3"), BuildName(7, "b-1-1")
    assert len(counted.add(promoted, "two", Vote(6, SUCCESS))) == 2
    assert set(counted.add(other, "two", Vote(7, SUCCESS))) == {"two"}
    assert set(counted.add(BuildName(8, "a-1-2"), "two", Vote(8, SUCCESS))) == {"two"}
    assert set(counted.add(other, "three", Vote(9, SUCCESS))) == {"two", "three"}


def test_worst() -> None:
    """The worst of all votes counts."""
    assert worst([Vote(1, SUCCESS), Vote(2, WARNINGS)]) == WARNINGS
    assert worst([Vote(1, FAILURE), Vote(2, SUCCESS)]) == FAILURE


def test_memory() -> None:
    """Only so many Koji builds are remembered, the newest."""
    counted = Votes()
    for number in range(votes.MOST_SUBJECTS + 10):
        counted.add(BuildName(number, f"a-1-{number}"), "one", Vote(number, SUCCESS))
    assert set(counted.add(BuildName(0, None), "two", Vote(0, SUCCESS))) == {"two"}
    last = BuildName(votes.MOST_SUBJECTS + 9, None)
    assert set(counted.add(last, "two", Vote(0, SUCCESS))) == {"one", "two"}
