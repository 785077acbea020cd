"""A submission gives one task, whatever happens to the request or to the reply."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from typing import Any

import pytest
import pytest_twisted
import treq
from twisted.internet import reactor
from twisted.internet.defer import Deferred, fail, gatherResults
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.web.client import Agent, ResponseFailed
from twisted.web.iweb import IAgent
from zope.interface import implementer

from tests.support import do_not_retry
from tests.support.hubs import Connect, WrongClock
from tests.support.odd import Mutator
from txkoji import Call, Connection, Submission, Submitter, task_states
from txkoji.exceptions import HubFault, TransportError, UnknownFault, UnknownOutcome
from txkoji.submission.search import PAGE
from txkoji.testing import FakeHub
from txkoji.testing.front.endpoint import HubResource

pytestmark = pytest.mark.hub(build_seconds=60, anonymous_user=None, carol=["admin", "repo"])

SOURCE = "git+https://git.example.test/rpms/hello.git#main"
MOMENT = datetime(2026, 11, 27, tzinfo=timezone.utc)


@implementer(IAgent)
class LossyAgent:
    """Loses the next requests of one hub method before they are sent, or their replies.

    Attributes:
        method: the hub method.
        loses: for each of its next requests ``request``, ``reply`` or None; ``late`` is a request
            that seems lost, and arrives just before the next one.
        on_loss: called when something was lost.
    """

    def __init__(self) -> None:
        self._agent = Agent(reactor)
        self.method = "build"
        self.loses: list[str | None] = []
        self.lost = 0
        self._late: tuple[Any, ...] | None = None
        self.on_loss: Callable[[], object] = lambda: None

    def request(
        self,
        method: bytes,
        uri: bytes,
        headers: Any = None,
        bodyProducer: Any = None,  # noqa: N803 - Twisted's name
    ) -> Deferred[Any]:
        called = f"<methodName>{self.method}<".encode()
        loses = self.loses.pop(0) if self.loses and called in bodyProducer._body else None
        failure = Failure(ResponseFailed([Failure(ConnectionLost())]))
        if loses in ("request", "late"):
            self._lose()
            if loses == "late":
                self._late = (method, uri, headers, bodyProducer)
            return fail(failure)
        if self._late is not None and called in bodyProducer._body:
            late, self._late = self._late, None
            answer = self._agent.request(*late).addCallback(treq.content)
            answer.addCallback(lambda _: self._agent.request(method, uri, headers, bodyProducer))
        else:
            answer = self._agent.request(method, uri, headers, bodyProducer)
        if loses == "reply":
            answer.addCallback(self._lose)
            answer.addCallback(lambda _: failure)
        return answer

    def _lose(self, _response: Any = None) -> None:
        self.lost += 1
        self.on_loss()


@pytest.fixture
def agent() -> LossyAgent:
    return LossyAgent()


@pytest.fixture
def connection_options(agent: LossyAgent) -> dict[str, Any]:
    return {"deadline": 5, "agent": agent}


@pytest.fixture
def connect(connect: Connect) -> Connect:
    """Give what makes connections that look for a lost submission at once."""

    def make(**changes: Any) -> Connection:
        koji = connect(**changes)
        koji.submissions = Submitter(koji.client, pauses=(0.0, 0.05))
        return koji

    return make


def task_ids(hub: FakeHub, method: str = "build") -> list[int]:
    return [task["id"] for task in hub.call("listTasks", {"method": method})]


def add_build(hub: FakeHub) -> str:
    """Add a complete build to the hub; returns its NVR."""
    hub.call("createEmptyBuild", "hello", "1.0", "1", None)
    with hub.state.transaction():
        [build] = hub.state.rows("build")
        hub.state.update("build", build["id"], state=1)
    return "hello-1.0-1"


@pytest_twisted.ensureDeferred
async def test_marker_is_with_the_task(koji: Connection, hub: FakeHub) -> None:
    """The task carries the marker beside what the user put there, and is found by it."""
    opts = {"scratch": True, "custom_user_metadata": {"mine": 1}}
    begun = await koji.new_submission("build", SOURCE, "demo", opts)
    task_id = await koji.submit("build", SOURCE, "demo", opts, submission=begun)
    assert hub.call("getTaskRequest", task_id)[2] == {
        "scratch": True,
        "custom_user_metadata": {"mine": 1, "submission_marker": begun.marker},
    }
    assert opts == {"scratch": True, "custom_user_metadata": {"mine": 1}}
    assert await koji.find_submitted(begun, "build", SOURCE, "demo", opts) == task_id
    other = await koji.new_submission("build", SOURCE, "demo", opts)
    assert await koji.find_submitted(other, "build", SOURCE, "demo", opts) is None


@pytest_twisted.ensureDeferred
async def test_marker_in_named_options(koji: Connection, hub: FakeHub) -> None:
    """Options may be given by name, or not at all."""
    task_id = await koji.submit("build", SOURCE, "demo", opts={"scratch": True})
    assert hub.call("getTaskRequest", task_id)[2]["scratch"] is True
    task_id = await koji.submit("build", SOURCE, "demo")
    assert list(hub.call("getTaskRequest", task_id)[2]) == ["custom_user_metadata"]


@pytest_twisted.ensureDeferred
async def test_submission_is_plain(koji: Connection) -> None:
    """What is stored before a submission is plain, and comes back the same from JSON."""
    begun = await koji.new_submission("newRepo", "demo-build")
    stored = json.loads(json.dumps(dataclasses.asdict(begun)))
    assert Submission(**stored) == begun
    assert begun.owner == (await koji.getLoggedInUser()).id


CALLS: list[tuple[Any, ...]] = [
    ("build", SOURCE, "demo", {}),
    ("chainBuild", [[SOURCE], [SOURCE]], "demo"),
    ("makeTask", "sleep", [60]),
    ("newRepo", "demo-build", None, True),
    ("tagBuild", "demo-released", "hello-1.0-1"),
    ("moveBuild", "demo-candidate", "demo-released", "hello-1.0-1"),
]
TASKS = {"chainBuild": "chainbuild", "makeTask": "sleep", "moveBuild": "tagBuild"}


@pytest.mark.parametrize("loses", ["request", "reply"])
@pytest.mark.parametrize("call", CALLS, ids=[call[0] for call in CALLS])
@pytest_twisted.ensureDeferred
async def test_lost_once(
    koji: Connection, hub: FakeHub, agent: LossyAgent, call: tuple[Any, ...], loses: str
) -> None:
    """A lost request is sent again; a task whose id was lost is found, not made again.

    However it is recognized, and though an equal task was there before.
    """
    add_build(hub)
    hub.call("tagBuildBypass", "demo-candidate", "hello-1.0-1")
    task = TASKS.get(call[0], call[0])
    before = hub.call(*call, user="carol")
    agent.method, agent.loses = call[0], [loses]
    task_id = await koji.submit(*call)
    assert agent.lost == 1
    assert sorted(task_ids(hub, task)) == [before, task_id]


@pytest.mark.parametrize("sources", [{SOURCE}, (SOURCE,), {SOURCE: 1}.keys()], ids=str)
@pytest_twisted.ensureDeferred
async def test_recognized_as_it_was_sent(
    koji: Connection, hub: FakeHub, agent: LossyAgent, sources: Any
) -> None:
    """Whatever the types of its arguments are, a task is recognized by what the hub received."""
    agent.method, agent.loses = "chainBuild", ["reply"]
    task_id = await koji.submit("chainBuild", [sources], "demo", {"since": MOMENT})
    assert task_ids(hub, "chainbuild") == [task_id]


@pytest.mark.parametrize("call", CALLS, ids=[call[0] for call in CALLS])
@pytest_twisted.ensureDeferred
async def test_late_once(
    koji: Connection, hub: FakeHub, agent: LossyAgent, call: tuple[Any, ...]
) -> None:
    """A request that arrives very late is harmless: the hub knows its number."""
    add_build(hub)
    hub.call("tagBuildBypass", "demo-candidate", "hello-1.0-1")
    agent.method, agent.loses = call[0], ["late"]
    task_id = await koji.submit(*call)
    assert (agent.lost, hub.calls[call[0]]) == (1, 1)
    assert task_ids(hub, TASKS.get(call[0], call[0])) == [task_id]


@pytest_twisted.ensureDeferred
async def test_late_after_another_write(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """A number that another write has overtaken is no reason to fail: the task is submitted."""
    agent.loses = ["request"]
    agent.on_loss = lambda: koji.createTag("another")
    task_id = await koji.submit("build", SOURCE, "demo")
    assert hub.call("getTag", "another") is not None
    assert task_ids(hub) == [task_id]


@pytest_twisted.ensureDeferred
async def test_checked_before_it_is_sent(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """What may forbid a submission is asked when it is its turn, and again before a retry."""
    asked: list[int] = []

    async def before() -> None:
        asked.append(len(task_ids(hub)))
        if len(asked) == 3:
            raise LookupError

    assert koji.client.session is not None
    call = Call("build", (SOURCE, "demo", {"scratch": True}), {})
    begun = [await koji.submissions.begin(call) for _ in range(2)]
    await koji.client.session.queue.acquire()
    submitted = [koji.submissions.submit(call, each, before=before) for each in begun]
    await koji.call("listTasks")
    assert asked == []
    agent.loses = [None, "request"]
    koji.client.session.queue.release()
    await submitted[0]
    with pytest.raises(LookupError):
        await submitted[1]
    assert (asked, len(task_ids(hub))) == ([0, 1, 1], 1)


@pytest_twisted.ensureDeferred
async def test_resubmit_once(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """The copy of a task is known by the request of the first."""
    first = await koji.submit("build", SOURCE, "demo", {"scratch": True})
    await koji.cancelTask(first)
    agent.method, agent.loses = "resubmitTask", ["reply"]
    again = await koji.submit("resubmitTask", first)
    assert sorted(task_ids(hub)) == [first, again]


@pytest_twisted.ensureDeferred
async def test_copy_with_the_marker(koji: Connection) -> None:
    """A task that was resubmitted has the marker of the first: the first is found."""
    call = ("build", SOURCE, "demo", {"scratch": True})
    begun = await koji.new_submission(*call)
    first = await koji.submit(*call, submission=begun)
    await koji.cancelTask(first)
    await koji.submit("resubmitTask", first)
    assert await koji.find_submitted(begun, *call) == first


@pytest_twisted.ensureDeferred
async def test_found_by_another_process(connect: Connect) -> None:
    """What was stored and the same call are all that finds the task after a restart."""
    call = ("newRepo", "demo-build")
    first = connect()
    await first.login()
    stored = dataclasses.asdict(await first.new_submission(*call))
    task_id = await first.call(*call)
    await first.logout()
    second = connect()
    await second.login()
    found = await second.find_submitted(Submission(**stored), *call)
    assert found == task_id


@pytest_twisted.ensureDeferred
async def test_equal_requests(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """Equal requests that are in doubt at the same time get a task each."""
    agent.method, agent.loses = "newRepo", ["reply", "request", "reply", "reply", None]
    ids = await gatherResults(
        [koji.submit("newRepo", "demo-build") for _ in range(5)], consumeErrors=True
    )
    assert len(set(ids)) == 5
    assert set(task_ids(hub, "newRepo")) == set(ids)


@pytest.mark.parametrize("ahead", [0.0, 3600.0])
@pytest_twisted.ensureDeferred
async def test_equal_requests_of_an_earlier_process(
    koji: Connection, hub: FakeHub, ahead: float
) -> None:
    """Of two equal tasks of an earlier process, that which is known is not taken for the other."""
    hub.clock = WrongClock(hub.clock, ahead)
    first = await koji.new_submission("newRepo", "demo-build")
    second = await koji.new_submission("newRepo", "demo-build")
    known, unknown = (hub.call("newRepo", "demo-build", user="carol") for _ in range(2))
    koji.claim(known, first)
    assert await koji.find_submitted(second, "newRepo", "demo-build") == unknown


@pytest_twisted.ensureDeferred
async def test_equal_requests_of_another_process(koji: Connection, hub: FakeHub) -> None:
    """A task that another process has recorded is not taken; without a marker none is certain."""
    begun = await koji.new_submission("newRepo", "demo-build")
    other, ours = (hub.call("newRepo", "demo-build", user="carol") for _ in range(2))

    async def recorded(tasks: Collection[int], since: float) -> set[int]:
        assert since < begun.submitted
        return {other} & set(tasks)

    koji.submissions.recorded = recorded
    assert await koji.find_submitted(begun, "newRepo", "demo-build") == ours
    assert not koji.submissions.is_certain(ours)
    assert koji.submissions.is_certain(other)


@pytest_twisted.ensureDeferred
async def test_what_is_not_ours(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """A task of another user or tag is not taken for a lost one; a tag may go by id or name."""
    hub.add_user("dave", permissions=["repo"])
    begun = await koji.new_submission("newRepo", "demo-build")
    hub.call("newRepo", "demo-build", user="dave")
    hub.call("newRepo", "demo-candidate", user="carol")
    assert await koji.find_submitted(begun, "newRepo", "demo-build") is None
    task_id = hub.call("newRepo", hub.call("getTag", "demo-build")["id"], user="carol")
    assert await koji.find_submitted(begun, "newRepo", "demo-build") == task_id


@pytest_twisted.ensureDeferred
async def test_hub_refuses(koji: Connection, hub: FakeHub) -> None:
    """A refusal is the caller's to see: nothing is looked for and nothing sent again."""
    begun = await koji.new_submission("build")
    looked = hub.calls["listTasks"]
    with pytest.raises(HubFault):
        await koji.submit("build", SOURCE, "demo", channel="no-such-channel", submission=begun)
    assert task_ids(hub) == []
    assert (hub.calls["build"], hub.calls["listTasks"]) == (1, looked)


@pytest.mark.parametrize("is_done", [False, True])
@pytest_twisted.ensureDeferred
async def test_hub_that_loses_its_database(
    koji: Connection, hub: FakeHub, monkeypatch: pytest.MonkeyPatch, is_done: bool
) -> None:
    """A hub that loses its database at the end of a commit may have the task: it is looked for."""
    lost = [UnknownFault("<class 'psycopg2.OperationalError'>: server closed", code=1)]
    run = HubResource._run

    def lose(rpc: HubResource, request: Any, method: str, *args: Any) -> bytes:
        if method != "build" or not lost:
            return run(rpc, request, method, *args)
        if is_done:
            run(rpc, request, method, *args)
        raise lost.pop()

    monkeypatch.setattr(HubResource, "_run", lose)
    assert [await koji.submit("build", SOURCE, "demo")] == task_ids(hub)
    assert not lost


@pytest_twisted.ensureDeferred
async def test_hub_that_is_gone(koji: Connection, hub: FakeHub) -> None:
    """A hub that nothing could be sent to: the error says so, and there is nothing to look for."""
    begun = await koji.new_submission("build")
    await hub.stop()
    do_not_retry(koji)
    with pytest.raises(TransportError) as caught:
        await koji.submit("build", SOURCE, "demo", submission=begun)
    assert not caught.value.may_have_arrived


@pytest_twisted.ensureDeferred
async def test_hub_that_goes(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """A hub that is gone when it should be asked for the task: it may have it, says the error."""
    begun = await koji.new_submission("build")
    do_not_retry(koji)
    agent.loses = ["reply"]
    agent.on_loss = hub.offline
    with pytest.raises(UnknownOutcome, match="find_submitted") as caught:
        await koji.submit("build", SOURCE, "demo", submission=begun)
    assert caught.value.may_have_arrived
    hub.online()
    assert [await koji.find_submitted(begun, "build", SOURCE, "demo")] == task_ids(hub)


@pytest_twisted.ensureDeferred
async def test_method_that_makes_no_task(koji: Connection) -> None:
    """A method of which no task is known is refused before anything is sent."""
    with pytest.raises(ValueError, match=r"createTag can't be submitted.*call it instead"):
        await koji.submit("createTag", "x")


@pytest_twisted.ensureDeferred
async def test_many_tasks_after_it(koji: Connection, hub: FakeHub) -> None:
    """The task is found behind any number of later ones."""
    begun = await koji.new_submission("build")
    task_id = await koji.submit("build", SOURCE, "demo", submission=begun)
    for number in range(PAGE * 2 + 5):
        hub.call("build", f"{SOURCE}{number}", "demo", {"scratch": True}, user="carol")
    assert await koji.find_submitted(begun, "build", SOURCE, "demo") == task_id


@pytest_twisted.ensureDeferred
async def test_a_hub_that_lists_fewer_tasks(koji: Connection, hub: FakeHub) -> None:
    """No task counts as missing because a hub's own limit is below ours."""
    hub.call("newRepo", "demo-build")
    begun = await koji.submissions.begin(Call("build"))
    wanted = [
        (
            Call("build", (f"{SOURCE}{number}", "demo")),
            dataclasses.replace(begun, marker=f"m{number}"),
        )
        for number in range(150)
    ]
    sent = [await koji.submissions.submit(*each) for each in wanted]

    def answer(name: str, params: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        if name == "listTasks":
            params[1]["limit"] = min(params[1]["limit"], 60)
        return run()

    hub.answer = answer
    assert await koji.submissions.find_all(wanted) == sent


@pytest_twisted.ensureDeferred
async def test_odd_tasks_of_others(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """Whatever a hub says of other tasks, one in doubt is found, and not made again."""
    for number in range(PAGE + 5):
        hub.call("build", f"{SOURCE}{number}", "demo", user="carol")
    mutate = Mutator(20261127)
    mine: list[int] = []

    def answer(name: str, _params: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        answer = run()
        if name == "build":
            mine.append(answer)
        if name != "listTasks":
            return answer
        return [row if row["id"] in mine else mutate(row) for row in answer]

    hub.answer = answer
    for number in range(10):
        mine.clear()
        agent.loses = ["reply"]
        assert [await koji.submit("build", f"{SOURCE}-{number}", "demo")] == mine
    assert mutate.count > 10 * PAGE


@pytest_twisted.ensureDeferred
async def test_hub_that_drops_the_marker(koji: Connection, hub: FakeHub, agent: LossyAgent) -> None:
    """A build in doubt whose marker the hub dropped is found by its request, and not made again."""
    mine = []

    def answer(name: str, params: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        if name == "build":
            del params[2]["custom_user_metadata"]
            mine.append(run())
            return mine[-1]
        return run()

    hub.answer = answer
    agent.loses = ["reply", None, "reply"]
    options = {"scratch": True}
    assert [await koji.submit("build", SOURCE, "demo", options) for _ in range(3)] == mine
    assert [koji.submissions.is_certain(each) for each in mine] == [False, True, False]


@pytest_twisted.ensureDeferred
async def test_marked_task_that_comes_late(
    koji: Connection, hub: FakeHub, agent: LossyAgent
) -> None:
    """A build that is still in flight is waited for, though an equal one without a marker is there.

    Somebody else may have made that one.
    """
    options = {"scratch": True}
    late: list[Callable[[], Any]] = []
    mine: list[int] = []

    def answer(name: str, _: tuple[Any, ...], run: Callable[[], Any]) -> Any:
        if name == "build":
            late.append(run)
            return 0
        found = run()
        if name == "listTasks" and late:
            mine.append(late.pop()())
        return found

    begun = await koji.submissions.begin(Call("build", (SOURCE, "demo", options)))
    await koji.call("build", SOURCE, "demo", options)
    hub.answer = answer
    agent.loses = ["reply"]
    made = await koji.submissions.submit(Call("build", (SOURCE, "demo", options)), begun)
    assert [made] == mine
    assert koji.submissions.is_certain(made)


@pytest.mark.parametrize("method", ["build", "chainBuild"])
@pytest_twisted.ensureDeferred
async def test_many_in_doubt(koji: Connection, hub: FakeHub, method: str) -> None:
    """Any number of submissions cost one look at the hub; those that it has not are None."""
    # Each look reads the newest task of before: a hub without any has none.
    hub.call("newRepo", "demo-build")
    begun = await koji.submissions.begin(Call(method))
    calls = [
        Call("build", (f"{SOURCE}{number}", "demo"))
        if method == "build"
        else Call("chainBuild", ([[f"{SOURCE}{number}"], [SOURCE]], "demo"))
        for number in range(47)
    ]
    wanted = [
        (call, dataclasses.replace(begun, marker=f"m{place}")) for place, call in enumerate(calls)
    ]
    sent = [await koji.submissions.submit(*each) for each in wanted[:45]]
    koji.submissions = Submitter(koji.client, pauses=(0.0, 0.05))
    hub.calls.clear()
    assert await koji.submissions.find_all(wanted) == [*sent, None, None]
    # Two looks, as two of them are not there.
    assert hub.calls["listTasks"] == 2
    assert hub.calls["getTaskInfo"] == 2
    assert sum(hub.calls.values()) <= 10


@pytest_twisted.ensureDeferred
async def test_priority_and_channel(koji: Connection, hub: FakeHub) -> None:
    """Priority and channel reach the task."""
    task_id = await koji.submit("build", SOURCE, "demo", {}, 5, "image")
    task = hub.call("getTaskInfo", task_id)
    assert task["priority"] == 25
    assert hub.call("getChannel", task["channel_id"])["name"] == "image"
    assert task["state"] != task_states.FAILED


@pytest.mark.parametrize("gap", [0, 3])
@pytest_twisted.ensureDeferred
async def test_hub_restored_from_a_backup(koji: Connection, hub: FakeHub, gap: int) -> None:
    """A hub whose ids run backwards after a restore still gives a marked task back, once."""
    for number in range(5):
        hub.call("build", f"{SOURCE}{number}", "demo", {"scratch": True}, user="carol")
    begun = await koji.new_submission("build")
    restored = dataclasses.replace(begun, newest_task=begun.newest_task + 1000 * (1 + gap))
    task_id = await koji.submit("build", SOURCE, "demo", submission=begun)
    hub.call("build", f"{SOURCE}9", "demo", {"scratch": True}, user="carol")
    assert task_id < restored.newest_task
    assert await koji.find_submitted(restored, "build", SOURCE, "demo") == task_id


@pytest_twisted.ensureDeferred
async def test_restored_hub_without_the_task(koji: Connection, hub: FakeHub) -> None:
    """On a restored hub an equal request from before the submission is not taken for it."""
    await koji.newRepo("demo-build")
    begun = await koji.new_submission("newRepo", "demo-build")
    restored = dataclasses.replace(
        begun, newest_task=begun.newest_task + 1000, submitted=begun.submitted + 3600
    )
    assert await koji.find_submitted(restored, "newRepo", "demo-build") is None


@pytest_twisted.ensureDeferred
async def test_id_that_a_restored_hub_uses_again(koji: Connection, hub: FakeHub) -> None:
    """An unmarked task is found under an id that another task had before the restore."""
    first = await koji.submit("newRepo", "demo-build")
    owners = koji.submissions._owners
    owners[first] = owners[first][0], owners[first][1] - 3600
    later = await koji.submit("newRepo", "demo-candidate")
    begun = await koji.new_submission("newRepo", "demo-build")
    assert begun.newest_task == later
    hub.state.rewind("task", first - 1)
    again = await koji.newRepo("demo-build")
    assert again == first
    assert await koji.find_submitted(begun, "newRepo", "demo-build") == first


@pytest_twisted.ensureDeferred
async def test_lost_tasks(koji: Connection, hub: FakeHub) -> None:
    """A task that a restored hub does not have, or whose id another one has, is lost."""
    calls = [
        Call("build", (SOURCE, "demo", {"scratch": True})),
        Call("newRepo", ("demo-build",)),
        Call("makeTask", ("sleep", [30])),
    ]
    for call in calls:
        begun = await koji.submissions.begin(call)
        task_id = await koji.submissions.submit(call, begun)
        assert not await koji.submissions.is_lost(task_id, call, begun)
        hub.state.rewind("task", task_id - 1)
        assert await koji.submissions.is_lost(task_id, call, begun)
        assert hub.call("build", f"{SOURCE}other", "demo", {"scratch": True}) == task_id
        assert await koji.submissions.is_lost(task_id, call, begun)
    # Someone tags another build: the request has its id, and our call has a name.
    builds = [hub.call("createEmptyBuild", "hello", "1.0", release, None) for release in "ab"]
    call = Call("tagBuild", ("demo-candidate", "hello-1.0-a"))
    begun = await koji.submissions.begin(call)
    task_id = await koji.submissions.submit(call, begun)
    assert not await koji.submissions.is_lost(task_id, call, begun)
    hub.state.rewind("task", task_id - 1)
    assert hub.call("tagBuild", "demo-candidate", builds[1]) == task_id
    assert await koji.submissions.is_lost(task_id, call, begun)
    call = calls[1]
    # An empty hub under the same address: another program's task has the id, and looks alike.
    begun = await koji.submissions.begin(call)
    task_id = await koji.submissions.submit(call, begun)
    hub.state.rewind("task", 0)
    while hub.call("newRepo", "demo-candidate") != task_id:
        assert await koji.submissions.is_lost(task_id, call, begun)
    assert await koji.submissions.is_lost(task_id, call, begun)


@pytest_twisted.ensureDeferred
async def test_control_character_in_the_newest_task(koji: Connection, hub: FakeHub) -> None:
    """Another user's task with a control character in its result does no harm."""
    other = hub.call("build", f"{SOURCE}other", "demo", {"scratch": True})
    hub.state.update("task", other, state=int(task_states.CLOSED), result="red \x1b[31mtext")
    [newest] = await koji.listTasks({}, {"order": "-id", "limit": 1})
    assert "\N{REPLACEMENT CHARACTER}[31m" in str(newest.result)
    task_id = await koji.submit("build", SOURCE, "demo")
    assert task_id > other
