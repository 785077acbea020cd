"""Odd, wrong and unprivileged calls: the embedded hub answers them as the real hub did.

``differences.jsonl`` holds the calls that an earlier embedded hub answered unlike a real one. Each
is made again on a hub with the same tags, users and builds, and its reply is compared: faults by
code and text, values by their shape.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.support import DATA
from txkoji.exceptions import HubFault
from txkoji.testing import FakeHub
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.dispatch import run_method
from txkoji.testing.methods.sessions import SSL
from txkoji.testing.tables.lookups.users import find_user

ROWS = [
    json.loads(line)
    for line in (DATA / "differences.jsonl").read_text(encoding="utf-8").splitlines()
]
START = 1795454160.25
SCM = "git+http://localhost:18080/git/{}.git#{}"
USERS = {"anon": None, "user": "builder-user", "admin": "kojiadmin"}
RECORDED_TASKS = {20: "build", 26: "buildArch", 34: "build"}
"""The ids of tasks that the recorded calls name, with their methods."""


def shape(value: Any) -> Any:
    """Return a value with numbers, times and digests replaced by their types."""
    if isinstance(value, dict):
        return {str(key): shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    if isinstance(value, str):
        if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d.*", value):
            return "TIME"
        return "HASH" if re.fullmatch(r"[0-9a-f]{32,}", value) else value
    if isinstance(value, bool) or value is None:
        return value
    return type(value).__name__


def alike(real: Any, ours: Any) -> bool:
    """Compare two shapes: keys and types, the first item of lists, and texts that are short."""
    if isinstance(real, dict) and isinstance(ours, dict):
        return real.keys() == ours.keys() and all(alike(real[key], ours[key]) for key in real)
    if isinstance(real, list) and isinstance(ours, list):
        return not real or not ours or alike(real[0], ours[0])
    if real is None or ours is None:
        # A column may be empty on one hub.
        return real is ours
    return type(real) is type(ours)


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    """An embedded hub with the recorded one's tags, users, packages and builds."""
    clock = Clock()
    clock.advance(START)
    hub = FakeHub(clock, build_seconds=1.0)
    hub.without_plugins("kiwi", "containerbuild", "osbuild")
    hub.add_user("builder-user")
    hub.add_host("builder1", "x86_64 aarch64 noarch", channels=("default", "createrepo"))
    hub.add_tag("dist")
    hub.add_tag("dist-build", parent="dist", arches="x86_64 aarch64")
    for name in ("dist-candidate", "dist-testing", "dist-stable"):
        hub.add_tag(name, parent="dist" if name == "dist-stable" else None)
    for name in ("locked", "frozen", "perm", "dd-dup", "dd-lock", "dd-perm"):
        hub.add_tag(name)
    for name in ("locked", "dd-lock"):
        hub.call("editTag2", name, locked=True)
    for name in ("perm", "dd-perm"):
        hub.call("editTag2", name, perm="sign")
    hub.call("addChannel", "runroot")
    hub.deny("tag", "tag is frozen", tag="frozen")
    hub.add_target("dist-candidate", "dist-build", "dist-candidate")
    tags = ("dist", "dist-candidate", "dist-testing", "dist-stable", "locked", "frozen", "perm")
    for tag in (*tags, "dd-lock", "dd-perm"):
        for package in ("hello", "world"):
            hub.add_package(tag, package, owner="builder-user")
    hub.add_repo("dist-build")
    for package in ("world", "hello"):
        options: dict[str, Any] = {"custom_user_metadata": {}, "wait_builds": []}
        hub.call("build", SCM.format(package, 1), "dist-candidate", options, user="builder-user")
        for _ in range(100):
            clock.advance(0.05)
    hub.call("repo.request", "dist-build", force=True)
    yield hub
    hub.builder.stop()


def outcome(hub: FakeHub, row: dict[str, Any]) -> tuple[Any, ...]:
    """Make a recorded call; returns ``ok`` and the value, or ``fault``, its code and its text."""
    state = hub.state
    user = USERS[row["as"]]
    call = MethodCall(hub, None if user is None else find_user(state, user))
    if call.user is not None:
        call.session = hub.sessions.create(call.user["id"], SSL, call.address, hub.now())
    args, kwargs = ast.literal_eval(row["args"]), ast.literal_eval(row["kwargs"])
    params = [our_id(hub, row["method"], each) for each in args]
    if kwargs:
        params.append({**kwargs, "__starstar": True})

    result: tuple[Any, ...] = ()
    try:
        with state.transaction():
            result = ("ok", run_method(call, row["method"], params))
            undo()
    except Undone:
        return result
    except HubFault as fault:
        return ("fault", fault.code, fault.text)
    except Exception as error:  # noqa: BLE001 - any other error is fault 1
        return ("fault", 1, repr(error))


class Undone(Exception):
    """Ends a transaction: no call sees what another one did."""


def undo() -> None:
    raise Undone


def our_id(hub: FakeHub, method: str, value: Any) -> Any:
    """Replace the id of a recorded task by the one of our task of the same method."""
    tasks = "Task" in method or method == "saveFailedTree"
    if not tasks or type(value) is not int or value not in RECORDED_TASKS:
        return value
    return max(row["id"] for row in hub.state.rows("task", method=RECORDED_TASKS[value]))


def is_alike(row: dict[str, Any], ours: tuple[Any, ...]) -> bool:
    """Tell whether an outcome is the real hub's."""
    if row["real"].startswith("('fault', 1, "):
        return ours[:2] == ("fault", 1)
    try:
        real = ast.literal_eval(row["real"])
    except SyntaxError:
        # The recorder cut a long value short.
        return bool(ours[0] == "ok")
    if real[0] != ours[0]:
        return False
    if real[0] == "ok":
        return alike(real[1], shape(ours[1]))
    texts = [
        re.sub(r"\btask \d+", "task N", each, flags=re.IGNORECASE) for each in (real[2], ours[2])
    ]
    return real[1] == ours[1] and texts[0] == texts[1]


def missing_key(value: Any, path: str) -> bool | None:
    """Tell whether a value lacks the last key of a path; None if the path leads nowhere."""
    keys = re.findall(r"\[(\d+)\]|\.([^.\[]+)", path)
    for number, (index, name) in enumerate(keys, 1):
        if index:
            if not isinstance(value, list) or int(index) >= len(value):
                return None
            value = value[int(index)]
        elif not isinstance(value, dict):
            return None
        elif name not in value:
            return True if number == len(keys) else None
        else:
            value = value[name]
    return False


def differs_no_more(row: dict[str, Any], ours: tuple[Any, ...]) -> bool:
    """Tell whether the recorded differences between two values are gone.

    Only keys are checked: contents and lengths differ because the hubs had different pasts.
    """
    if ours[0] != "ok":
        return False
    for difference in row["differences"]:
        if re.match(r"\.\d+: ", difference):
            # The key is an id.
            continue
        found = re.match(r"(.*?): only (real|embedded)", difference)
        if found and missing_key(ours[1], found.group(1)) is (found.group(2) == "real"):
            return False
        found = re.match(r': real "(.*?)" / embedded', difference)
        if found and re.findall(r"'\w+':", found.group(1)) != re.findall(r"'\w+':", str(ours[1])):
            return False
        found = re.fullmatch(r": real (True|False|\[\[\]\]) / embedded .*", difference)
        if found and repr(ours[1]) != found.group(1):
            return False
    return True


LEFT: dict[tuple[str, str], str] = {}
"""The calls that are still answered unlike, with reasons."""


def test_answers_are_the_real_hubs(hub: FakeHub) -> None:
    """Each call gets the real hub's answer, or is in the list of exceptions."""
    unlike = []
    for row in ROWS:
        ours = outcome(hub, row)
        same = is_alike(row, ours) if "real" in row else differs_no_more(row, ours)
        if same == ((row["method"], row["args"]) in LEFT):
            expected = row.get("real", row.get("differences"))
            unlike.append(f"{row['as']} {row['method']}{row['args']}: real {expected}, ours {ours}")
    assert not unlike


STARSTAR = {"__starstar": True}
NEIGHBORS: list[tuple[str, tuple[Any, ...], Any]] = [
    *((name, ({"id": "x"},), 1) for name in ("getTag", "getUser", "getHost", "getRPM")),
    *((name, ({"name": True},), 1) for name in ("getTag", "getUser", "getPackage")),
    *((name, ({"id": None},), None) for name in ("getTag", "getUser", "getChannel")),
    ("getTag", ({"name": None},), None),
    ("getTagID", ({"id": "1"},), 1.0),
    *((name, ({"id": "1"}, True), ...) for name in ("getRPM", "getBuild", "getUser")),
    *((name, ({"id": None},), None) for name in ("getRPM", "getBuild")),
    ("getTag", ({"id": "1", "name": "nosuch"}, True), ...),
    ("tagLastChangeEvent", ("dist", "1"), None),
    *(("tagLastChangeEvent", ("dist", odd), 1) for odd in ("x", True, [])),
    *(("tagFirstChangeEvent", ("dist", odd), 1) for odd in ("x", True, [])),
    *(("logout", (odd,), 1) for odd in ("x", True, {})),
    ("logoutChild", ("x",), 1),
    ("repo.query", ([["tag_id", "=", 1.5]],), []),
    ("repo.query", ([["tag_id", "IN", [1.5, True]]],), 1),
    ("queryHistory", ({"tables": ["tag_packages"], "tag": "x", "call": 1, **STARSTAR},), 1000),
    *((name, ({"call": 1, **STARSTAR},), 1019) for name in ("getTag", "listHosts", "echo")),
    ("count", ("getTag", {"name": 1, **STARSTAR}), 1),
    *(("listExternalRepos", (None, None, odd), 1000) for odd in ("1", 1.5, [])),
    # What goes past the policy goes past the list of packages as well, but not past a lock.
    *(("tagBuildBypass", (tag, "world-1.0-1"), None) for tag in ("frozen", "dd-dup")),
    ("untagBuildBypass", ("frozen", "world-1.0-1"), 1003),
    *((f"{verb}BuildBypass", ("locked", "world-1.0-1"), 1004) for verb in ("tag", "untag")),
    # Only a strict lookup refuses what there isn't.
    ("getArchiveType", ("x.nosuch",), None),
    ("getArchiveType", ("x.nosuch", None, None, True), 1000),
    *(("listTaskOutput", (odd, False, False, True), 1000) for odd in ("x", [], "99999")),
    ("listTaskOutput", ("1", False, False, True), ...),
    *(("repo.getExternalRepoData", (odd,), code) for odd, code in (("x", 1000), ([], 1019))),
    ("listBTypes", ({"id": "x"},), 1),
]
"""Calls that follow from recorded ones, with a fault's code, a value, or ``...`` for any value."""


def test_neighbors_of_recorded_calls(hub: FakeHub) -> None:
    """The database compares an id in a struct as any other, an event as any number."""
    for method, args, expected in NEIGHBORS:
        row = {"as": "admin", "method": method, "args": repr(args), "kwargs": "{}"}
        kind, found, *_ = outcome(hub, row)
        wanted = ("fault", expected) if type(expected) is int else ("ok", expected)
        assert (kind, found if expected is not ... else ...) == wanted, (method, args)
    options = {"filterOpts": {"order": "perm_id,name", "noneGreatest": False}}
    row = {"as": "anon", "method": "filterResults", "args": "('listTags',)"}
    _, tags = outcome(hub, {**row, "kwargs": repr(options)})
    assert [tag["perm_id"] is None for tag in tags] == [True] * 9 + [False] * 2


SIBLINGS = {
    "getBuild": "getBuildType getMavenBuild getWinBuild getImageBuild getBuildLogs findBuildID "
    "buildReferences",
    "getPackage": "getPackageID getHost getChannel getExternalRepo getVolume "
    "getAverageBuildDuration",
    "getRPM": "getRPMDeps listRPMFiles",
    "getTag": "getTagID getInheritanceData getTagGroups getRepo repo.get getExternalRepoList "
    "listTagged listTaggedRPMS listTaggedArchives getBuildConfig checkTagAccess",
    "getTaskRequest": "getTaskResult getTaskChildren getTaskDescendents taskFinished getEvent "
    "getMavenArchive getImageArchive getWinArchive getRPMChecksums repoInfo repo.checkRequest",
    "getUser": "getUserPerms getUserGroups getUserPermsInheritance",
}
"""The methods that look up the same as a recorded one."""

BUILD, STABLE, TESTING = "world-1.0-1", "dist-stable", "dist-testing"
PLACES: dict[str, list[tuple[Any, ...]]] = {
    "getBuild": [
        *((name, STABLE, ...) for name in ("tagBuild", "untagBuild", "tagBuildBypass")),
        *((name, ...) for name in ("cancelBuild", "promoteBuild", "deleteBuild", "resetBuild")),
        ("moveBuild", STABLE, TESTING, ...),
        ("setBuildOwner", ..., "builder-user"),
        ("changeBuildVolume", ..., "DEFAULT"),
    ],
    "getPackage": [
        *((name, STABLE, ...) for name in ("packageListAdd", "packageListBlock")),
        ("packageListSetOwner", STABLE, ..., "builder-user"),
        ("moveAllBuilds", STABLE, TESTING, ...),
        ("addHostToChannel", ..., "default"),
        ("removeHostFromChannel", "builder1", ...),
        *((name, ...) for name in ("enableHost", "enableChannel", "deleteBuildTarget")),
        ("grantPermission", "builder-user", ...),
    ],
    "getTag": [
        *((name, ..., BUILD) for name in ("tagBuild", "untagBuild", "untagBuildBypass")),
        ("moveBuild", STABLE, ..., BUILD),
        ("moveAllBuilds", ..., TESTING, "world"),
        ("packageListSetArches", ..., "world", ""),
        ("setInheritanceData", ..., []),
        ("groupListBlock", ..., "build"),
        *((name, ...) for name in ("createSideTag", "repo.request", "newRepo", "deleteTag")),
    ],
    "getTaskRequest": [
        *((name, ...) for name in ("cancelTask", "cancelTaskChildren", "resubmitTask")),
        *((name, ...) for name in ("cancelTaskFull", "freeTask")),
        *((name, ..., 5) for name in ("setTaskPriority", "repo.setRequestPriority")),
    ],
    "getUser": [
        ("setBuildOwner", BUILD, ...),
        ("packageListSetOwner", STABLE, "world", ...),
        ("addUserKrbPrincipal", ..., "x@EXAMPLE.TEST"),
        *((name, ..., "tag") for name in ("grantPermission", "revokePermission")),
        ("editUser", ...),
    ],
}
"""The arguments of methods that look up the same as a recorded method's one, with ``...`` there."""


@pytest.mark.parametrize("recorded", SIBLINGS)
def test_siblings_refuse_the_same_values(hub: FakeHub, recorded: str) -> None:
    """What a recorded method refuses for its kind, each method that looks up the same refuses."""

    def refusal(value: Any, *places: Any) -> Any:
        method, *args = (value if each is ... else each for each in places)
        row = {"as": "admin", "method": method, "args": repr(tuple(args)), "kwargs": "{}"}
        ours = outcome(hub, row)
        return ours if ours[0] == "fault" else None

    values = (None, [], {}, True, 1.5, [1], "", "x")
    expected = {repr(each): refusal(each, recorded, ...) for each in values}
    # A lookup by id or name may end in "no such", each in its own words, and None be the caller.
    own_words = {"getTag": ("''", "'x'"), "getUser": ("None", "''", "'x'")}.get(recorded, ())
    wanted = {value: fault for value, fault in expected.items() if fault and value not in own_words}
    assert wanted
    siblings: list[Any] = [(method, ...) for method in SIBLINGS[recorded].split()]
    for call in (*siblings, *PLACES.get(recorded, ())):
        found = {value: refusal(ast.literal_eval(value), *call) for value in wanted}
        assert found == wanted, call
