"""What each kind of step makes of the faults of its task: whose failure it is, and another try."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps

from tests.buildbot_koji.workbench import SOURCE, Workbench
from txkoji import build_states
from txkoji.exceptions import (
    BuildError,
    BuildrootError,
    GenericError,
    HubFault,
    LiveMediaError,
    PreBuildError,
    TagError,
    UnknownFault,
)
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers.failures import TRACEBACK
from txkoji.testing.farm.handlers.registry import HANDLERS
from txkoji.testing.methods.table import METHODS
from txkoji.testing.tables.state import Row

pytestmark = pytest.mark.limit(300)

GIT = SOURCE.format("hello", "main")
IMAGE = {"image_name": "cloud", "version": "44", "target": "demo", "arches": "x86_64"}
FULL = "[Errno 28] No space left on device: '/mnt/koji/work'"
NO_DOMAIN = "libvirt.libvirtError: Domain not found: no domain with matching name 'nosuch'"

FAULTS: list[tuple[str, dict[str, Any], str, HubFault, HubFault]] = [
    ("KojiBuild", {"target": "demo", "source": GIT}, "build", UnknownFault(TRACEBACK, code=1),
     BuildError("package hello not in list for tag demo")),
    ("KojiChainBuild", {"target": "demo", "sources": [[GIT], [SOURCE.format("world", "main")]]},
     "chainbuild", GenericError("Unsuccessfully waited 120:00 for a new demo-build repo"),
     BuildError("error building package (arch x86_64), mock exited with status 1")),
    ("KojiRunroot", {"tag": "demo-build", "arch": "x86_64", "command": "ls"}, "runroot",
     GenericError("Unable to mount /var/lib/mock/x: mount exited with status 32"),
     BuildrootError("ls exited with status 2")),
    ("KojiMavenBuild", {"target": "demo", "source": GIT}, "maven",
     BuildrootError("could not init mock buildroot, mock exited with status 30"),
     BuildrootError("error building Maven package, mock exited with status 1")),
    ("KojiWinBuild", {"target": "demo", "source": GIT, "vm": "win"}, "winbuild",
     PreBuildError("error starting VM koji-clone-7-win, error was: internal error"),
     UnknownFault(f"{TRACEBACK}\n{NO_DOMAIN}", code=1)),
    ("KojiContainerBuild", {"target": "demo", "source": GIT, "git_branch": "main"},
     "buildContainer", UnknownFault("dial tcp: lookup registry.test: no such host", code=2001),
     UnknownFault("image build failed", code=2001)),
    ("KojiImageBuild", {**IMAGE, "kind": "livemedia", "kickstart": "a.ks", "ksurl": GIT},
     "livemedia", GenericError("umount failed (exit code 32) for /var/lib/mock/demo"),
     LiveMediaError("Could not create LiveMedia ISO: exited with status 1; see image.log")),
    ("KojiDistRepo", {"tag": "demo-build", "keys": "a", "arches": "x86_64"}, "distRepo",
     GenericError("failed to create repo: createrepo_c exited with status 1"),
     GenericError("Unsigned packages found. See missing_signatures.log")),
    ("KojiRegenRepo", {"tag": "demo-build", "make_task": True}, "newRepo",
     GenericError("failed to merge repos: mergerepos_c exited with status 1"),
     GenericError("No such entry in table tag: 'demo-build'")),
    ("KojiTag", {"tag": "demo-released", "builds": "hello-1.0-main"}, "tagBuild",
     GenericError(FULL), TagError("tag demo-released is locked")),
    # Of children, and children of those.
    ("KojiBuild", {"target": "demo", "source": SOURCE.format("world", "1")}, "buildSRPMFromSCM",
     BuildrootError("could not init mock buildroot, mock was killed by signal 9"),
     BuildError('Error running GIT command "git clone -n https://x", see checkout.log')),
    ("KojiBuild", {"target": "demo", "source": SOURCE.format("world", "2")}, "buildArch",
     BuildError("error building package (arch s390x), mock exited with status 70; see root.log"),
     BuildError("error building package (arch s390x), mock exited with status 10; see root.log")),
    ("KojiChainBuild", {"target": "demo", "sources": [[SOURCE.format("world", "3")], [GIT]]},
     "buildArch", UnknownFault("MemoryError", code=1),
     BuildrootError("make was killed by signal 9")),
    ("KojiMavenBuild", {"target": "demo", "source": GIT}, "buildMaven",
     GenericError("HTTP Error 429: Too Many Requests"),
     BuildrootError("Requested repo (7) is DELETED")),
    ("KojiWinBuild", {"target": "demo", "source": GIT, "vm": "win"}, "vmExec",
     BuildError("VM koji-clone-7-win crashed"),
     BuildError("Task did not complete after 60.00 minutes, VM koji-clone has been destroyed")),
    *[
        ("KojiImageBuild", {**IMAGE, "kind": kind, "kickstart": "a.ks", "ksurl": GIT, **more},
         method,
         UnknownFault(f"{TRACEBACK}\nOSError: {FULL}", code=1),
         UnknownFault("pykickstart.errors.KickstartParseError: Unknown command: x", code=1))
        for kind, method, more in (
            ("image", "createImage", {"install_tree": "https://host/os", "distro": "Fedora-44"}),
            ("livecd", "createLiveCD", {}),
            ("appliance", "createAppliance", {}),
            ("livemedia", "createLiveMedia", {}),
        )
    ],
    ("KojiKiwiBuild", {"target": "demo", "description_scm": GIT, "description_path": "cloud",
                       "arches": "x86_64"},
     "createKiwiImage", GenericError("Status code: 503 for https://x/repomd.xml"),
     GenericError("Kiwi failed")),
    ("KojiOSBuild", {**IMAGE, "distro": "fedora-44", "image_types": "qcow2"}, "osbuildImage",
     GenericError("('Connection aborted.', RemoteDisconnected('Remote end closed connection'))"),
     BuildError("Compose failed (id: 5e5f)")),
    ("KojiContainerBuild", {"target": "demo", "source": GIT, "git_branch": "main"},
     "buildContainer", UnknownFault("pods x is forbidden: exceeded quota: y", code=2001),
     UnknownFault("manifest unknown: manifest tagged by 9.9 is not found", code=2001)),
    ("KojiDistRepo", {"tag": "demo-build", "keys": "a", "arches": "x86_64"}, "createdistrepo",
     GenericError("createrepo_c was killed by signal 6"),
     GenericError("Unsigned packages found. See missing_signatures.log")),
    ("KojiRegenRepo", {"tag": "demo-build", "make_task": True}, "createrepo",
     GenericError(FULL), GenericError("No such entry in table tag: 'demo-build'")),
    ("KojiTask", {"method": "wrapperRPM", "args": [GIT, "demo", {"id": 1}, None, {}]}, "wrapperRPM",
     BuildrootError("could not init mock buildroot, mock exited with status 30"),
     PreBuildError("no build found")),
]  # fmt: skip

ONCE = ("KojiRegenRepo", "KojiTag")
"""Steps that submit no second task."""


def fail_with(monkeypatch: pytest.MonkeyPatch, method: str, fault: HubFault) -> None:
    async def fail(builder: Builder, task: Row) -> None:
        assert task["method"] == method
        raise fault

    monkeypatch.setitem(HANDLERS, method, fail)


@pytest_twisted.ensureDeferred
async def test_whose_failure_it_is(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of step: the build system's faults, by code and text, and the request's."""
    bench.hub.maven_enabled = bench.hub.win_enabled = True
    await bench.built()
    for package in ("cloud", "hello-container", "org.example-hello"):
        bench.hub.add_package("demo-candidate", package)
    attempts: dict[str, tuple[str, HubFault]] = {}
    tasks: Counter[str] = Counter()

    runs = dict(HANDLERS)

    async def fail(builder: Builder, task: Row) -> Any:
        step = bench.running().currentStep.name
        method, fault = attempts[step]
        tasks[step] += task["parent"] is None
        if task["method"] == method:
            raise fault
        return await runs[task["method"]](builder, task)

    for method in runs:
        monkeypatch.setitem(HANDLERS, method, fail)
    made = []
    for number, (name, arguments, method, *faults) in enumerate(FAULTS):
        for whose, fault in zip(("ours", "theirs"), faults, strict=True):
            step = f"{name} {number}: {whose}"
            attempts[step] = (method, fault)
            made.append(getattr(steps, name)(bench.profile, name=step, **arguments))
    for step, ended in zip(attempts, await bench.build_all(*made), strict=True):
        name, _, whose = step.partition(": ")
        ours = whose == "ours"
        count = 2 if ours and not name.startswith(ONCE) else 1
        assert (ended.result, tasks[step]) == ("exception" if ours else "failure", count), ended
        assert ("the build system failed" in ended.text) == ours, ended.text
        assert ("(attempt 2 of 2)" in ended.text) == (count == 2), ended.text


@pytest_twisted.ensureDeferred
async def test_reason_for_everyone(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason shows no password of an address and no control character, and is bounded."""
    words = "can't clone git+https://bob:hunter2@host/x.git: \u202e"
    fail_with(monkeypatch, "runroot", GenericError())
    told = {"faultCode": 1000, "faultString": words + "x" * 20_000}
    bench.hub.answer = lambda method, _, run: told if method == "getTaskResult" else run()
    step = steps.KojiRunroot(bench.profile, tag="demo-build", arch="x86_64", command="ls")
    ended = await bench.build(step)
    assert "can't clone git+https://***@host/x.git: \N{REPLACEMENT CHARACTER}x" in ended.text
    for shown in (ended.text, ended.properties["koji_reason"], *ended.logs.values()):
        assert "hunter2" not in shown
        assert "\u202e" not in shown
    assert 1000 < len(ended.properties["koji_reason"]) <= 10_000


@pytest_twisted.ensureDeferred
async def test_canceled_container(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A container build that someone cancels in its own service is canceled, not failed."""
    bench.hub.add_package("demo-candidate", "hello-container")
    words = "Image build was cancelled by OSBS."
    fail_with(monkeypatch, "buildContainer", UnknownFault(words, code=2002))
    step = steps.KojiContainerBuild(bench.profile, target="demo", source=GIT, git_branch="main")
    ended = await bench.build(step)
    assert (ended.result, ended.text) == ("cancelled", words)


@pytest_twisted.ensureDeferred
async def test_rest_of_a_chain(bench: Workbench) -> None:
    """A chain that the build system failed is submitted again without what is built by then."""
    bench.hub.builder.seconds = 1
    levels = [[GIT], [SOURCE.format("failroot", "main")]]
    ended = await bench.build(steps.KojiChainBuild(bench.profile, target="demo", sources=levels))
    assert ended.text.startswith("the build system failed: failroot: could not init mock")
    chains = bench.hub.call("listTasks", {"method": "chainbuild"}, {"order": "id"})
    requests = [bench.hub.call("getTaskRequest", each["id"])[0] for each in chains]
    assert requests == [levels, [["hello-1.0-main"], levels[1]]]
    assert ended.properties["koji_nvrs"] == ["hello-1.0-main"]
    assert ended.properties["koji_package"] == "failroot"


@pytest_twisted.ensureDeferred
async def test_nothing_is_built_twice(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A complete build that the build system could not tag is not built again under a new name."""
    bench.hub.add_package("demo-candidate", "cloud")
    fail_with(monkeypatch, "tagBuild", GenericError(FULL))
    for step, package in (
        (steps.KojiBuild(bench.profile, target="demo", source=GIT, draft=True), "hello"),
        (
            steps.KojiImageBuild(
                bench.profile, **IMAGE, kind="livemedia", kickstart="a.ks", ksurl=GIT
            ),
            "cloud",
        ),
        (
            steps.KojiChainBuild(
                bench.profile, target="demo", sources=[[SOURCE.format("world", "main")], [GIT]]
            ),
            "world",
        ),
    ):
        ended = await bench.build(step)
        whose = "world: " if package == "world" else ""
        words = f"the build system failed: {whose}{FULL}"
        assert (ended.result, ended.text) == ("exception", words)
        assert [build["state"] for build in bench.hub.call("listBuilds", package)] == [1]
        assert ended.properties["koji_nvr"].startswith(package)


@pytest.mark.parametrize("kind", ["imported", "reserved", "another task's", "too old a hub"])
@pytest_twisted.ensureDeferred
async def test_generated_build(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A container whose build was imported or reserved before its task failed is built once."""

    async def fail(builder: Builder, task: Row) -> None:
        state = builder.hub.state
        extra = {"container_koji_task_id": task["id"] + (kind == "another task's")}
        generated(bench, None if kind == "reserved" else extra)
        assert state.rows("build")
        raise UnknownFault("dial tcp: lookup registry.test: no such host", code=2001)

    if kind == "too old a hub":
        monkeypatch.delitem(METHODS, "listCGs")
    monkeypatch.setitem(HANDLERS, "buildContainer", fail)
    step = steps.KojiContainerBuild(bench.profile, target="demo", source=GIT, git_branch="main")
    ended = await bench.build(step)
    count = len(bench.hub.call("listTasks", {"method": "buildContainer"}))
    assert (ended.result, count) == ("exception", 2 if kind == "another task's" else 1)
    words = {
        "imported": "; not submitted again: box-1-1 is COMPLETE, and may be its build",
        "reserved": "; not submitted again: box-1-1 is BUILDING, and may be its build",
        "another task's": "no such host (attempt 2 of 2)",
        "too old a hub": "; not submitted again: the hub can't say whether there is a build",
    }
    assert words[kind] in ended.text


def generated(bench: Workbench, extra: dict[str, Any] | None) -> None:
    """Let a content generator import a build with an ``extra``, or only reserve its name."""
    state = bench.hub.state
    if state.one("content_generator", name="atomic-reactor") is not None:
        return
    bench.hub.call("grantCGAccess", "kojiadmin", "atomic-reactor", True, user="kojiadmin")
    data = {"name": "box", "version": "1", "release": "1"}
    begun = bench.hub.call("CGInitBuild", "atomic-reactor", data, user="kojiadmin")
    if extra is not None:
        complete = int(build_states.COMPLETE)
        state.update("build", begun["build_id"], extra=extra, state=complete)


@pytest_twisted.ensureDeferred
async def test_repo_that_is_not_made(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose failure it is that the hub gave up making a repo, its last task says."""
    for fault, result, words in (
        (GenericError(FULL), "exception", "the build system failed"),
        (GenericError("No such entry in table tag"), "failure", "failed"),
    ):
        fail_with(monkeypatch, "newRepo", fault)
        bench.hub.add_package("demo-build", f"p{result}")
        ended = await bench.build(steps.KojiRegenRepo(bench.profile, tag="demo-build"))
        assert (ended.result, ended.text.partition(": task ")[0]) == (
            result,
            f"{words}: the hub gave up making a repo of demo-build",
        )
        assert ended.text.endswith(fault.text)
