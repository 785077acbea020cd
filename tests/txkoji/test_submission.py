"""A submission gives one task, whatever happens to the request or to the reply."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseFailed
from twisted.web.iweb import IAgent
from zope.interface import implementer

from tests.support import limited
from txkoji import Connection, Profile, submission
from txkoji.exceptions import HubFault, TransportError
from txkoji.submission import find_build_task, marker_of, new_marker, submit_build
from txkoji.testing import FakeHub

SOURCE = "git+https://git.example.test/rpms/hello.git#main"


@implementer(IAgent)
class LossyAgent:
    """Loses the next request before it is sent, or its reply.

    Attributes:
        loses: ``request``, ``reply`` or None; None again once something was lost.
    """

    def __init__(self) -> None:
        self._agent = Agent(reactor)
        self.loses: str | None = None
        self.lost = 0

    def request(self, *args: Any, **kwargs: Any) -> Deferred[Any]:
        loses, self.loses = self.loses, None
        failure = Failure(ResponseFailed([Failure(ConnectionLost())]))
        if loses == "request":
            self.lost += 1
            return fail(failure)
        answer = self._agent.request(*args, **kwargs)
        if loses == "reply":
            self.lost += 1
            answer.addCallback(lambda _: failure)
        return answer


@pytest_twisted.async_yield_fixture
async def hub() -> AsyncIterator[FakeHub]:
    hub = FakeHub(reactor, build_seconds=60, anonymous_user="kojiadmin")
    hub.add_demo_content()
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
def agent() -> LossyAgent:
    return LossyAgent()


@pytest.fixture
def koji(hub: FakeHub, agent: LossyAgent) -> Connection:
    profile = Profile(name="test", server=hub.url)
    return Connection(profile, reactor=reactor, deadline=5, agent=agent)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "PAUSES", (0.0, 0.05))


def task_ids(hub: FakeHub) -> list[int]:
    return [task["id"] for task in hub.call("listTasks", {"method": "build"})]


@pytest_twisted.ensureDeferred
async def test_marker_is_with_the_task(koji: Connection, hub: FakeHub) -> None:
    """The task carries the marker beside what the user put there, and is found by it."""
    marker = new_marker()
    opts = {"scratch": True, "custom_user_metadata": {"mine": 1}}
    started = reactor.seconds()
    task_id = await limited(submit_build(koji, SOURCE, "demo", opts, marker=marker))
    assert hub.call("getTaskRequest", task_id)[2] == {
        "scratch": True,
        "custom_user_metadata": {"mine": 1, "submission_marker": marker},
    }
    assert opts == {"scratch": True, "custom_user_metadata": {"mine": 1}}
    task = await limited(find_build_task(koji, marker, submitted=started))
    assert (task.id, marker_of(task)) == (task_id, marker)
    assert await limited(find_build_task(koji, new_marker(), submitted=started)) is None


@pytest_twisted.ensureDeferred
async def test_reply_is_lost(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """A hub that made the task and whose reply is lost is not asked for another one."""
    agent.loses = "reply"
    task_id = await limited(submit_build(koji, SOURCE, "demo", {}, marker=new_marker()))
    assert agent.lost == 1
    assert task_ids(hub) == [task_id]
    assert hub.calls["build"] == 1


@pytest_twisted.ensureDeferred
async def test_request_is_lost(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """A request that never reached the hub is sent again, once it is known that it did not."""
    agent.loses = "request"
    task_id = await limited(submit_build(koji, SOURCE, "demo", {}, marker=new_marker()))
    assert agent.lost == 1
    assert task_ids(hub) == [task_id]


@pytest_twisted.ensureDeferred
async def test_hub_refuses(koji: Connection, hub: FakeHub) -> None:
    """A refusal is the caller's to see: nothing is looked for and nothing sent again."""
    with pytest.raises(HubFault):
        await limited(
            submit_build(koji, SOURCE, "demo", {}, marker=new_marker(), channel="no-such-channel")
        )
    assert task_ids(hub) == []
    assert (hub.calls["build"], hub.calls["listTasks"]) == (1, 0)


@pytest_twisted.ensureDeferred
async def test_hub_that_is_gone(koji: Connection, hub: FakeHub) -> None:
    """A hub that nothing could be sent to: the error says so, and there is nothing to look for."""
    await hub.stop()
    koji.deadline = 0.2
    with pytest.raises(TransportError) as caught:
        await limited(submit_build(koji, SOURCE, "demo", {}, marker=new_marker()))
    assert not caught.value.may_have_arrived


@pytest_twisted.ensureDeferred
async def test_many_tasks_after_it(koji: Connection, hub: FakeHub) -> None:
    """The task is found behind any number of later ones."""
    marker = new_marker()
    started = reactor.seconds()
    task_id = await limited(submit_build(koji, SOURCE, "demo", {}, marker=marker))
    for number in range(submission.PAGE * 2 + 5):
        hub.call("build", f"{SOURCE}{number}", "demo", {"scratch": True})
    found = await limited(find_build_task(koji, marker, submitted=started))
    assert found.id == task_id


@pytest_twisted.ensureDeferred
async def test_priority_and_channel(koji: Connection, hub: FakeHub) -> None:
    """Priority and channel reach the task."""
    task_id = await limited(
        submit_build(koji, SOURCE, "demo", {}, marker=new_marker(), priority=5, channel="image")
    )
    task = hub.call("getTaskInfo", task_id)
    assert task["priority"] == 25
    assert hub.call("getChannel", task["channel_id"])["name"] == "image"
