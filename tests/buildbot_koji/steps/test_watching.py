"""The watching step in a real master, in this process: logs, retries, other's builds, stops."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util
from buildbot.process.results import RETRY, SUCCESS
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import CancelledError, Deferred, fail

from buildbot_koji.durable.store import BuildData
from buildbot_koji.hubs.hub import Hub, get_hub
from buildbot_koji.left_tasks import LeftTasks
from buildbot_koji.steps.build import KojiBuild
from buildbot_koji.steps.framework.base import SUPERSEDED, KojiStep
from buildbot_koji.steps.framework.early_end import Ending, StepTiming
from tests.buildbot_koji.workbench import BRANCH, SOURCE, Workbench
from tests.support import poll, until
from tests.support.ends import AtEnd
from tests.support.fault_proxy import Fate
from tests.support.hubs import hold
from txkoji import task_states
from txkoji.exceptions import BuildError, GenericError
from txkoji.submission.submitter import Submitter
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers.registry import HANDLERS
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.table import METHODS
from txkoji.testing.tables.state import Row


class ImpatientBuild(KojiBuild):
    """Waits for the hub at most a second when stopped, and shows trouble soon."""

    timing = StepTiming(cancel_limit=1.0, show_interval=0.2, refresh=0.5, last_refresh=0.5)


def koji_build(
    bench: Workbench,
    package: str = "hello",
    ref: str = "main",
    step: type[KojiBuild] = KojiBuild,
    **options: Any,
) -> Any:
    given = {"profile": bench.profile, "target": "demo", "source": SOURCE.format(package, ref)}
    return step(**{**given, **options})


def tasks(bench: Workbench, method: str = "build") -> list[Any]:
    return bench.hub.call("listTasks", {"method": method}, {"order": "id"})


async def until_open(bench: Workbench, method: str = "build", count: int = 1) -> Any:
    """Wait until tasks of a method are open; returns the last."""

    def is_open() -> Any:
        found = [task for task in tasks(bench, method) if task["state"] == task_states.OPEN]
        return len(found) >= count and found[-1]

    return await until(is_open)


def log_of(bench: Workbench, task_id: int, name: str = "build.log") -> str:
    data: bytes = bench.hub.files.read(f"{task_directory(task_id)}/{name}")
    return data.decode()


async def shown_logs(bench: Workbench) -> dict[str, str]:
    """Return the logs of the step that runs, by name, as far as they are in the database."""
    build = bench.running()
    if build is None or build.currentStep is None or build.currentStep.stepid is None:
        return {}
    data = bench.master.data
    logs = await data.get(("steps", build.currentStep.stepid, "logs"))
    found = {}
    for log in logs:
        found[log["name"]] = (await data.get(("logs", log["logid"], "contents")))["content"]
    return found


@pytest_twisted.ensureDeferred
async def test_logs_are_live(bench: Workbench, logged_failures: list[Any]) -> None:
    """The log of each architecture is shown while it grows, and in the end is the builder's own.

    One that the database can't take the end of is finished later.
    """
    release = hold(bench.hub, "buildArch", pauses=1)
    request = await bench.begin(koji_build(bench, scratch=True))
    early = await poll(lambda: live_text(bench, "build.log x86_64"))
    release()
    assert "Building for target x86_64" in early
    with bench.full_disk("UPDATE logs SET complete", 1) as refused:
        ended = await bench.ended(request)
    assert refused
    assert ended.result == "success"
    assert [each["why"] for each in logged_failures] == ["Got fatal OperationalError on DB"]
    logged_failures.clear()
    for task in tasks(bench, "buildArch"):
        arch = task["label"]
        assert ended.logs[f"build.log {arch}"] == log_of(bench, task["id"])
    assert len(early) < len(ended.logs["build.log x86_64"])


async def live_text(bench: Workbench, name: str) -> str:
    return (await shown_logs(bench)).get(name, "")


async def is_live(bench: Workbench, words: str) -> bool:
    return words in await live_text(bench, "build.log x86_64")


@pytest_twisted.ensureDeferred
async def test_log_of_a_task_that_is_restarted(bench: Workbench) -> None:
    """A log that starts over is shown again from its start, with a note."""
    first = hold(bench.hub, "buildArch", pauses=3)
    request = await bench.begin(koji_build(bench, scratch=True, arch_override="x86_64"))
    task = await until_open(bench, "buildArch")
    await poll(lambda: is_live(bench, "step 2 of"))
    first()
    again = hold(bench.hub, "buildArch", pauses=1)
    bench.hub.builder.free(task["id"])
    note = f"--- task {task['id']} was restarted: its log starts over ---"
    await poll(lambda: is_live(bench, note))
    again()
    ended = await bench.ended(request)
    assert ended.result == "success"
    text = ended.logs["build.log x86_64"]
    before, after = text.split(f"{note}\n")
    assert before
    assert after == log_of(bench, task["id"])


@pytest_twisted.ensureDeferred
async def test_long_log_is_cut(bench: Workbench) -> None:
    """Of a long log the start and the end are shown, and how much is between them."""
    bench.hub.builder.seconds = 3
    ended = await bench.build(
        koji_build(bench, scratch=True, arch_override="x86_64", live_log_bytes=300)
    )
    [task] = tasks(bench, "buildArch")
    whole = log_of(bench, task["id"])
    shown = ended.logs["build.log x86_64"]
    [left_out] = re.findall(r"^\.\.\. (\d+) bytes left out \.\.\.$", shown, re.MULTILINE)
    head, tail = shown.split(f"... {left_out} bytes left out ...\n")
    assert whole.startswith(head.rstrip("\n"))
    assert whole.endswith(tail)
    assert len(head.rstrip("\n")) + int(left_out) + len(tail) == len(whole)
    assert len(tail) == 150


@pytest_twisted.ensureDeferred
async def test_logs_are_not_wanted(bench: Workbench) -> None:
    """Without live logs none is shown, or asked for, but that of a failure."""
    bench.hub.builder.seconds = 3
    ended = await bench.build(koji_build(bench, scratch=True, live_logs=False))
    assert (ended.result, ended.logs) == ("success", {})
    assert bench.hub.calls["downloadTaskOutput"] == 0
    ended = await bench.build(koji_build(bench, "failarch", scratch=True, live_logs=False))
    assert ended.result == "failure"
    assert sorted(ended.logs) == ["build.log x86_64", "summary"]
    assert "error: Bad exit status from %build" in ended.logs["build.log x86_64"]


@pytest_twisted.ensureDeferred
async def test_reason_of_a_failure(bench: Workbench) -> None:
    """The log that Buildbot opens and the properties give the reason of a failure."""
    ended = await bench.build(koji_build(bench, "failarch", scratch=True))
    reason, title, *lines = ended.logs["summary"].splitlines()
    assert ended.text == f"failed: {reason}"
    assert re.fullmatch(r"--- the last \d+ lines of build.log x86_64 ---", title)
    assert ended.logs["build.log x86_64"].splitlines()[-len(lines) :] == lines
    assert ended.properties["koji_reason"] == reason
    assert ended.properties["koji_failed_arch"] == "x86_64"
    assert ended.properties["koji_log_url"] == ended.urls["build.log x86_64"]
    ended = await bench.build(koji_build(bench, "unlisted"))
    assert ended.result == "failure"
    assert ended.text == f"failed: {ended.properties['koji_reason']}"
    assert ended.text.endswith(": koji add-pkg --owner OWNER demo-candidate unlisted")


@pytest_twisted.ensureDeferred
async def test_time_limits(bench: Workbench) -> None:
    """A task over its time limit, or in the queue for too long, is canceled, with the reason."""
    hold(bench.hub, "buildArch")
    request = await bench.begin(koji_build(bench, timeout=3600))
    await until(lambda: "x86_64" in bench.text())
    bench.expire()
    ended = await bench.ended(request)
    assert ended.result == "failure"
    words = rf"timed out after 3600 s: .+; canceled task {tasks(bench)[0]['id']}"
    assert re.fullmatch(words, ended.text)
    bench.hub.call("disableHost", "builder1")
    ended = await bench.build(koji_build(bench, scratch=True, max_queue_time=0.2))
    words = f"no builder took it in 0.2 s: canceled task {tasks(bench)[1]['id']}"
    assert (ended.result, ended.text) == ("exception", words)
    assert {task["state"] for task in tasks(bench)} == {task_states.CANCELED}


@pytest_twisted.ensureDeferred
async def test_time_limit_in_an_outage(bench: Workbench) -> None:
    """A time limit that expires while the hub is unreachable is no failure of the package."""
    hold(bench.hub, "buildArch")
    request = await bench.begin(koji_build(bench, step=ImpatientBuild, timeout=3600))
    await until_open(bench)
    bench.hub.offline("moving to another rack")
    await until(lambda: bench.text().startswith("waiting: the hub has not answered since "))
    assert "moving to another rack" in bench.text()
    bench.expire()
    await until(lambda: bench.text().startswith("canceling task "))
    assert "moving to another rack" in bench.text()
    ended = await bench.ended(request)
    assert ended.result == "exception"
    assert re.fullmatch(
        r"the hub has not answered since \d\d:\d\d: .*moving to another rack.*;"
        r" timed out after 3600 s; task \d+ is canceled as soon as it does",
        ended.text,
    )
    assert ended.properties["koji_reason"] == ended.text


@pytest_twisted.ensureDeferred
async def test_child_that_someone_cancels(bench: Workbench) -> None:
    """Whoever cancels a task below the step's cancels the build, though Koji calls it failed."""
    hold(bench.hub, "buildArch")
    levels = [[SOURCE.format("hello", "main")], [SOURCE.format("world", "main")]]
    for step in (
        koji_build(bench),
        steps.KojiChainBuild(bench.profile, target="demo", sources=levels),
    ):
        request = await bench.begin(step)
        child = await until_open(bench, "buildArch")
        bench.hub.call("cancelTask", child["id"], user="kojiadmin")
        ended = await bench.ended(request)
        root = bench.hub.call("getTaskInfo", ended.properties["koji_task_id"])
        assert (root["state"], ended.result) == (task_states.FAILED, "cancelled")
        assert ended.text.endswith(f"Task {child['id']} is canceled")
        assert not ended.text.startswith("failed")


@pytest_twisted.ensureDeferred
async def test_architecture_without_a_builder(bench: Workbench) -> None:
    """The summary says that no builder can take a task, instead of a place in a queue."""
    with bench.hub.state.transaction():
        for host in bench.hub.state.rows("host"):
            bench.hub.state.update("host", host["id"], arches="x86_64")
    step = koji_build(bench, step=ImpatientBuild, scratch=True, arch_override="x86_64 sparc64")
    request = await bench.begin(step)
    await until(lambda: "sparc64 waiting (no builder for sparc64)" in bench.text())
    await bench.stop_build()
    assert (await bench.ended(request)).result == "cancelled"
    assert bench.hub.calls["listHosts"] == 1


@pytest_twisted.ensureDeferred
async def test_tail_that_is_one_line(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a failed task's log the end is shown also if it is one line."""
    line = b"".join(b"\rlinking %5d/99999" % number for number in range(4000))

    async def fails(builder: Builder, task: Row) -> None:
        path = f"{task_directory(task['id'])}/build.log"
        builder.hub.files.write(path, b"+ make\n" + line + b" ld: cannot find -ldemo")
        raise BuildError("mock exited with status 1; see build.log for more information")

    monkeypatch.setitem(HANDLERS, "buildArch", fails)
    ended = await bench.build(koji_build(bench, scratch=True, live_logs=False))
    assert ended.result == "failure"
    assert "cannot find -ldemo" in "".join(ended.logs.values())


@pytest_twisted.ensureDeferred
async def test_log_that_the_hub_refuses_once(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log that can't be read once is still followed."""
    method = METHODS["downloadTaskOutput"]
    refusals = iter([True, True])

    @wraps(method)
    def refuse(call: MethodCall, *args: Any, **kwargs: Any) -> Any:
        found = call.hub.files.exists(f"{task_directory(args[0])}/{args[1]}")
        if found and next(refusals, False):
            raise GenericError("the volume is being moved")
        return method(call, *args, **kwargs)

    monkeypatch.setitem(METHODS, "downloadTaskOutput", refuse)
    bench.hub.builder.seconds = 6
    ended = await bench.build(koji_build(bench, scratch=True, arch_override="x86_64"))
    assert ended.result == "success"
    [task] = tasks(bench, "buildArch")
    assert ended.logs["build.log x86_64"] == log_of(bench, task["id"])


@pytest_twisted.ensureDeferred
async def test_build_system_fails(bench: Workbench) -> None:
    """Where the build system fails the task is submitted again, once, and both tasks are linked."""
    ended = await bench.build(koji_build(bench, "failroot", scratch=True))
    first, second = (task["id"] for task in tasks(bench))
    assert ended.result == "exception"
    assert ended.text.startswith("the build system failed: could not init mock buildroot")
    assert ended.text.endswith(" (attempt 2 of 2)")
    assert {f"task {first}", f"attempt 2: task {second}"} <= ended.urls.keys()
    assert ended.properties["koji_task_id"] == second
    assert "root.log x86_64 (attempt 2)" in ended.logs


@pytest_twisted.ensureDeferred
async def test_build_system_is_mended(bench: Workbench) -> None:
    """What failed by a fault of the build system and is submitted again may well succeed."""
    request = await bench.begin(koji_build(bench, "failroot"))
    await until(lambda: len(tasks(bench)) == 2)
    bench.hub.builders_mended = True
    ended = await bench.ended(request)
    assert (ended.result, len(tasks(bench))) == ("success", 2)
    assert ended.properties["koji_task_id"] == tasks(bench)[-1]["id"]
    assert ended.text == f"built {ended.properties['koji_nvr']} (attempt 2 of 2)"
    [build] = bench.hub.call("listBuilds", "failroot")
    assert (build["state"], ended.properties["koji_nvr"]) == (1, build["nvr"])


@pytest_twisted.ensureDeferred
async def test_build_that_was_deleted(bench: Workbench) -> None:
    """The summary of a task whose build somebody has deleted says so."""

    def answer(name: str, _: list[Any], run: Callable[[], Any]) -> Any:
        found = run()
        return [{**row, "state": 2} for row in found] if name == "listBuilds" else found

    bench.hub.answer = answer
    ended = await bench.build(koji_build(bench))
    assert ended.text == f"built {ended.properties['koji_nvr']} (DELETED now)"


@pytest_twisted.ensureDeferred
async def test_who_knows_better_what_the_build_system_is(bench: Workbench) -> None:
    """A table of faults of one's own, and how often to submit again, are what counts."""
    own = {"scratch": True, "infra_faults": [1005, "no such thing"], "infra_retries": 2}
    ended = await bench.build(koji_build(bench, "failarch", **own))
    assert (ended.result, len(tasks(bench))) == ("exception", 3)
    ended = await bench.build(koji_build(bench, "failroot", scratch=True, infra_faults=[]))
    assert (ended.result, len(tasks(bench))) == ("failure", 4)
    ended = await bench.build(koji_build(bench, "failroot", scratch=True, infra_retries=0))
    assert (ended.result, len(tasks(bench))) == ("exception", 5)


@pytest_twisted.ensureDeferred
async def test_restart_between_two_submissions(bench: Workbench) -> None:
    """An attempt after one that resubmitted watches the second task."""
    request = await bench.begin(koji_build(bench, "failroot", scratch=True))
    await until(lambda: len(tasks(bench)) == 2 and bench.running() is not None)
    release = hold(bench.hub, "buildArch")
    await until(lambda: bench.text() not in ("", "submitting") and "again" not in bench.text())
    bench.lose_worker()
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts, len(tasks(bench))) == ("exception", 2, 2)
    names = {f"attempt {n}: task {task['id']}" for n, task in enumerate(tasks(bench), 1)}
    assert names <= ended.urls.keys()


@pytest.mark.parametrize("before", ["its values", "its lock"])
@pytest_twisted.ensureDeferred
async def test_stop_before_the_step_runs(bench: Workbench, before: str) -> None:
    """A stop cancels the task of an earlier attempt, which this one has not looked for yet."""
    bench.hub.builder.seconds = 1000.0
    lock, other, attempts = util.MasterLock("one").access("exclusive"), object(), []

    @util.renderer
    async def target(properties: Any) -> str:
        attempts.append(properties)
        if len(attempts) == 2 and before == "its values":
            await bench.stop_build()
        return "demo"

    step = steps.KojiBuild(
        bench.profile, target=target, source=SOURCE.format("hello", "main"), locks=[lock]
    )
    request = await bench.begin(step)
    await until(lambda: tasks(bench) and bench.text() not in ("", "submitting"))
    if before == "its lock":
        version = bench.running().config_version
        real = await bench.master.botmaster.getLockByID(lock.lockid, version)
        real.waitUntilMaybeAvailable(other, lock).addCallback(lambda _: real.claim(other, lock))
    bench.lose_worker()
    if before == "its lock":
        await until(
            lambda: getattr(getattr(bench.running(), "currentStep", 0), "_waitingForLocks", False)
        )
        await bench.stop_build()
        real.release(other, lock)
    ended = await bench.ended(request)
    [task] = tasks(bench)
    assert (ended.result, ended.attempts) == ("cancelled", 2)
    assert (ended.text, task["state"]) == (f"canceled task {task['id']}", task_states.CANCELED)


@pytest_twisted.ensureDeferred
async def test_worker_is_lost_as_the_step_ends(bench: Workbench) -> None:
    """Two that finish the log of the loss at the same time would fail, with a traceback."""
    attempts: list[KojiStep] = []

    class EndsMeanwhile(KojiStep):
        name = "ends meanwhile"

        async def work(self) -> int:
            attempts.append(self)
            if len(attempts) == 1:
                self.build.lostRemote()
                await until(lambda: "cancelled" in self.logs)
            return SUCCESS

    ended = await bench.build(EndsMeanwhile(bench.profile))
    assert (ended.result, len(attempts)) == ("success", 2)


@pytest.mark.parametrize("whose", ["own", "adopted"])
@pytest_twisted.ensureDeferred
async def test_task_that_a_restored_hub_has_lost(bench: Workbench, whose: str) -> None:
    """An attempt does not follow a task that a restored hub gave the id of the earlier one's."""
    hub = await get_hub(bench.master, bench.profile)
    hub.connection.submissions = Submitter(hub.connection.client, pauses=(0.0,))
    release = hold(bench.hub, "buildArch")
    if whose == "adopted":
        theirs = bench.hub.call("build", SOURCE.format("hello", "main"), "demo")
        await until(lambda: bench.hub.call("listBuilds", taskID=theirs))
    request = await bench.begin(koji_build(bench, scratch=whose == "own"))
    await until_open(bench)
    followed = "x86_64" if whose == "own" else "following task"
    await until(lambda: bench.text() not in ("", "submitting"))
    await until(lambda: followed in bench.text() or "x86_64" in bench.text())
    lost = tasks(bench)[0]
    bench.hub.state.rewind("task", lost["id"] - 1)
    if whose == "adopted":
        bench.hub.state.rewind("build", 0)
    options = {"scratch": True}
    other = bench.hub.call("build", SOURCE.format("world", "main"), "demo", options, user="alice")
    assert other == lost["id"]
    bench.lose_worker()
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("success", 2)
    assert ended.properties["koji_task_id"] != other


@pytest_twisted.ensureDeferred
async def test_build_that_is_there(bench: Workbench) -> None:
    """A build of the same commit that is there already is taken over, with all it made."""
    nvr = await bench.built()
    ended = await bench.build(koji_build(bench))
    assert ended.result == "success", ended.text
    assert ended.text == f"adopted {nvr}, already built from the same source"
    [build] = bench.hub.call("listBuilds", "hello")
    assert ended.properties["koji_nvr"] == nvr
    assert ended.properties["koji_build_id"] == build["build_id"]
    assert ended.properties["koji_tags"] == ["demo-candidate"]
    assert f"{nvr}.x86_64.rpm" in ended.properties["koji_rpms"]
    bench.hub.call("untagBuild", "demo-candidate", nvr)
    ended = await bench.build(koji_build(bench))
    assert ended.result == "warnings"
    assert ended.text.endswith("; it is not in demo-candidate: add steps.KojiTag")
    ended = await bench.build(koji_build(bench, skip_tag=True))
    assert ended.result == "success"
    ended = await bench.build(koji_build(bench, existing="fail"))
    assert ended.result == "failure"
    assert ended.text == f"failed: {nvr} is built already: raise the release, or tag that build"
    assert ended.urls[f"build {nvr}"].endswith(f"buildID={build['build_id']}")


@pytest_twisted.ensureDeferred
async def test_build_of_another_commit(bench: Workbench) -> None:
    """A build that only has the same name is not taken over."""
    await bench.built()
    build = bench.hub.state.one("build")
    with bench.hub.state.transaction():
        bench.hub.state.update("build", build["id"], source="git+https://elsewhere/hello.git#1")
    ended = await bench.build(koji_build(bench))
    assert ended.result == "failure"
    assert (
        ended.text
        == "failed: hello-1.0-main is built already: raise the release, or tag that build"
    )
    assert ended.properties["koji_reason"] == ended.text.removeprefix("failed: ")


@pytest_twisted.ensureDeferred
async def test_build_in_progress(bench: Workbench) -> None:
    """A task that is building the same commit is followed; who stops then leaves it alone."""
    release = hold(bench.hub, "buildArch")
    theirs = bench.hub.call("build", SOURCE.format("hello", "main"), "demo")
    await until(lambda: bench.hub.call("listBuilds", taskID=theirs))
    request = await bench.begin(koji_build(bench))
    await until(lambda: bench.text() == f"following task {theirs}" or "x86_64" in bench.text())
    await bench.stop_build()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("cancelled", f"left task {theirs} alone")
    release()
    ended = await bench.build(koji_build(bench))
    assert ended.result == "success"
    assert bench.hub.call("getTaskInfo", theirs)["state"] == task_states.CLOSED
    assert ended.properties["koji_nvr"] == "hello-1.0-main"


@pytest_twisted.ensureDeferred
async def test_build_in_progress_for_another_target(bench: Workbench) -> None:
    """What a followed task makes for another target is not in ours, which the step reports."""
    bench.hub.call("createBuildTarget", "brief", "demo-build", "demo-released")
    release = hold(bench.hub, "buildArch")
    theirs = bench.hub.call("build", SOURCE.format("hello", "main"), "brief")
    await until(lambda: bench.hub.call("listBuilds", taskID=theirs))
    request = await bench.begin(koji_build(bench))
    await until(lambda: bench.text() == f"following task {theirs}" or "x86_64" in bench.text())
    release()
    ended = await bench.ended(request)
    assert ended.result == "warnings"
    assert ended.text.endswith("; it is not in demo-candidate: add steps.KojiTag")


@pytest_twisted.ensureDeferred
async def test_stop_that_leaves_the_task(bench: Workbench) -> None:
    """With on_stop="leave" a stopped build leaves its task running."""
    release = hold(bench.hub, "buildArch")
    request = await bench.begin(koji_build(bench, scratch=True, on_stop="leave"))
    task = await until_open(bench)
    await until(lambda: "task" not in bench.text() and bench.text() not in ("", "submitting"))
    await bench.stop_build()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("cancelled", f"left task {task['id']} alone")
    release()
    await until(lambda: tasks(bench)[0]["state"] == task_states.CLOSED)


@pytest_twisted.ensureDeferred
async def test_stop_of_a_task_that_has_ended(bench: Workbench) -> None:
    """A task that ends before its cancellation arrives does not count as canceled."""
    bench.hub.builder.seconds = 60
    request = await bench.begin(koji_build(bench, scratch=True))
    task = await until_open(bench)

    def decide(data: bytes) -> Fate:
        if b">cancelTask<" in data:
            bench.hub.state.update("task", task["id"], state=int(task_states.FAILED))
        return Fate.PASS

    bench.proxy.decide = decide
    await bench.stop_build()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("cancelled", f"task {task['id']} had ended already")


@pytest_twisted.ensureDeferred
async def test_stop_while_the_submission_is_under_way(bench: Workbench) -> None:
    """A task whose submission was never answered is found, and canceled, when its build stops."""
    bench.hub.builder.seconds = 60
    bench.lost_replies.add("build")
    request = await bench.begin(koji_build(bench, step=ImpatientBuild, scratch=True))
    await until(lambda: tasks(bench))
    await bench.stop_build()
    assert bench.text().startswith("stopping; until then ")
    ended = await bench.ended(request)
    assert ended.result == "cancelled"
    assert ended.text == "canceled what was submitted"
    assert [task["state"] for task in tasks(bench)] == [task_states.CANCELED]


@pytest_twisted.ensureDeferred
async def test_stop_while_the_hub_is_away(bench: Workbench) -> None:
    """What can't be canceled now is canceled when the hub is back, by a later master as well."""
    bench.hub.builder.seconds = 60
    request = await bench.begin(koji_build(bench, step=ImpatientBuild, scratch=True))
    task = await until_open(bench)
    await until(lambda: "task" not in bench.text() and bench.text() not in ("", "submitting"))
    bench.hub.offline()
    await bench.stop_build()
    ended = await bench.ended(request)
    words = f"the hub does not answer: task {task['id']} is canceled as soon as it does"
    assert (ended.result, ended.text) == ("cancelled", words)
    for service in list(bench.master):
        if isinstance(service, Hub):
            await service.disownServiceParent()
    bench.hub.online()
    assert tasks(bench)[0]["state"] == task_states.OPEN
    await get_hub(bench.master, bench.profile)
    await until(lambda: tasks(bench)[0]["state"] == task_states.CANCELED)


@pytest_twisted.ensureDeferred
async def test_place_in_the_queue(bench: Workbench) -> None:
    """Who waits for a builder says how many tasks stand before."""
    for host in bench.hub.call("listHosts"):
        bench.hub.call("disableHost", host["name"])
    for number in range(3):
        bench.hub.call("build", SOURCE.format("hello", f"r{number}"), "demo")
    request = await bench.begin(koji_build(bench, scratch=True))
    await until(lambda: bench.text() == "waiting for a builder: 3 tasks before it")
    await bench.stop_build()
    assert (await bench.ended(request)).result == "cancelled"


class StubbornStep(KojiStep):
    """Waits forever, and swallows the first cancellation."""

    name = "stubborn"
    timing = StepTiming(wake_interval=0.2)

    async def work(self) -> int:
        self.say("waiting")
        try:
            await Deferred()
        except CancelledError:
            self.say(f"what did {self.hub.connection} say?")
        return int(await Deferred())


@pytest_twisted.ensureDeferred
async def test_stop_always_ends_a_step(bench: Workbench) -> None:
    """A step ends when it is stopped, also where what it waits for swallows the cancellation."""
    request = await bench.begin(StubbornStep(bench.profile))
    await until(lambda: bench.text() == "waiting")
    await bench.stop_build()
    ended = await bench.ended(request)
    # It has begun nothing on the hub.
    assert (ended.result, ended.text) == ("cancelled", "stopped")


@pytest_twisted.async_fixture
async def own_bench(empty_home: Path, tmp_path: Path, at_end: AtEnd) -> Workbench:
    """A master that the test stops."""
    newest_only = util.OldBuildCanceller("newest", filters=[(["any"], util.SourceStampFilter())])
    bench = Workbench(tmp_path, newest_only)
    at_end(bench.close)
    await bench.open(empty_home, build_seconds=60)
    return bench


async def begin_and_wait(bench: Workbench, *, waited_for: bool = False) -> tuple[int, int]:
    """Begin a build; returns its request and its task when it shows what the task does."""
    request = await bench.begin(koji_build(bench, scratch=True), waited_for=waited_for)
    task = await until_open(bench)
    await until(lambda: "source RPM" in bench.text() or "x86_64" in bench.text())
    return request, task["id"]


@pytest_twisted.ensureDeferred
async def test_master_stops_while_another_build_waits(own_bench: Workbench) -> None:
    """A build that another one waits for ends with the master: its task does not run on alone."""
    request, task_id = await begin_and_wait(own_bench, waited_for=True)
    await own_bench.master.botmaster.cleanShutdown(quickMode=True, stopReactor=False)
    ended = await own_bench.ended(request)
    assert (ended.result, ended.text) == ("cancelled", f"canceled task {task_id}")
    assert tasks(own_bench)[0]["state"] == task_states.CANCELED


@pytest_twisted.ensureDeferred
async def test_stop_during_a_clean_stop_of_the_master(own_bench: Workbench) -> None:
    """While a clean stop of the master waits for a build, a person can still stop the build."""
    request, task_id = await begin_and_wait(own_bench)
    stopping = own_bench.master.botmaster.cleanShutdown(quickMode=False, stopReactor=False)
    await own_bench.stop_build()
    ended = await own_bench.ended(request)
    assert (ended.result, ended.text) == ("cancelled", f"canceled task {task_id}")
    assert tasks(own_bench)[0]["state"] == task_states.CANCELED
    await stopping


@pytest_twisted.ensureDeferred
async def test_superseded_build(own_bench: Workbench) -> None:
    """A build that a newer commit makes obsolete cancels its task."""
    request, task_id = await begin_and_wait(own_bench)
    await own_bench.master.data.updates.addChange(
        **BRANCH, author="a", comments="newer", revision="2", when_timestamp=0, properties={}
    )
    newer = await own_bench.begin(koji_build(own_bench, ref="newer", scratch=True))
    ended = await own_bench.ended(request)
    assert (ended.result, ended.text) == ("cancelled", f"canceled task {task_id}")
    # Who stopped it, in the words of this Buildbot.
    assert ended.properties["koji_reason"].startswith(f"{ended.text} (")
    await until(lambda: len(tasks(own_bench)) == 2 and "source RPM" in own_bench.text())
    assert [task["state"] for task in tasks(own_bench)] == [task_states.CANCELED, task_states.OPEN]
    await own_bench.stop_build()
    await own_bench.ended(newer)


WRITES = (
    "startStep",
    "set_step_locks_acquired_at",
    "addStepURL",
    "put",
    "setBuildProperties",
    "finishLog",
    "appendLog",
    "finishStep",
)


@pytest_twisted.ensureDeferred
async def test_database_is_unreachable(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, logged_failures: list[Any]
) -> None:
    """A step whose writes fail for a while ends with the result of its task."""
    for write in WRITES:
        writer = BuildData if write == "put" else bench.master.data.updates
        real, failures = getattr(writer, write), iter(range(2))
        # A failure comes with a log.
        package = "failarch" if write.endswith("Log") else "hello"
        request = await bench.begin(koji_build(bench, package, write, scratch=True))

        def fail_twice(
            *args: Any, real: Any = real, failures: Any = failures, **kwargs: Any
        ) -> Any:
            build = bench.running()
            ours = build is not None and isinstance(build.currentStep, KojiStep)
            if ours and next(failures, None) is not None:
                closed = OSError("the server closed the connection")
                return fail(OperationalError("write", {}, closed))
            return real(*args, **kwargs)

        with monkeypatch.context() as patch:
            patch.setattr(writer, write, fail_twice)
            ended = await bench.ended(request)
        assert ended.result == ("failure" if package == "failarch" else "success"), write
        assert next(failures, None) is None, write
        # Buildbot itself logs what it meets before the step runs: once for each attempt.
        assert len(logged_failures) == (2 if write == "set_step_locks_acquired_at" else 0), write
        logged_failures.clear()


@pytest.mark.parametrize("heir", [None, 99])
@pytest_twisted.ensureDeferred
async def test_another_master_took_the_request(own_bench: Workbench, heir: int | None) -> None:
    """A build whose request was released, or taken over, leaves its task to the next attempt."""
    request, task_id = await begin_and_wait(own_bench)
    requests = own_bench.master.db.buildrequests
    await requests._unclaim_buildrequests_for_master([request], own_bench.master.masterid)
    if heir is not None:
        heir = await own_bench.master.db.masters.findMasterId("heir")
        await requests._claim_buildrequests_for_master([request], 1, heir)
    step = own_bench.running().currentStep
    step.early_end.end(Ending.TIMED_OUT)
    await until(lambda: step.results is not None)
    assert step.results == RETRY
    assert step.getResultSummary()["step"] == f"{SUPERSEDED}; left task {task_id} to it"
    assert tasks(own_bench)[0]["state"] == task_states.OPEN


@pytest.mark.parametrize("how", ["stopped", "completed between attempts"])
@pytest.mark.parametrize("method", ["runroot", "tagBuild", "build"])
@pytest_twisted.ensureDeferred
async def test_a_task_without_a_marker_is_not_canceled(
    bench: Workbench, method: str, how: str
) -> None:
    """No step cancels a task that may be someone else's, nor does a completed request."""
    nvr = await bench.built("world")
    release = hold(bench.hub, method)
    await bench.look_at_once()
    step = {
        "runroot": lambda: steps.KojiRunroot(
            bench.profile, tag="demo-build", arch="x86_64", command=["ls"]
        ),
        "tagBuild": lambda: steps.KojiTag(bench.profile, tag="demo-released", builds=nvr),
        "build": lambda: steps.KojiMassBuild(
            bench.profile, "demo", ["hello"], source=SOURCE.format("{package}", "main")
        ),
    }[method]()
    bench.cut_replies.add(method)

    def drop(name: str, params: list[Any], run: Callable[[], Any]) -> Any:
        if name == "build":
            del params[2]["custom_user_metadata"]
        return run()

    bench.hub.answer = drop
    before = len(tasks(bench, method))
    request = await bench.begin(step)
    words = {"runroot": "following task", "tagBuild": "tagging: 0/1", "build": "1 running"}[method]
    await until(lambda: words in bench.text())
    if how == "stopped":
        await bench.stop_build()
    else:
        bench.use_steps(steps.SetProperty(property="a", value="b"))
        bench.lose_worker()
    ended = await bench.ended(request)
    if how == "stopped":
        endings = {
            "runroot": "left task .* alone",
            "tagBuild": "stopped: the hub finishes what it has begun",
            "build": "stopped: 0 of 1 done, 1 left",
        }
        assert ended.result == "cancelled"
        assert re.fullmatch(endings[method], ended.text)
    hub = await get_hub(bench.master, bench.profile)
    [looking] = [each for each in bench.master if isinstance(each, LeftTasks)]
    await looking.look()
    await until(lambda: not hub.cancellations.status())
    states = [each["state"] for each in tasks(bench, method)[before:]]
    assert states in ([task_states.FREE], [task_states.OPEN])
    release()


@pytest_twisted.ensureDeferred
async def test_recorded_tasks(bench: Workbench) -> None:
    """The tasks that builds have recorded are known to the hub's link of each master."""
    await bench.ended(await bench.begin(koji_build(bench, scratch=True)))
    task_id = tasks(bench)[-1]["id"]
    now = bench.master.reactor.seconds()
    recorded = (await get_hub(bench.master, bench.profile)).connection.submissions.recorded
    assert recorded is not None
    assert await recorded([task_id, 10**6], now - 60) == {task_id}
    assert await recorded([task_id], now + 60) == set()
