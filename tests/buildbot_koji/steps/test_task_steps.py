"""Steps that start a task: each asks the hub for just what Koji's own client would."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps

from tests.buildbot_koji.workbench import SOURCE, Workbench

GIT = SOURCE.format("hello", "main")
COMMIT = "2c" * 20


def request_of(bench: Workbench, properties: dict[str, Any]) -> tuple[str, list[Any]]:
    """Return the method and the request of a build's task."""
    task = bench.hub.call("getTaskInfo", properties["koji_task_id"], request=True)
    return task["method"], task["request"]


def prepare(bench: Workbench) -> None:
    """List what the steps build."""
    for package in ("cloud", "hello-container", "org.example-hello"):
        bench.hub.add_package("demo-candidate", package)


TASKS: tuple[tuple[str, dict[str, Any], str, list[Any] | None], ...] = (
    ("KojiRunroot",
     {"tag": "demo-build", "arch": "x86_64", "command": ["ls", "/"], "packages": ["bash"]},
     "runroot", ["demo-build", "x86_64", ["ls", "/"], {"packages": ["bash"], "__starstar": True}]),
    ("KojiTask", {"method": "sleep", "args": [0], "priority": 25, "arch": "noarch"}, "sleep", [0]),
    ("KojiTask", {"method": "newRepo", "hub_method": True, "args": ["demo-build"]}, "newRepo",
     None),
    ("KojiKiwiBuild",
     {"target": "demo", "description_scm": GIT, "description_path": "cloud", "arches": "x86_64",
      "scratch": True, "kiwi_profile": "small"}, "kiwiBuild",
     ["demo", "x86_64", GIT, "cloud", {"scratch": True, "profile": "small", "make_prep": False,
                                       "use_buildroot_repo": True}]),
    ("KojiOSBuild",
     {"image_name": "cloud", "version": "44", "distro": "fedora-44", "target": "demo",
      "arches": "x86_64", "ostree_ref": "a/b"}, "osbuildImage",
     ["cloud", "44", "fedora-44", ["guest-image"], "demo", ["x86_64"], {"ostree": {"ref": "a/b"}}]),
    ("KojiImageBuild",
     {"kind": "livemedia", "image_name": "cloud", "version": "44", "target": "demo",
      "arches": "x86_64 aarch64", "kickstart": "a.ks", "ksurl": GIT, "scratch": True,
      "can_fail": "aarch64"}, "livemedia",
     ["cloud", "44", ["x86_64", "aarch64"], "demo", "a.ks", {"ksurl": GIT, "scratch": True,
                                                             "optional_arches": ["aarch64"]}]),
    ("KojiImageBuild",
     {"image_name": "cloud", "version": "44", "target": "demo", "arches": ["x86_64"],
      "kickstart": "a.ks", "ksurl": GIT, "install_tree": "https://host/os", "distro": "Fedora-44",
      "format": "qcow2"}, "image",
     ["cloud", "44", ["x86_64"], "demo", "https://host/os", {"ksurl": GIT, "distro": "Fedora-44",
                                                             "kickstart": "a.ks", "disk_size": 10,
                                                             "format": ["qcow2"]}]),
    ("KojiContainerBuild", {"target": "demo", "source": GIT, "git_branch": "main", "scratch": True},
     "buildContainer", [GIT, "demo", {"git_branch": "main", "scratch": True}]),
    ("KojiMavenBuild",
     {"target": "demo", "source": GIT, "debug": True, "maven_properties": {"a": "b"}}, "maven",
     [GIT, "demo", {"maven_options": ["--debug"], "properties": {"a": "b"}}]),
    ("KojiWinBuild",
     {"target": "demo", "source": GIT, "vm": "win11", "cpus": 2, "background": True}, "winbuild",
     ["win11", GIT, "demo", {"cpus": 2}]),
)  # fmt: skip
"""Steps, their arguments, and the method and request of the task that they submit."""


@pytest_twisted.ensureDeferred
async def test_task(bench: Workbench) -> None:
    """The task is submitted as asked for, watched, and ends the step as it ends."""
    prepare(bench)
    made = [getattr(steps, name)(bench.profile, **arguments) for name, arguments, *_ in TASKS]
    ended = await bench.build_all(*made)
    for (_, _, method, request), each in zip(TASKS, ended, strict=True):
        assert each.result == "success", each.text
        task_id = int(next(name for name in each.urls if name.startswith("task ")).split()[1])
        found = request_of(bench, {"koji_task_id": task_id})
        assert found == (method, found[1] if request is None else request)
    assert ended[-1].properties["koji_task_url"] in ended[-1].urls.values()


@pytest_twisted.ensureDeferred
async def test_named_arguments_of_a_task(bench: Workbench) -> None:
    """Named arguments of a task travel as Koji writes them among positional ones."""
    step = steps.KojiTask(bench.profile, method="sleep", args=[0], kwargs={"extra": 1})
    ended = await bench.build(step)
    assert ended.result == "success", ended.text
    assert request_of(bench, ended.properties) == ("sleep", [0, {"extra": 1, "__starstar": True}])


@pytest_twisted.ensureDeferred
async def test_chain(bench: Workbench) -> None:
    """A chain is built level by level, where the target is fit for it."""
    sources = [[SOURCE.format("hello", COMMIT)], [SOURCE.format("world", COMMIT)]]
    step = steps.KojiChainBuild(bench.profile, target="demo", sources=sources)
    ended = await bench.build(step)
    assert ended.result == "success", ended.text
    method, request = request_of(bench, ended.properties)
    assert (method, request[0], request[1]) == ("chainbuild", sources, "demo")
    assert {each["nvr"] for each in bench.hub.call("listTagged", "demo-candidate")} == {
        f"hello-1.0-{COMMIT}",
        f"world-1.0-{COMMIT}",
    }
    assert ended.text == f"built hello-1.0-{COMMIT}, world-1.0-{COMMIT}"
    assert ended.properties["koji_nvrs"] == [f"hello-1.0-{COMMIT}", f"world-1.0-{COMMIT}"]
    again = await bench.build(step)
    assert again.text == f"built already: hello-1.0-{COMMIT}, world-1.0-{COMMIT}"
    assert again.properties["koji_nvrs"] == ended.properties["koji_nvrs"]
    further = [sources[0], [SOURCE.format("world", "2")]]
    step = steps.KojiChainBuild(bench.profile, target="demo", sources=further)
    ended = await bench.build(step)
    assert ended.text == "built world-1.0-2"
    assert ended.properties["koji_nvrs"] == [f"hello-1.0-{COMMIT}", "world-1.0-2"]
    assert request_of(bench, ended.properties)[1][0] == [[f"hello-1.0-{COMMIT}"], further[1]]
    broken = [sources[0], [SOURCE.format("failarch", "1")]]
    ended = await bench.build(steps.KojiChainBuild(bench.profile, target="demo", sources=broken))
    assert ended.text.startswith("failed: failarch: error building package (arch ")
    assert ended.properties["koji_nvrs"] == [f"hello-1.0-{COMMIT}"]
    bench.hub.call("untagBuild", "demo-candidate", f"hello-1.0-{COMMIT}")
    ended = await bench.build(step)
    assert (
        ended.text
        == f"failed: hello-1.0-{COMMIT} is built already: raise the release, or tag that build"
    )
    assert f"build hello-1.0-{COMMIT}" in ended.urls
    bench.hub.add_target("far", "demo-build", "demo-released")
    ended = await bench.build(steps.KojiChainBuild(bench.profile, target="far", sources=sources))
    assert "its build tag demo-build does not inherit its destination demo-released" in ended.text
    dead = [["gone-1-1"], sources[1]]
    ended = await bench.build(steps.KojiChainBuild(bench.profile, target="demo", sources=dead))
    assert ended.text == "failed: the hub has no such build, or it failed: gone-1-1"
    assert bench.hub.calls["chainBuild"] == 4


@pytest_twisted.ensureDeferred
async def test_dist_repo(bench: Workbench) -> None:
    """A dist repo has the architectures of its tag, and the comps file that is uploaded for it."""
    prepare(bench)
    await bench.built()
    (bench.directory / "comps.xml").write_text("<comps/>")
    ended = await bench.build(
        steps.KojiDistRepo(
            bench.logging_in,
            tag="demo-build",
            keys="aabbccdd",
            comps="comps.xml",
            files_on="master",
            with_src=True,
            allow_missing_signatures=True,
        )
    )
    assert ended.result == "success", ended.text
    method, [tag, repo_id, keys, options] = request_of(bench, ended.properties)
    assert (method, tag, keys) == ("distRepo", "demo-build", ["aabbccdd"])
    assert options["arch"] == ["x86_64", "aarch64", "ppc64le", "src"]
    assert bench.hub.files.read(f"work/{options['comps']}") == b"<comps/>"
    assert ended.text == f"made dist repo {repo_id} of demo-build"
    assert ended.properties["koji_repo_id"] == repo_id


@pytest.mark.parametrize("kind", ["image", "appliance", "livecd"])
@pytest_twisted.ensureDeferred
async def test_kickstart_that_is_uploaded(bench: Workbench, kind: str) -> None:
    """A kickstart file of the worker is uploaded, and named as the kind's builders want it."""
    prepare(bench)
    bench.worker_directory.mkdir(parents=True, exist_ok=True)
    (bench.worker_directory / "cloud.ks").write_text("text\n")
    more = {"image": {"install_tree": "https://host/os", "distro": "Fedora-44"}}
    ended = await bench.build(
        steps.KojiImageBuild(
            bench.logging_in,
            kind=kind,
            image_name="cloud",
            version="44",
            target="demo",
            arches="x86_64",
            kickstart="cloud.ks",
            scratch=True,
            **more.get(kind, {}),
        )
    )
    assert ended.result == "success", ended.text
    method, request = request_of(bench, ended.properties)
    assert method == kind
    path = request[5]["kickstart"].removeprefix("work/") if kind == "image" else request[4]
    assert path.startswith("cli-build/")
    assert bench.hub.files.read(f"work/{path}") == b"text\n"


@pytest_twisted.ensureDeferred
async def test_repositories_of_a_container(bench: Workbench) -> None:
    """Where a container can be pulled from is a property."""
    prepare(bench)
    source = SOURCE.format("hello-container", "main")
    step = steps.KojiContainerBuild(bench.profile, target="demo", source=source, git_branch="main")
    ended = await bench.build(step)
    assert ended.result == "success", ended.text
    assert ended.properties["koji_repositories"]
    nvr = ended.properties["koji_nvr"]
    ended = await bench.build(
        steps.KojiContainerBuild(bench.profile, target="demo", sources_of=nvr)
    )
    assert request_of(bench, ended.properties) == (
        "buildSourceContainer",
        ["demo", {"koji_build_nvr": nvr}],
    )


@pytest.mark.parametrize(
    ("step", "plugin", "words"),
    [
        (
            lambda profile: steps.KojiRunroot(profile, tag="demo-build", arch="a", command="b"),
            "runroot",
            "the hub has no runroot: its plugin runroot_hub is not installed",
        ),
        (
            lambda profile: steps.KojiContainerBuild(
                profile, target="demo", source=GIT, git_branch="main"
            ),
            "containerbuild",
            "the hub has no buildContainer: its plugin koji-containerbuild is not installed",
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_plugin_that_the_hub_lacks(
    bench: Workbench, step: Any, plugin: str, words: str
) -> None:
    """Where the hub lacks a plugin, the step says which."""
    bench.hub.without_plugins(plugin)
    ended = await bench.build(step(bench.profile))
    assert words in ended.text


@pytest_twisted.ensureDeferred
async def test_permission_that_is_missing(bench: Workbench) -> None:
    """Where a permission is missing, the step says which."""
    bench.hub.add_user("robot")
    bench.hub.anonymous_user = "robot"
    ended = await bench.build(
        steps.KojiDistRepo(bench.profile, tag="demo-build", keys="a", arches="x86_64")
    )
    assert "dist-repo permission required" in ended.text
