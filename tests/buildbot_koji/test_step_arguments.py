"""What each step takes, and what it says of a mistake, at ``buildbot checkconfig``."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import Any

import pytest
from buildbot.config.errors import capture_config_errors
from buildbot.plugins import steps, util

from buildbot_koji import checks

NAMES = sorted(
    entry.name
    for entry in entry_points(group="buildbot.steps")
    if "buildbot_koji.steps." in entry.value
)
COMMON = {"profile": "koji", "timeout": 60}
TASK = {**COMMON, "max_queue_time": 60.5, "on_stop": "leave"}
PRIORITY = {**TASK, "priority": 3}
REPO = {"debuginfo": True, "source": True, "separate_source": True}
GIT = "git+https://host/path.git#main"

GOOD: dict[str, list[dict[str, Any]]] = {
    "KojiBuild": [
        {
            **PRIORITY,
            "target": "f44",
            "source": GIT,
            "scratch": True,
            "skip_tag": True,
            "arch_override": ["x86_64"],
            "repo_id": 7,
            "wait_repo": True,
            "wait_builds": ["bash-5-1"],
            "fail_fast": True,
            "rebuild_srpm": False,
            "custom_user_metadata": {"a": 1},
            "channel": "big",
        },
        {"profile": "koji", "repo_id": 7, "source": GIT, "draft": True, "background": True},
    ],
    "KojiCall": [
        {
            **COMMON,
            "method": "getTag",
            "args": ["f44"],
            "kwargs": {"strict": True},
            "property": "found",
            "login": False,
            "repeatable": True,
        }
    ],
    "KojiCancel": [
        {**COMMON, "tasks": [1, 2], "builds": "a-1-1 b-1-1", "justone": True},
        {"profile": "koji", "tasks": 1, "full": True, "force": True},
    ],
    "KojiCreateSideTag": [
        {**COMMON, "basetag": "f44-build", "debuginfo": True, "suffix": "x", "property": "tag"}
    ],
    "KojiMove": [
        {**COMMON, "from_tag": "a", "to_tag": 7, "builds": ["a-1-1", 8], "force": True},
        {"profile": "koji", "from_tag": "a", "to_tag": "b", "builds": "bash", "all": True},
    ],
    "KojiPromote": [{**COMMON, "draft": "a-1-1,draft_7", "force": True}],
    "KojiRegenRepo": [
        {**COMMON, **REPO, "tag": 7, "make_task": True},
        {"profile": "koji", "target": "f44"},
    ],
    "KojiRemoveSideTag": [{**COMMON, "sidetags": "a b"}],
    "KojiTag": [{**COMMON, "tag": "f44", "builds": "a-1-1 b-1-1", "force": True}],
    "KojiUntag": [
        {**COMMON, "tag": "f44", "builds": "a-1-1", "force": True},
        {"profile": "koji", "tag": 7, "builds": ["bash", "tar"], "all": True},
        {"profile": "koji", "tag": 7, "builds": "bash", "non_latest": True},
    ],
    "KojiWaitRepo": [
        {**COMMON, **REPO, "tag": "f44-build", "builds": "a-1-1", "min_event": 7},
        {"profile": "koji", "target": "f44", "at_event": 7, "request": False},
        {"profile": "koji", "target": "f44", "current": True},
    ],
}
"""Arguments that are good, all of each step."""


def mistakes(name: str, arguments: dict[str, Any]) -> list[str]:
    """Return what a configuration with this step is told."""
    with capture_config_errors() as errors:
        getattr(steps, name)(**arguments)
    return list(errors.errors)


@pytest.mark.parametrize("name", NAMES)
def test_good_arguments(name: str) -> None:
    """Every argument of a step is taken, as it is and as a renderable."""
    given: set[str] = set()
    for arguments in GOOD[name]:
        assert mistakes(name, arguments) == []
        assert mistakes(name, {each: util.Property("x") for each in arguments}) == []
        given |= arguments.keys()
    assert given == getattr(steps, name).arguments.keys()


@pytest.mark.parametrize("name", NAMES)
def test_values_of_the_wrong_kind(name: str) -> None:
    """A value of the wrong kind is one line that names the argument and what it must be."""
    for each in getattr(steps, name).arguments:
        good = next(arguments for arguments in GOOD[name] if each in arguments)
        found = mistakes(name, {**good, each: object()})
        [line] = [line for line in found if line.startswith(f"{name}: {each}=<object object")]
        assert " must " in line


@pytest.mark.parametrize("name", NAMES)
def test_missing_arguments(name: str) -> None:
    """An argument that must be given is missed."""
    needed = [each for each, one in getattr(steps, name).arguments.items() if one.required]
    assert "profile" in needed
    for each in needed:
        good = {**GOOD[name][0]}
        del good[each]
        assert f"{name}: {each} is missing" in mistakes(name, good)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_arguments(name: str) -> None:
    """An argument that a step does not have is named."""
    [complaint] = mistakes(name, {**GOOD[name][0], "srcatch": True})
    assert "srcatch" in complaint
    assert name in complaint


@pytest.mark.parametrize("name", NAMES)
def test_documentation(name: str) -> None:
    """Each argument is in the documentation of its step, and no sentence ends twice."""
    step = getattr(steps, name)
    for each, one in step.arguments.items():
        assert f"    {each}: {one.meaning}." in step.__doc__
        assert not one.meaning.endswith(".")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("KojiCancel", {}, "tasks or builds must be given"),
        ("KojiCancel", {"tasks": 1, "justone": True, "full": True}, "justone and full exclude"),
        ("KojiCancel", {"tasks": 1, "force": True}, "force is for a full cancellation"),
        ("KojiCancel", {"tasks": ["1"]}, "tasks=['1'] must be a list of whole numbers, or one"),
        ("KojiMove", {"from_tag": "a", "to_tag": "b", "builds": "bash"}, "must be NVRs"),
        ("KojiTag", {"tag": "a", "builds": []}, "builds=[] must be NVRs"),
        ("KojiTag", {"tag": "", "builds": "a-1-1"}, "tag='' must be a name or an id"),
        ("KojiPromote", {"draft": "bash"}, "must be an NVR (name-version-release) or a build's id"),
        ("KojiUntag", {"tag": "a", "builds": "bash"}, "must be NVRs"),
        ("KojiUntag", {"tag": "a", "builds": "b", "all": True, "non_latest": True}, "exclude"),
        ("KojiWaitRepo", {}, "give either tag or target"),
        ("KojiRegenRepo", {"tag": "a", "target": "b"}, "give either tag or target"),
        (
            "KojiWaitRepo",
            {"tag": "a", "min_event": 1, "at_event": 2, "current": True},
            "min_event and at_event and current exclude each other",
        ),
        ("KojiCall", {"method": "getTag", "args": "f44"}, "args='f44' must be a list"),
    ],
)
def test_what_does_not_go_together(name: str, arguments: dict[str, Any], words: str) -> None:
    """A bad value, or arguments that exclude each other, are one line that says what to do."""
    [complaint] = mistakes(name, {"profile": "koji", **arguments})
    assert complaint.startswith(f"{name}: ")
    assert words in complaint


def test_too_many_positional_arguments() -> None:
    """Only a few arguments go without their names."""
    with capture_config_errors() as errors:
        steps.KojiTag("koji", "f44", tag="f44", builds="a-1-1")
    assert errors.errors == ["KojiTag: give all arguments after profile by their names"]
    with capture_config_errors() as errors:
        steps.KojiTag("koji", profile="koji", tag="f44", builds="a-1-1")
    assert errors.errors == ["KojiTag: profile is given twice"]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.build, ["a-1-1", "a-b-1-1", 7], ["a-1", "a-1-1 b-1-1", 0, True, ""]),
        (checks.builds, ["a-1-1 b-1-1", ["a-1-1", 3], 3], [[], "", "a", ["a-1-1 b-1-1"], None]),
        (checks.names_or_ids, ["a b", ["a", 3], 3], [[], "", [""], -1]),
        (checks.integers, [[1, 2], 1, []], ["1", [1.5], True]),
    ],
)
def test_checks(check: Any, good: list[Any], bad: list[Any]) -> None:
    """Checks take what they should, and say of the rest what it must be."""
    assert [value for value in good if check(value) is not None] == []
    assert [value for value in bad if not re.match("must ", check(value) or "")] == []
