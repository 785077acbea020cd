"""What administrators and scripts do on the embedded hub."""

from __future__ import annotations

import hashlib
import inspect
import json
from typing import Any

import pytest
from twisted.internet.task import Clock

from tests.support import DATA
from txkoji import build_states
from txkoji.exceptions import (
    ActionNotAllowed,
    AuthError,
    GenericError,
    HubFault,
    ParameterError,
    PreBuildError,
    UnknownFault,
)
from txkoji.testing import FakeHub
from txkoji.testing.formats.rpms import make_rpm
from txkoji.testing.methods.table import METHODS, NEEDS

pytestmark = pytest.mark.hub(on_clock=True, build_seconds=10)


def test_no_method_is_unknown() -> None:
    """Every method of a real hub is there."""
    real = (DATA / "hub_methods.txt").read_text(encoding="utf-8").split()
    assert {"build", "getTag"} <= set(real) <= set(METHODS)


def test_permissions(hub: FakeHub) -> None:
    """Arguments that don't fit are refused first, then callers without the permission."""
    hub.add_user("bob")
    for name, permission in NEEDS.items():
        parameters = list(inspect.signature(METHODS[name]).parameters.values())[1:]
        needed = [each for each in parameters if each.default is each.empty and each.kind != 4]
        with pytest.raises(ActionNotAllowed) as refusal:
            hub.call(name, *[[] for _ in needed], user="bob")
        text = f"{permission} permission required (logged in as bob)"
        assert (name, refusal.value.text) == (name, text)
        if needed and name != "makeTask":
            with pytest.raises(ParameterError, match="missing"):
                hub.call(name, user="bob")
        with pytest.raises(ActionNotAllowed, match="permission required"):
            hub.call("count", name, *[[] for _ in needed], user="bob")
    with pytest.raises(AuthError, match="is not a host"):
        hub.call("host.closeTask", 1, {}, user="bob")


def test_description_of_a_method(hub: FakeHub) -> None:
    """A method is described by its arguments as callers pass them, without types."""
    told = hub.call("system.methodHelp", "getTag")
    described = "(tagInfo, strict=False, event=None, blocked=False)"
    assert told.startswith(f"getTag{described}\ndescription: ")
    [row] = [each for each in hub.call("_listapi") if each["name"] == "getTag"]
    assert (row["argdesc"], row["args"][:2]) == (described, ["tagInfo", ["strict", False]])
    [row] = [each for each in hub.call("_listapi") if each["name"] == "makeTask"]
    assert (row["argdesc"], row["argspec"]) == ("(*args, **opts)", [[], "args", "opts", None])


def test_groups_of_users(hub: FakeHub) -> None:
    """A group gives its permissions to its members, as long as they are in it."""
    hub.add_user("bob")
    number = hub.call("newGroup", "packagers")
    hub.call("grantPermission", "packagers", "tag")
    hub.call("addGroupMember", "packagers", "bob")
    hub.call("addGroupMember", "packagers", "bob", strict=False)
    hub.call("createTag", "bobs", user="bob")
    assert hub.call("getUserGroups", "bob") == [{"id": number, "name": "packagers"}]
    assert hub.call("getUser", "bob", groups=True)["groups"] == ["packagers"]
    assert [row["name"] for row in hub.call("getGroupMembers", number)] == ["bob"]
    assert hub.call("getUserPermsInheritance", "bob") == {"tag": ["packagers"]}
    assert hub.call("getUserPerms", "bob", with_groups=False) == []
    assert [row["name"] for row in hub.call("listUsers", 0, perm="tag")] == []
    [holder] = hub.call("listUsers", 0, perm="tag", inherited_perm=True)
    assert holder["name"] == "bob"
    hub.call("dropGroupMember", "packagers", "bob")
    [past] = hub.call("queryHistory", tables=["user_groups"], user="bob")["user_groups"]
    assert (past["group.name"], past["active"]) == ("packagers", None)
    with pytest.raises(ActionNotAllowed, match="tag permission required"):
        hub.call("createTag", "more", user="bob")


def test_principals(hub: FakeHub) -> None:
    """A principal is kept from the start, can be added and removed, and finds its user."""
    number = hub.call("createUser", "krb", 0, "krb@EXAMPLE.COM")
    hub.call("addUserKrbPrincipal", "krb", "other@EXAMPLE.COM")
    for name in ("krb@EXAMPLE.COM", "other@EXAMPLE.COM"):
        for wanted in (name, {"krb_principal": name}):
            assert hub.call("getUser", wanted)["id"] == number
    hub.call("editUser", "krb", "renamed", [{"old": "krb@EXAMPLE.COM", "new": "new@EXAMPLE.COM"}])
    user = hub.call("getUser", "renamed")
    assert user["krb_principals"] == ["other@EXAMPLE.COM", "new@EXAMPLE.COM"]
    assert hub.call("getUser", {"krb_principal": "krb@EXAMPLE.COM"}) is None
    hub.call("removeUserKrbPrincipal", "renamed", "new@EXAMPLE.COM")
    with pytest.raises(GenericError, match="could not dissociate"):
        hub.call("removeUserKrbPrincipal", "renamed", "new@EXAMPLE.COM")


def test_task_by_its_digits(hub: FakeHub) -> None:
    """A string of digits is the id of a task."""
    task = hub.call("build", "git+https://git.example.test/rpms/hello.git#r1", "demo")
    assert hub.call("getTaskInfo", str(task))["id"] == task


def test_priority_as_text(hub: FakeHub) -> None:
    """A priority is stored as a number, whatever type it came as."""
    tag, parent = hub.add_tag("mine"), hub.call("getTagID", "demo-released")
    link = {"parent_id": parent, "priority": "6", "maxdepth": "1", "intransitive": False}
    link.update(noconfig=False, pkg_filter="")
    hub.call("setInheritanceData", tag, [link])
    [stored] = hub.call("getFullInheritance", "mine")
    assert (stored["priority"], stored["maxdepth"]) == (6, 1)
    task = hub.call("makeTask", "sleep", [1], priority="5")
    assert hub.call("getTaskInfo", task)["priority"] == 5
    with pytest.raises(ParameterError):
        hub.call("setInheritanceData", tag, [{**link, "priority": "high"}])


def test_groups(hub: FakeHub) -> None:
    """A tag inherits groups with their packages and dependencies, and can block them."""
    for group in ("build", "srpm-build"):
        hub.call("groupListAdd", "demo-candidate", group)
    for package in ("bash", "gcc"):
        hub.call("groupPackageListAdd", "demo-candidate", "build", package)
    hub.call("groupReqListAdd", "demo-candidate", "build", "srpm-build")
    hub.call("groupPackageListBlock", "demo-build", "build", "gcc")

    def listed(**options: Any) -> list[tuple[str, list[str], list[str]]]:
        return [
            (
                group["name"],
                [each["package"] for each in group["packagelist"]],
                [each["name"] for each in group["grouplist"]],
            )
            for group in hub.call("getTagGroups", "demo-build", **options)
        ]

    assert listed() == [("build", ["bash"], ["srpm-build"]), ("srpm-build", [], [])]
    assert listed(inherit=False) == []
    hub.call("groupPackageListUnblock", "demo-build", "build", "gcc")
    assert listed()[0][1] == ["bash", "gcc"]
    hub.call("groupListBlock", "demo-build", "srpm-build")
    assert [name for name, *_ in listed()] == ["build"]
    hub.call("groupListRemove", "demo-candidate", "build")
    assert listed() == []


def test_external_repos(hub: FakeHub) -> None:
    """External repos are listed by priority, also of a tag's parents."""
    for name in ("one", "two"):
        hub.call("createExternalRepo", name, f"http://example.test/{name}")
    hub.call("addExternalRepoToTag", "demo-build", "one", 10)
    hub.call("addExternalRepoToTag", "demo-candidate", "two", "5")
    names = [repo["external_repo_name"] for repo in hub.call("getExternalRepoList", "demo-build")]
    assert names == ["one", "two"]
    with pytest.raises(GenericError, match="already associated"):
        hub.call("addExternalRepoToTag", "demo-build", "one", 11)
    hub.call("editExternalRepo", "two", url="http://example.test/2/")
    assert hub.call("getExternalRepo", "two")["url"] == "http://example.test/2/"
    hub.call("deleteExternalRepo", "two")
    assert hub.call("getTagExternalRepos", "demo-candidate") == []


def test_history_of_hosts(hub: FakeHub) -> None:
    """Settings and channels of a host have a history, of the changes that changed something."""
    hub.call("addHost", "builder9", ["x86_64"])
    host = hub.call("getHost", "builder9")
    # No builder has said that it runs there.
    assert (host["ready"], host["update_ts"]) == (False, None)
    before = hub.call("getLastEvent")["id"]
    assert hub.call("editHost", "builder9", capacity=4.0, comment="new")
    assert not hub.call("editHost", "builder9", capacity=4.0)
    hub.call("addHostToChannel", "builder9", "image")
    hub.call("removeHostFromChannel", "builder9", "default")
    hub.call("disableHost", "builder9")
    history = hub.call("queryHistory", host="builder9")
    assert set(history) == {"host_config", "host_channels"}
    settings = [(row["capacity"], row["enabled"]) for row in history["host_config"]]
    assert settings == [(2.0, True), (4.0, True), (4.0, False)]
    assert {row["host.name"] for row in history["host_config"]} == {"builder9"}
    channels = {row["channels.name"]: row["active"] for row in history["host_channels"]}
    assert channels == {"default": None, "image": True}
    [left] = hub.call("queryHistory", channel="default", afterEvent=before)["host_channels"]
    assert (left["_created_after_event"], left["_revoked_after_event"]) == (False, True)
    assert [row["name"] for row in hub.call("listChannels", "builder9")] == ["image"]


def test_the_past(hub: FakeHub) -> None:
    """Hosts, their channels and repos are told as of an event."""
    event = hub.call("getLastEvent")["id"]
    [repo] = hub.call("getActiveRepos")
    assert "creation_time" in repo
    assert "custom_opts" not in repo
    [own] = hub.call("repo.query", [["id", "=", repo["id"]]], "*")
    assert own.keys() > {"state", "custom_opts"}
    assert not own.keys() & {"tag_name", "create_ts", "task_state"}
    before = hub.call("getHost", "builder1")["capacity"]
    hub.call("editHost", "builder1", capacity=9.0)
    hub.call("removeHostFromChannel", "builder1", "image")
    hub.call("repoExpire", repo["id"])
    assert hub.call("getHost", "builder1")["capacity"] == 9.0
    assert hub.call("getHost", "builder1", event=event)["capacity"] == before
    assert hub.call("getHost", "builder1", event=1) is None
    with pytest.raises(GenericError, match="Invalid hostInfo: builder1"):
        hub.call("getHost", "builder1", True, 1)
    names = [{row["name"] for row in hub.call("listChannels", 1, each)} for each in (event, None)]
    assert names[0] - names[1] == {"image"}
    assert hub.call("getRepo", "demo-build") is None
    hub.call("deleteTag", "demo-released")
    assert hub.call("getTag", "demo-released") is None
    deleted = hub.call("getTag", "demo-released", event="auto")
    assert deleted["revoke_event"] == deleted["query_event"] + 1
    assert hub.call("getTag", "demo-build", event="auto") == hub.call("getTag", "demo-build")
    # Text of digits is a number to a database.
    assert hub.call("getRepo", "demo-build", event=str(event))["id"] == repo["id"]


def test_blocked_settings(hub: FakeHub) -> None:
    """A tag blocks a setting that it would inherit; the origin of the others is told."""
    hub.call("editTag2", "demo-candidate", extra={"a": 1, "b": 2}, arches="s390x")
    hub.call("editTag2", "demo-build", block_extra=["a"])
    config = hub.call("getBuildConfig", "demo-build")
    assert config["extra"] == {"b": 2}
    assert config["config_inheritance"]["extra"]["b"]["name"] == "demo-candidate"
    assert hub.call("getTag", "demo-build")["extra"] == {}
    assert hub.call("getTag", "demo-build", blocked=True)["extra"] == {"a": None}
    with pytest.raises(GenericError, match="Can not both add/update and block tag-extra: 'a'"):
        hub.call("editTag2", "demo-build", block_extra=["a"], extra={"a": 3})
    with pytest.raises(GenericError, match="Tag: demo-build doesn't have extra: a"):
        hub.call("editTag2", "demo-build", remove_extra=["a"])
    hub.call("editTag2", "demo-build", extra={"a": 3})
    assert hub.call("getBuildConfig", "demo-build")["extra"] == {"a": 3, "b": 2}


def test_restart_of_hosts(hub: FakeHub, clock: Clock) -> None:
    """Each enabled host of the channel restarts."""
    hub.add_host("other", "s390x", channels=("image",))
    for options, count in (({}, 2), ({"channel": "image", "arches": ["s390x"]}, 1)):
        task = hub.call("restartHosts", options=options)
        clock.pump([0.5] * 40)
        assert hub.call("taskFinished", task)
        assert hub.call("getTaskResult", task) is None
        children = hub.call("getTaskChildren", task, request=True)
        restarts, checks = children[:count], children[count:]
        assert [check["request"][0] for check in checks] == [each["id"] for each in restarts]
        assert [each["request"][0]["id"] for each in restarts] == [1, 2][-count:]


def test_what_admins_change(hub: FakeHub, clock: Clock) -> None:
    """Owners, times and types of builds are changed; a reset build has nothing left."""
    hub.call("build", "git+https://git.example.test/rpms/hello.git#r1", "demo")
    clock.pump([0.5] * 80)
    hub.call("setBuildOwner", "hello-1.0-r1", "alice")
    hub.call("setBuildTimestamp", "hello-1.0-r1", 5)
    build = hub.call("getBuild", "hello-1.0-r1")
    assert (build["owner_name"], build["completion_ts"]) == ("alice", 5.0)
    hub.call("resetBuild", "hello-1.0-r1")
    assert hub.call("getBuild", build["id"])["state"] == build_states.CANCELED
    assert hub.call("listBuildRPMs", build["id"]) == hub.call("listTags", build["id"]) == []
    hub.call("addBType", "operator")
    hub.call("addArchiveType", "whl", "Python wheel", "whl", "zip")
    assert hub.call("getArchiveType", filename="x.whl")["compression_type"] == "zip"
    assert hub.call("listBuilds", type="operator") == []
    with pytest.raises(GenericError, match="operator already exists"):
        hub.call("addBType", "operator")
    hub.call("editTag", "demo-build", "demo-built", "x86_64", False, None, {"a": 1})
    assert hub.call("getTag", "demo-built")["extra"] == {"a": 1}
    [repo] = hub.call("getActiveRepos")
    hub.call("repo.setState", repo["id"], 4)
    assert hub.call("repoInfo", repo["id"])["state"] == 4


def test_access_of_content_generators(hub: FakeHub) -> None:
    """Access is granted once, and revoked for the one user only."""
    for user in ("alice", "kojiadmin"):
        hub.call("grantCGAccess", user, "cg", create=True)
    with pytest.raises(GenericError, match="already has access to content generator cg"):
        hub.call("grantCGAccess", "alice", "cg")
    hub.call("revokeCGAccess", "alice", "cg")
    assert hub.call("listCGs")["cg"]["users"] == ["kojiadmin"]


def test_external_rpms(hub: FakeHub) -> None:
    """An RPM of an external repo is found there; the hub has neither its files nor headers."""
    hub.call("createExternalRepo", "ext", "http://ext.example.test/")
    rpm = {"name": "a", "version": "1", "release": "2", "epoch": None, "arch": "noarch"}
    rpm.update(payloadhash="00", size=5, buildtime=7)
    assert hub.call("addExternalRPM", rpm, "ext") is None
    found = hub.call("getRPM", "a-1-2.noarch")
    assert found == hub.call("getRPM", "a-1-2.noarch@ext") == hub.call("getRPM", rpm)
    assert rpm.items() <= found.items()
    assert (found["external_repo_name"], found["build_id"]) == ("ext", None)
    assert hub.call("getRPM", "a-1-2.noarch@other") is None
    assert hub.call("getRPM", "a-1-2.noarch", multi=True) == [found]
    for method, nothing in (("listRPMFiles", []), ("getRPMDeps", []), ("getRPMHeaders", {})):
        assert hub.call(method, found["id"]) == nothing
    with pytest.raises(GenericError, match=r"external rpm already exists: a-1-2\.noarch@ext"):
        hub.call("addExternalRPM", rpm, "ext")
    assert hub.call("addExternalRPM", rpm, "ext", strict=False) is None
    with pytest.raises(GenericError, match=r"hash changed for external rpm: .* \(00 -> 11\)"):
        hub.call("addExternalRPM", {**rpm, "payloadhash": "11"}, "ext", strict=False)


def test_files_and_headers(hub: FakeHub, clock: Clock) -> None:
    """A source RPM holds the spec file; a header field that RPM doesn't know is refused."""
    hub.call("build", "git+https://git.example.test/rpms/hello.git#r1", "demo")
    clock.pump([0.5] * 80)
    [file] = hub.call("listRPMFiles", "hello-1.0-r1.src")
    assert (file["name"], file["user"], file["group"]) == ("hello.spec", "kojibuilder", "mock")
    assert len(file["digest"]) == 64
    rpm = hub.call("getRPM", "hello-1.0-r1.src")
    assert hub.call("getRPMFile", rpm["id"], "hello.spec") == {"rpm_id": rpm["id"], **file}
    assert hub.call("listRPMFiles", "hello-1.0-r1.x86_64") == []
    names = ["name", "SIZE", "epoch", "changelogtext", "basenames"]
    found = hub.call("getRPMHeaders", rpm["id"], headers=names)
    assert list(found.values()) == ["hello", file["size"], None, [], ["hello.spec"]]
    with pytest.raises(GenericError, match="No such rpm header field: NOSUCH"):
        hub.call("getRPMHeaders", rpm["id"], headers=["nosuch"])


def test_copy_onto_a_tag(hub: FakeHub) -> None:
    """A tag becomes like another: what differs is replaced, the rest goes on request."""
    for tag, owner in (("demo-candidate", "kojiadmin"), ("demo-released", "alice")):
        hub.call("packageListAdd", tag, "hello", owner=owner, update=True)
    hub.call("packageListAdd", "demo-released", "more", owner="alice")
    hub.call("groupListAdd", "demo-candidate", "build")
    hub.call("editTag2", "demo-candidate", arches="s390x", extra={"a": 1})

    def owners() -> dict[str, str]:
        rows = hub.call("listPackages", "demo-released")
        return {row["package_name"]: row["owner_name"] for row in rows}

    hub.call("snapshotTagModify", "demo-candidate", "demo-released")
    assert (owners()["hello"], owners()["more"]) == ("kojiadmin", "alice")
    tag = hub.call("getTag", "demo-released")
    assert (tag["arches"], tag["extra"]) == ("s390x", {"a": 1})
    assert [group["name"] for group in hub.call("getTagGroups", "demo-released")] == ["build"]
    event = hub.call("getLastEvent")["id"]
    hub.call("snapshotTagModify", "demo-candidate", "demo-released", remove=True)
    assert "more" not in owners()
    changed = hub.call("queryHistory", tag="demo-released", afterEvent=event)
    assert [row["package.name"] for row in changed["tag_packages"]] == ["more"]
    with pytest.raises(GenericError, match="already exists"):
        hub.call("snapshotTag", "demo-candidate", "demo-released")
    with pytest.raises(GenericError, match="No such tagInfo: 'nosuch'"):
        hub.call("snapshotTagModify", "demo-candidate", "nosuch")


def test_import_of_a_file(hub: FakeHub) -> None:
    """An uploaded image or Windows file becomes an archive of a build that is made for it."""
    build = {"name": "disk", "version": "1", "release": "1"}
    hub.files.write("work/up/disk.raw", b"data")
    hub.files.write("work/up/setup.exe", b"data")
    with pytest.raises(ActionNotAllowed, match="image-import permission required"):
        hub.call("createImageBuild", build, user="alice")
    hub.call("createImageBuild", build)
    hub.call("importArchive", "up/disk.raw", "disk-1-1", "image", {"arch": "x86_64"})
    with pytest.raises(GenericError, match=r"/disk/1/1/images/disk\.raw already exists"):
        hub.call("importArchive", "up/disk.raw", "disk-1-1", "image", {"arch": "aarch64"})
    hub.call("createWinBuild", build, {"platform": "import"})
    where = {"relpath": "", "platforms": ["x86", "arm"], "flags": []}
    hub.call("importArchive", "up/setup.exe", build, "win", where)
    [image] = hub.call("listArchives", buildID="disk-1-1", type="image")
    [setup] = hub.call("listArchives", buildID="disk-1-1", type="win")
    assert (image["arch"], setup["platforms"]) == ("x86_64", "x86 arm")
    assert set(hub.call("getBuildType", "disk-1-1")) == {"image", "win"}
    for wrong, text in (("nosuch", "unsupported archive type"), ("image", "No such file")):
        with pytest.raises(GenericError, match=text):
            hub.call("importArchive", "up/x", build, wrong, {})


def test_import_of_rpms(hub: FakeHub) -> None:
    """An uploaded source RPM makes a build; an RPM joins the build of its source RPM."""
    files = {"src": make_rpm("a", "1", "1", "x86_64", source=True)}
    files["x86_64"] = make_rpm("a", "1", "1", "x86_64")
    for arch, data in files.items():
        hub.files.write(f"work/up/a-1-1.{arch}.rpm", data)
    with pytest.raises(GenericError, match="No such build"):
        hub.call("importRPM", "up", "a-1-1.x86_64.rpm")
    for arch in files:
        assert hub.call("importRPM", "up", f"a-1-1.{arch}.rpm")["arch"] == arch
    assert len(hub.call("listBuildRPMs", "a-1-1")) == 2
    with pytest.raises(GenericError, match="already exists"):
        hub.call("importRPM", "up", "a-1-1.src.rpm")


def test_headers_of_an_rpm(hub: FakeHub) -> None:
    """Headers are found in any case, under the names that were asked for; by default all are."""
    hub.files.write("work/up/a-1-1.src.rpm", make_rpm("a", "1", "1", "x86_64", source=True))
    rpm = hub.call("importRPM", "up", "a-1-1.src.rpm")["id"]
    assert hub.call("getRPMHeaders", rpm, headers=["license", "NAME"]) == {
        "license": "MIT",
        "NAME": "a",
    }
    assert hub.call("getRPMHeaders", rpm, headers=[]) == {}
    assert {"Name", "License", "Sourcepackage"} <= hub.call("getRPMHeaders", rpm).keys()


def test_copies_of_tags(hub: FakeHub) -> None:
    """A copy has the packages and groups, and is a tag of its own."""
    hub.call("groupListAdd", "demo-candidate", "build")
    hub.call("snapshotTag", "demo-candidate", "copy")
    assert hub.call("checkTagPackage", "copy", "hello")
    assert [group["name"] for group in hub.call("getTagGroups", "copy")] == ["build"]
    hub.call("packageListBlock", "copy", "hello")
    assert hub.call("checkTagPackage", "demo-candidate", "hello")


NOT_GIVEN = [
    (("getTag",), "get_tag() missing 1 required positional argument: 'tagInfo'"),
    (("getTag", *"12345"), "get_tag() takes from 1 to 4 positional arguments but 5 were given"),
    (("getAllArches", 1), "get_all_arches() takes 0 positional arguments but 1 was given"),
    (("getPerms", 1), "RootExports.getPerms() takes 1 positional argument but 2 were given"),
    (("groupListBlock", 1), "grplist_block() missing 1 required positional argument: 'grpinfo'"),
    (("removeSideTag",), "removeSideTag() missing 1 required positional argument: 'sidetag'"),
    (("host.getID", 1), "HostExports.getID() takes 1 positional argument but 2 were given"),
]


@pytest.mark.parametrize(("call", "text"), NOT_GIVEN, ids=[text for _, text in NOT_GIVEN])
def test_number_of_arguments(hub: FakeHub, call: tuple[Any, ...], text: str) -> None:
    """Arguments that don't fit are refused by the real name of the function or method."""
    with pytest.raises(ParameterError) as caught:
        hub.call(*call)
    assert caught.value.text == text


REFUSED = [
    (None, ("getBuildTarget", None, False, True), 1000, "No such build target: None"),
    (None, ("CGInitBuild", "nosuch", {}), 1000, "No such entry in table content_generator: nosuch"),
    (None, ("evalPolicy", "nosuch", {}), 1000, "no such policy: nosuch"),
    (None, ("getBuildroot", "nosuch"), 1, "invalid input syntax for type integer: 'nosuch'"),
    (None, ("getBuildroot", 99, True), 1000, "No such buildroot: 99"),
    (None, ("getChangelogEntries",), 1000, "either buildID or taskID and filepath"),
    (None, ("getChangelogEntries", "nosuch"), 1000, "invalid format: nosuch"),
    (None, ("importArchive", "a", {}, "maven", {}), 1004, "maven-import permission required"),
    (None, ("importArchive", "a", {}, "x", {}), 1000, "unsupported archive type: x"),
    (None, ("listUsers", 0, None, None, []), 1019, "Invalid name or id value: []"),
    ("kojiadmin", ("grantPermission", "bob", None), 1019, "Invalid name or id value: None"),
    ("kojiadmin", ("revokePermission", "bob", "x"), 1000, "No such entry in table permissions: x"),
    ("kojiadmin", ("repoExpire", "x"), 1, "invalid input syntax for type integer: 'x'"),
]


@pytest.mark.parametrize(
    ("user", "call", "code", "text"), REFUSED, ids=[str(r[1]) for r in REFUSED]
)
def test_refused(
    hub: FakeHub, user: str | None, call: tuple[Any, ...], code: int, text: str
) -> None:
    """Lookups of one table are refused alike, whichever method makes them."""
    hub.add_user("bob")
    with pytest.raises(HubFault) as caught:
        hub.call(*call, user=user)
    assert caught.value.code == code
    assert caught.value.text.startswith(text)


def test_ids_that_are_unknown(hub: FakeHub) -> None:
    """An id of no build has no RPMs, and nothing names no target."""
    assert hub.call("listBuildRPMs", 99) == []
    assert hub.call("getBuildTarget", []) is None


def test_build_roots(hub: FakeHub, clock: Clock) -> None:
    """A build's RPMs know their build roots; the ones of failed tasks can be saved."""
    hub.add_user("bob")
    for package in ("good", "failarch"):
        hub.add_package("demo-candidate", package)
        source = f"git+https://git.example.test/rpms/{package}.git#r1"
        hub.call("build", source, "demo", user="bob")
    clock.pump([0.5] * 80)

    rpms = hub.call("listBuildRPMs", "good-1.0-r1")
    roots = [hub.call("getBuildroot", rpm["buildroot_id"], True) for rpm in rpms]
    assert [root["arch"] for root in roots] == [
        rpm["arch"].replace("src", "x86_64") for rpm in rpms
    ]
    assert {(root["tag_name"], root["state"]) for root in roots} == {("demo-build", 3)}
    assert hub.call("listBuildroots", taskID=roots[1]["task_id"]) == [roots[1]]
    names = set(hub.call("listTaskOutput", roots[1]["task_id"]))
    logs = ("build", "root", "state", "mock_output", "mock_config", "hw_info", "installed_pkgs")
    assert names == {
        *(f"{log}.log" for log in logs),
        "good-1.0-r1.src.rpm",
        f"good-1.0-r1.{roots[1]['arch']}.rpm",
    }

    with pytest.raises(PreBuildError, match=f"^.*Task {roots[1]['task_id']} has not failed"):
        hub.call("saveFailedTree", roots[1]["id"], user="bob")
    [failed] = hub.call("listTasks", {"method": "buildArch", "state": [5]})
    [root] = hub.call("listBuildroots", taskID=failed["id"])
    with pytest.raises(ActionNotAllowed, match="Only owner of failed task"):
        hub.call("saveFailedTree", root["id"], user=None)
    task = hub.call("saveFailedTree", root["id"], user="bob")
    assert hub.call("getTaskRequest", task) == [root["id"], False]
    clock.pump([0.5] * 20)
    assert hub.call("listTaskOutput", task) == [hub.call("getTaskResult", task)]


def test_reserved_builds(hub: FakeHub) -> None:
    """Who may use a content generator reserves a build, and gives it back with its token."""
    data = {"name": "cg", "version": "1", "release": "1", "epoch": None}
    hub.add_user("bob")
    hub.call("grantCGAccess", "bob", "site", create=True)
    with pytest.raises(AuthError, match=r"Content generator access required \(site\)"):
        hub.call("CGInitBuild", "site", data)
    reserved = hub.call("CGInitBuild", "site", data, user="bob")
    assert hub.call("listCGs")["site"]["users"] == ["bob"]
    with pytest.raises(GenericError, match="Token"):
        hub.call("CGRefundBuild", "site", reserved["build_id"], "wrong", user="bob")
    with pytest.raises(GenericError, match=r"^Build already in progress \(task None\)$"):
        hub.call("CGInitBuild", "site", data, user="bob")
    hub.call("CGRefundBuild", "site", reserved["build_id"], reserved["token"], user="bob")
    assert hub.call("getBuild", reserved["build_id"])["state"] == 3
    draft = hub.call("createEmptyBuild", "cg", "1", "1", None, draft=True)
    assert hub.call("getBuild", draft)["nvr"] == f"cg-1-1,draft_{draft}"
    # As any build that failed, it is restarted, with the same id.
    assert hub.call("createEmptyBuild", "cg", "1", "1", None) == reserved["build_id"]
    with pytest.raises(GenericError, match=r"^Build already exists \(id=\d+, state=COMPLETE\): {"):
        hub.call("CGInitBuild", "site", data, user="bob")


def described(data: bytes) -> dict[str, Any]:
    """Return what the metadata says of a file."""
    digest = hashlib.sha256(data).hexdigest()
    checked = {"checksum": digest, "checksum_type": "sha256"}
    return {"filesize": len(data), "buildroot_id": 1, **checked}


def metadata(**build: Any) -> dict[str, Any]:
    """Return the metadata of an image with its log."""
    image = {"filename": "disk.raw.xz", "type": "raw-xz", **described(b"data")}
    log = {"filename": "image.log", "type": "log", "relpath": "logs", **described(b"log")}
    return {
        "metadata_version": 0,
        "build": {"name": "disk", "version": "1", "release": "1", "source": "git://x", **build},
        "buildroots": [{"id": 1, "content_generator": {"name": "cg", "version": "1"}}],
        "output": [{**image, "extra": {"image": {"arch": "x86_64"}}}, log],
    }


def test_import_of_a_content_generator(hub: FakeHub) -> None:
    """Uploaded files and metadata become a build, reserved before or not."""
    hub.call("grantCGAccess", "kojiadmin", "cg", create=True)
    with pytest.raises(AuthError, match=r"Content generator access required \(cg\)"):
        hub.call("CGImport", metadata(), "up", user="alice")
    with pytest.raises(GenericError, match="No such file: work/up/disk"):
        hub.call("CGImport", metadata(), "up")
    hub.files.write("work/up/disk.raw.xz", b"data")
    hub.files.write("work/up/logs/image.log", b"log")
    for wrong in ({"filesize": 5}, {"checksum": "0" * 64}, {"buildroot_id": 2}):
        data = metadata()
        data["output"][0].update(wrong)
        with pytest.raises(GenericError, match=r"disk\.raw\.xz"):
            hub.call("CGImport", data, "up")
    build = hub.call("CGImport", metadata(end_time=5.0, extra={"typeinfo": {"image": {}}}), "up")
    assert (build["state"], build["cg_name"]) == (build_states.COMPLETE, "cg")
    assert (build["completion_ts"], build["source"]) == (5.0, "git://x")
    [archive] = hub.call("listArchives", build["id"], type="image")
    assert (archive["filename"], archive["arch"]) == ("disk.raw.xz", "x86_64")
    assert hub.files.read("packages/disk/1/1/images/disk.raw.xz") == b"data"
    assert [each["name"] for each in hub.call("getBuildLogs", build["id"])] == ["image.log"]
    with pytest.raises(GenericError, match="Build already exists"):
        hub.call("CGImport", metadata(), "up")
    kept = hub.call("CGInitBuild", "cg", {"name": "disk", "version": "1", "release": "2"})
    hub.files.write("work/up/metadata.json", json.dumps(metadata(**kept, release="2")).encode())
    with pytest.raises(GenericError, match="Token doesn't match"):
        hub.call("CGImport", None, "up", "other")
    build = hub.call("CGImport", None, "up", kept["token"])
    assert (build["id"], build["nvr"]) == (kept["build_id"], "disk-1-2")
    draft = hub.call("CGImport", metadata(draft=True, release="3"), "up")
    assert draft["release"] == f"3,draft_{draft['id']}"


@pytest.mark.parametrize("value", ["nosuch", True, [], {}])
@pytest.mark.parametrize("method", ["getArchive", "getBuildNotification", "deleteNotification"])
def test_ids_that_the_database_refuses(hub: FakeHub, method: str, value: Any) -> None:
    """A value that is no number where an id goes to the database unchecked is fault 1."""
    with pytest.raises(UnknownFault) as caught:
        hub.call(method, value)
    assert caught.value.code == 1


@pytest.mark.parametrize("name", [None, 5, [], "bad name"])
@pytest.mark.parametrize(
    "call", [("createUser",), ("addChannel",), ("addHost", ["x86_64"]), ("createTag",)]
)
def test_names(hub: FakeHub, call: tuple[Any, ...], name: Any) -> None:
    """Nothing gets a name that is no text, or has blanks."""
    with pytest.raises(HubFault, match=r"does not match Regex(NameInternal|UserName) value"):
        hub.call(call[0], name, *call[1:])


@pytest.mark.parametrize(
    "call",
    [
        ("editChannel", "default"),
        ("editUser", "alice"),
        ("grantCGAccess", "alice", "bad name", True),
        ("addHostToChannel", "builder1", "bad name", True),
    ],
)
def test_names_that_change(hub: FakeHub, call: tuple[Any, ...]) -> None:
    """Neither does a change, nor what is made along with another thing."""
    options = {"name": "bad name"} if call[0].startswith("edit") else {}
    with pytest.raises(HubFault, match=r"Name bad name does not match Regex"):
        hub.call(*call, **options)
