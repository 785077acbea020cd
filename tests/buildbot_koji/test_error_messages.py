"""What hubs say, with what to do about it."""

from __future__ import annotations

import pytest

from buildbot_koji.error_messages import explain, unreachable, with_remedy
from txkoji.exceptions import GenericError, TransportError


@pytest.mark.parametrize(
    ("said", "command"),
    [
        ("tagBuild: Package hello not in list for f44", "f44 hello"),
        ("BuildError: package hello not in list for tag f44-candidate", "f44-candidate hello"),
        ("BuildError: package (image) box not in list for tag images", "images box"),
    ],
)
def test_package_is_not_listed(said: str, command: str) -> None:
    """The command that lists the package follows, once."""
    assert with_remedy(said) == f"{said}: koji add-pkg --owner OWNER {command}"
    assert with_remedy(with_remedy(said)) == with_remedy(said)


def test_unprintable() -> None:
    """What a terminal obeys, and what turns a line around, reaches no log and no page."""
    said = "no \x1b[2J\u202e such\n\x00tag"
    seen = "no \ufffd[2J\ufffd such \ufffdtag"
    assert explain(GenericError(said, method="getTag")).endswith(seen)
    assert unreachable(TransportError(said), 0, 0).endswith(seen)


def test_anything_else() -> None:
    """Other texts stay as they are."""
    assert with_remedy("error building package") == "error building package"


def test_megabytes() -> None:
    """A message that embeds another program's output is cut, whoever reports it."""
    assert len(explain(GenericError("word " * 1_000_000))) <= 10_000
