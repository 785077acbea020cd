"""The tasks that no step follows any more, in a real master."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import pytest
import pytest_twisted
from buildbot.plugins import steps
from buildbot.process.buildstep import BuildStep
from buildbot.process.results import CANCELLED, FAILURE, SUCCESS
from buildbot.util.twisted import async_to_deferred
from sqlalchemy.exc import OperationalError
from twisted.internet.defer import Deferred, fail, maybeDeferred, succeed

from buildbot_koji import left_tasks
from buildbot_koji.durable.abandoned import settle, unsettled_requests
from buildbot_koji.hubs.hub import get_hub, hubs_of
from buildbot_koji.left_tasks import LeftTasks
from buildbot_koji.orphans import OrphanReleaser
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import poll, until
from tests.support.hubs import hold
from txkoji import RetryPolicy, task_states
from txkoji.exceptions import KojiLoginException


class FailsLater(BuildStep):
    """Succeeds in the first attempt, and fails in the next."""

    name = "fails later"
    haltOnFailure = True  # noqa: N815 - Buildbot's name

    @async_to_deferred
    async def run(self) -> int:
        builds = await self.master.data.get(("buildrequests", self.build.requests[0].id, "builds"))
        return SUCCESS if len(builds) == 1 else FAILURE


class FirstOnlyOnce(BuildStep):
    """Succeeds at once in the first attempt, and runs until it is stopped in the next."""

    name = "first only once"
    attempts: ClassVar[list[FirstOnlyOnce]] = []

    @async_to_deferred
    async def run(self) -> int:
        self.attempts.append(self)
        self.ending: Deferred[int] = Deferred()
        return SUCCESS if len(self.attempts) == 1 else await self.ending

    @async_to_deferred
    async def interrupt(self, reason: Any) -> None:
        await maybeDeferred(super().interrupt, reason)
        self.ending.callback(CANCELLED)


@pytest_twisted.async_yield_fixture
async def bench(tmp_path: Path, empty_home: Path) -> AsyncIterator[Workbench]:
    """Give a master whose requests are collapsed, as Buildbot does by default."""
    bench = Workbench(tmp_path, collapseRequests=True)
    try:
        await bench.open(empty_home)
        yield bench
    finally:
        await bench.close()


async def before_next_attempt(bench: Workbench, request: int) -> None:
    """Let a build be built again, as soon as its worker is no longer paused."""
    bench.master.workers.workers["worker"].pause("for a test")
    freed: Deferred[None] = Deferred()
    event = ("buildrequests", str(request), "unclaimed")
    consumer = await bench.master.mq.startConsuming(lambda *_: freed.callback(None), event)
    bench.lose_worker()
    await freed
    consumer.stopConsuming()


async def cancel_before_next_attempt(bench: Workbench, request: int) -> None:
    """Cancel a build request between two attempts."""
    await before_next_attempt(bench, request)
    await bench.master.data.control("cancel", {"reason": "enough"}, ("buildrequests", request))
    assert (await bench.ended(request)).attempts == 1
    bench.master.workers.workers["worker"].unpause()


def canceled(bench: Workbench, method: str) -> list[int]:
    """Return the tasks of a method that were canceled."""
    done = {"method": method, "state": [task_states.CANCELED]}
    return [each["id"] for each in bench.hub.call("listTasks", done, {"order": "id"})]


@pytest.mark.parametrize("how", ["canceled", "collapsed", "failed before", "reconfigured"])
@pytest.mark.parametrize("kind", ["build", "tagBuild", "mass build"])
@pytest_twisted.ensureDeferred
async def test_completed_without_another_attempt(bench: Workbench, kind: str, how: str) -> None:
    """The tasks of a request that no attempt resumes are canceled, whatever submitted them."""
    method = "tagBuild" if kind == "tagBuild" else "build"
    nvrs = [await bench.built("hello"), await bench.built("world")] if method == "tagBuild" else []
    release = hold(bench.hub, method)
    source = SOURCE.format("{package}", "main")
    step = {
        "build": lambda: steps.KojiBuild(
            bench.profile, target="demo", source=SOURCE.format("hello", "left")
        ),
        "tagBuild": lambda: steps.KojiTag(bench.profile, tag="demo-released", builds=nvrs),
        "mass build": lambda: steps.KojiMassBuild(
            bench.profile, "demo", ["hello", "world"], source=source
        ),
    }[kind]()
    known = {each["id"] for each in bench.hub.call("listTasks", {"method": method})}
    count = 1 if kind == "build" else 2

    def left() -> list[int]:
        found = bench.hub.call("listTasks", {"method": method}, {"order": "id"})
        return [each["id"] for each in found if each["id"] not in known]

    gate = FailsLater()
    request = await bench.begin(*([gate] if how == "failed before" else []), step)
    await until(lambda: len(left()) == count and bench.text() not in ("", "submitting"))
    if how == "failed before":
        bench.lose_worker()
        assert (await bench.ended(request)).result == "failure"
    elif how == "reconfigured":
        bench.use_steps(steps.SetProperty(property="a", value="b"))
        bench.lose_worker()
        assert (await bench.ended(request)).attempts == 2
    elif how == "canceled":
        await cancel_before_next_attempt(bench, request)
    else:
        await before_next_attempt(bench, request)
        newer = await bench.begin(steps.SetProperty(property="a", value="b"))
        [state] = [await bench.master.data.get(("buildrequests", request))]
        assert state["complete"]
        bench.master.workers.workers["worker"].unpause()
        await bench.ended(newer)
    await until(lambda: canceled(bench, method) == left())
    release()
    assert len(left()) == count
    await until_settled(bench)


async def until_settled(bench: Workbench) -> None:
    """Wait until all that completed requests left is canceled, and the database says so."""

    async def is_settled() -> bool:
        return await unsettled_requests(bench.master) == {}

    await poll(is_settled)


@pytest.mark.parametrize(("kind", "words"), [("build", "submitted"), ("mass build", "1 running")])
@pytest_twisted.ensureDeferred
async def test_left_by_the_last_attempt(bench: Workbench, kind: str, words: str) -> None:
    """What the last attempt leaves alone stays, although an earlier one would have canceled it."""
    release = hold(bench.hub, "build")
    made = {
        "build": lambda on_stop: steps.KojiBuild(
            bench.profile, target="demo", source=SOURCE.format("hello", "left"), on_stop=on_stop
        ),
        "mass build": lambda on_stop: steps.KojiMassBuild(
            bench.profile,
            "demo",
            ["hello"],
            source=SOURCE.format("{package}", "left"),
            on_stop=on_stop,
        ),
    }[kind]
    request = await bench.begin(made("cancel"))
    tasks = partial(bench.hub.state.rows, "task", method="build")
    await until(lambda: tasks() and bench.text() not in ("", "submitting"))
    bench.use_steps(made("leave"))
    first = bench.running()
    bench.lose_worker()
    await until(lambda: bench.running() not in (None, first) and words in bench.text())
    await bench.stop_build()
    assert (await bench.ended(request)).attempts == 2
    [looking] = [each for each in bench.master if isinstance(each, LeftTasks)]
    await looking.look()
    assert canceled(bench, "build") == []
    release()


@pytest_twisted.ensureDeferred
async def test_canceled_unheard(bench: Workbench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tasks of a request that is canceled between two attempts are canceled, by a later look.

    If the master was killed at that moment, its first step has them canceled. A task with
    ``on_stop="leave"`` is left alone. A database or a hub that can't be used is asked again.
    """
    outages: list[Exception] = []
    lost = OperationalError("SELECT", {}, Exception("the server closed the connection"))

    async def find(*args: Any) -> dict[int, int]:
        if outages:
            raise outages.pop()
        return await unsettled_requests(*args)

    monkeypatch.setattr(left_tasks, "unsettled_requests", find)
    monkeypatch.setattr(LeftTasks, "retry", RetryPolicy(first=0.1))
    monkeypatch.setattr(LeftTasks, "interval", 0.2)
    monkeypatch.setattr(FirstOnlyOnce, "attempts", [])
    bench.hub.builder.seconds = 1000.0

    def followed() -> Any:
        step = getattr(bench.running(), "currentStep", None)
        return getattr(getattr(step, "intent", None), "task_id", None)

    async def begin(ref: str, *before: Any, **options: Any) -> tuple[int, int]:
        source = SOURCE.format("hello", ref)
        step = steps.KojiBuild(bench.profile, target="demo", source=source, **options)
        request = await bench.begin(*before, step)
        await until(lambda: followed() and bench.text() != "submitting")
        return request, followed()

    request, _ = await begin("left", on_stop="leave")
    await cancel_before_next_attempt(bench, request)
    request, first = await begin("first")
    outages.append(lost)
    await cancel_before_next_attempt(bench, request)
    await until(lambda: canceled(bench, "build") == [first])

    request, second = await begin("second")
    # Killed as the request is canceled.
    for each in [each for each in bench.master if isinstance(each, (LeftTasks, OrphanReleaser))]:
        await each.disownServiceParent()
    await cancel_before_next_attempt(bench, request)
    assert canceled(bench, "build") == [first]
    outages.append(lost)
    usable = LeftTasks._use
    monkeypatch.setattr(LeftTasks, "_use", lambda *_: succeed(None))
    await LeftTasks.getService(bench.master)
    ended = await bench.build(steps.KojiWaitRepo(bench.profile, target="demo", timeout=0.1))
    assert (ended.attempts, canceled(bench, "build")) == (1, [first])
    monkeypatch.setattr(LeftTasks, "_use", usable)
    await until(lambda: canceled(bench, "build") == [first, second])

    request, third = await begin("third", FirstOnlyOnce())
    bench.lose_worker()
    await until(lambda: len(FirstOnlyOnce.attempts) == 2)
    await bench.stop_build()
    assert (await bench.ended(request)).result == "cancelled"
    await until(lambda: canceled(bench, "build") == [first, second, third])
    [hub] = hubs_of(bench.master)
    await until(lambda: hub.cancellations.status() == [])
    assert (bench.hub.calls["cancelTask"], outages) == (3, [])


@pytest.mark.parametrize("lacks", ["the hub", "the login"])
@pytest_twisted.ensureDeferred
async def test_settled_by_another_master(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    """A request whose tasks this master can't cancel stays open until another one has done it."""
    hub = await get_hub(bench.master, bench.profile)
    bench.hub.builder.seconds = 1000.0
    source = SOURCE.format("hello", "left")
    request = await bench.begin(steps.KojiBuild(bench.profile, target="demo", source=source))
    submitted = lambda: bench.hub.call("listTasks", {"method": "build"})  # noqa: E731
    await until(lambda: submitted() and bench.text() not in ("", "submitting"))
    refused = KojiLoginException("the ticket has expired")
    if lacks == "the hub":
        monkeypatch.setattr(LeftTasks, "_use", lambda *_: succeed(None))
    else:
        monkeypatch.setattr(hub.cancellations, "_log_in", lambda: fail(refused))
    await cancel_before_next_attempt(bench, request)
    [looking] = [each for each in bench.master if isinstance(each, LeftTasks)]
    await looking.look()
    assert set(looking._handled) == {request}
    assert len(hub.cancellations.status()) == (lacks == "the login")
    [build] = (await unsettled_requests(bench.master, request)).values()
    await settle(bench.master, build)
    await looking.look()
    assert (set(looking._handled), hub.cancellations.status()) == (set(), [])


@pytest.mark.parametrize("kind", ["tagBuild", "mass build"])
@pytest_twisted.ensureDeferred
async def test_one_of_several_is_unreadable(bench: Workbench, kind: str) -> None:
    """The other tasks are canceled; a newer version may still read the unreadable one."""
    nvrs = [await bench.built("hello"), await bench.built("world")] if kind == "tagBuild" else []
    known = {each["id"] for each in bench.hub.call("listTasks")}
    release = hold(bench.hub, "tagBuild" if nvrs else "build")
    if nvrs:
        step: Any = steps.KojiTag(bench.profile, tag="demo-released", builds=nvrs)
    else:
        # The states of one package more than a row holds.
        names = [f"p{number}" for number in range(65)]
        for name in names:
            bench.hub.add_package("demo-candidate", name)
        source = SOURCE.format("{package}", "main")
        step = steps.KojiMassBuild(bench.profile, "demo", names, source=source, at_once=65)
    request = await bench.begin(step)
    words = "tagging: 0/2" if nvrs else "65 running"
    await until(lambda: words in bench.text())
    found = bench.hub.call("listTasks", {"parent": None}, {"order": "id"})
    tasks = [each["id"] for each in found if each["id"] not in known]
    table = bench.master.db.model.build_data
    good: list[Any] = []

    def damage(connection: Any) -> None:
        rows = sorted((row.name, row.value) for row in connection.execute(table.select()))
        [name, value] = next(each for each in rows if b"tagBuild" in each[1] or "state" in each[0])
        lane = value.replace(b'"task_id": null', b'"task_id": null, "lane": 1', 1)
        good.append(table.update().where(table.c.name == name).values(value=value))
        damaged = table.update().where(table.c.name == name).values(value=lane if nvrs else b"odd")
        connection.execute(damaged)
        connection.commit()

    def restore(connection: Any) -> None:
        connection.execute(*good)
        connection.commit()

    await before_next_attempt(bench, request)
    await bench.master.db.pool.do(damage)
    await bench.master.data.control("cancel", {"reason": "enough"}, ("buildrequests", request))
    await bench.ended(request)
    method = "tagBuild" if nvrs else "build"
    await until(lambda: canceled(bench, method) in (tasks[:1], tasks[-1:]))
    [looking] = [each for each in bench.master if isinstance(each, LeftTasks)]
    await until(lambda: set(looking._handled) == {request} and looking._said)
    await bench.master.db.pool.do(restore)
    await looking.look()
    await until(lambda: canceled(bench, method) == tasks)
    await until_settled(bench)
    release()
