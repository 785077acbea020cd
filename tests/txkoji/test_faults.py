"""Submissions through a network that loses, cuts, delays and repeats: each is done exactly once.

``make soak`` has more of them.
"""

from __future__ import annotations

import dataclasses
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred, gatherResults

from tests.support import until
from tests.support.ends import AtEnd
from tests.support.fault_proxy import Fate, FaultProxy
from tests.support.peers import Peer
from txkoji import Call, Connection, Profile, Submitter, task_states
from txkoji.exceptions import AuthError, HTTPStatusError, TransportError, UnknownOutcome
from txkoji.hub.requests import Request
from txkoji.retry import RetryPolicy
from txkoji.testing import FakeHub

pytestmark = [pytest.mark.hub(build_seconds=3600, anonymous_user=None), pytest.mark.limit(600)]

SOAK = bool(os.environ.get("KOJI_TEST_SOAK"))
SUBMISSIONS = 1000 if SOAK else 320
RESTORED = 500 if SOAK else 200
"""How many of them go to a hub that is restored from backups again and again."""

BETWEEN = 40 if SOAK else 24
"""How many builds are submitted between two restores."""

USERS = 50 if SOAK else 20
NO_LIMIT = 1e6
"""The deadline of a call: no number of faults in a row makes it fail, on a slow machine either."""

SOURCE = "git+https://git.example.test/rpms/hello.git#{}"
BAD = [
    Fate.RESET_BEFORE,
    Fate.RESET_AFTER,
    Fate.TRUNCATE,
    Fate.STALL,
    Fate.DELAY,
    Fate.PAGE_BEFORE,
    Fate.PAGE_AFTER,
    Fate.MOVED_AFTER,
]


def chosen(chance: random.Random, bad: list[Fate]) -> Fate:
    """Choose a fate; a silence, which is waited out, comes less often than the others.

    The wait must be longer than the hub of a busy machine takes for all users, or none of their
    requests is ever answered in time.
    """
    weights = [0.2 if fate is Fate.STALL else 1.0 for fate in bad]
    return chance.choices(bad, weights)[0]


@pytest.fixture
def hub(hub: FakeHub) -> FakeHub:
    """Give a hub that knows carol and others."""
    for number in range(USERS):
        name = f"user{number}"
        hub.add_user(name, password=name, permissions=["repo"])
    hub.add_user("carol", password="carol")
    return hub


@pytest.mark.parametrize("protected", [True, False])
@pytest_twisted.ensureDeferred
async def test_each_submission_is_done_once(hub: FakeHub, protected: bool, at_end: AtEnd) -> None:
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
        return chosen(chance, bad) if chance.random() < 0.4 else Fate.PASS

    proxy = FaultProxy(hub.url, decide)
    at_end(proxy.stop)
    policy = RetryPolicy(first=0.01, ceiling=0.05)
    submitted: dict[str, list[int]] = {"build": [], "newRepo": []}

    async def submit_some(user: str) -> None:
        profile = Profile(name="t", server=proxy.url, authtype="password", user=user, password=user)
        koji = Connection(profile, reactor=reactor, deadline=NO_LIMIT, retry=policy)
        koji.submissions = Submitter(koji.client, pauses=(0.0, 0.1))
        await koji.login()
        do_not_wait_long(koji, 5)
        for number in range(SUBMISSIONS // USERS):
            # One is known by its marker; of the other all requests are equal.
            call: tuple[Any, ...] = ("newRepo", "demo-build")
            if number % 2:
                call = ("build", SOURCE.format(f"{user}-{number}"), "demo", {"scratch": True})
            submitted[call[0]].append(await koji.submit(*call))
        await koji.close()

    users = [f"user{number}" for number in range(USERS)]
    submitting = [Deferred.fromCoroutine(submit_some(user)) for user in users]
    await gatherResults(submitting, consumeErrors=True)
    made = {
        method: [task["id"] for task in hub.call("listTasks", {"method": method, "parent": None})]
        for method in submitted
    }
    print(f"{SUBMISSIONS} submissions, call numbers {'on' if protected else 'off'}:", end=" ")
    print(", ".join(f"{fate.name} {count}" for fate, count in sorted(proxy.fates.items(), key=str)))
    for method, ids in submitted.items():
        print(f"{method}: {len(ids)} submitted, {len(made[method])} tasks on the hub")
        assert len(ids) == SUBMISSIONS // 2
        assert sorted(ids) == sorted(made[method])
    sources = Counter(hub.call("getTaskRequest", task_id)[0] for task_id in made["build"])
    assert len(sources) == SUBMISSIONS // 2
    assert all(proxy.fates[fate] for fate in bad)


def do_not_wait_long(koji: Connection, seconds: float) -> None:
    """Limit each request from now on: a login whose reply comes late on a busy machine fails."""
    requester = koji.client.requester
    requester.limits = dataclasses.replace(requester.limits, request_timeout=seconds)


async def submit_or_find(submitter: Submitter, call: Call) -> int:
    """Submit as steps do: while the outcome is unknown, look before submitting again."""
    begun = await submitter.begin(call)
    in_doubt = False
    while True:
        try:
            found = await submitter.find(call, begun) if in_doubt else None
            return found or await submitter.submit(call, begun)
        except (AuthError, TransportError, UnknownOutcome):
            # A hub that is restored twice in a moment forgets the new session, too, and a busy one
            # does not answer the new login in time.
            in_doubt = True


@pytest_twisted.ensureDeferred
async def test_each_submission_is_done_once_on_restored_hubs(hub: FakeHub, at_end: AtEnd) -> None:
    """A hub that is restored from backups and uses its ids again: none lost, none double.

    Tasks that it had told of before it lost them are the backup's loss. Each other submission has
    exactly one task.
    """
    chance = random.Random(20261126)
    told: dict[str, int] = {}
    forgotten: set[tuple[str, int]] = set()
    backup = restores = sent = 0

    def decide(request: bytes) -> Fate:
        nonlocal backup, restores, sent
        if b"<methodName>build<" not in request:
            return Fate.PASS
        sent += 1
        if sent % BETWEEN == BETWEEN // 2:
            backup = max((row["id"] for row in hub.state.rows("task")), default=0)
        elif sent % BETWEEN == 0:
            restores += 1
            reactor.callLater(0.01, restore)
        return chosen(chance, BAD) if chance.random() < 0.4 else Fate.PASS

    def restore() -> None:
        for task in hub.state.rows("task", method="build"):
            if task["id"] > backup:
                forgotten.add((task["request"][0], task["id"]))
        with hub.state.transaction():
            hub.state.rewind("task", backup)
        hub.sessions.forget_all()

    proxy = FaultProxy(hub.url, decide)
    at_end(proxy.stop)
    policy = RetryPolicy(first=0.01, ceiling=0.05)

    async def submit_some(user: str) -> None:
        profile = Profile(name="t", server=proxy.url, authtype="password", user=user, password=user)
        koji = Connection(profile, reactor=reactor, deadline=NO_LIMIT, retry=policy)
        koji.submissions = Submitter(koji.client, pauses=(0.0, 0.1))
        await koji.login()
        do_not_wait_long(koji, 5)
        for number in range(RESTORED // USERS):
            source = SOURCE.format(f"{user}-{number}")
            call = Call("build", (source, "demo", {"scratch": True}))
            told[source] = await submit_or_find(koji.submissions, call)
        await koji.close()

    submitting = [Deferred.fromCoroutine(submit_some(f"user{n}")) for n in range(USERS)]
    await gatherResults(submitting, consumeErrors=True)
    made = hub.call("listTasks", {"method": "build", "parent": None})
    sources = Counter(hub.call("getTaskRequest", task["id"])[0] for task in made)
    lost = {source: task_id for source, task_id in told.items() if source not in sources}
    print(f"{RESTORED} submissions, {restores} restores: {len(lost)} told, then forgotten")
    assert len(told) == RESTORED
    assert restores > 10
    assert [source for source, count in sources.items() if count > 1] == []
    assert set(lost.items()) <= forgotten


@asynccontextmanager
async def once(hub: FakeHub, method: str, fate: Fate) -> AsyncIterator[Connection]:
    """Give a connection, logged in, of which the first request of a method has a fate."""
    bad = iter([fate])

    def decide(request: bytes) -> Fate:
        return next(bad, Fate.PASS) if f"<methodName>{method}<".encode() in request else Fate.PASS

    proxy = FaultProxy(hub.url, decide)
    profile = Profile(
        name="t", server=proxy.url, authtype="password", user="carol", password="carol"
    )
    policy = RetryPolicy(first=0.01)
    koji = Connection(profile, reactor=reactor, deadline=NO_LIMIT, retry=policy)
    koji.submissions = Submitter(koji.client, pauses=(0.0, 0.1))
    await koji.login()
    yield koji
    assert proxy.fates[fate] == 1
    await koji.close()
    await proxy.stop()


@pytest.mark.parametrize("fate", [Fate.PAGE_AFTER, Fate.MOVED_AFTER])
@pytest_twisted.ensureDeferred
async def test_answer_of_a_front_end(hub: FakeHub, fate: Fate) -> None:
    """What a front end answers in the place of the hub's reply makes no second task."""
    hub.reads_callnum_header = False
    async with once(hub, "build", fate) as koji:
        task_id = await koji.submit("build", SOURCE.format(1), "demo", {"scratch": True})
        assert [each["id"] for each in hub.call("listTasks", {"method": "build"})] == [task_id]


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize("fate", [Fate.RESET_BEFORE, Fate.RESET_AFTER, Fate.TRUNCATE, Fate.STALL])
@pytest_twisted.ensureDeferred
async def test_cancel_is_repeated(hub: FakeHub, fate: Fate, protected: bool) -> None:
    """A cancel whose reply is lost is sent again: doing it twice does the same."""
    hub.reads_callnum_header = protected
    async with once(hub, "cancelTask", fate) as koji:
        task_id = await koji.build(SOURCE.format(1), "demo", {"scratch": True})
        do_not_wait_long(koji, 0.4)
        await koji.cancelTask(task_id)
        assert hub.call("getTaskInfo", task_id)["state"] == task_states.CANCELED


@pytest.mark.parametrize("call", ["untagBuild", "listTagged"])
@pytest_twisted.ensureDeferred
async def test_a_call_that_is_given_up(hub: FakeHub, call: str, at_end: AtEnd) -> None:
    """Cancelling a call that is under way ends it there, and does not send it again."""
    proxy = FaultProxy(hub.url, lambda _: Fate.STALL)
    at_end(proxy.stop)
    koji = Connection(Profile("fake", proxy.url), batching=False)
    at_end(koji.close)
    calling = koji.call(call, "demo-candidate", "hello-1-1")
    await until(lambda: hub.calls[call])
    calling.cancel()
    with pytest.raises(CancelledError):
        await calling
    assert hub.calls[call] == 1


@pytest_twisted.ensureDeferred
async def test_refused_login_ends_an_outage(hub: FakeHub, at_end: AtEnd) -> None:
    """What refuses a login has answered: the hub is no longer called unreachable."""

    def decide(request: bytes) -> Fate:
        return Fate.REFUSE if b"/ssllogin" in request else Fate.RESET_BEFORE

    proxy = FaultProxy(hub.url, decide)
    at_end(proxy.stop)
    koji = Connection(Profile(name="t", server=proxy.url), reactor=reactor, deadline=0.5)
    at_end(koji.close)
    with pytest.raises(TransportError):
        await koji.call("getTag", "demo")
    assert koji.trouble is not None
    login = Request("sslLogin", b"<x/>", repeatable=True, path="/ssllogin")
    with pytest.raises(HTTPStatusError, match="403"):
        await koji.client.requester.send(login)
    assert (koji.trouble, koji.refusal) == (None, None)


@pytest_twisted.ensureDeferred
async def test_one_request_that_is_refused(at_end: AtEnd) -> None:
    """A status that is about one request says nothing of the hub."""
    peer = Peer(then=b"HTTP/1.1 413 Large\r\nContent-Length: 0\r\n\r\n", closes=True)
    server = f"http://{peer.start(at_end)}/kojihub"
    koji = Connection(Profile(name="t", server=server), reactor=reactor)
    at_end(koji.close)
    with pytest.raises(HTTPStatusError, match="413"):
        await koji.call("echo", "x")
    assert (koji.trouble, koji.refusal) == (None, None)
