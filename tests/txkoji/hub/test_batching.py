"""Lookups of one reactor iteration travel together, and only the hub notices."""

from __future__ import annotations

import math
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.python.failure import Failure

from tests.support import HubInMemory, do_not_retry
from tests.support.ends import AtEnd
from tests.support.hubs import DeadlockDetected
from txkoji import Connection, Profile
from txkoji.exceptions import GenericError, ServerOffline, UnknownFault, UnusableAnswer
from txkoji.hub.batching import results_of
from txkoji.hub.call import Call
from txkoji.retry import is_passing, was_not_carried_out
from txkoji.task import Task
from txkoji.testing import FakeHub
from txkoji.testing.methods.table import METHODS

pytestmark = pytest.mark.hub(build_seconds=60)

SOURCE = "git+https://git.example.test/rpms/hello.git#{}"


@pytest_twisted.ensureDeferred
async def test_thousand_lookups(koji: Connection, hub: FakeHub) -> None:
    """A thousand lookups at once are ten requests; each caller gets its own, rich result."""
    ids = [hub.call("build", SOURCE.format(n), "demo", {"scratch": True}) for n in range(50)]
    wanted = ids * 20
    tasks = await gatherResults([koji.getTaskInfo(number) for number in wanted])
    assert [task.id for task in tasks] == wanted
    assert all(isinstance(task, Task) and task.connection is koji for task in tasks)
    assert (hub.calls["multiCall"], hub.requests) == (10, 10)


@pytest_twisted.ensureDeferred
async def test_own_result_and_own_exception(koji: Connection, hub: FakeHub) -> None:
    """Of lookups that travel together each has its own end."""
    good, bad, missing = (
        koji.getTag("demo-build"),
        koji.getTag("nope", strict=True),
        koji.getBuild("nope-1-1"),
    )
    assert (await good).name == "demo-build"
    with pytest.raises(GenericError, match="getTag: No such tagInfo: 'nope'") as caught:
        await bad
    assert caught.value.method == "getTag"
    assert await missing is None
    assert hub.requests == 1


@pytest_twisted.ensureDeferred
async def test_one_alone(koji: Connection, hub: FakeHub) -> None:
    """A lookup that is alone in its turn is a plain call."""
    for _ in range(3):
        await koji.getTag("demo-build")
    assert (hub.calls["multiCall"], hub.calls["getTag"], hub.requests) == (0, 3, 3)


@pytest_twisted.ensureDeferred
async def test_heavy_calls_go_alone(koji: Connection, hub: FakeHub) -> None:
    """A call that may be heavy for the hub never rides with the light ones."""
    calls = [
        koji.getTag("demo-build"),
        koji.listTagged("demo-candidate"),
        koji.getTag("demo-candidate"),
        koji.getTaskInfo([1, 2, 3]),
    ]
    await gatherResults(calls)
    assert (hub.calls["multiCall"], hub.requests) == (1, 3)


@pytest_twisted.ensureDeferred
async def test_it_can_be_turned_off(hub: FakeHub, at_end: AtEnd) -> None:
    """With ``batching=False`` each call is a request."""
    profile = Profile(name="t", server=hub.url)
    koji = Connection(profile, reactor=reactor, batching=False)
    at_end(koji.close)
    await gatherResults([koji.getTag("demo-build") for _ in range(10)])
    assert (hub.calls["multiCall"], hub.requests) == (0, 10)


@pytest_twisted.ensureDeferred
async def test_hub_is_offline(koji: Connection, hub: FakeHub) -> None:
    """If the whole request fails, all its callers get the error."""
    hub.offline("closed")
    do_not_retry(koji)
    calls = [koji.getTag("demo-build") for _ in range(3)]
    for call in calls:
        with pytest.raises(ServerOffline, match="closed"):
            await call


def lose_the_database(patch: pytest.MonkeyPatch, broken: str, times: float = math.inf) -> list[str]:
    """Have a hub lose its database in each getTag of a tag, so many times.

    Returns:
        The tags that getTag was asked for.
    """
    get_tag, asked = METHODS["getTag"], []

    def lose(call: Any, tag: str, **options: Any) -> Any:
        asked.append(tag)
        if tag == broken and asked.count(tag) <= times:
            raise DeadlockDetected("deadlock detected")
        return get_tag(call, tag, **options)

    patch.setitem(METHODS, "getTag", lose)
    return asked


TAGS = ["demo-build", "demo-candidate", "demo-released"]


def gave_up(failure: Failure) -> None:
    failure.trap(UnknownFault)
    assert is_passing(failure.value)
    assert "psycopg2.errors.DeadlockDetected: dead" in str(failure.value)


def test_lookups_of_a_hub_that_loses_its_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lookup that met it is sent again after a pause; its neighbors don't wait for it."""
    site = HubInMemory()
    asked = lose_the_database(monkeypatch, "demo-candidate", 2)
    answers = [site.koji.getTag(tag) for tag in TAGS]
    site.answer()
    assert [answer.called for answer in answers] == [True, False, True]
    assert site.koji.trouble is not None
    site.pass_time(10)
    assert [answer.result.name for answer in answers] == TAGS
    assert asked == [*TAGS, "demo-candidate", "demo-candidate"]
    assert site.koji.trouble is None
    assert site.koji.statistics.retries == 2


@pytest.mark.parametrize("reply", [None, "x", {}, [], [[1]], [[1], [2], [3]]])
def test_reply_to_another_batch(reply: Any) -> None:
    """A reply that does not fit its batch is a permanent error, and a write may have been done."""
    with pytest.raises(UnusableAnswer, match="instead of a list of 2 results") as caught:
        results_of([Call("getTag"), Call("tagBuild")], reply)
    assert not is_passing(caught.value)
    assert not was_not_carried_out(caught.value)


@pytest.mark.parametrize("odd", [None, 1, [], [1, 2], {}, {"faultCode": "1"}, {"faultCode": None}])
def test_odd_item(odd: Any) -> None:
    """An item of a reply that is neither result nor fault fails its own call, permanently."""
    batch = [Call("getTag"), Call("getBuild"), Call("getUser")]
    [error, fault, result] = results_of(
        batch, [odd, {"faultCode": 1, "faultString": [], "traceback": [None]}, [7]]
    )
    assert (str(fault), result) == ("getBuild: the hub gave fault 1 without a text", 7)
    assert isinstance(error, UnusableAnswer)
    assert error.method == "getTag"
    assert not is_passing(error)


def test_multicall_of_a_hub_that_loses_its_database(monkeypatch: pytest.MonkeyPatch) -> None:
    """The results of a multicall have the order of its calls, and each was read once."""
    site = HubInMemory()
    asked = lose_the_database(monkeypatch, "demo-build", 1)
    calls = site.koji.MultiCall()
    for tag in TAGS:
        calls.getTag(tag)
    sent = calls()
    site.pass_time(10)
    assert [tag.name for tag in sent.result] == TAGS
    assert asked == [*TAGS, "demo-build"]


@pytest.mark.parametrize("ends_offline", [False, True])
def test_database_that_stays_lost(monkeypatch: pytest.MonkeyPatch, ends_offline: bool) -> None:
    """The deadline holds for all attempts of a batch, and keeps what the others returned."""
    site = HubInMemory(deadline=60)
    lose_the_database(monkeypatch, "demo-candidate")
    answers = [site.koji.getTag(tag) for tag in TAGS]
    calls = site.koji.MultiCall()
    for tag in TAGS:
        calls.getTag(tag)
    sent = calls()
    site.answer()
    if ends_offline:
        site.hub.offline("closed")
    site.pass_time(60)
    assert site.clock.getDelayedCalls() == []
    results = sent.result
    assert (results[0].name, results[2].name) == (TAGS[0], TAGS[2])
    expected = ServerOffline if ends_offline else UnknownFault
    with pytest.raises(expected):
        results[1]
    assert answers[0].result.name == TAGS[0]
    failed: list[Failure] = []
    answers[1].addErrback(failed.append)
    assert failed[0].check(expected)


def test_writes_are_not_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A multicall with a write is sent once, though a read of it met a lost database."""
    site = HubInMemory()
    asked = lose_the_database(monkeypatch, "demo-candidate")
    calls = site.koji.MultiCall()
    calls.cancelBuild(1)
    calls.getTag("demo-candidate")
    sent = calls()
    site.pass_time(60)
    failed: list[Failure] = []
    Deferred.fromCoroutine(result_of(sent, 1)).addErrback(failed.append)
    gave_up(failed[0])
    assert asked == ["demo-candidate"]


async def result_of(sent: Deferred[Any], index: int) -> Any:
    return (await sent)[index]


def test_cancelling_the_rest_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lookup that a callback of its neighbor cancels is not sent again."""
    site = HubInMemory()
    asked = lose_the_database(monkeypatch, "demo-candidate")
    first, second = site.koji.getTag("demo-build"), site.koji.getTag("demo-candidate")
    cancelled: list[Failure] = []
    second.addErrback(cancelled.append)
    first.addCallback(lambda _: second.cancel())
    site.pass_time(60)
    assert cancelled[0].check(CancelledError)
    assert asked == ["demo-build", "demo-candidate"]


@pytest_twisted.ensureDeferred
async def test_argument_that_cannot_be_sent(koji: Connection) -> None:
    """A bad argument fails its own call, and none that is made with it."""
    good = koji.getTag("demo-build")
    with pytest.raises(ValueError, match="64 bits"):
        await koji.getTag(2**70)
    assert (await good).name == "demo-build"


@pytest_twisted.ensureDeferred
async def test_cancelling(koji: Connection, hub: FakeHub) -> None:
    """A lookup cancelled in its turn is not sent; one that was sent gives up its answer."""
    first, second = koji.getTag("demo-build"), koji.getTag("demo-candidate")
    first.cancel()
    with pytest.raises(CancelledError):
        await first
    third = koji.getTag("demo-released")
    assert (await second).name == "demo-candidate"
    assert (await third).name == "demo-released"
    assert hub.calls["getTag"] == 2
    calls = [koji.getTag("demo-build") for _ in range(2)]
    turn: Deferred[None] = Deferred()
    reactor.callLater(0, turn.callback, None)
    await turn
    calls[0].cancel()
    with pytest.raises(CancelledError):
        await calls[0]
    assert (await calls[1]).name == "demo-build"


@pytest.mark.parametrize("count", [1, 2])
def test_request_that_nobody_waits_for(count: int) -> None:
    """The request of lookups that are all cancelled is sent to an unreachable hub no more."""
    site = HubInMemory()
    site.hub.offline()
    failures: list[Failure] = []
    calls = [site.koji.getTag("demo-build") for _ in range(count)]
    for call in calls:
        call.addErrback(failures.append)
    site.pass_time(5)
    for call in calls:
        assert site.hub.requests
        call.cancel()
    assert [failure.type for failure in failures] == [CancelledError] * count
    before = site.hub.requests
    site.pass_time(60)
    assert site.hub.requests == before


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "expected"),
    [
        ("getTaskInfo", [7], {}, True),
        ("getTaskInfo", [7], {"request": True}, True),
        ("getTaskInfo", [[7, 8]], {}, False),
        ("getBuild", [{"name": "a", "version": "1", "release": "1"}], {}, False),
        ("listTagged", ["f44"], {}, False),
        ("build", ["x"], {}, False),
    ],
)
def test_what_may_ride(
    method: str, args: list[Any], kwargs: dict[str, Any], expected: bool
) -> None:
    """A lookup of one object by plain values may ride; lists of them, and all else, may not."""
    assert Call(method, args, kwargs).is_point_lookup is expected
