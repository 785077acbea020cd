"""Lookups of one reactor iteration travel together, and only the hub notices."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults
from twisted.python.failure import Failure

from tests.support import HubInMemory, do_not_retry
from tests.support.hubs import DeadlockDetected
from txkoji import Connection, Profile
from txkoji.exceptions import GenericError, ServerOffline, UnknownFault
from txkoji.hub.call import Call
from txkoji.retry import is_passing
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
async def test_it_can_be_turned_off(hub: FakeHub) -> None:
    """With ``batching=False`` each call is a request."""
    profile = Profile(name="t", server=hub.url)
    koji = Connection(profile, reactor=reactor, batching=False)
    await gatherResults([koji.getTag("demo-build") for _ in range(10)])
    assert (hub.calls["multiCall"], hub.requests) == (0, 10)
    await koji.close()


@pytest_twisted.ensureDeferred
async def test_hub_is_offline(koji: Connection, hub: FakeHub) -> None:
    """If the whole request fails, all its callers get the error."""
    hub.offline("closed")
    do_not_retry(koji)
    calls = [koji.getTag("demo-build") for _ in range(3)]
    for call in calls:
        with pytest.raises(ServerOffline, match="closed"):
            await call


@pytest_twisted.ensureDeferred
async def test_hub_that_loses_its_database(
    koji: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call of a batch fails with the class that the hub's exception has, as one by itself."""

    def lose(*_: Any, **__: Any) -> None:
        raise DeadlockDetected("deadlock detected")

    monkeypatch.setitem(METHODS, "getTag", lose)
    for call in [koji.getTag("demo-build"), koji.getTag("demo-candidate")]:
        with pytest.raises(
            UnknownFault, match=r"psycopg2\.errors\.DeadlockDetected: dead"
        ) as caught:
            await call
        assert is_passing(caught.value)


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
