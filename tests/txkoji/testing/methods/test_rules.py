"""The kinds of refusals of a real hub, also for calls that no recording has."""

from __future__ import annotations

from typing import Any

import pytest
from twisted.internet.task import Clock

from txkoji.exceptions import ActionNotAllowed, AuthError, GenericError, UnknownFault
from txkoji.testing import FakeHub
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.dispatch import run_method
from txkoji.testing.methods.sessions import SSL
from txkoji.testing.methods.uploads import raw_upload
from txkoji.testing.tables.lookups.users import find_user
from txkoji.testing.tables.queries import COLUMNS

pytestmark = pytest.mark.hub(on_clock=True)

TAG = ("demo-candidate",)
LINK = {"priority": 7, "maxdepth": None, "intransitive": False, "noconfig": False, "pkg_filter": ""}
LINKS = [{**LINK, "parent_id": 2}, {**LINK, "parent_id": 3}]
RPM = {"name": "a", "version": "1", "release": "1", "epoch": None, "arch": "noarch"}
RPM |= {"payloadhash": "00", "size": 5, "buildtime": 7}
REFUSALS: list[tuple[str, str, tuple[Any, ...], dict[str, Any], int, str]] = [
    # Repos
    ("alice", "repo.request", TAG, {"min_event": 10**6}, 1019, "Invalid event: 1000000"),
    ("alice", "repo.request", TAG, {"min_event": "x"}, 1019, "Invalid type for value 'x'"),
    ("alice", "repo.request", TAG, {"at_event": 1, "min_event": 1}, 1019, "options conflict"),
    ("alice", "repo.request", TAG, {"opts": {"nosuch": 1}}, 1019, "Invalid repo option: nosuch"),
    ("alice", "repo.request", TAG, {"opts": "x"}, 1019, "Invalid type for value 'x'"),
    ("alice", "repo.request", TAG, {"priority": -1}, 1004, "only admins may create high-priority"),
    ("alice", "repo.get", TAG, {"opts": {"nosuch": 1}}, 1019, "Invalid repo option: nosuch"),
    ("alice", "tagChangedSinceEvent", (1, []), {}, 1, "integer"),
    ("alice", "tagChangedSinceEvent", (1, ["x"]), {}, 1, "integer"),
    ("alice", "downloadTaskOutput", (1, ["x"]), {}, 1, "expected str instance"),
    # Filters
    ("alice", "listBuilds", (), {"type": "nosuch"}, 1000, "unsupported build type: nosuch"),
    ("alice", "listBuilds", (), {"type": []}, 1019, "Invalid name or id value: []"),
    ("alice", "listTagged", TAG, {"type": []}, 1019, "Invalid name or id value: []"),
    ("alice", "listArchives", (), {"type": "nosuch"}, 1000, "unsupported archive type: nosuch"),
    ("alice", "listArchives", (), {"type": []}, 1019, "Invalid name or id value: []"),
    ("alice", "listArchives", (), {"imageID": "x"}, 1, "type integer: 'x'"),
    ("alice", "listBuildroots", (), {"state": [True]}, 1, "integer = boolean"),
    ("alice", "listRPMs", (), {"hostID": {}}, 1, "type integer: {}"),
    ("alice", "listSideTags", (), {"queryOpts": {"limit": -1}}, 1, "must not be negative"),
    ("alice", "getTag", TAG, {"event": "x"}, 1000, "Invalid event: 'x'"),
    ("alice", "listTagged", TAG, {"event": {}}, 1000, "Invalid event: {}"),
    ("alice", "getTag", ("nosuch", True, "x"), {}, 1000, "Invalid event: 'x'"),
    ("alice", "getBuildTarget", ("nosuch", "x"), {}, 1000, "Invalid event: 'x'"),
    ("alice", "getExternalRepo", ("nosuch", True, "x"), {}, 1000, "Invalid event: 'x'"),
    ("alice", "getHost", ("nosuch", True, "x"), {}, 1000, "Invalid event: 'x'"),
    ("alice", "listSideTags", (), {"queryOpts": {"limit": "1"}}, 1, "a real number is required"),
    ("alice", "listTags", (), {"queryOpts": {"order": "name, id"}}, 1, "Invalid order:  id"),
    ("alice", "listTags", (), {"queryOpts": {"order": 5}}, 1, "no attribute 'split'"),
    ("alice", "listTasks", ({"method": "x"}, {"order": "x"}), {}, 1, "Invalid order: x"),
    ("alice", "listUsers", (), {"prefix": "zz", "queryOpts": {"order": "x"}}, 1, "Invalid order"),
    ("alice", "search", ("zz", "tag", "glob", {"order": "-x"}), {}, 1, "Invalid order: x"),
    ("alice", "listBuilds", (), {"state": 4, "queryOpts": {"order": "x"}}, 1, "Invalid order: x"),
    ("alice", "listRPMs", (99,), {"queryOpts": {"order": "-x"}}, 1, "Invalid order: x"),
    ("alice", "listTags", (), {"pattern": "z", "queryOpts": {"order": "x"}}, 1, "Invalid order"),
    ("alice", "listUsers", (), {"queryOpts": {"group": "id"}}, 1000, "group is not available"),
    ("alice", "listUsers", ("nosuch",), {}, 1, "operator does not exist"),
    ("alice", "listTagged", TAG, {"draft": 1}, 1, "operator does not exist: boolean = integer"),
    ("alice", "listTagged", TAG, {"owner": ["x"]}, 1, "operator does not exist: text = text[]"),
    ("alice", "listTagged", TAG, {"package": 5}, 1, "operator does not exist: text = integer"),
    ("alice", "listTags", (), {"pattern": []}, 1, "operator does not exist: text = text[]"),
    ("alice", "listTaggedRPMS", TAG, {"arch": 5}, 1000, "Invalid arch option: 5"),
    ("alice", "listRPMs", (), {"arches": 5}, 1000, 'Invalid type for "arches" parameter'),
    ("alice", "listHosts", (), {"arches": []}, 1000, "arches option cannot be empty"),
    ("alice", "listTasks", ({"owner": True},), {}, 1, "integer = boolean"),
    ("alice", "listTasks", ({"state": ["x"]},), {}, 1, "type integer: 'x'"),
    ("alice", "listTasks", ({"method": 5},), {}, 1, "operator does not exist"),
    ("alice", "resubmitTask", (10**6,), {}, 1000, "query returned no rows"),
    ("alice", "cancelTask", ("999999",), {}, 1000, "No such task: 999999"),
    ("kojiadmin", "setTaskPriority", (999999.5, 1), {}, 1000, "No such task: 999999"),
    # History
    ("alice", "queryHistory", (), {"permission": True}, 1, "integer = boolean"),
    ("alice", "queryHistory", (), {"channel": 999}, 1000, "No such entry in table channels: 999"),
    ("alice", "queryHistory", (), {"group": []}, 1019, "Invalid name or id value: []"),
    # Columns
    ("kojiadmin", "addExternalRepoToTag", (*TAG, "x", 2**31), {}, 1, "integer out of range"),
    ("kojiadmin", "groupListAdd", (*TAG, "g"), {"uservisible": "x"}, 1, "is of type boolean"),
    ("kojiadmin", "addArchiveType", ("x", {}, "x"), {}, 1, "is of type text"),
    # Groups of users, volumes and imports
    ("kojiadmin", "newGroup", ("alice",), {}, 1000, "User/group already exists: alice"),
    ("kojiadmin", "addGroupMember", ("alice", "alice"), {}, 1000, "No such group: alice"),
    ("kojiadmin", "removeVolume", ("DEFAULT",), {}, 1000, "DEFAULT has build references"),
    ("kojiadmin", "changeBuildVolume", ("a-1-1", "x"), {}, 1000, "No such entry in table volume"),
    ("kojiadmin", "importRPM", ("x", "y"), {}, 1000, "No such file: /mnt/koji/work/x/y"),
    # The order of checks
    ("alice", "makeTask", (), {}, 1004, "admin permission required (logged in as alice)"),
    ("kojiadmin", "makeTask", (), {}, 1, "missing 2 required positional arguments"),
    ("alice", "sslLogin", (), {"nosuch": 1}, 1, "unexpected keyword argument 'nosuch'"),
    ("alice", "moveAllBuilds", (*TAG, "locked", "hello"), {}, 1004, "tag is locked"),
    ("alice", "moveAllBuilds", ("locked", *TAG, "hello"), {}, 1004, "tag is locked"),
    ("alice", "moveAllBuilds", (*TAG, "blocked", "hello"), {}, 1003, "hello is blocked in blocked"),
    (
        "alice",
        "moveAllBuilds",
        (*TAG, "demo-build", "unlisted"),
        {"force": True},
        1003,
        "Package unlisted not in list for tag demo-build",
    ),
    ("kojiadmin", "applyVolumePolicy", ("nosuch-1-1",), {}, 1000, "No such build: 'nosuch-1-1'"),
    ("kojiadmin", "mergeScratch", ("x",), {}, 1019, "Invalid type for value 'x'"),
    ("kojiadmin", "makeTask", ("sleep", [1]), {"parent": 10**6}, 1000, "Invalid parent task"),
    ("kojiadmin", "makeTask", ("sleep", [1]), {"assign": "x"}, 1, "type integer: 'x'"),
    ("kojiadmin", "repo.setState", (1, "x"), {}, 1, "type integer: 'x'"),
    ("kojiadmin", "createUser", ("new", 5), {}, 1000, "invalid status: 5"),
    ("kojiadmin", "createEmptyBuild", (None, "1", "1", None), {}, 1000, "No name or package id"),
    ("kojiadmin", "addHost", ("new", "a,b"), {}, 1000, "Architecture can be only"),
    ("kojiadmin", "packageListAdd", (*TAG, 10**6, "alice"), {}, 1000, "Invalid package: 1000000"),
    (
        "kojiadmin",
        "packageListSetOwner",
        ("demo-build", "unlisted", "alice"),
        {},
        1000,
        "cannot update: tag demo-build has no data for package unlisted",
    ),
    ("kojiadmin", "packageListUnblock", (*TAG, "hello"), {}, 1000, "package hello NOT blocked in"),
    ("alice", "packageListAdd", ("nosuch", "hello"), {}, 1000, "No such entry in table tag"),
    ("alice", "packageListBlock", (*TAG, "nosuch"), {}, 1000, "No such entry in table package"),
    ("alice", "packageListUnblock", (*TAG, []), {}, 1019, "Invalid name or id value: []"),
    ("alice", "packageListSetOwner", (*TAG, {}, "alice"), {}, 1019, "Invalid name or id value"),
    ("alice", "queryHistory", (), {"tables": [], "before": "x"}, 1, "type timestamp: 'x'"),
    ("alice", "queryHistory", (["cg_users"],), {"afterEvent": "x"}, 1, "type integer: 'x'"),
    ("alice", "repo.references", ("x",), {}, 1, "operator does not exist: integer = text"),
    # Columns
    ("alice", "repo.request", TAG, {"priority": 2**31}, 1, "integer out of range"),
    ("kojiadmin", "createTag", ("new",), {"locked": "x"}, 1, '"locked" is of type boolean'),
    ("kojiadmin", "createTag", ("new",), {"perm": "nosuch"}, 1000, "No such entry in table perm"),
    ("kojiadmin", "createTag", ("new",), {"arches": "x86,64"}, 1000, "Architecture can be only"),
    ("kojiadmin", "createTag", ("new",), {"arches": 5}, 1, "no attribute 'split'"),
    ("kojiadmin", "editTag2", TAG, {"perm": "nosuch"}, 1000, "No such entry in table permissions"),
    ("kojiadmin", "editTag2", TAG, {"perm_id": 999}, 1000, "No such entry in table permissions"),
    ("kojiadmin", "editTag2", TAG, {"locked": 7}, 1, '"locked" is of type boolean'),
    ("kojiadmin", "editHost", ("builder1",), {"arches": "a,b"}, 1000, "Architecture can be only"),
    ("kojiadmin", "createEmptyBuild", ("a", {}, "1", None), {}, 1, '"version" is of type text'),
    ("kojiadmin", "createEmptyBuild", ("a", "1", "1", "x"), {}, 1, '"epoch" is of type integer'),
    ("kojiadmin", "createUser", ("a+b",), {}, 1000, "Name a+b does not match RegexUserName value"),
    (
        "kojiadmin",
        "setInheritanceData",
        ("demo-candidate", [{"parent_id": 2}]),
        {},
        1000,
        "No value for pri",
    ),
    (
        "kojiadmin",
        "setInheritanceData",
        ("demo-candidate", LINKS),
        {},
        1000,
        "must be unique (pri 7: [2, 3]",
    ),
    (
        "kojiadmin",
        "editTag2",
        TAG,
        {"extra": {"a": 1}, "remove_extra": ["a"]},
        1000,
        "Tag: demo-candidate doesn't have extra: a",
    ),
    ("alice", "search", ("", "package", "glob"), {}, 1000, "empty search terms"),
    # Queries by clauses, also of a table without rows
    ("alice", "repo.queryQueue", ([["nosuch", 1]],), {}, 1019, "Invalid field for query nosuch"),
    ("alice", "repo.queryQueue", (None, ["nosuch"]), {}, 1019, "Invalid field for query nosuch"),
    ("alice", "repo.queryQueue", (), {"opts": {"order": "x"}}, 1019, "Invalid order: x"),
    ("alice", "repo.query", ([["state", "x"]],), {}, 1, "invalid input syntax"),
    ("alice", "repo.query", ([["dist", 1]],), {}, 1, "operator does not exist"),
    ("alice", "repo.query", ([["id", "IN", 1]],), {}, 1, "syntax error"),
    ("alice", "scheduler.getTaskRefusals", ([["soft", 1]],), {}, 1, "operator does not exist"),
    # External RPMs
    ("alice", "addExternalRPM", ({}, "x"), {}, 1004, "admin permission required"),
    ("kojiadmin", "addExternalRPM", ({"name": "a"}, "x"), {}, 1000, "version field missing: {'n"),
    ("kojiadmin", "addExternalRPM", ({**RPM, "size": "5"}, "x"), {}, 1000, "value for size: '5'"),
    ("kojiadmin", "addExternalRPM", (RPM, "nosuch"), {}, 1000, "No such repo: nosuch"),
    # Side tags and uploads
    ("alice", "uploadFile", ("up", "x", 1, "", 2**40, "eA=="), {}, 1, "too large"),
    ("alice", "uploadFile", ("up", "x", 1, "", -2, "eA=="), {}, 1, ""),
    ("alice", "createSideTag", ("demo-build",), {}, 1004, "policy violation (sidetag): closed"),
    ("alice", "uploadFile", ("tasks/1/1", "x", 1, "", 0, "eA=="), {}, 1002, "is not a host"),
    ("kojiadmin", "createExternalRepo", ("ext", {}), {}, 1, "no attribute"),
]


def test_refusals(hub: FakeHub) -> None:
    """Each call is refused with the code and the text of its kind."""
    hub.deny("sidetag", "closed", tag="demo-build")
    for tag in ("locked", "blocked"):
        hub.add_tag(tag)
        hub.add_package(tag, "hello")
    hub.call("editTag2", "locked", locked=True)
    hub.call("packageListBlock", "blocked", "hello")
    hub.add_package("demo-released", "unlisted")
    hub.call("createExternalRepo", "x", "http://x.example.test/")
    unlike = []
    for user, method, args, kwargs, code, text in REFUSALS:
        try:
            found: Any = hub.call(method, *args, user=user, **kwargs)
        except Exception as error:  # noqa: BLE001 - any other error is fault 1
            said = getattr(error, "text", str(error))
            if getattr(error, "code", 1) == code and text in said:
                continue
            found = error
        unlike.append(f"{user} {method}{args}{kwargs}: {found!r}, not {code} {text}")
    assert not unlike


def test_chunks_of_an_upload(hub: FakeHub) -> None:
    """A chunk may be sent again, but the file must end where the chunk ends."""
    call = MethodCall(hub, find_user(hub.state, "alice"))
    query = {"filename": "f", "filepath": "up", "fileverify": "md5"}
    for offset, data in ((0, b"abc"), (3, b"def"), (3, b"def")):
        raw_upload(call, {**query, "offset": str(offset)}, data)
    for offset, data in ((3, b"d"), (7, b"x")):
        with pytest.raises(GenericError, match="the file has 6"):
            raw_upload(call, {**query, "offset": str(offset)}, data)


def test_falsy_priority(hub: FakeHub) -> None:
    """A hub tests whether a priority is true, so an empty one is none."""
    source = "git+https://git.example.test/rpms/hello.git#1"
    for priority in ("", [], 0):
        task = hub.call("build", source, "demo", {}, priority, user="alice")
        assert hub.call("getTaskInfo", task)["priority"] == 20


def test_search(hub: FakeHub) -> None:
    """A search matches whole names, except by a regular expression."""
    for terms, kind, found in (
        ("hel", "glob", []),
        ("HEL*", "glob", ["hello"]),
        ("hell?", "glob", ["hello"]),
        ("hell_", "glob", []),
        ("hello", "exact", ["hello"]),
        ("hel*", "exact", []),
        ("^hel", "regexp", ["hello"]),
    ):
        rows = hub.call("search", terms, "package", kind)
        assert [row["name"] for row in rows] == found, (terms, kind)


def test_patterns(hub: FakeHub) -> None:
    """A pattern of a listing has both kinds of wildcards, and takes linear time whatever it is."""
    hub.call("createTag", "a" * 200)
    hub.call("createTag", "f44+b")
    for pattern, found in (("F_?_B*", 1), ("%44+b", 1), ("f[4]*", 0), ("*a%" * 20 + "z", 0)):
        assert len(hub.call("listTags", pattern=pattern)) == found, pattern


def test_ids_and_structs(hub: FakeHub, clock: Clock) -> None:
    """A type is found by id, name or struct in each filter; what converts to an id is one."""
    hub.call("build", "git+https://git.example.test/rpms/hello.git#1", "demo")
    clock.pump([0.05] * 100)
    [rpm] = (row["id"] for row in hub.call("listBTypes", {"name": "rpm"}))
    for method, asked in (("listBuilds", ()), ("listTagged", TAG), ("getLatestBuilds", TAG)):
        found = [hub.call(method, *asked, type=each) for each in ("rpm", rpm, {"id": rpm})]
        assert len(found[0]) == 1, method
        assert found == [found[0]] * 3, method
    assert hub.call("listArchives", type={"name": "maven"}) == []
    assert hub.call("getRPMChecksums", "1") == hub.call("getRPMChecksums", 1.5) == {}


def test_columns_of_lists(hub: FakeHub, clock: Clock) -> None:
    """The columns that a list can be ordered by are the keys of its rows."""
    for options in ({}, {"skip_tag": True}):
        source = f"git+https://git.example.test/rpms/hello.git#{len(options)}"
        hub.call("build", source, "demo", options, user="alice")
    clock.pump([0.05] * 100)
    hub.call("createSideTag", "demo-build", user="alice")
    hub.call("createExternalRepo", "ext", "http://ext.example.test/")
    arguments = {"search": ("*", "tag", "glob"), "queryRPMSigs": (1,)}
    arguments["listTags"] = (None, None, False)
    without_rows = set()
    for method, columns in COLUMNS.items():
        rows = hub.call(method, *arguments.get(method, ()))
        if rows:
            assert set(rows[0]) == set(columns.split()), method
        else:
            without_rows.add(method)
    assert without_rows == {"listArchives"}
    # Of an unknown package the database is asked nothing.
    assert hub.call("listBuilds", "nosuch", queryOpts={"order": "x"}) == []


def test_columns_of_a_kind(hub: FakeHub) -> None:
    """Lists of one package or type can be ordered by its columns, also while they are empty."""
    hub.add_package(*TAG, "unlisted")
    hub.call("packageListRemove", *TAG, "unlisted")
    for method, asked, order in (
        ("listTags", {"package": "unlisted"}, "owner_name,perm"),
        ("listArchives", {"type": "maven"}, "group_id"),
        ("listBuilds", {"type": "win"}, "platform"),
    ):
        assert hub.call(method, **asked, queryOpts={"order": order}) == []
        with pytest.raises(UnknownFault, match="Invalid order"):
            hub.call(method, **asked, queryOpts={"order": "nosuch"})
    # Koji's client orders so for `rpminfo --buildroots`.
    assert hub.call("listBuildroots", rpmID=1, queryOpts={"order": "buildroot.id"}) == []
    with pytest.raises(UnknownFault, match="Invalid order: perm"):
        hub.call("listTags", pattern="z", perms=False, queryOpts={"order": "perm"})
    assert not {"perm", "perm_id"} & hub.call("listTags", perms=False)[0].keys()


def test_options_of_lists_in_memory(hub: FakeHub) -> None:
    """Options of a list that comes from no query slice it, and sort it by one key."""

    def names(**options: Any) -> Any:
        found = hub.call("listPackages", *TAG, queryOpts=options)
        return [row["package_name"] for row in found] if isinstance(found, list) else found

    every = names()
    assert len(every) > 1
    assert names(order="-package_name") == sorted(every, reverse=True)
    assert names(limit=-1) == every[:-1]
    assert names(offset=1, rowlock=True, asList=True) == every[1:]
    assert names(countOnly=True, limit=1) == 1
    for options in ({"order": "nosuch"}, {"order": 5}, {"limit": "x"}, [], 5):
        with pytest.raises(Exception, match=r"(nosuch|attribute|slice)"):
            hub.call("listPackages", *TAG, queryOpts=options)


def test_texts_of_other_types(hub: FakeHub) -> None:
    """A column of text takes numbers, truth values and lists, and gives back text."""
    for given, kept in ((5, "5"), (True, "true"), ([], "{}"), (["a", 1], "{a,1}")):
        hub.call("editChannel", "default", description=given)
        assert hub.call("getChannel", "default")["description"] == kept


def test_counts(hub: FakeHub) -> None:
    """None counts as 0, a single value as 1; only lists are filtered."""
    assert hub.call("count", "getTag", "nosuch") == 0
    assert hub.call("count", "getAPIVersion") == 1
    assert hub.call("count", "listTags") == len(hub.call("listTags"))
    assert hub.call("countAndFilterResults", "getTag", "nosuch") == [0, None]
    for method in ("count", "filterResults", "countAndFilterResults"):
        with pytest.raises(UnknownFault, match="no attribute 'nosuch'"):
            hub.call(method, "nosuch")
    with pytest.raises(GenericError, match="list of maps"):
        hub.call("filterResults", "getTag", "demo-build")


def test_what_goes_with_a_tag(hub: FakeHub) -> None:
    """A deleted tag takes along its targets, groups and external repos."""
    hub.call("groupListAdd", *TAG, "build")
    hub.call("createExternalRepo", "ext", "http://ext.example.test/")
    hub.call("addExternalRepoToTag", *TAG, "ext", 5)
    hub.call("deleteTag", *TAG)
    assert hub.call("getBuildTarget", "demo") is None
    assert hub.call("getTagExternalRepos", repo_info="ext") == []
    hub.call("createTag", *TAG)
    assert hub.call("getTagGroups", *TAG) == []


@pytest.mark.parametrize("barrier", ["lock", "permission"])
def test_build_that_may_not_be_tagged(hub: FakeHub, clock: Clock, barrier: str) -> None:
    """The task of a build fails if its owner may not tag it; the build is complete."""
    task = hub.call("build", "git+https://git.example.test/rpms/hello.git#1", "demo", user="alice")
    if barrier == "lock":
        hub.call("editTag2", *TAG, locked=True)
    else:
        hub.call("editTag2", *TAG, perm="sign")
    clock.pump([0.01] * 10)
    while hub.call("getTaskInfo", task)["state"] in (0, 1, 4):
        clock.advance(0.05)
    with pytest.raises(GenericError) as caught:
        hub.call("getTaskResult", task)
    assert caught.value.code == 1004
    assert hub.call("getBuild", "hello-1.0-1")["state"] == 1
    assert hub.call("listTagged", *TAG) == []


def test_promotion(hub: FakeHub, clock: Clock) -> None:
    """A draft is promoted by its owner, once it is complete."""
    source = "git+https://git.example.test/rpms/hello.git#1"
    task = hub.call("build", source, "demo", {"draft": True})
    while not (builds := hub.call("listBuilds", taskID=task)):
        clock.advance(0.05)
    [draft] = builds
    assert hub.call("getNextRelease", {"name": "hello", "version": "1.0"}) == "1"
    with pytest.raises(GenericError, match=rf"{draft['nvr']}\. Reason: Not in COMPLETE state"):
        hub.call("promoteBuild", draft["nvr"])
    clock.pump([0.05] * 400)
    refused = r"policy violation \(draft_promotion\) \[rule: all :: deny\]"
    with pytest.raises(ActionNotAllowed, match=refused):
        hub.call("promoteBuild", draft["nvr"], user="alice")
    other = hub.call("build", source, "demo", {"draft": True})
    clock.pump([0.05] * 400)
    [newest] = hub.call("listBuilds", taskID=other)
    rpm = "hello-1.0-1.x86_64"
    assert hub.call("getRPM", rpm)["build_id"] == newest["build_id"]
    assert hub.call("promoteBuild", draft["nvr"])["nvr"] == "hello-1.0-1"
    promoted = hub.call("getRPM", rpm)
    assert (promoted["build_id"], promoted["draft"]) == (draft["build_id"], False)
    assert [each["draft"] for each in hub.call("getRPM", rpm, multi=True)] == [False, True]
    with pytest.raises(GenericError, match="Reason: Not a draft build"):
        hub.call("promoteBuild", "hello-1.0-1")
    with pytest.raises(GenericError, match="Build already exists"):
        hub.call("createEmptyBuild", "hello", "1.0", "1", None, draft=True)


def test_side_tag_with_debuginfo(hub: FakeHub) -> None:
    """A side tag remembers that its repos are to have debuginfo."""
    side = hub.call("createSideTag", "demo-build", debuginfo=True)
    assert hub.call("getTag", side["id"])["extra"]["with_debuginfo"] is True


def test_access_to_a_tag(hub: FakeHub) -> None:
    """Only an admin may override a lock, as ``tagBuild`` with ``force`` does."""
    hub.call("editTag2", *TAG, locked=True)
    for user, may_force in (("kojiadmin", True), ("alice", False)):
        access = hub.call("checkTagAccess", *TAG, user=user)
        assert access == [False, may_force, "tag is locked"]


def test_what_a_policy_says(hub: FakeHub) -> None:
    """A policy says what to do with the tag that the data name."""
    hub.deny("tag", "tag is frozen", tag="demo-candidate")
    hub.deny("sidetag", None)
    said = [hub.call("evalPolicy", "tag", {"tag": tag}) for tag in (*TAG, "demo-released")]
    assert said == ["deny tag is frozen", "allow"]
    assert hub.call("evalPolicy", "sidetag", {}) == "deny"


@pytest.mark.parametrize(
    ("policy", "user", "action"),
    [
        ("build_from_scm", "kojiadmin", "allow"),
        ("build_from_scm", "alice", "deny Only admin can do this via default policy"),
        ("package_list", "alice", "deny"),
        ("cg_import", "alice", "allow"),
        ("priority", "alice", "stay"),
    ],
)
def test_what_a_default_policy_says(hub: FakeHub, policy: str, user: str, action: str) -> None:
    """The default policies ask for the permissions that Koji's documentation names."""
    assert hub.call("evalPolicy", policy, {}, user=user) == action


@pytest.mark.parametrize("policy", ["draft_promotion", "build_from_srpm"])
def test_site_that_denies_what_a_default_policy_allows(
    hub: FakeHub, clock: Clock, policy: str
) -> None:
    """A denial counts for everybody whom the default policy would let pass."""
    hub.deny(policy, "not here")
    draft = hub.call("createEmptyBuild", "hello", "1.0", "1", None, draft=True)
    task = hub.call("build", "cli-build/hello-1.0-2.src.rpm", "demo")
    clock.pump([0.1] * 100)
    said = {
        "draft_promotion": lambda: hub.call("promoteBuild", draft),
        "build_from_srpm": lambda: hub.call("getTaskResult", task),
    }
    with pytest.raises(ActionNotAllowed, match=rf"policy violation \({policy}\): not here"):
        said[policy]()


def test_login_of_a_session(hub: FakeHub) -> None:
    """Who is logged in can't log in again, in either way."""
    user = find_user(hub.state, "alice")
    assert user is not None
    call = MethodCall(hub, user)
    call.session = hub.sessions.create(user["id"], SSL, call.address, hub.now())
    for method in ("login", "sslLogin"):
        with pytest.raises(AuthError, match="Already logged in"):
            run_method(call, method, [])


def test_logout_of_another_session(hub: FakeHub) -> None:
    """An admin may end any session, others only their own."""

    def session(name: str) -> MethodCall:
        user = find_user(hub.state, name)
        assert user is not None
        call = MethodCall(hub, user)
        call.session = hub.sessions.create(user["id"], SSL, call.address, hub.now())
        return call

    alice, _, admin = session("alice"), session("alice"), session("kojiadmin")
    own, other, foreign = (each["id"] for each in hub.sessions)
    for number in (foreign, 999):
        with pytest.raises(AuthError, match="only admins or owner may logout other session"):
            run_method(alice, "logout", [number])
    run_method(alice, "logout", [other])
    run_method(admin, "logout", [999])
    run_method(admin, "logout", [own])
    assert [each["id"] for each in hub.sessions] == [foreign]


def test_multicall_in_a_multicall(hub: FakeHub) -> None:
    """A multiCall may hold another one, under both of its names; Python checks its arguments."""
    call = MethodCall(hub)
    for name in ("multiCall", "system.multicall"):
        inner = [{"methodName": "hello", "params": []}]
        given = ([inner], [], [inner, inner])
        calls = [{"methodName": name, "params": params} for params in given]
        made, *refused = run_method(call, "multiCall", [calls])
        assert made == [[["Hello World"]]]
        assert [each["faultCode"] for each in refused] == [1019, 1019]


def test_events_of_a_multicall(hub: FakeHub) -> None:
    """Each call of a multiCall happens at an event of its own, also after one that failed."""
    call = MethodCall(hub, find_user(hub.state, "kojiadmin"))
    names = ("first", "bad name", "second")
    with hub.state.transaction():
        calls = [{"methodName": "createTag", "params": [name]} for name in names]
        run_method(call, "multiCall", [calls])
    tags = hub.call("queryHistory", tables=["tag_config"])["tag_config"]
    created = {row["tag.name"]: row["create_event"] for row in tags}
    assert created["first"] < created["second"]
