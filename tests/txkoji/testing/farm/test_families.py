"""Every task method of the embedded hub's builder: how it succeeds, how it fails."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from twisted.internet.task import Clock

from txkoji import build_states, task_states
from txkoji.exceptions import ActionNotAllowed, GenericError, HubFault, PreBuildError
from txkoji.testing import FakeHub
from txkoji.testing.farm.handlers.failures import TROUBLES

pytestmark = pytest.mark.hub(on_clock=True, build_seconds=10)

GIT = "git+https://git.example.test/{}.git#{}"
KS = "hello.ks"
TREE = "https://mirror.example.test/os/$arch"
ARCHES = ["x86_64", "aarch64"]


def finish(hub: FakeHub, clock: Clock, task_id: int) -> Any:
    """Wait for the end of a task; returns its row."""
    clock.pump([0.1] * 300)
    row = hub.state.get("task", task_id)
    assert row is not None
    return row


def closed(hub: FakeHub, clock: Clock, task_id: int) -> Any:
    """Wait until a task closes; returns its result."""
    row = finish(hub, clock, task_id)
    assert task_states.to_str(row["state"]) == "CLOSED", row["fault"]
    return row["result"]


def submit(hub: FakeHub, family: str, name: str, **options: Any) -> int:
    """Submit a task of a family for a package name."""
    source = GIT.format(name, options.pop("ref", "r1"))
    distro = ["fedora-44", "qcow2"]
    calls: dict[str, list[Any]] = {
        "build": ["build", source, "demo", options],
        "livecd": ["buildImage", name, "1.0", "x86_64", "demo", KS, "livecd", options],
        "appliance": ["buildImage", name, "1.0", "x86_64", "demo", KS, "appliance", options],
        "livemedia": ["buildImage", name, "1.0", ARCHES, "demo", KS, "livemedia", options],
        "image": ["buildImageOz", name, "1.0", ARCHES, "demo", TREE, options],
        "kiwiBuild": ["kiwiBuild", "demo", ARCHES, source, f"images/{name}.kiwi"],
        "osbuildImage": ["osbuildImage", name, "1.0", *distro, "demo", ARCHES, options],
        "buildContainer": ["buildContainer", source, "demo", options],
        "maven": ["mavenBuild", source, "demo", options],
        "winbuild": ["winBuild", "windows-vm", source, "demo", options],
    }
    method, *args = calls[family]
    return int(hub.call(method, *args, **(options if family == "kiwiBuild" else {})))


MADE = {
    "livecd": ("hello-1.0-1", "image", ["createLiveCD"], ".iso"),
    "appliance": ("hello-1.0-1", "image", ["createAppliance"], ".raw"),
    "livemedia": ("hello-1.0-1", "image", ["createLiveMedia"] * 2, ".iso"),
    "image": ("hello-1.0-1", "image", ["createImage"] * 2, ".qcow2"),
    "kiwiBuild": ("hello-1.0-1", "image", ["createKiwiImage"] * 2, ".raw.xz"),
    "osbuildImage": ("hello-1.0-1", "image", [], ".qcow2"),
    "maven": ("org.example-hello-1.0-1", "maven", ["buildMaven"], ".jar"),
    "winbuild": ("hello-1.0-1", "win", ["vmExec"], ".exe"),
}


@pytest.mark.parametrize("family", MADE)
def test_build_of_a_family(hub: FakeHub, clock: Clock, family: str) -> None:
    """A task of each family makes a build of its type with archives, and tags it."""
    nvr, btype, children, suffix = MADE[family]
    task_id = submit(hub, family, "hello")
    result = closed(hub, clock, task_id)
    methods = [row["method"] for row in hub.task_children(task_id)]
    assert methods == [*children, "tagBuild"]
    if btype == "image" and family != "osbuildImage":
        assert result == "image build results in: /mnt/koji/packages/hello/1.0/1/images"
    build = hub.call("getBuild", nvr)
    assert build["state"] == build_states.COMPLETE
    assert build["task_id"] == task_id
    assert btype in hub.call("getBuildType", nvr)
    assert [each["nvr"] for each in hub.call("listTagged", "demo-candidate", type=btype)] == [nvr]
    assert [each["nvr"] for each in hub.call("listBuilds", type=btype)] == [nvr]
    get = {"image": "getImageBuild", "maven": "getMavenBuild", "win": "getWinBuild"}[btype]
    assert hub.call(get, nvr)["build_id"] == build["id"]
    archives = hub.call("listArchives", buildID=build["id"], type=btype)
    assert any(archive["filename"].endswith(suffix) for archive in archives)
    stored = {path: hub.files.read(path) for path in map("packages/{}".format, _walk(hub))}
    for archive in archives:
        [data] = [data for path, data in stored.items() if path.endswith(archive["filename"])]
        digest = hashlib.md5 if archive["checksum_type"] == 0 else hashlib.sha256
        assert archive["checksum"] == digest(data).hexdigest()
        assert archive["size"] == len(data)


def _walk(hub: FakeHub) -> list[str]:
    return [path for path in hub.files.walk("packages") if "/logs/" not in path]


@pytest.mark.parametrize("family", [name for name in MADE if name != "osbuildImage"])
def test_scratch_build_of_a_family(hub: FakeHub, clock: Clock, family: str) -> None:
    """A scratch build leaves files for its owner, and no build."""
    result = closed(hub, clock, submit(hub, family, "hello", scratch=True))
    assert hub.call("listBuilds") == []
    assert list(hub.files.walk("scratch/kojiadmin"))
    if MADE[family][1] == "image":
        assert result.startswith("Scratch image build results in: /mnt/koji/work/tasks/")


def test_container(hub: FakeHub, clock: Clock) -> None:
    """A container's build belongs to the service that imported it, and names the task."""
    task_id = submit(hub, "buildContainer", "hello")
    result = closed(hub, clock, task_id)
    [number] = result["koji_builds"]
    assert isinstance(number, str)
    build = hub.call("getBuild", int(number))
    assert (build["nvr"], build["owner_name"]) == ("hello-1.0-1", "osbs")
    assert (build["task_id"], build["cg_name"]) == (None, "atomic-reactor")
    assert build["extra"]["container_koji_task_id"] == task_id
    assert result["repositories"] == ["registry.example.test/hello:1.0-1"]
    archives = hub.call("listArchives", buildID=build["id"], type="image")
    assert {archive["extra"]["image"]["arch"] for archive in archives} == {
        "x86_64",
        "aarch64",
        "ppc64le",
    }
    assert [each["nvr"] for each in hub.call("listTagged", "demo-candidate")] == ["hello-1.0-1"]
    source = hub.call("buildSourceContainer", "demo", {"koji_build_nvr": "hello-1.0-1"})
    assert finish(hub, clock, source)["fault"] == (
        1005,
        "package hello-source not in list for tag demo-candidate",
    )
    scratch = submit(hub, "buildContainer", "hello", scratch=True)
    assert closed(hub, clock, scratch)["koji_builds"] == []


def test_indirection(hub: FakeHub, clock: Clock) -> None:
    """An indirection image is built in one task."""
    options = {"name": "hello", "version": "1.0", "arch": "x86_64", "target": "demo"}
    task_id = hub.call("buildImageIndirection", options)
    assert "image build results in" in closed(hub, clock, task_id)
    assert [row["method"] for row in hub.task_children(task_id)] == ["tagBuild"]


FAILURES = {
    ("build", "failroot"): (1012, "could not init mock buildroot, mock exited with status 30"),
    ("build", "failbuilder"): (1, "Traceback (most recent call last)"),
    **{("build", package): (1000, text[:30]) for package, text in TROUBLES.items()},
    ("build", "failarch"): (1005, "error building package (arch x86_64), mock exited"),
    ("livecd", "failarch"): (1015, "Could not create LiveCD"),
    ("appliance", "failarch"): (1018, "Could not create appliance"),
    ("livemedia", "failarch"): (1022, "Could not create livemedia"),
    ("image", "failroot"): (1012, "could not init mock buildroot"),
    ("kiwiBuild", "failarch"): (1000, "Kiwi failed"),
    ("kiwiBuild", "failbuilder"): (1, "Traceback (most recent call last)"),
    ("osbuildImage", "failarch"): (1005, "Compose failed"),
    ("buildContainer", "failarch"): (2001, "Image build failed"),
    ("maven", "failarch"): (1012, "error building Maven package, mock exited with status 1"),
    ("winbuild", "failarch"): (1005, "build command failed, see build.log for details"),
}


@pytest.mark.parametrize(("family", "name"), FAILURES)
def test_failure_of_a_family(hub: FakeHub, clock: Clock, family: str, name: str) -> None:
    """Each family fails as on a real builder; no build stays BUILDING."""
    if name in TROUBLES:
        hub.add_package("demo-candidate", name)
    row = finish(hub, clock, submit(hub, family, name))
    code, text = row["fault"]
    expected, beginning = FAILURES[family, name]
    assert (code, text[: len(beginning)]) == (expected, beginning)
    states = {build["state"] for build in hub.call("listBuilds")}
    assert states <= {build_states.FAILED}


@pytest.mark.parametrize("family", ["build", "buildContainer", "maven", "winbuild"])
def test_source_that_is_not_there(hub: FakeHub, clock: Clock, family: str) -> None:
    """A failed checkout fails the task, and the log says why."""
    task_id = submit(hub, family, "hello", ref="failcheckout")
    code, text = finish(hub, clock, task_id)["fault"]
    assert code == 1005
    assert text.endswith("see checkout.log for details")
    guilty = [task_id, *(child["id"] for child in hub.task_children(task_id))][-1]
    log = hub.call("downloadTaskOutput", guilty, "checkout.log")
    assert log


def test_host_that_goes_silent(hub: FakeHub, clock: Clock) -> None:
    """The task of a lost host returns to FREE, and starts its logs over."""
    states: list[str] = []
    hub.on_message(
        lambda message: (
            states.append(message.properties["new"])
            if message.properties.get("method") == "buildArch"
            and '"label": "x86_64"' in message.body
            else None
        )
    )
    task_id = submit(hub, "build", "failhost")
    closed(hub, clock, task_id)
    assert states == ["FREE", "ASSIGNED", "OPEN", "FREE", "ASSIGNED", "OPEN", "CLOSED"]


def test_freed_once_its_build_is_imported(hub: FakeHub, clock: Clock) -> None:
    """A build task that starts over finds the build done, and fails as a builder's does."""
    task = submit(hub, "build", "hello")
    while not hub.call("listTasks", {"method": "tagBuild"}):
        clock.advance(0.1)
    hub.call("freeTask", task)
    clock.pump([0.1] * 100)
    [build] = hub.call("listBuilds")
    assert build["state"] == build_states.COMPLETE
    assert hub.call("getTaskInfo", task)["state"] == task_states.FAILED
    with pytest.raises(GenericError, match=r"^Build already exists \(id=1, state=COMPLETE\): \{"):
        hub.call("getTaskResult", task)


def test_cancel_in_a_call_that_fails(hub: FakeHub, clock: Clock) -> None:
    """A cancellation that is rolled back stops nothing."""
    task = submit(hub, "build", "hello")
    clock.pump([0.1] * 30)

    def cancel_and_fail() -> None:
        with hub.state.transaction():
            hub.call("cancelTask", task)
            hub.call("getTag", "nosuch", strict=True)

    with pytest.raises(GenericError, match="No such tag"):
        cancel_and_fail()
    clock.pump([0.1] * 200)
    assert hub.call("getTaskInfo", task)["state"] == task_states.CLOSED


def test_architecture_that_may_fail(hub: FakeHub, clock: Clock) -> None:
    """An optional architecture's failure does not fail the image."""
    hub.call("packageListAdd", "demo-candidate", "failarch", owner="kojiadmin")
    task_id = submit(hub, "kiwiBuild", "failarch", optional_arches=["x86_64"])
    closed(hub, clock, task_id)
    [build] = hub.call("listBuilds")
    [archive] = hub.call("listArchives", buildID=build["build_id"], type="image")
    assert archive["arch"] == "aarch64"


def test_wrapper_rpm(hub: FakeHub, clock: Clock) -> None:
    """Wrapper RPMs of a Maven build are imported into it, once."""
    closed(hub, clock, submit(hub, "maven", "hello"))
    spec = GIT.format("specs", "r1")
    task_id = hub.call("wrapperRPM", "org.example-hello-1.0-1", spec, "demo")
    result = closed(hub, clock, task_id)
    assert result["rpms"] == ["org.example-hello-1.0-1.noarch.rpm"]
    rpms = hub.call("listRPMs", hub.call("getBuild", "org.example-hello-1.0-1")["id"])
    assert {rpm["arch"] for rpm in rpms} == {"src", "noarch"}
    with pytest.raises(PreBuildError, match="have already been built"):
        hub.call("wrapperRPM", "org.example-hello-1.0-1", spec, "demo")


def test_chain_of_maven_builds(hub: FakeHub, clock: Clock) -> None:
    """A Maven chain builds each package after the ones it requires."""
    hub.add_package("demo-candidate", "org.example-world")
    packages = {
        "hello": {"scmurl": GIT.format("hello", "r1"), "buildrequires": ["world"]},
        "world": {"scmurl": GIT.format("world", "r1")},
    }
    task_id = hub.call("chainMaven", packages, "demo")
    assert closed(hub, clock, task_id) == ["org.example-world-1.0-1", "org.example-hello-1.0-1"]


def test_dist_repo(hub: FakeHub, clock: Clock) -> None:
    """A dist repo holds the tag's RPMs; it fails if the key did not sign them."""
    closed(hub, clock, submit(hub, "build", "hello"))
    task_id = hub.call("distRepo", "demo-candidate", [], arch=ARCHES)
    repo = hub.call("getRepo", "demo-candidate", state=0, dist=True)
    assert repo["task_id"] == task_id
    assert closed(hub, clock, task_id) == f"Dist repository #{repo['id']} successfully generated"
    assert hub.call("getRepo", "demo-candidate", dist=True)["id"] == repo["id"]
    listed = hub.files.read(f"repos-dist/demo-candidate/{repo['id']}/x86_64/pkglist")
    assert listed == b"hello-1.0-r1.x86_64.rpm"
    unsigned = hub.call("distRepo", "demo-candidate", ["1234abcd"], arch=ARCHES)
    assert finish(hub, clock, unsigned)["fault"][1].startswith("Unsigned packages found")


def test_runroot(hub: FakeHub, clock: Clock) -> None:
    """A command's output is a log, its result a sentence."""
    task_id = hub.call("runroot", "demo-build", "x86_64", ["ls", "/"])
    assert closed(hub, clock, task_id) == "ls / completed successfully"
    assert hub.call("listTaskOutput", task_id) == ["root.log", "runroot.log"]
    failing = hub.call("runroot", "demo-build", "x86_64", "false")
    assert finish(hub, clock, failing)["fault"] == (1012, "false exited with status 1")


def test_repo_of_a_runroot(hub: FakeHub, clock: Clock) -> None:
    """A command runs in no repo that is not there, is another tag's, or is deleted."""
    repo = hub.call("getRepo", "demo-build")["id"]

    def fault(tag: str, repo_id: int) -> tuple[int, str]:
        task_id = hub.call("runroot", tag, "x86_64", "ls", repo_id=repo_id)
        return finish(hub, clock, task_id)["fault"]  # type: ignore[no-any-return]

    assert fault("demo-build", 999) == (1000, "query returned no rows")
    other = "build tag (demo-released) does not match repo tag (demo-build)"
    assert fault("demo-released", repo) == (1005, other)
    hub.call("repoDelete", repo)
    gone = "repos in the DELETED state may not be used by runroot"
    assert fault("demo-build", repo) == (1005, gone)


ONE_ARCH = {"arch": ["x86_64"], "__starstar": True}
REFUSALS: list[tuple[list[Any], type[HubFault], str]] = [
    (["buildImage", "x", "1", "x86_64", "demo", KS, "floppy"], GenericError, "image type: floppy"),
    (["buildImage", "x", "1", "x86_64", "demo", KS, "livecd"], ActionNotAllowed, "livecd perm"),
    (["buildImageOz", "x", "1", ARCHES, "demo", TREE], ActionNotAllowed, "image permission"),
    (["kiwiBuild", "demo", ARCHES, "u", "p"], ActionNotAllowed, "image permission required"),
    (["winBuild", "vm", "u", "demo"], ActionNotAllowed, r"\(vm\) \[rule: all :: deny\]"),
    (["runroot", "demo-build", "x86_64", "ls"], ActionNotAllowed, "runroot permission required"),
    (["distRepo", "demo-build", [], ONE_ARCH], ActionNotAllowed, "dist-repo permission required"),
    (["buildContainer", "u", "demo", {}, -1], ActionNotAllowed, "only admins may create high"),
    (["buildContainer", "u", "demo", {}, None, "nope"], GenericError, "No such channel: nope"),
]


@pytest.mark.parametrize(("call", "error", "text"), REFUSALS, ids=lambda value: str(value)[:40])
def test_refusal(hub: FakeHub, call: list[Any], error: type[HubFault], text: str) -> None:
    """Users without the permission can't start these tasks."""
    method, *args = call
    with pytest.raises(error, match=text):
        hub.call(method, *args, user="alice")


def test_what_is_not_enabled(clock: Clock) -> None:
    """Maven and Windows builds are disabled by default."""
    hub = FakeHub(clock)
    with pytest.raises(GenericError, match="Maven support not enabled"):
        hub.call("mavenBuild", "u", "demo")
    with pytest.raises(GenericError, match="Windows support not enabled"):
        hub.call("winBuild", "vm", "u", "demo")
