"""What each step takes, and what it says of a mistake, at ``buildbot checkconfig``."""

from __future__ import annotations

import re
from importlib.metadata import entry_points
from typing import Any

import pytest
from buildbot.plugins import steps, util

from buildbot_koji.arguments import checks
from tests.support.checkconfig import mistakes
from txkoji import INFRASTRUCTURE_FAULTS

NAMES = sorted(
    entry.name
    for entry in entry_points(group="buildbot.steps")
    if "buildbot_koji.steps." in entry.value
)
GIT = "git+https://host/path.git#main"
COMMON = {"profile": "koji", "timeout": 60, "hub_patience": 600}
TASK = {
    **COMMON,
    "max_queue_time": 60.5,
    "on_stop": "leave",
    "infra_retries": 2,
    "infra_faults": [1012, "disk full"],
    "live_logs": ["build.log", "root.log"],
    "live_log_bytes": 500_000,
}
PRIORITY = {**TASK, "priority": 3}
DOWNLOAD = {
    "to": "master",
    "directory": "rpms",
    "topurl": "https://host/files",
    "python": "/usr/bin/python3",
}
BUILD = {
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
}
MASS = {"profile": "koji", "target": "f44", "source": "git+https://host/{package}.git#main"}
IMAGE = {
    "image_name": "cloud",
    "version": "44",
    "target": "f44",
    "arches": ["x86_64", "aarch64"],
    "kickstart": "a.ks",
}
CONTAINER = {"target": "f44", "source": GIT, "git_branch": "main"}
OSBUILD = {
    "image_name": "cloud",
    "version": "44",
    "distro": "fedora-44",
    "target": "f44",
    "arches": "x86_64",
}
REPO = {"debuginfo": True, "source": True, "separate_source": True}

GOOD: dict[str, list[dict[str, Any]]] = {
    "KojiBuild": [
        {**PRIORITY, **BUILD, "target": "f44", "source": GIT, "existing": "fail"},
        {"profile": "koji", "repo_id": 7, "source": GIT, "draft": True, "background": True},
    ],
    "KojiCall": [
        {**COMMON, "method": "getTag", "args": ["f44"], "kwargs": {"strict": True},
         "property": "found", "login": False, "repeatable": True},
    ],
    "KojiCancel": [
        {**COMMON, "tasks": [1, 2], "builds": "a-1-1 b-1-1", "justone": True},
        {"profile": "koji", "tasks": 1, "full": True, "force": True},
    ],
    "KojiChainBuild": [
        {**PRIORITY, "target": "f44", "sources": [[GIT], [f"{GIT}2", "a-1-1"]], "channel": "big"},
        {"profile": "koji", "target": "f44", "sources": [[GIT], [f"{GIT}2"]], "background": True},
    ],
    "KojiContainerBuild": [
        {**PRIORITY, "target": "f44", "source": GIT, "git_branch": "main", "scratch": True,
         "arch_override": "x86_64 aarch64", "yum_repourls": ["https://host/a.repo"],
         "signing_intent": "release", "skip_build": True, "release": "1",
         "koji_parent_build": "a-1-1", "dependency_replacements": ["gomod:a:1"],
         "operator_csv_modifications_url": "https://host/a.json", "userdata": {"a": 1},
         "channel": "container"},
        {"profile": "koji", "background": True, "target": "f44", "source": GIT,
         "git_branch": "main", "isolated": True, "compose_ids": [1, 2]},
        {"profile": "koji", "target": "f44", "source": GIT, "git_branch": "main", "flatpak": True},
        {"profile": "koji", "target": "f44", "sources_of": "a-1-1", "signing_intent": "release"},
    ],
    "KojiCreateSideTag": [
        {**COMMON, "basetag": "f44-build", "debuginfo": True, "suffix": "x", "property": "tag"},
    ],
    "KojiDistRepo": [
        {**TASK, "files_on": "master", "tag": "f44", "keys": "aabbccdd 11223344",
         "arches": ["x86_64", "i686"], "with_src": True, "allow_missing_signatures": True,
         "split_debuginfo": True, "comps": "comps.xml", "multilib": "multilib.conf",
         "delta_rpms": [7, "f43"], "event": 7, "volume": "big", "non_latest": True,
         "inherit": False, "zck": True, "zck_dict_dir": "/dicts", "write_signed_rpms": True,
         "skip_stat": False},
        {"profile": "koji", "tag": 7, "keys": ["a"], "latest_n": 2,
         "skip_missing_signatures": True},
    ],
    "KojiBuildSRPM": [
        {**PRIORITY, **BUILD, "files_on": "master", "target": "f44", "srpm": "*.src.rpm"},
        {"profile": "koji", "repo_id": 7, "srpm": "a.src.rpm", "draft": True, "background": True},
    ],
    "KojiDownloadBuild": [
        {**COMMON, **DOWNLOAD, "build_name": "a-1-1", "arches": ["x86_64"], "debuginfo": True,
         "key": "aabbccdd", "fallback_unsigned": True, "nofailarch": True},
        {"profile": "koji", "build_name": "a", "latestfrom": "f44", "type": "image"},
        {"profile": "koji", "build_name": 7, "task_id": True},
        {"profile": "koji", "build_name": "a-1-1.x86_64", "rpm": True},
    ],
    "KojiDownloadTask": [
        {**COMMON, **DOWNLOAD, "task_id": 7, "arches": "x86_64", "with_logs": True, "all": True,
         "dirpertask": True, "parentonly": True, "filter": "a.*", "skip": "b", "match": ["*.log"],
         "wait": False},
    ],
    "KojiImageBuild": [
        {**PRIORITY, **IMAGE, "files_on": "master", "release": "1", "ksversion": "F44",
         "install_tree": "https://host/os", "distro": "Fedora-44", "repos": ["https://host/repo"],
         "format": "qcow2 raw-xz", "disk_size": 20, "ova_options": {"memory": "1"},
         "factory_parameters": {"docker_cmd": "[]"}, "noverifyssl": True, "can_fail": "aarch64",
         "specfile": GIT, "scratch": True, "skip_tag": True},
        {"profile": "koji", **IMAGE, "kind": "livemedia", "background": True, "ksurl": GIT,
         "volid": "F44", "lorax_dir": "a", "lorax_url": GIT, "nomacboot": True, "ksrepo": True,
         "squashfs_only": True, "compress_arg": ["-Xbcj x86"]},
        {"profile": "koji", **IMAGE, "kind": "appliance", "arches": "x86_64", "format": "qcow2",
         "vmem": 512, "vcpu": 2},
    ],
    "KojiKiwiBuild": [
        {**PRIORITY, "target": "f44", "description_scm": GIT, "description_path": "a/b",
         "arches": ["x86_64"], "can_fail": ["aarch64"], "scratch": True, "version": "1",
         "release": "2", "repos": ["https://host/repo"], "repo_releasever": "44",
         "buildroot_repo": False, "kiwi_profile": "p", "type": "oem", "type_attr": ["a=b"],
         "result_bundle_name_format": "%N", "make_prep": True},
        {"profile": "koji", "background": True, "target": "f44", "description_scm": GIT,
         "description_path": "a"},
    ],
    "KojiCompareTags": [
        {**COMMON, "tag": "f44", "other": 7, "inherit": False, "warn_if_different": True},
    ],
    "KojiMassTag": [
        {**COMMON, "from_tag": "f44-rebuild", "to_tag": "f44", "mass": 7, "mass_name": "rebuild",
         "bypass": True, "dry_run": True},
    ],
    "KojiMassBuild": [
        {**MASS, "packages_file": "packages.txt", "files_on": "master", "scratch": True,
         "arch_override": ["x86_64"], "wait_builds": ["bash-5-1"], "rebuild_srpm": True,
         "max_queue_time": 3600, "package_timeout": 7200, "background": True,
         "repo_patience": 600},
        {**COMMON, **MASS, "packages": ["bash", "gcc"], "requires": {"gcc": ["bash"]},
         "skip": {"bash": "too old"}, "since": "2026-11-01", "only": ["failed", "missing"],
         "earlier": 7, "at_once": 500, "only_when_idle": True, "stop_after_failures": "5%",
         "max_failures": 3, "max_packages": 20000, "skip_unknown": True, "draft": True,
         "skip_tag": True, "repo_id": 5, "wait_repo": True, "fail_fast": True,
         "custom_user_metadata": {"a": [1]}, "channel": "slow", "priority": 3, "existing": "fail",
         "infra_retries": 0, "infra_faults": [1, "disk full"], "on_stop": "leave"},
        {"profile": "koji", "target": "f44", "levels": [["glibc"], ["gcc"]], "source_tag": "f44"},
    ],
    "KojiMavenBuild": [
        {**PRIORITY, "target": "f44", "source": GIT, "patches": GIT, "specfile": GIT,
         "goals": ["test"], "profiles": ["p"], "packages": ["ant"], "jvm_options": ["-Xmx1g"],
         "maven_options": ["-e"], "maven_properties": {"a": "b", "c": None}, "envs": {"A": "b"},
         "debug": True, "scratch": True, "skip_tag": True, "channel": "maven2"},
        {"profile": "koji", "background": True, "target": "f44", "source": GIT},
    ],
    "KojiMove": [
        {**COMMON, "from_tag": "a", "to_tag": 7, "builds": ["a-1-1", 8], "force": True},
        {"profile": "koji", "from_tag": "a", "to_tag": "b", "builds": "bash", "all": True},
    ],
    "KojiOSBuild": [
        {**PRIORITY, "image_name": "cloud", "version": "44", "release": "1", "distro": "fedora-44",
         "target": "f44", "arches": "x86_64", "image_types": ["qcow2"],
         "repos": ["https://host/repo", {"baseurl": "https://host/b", "package_sets": ["p"]}],
         "ostree_parent": "a", "ostree_ref": "b", "ostree_url": "https://host/c",
         "customizations": {"packages": ["bash"]}, "upload_options": {"region": "r"},
         "skip_tag": True},
        {"profile": "koji", "background": True, "image_name": "cloud", "version": "44",
         "distro": "fedora-44", "target": "f44", "arches": ["x86_64"]},
    ],
    "KojiPromote": [
        {**COMMON, "draft": "a-1-1,draft_7", "force": True},
    ],
    "KojiRegenRepo": [
        {**COMMON, **REPO, "tag": 7, "make_task": True},
        {"profile": "koji", "target": "f44"},
    ],
    "KojiRemoveSideTag": [
        {**COMMON, "sidetags": "a b"},
    ],
    "KojiRunroot": [
        {**TASK, "tag": "f44-build", "arch": "x86_64", "command": ["ls", "/"], "packages": ["bash"],
         "mounts": ["/mnt"], "skip_setarch": True, "weight": 2, "channel": "runroot2",
         "new_chroot": False, "repo_id": 7, "upload_logs": ["/root/a.log"]},
        {"profile": "koji", "tag": 7, "arch": "x86_64", "command": "ls / | wc"},
    ],
    "KojiTag": [
        {**COMMON, "tag": "f44", "builds": "a-1-1 b-1-1", "force": True},
    ],
    "KojiTask": [
        {**TASK, "method": "sleep", "args": [1], "kwargs": {"n": 1}, "channel": "default",
         "priority": 20, "arch": "noarch"},
        {"profile": "koji", "method": "saveFailedTree", "args": [7], "hub_method": True},
    ],
    "KojiUntag": [
        {**COMMON, "tag": "f44", "builds": "a-1-1", "force": True},
        {"profile": "koji", "tag": 7, "builds": ["bash", "tar"], "all": True},
        {"profile": "koji", "tag": 7, "builds": "bash", "non_latest": True},
    ],
    "KojiWinBuild": [
        {**PRIORITY, "target": "f44", "source": GIT, "vm": "win11", "winspec": GIT, "patches": GIT,
         "cpus": 2, "mem": 4096, "static_mac": True, "specfile": GIT, "scratch": True,
         "skip_tag": True, "channel": "vm2"},
        {"profile": "koji", "repo_id": 7, "source": GIT, "vm": "win11", "background": True},
    ],
    "KojiWaitRepo": [
        {**COMMON, **REPO, "tag": "f44-build", "builds": "a-1-1", "min_event": 7},
        {"profile": "koji", "target": "f44", "at_event": 7, "request": False},
        {"profile": "koji", "target": "f44", "current": True},
    ],
}  # fmt: skip
"""Arguments that are good, all of each step."""


@pytest.mark.parametrize("name", NAMES)
def test_good_arguments(name: str) -> None:
    """Every argument of a step is accepted, plain and as a renderable."""
    given, kind = set[str](), getattr(steps, name)
    for arguments in GOOD[name]:
        assert mistakes(kind, **arguments) == []
        step = kind(**arguments)
        assert {each: getattr(step, each) for each in arguments} == arguments
        assert mistakes(kind, **{each: util.Property("x") for each in arguments}) == []
        given |= arguments.keys()
    assert given == kind.arguments.keys()


@pytest.mark.parametrize("name", NAMES)
def test_values_of_the_wrong_kind(name: str) -> None:
    """A value of the wrong kind is one line that names the argument and what it must be."""
    for each in getattr(steps, name).arguments:
        good = next(arguments for arguments in GOOD[name] if each in arguments)
        found = mistakes(getattr(steps, name), **{**good, each: object()})
        [line] = [line for line in found if line.startswith(f"{name}: {each}=<object> ")]
        assert " must " in line


@pytest.mark.parametrize("name", NAMES)
def test_missing_and_unknown_arguments(name: str) -> None:
    """An argument that must be given is missed; one that a step does not have is named."""
    needed = [each for each, one in getattr(steps, name).arguments.items() if one.required]
    assert "profile" in needed
    for each in needed:
        good = {**GOOD[name][0]}
        del good[each]
        assert f"{name}: {each} is missing" in mistakes(getattr(steps, name), **good)
    [complaint] = mistakes(getattr(steps, name), **GOOD[name][0], srcatch=True)
    assert "srcatch" in complaint
    assert name in complaint


@pytest.mark.parametrize("name", NAMES)
def test_documentation(name: str) -> None:
    """Each argument is in the documentation of its step, and no sentence ends twice."""
    step = getattr(steps, name)
    meanings = {each: one.meaning for each, one in step.arguments.items()}
    assert "profile" in meanings
    written = step.__doc__.replace("\n        ", " ")
    for each, meaning in meanings.items():
        assert f"    {each}: {meaning}." in written
        assert not meaning.endswith(".")


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("KojiCancel", {}, "tasks is missing: required unless builds is given"),
        ("KojiCancel", {"tasks": 1, "justone": True, "full": True}, "justone and full exclude"),
        ("KojiCancel", {"tasks": 1, "force": True}, "force can't be used without full"),
        ("KojiCancel", {"tasks": ["1"]}, "tasks=['1'] must be a list of ids, or one"),
        ("KojiMove", {"from_tag": "a", "to_tag": "b", "builds": "bash"}, "must be NVRs"),
        ("KojiTag", {"tag": "a", "builds": []}, "builds=[] must be NVRs"),
        ("KojiTag", {"tag": "", "builds": "a-1-1"}, "tag='' must be a name or an id"),
        ("KojiTag", {"tag": " a", "builds": "a-1-1"}, "tag=' a' must have no white space around"),
        ("KojiWaitRepo", {"target": "a\n"}, "target='a\\n' must have no white space around"),
        ("KojiCall", {"method": "a", "property": "p" * 201},
         "must be at most 200 characters, none"),
        ("KojiCreateSideTag", {"basetag": "a", "property": "a\U0001f600"}, "a control character"),
        ("KojiPromote", {"draft": "bash"}, "must be an NVR (name-version-release) or a build's id"),
        ("KojiUntag", {"tag": "a", "builds": "bash"}, "must be NVRs"),
        ("KojiUntag", {"tag": "a", "builds": "b", "all": True, "non_latest": True}, "exclude"),
        ("KojiChainBuild", {"target": "a", "sources": [[GIT]]}, "has one level only: use a KojiB"),
        ("KojiChainBuild", {"target": "a", "sources": [[GIT], ["git+https://my-host/a-b.git#"]]},
         "which names no revision: append #ref"),
        ("KojiBuild", {"target": "a", "source": "git+https://h/a.git#"}, "names no revision"),
        ("KojiBuild", {"target": "a", "source": "git+https://h/a.git#a "}, "holds white space"),
        ("KojiChainBuild", {"target": "a", "sources": [GIT, GIT]}, "must be a list of levels"),
        ("KojiChainBuild", {"target": "a", "sources": [[GIT], ["a-1-1"], ["a-1-1"], [GIT]]},
         "twice: the second build would have the NVR of the first"),
        ("KojiChainBuild", {"target": "a", "sources": [[GIT], ["a"]]}, "has 'a', which must be"),
        ("KojiContainerBuild", {"target": "a", "source": GIT},
         "source can't be used without git_branch"),
        ("KojiContainerBuild", {"target": "a"}, "source is missing: required unless sources_of is"),
        ("KojiContainerBuild", {"target": "a", "sources_of": 7, "release": "1"},
         "sources_of and release exclude each other"),
        ("KojiContainerBuild", {**CONTAINER, "arch_override": "a"}, "without scratch or isolated"),
        ("KojiContainerBuild", {**CONTAINER, "scratch": True, "isolated": True}, "exclude"),
        ("KojiContainerBuild", {**CONTAINER, "flatpak": True, "release": "1"},
         "flatpak and release"),
        ("KojiContainerBuild", {**CONTAINER, "signing_intent": "a", "compose_ids": 1},
         "signing_intent and compose_ids exclude each other"),
        ("KojiDistRepo", {"tag": "a", "keys": "b", "non_latest": True, "latest_n": 1}, "exclude"),
        ("KojiDistRepo", {"tag": "a", "keys": "b", "arches": "x86_64", "multilib": "c"},
         "multilib requires the architecture i686 beside x86_64"),
        ("KojiBuildSRPM", {"target": "f44", "srpm": "a.spec"}, "must be the path of a .src.rpm"),
        ("KojiDownloadBuild", {"build_name": 7, "to": "master"}, 'required with to="master"'),
        ("KojiDownloadBuild", {"build_name": 7, "rpm": True, "task_id": True}, "exclude each"),
        ("KojiDownloadBuild", {"build_name": 7, "type": "win", "key": "a"},
         "type and key exclude each"),
        ("KojiDownloadBuild", {"build_name": 7, "fallback_unsigned": True}, "without key"),
        ("KojiDownloadTask", {"task_id": 7, "filter": "("}, "must be a regular expression"),
        *[
            ("KojiDownloadTask", {"task_id": 7, **pattern}, "a pattern of 1,001 characters, which")
            for pattern in ({"filter": "a" * 1001}, {"match": ["*", "a" * 1001]})
        ],
        ("KojiTask", {"method": "a", "infra_faults": ["a" * 1001]}, "a pattern of 1,001 char"),
        *[
            (name, {**arguments, key: wrap(pattern)}, "could freeze the master for hours")
            for name, arguments, key, wrap in (
                ("KojiDownloadTask", {"task_id": 7}, "filter", str),
                ("KojiTask", {"method": "a"}, "infra_faults", lambda each: ["disk full", each]),
            )
            for pattern in (
                "(a+)+$",
                r"(\w+\s?)*$",
                "(a|b|ab)*$",
                "(a?){50}b",
                "((a{1,9}){1,9}){1,9}b",
                r"(?:(?:x|\w)+-?)+z",
                r"(a)(\1+)+b",
                ".*".join("abcde"),
            )
        ],
        ("KojiImageBuild", {**IMAGE, "install_tree": "https://host/os"}, "distro is missing"),
        ("KojiImageBuild", {**IMAGE, "kind": "livecd"}, "must be one: of a livecd there is one"),
        ("KojiImageBuild", {**IMAGE, "kind": "livemedia", "distro": "Fedora-44"},
         "distro is not for a livemedia: only for image"),
        ("KojiImageBuild", {**IMAGE, "kind": "appliance", "arches": "x86_64", "format": "jpeg"},
         "format='jpeg' must be of docker, "),
        ("KojiMassBuild", {**MASS, "source": GIT, "packages": ["a"]}, "must contain {package}"),
        ("KojiMassBuild", {**MASS, "packages": []}, "packages is empty: there is nothing to build"),
        ("KojiMassBuild", {**MASS, "packages": "a b/c"}, "holds 'b/c', which is no package name"),
        ("KojiMassBuild", MASS,
         "packages is missing: give packages, packages_file, levels or requires"),
        ("KojiMassBuild", {**MASS, "packages": "a", "max_failures": "x%"}, 'or "5%"'),
        ("KojiMavenBuild", {"target": "a", "source": GIT, "envs": {"A": None}}, "of strings"),
        ("KojiMavenBuild", {"target": "a", "source": "cli-build/x/a-1-1.src.rpm"},
         "must be an SCM URL such as git+https://host/path.git#ref"),
        ("KojiChainBuild", {"target": "a", "sources": [[GIT], ["cli-build/x/a-1-1.src.rpm"]]},
         "must be an SCM URL such as git+https://host/path.git#ref"),
        ("KojiOSBuild", {**OSBUILD, "repos": [{"baseurl": ""}]}, "must be a list of URLs, or"),
        ("KojiTask", {"method": "a", "hub_method": True}, "is none of the hub's methods that make"),
        ("KojiTask", {"method": "newRepo", "hub_method": True, "channel": "a"},
         "hub_method and channel exclude each other"),
        ("KojiWinBuild", {"source": GIT, "vm": "w"}, "target is missing: required unless repo_id"),
        ("KojiWaitRepo", {}, "tag is missing: required unless target is given"),
        ("KojiRegenRepo", {"tag": "a", "target": "b"}, "tag and target exclude each other"),
        ("KojiWaitRepo", {"tag": "a", "min_event": 1, "at_event": 2, "current": True},
         "min_event, at_event and current exclude each other"),
        ("KojiCall", {"method": "logout"}, "changes the session, which all plugins share"),
        ("KojiCall", {"method": "getTag", "args": "f44"}, "args='f44' must be a list"),
    ],
)  # fmt: skip
def test_what_does_not_go_together(name: str, arguments: dict[str, Any], words: str) -> None:
    """A bad value, or arguments that exclude each other, are one line that says what to do."""
    [complaint] = mistakes(getattr(steps, name), **{"profile": "koji", **arguments})
    assert complaint.startswith(f"{name}: ")
    assert words in complaint


def test_too_many_positional_arguments() -> None:
    """Only a few arguments go without their names."""
    found = mistakes(steps.KojiTag, "koji", "f44", tag="f44", builds="a-1-1")
    assert found == ["KojiTag: give all arguments after profile by their names"]
    found = mistakes(steps.KojiTag, "koji", profile="koji", tag="f44", builds="a-1-1")
    assert found == ["KojiTag: profile is given twice"]


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (checks.build, ["a-1-1", "a-b-1-1", 7], ["a-1", "a--1", "a-1-1 b-1-1", 0, True, ""]),
        (checks.builds, ["a-1-1 b-1-1", ["a-1-1", 3], 3], [[], "", "a", ["a-1-1 b-1-1"], None]),
        (checks.names_or_ids, ["a b", ["a", 3], 3], [[], "", [""], -1]),
        (checks.ids, [[1, 2], 1, []], ["1", [1.5], True, 0, [-1]]),
        (
            checks.regex,
            [
                r"^(foo|bar)+-.*-debug.*\.(noarch|x86_64)\.rpm$",
                r"(-\w+)+(\.[0-9a-f]{1,4})*x",
                r"^(?!kernel)(?>\w+)(?P<a>-)?(?(a)b|c)",
            ],
            ["(", ""],
        ),
        (checks.faults, [[*INFRASTRUCTURE_FAULTS, "waited .{1,90} for .{1,90} repo"]], ["a"]),
    ],
)
def test_checks(check: Any, good: list[Any], bad: list[Any]) -> None:
    """Checks take what they should, and say of the rest what it must be."""
    assert [value for value in good if check(value) is not None] == []
    assert [value for value in bad if not re.match("must ", check(value) or "")] == []


def test_mass_builds_have_the_options_of_a_build() -> None:
    """What ``KojiBuild`` takes ``KojiMassBuild`` takes, except the logs of thousands of tasks."""
    missing = set(steps.KojiBuild.arguments) - set(steps.KojiMassBuild.arguments)
    assert missing == {"live_logs", "live_log_bytes"}


def test_large_constants() -> None:
    """A long list without a renderable is not rendered, nor checked again, in each build."""
    names = [f"package-{number}" for number in range(500)]
    given = {**MASS, "packages": names, "requires": {"package-1": [util.Property("other")]}}
    given["skip"] = dict.fromkeys(names, "obsolete")
    # What Buildbot does for each build.
    step = steps.KojiMassBuild(**given)._factory.buildStep()
    assert step.packages.getRenderingFor(None) is names
    assert step.skip.getRenderingFor(None) is given["skip"]
    assert step.requires.value is given["requires"]
    rendered = {"packages": names, "skip": given["skip"], "requires": {"package-1": ["bad name/"]}}
    for name, value in rendered.items():
        setattr(step, name, value)
    step.take_rendered()
    assert step.declared_values["packages"] is names
    assert step.complaints() == []
    step.requires = {"package-1": "package-2"}
    [complaint] = step.complaints()
    assert complaint.startswith("requires={'package-1': 'package-2'} must be")


def test_long_values() -> None:
    """A value of any length is checked in linear time: no pattern backtracks."""
    for value in ("a-" * 200_000 + " ", "-" * 400_000 + "/", " " * 400_000 + "x"):
        assert checks.build(value) is not None
