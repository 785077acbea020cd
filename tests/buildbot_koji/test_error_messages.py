"""What hubs say, with what to do about it."""

from __future__ import annotations

import time

import pytest

from buildbot_koji.error_messages import explain, unreachable, with_remedy
from txkoji.exceptions import ActionNotAllowed, GenericError, TransportError


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


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("package (image) box is blocked for tag images", "koji unblock-pkg images box"),
        ("Package hello is blocked in f44", "koji unblock-pkg f44 hello"),
        ("No such channel: big", "`koji list-channels` lists them"),
        ("Channel big is disabled.", "koji enable-channel big, or name another"),
        ("unknown build target: f99", "`koji list-targets` lists them"),
        ("No such build target: f99", "`koji list-targets` lists them"),
        ("No such tagInfo: 'f99'", "`koji list-tags` lists them"),
        ("No such entry in table tag: f99", "`koji list-tags` lists them"),
        ("image permission required (logged in as bot)", "koji grant-permission image bot"),
        (
            "image permission required (user not logged in)",
            "give util.KojiHub or the profile a login",
        ),
        (
            "you must be logged in for this operation",
            "give util.KojiHub or the profile a login",
        ),
        (
            "Unsuccessfully waited 120:00 for bash-5-1 to appear in the f44-build repo",
            "are they tagged into f44-build or a tag that it inherits, and the latest there?",
        ),
        ("the hub has no build target f99", "`koji list-targets` lists them"),
        ("the hub has no channel big", "`koji list-channels` lists them"),
        ("the hub has no tag f99", "`koji list-tags` lists them"),
        ("tag is locked", "koji edit-tag --unlock TAG"),
        ("not tagged into f44: tagBuild: tag is locked", "koji edit-tag --unlock f44"),
        ("tag f44-candidate is locked", "koji edit-tag --unlock f44-candidate"),
        ("tag requires livemedia permission", "koji grant-permission livemedia USER"),
        (
            "Not a sidetag: f44",
            "name one that KojiCreateSideTag or `koji add-sidetag` made",
        ),
        ("policy violation (vm)", "the hub's policy decides: ask its admins"),
    ],
)
def test_remedy(said: str, remedy: str) -> None:
    """What helps against a refusal follows its text, once, also where access is refused."""
    assert with_remedy(said) == f"{said}: {remedy}"
    assert with_remedy(with_remedy(said)) == with_remedy(said)
    assert explain(ActionNotAllowed(said)).endswith(f": {remedy}")


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
    seconds = []
    for words in ("Unsuccessfully waited a for a for a for ", "to appear in the ", "package "):
        said = words * (1_000_000 // len(words))
        began = time.thread_time()
        assert with_remedy(said) == said
        seconds.append(time.thread_time() - began)
    # They are compared with each other: the speed of the machine does not matter.
    assert max(seconds) < 6 * min(seconds)
