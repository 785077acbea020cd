"""A real Apache httpd in front of the hub goes into maintenance while builds run."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps
from twisted.internet.threads import deferToThread

from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.steps.build import KojiBuild
from buildbot_koji.steps.framework.early_end import StepTiming
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import apache, until
from tests.support.apache import FORBIDDEN, PAGE, PAGE_WITH_200, Apache
from tests.support.fault_proxy import Fate, FaultProxy
from tests.support.hubs import hold
from txkoji import RetryPolicy, task_states

pytestmark = pytest.mark.skipif(
    not apache.is_there(),
    reason=apache.HOW_TO_INSTALL,
)

PAGES = pytest.mark.parametrize("page", [PAGE, PAGE_WITH_200], ids=["503", "200"])

REASONS = {PAGE: "HTTP status 503", PAGE_WITH_200: "a web page instead of a hub's reply"}


class QuickBuild(KojiBuild):
    """Asks an unreachable hub often, and waits for it no longer than a second when stopped."""

    timing = StepTiming(
        cancel_limit=1.0, retry=RetryPolicy(first=0.2, factor=1.0, ceiling=0.2, jitter=0.0)
    )


class Front:
    """Apache httpd in front of a workbench's hub.

    Attributes:
        fates: what happens, behind Apache, to the next call of a method.
        breaking: the page that Apache shows from the moment on at which such a call comes.
    """

    def __init__(self, bench: Workbench, directory: Path) -> None:
        self.bench = bench
        self.fates: dict[str, Fate] = {}
        self.breaking = PAGE_WITH_200
        self.proxy = FaultProxy(bench.hub.url, self._fate)
        authority = bench.hub.authority
        self.apache = Apache(
            directory,
            self.proxy.url.removesuffix("/kojihub"),
            authority.server("127.0.0.1"),
            authority.certificate_path,
        )

    def _fate(self, data: bytes) -> Fate:
        for method in list(self.fates):
            # By itself, or in a multicall.
            if re.search(b"<(methodName|string)>%s</" % method.encode(), data):
                self.apache.begin_maintenance(self.breaking)
                return self.fates.pop(method)
        return Fate.PASS

    async def start(self, home: Path) -> None:
        self.apache.start()
        (home / ".koji" / "config").write_text(
            f"[{self.bench.profile}]\nserver = {self.apache.url}/kojihub\nauthtype = noauth\n"
            f"serverca = {self.bench.hub.authority.certificate_path}\npoll_interval = 1\n"
        )
        hub = await get_hub(self.bench.master, self.bench.profile)
        hub.connection.deadline = 1.0
        hub.cancellations._retry = RetryPolicy(first=0.3, ceiling=0.3)
        await self.bench.look_at_once()

    async def stop(self) -> None:
        # A process of Apache that waits for an answer outlives its order to end by ten seconds.
        await self.proxy.stop()
        await deferToThread(self.apache.stop)


@pytest_twisted.async_yield_fixture
async def front(bench: Workbench, empty_home: Path, tmp_path: Path) -> AsyncIterator[Front]:
    front = Front(bench, tmp_path)
    await front.start(empty_home)
    yield front
    await front.stop()


def tasks(bench: Workbench) -> list[Any]:
    return bench.hub.call("listTasks", {"method": "build"}, {"order": "id"})


def quick_build(bench: Workbench, **options: Any) -> KojiBuild:
    source = SOURCE.format("hello", "main")
    return QuickBuild(bench.profile, target="demo", source=source, scratch=True, **options)


@PAGES
@pytest_twisted.ensureDeferred
async def test_in_the_middle_of_a_build(bench: Workbench, front: Front, page: str) -> None:
    """A build whose task ends during maintenance has the task's outcome afterwards."""
    release = hold(bench.hub, "buildArch")
    request = await bench.begin(quick_build(bench))
    await until(lambda: tasks(bench) and "koji_task_id" in bench.running().properties)
    front.apache.begin_maintenance(page)
    release()
    await until(lambda: tasks(bench)[0]["state"] == task_states.CLOSED)
    front.apache.end_maintenance()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts, len(tasks(bench))) == ("success", 1, 1), ended.text


@PAGES
@pytest_twisted.ensureDeferred
async def test_begin_during_maintenance(bench: Workbench, front: Front, page: str) -> None:
    """A build that begins during maintenance waits, says why, and submits one task."""
    front.apache.begin_maintenance(page)
    request = await bench.begin(quick_build(bench))
    await until(lambda: bench.text().startswith("waiting: the hub has not answered since "))
    assert REASONS[page] in bench.text()
    assert tasks(bench) == []
    front.apache.end_maintenance()
    ended = await bench.ended(request)
    assert (ended.result, len(tasks(bench))) == ("success", 1), ended.text


@pytest.mark.parametrize(
    ("page", "fate"),
    [
        (PAGE, Fate.RESET_AFTER),
        (PAGE_WITH_200, Fate.RESET_AFTER),
        (PAGE_WITH_200, Fate.RESET_BEFORE),
        (PAGE_WITH_200, Fate.TRUNCATE),
        (FORBIDDEN, Fate.RESET_AFTER),
    ],
)
@pytest_twisted.ensureDeferred
async def test_submission_in_doubt(bench: Workbench, front: Front, page: str, fate: Fate) -> None:
    """A task whose submission got no reply is looked for when maintenance is over."""
    front.fates["build"] = fate
    front.breaking = page
    request = await bench.begin(quick_build(bench))
    await until(lambda: bench.text().startswith("looking for the task as soon as"))
    front.apache.end_maintenance()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts, len(tasks(bench))) == ("success", 1, 1), ended.text


@PAGES
@pytest_twisted.ensureDeferred
async def test_cancellation_in_doubt(bench: Workbench, front: Front, page: str) -> None:
    """A task that can't be canceled during maintenance is canceled afterwards."""
    bench.hub.builder.seconds = 60
    request = await bench.begin(quick_build(bench))
    await until(lambda: tasks(bench) and "koji_task_id" in bench.running().properties)
    front.apache.begin_maintenance(page)
    await bench.stop_build()
    ended = await bench.ended(request)
    [task] = tasks(bench)
    words = f"the hub does not answer: task {task['id']} is canceled as soon as it does"
    assert (ended.result, ended.text) == ("cancelled", words)
    front.apache.end_maintenance()
    await until(lambda: tasks(bench)[0]["state"] == task_states.CANCELED)


@pytest_twisted.ensureDeferred
async def test_stop_with_a_submission_in_doubt(bench: Workbench, front: Front) -> None:
    """A task whose submission got no reply is found and canceled when maintenance is over."""
    bench.hub.builder.seconds = 60
    front.fates["build"] = Fate.RESET_AFTER
    request = await bench.begin(quick_build(bench))
    await until(lambda: bench.text().startswith("looking for the task as soon as"))
    await bench.stop_build()
    ended = await bench.ended(request)
    assert ended.result == "cancelled"
    assert tasks(bench)[0]["state"] in task_states.ACTIVE_GROUP
    front.apache.end_maintenance()
    await until(lambda: tasks(bench)[0]["state"] == task_states.CANCELED)


@pytest_twisted.ensureDeferred
async def test_refused_search(bench: Workbench, front: Front) -> None:
    """A hub that refuses to be asked for the task ends the step; the task is canceled later."""
    bench.hub.builder.seconds = 60
    front.fates["build"] = Fate.RESET_AFTER
    front.breaking = FORBIDDEN
    ended = await bench.build(quick_build(bench, hub_patience=2))
    assert ended.result == "exception"
    assert "HTTP status 403" in ended.text
    assert "could not cancel what was submitted" in ended.text
    assert ended.text.endswith("; it is retried")
    assert tasks(bench)[0]["state"] in task_states.ACTIVE_GROUP
    front.apache.end_maintenance()
    await until(lambda: tasks(bench)[0]["state"] == task_states.CANCELED)


@pytest.mark.parametrize(
    ("method", "words"),
    [("buildArch", "x86_64 building"), ("tagBuild", "tagging: 0/1 done")],
)
@pytest_twisted.ensureDeferred
async def test_front_end_that_refuses_while_a_task_runs(
    bench: Workbench, front: Front, method: str, words: str
) -> None:
    """The summary says that nothing is known of a running task, and goes on afterwards."""
    step = quick_build(bench)
    if method == "tagBuild":
        step = QuickTag(bench.profile, tag="demo-released", builds=await bench.built())
    before = len(tasks(bench))
    release = hold(bench.hub, method)
    request = await bench.begin(step)
    await until(lambda: words in bench.text())
    front.apache.begin_maintenance(FORBIDDEN)
    await until(lambda: "HTTP status 403" in bench.text())
    assert bench.text().startswith("waiting: the hub refuses, asking again: ")
    front.apache.end_maintenance()
    front.apache.begin_maintenance(PAGE)
    await until(lambda: "the hub has not answered since" in bench.text())
    front.apache.end_maintenance()
    await until(lambda: words in bench.text())
    release()
    ended = await bench.ended(request)
    assert ended.result == "success", ended.text
    assert len(tasks(bench)) == before + (method == "buildArch")


@pytest_twisted.ensureDeferred
async def test_task_of_an_earlier_attempt(bench: Workbench, front: Front) -> None:
    """An attempt that a front end refuses waits for the task of the earlier one."""
    release = hold(bench.hub, "buildArch")
    request = await bench.begin(quick_build(bench))
    await until(lambda: tasks(bench) and "koji_task_id" in bench.running().properties)
    front.apache.begin_maintenance(FORBIDDEN)
    bench.lose_worker()
    release()
    await until(lambda: bench.running() is not None and "HTTP status 403" in bench.text())
    assert bench.text().startswith("waiting: the hub refuses, asking again: ")
    front.apache.end_maintenance()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts, len(tasks(bench))) == ("success", 2, 1), ended.text


class QuickTag(steps.KojiTag):  # type: ignore[misc]
    """Asks an unreachable hub often."""

    timing = QuickBuild.timing


OF_ALL = SOURCE.format("{package}", "other")


@pytest.mark.parametrize("fate", [Fate.RESET_BEFORE, Fate.RESET_AFTER])
@pytest.mark.parametrize(
    ("step", "method", "options"),
    [
        ("KojiTag", "tagBuild", {"tag": "demo-released", "builds": "NVR"}),
        ("KojiUntag", "untagBuild", {"tag": "demo-candidate", "builds": "NVR"}),
        ("KojiCreateSideTag", "createSideTag", {"basetag": "demo-build"}),
        ("KojiMassTag", "tagBuild", {"from_tag": "demo-candidate", "to_tag": "demo-released"}),
        ("KojiMassBuild", "build", {"target": "demo", "packages": ["hello"], "source": OF_ALL}),
        (
            "KojiCall",
            "editTag2",
            {"method": "editTag2", "args": ["demo-released"], "repeatable": True},
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_change_in_doubt(
    bench: Workbench,
    front: Front,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    method: str,
    options: dict[str, Any],
    fate: Fate,
) -> None:
    """A change whose reply is lost, and then a web page, is looked for, and made once."""
    kind = getattr(steps, step)
    monkeypatch.setattr(kind, "timing", QuickBuild.timing)
    nvr = await bench.built()
    given = {name: nvr if value == "NVR" else value for name, value in options.items()}
    before = bench.hub.calls[method]
    front.fates[method] = fate
    request = await bench.begin(kind(bench.profile, **given))
    hub = await get_hub(bench.master, bench.profile)
    await until(lambda: "web page instead" in str(hub.connection.trouble))
    front.apache.end_maintenance()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("success", 1), ended.text
    repeated = step == "KojiCall" and fate is not Fate.RESET_BEFORE
    assert bench.hub.calls[method] == before + 1 + repeated


@pytest_twisted.ensureDeferred
async def test_patience_is_over(bench: Workbench, front: Front) -> None:
    """A hub that stays unreachable for ``hub_patience`` ends the step, with the reason."""
    hub = await get_hub(bench.master, bench.profile)
    # The patience holds also where one call is retried for longer, here than this test may take.
    hub.connection.deadline = 1e6
    front.apache.begin_maintenance(PAGE)
    ended = await bench.build(quick_build(bench, hub_patience=1))
    assert ended.result == "exception"
    assert ended.text.startswith("the hub has not answered since ")
    assert REASONS[PAGE] in ended.text
    assert tasks(bench) == []


class SlowBuild(KojiBuild):
    """Looks often whether the hub has become unreachable."""

    timing = StepTiming(show_interval=0.2)


@pytest_twisted.ensureDeferred
async def test_reason_while_a_call_is_retried(bench: Workbench, front: Front) -> None:
    """The summary says why the hub is unreachable before a call's own deadline is over."""
    hub = await get_hub(bench.master, bench.profile)
    hub.connection.deadline = 120.0
    front.apache.begin_maintenance(PAGE)
    source = SOURCE.format("hello", "main")
    request = await bench.begin(SlowBuild(bench.profile, target="demo", source=source))
    await until(lambda: bench.text().startswith("waiting: the hub has not answered since "))
    assert REASONS[PAGE] in bench.text()
    await bench.stop_build()
    ended = await bench.ended(request)
    assert (ended.result, ended.text) == ("cancelled", "stopped before anything was submitted")
