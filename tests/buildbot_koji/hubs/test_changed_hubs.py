"""Hubs whose profile, secrets or users change while a real master runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util

from buildbot_koji.durable.cancellations import Canceled
from buildbot_koji.durable.task_intents import TaskIntent
from buildbot_koji.hubs.hub import Hub, get_hub, hubs_of
from tests.buildbot_koji.inprocess import Site, koji
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import until
from tests.support.hubs import hold
from txkoji import Call, task_states

pytestmark = pytest.mark.limit(60)


def change_profile(home: Path, before: str, after: str) -> None:
    """Give a profile another address of the same hub."""
    path = home / ".koji" / "config"
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


@pytest_twisted.ensureDeferred
async def test_profile_changes_during_a_build(bench: Workbench, empty_home: Path) -> None:
    """A build finishes by the link that it began with; the next one uses the new address."""
    release = hold(bench.hub, "buildArch")
    step = {"target": "demo", "source": SOURCE.format("hello", "main"), "scratch": True}
    request = await bench.begin(steps.KojiBuild(bench.profile, **step))
    [old] = await until(
        lambda: [hub for hub in hubs_of(bench.master) if hub.status().watcher.watched]
    )
    change_profile(empty_home, bench.proxy.url, bench.hub.url)
    await bench.master.reconfig()

    new = await get_hub(bench.master, bench.profile)
    assert (old.connection.url, new.connection.url) == (bench.proxy.url, bench.hub.url)
    assert set(hubs_of(bench.master)) == {old, new}
    release()
    assert (await bench.ended(request)).result == "success"
    await until(lambda: hubs_of(bench.master) == [new])
    again = await bench.build(steps.KojiBuild(bench.profile, **step))
    assert again.result == "success"
    assert hubs_of(bench.master) == [new]
    assert len(bench.hub.call("listTasks", {"method": "build"})) == 2


@pytest_twisted.ensureDeferred
async def test_source_follows_its_profile(site: Site, empty_home: Path) -> None:
    """A source polls the new address of its hub after a reconfiguration, and misses nothing."""
    master = await site.listen(koji())
    first = site.build()
    await site.polled()
    change_profile(empty_home, "//127.0.0.1:", "//localhost:")
    second = site.build()
    await master.reconfigure(koji())
    await site.polled()
    third = site.build()
    await site.polled()
    made = [change["revision"] for change in await master.until_changes(3)]
    assert made == [first, second, third]
    [hub] = await until(lambda: len(hubs_of(master.master)) == 1 and hubs_of(master.master))
    assert "//localhost:" in hub.connection.url


@pytest_twisted.ensureDeferred
async def test_hub_is_removed(site: Site) -> None:
    """The link to a hub that the configuration no longer names is closed; others stay open."""
    master = await site.listen(koji())
    [hub] = hubs_of(master.master)
    await master.reconfigure(koji())
    await site.polled()
    assert hubs_of(master.master) == [hub]
    await master.reconfigure()
    await until(lambda: hubs_of(master.master) == [])
    await master.reconfigure(koji())
    await site.polled()
    assert len(hubs_of(master.master)) == 1


@pytest_twisted.ensureDeferred
async def test_secret_changes_often(bench: Workbench) -> None:
    """Each new password makes a new link; those with the old ones are closed."""
    robot = bench.hub.add_user("robot", password="0")["id"]
    named = util.KojiHub(bench.profile, user="robot", password=util.Secret("koji"))
    for number in range(1, 6):
        with bench.hub.state.transaction():
            bench.hub.state.update("users", robot, password=f"hunter {number}")
        bench.secrets["koji"] = f"hunter {number}"
        step = steps.KojiCall(named, method="getLoggedInUser", login=True)
        assert (await bench.build(step)).result == "success"
        await bench.master.reconfig()
        await until(lambda: len(hubs_of(bench.master)) == 1)
    assert bench.hub.calls["login"] == 5


@pytest_twisted.ensureDeferred
async def test_cancellations_of_two_links(bench: Workbench) -> None:
    """What a replaced link could not cancel, before or afterwards, the newer one cancels."""
    bench.hub.builder.seconds = 60
    robot = bench.hub.add_user("robot", password="hunter 1")["id"]
    bench.secrets["koji"] = "hunter 1"
    named = util.KojiHub(bench.profile, user="robot", password=util.Secret("koji"))
    old = await get_hub(bench.master, named)
    intents = [await submitted(old, ref) for ref in ("a", "b")]
    bench.hub.offline()
    assert await old.cancellations.cancel(intents[0], 0.5) is Canceled.PENDING
    with bench.hub.state.transaction():
        bench.hub.state.update("users", robot, password="hunter 2")
    bench.secrets["koji"] = "hunter 2"
    new = await get_hub(bench.master, named)
    assert new is not old
    assert await old.cancellations.cancel(intents[1], 0.5) is Canceled.PENDING

    tasks = {each.task_id for each in intents}
    assert {each.intent.task_id for each in new.cancellations.status()} == tasks
    assert old.cancellations.status() == []
    await new.disownServiceParent()
    bench.hub.online()
    again = await get_hub(bench.master, named)
    await until(lambda: {state_of(bench, task) for task in tasks} == {task_states.CANCELED})
    await until(lambda: again.cancellations.status() == [])


def state_of(bench: Workbench, task_id: Any) -> Any:
    return bench.hub.call("getTaskInfo", task_id)["state"]


async def submitted(hub: Hub, ref: str) -> TaskIntent:
    """Submit a build."""
    await hub.log_in()
    call = Call("build", [SOURCE.format("hello", ref), "demo", {"scratch": True}])
    submission = await hub.connection.submissions.begin(call)
    task_id = await hub.connection.submissions.submit(call, submission)
    return TaskIntent(call, submission, 0.0, task_id)
