"""How much of a hub a client takes, and how long it waits for one that answers oddly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.web._newclient import Response
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent
from zope.interface import implementer

from tests.support import ONE_ATTEMPT, SilentResolver, until
from tests.support.ends import AtEnd
from tests.support.peers import Peer
from txkoji import Connection, KojiException, Profile
from txkoji.exceptions import (
    HTTPStatusError,
    KojiLoginException,
    RequestTimeout,
    TransportError,
)
from txkoji.files.downloads import RemoteFile, download
from txkoji.hub.address import Address
from txkoji.hub.session import Session
from txkoji.retry import was_not_carried_out

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 1000000\r\n\r\n"


@implementer(IAgent)
class SilentAgent:
    """Takes requests, and answers when the test says so."""

    def __init__(self) -> None:
        self.requests: list[Deferred[Any]] = []

    def request(self, *asked: Any) -> Deferred[Any]:
        assert asked[:2] == (b"POST", b"http://hub.test/kojihub")
        self.requests.append(Deferred())
        return self.requests[-1]


@pytest_twisted.ensureDeferred
async def test_few_requests_at_once() -> None:
    """Of many reads that are made at once ten are in flight; the others wait, and lose no time."""
    agent = SilentAgent()
    koji = Connection(
        Profile(name="t", server="http://hub.test/kojihub"),
        reactor=reactor,
        deadline=30,
        agent=agent,
    )
    calls = [koji.listBuilds(packageID=number) for number in range(1500)]
    assert len(agent.requests) == 10
    agent.requests[3].errback(TransportError("broken", may_have_arrived=False))
    agent.requests[5].cancel()
    for call in calls:
        call.addErrback(lambda failure: failure.trap(CancelledError, KojiException))
    assert len(agent.requests) == 12
    for call in calls:
        call.cancel()


def test_few_requests_of_all_profiles() -> None:
    """The connections to one address share its ten slots, whatever else their profiles say."""
    clock = MemoryReactorClock()
    clock.installNameResolver(SilentResolver())
    kojis, calls = [], []
    for path in ("kojihub", "kojihub/", "brewhub"):
        profile = Profile(name=path, server=f"http://hub.test/{path}")
        kojis.append(Connection(profile, reactor=clock, retry=ONE_ATTEMPT))
        calls += [kojis[-1].listBuilds(packageID=number) for number in range(8)]
    assert [koji.statistics.requests for koji in kojis] == [8, 2, 0]
    calls[3].cancel()
    assert [koji.statistics.requests for koji in kojis] == [8, 3, 0]
    for call in reversed(calls):
        call.addErrback(lambda failure: failure.trap(CancelledError))
        call.cancel()


def test_pause_of_a_front_end() -> None:
    """Nothing is sent to a front end during the pause that it asked for."""
    clock = Clock()
    address = Address(clock)
    address.refused(HTTPStatusError("busy", status=503, retry_after=60))
    with pytest.raises(HTTPStatusError, match="busy") as caught:
        address.check()
    assert (caught.value.retry_after, caught.value.may_have_arrived) == (60, False)
    clock.advance(60)
    address.check()


@pytest_twisted.ensureDeferred
async def test_few_downloads_at_once(tmp_path: Path, at_end: AtEnd) -> None:
    """Ten files are in flight from one address, however many downloads there are."""
    peer = Peer()
    topurl = f"http://{peer.start(at_end)}/files"
    downloads = []
    for number in range(30):
        koji = Connection(Profile(name="t", server="http://hub.test", topurl=topurl))
        at_end(koji.close)
        file = RemoteFile("a", f"{topurl}/{number}")
        downloads.append(koji.download([file], tmp_path / str(number)))
        downloads[-1].addErrback(lambda failure: failure.trap(CancelledError))
    await until(lambda: peer.count >= 10)
    downloads[0].cancel()
    await until(lambda: peer.count >= 11)
    for each in reversed(downloads):
        each.cancel()
    assert peer.count == 11


def test_logout_at_a_silent_hub() -> None:
    """A logout that waits behind a write gives up when the hub answers nobody."""
    agent, clock = SilentAgent(), Clock()
    clock.advance(1000)
    profile = Profile(name="t", server="http://hub.test/kojihub")
    koji = Connection(profile, reactor=clock, agent=agent, deadline=30, retry=ONE_ATTEMPT)
    koji.client.session = Session(1, "key", True)
    found: list[Any] = []
    for outcome in (koji.createTag("f44"), koji.createTag("f45"), koji.logout()):
        outcome.addErrback(found.append)
    clock.pump([1] * 31)
    assert [str(failure.value).partition(" for its turn")[0] for failure in found] == [
        "http://hub.test/kojihub did not answer within 30 s",
        "logout waited 30 s",
    ]
    clock.pump([1] * 31)
    assert clock.getDelayedCalls() == []


@pytest.mark.parametrize("in_session", [False, True])
def test_queue_at_a_silent_hub(in_session: bool) -> None:
    """While a slow hub answers, a queue waits in order; once it answers nobody, all give up."""
    agent, clock, at_once = SilentAgent(), Clock(), 1 if in_session else 3
    clock.advance(1000)
    profile = Profile(name="t", server="http://hub.test/kojihub")
    koji = Connection(
        profile, reactor=clock, at_once=at_once, agent=agent, deadline=30, retry=ONE_ATTEMPT
    )
    if in_session:
        koji.client.session = Session(1, "key", True)
    method, found = "createTag" if in_session else "listTagged", []
    for _ in range(40):
        koji.call(method, "f44").addBoth(found.append)
    for number in range(4):
        assert (len(agent.requests), len(found)) == (number + at_once, number)
        clock.advance(20 if in_session else 9)
        response = Response((b"HTTP", 1, 1), 200, b"OK", Headers(), StringTransport())
        agent.requests[number].callback(response)
        response._bodyDataReceived(reply(b"<int>7</int>"))
        response._bodyDataFinished()
    assert found == [7, 7, 7, 7]
    for _ in range(62):
        clock.advance(1)
    assert len(found) == 40
    words = f"{method} waited 30 s for its turn while the hub answered nobody: "
    waited = [failure for failure in found[4:] if words in str(failure.value)]
    assert {str(failure.value).removeprefix(words) for failure in waited} <= {
        f"no answer to {method} within 11 s",
        "http://hub.test/kojihub did not answer within 30 s",
    }
    assert all(was_not_carried_out(failure.value) for failure in waited)
    assert len(agent.requests) == 40 - len(waited) <= 4 + 3 * at_once
    assert clock.getDelayedCalls() == []


def test_silent_hub() -> None:
    """A hub that takes requests and answers none is unreachable in seconds; a slow call is not."""
    agent, clock = SilentAgent(), Clock()
    clock.advance(1000)
    profile = Profile(name="t", server="http://hub.test/kojihub")
    koji = Connection(profile, reactor=clock, agent=agent)
    slow, other = koji.call("listTagged", "f44"), koji.call("getTag", "f44")
    for each in (slow, other):
        each.addErrback(lambda failure: failure.trap(CancelledError, KojiException))
    clock.advance(6)
    answer = Response(
        (b"HTTP", 1, 1), 200, b"OK", Headers({"Content-Type": ["text/xml"]}), StringTransport()
    )
    agent.requests[1].callback(answer)
    clock.advance(6)
    assert koji.trouble is None
    clock.advance(4.1)
    assert (koji.trouble_since, koji.statistics.changed_at) == (1000, 1000)
    assert str(koji.trouble) == "no answer to listTagged within 16 s"
    slow.cancel()
    other.cancel()


@pytest.mark.parametrize("method", ["getTag", "createTag"])
def test_lookup_of_the_host_name(method: str, logged: list[str]) -> None:
    """A call that is canceled during the lookup says nothing of the hub; a late one may go again.

    Nothing has arrived at the hub yet.
    """
    clock = MemoryReactorClock()
    clock.installNameResolver(SilentResolver())
    profile = Profile(name="t", server="http://hub.test/kojihub")
    koji = Connection(profile, reactor=clock, request_timeout=20, retry=ONE_ATTEMPT, batching=False)
    canceled = koji.call(method, "f44")
    canceled.cancel()
    canceled.addErrback(lambda failure: failure.trap(CancelledError))
    assert canceled.result is CancelledError
    assert koji.trouble is None
    assert logged == []

    late: list[Any] = []
    koji.call(method, "f44").addErrback(late.append)
    clock.advance(21)
    assert str(late[0].value) == "http://hub.test/kojihub did not take a connection within 20 s"
    assert late[0].value.may_have_arrived is False


def head(request: bytes) -> bytes:
    return HEAD % (b"text/xml" if request.startswith(b"POST") else b"application/octet-stream")


DRIPPING = {
    # Sends the head of an answer at once, and the body a byte at a time; or the head like that.
    "body": lambda: Peer(then=head, drip=b" "),
    "head": lambda: Peer(then=b"H", drip=b"H"),
}


@pytest_twisted.ensureDeferred
async def test_dripping_reply(at_end: AtEnd) -> None:
    """The deadline holds even against a hub that sends a byte now and then forever."""
    koji = DRIPPING["body"]().connect(at_end, deadline=0.5)
    with pytest.raises(RequestTimeout, match=r"did not finish its reply to getTag within 0\.5 s"):
        await koji.call("getTag", "f44", event=3)


@pytest.mark.parametrize(
    ("part", "words"),
    [("body", r"sent only \d+ bytes in 0\.5 s"), ("head", r"did not answer within 0\.5 s")],
)
@pytest_twisted.ensureDeferred
async def test_dripping_file(part: str, words: str, tmp_path: Path, at_end: AtEnd) -> None:
    """A file of which next to nothing comes within a deadline is given up."""
    koji = DRIPPING[part]().connect(at_end, deadline=0.5)
    with pytest.raises(RequestTimeout, match=words):
        await fetch(koji, tmp_path, 1_000_000)


async def fetch(koji: Connection, directory: Path, size: int) -> None:
    file = RemoteFile("f", koji.url, size)
    await download(koji.client, [file], directory, at_once=1, progress=None)


@pytest.mark.parametrize("part", list(DRIPPING))
@pytest_twisted.ensureDeferred
async def test_dripping_login(part: str, at_end: AtEnd) -> None:
    """The deadline holds for a login, too, in the head of its reply as in the body."""
    login = {"user": "u", "password": "p"}
    koji = DRIPPING[part]().connect(at_end, deadline=0.5, profile=login)
    with pytest.raises(RequestTimeout, match=r"within 0\.5 s"):
        await koji.login()


def answer(body: bytes, *headers: bytes, status: bytes = b"200 OK") -> Peer:
    lines = [b"HTTP/1.1 " + status, b"Content-Type: text/xml", *headers]
    lines.append(b"Content-Length: %d" % len(body))
    whole = b"\r\n".join([*lines, b"", body])
    return Peer(then=lambda request: whole if b"\r\n\r\n" in request else b"")


def reply(value: bytes) -> bytes:
    return (
        b"<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n<value>"
        + value
        + b"</value>\n</param>\n</params>\n</methodResponse>\n"
    )


@pytest.mark.parametrize(
    "value",
    [
        b"<nil/>",
        b"<string>yes</string>",
        b"<struct></struct>",
        b"<struct><member><name>session-id</name><value><int>1</int></value></member></struct>",
        b"<struct><member><name>session-key</name><value><int>1</int></value></member></struct>",
        (
            b"<struct><member><name>session-id</name><value><string>x</string></value></member>"
            b"<member><name>session-key</name><value><string>x</string></value></member></struct>"
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_odd_login_reply(value: bytes, at_end: AtEnd) -> None:
    """A reply to a login that holds no session is an error of the login, whatever it is."""
    login = {"authtype": "password", "user": "a", "password": "b"}
    koji = answer(reply(value)).connect(at_end, profile=login)
    with pytest.raises(KojiLoginException, match="gave no session"):
        await koji.login()
    assert koji.session_id is None


@pytest.mark.parametrize("value", [b"<nil/>", b"<string>x</string>", b"<struct></struct>"])
@pytest_twisted.ensureDeferred
async def test_odd_reply_to_a_submission(value: bytes, at_end: AtEnd) -> None:
    """A submission that is answered with anything but a number is an error of txkoji's own."""
    koji = answer(reply(value)).connect(at_end)
    with pytest.raises(KojiException):
        await koji.submit("build", "git+https://git.example.test/x#1", "demo")


@pytest_twisted.ensureDeferred
async def test_odd_range(tmp_path: Path, at_end: AtEnd) -> None:
    """A Content-Range with odd bytes is refused with an error of txkoji's own."""
    peer = answer(b"x", b"Content-Range: bytes \xff\xfe-9/10", status=b"206 Partial")
    (tmp_path / ".f.part").write_bytes(b"12345")
    with pytest.raises(KojiException, match="another part"):
        await fetch(peer.connect(at_end), tmp_path, 10)


@pytest_twisted.ensureDeferred
async def test_odd_headers(at_end: AtEnd) -> None:
    """An encoding that is none changes nothing; a redirect may name any address, or none."""
    encodings = [b"Content-Encoding: identity", b"Content-Encoding: \xff"]
    koji = answer(reply(b"<int>7</int>"), *encodings).connect(at_end)
    assert await koji.call("getAPIVersion") == 7
    for location in ("https://hub.test/Gr\u00f6\u00dfe".encode(), b"\xe9", b"//[", b"", b"a\tb"):
        moved = answer(b"", b"Location: " + location, status=b"302 Found")
        with pytest.raises(HTTPStatusError, match="it redirects to"):
            await moved.connect(at_end).call("getAPIVersion")
