"""How tasks wait for hosts."""

from __future__ import annotations

import pytest
from twisted.internet.task import Clock

from txkoji import task_states
from txkoji.testing import FakeHub

SECONDS = 10.0

pytestmark = pytest.mark.hub(on_clock=True, content=False, build_seconds=SECONDS)


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    """Give a hub whose only host takes one task at a time."""
    hub.add_host("small", "x86_64 noarch", capacity=1.0)
    return hub


def sleepers(hub: FakeHub, *priorities: int) -> list[int]:
    """Create tasks that sleep for a second each."""
    return [hub.call("makeTask", "sleep", [1], priority=number) for number in priorities]


def opened(hub: FakeHub, clock: Clock, tasks: list[int]) -> list[int]:
    """Wait for all tasks; returns them in the order in which they were opened."""
    clock.pump([0.1] * 200)
    rows = [hub.state.get("task", task) for task in tasks]
    starts = {row["id"]: row["start_ts"] for row in rows if row is not None}
    assert all(row and row["state"] == task_states.CLOSED for row in rows)
    return sorted(starts, key=lambda task: float(starts[task]))


def test_one_at_a_time(hub: FakeHub, clock: Clock) -> None:
    """A full host leaves the other tasks FREE, and takes the next when one ends or fails."""
    odd = hub.call("makeTask", "sleep", [float("nan")], priority=1)
    tasks = sleepers(hub, 20, 20, 20)
    clock.pump([0.1] * 5)
    channel = hub.call("getChannel", "default")["id"]
    waiting = hub.call("listTasks", {"channel_id": channel, "state": [0]}, {"order": "id"})
    assert [task["id"] for task in waiting] == tasks[1:]
    [host] = hub.call("listHosts")
    assert (host["capacity"], host["task_load"]) == (1.0, 1.0)
    assert opened(hub, clock, tasks) == tasks
    assert hub.call("getHost", "small")["task_load"] == 0.0
    assert hub.call("getTaskInfo", odd)["state"] == task_states.FAILED


def test_load_of_an_idle_host(hub: FakeHub, clock: Clock) -> None:
    """A host whose tasks have ended has no load, not one of -0.0, as people read it."""
    hub.call("editHost", "small", capacity=6.0)
    hub.add_tag("candidate")
    hub.add_tag("build", arches="x86_64")
    hub.add_target("demo", "build", "candidate")
    hub.add_package("candidate", "hello")
    hub.add_repo("build")
    number = hub.call("build", "git+https://git.example.test/hello#1", "demo")
    clock.pump([0.1] * 400)
    assert hub.call("getTaskInfo", number)["state"] == task_states.CLOSED
    assert str(hub.call("getHost", "small")["task_load"]) == "0.0"


def test_order_of_priorities(hub: FakeHub, clock: Clock) -> None:
    """Waiting tasks are taken by the lowest priority number, then by age."""
    running, late, soon, next_soon = tasks = sleepers(hub, 20, 30, 5, 5)
    assert opened(hub, clock, tasks) == [running, soon, next_soon, late]


def test_change_of_priority(hub: FakeHub, clock: Clock) -> None:
    """An admin can raise the priority of a waiting task; one that has none comes last."""
    tasks = sleepers(hub, 20, 20, 20, 20)
    clock.pump([0.1] * 5)
    hub.call("setTaskPriority", tasks[3], 1)
    hub.call("setTaskPriority", tasks[1], None)
    assert opened(hub, clock, tasks) == [tasks[0], tasks[3], tasks[2], tasks[1]]


def test_canceled_while_it_waits(hub: FakeHub, clock: Clock) -> None:
    """A task that is canceled while FREE has no host and no start time."""
    tasks = sleepers(hub, 20, 20)
    clock.pump([0.1] * 5)
    hub.call("cancelTask", tasks[1])
    info = hub.call("getTaskInfo", tasks[1])
    assert (info["host_id"], info["start_ts"]) == (None, None)
    hub.call("cancelTask", tasks[0])
    [third] = sleepers(hub, 20)
    assert opened(hub, clock, [third]) == [third]


def test_channel_without_a_host(hub: FakeHub, clock: Clock) -> None:
    """A task waits until its channel gets a host, and does not block other channels."""
    lonely = hub.call("makeTask", "sleep", [1], channel="image")
    [other] = sleepers(hub, 20)
    assert opened(hub, clock, [other]) == [other]
    assert hub.call("getTaskInfo", lonely)["state"] == task_states.FREE
    hub.call("addHostToChannel", "small", "image")
    assert opened(hub, clock, [lonely]) == [lonely]


def test_assigned_by_an_admin(hub: FakeHub, clock: Clock) -> None:
    """An admin can assign a waiting task."""
    lonely = hub.call("makeTask", "sleep", [1], channel="image")
    clock.pump([0.1] * 5)
    assert hub.call("assignTask", lonely, "small") is True
    assert hub.call("assignTask", lonely, "small") is False
    assert opened(hub, clock, [lonely]) == [lonely]


def test_assigned_by_force(hub: FakeHub, clock: Clock) -> None:
    """An open task can be moved to another host, where it starts over; a finished one can't."""
    [task] = sleepers(hub, 20)
    clock.pump([0.1] * 10)
    assert hub.call("getTaskInfo", task)["state"] == task_states.OPEN
    hub.add_host("spare", "noarch")
    assert hub.call("assignTask", task, "spare") is False
    assert hub.call("assignTask", task, "spare", True) is True
    assert hub.call("getTaskInfo", task)["state"] == task_states.ASSIGNED
    clock.pump([0.1] * 9)
    assert hub.call("getTaskInfo", task)["state"] == task_states.OPEN
    loads = {host["name"]: host["task_load"] for host in hub.call("listHosts")}
    assert loads == {"small": 0.0, "spare": 1.0}
    assert opened(hub, clock, [task]) == [task]
    assert hub.call("assignTask", task, "small", True) is False


def test_assigned_to_a_disabled_host(hub: FakeHub, clock: Clock) -> None:
    """A disabled host opens nothing until it is enabled, or the task is given to another one."""
    tasks = [hub.call("makeTask", "sleep", [1], channel="image") for _ in range(2)]
    hub.call("disableHost", "small")
    for task in tasks:
        hub.call("assignTask", task, "small")
    clock.pump([1.0] * 200)
    assert {hub.call("getTaskInfo", task)["state"] for task in tasks} == {task_states.ASSIGNED}
    hub.add_host("spare", "noarch", channels=["image"])
    hub.call("assignTask", tasks[0], "spare", True)
    clock.pump([1.0] * 5)
    assert hub.call("getTaskInfo", tasks[0])["state"] == task_states.CLOSED
    clock.pump([1.0] * 105)
    taken = hub.call("getTaskInfo", tasks[1])
    assert (taken["state"], taken["host_id"]) == (
        task_states.CLOSED,
        hub.call("getHost", "spare")["id"],
    )
    hub.call("enableHost", "small")
    [last] = sleepers(hub, 20)
    assert opened(hub, clock, [last]) == [last]
