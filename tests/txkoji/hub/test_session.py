"""Logging in and staying logged in: sessions that run out, old hubs, many calls at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import gatherResults
from twisted.logger import LogEvent, formatEvent, globalLogPublisher

from tests.support import do_not_retry, until
from tests.support.ends import AtEnd
from tests.support.hubs import CAROLS_PASSWORD as PASSWORD
from txkoji import Connection, Profile
from txkoji.exceptions import AuthError, KojiLoginException, TransportError
from txkoji.hub import methods
from txkoji.hub.requests import Request
from txkoji.testing import FakeHub

pytestmark = pytest.mark.hub(build_seconds=60, anonymous_user=None, carol=["admin"])

SOURCE = "git+https://git.example.test/rpms/hello.git#{}"


@pytest.fixture
def log() -> Iterator[list[str]]:
    """Collect what is logged, in words."""
    words: list[str] = []

    def observe(event: LogEvent) -> None:
        words.append(f"{formatEvent(event)} {event.get('log_failure') or ''}")

    globalLogPublisher.addObserver(observe)
    yield words
    globalLogPublisher.removeObserver(observe)


@pytest_twisted.ensureDeferred
async def test_login_by_password(koji: Connection) -> None:
    """A password of the profile logs in, without a word of it in the connection's repr."""
    assert (await koji.getLoggedInUser()).name == "carol"
    assert PASSWORD not in repr(koji) + repr(koji.settings) + repr(koji.client.session)
    assert koji.lookup("t", "password") is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"password": "wrong"}, "refuses the login with the password of carol: invalid username"),
        ({"user": "nobody"}, "refuses the login with the password of nobody"),
        ({"password": None}, "a login by password needs password in the Koji profile 't'"),
        ({"user": None}, "a login by password needs user in the Koji profile 't'"),
        ({"authtype": "noauth"}, "says authtype = noauth: set authtype to log in"),
        ({"authtype": "magic"}, "it may be noauth, ssl, password or kerberos"),
        ({"authtype": "ssl"}, "no client certificate at ~/.koji/client.crt: put one there"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_login_that_cannot_work(
    connect: Callable[..., Connection], changes: dict[str, Any], words: str
) -> None:
    """A login that can't work says at once what was tried and what to do, in one line."""
    koji = connect(**changes)
    with pytest.raises(KojiLoginException) as caught:
        await koji.login()
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert PASSWORD not in str(caught.value)
    assert koji.session_id is None


@pytest_twisted.ensureDeferred
async def test_password_is_found_out(connect: Callable[..., Connection]) -> None:
    """A profile with a user and no ``authtype`` means a password."""
    koji = connect(authtype=None)
    assert await koji.login()


@pytest_twisted.ensureDeferred
async def test_session_over_its_time(koji: Connection, hub: FakeHub, log: list[str]) -> None:
    """An expired session is renewed, its numbers continue, and the write is done once."""
    await koji.build(SOURCE.format(1), "demo")
    before, key, number = koji.session_id, koji.session_key, koji.callnum
    hub.sessions.expire_all()
    task_id = await koji.build(SOURCE.format(2), "demo")
    assert koji.session_id == before
    assert koji.session_key != key
    assert koji.callnum is not None
    assert number is not None
    assert koji.callnum > number
    assert hub.call("getTaskInfo", task_id)["method"] == "build"
    assert len(hub.call("listTasks", {"method": "build"})) == 2
    assert [line for line in log if "logging in again" in line] == [
        f'{hub.url}: session "{before}" has expired; logging in again '
    ]


@pytest_twisted.ensureDeferred
async def test_session_that_was_removed(koji: Connection, hub: FakeHub) -> None:
    """A session that an admin's clean-up removed is replaced by a new one, counted from 0."""
    await koji.build(SOURCE.format(1), "demo")
    before = koji.session_id
    hub.sessions.forget_all()
    await koji.build(SOURCE.format(2), "demo")
    assert koji.session_id != before
    assert koji.callnum == 1
    assert len(hub.call("listTasks", {"method": "build"})) == 2


@pytest_twisted.ensureDeferred
async def test_session_that_was_closed_and_is_over_its_time(koji: Connection, hub: FakeHub) -> None:
    """Where a session can't be renewed, a login takes its place."""
    hub.sessions.expire_all()
    renew = hub.sessions.renew

    def closed(session: Any, now: float) -> Any:
        assert (str(session["id"]), now > 0) == (str(koji.session_id), True)
        hub.sessions.close(session)
        hub.sessions.renew = renew
        raise AuthError("Invalid session or bad credentials")

    hub.sessions.renew = closed
    assert (await koji.getLoggedInUser()).name == "carol"


@pytest_twisted.ensureDeferred
async def test_renewal_that_is_refused(koji: Connection, hub: FakeHub) -> None:
    """Where the password was changed meanwhile, the call fails and says that the login did."""
    hub.state.update("users", hub.call("getUser", "carol")["id"], password="another")
    hub.sessions.expire_all()
    with pytest.raises(KojiLoginException, match="refuses the login with the password of carol"):
        await koji.build(SOURCE.format(1), "demo")
    assert hub.call("listTasks", {"method": "build"}) == []


@pytest_twisted.ensureDeferred
async def test_hub_goes_away_before_the_renewal(
    connect: Callable[..., Connection], hub: FakeHub
) -> None:
    """A call that fails because the renewal could not be sent is known not to have been done."""
    koji = connect()
    do_not_retry(koji)
    await koji.login()
    hub.sessions.expire_all()
    requester = koji.client.requester
    send = requester.send

    async def stop_first(request: Request) -> Any:
        if request.method == "login":
            await hub.stop()
        return await send(request)

    requester.send = stop_first  # type: ignore[method-assign]
    with pytest.raises(TransportError) as caught:
        await koji.build(SOURCE.format(1), "demo")
    assert not caught.value.may_have_arrived


@pytest_twisted.ensureDeferred
async def test_hub_without_header_sessions(
    connect: Callable[..., Connection], hub: FakeHub, log: list[str]
) -> None:
    """An old hub has the session in the URL; it is renewed too, and no key is in a log or error."""
    hub.sessions.header_auth = False
    koji = connect()
    await koji.login()
    await koji.build(SOURCE.format(1), "demo")
    keys = [koji.session_key]
    hub.sessions.expire_all()
    await koji.build(SOURCE.format(2), "demo")
    keys.append(koji.session_key)
    await hub.stop()
    do_not_retry(koji)
    with pytest.raises(TransportError) as caught:
        await koji.build(SOURCE.format(3), "demo")
    assert all(key is not None and len(key) > 10 for key in keys)
    seen = "\n".join([*log, str(caught.value), repr(caught.value), repr(koji)])
    assert not [key for key in keys if key and key in seen]


@pytest.mark.parametrize(
    ("version", "in_url", "renews"),
    [("1.30.1", True, False), ("1.31.0", False, False), ("1.35.3", False, True)],
)
@pytest_twisted.ensureDeferred
async def test_old_hub(version: str, in_url: bool, renews: bool, at_end: AtEnd) -> None:
    """A hub that has sessions in the URL, can't renew them or ignores call numbers is served."""
    hub = FakeHub(reactor, build_seconds=60, version=version)
    at_end(hub.stop)
    hub.add_demo_content()
    await hub.start()
    profile = Profile(name="t", server=hub.url, authtype="password", user="alice", password="alice")
    koji = Connection(profile, reactor=reactor)
    at_end(koji.close)
    assert await koji.login()
    assert koji.client.session is not None
    query, headers = koji.client.session.carried(0)
    assert (query != "", headers == {}) == (in_url, in_url)
    first = await koji.submit("build", SOURCE.format(1), "demo")
    before = koji.session_id
    hub.sessions.expire_all()
    second = await koji.submit("build", SOURCE.format(2), "demo")
    assert (koji.session_id == before) == renews
    assert (await koji.getLoggedInUser()).name == "alice"
    assert {task["id"] for task in hub.call("listTasks", {"method": "build"})} == {first, second}
    await koji.logout()


@pytest.mark.parametrize("anonymous_reads", [True, False])
@pytest_twisted.ensureDeferred
async def test_hundred_calls_at_once(koji: Connection, hub: FakeHub, anonymous_reads: bool) -> None:
    """A hundred reads and a hundred writes at once, also while the session runs out: all done.

    None of them sees a SequenceError, also where a site wants the reads inside the session.
    """
    koji._anonymous_reads = anonymous_reads
    submitted = [
        koji.build(SOURCE.format(number), "demo", {"scratch": True}) for number in range(100)
    ]
    reads = [koji.getLoggedInUser() if n % 2 else koji.getTag("demo-build") for n in range(100)]
    await until(lambda: hub.calls["build"] > 10)
    hub.sessions.expire_all()
    ids = await gatherResults(submitted, consumeErrors=True)
    answers = await gatherResults(reads, consumeErrors=True)
    assert hub.calls["login"] == 2
    assert len(set(ids)) == 100
    assert [answer.name for answer in answers] == ["demo-build", "carol"] * 50
    assert len(hub.call("listTasks", {"method": "build"})) == 100


@pytest_twisted.ensureDeferred
async def test_logout(koji: Connection, hub: FakeHub) -> None:
    """After a logout the hub does not know the session, and calls are anonymous again."""
    await koji.logout()
    assert koji.session_id is None
    assert list(hub.sessions) == []
    assert await koji.getLoggedInUser() is None
    await koji.logout()
    assert hub.calls["logout"] == 1


@pytest_twisted.ensureDeferred
async def test_logout_of_a_session_that_ran_out(koji: Connection, hub: FakeHub) -> None:
    """A session that is gone already is as good as logged out."""
    hub.sessions.forget_all()
    await koji.logout()
    assert koji.session_id is None


@pytest_twisted.ensureDeferred
async def test_two_hubs(connect: Callable[..., Connection], hub: FakeHub, at_end: AtEnd) -> None:
    """A process may talk to several hubs: each has its session, and its calls."""
    other = FakeHub(reactor)
    at_end(other.stop)
    other.add_user("dave", password=PASSWORD, permissions=["admin"])
    await other.start()
    here, there = connect(), connect(server=other.url, user="dave")
    await gatherResults([here.login(), there.login()], consumeErrors=True)
    users = [koji.getLoggedInUser() for koji in (here, there)]
    assert [user.name for user in await gatherResults(users)] == ["carol", "dave"]
    await there.createTag("only-there")
    assert other.call("getTag", "only-there") is not None
    assert hub.call("getTag", "only-there") is None


@pytest_twisted.ensureDeferred
async def test_two_users_of_one_hub(connect: Callable[..., Connection], hub: FakeHub) -> None:
    """Two connections of one process have a user each."""
    first, second = connect(), connect(user="alice", password="alice")
    await first.login()
    await second.login()
    names = [(await each.getLoggedInUser()).name for each in (first, second, first)]
    assert names == ["carol", "alice", "carol"]


def test_session_methods_are_known() -> None:
    """What is about the session is sent inside it."""
    assert {"getLoggedInUser", "logout", "showSession"} <= methods.SESSION_METHODS
