"""Submissions through a network that loses, cuts, delays and repeats: each is done exactly once."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError

from tests.faults import Fate, FaultProxy
from tests.support import limited, until
from txkoji import Connection, Profile, submission, task_states
from txkoji.retry import RetryPolicy
from txkoji.testing import FakeHub

SUBMISSIONS = 1000 if os.environ.get("KOJI_TEST_SOAK") else 120
SOURCE = "git+https://git.example.test/rpms/hello.git#{}"
BAD = [Fate.RESET_BEFORE, Fate.RESET_AFTER, Fate.TRUNCATE, Fate.STALL, Fate.DELAY]


@pytest_twisted.async_yield_fixture
async def hub() -> AsyncIterator[FakeHub]:
    hub = FakeHub(reactor, build_seconds=3600)
    hub.add_demo_content()
    hub.add_user("carol", password="carol")
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submission, "PAUSES", (0.0, 0.1))


@pytest.mark.parametrize("protected", [True, False])
@pytest_twisted.ensureDeferred
async def test_each_submission_is_done_once(hub: FakeHub, protected: bool) -> None:
    """Whether the hub protects a session's calls by their numbers or not: none lost, none double.

    The proxy repeats requests only where the hub has that protection: without it a hub carries out
    whatever comes twice, and no client could help it.
    """
    hub.reads_callnum_header = protected
    chance = random.Random(20261124)
    bad = [*BAD, Fate.REPEAT] if protected else BAD

    def decide(request: bytes) -> Fate:
        if b"<methodName>login<" in request:
            return Fate.PASS
        return chance.choice(bad) if chance.random() < 0.4 else Fate.PASS

    proxy = FaultProxy(urlsplit(hub.url).port or 0, decide)
    proxy.start()
    profile = Profile(
        name="t", server=proxy.url, authtype="password", user="carol", password="carol"
    )
    policy = RetryPolicy(first=0.01, ceiling=0.05)
    koji = Connection(profile, reactor=reactor, deadline=60, request_timeout=0.4, retry=policy)
    await koji.login()
    begun = {}
    ids = {}
    for number in range(SUBMISSIONS):
        call = ("build", SOURCE.format(number), "demo", {"scratch": True})
        begun[number] = await koji.new_submission(*call).addTimeout(60, reactor)
        ids[number] = await koji.submit(*call, submission=begun[number]).addTimeout(60, reactor)
    made = {
        task["id"]: hub.call("getTaskRequest", task["id"])[2]["custom_user_metadata"]
        for task in hub.call("listTasks", {"method": "build"})
    }
    counts = Counter(metadata["submission_marker"] for metadata in made.values())
    print(f"{SUBMISSIONS} submissions, call numbers {'on' if protected else 'off'}:", end=" ")
    print(", ".join(f"{fate.name} {count}" for fate, count in sorted(proxy.fates.items(), key=str)))
    print(f"tasks on the hub: {len(made)}, doubled: {sum(c > 1 for c in counts.values())}")
    assert [made[ids[n]]["submission_marker"] for n in ids] == [begun[n].marker for n in begun]
    assert set(counts.values()) == {1}
    assert len(made) == SUBMISSIONS
    assert all(proxy.fates[fate] for fate in bad)
    await koji.close()
    await proxy.stop()


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("fate", [Fate.RESET_BEFORE, Fate.RESET_AFTER, Fate.TRUNCATE, Fate.STALL])
@pytest_twisted.ensureDeferred
async def test_cancel_is_repeated(hub: FakeHub, fate: Fate, protected: bool) -> None:
    """A cancel whose reply is lost is sent again: doing it twice does the same."""
    hub.reads_callnum_header = protected
    bad = iter([fate])

    def decide(request: bytes) -> Fate:
        return next(bad, Fate.PASS) if b"<methodName>cancelTask<" in request else Fate.PASS

    proxy = FaultProxy(urlsplit(hub.url).port or 0, decide)
    proxy.start()
    profile = Profile(
        name="t", server=proxy.url, authtype="password", user="carol", password="carol"
    )
    policy = RetryPolicy(first=0.01)
    koji = Connection(profile, reactor=reactor, deadline=10, request_timeout=0.4, retry=policy)
    await limited(koji.login())
    task_id = await limited(koji.build(SOURCE.format(1), "demo", {"scratch": True}))
    await limited(koji.cancelTask(task_id))
    assert proxy.fates[fate] == 1
    assert hub.call("getTaskInfo", task_id)["state"] == task_states.CANCELED
    await koji.close()
    await proxy.stop()


@pytest.mark.parametrize("call", ["untagBuild", "listTagged"])
@pytest_twisted.ensureDeferred
async def test_a_call_that_is_given_up(hub: FakeHub, call: str) -> None:
    """Cancelling a call that is under way ends it there, and does not send it again."""
    proxy = FaultProxy(urlsplit(hub.url).port or 0, lambda _: Fate.STALL)
    proxy.start()
    koji = Connection(Profile("fake", proxy.url), batching=False)
    calling = koji.call(call, "demo-candidate", "hello-1-1")
    await until(lambda: hub.calls[call])
    calling.cancel()
    with pytest.raises(CancelledError):
        await limited(calling)
    assert hub.calls[call] == 1
    await koji.close()
    await proxy.stop()
