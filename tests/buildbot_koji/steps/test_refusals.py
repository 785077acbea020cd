"""What each step concludes from a call that the hub refuses, by kind of fault."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps

from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.steps.build import KojiBuild
from buildbot_koji.steps.framework.early_end import StepTiming
from tests.buildbot_koji.steps.test_srpm import SRPM, put
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import until
from tests.support.hubs import hold
from txkoji import RetryPolicy
from txkoji.exceptions import (
    ActionNotAllowed,
    AuthError,
    GenericError,
    HubConfigurationError,
    HubFault,
    LockError,
    ParameterError,
    PluginError,
    TagError,
    UnknownFault,
)
from txkoji.testing.front.endpoint import HubResource

GIT = SOURCE.format("hello", "main")
HELLO = "hello-1.0-main"
IMAGE = {"image_name": "cloud", "version": "44", "target": "demo", "arches": "x86_64"}
TAGS = {"from_tag": "demo-candidate", "to_tag": "demo-released"}

STEPS: dict[str, tuple[str, dict[str, Any]]] = {
    "KojiBuild": ("build", {"target": "demo", "source": GIT}),
    "KojiBuildSRPM": ("build", {"target": "demo", "srpm": SRPM, "files_on": "master"}),
    "KojiCall": ("createTag", {"method": "createTag", "args": ["another"]}),
    "KojiCancel": ("cancelBuild", {"builds": HELLO}),
    "KojiChainBuild": ("chainBuild", {"target": "demo", "sources": [[GIT], [f"{GIT}2"]]}),
    "KojiCompareTags": ("listTagged", {"tag": "demo-candidate", "other": "demo-released"}),
    "KojiContainerBuild": (
        "buildContainer",
        {"target": "demo", "source": GIT, "git_branch": "main"},
    ),
    "KojiCreateSideTag": ("createSideTag", {"basetag": "demo-build"}),
    "KojiDistRepo": ("distRepo", {"tag": "demo-build", "keys": "a", "arches": "x86_64"}),
    "KojiDownloadBuild": ("listRPMs", {"build_name": HELLO, "to": "master", "directory": "here"}),
    "KojiDownloadTask": (
        "listTaskOutput",
        {"task_id": 1, "to": "master", "directory": "here"},
    ),
    "KojiImageBuild": (
        "buildImage",
        {**IMAGE, "kind": "livemedia", "kickstart": "a.ks", "ksurl": GIT},
    ),
    "KojiKiwiBuild": (
        "kiwiBuild",
        {"target": "demo", "description_scm": GIT, "description_path": "a"},
    ),
    "KojiMassBuild": (
        "getBuildTarget",
        {"target": "demo", "source": SOURCE.format("{package}", "main"), "packages": ["hello"]},
    ),
    "KojiMassTag": ("listTagged", TAGS),
    "KojiMavenBuild": ("mavenBuild", {"target": "demo", "source": GIT}),
    "KojiMove": ("moveBuild", {"builds": HELLO, **TAGS}),
    "KojiOSBuild": ("osbuildImage", {**IMAGE, "distro": "fedora-44"}),
    "KojiPromote": ("promoteBuild", {"draft": HELLO}),
    "KojiRegenRepo": ("repo.request", {"tag": "demo-build"}),
    "KojiRemoveSideTag": ("removeSideTag", {"sidetags": "demo-released"}),
    "KojiRunroot": ("runroot", {"tag": "demo-build", "arch": "x86_64", "command": "ls"}),
    "KojiTag": ("tagBuild", {"tag": "demo-released", "builds": HELLO}),
    "KojiTask": ("makeTask", {"method": "sleep", "args": [1]}),
    "KojiUntag": ("untagBuild", {"tag": "demo-candidate", "builds": HELLO}),
    "KojiWaitRepo": ("repo.request", {"tag": "demo-build"}),
    "KojiWinBuild": ("winBuild", {"target": "demo", "source": GIT, "vm": "win"}),
}
"""The method of each step that is refused, and arguments with which the step calls it."""

FAULTS: list[tuple[HubFault, str, str]] = [
    (GenericError("No such channel: big"), "failure", "`koji list-channels` lists them"),
    (
        ActionNotAllowed("image permission required (logged in as bot)"),
        "failure",
        "koji grant-permission image bot",
    ),
    (GenericError("Invalid type for id lookup"), "failure", "Invalid type for id lookup"),
    (ParameterError("got an unexpected keyword argument 'x'"), "failure", "argument 'x'"),
    (TagError("tag is locked"), "failure", "tag is locked: koji edit-tag --unlock "),
    (UnknownFault("<class 'ValueError'>: not a number", code=1), "failure", "not a number"),
    (UnknownFault("deadlock detected", code=1), "exception", "deadlock detected"),
    (UnknownFault("Traceback\nMemoryError: \n", code=1), "exception", "MemoryError"),
    (UnknownFault("<class 'TimeoutError'>: timed out", code=1), "exception", "TimeoutError"),
    (AuthError("Invalid session or bad credentials"), "exception", "Invalid session"),
    (LockError("database is locked"), "exception", "database is locked"),
    (PluginError("plugin broken"), "exception", "plugin broken"),
    (HubConfigurationError("no policy"), "exception", "no policy"),
]

WITH_ALL = {"KojiBuild", "KojiCall", "KojiDownloadTask", "KojiTag"}
"""One step of each base class meets all faults, the others a refusal and a broken hub."""


def test_every_step() -> None:
    """No step is forgotten."""
    names = {
        entry.name
        for entry in entry_points(group="buildbot.steps")
        if "buildbot_koji.steps." in entry.value
    }
    assert STEPS.keys() == names


@pytest_twisted.ensureDeferred
async def test_refusal(bench: Workbench) -> None:
    """What the hub refuses is a failure that says what to do; a broken hub is an exception."""
    bench.hub.maven_enabled = bench.hub.win_enabled = True
    put(bench.directory)
    built, draft = await bench.built(), await bench.built(ref="next", draft=True)
    attempts: dict[str, tuple[str, HubFault, str, str]] = {}
    raised: list[str] = []

    def answer(name: str, _: list[Any], run: Callable[[], Any]) -> Any:
        step = bench.running().currentStep.name
        method, fault, *_ = attempts.get(step, ("", None))
        if name != method:
            return run()
        raised.append(step)
        raise fault

    bench.hub.answer = answer
    made = []
    for name, (method, arguments) in STEPS.items():
        nvr = draft if name == "KojiPromote" else built
        given = {key: nvr if value == HELLO else value for key, value in arguments.items()}
        profile = bench.logging_in if name == "KojiBuildSRPM" else bench.profile
        for fault, result, words in FAULTS if name in WITH_ALL else (FAULTS[0], FAULTS[-1]):
            step = f"{name} {len(attempts)}"
            attempts[step] = (method, fault, result, words)
            made.append(getattr(steps, name)(profile, name=step, **given))
    found = await bench.build_all(*made)
    for (step, (_, _, result, words)), ended in zip(attempts.items(), found, strict=True):
        assert step in raised, (step, ended)
        assert (ended.result, words in ended.text) == (result, True), (step, ended)


class QuickBuild(KojiBuild):
    """Asks an unreachable hub often."""

    timing = StepTiming(retry=RetryPolicy(first=0.2, factor=1.0, ceiling=0.2, jitter=0.0))


@pytest.mark.parametrize("is_done", [False, True])
@pytest_twisted.ensureDeferred
async def test_hub_that_loses_its_database(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    """A hub whose database goes away in the middle of a call may have carried it out, or not.

    The task is looked for, and there is one in the end.
    """
    lost: list[UnknownFault] = []
    run = HubResource._run

    def lose(rpc: HubResource, request: Any, method: str, *args: Any) -> bytes:
        if method != "build" or lost:
            return run(rpc, request, method, *args)
        lost.append(UnknownFault("<class 'psycopg2.OperationalError'>: server closed", code=1))
        if is_done:
            run(rpc, request, method, *args)
        raise lost[0]

    monkeypatch.setattr(HubResource, "_run", lose)
    ended = await bench.build(
        QuickBuild(bench.profile, target="demo", source=SOURCE.format("hello", "main"))
    )
    assert lost
    assert ended.result == "success", ended.text
    assert len(bench.hub.call("listTasks", {"method": "build"}, {"order": "id"})) == 1


@pytest.mark.parametrize("fault", [AuthError, ActionNotAllowed])
@pytest.mark.parametrize("method", ["getTaskInfo", "listBuilds"])
@pytest_twisted.ensureDeferred
async def test_task_without_access(bench: Workbench, fault: type[HubFault], method: str) -> None:
    """An attempt without access waits for the task of an earlier one, and submits none twice."""
    release = hold(bench.hub, "buildArch")
    git = SOURCE.format("failroot", "main")
    request = await bench.begin(QuickBuild(bench.profile, target="demo", source=git))
    tasks = partial(bench.hub.state.rows, "task", method="build")
    await until(lambda: tasks() and "koji_task_id" in bench.running().properties)

    def refuse(name: str, _: list[Any], run: Callable[[], Any]) -> Any:
        if name == method:
            raise fault("user bot is disabled")
        return run()

    bench.hub.answer = refuse
    bench.lose_worker()
    release()
    await until(lambda: bench.running() is not None and "user bot is disabled" in bench.text())
    assert "the hub refuses, asking again: " in bench.text()
    assert len(tasks()) == 1
    bench.hub.answer = lambda _name, _params, run: run()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts, len(tasks())) == ("exception", 2, 2), ended.text


@pytest.mark.parametrize(
    ("fault", "result", "words"),
    [
        (AuthError, "exception", "build: user bot is disabled"),
        (
            ActionNotAllowed,
            "failure",
            "failed: the hub does not allow it: build: user bot is disabled",
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_resubmission_without_access(
    bench: Workbench, fault: type[HubFault], result: str, words: str
) -> None:
    """A refused resubmission ends the step, which follows no task any more."""
    calls: list[str] = []

    def refuse(name: str, _: list[Any], run: Callable[[], Any]) -> Any:
        calls.append(name)
        if name == "build" and calls.count(name) > 1:
            raise fault("user bot is disabled")
        return run()

    bench.hub.answer = refuse
    git = SOURCE.format("failroot", "main")
    ended = await bench.build(QuickBuild(bench.profile, target="demo", source=git, scratch=True))
    assert (ended.result, ended.text) == (result, words)
    assert calls.count("build") == 2


@pytest_twisted.ensureDeferred
async def test_login_while_the_hub_is_offline(bench: Workbench) -> None:
    """A step whose login meets a hub in maintenance waits for it, and says why."""
    named = bench.logging_in
    (await get_hub(bench.master, named)).connection.deadline = 0.5
    bench.hub.offline("moving to another rack")
    source = SOURCE.format("hello", "main")
    request = await bench.begin(QuickBuild(named, target="demo", source=source))
    # After its login has failed it asks whether the hub is back.
    await until(lambda: ": moving to another rack" in bench.text())
    assert bench.text().startswith("waiting: the hub has not answered since ")
    bench.hub.online()
    ended = await bench.ended(request)
    assert ended.result == "success", ended.text
