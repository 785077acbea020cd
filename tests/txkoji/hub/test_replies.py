"""What a front end may answer instead of a hub: each reply has its meaning, and its end."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock
from twisted.python.failure import Failure

from tests.support import ONE_ATTEMPT, do_not_retry
from tests.support.ends import AtEnd
from tests.support.peers import Peer as SilentPeer
from txkoji import Connection, Profile
from txkoji.exceptions import (
    ConnectionFailed,
    HTTPStatusError,
    KojiException,
    NotXMLRPC,
    RequestTimeout,
)
from txkoji.files.downloads import RemoteFile
from txkoji.retry import RetryPolicy, is_passing, until_answered, was_not_carried_out
from txkoji.testing.front.certificates import CertificateAuthority, ServerContextFactory

HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 17\r\n\r\n<html>out</html>\n"
REDIRECT = b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"
ENDLESS = b"HTTP/1.1 503 No\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"


class Peer(Protocol):
    """Answers each request with the next reply of its factory."""

    factory: Any

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        self._received = b""

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        self._received += data
        if self._received.endswith((b"</methodCall>\n", b"\r\n\r\n")):
            self.factory.requests.append(self._received)
            self._received = b""
            replies = self.factory.replies
            reply = replies.pop(0) if len(replies) > 1 else replies[0]
            self.transport.write(reply)
            if reply == ENDLESS:
                self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:  # noqa: N802 - Twisted's name
        self.transport.write(PIECE)

    def stopProducing(self) -> None:  # noqa: N802 - Twisted's name
        """End of the connection."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802
        if not self.factory.lost.called:
            self.factory.lost.callback(None)


class FrontEnd(Factory):
    """A server with canned replies.

    Attributes:
        replies: what it answers, the last one forever.
        requests: what it was asked.
        lost: fires when the first connection ends.
    """

    noisy = False
    protocol = Peer  # type: ignore[assignment]

    def __init__(self) -> None:
        self.replies: list[bytes] = []
        self.requests: list[bytes] = []
        self.lost: Deferred[None] = Deferred()
        self.port: Any = None

    def connection(self, scheme: str = "http", **settings: Any) -> Connection:
        base = f"{scheme}://127.0.0.1:{self.port.getHost().port}"
        profile = Profile(name="t", server=f"{base}/kojihub", topurl=f"{base}/files", **settings)
        return Connection(profile, reactor=reactor, retry=ONE_ATTEMPT)


@pytest_twisted.async_yield_fixture
async def front() -> AsyncIterator[FrontEnd]:
    front = FrontEnd()
    front.port = reactor.listenTCP(0, front, interface="127.0.0.1")
    yield front
    await front.port.stopListening()


@pytest.mark.parametrize(
    ("reply", "words", "passes"),
    [
        (b"SSH-2.0-OpenSSH_9\r\n", "not HTTP: check 'server'", True),
        (b"HTTP/1.1 abc\r\n\r\n", "not HTTP", True),
        (REDIRECT % b"https://127.0.0.1/kojihub", "profile to https://127.0.0.1/kojihub$", False),
        (REDIRECT % b"/kojihub/", r"profile to http://127\.0\.0\.1:\d+/kojihub/$", False),
        *[
            (REDIRECT.replace(b"302", status) % address, words, passes)
            for status, address, words, passes in (
                (b"301", b"https://new.test/kojihub?x=1", "to https://new.test/kojihub$", False),
                (b"308", b"https://new.test/hub", "profile to https://new.test/hub$", False),
                (b"307", b"https://127.0.0.1/kojihub", "to https://127.0.0.1/kojihub$", False),
                (b"302", b"https://127.0.0.1/unseen?token=x", "to https://127.0.0.1: a log", True),
                (b"303", b"https://new.test/kojihub", "to https://new.test: a login", True),
                (b"307", b"https://u:unseen@new.test/kojihub", "or to no address", True),
                (b"301", b"http://[", "or to no address", False),
                (b"302", b"?unseen", "it redirects to itself", True),
                (b"308", b"/kojihub", "it redirects to itself", False),
            )
        ],
        (b"HTTP/1.1 429 X\r\nContent-Length: 0\r\n\r\n", "too many requests", True),
        (b"HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n", "environment's proxy variable", False),
        (b"HTTP/1.1 431 X\r\nContent-Length: 0\r\n\r\n", "headers .* too large", False),
        *[
            (b"HTTP/1.1 %d X\r\n\r\n" % status, f"{status}: neither a result nor a refusal", True)
            for status in (99, 204, 206, 300, 304)
        ],
        *[
            (b"HTTP/1.1 200 OK\r\n%s\r\n\r\n" % header, "broken HTTP headers", True)
            for header in (b"Content-Length: -5", b"no header", b": 1", b"Transfer-Encoding: zip")
        ],
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\n", "chunks are broken", True),
        *[
            (
                b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: 1\r\n\r\nx" % each,
                "with the encoding '[^']{1,40}', which nobody asked for",
                True,
            )
            for each in (b"gzip", b"x-gzip, identity", b"\xff" * 200)
        ],
        # The head of a reply without an end.
        (b"HTTP/1.1 200 OK\r\n" + b"X: %s\r\n" % (b"x" * 1000) * 300, "broke before", True),
        (
            (
                b"HTTP/1.1 200 OK\r\nContent-Length: 63\r\n\r\n"
                b"<methodResponse><params><param><value>&#0;</value></param></par"
            ),
            "reference to invalid character number",
            True,
        ),
    ],
)
@pytest_twisted.ensureDeferred
async def test_odd_answers(
    front: FrontEnd, reply: bytes, words: str, passes: bool, at_end: AtEnd
) -> None:
    """An answer that is no hub's is named, and is waited out unless it can't pass."""
    front.replies = [reply]
    koji = front.connection()
    at_end(koji.close)
    with pytest.raises(KojiException, match=words) as caught:
        await koji.getKojiVersion()
    assert is_passing(caught.value) == passes
    assert "unseen" not in str(caught.value)


@pytest.mark.parametrize("status", [203, 204, 206, 302, 304, 408, 409, 421, 429, 499, 500, 503])
@pytest_twisted.ensureDeferred
async def test_write_that_may_have_arrived(front: FrontEnd, status: int, at_end: AtEnd) -> None:
    """A write is sent again only if the status says that it was rejected."""
    front.replies = [b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status]
    koji = front.connection()
    at_end(koji.close)
    with pytest.raises(HTTPStatusError) as caught:
        await koji.createTag("x")
    assert was_not_carried_out(caught.value) == (status in (421, 429))


@pytest_twisted.ensureDeferred
async def test_odd_proxy(front: FrontEnd, monkeypatch: pytest.MonkeyPatch, at_end: AtEnd) -> None:
    """A proxy's status of thousands of digits is no status."""
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{front.port.getHost().port}")
    front.replies = [b"HTTP/1.1 %s x\r\n\r\n" % (b"9" * 5000)]
    koji = front.connection("https")
    at_end(koji.close)
    with pytest.raises(KojiException, match="answered CONNECT with something that is not HTTP"):
        await koji.getKojiVersion()


@pytest_twisted.ensureDeferred
async def test_silent_proxy(monkeypatch: pytest.MonkeyPatch, at_end: AtEnd) -> None:
    """A write that a proxy never let through did not arrive, and may be sent again."""
    monkeypatch.setenv("https_proxy", f"http://{SilentPeer().start(at_end)}")
    hub = Profile(name="t", server="https://hub.test/kojihub")
    koji = Connection(hub, reactor=reactor, retry=ONE_ATTEMPT, request_timeout=0.3)
    at_end(koji.close)
    with pytest.raises(RequestTimeout, match=r"did not take a connection within 0\.3 s") as caught:
        await koji.createTag("x")
    assert was_not_carried_out(caught.value)


@pytest.mark.parametrize("header", [b"", b"Content-Length: 17\r\n"])
@pytest_twisted.ensureDeferred
async def test_portal_instead_of_a_tunnel(
    front: FrontEnd,
    header: bytes,
    monkeypatch: pytest.MonkeyPatch,
    at_end: AtEnd,
) -> None:
    """A proxy that says yes to CONNECT and sends its own page is waited out, like any page."""
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{front.port.getHost().port}")
    monkeypatch.setenv("no_proxy", "")
    front.replies = [b"HTTP/1.1 200 OK\r\n" + header + b"\r\n<html>out</html>\n"]
    koji = front.connection("https")
    at_end(koji.close)
    words = "the proxy .* connects to 127.0.0.1 does not speak TLS: a login portal"
    with pytest.raises(ConnectionFailed, match=words) as caught:
        await koji.getKojiVersion()
    assert is_passing(caught.value)
    assert was_not_carried_out(caught.value)


@pytest.mark.parametrize(
    ("reply", "words"),
    [(ENDLESS, "status 503"), (b"HTTP/1.1 100 X\r\n\r\n" * 16_000, "broke before")],
    ids=["chunks", "interim"],
)
@pytest_twisted.ensureDeferred
async def test_endless_page(tmp_path: Path, reply: bytes, words: str, at_end: AtEnd) -> None:
    """The connection of a page that does not end is cut at once, over TLS too."""
    authority = CertificateAuthority(tmp_path)
    context = ServerContextFactory(authority.server("127.0.0.1"), authority.certificate_path)
    front = FrontEnd()
    front.replies = [reply]
    front.port = reactor.listenSSL(0, front, context, interface="127.0.0.1")
    at_end(front.port.stopListening)
    koji = front.connection("https", serverca=str(authority.certificate_path))
    at_end(koji.close)
    with pytest.raises(KojiException, match=words):
        await koji.getKojiVersion()
    await front.lost


DATED = b"Wed, 02 Sep 2026 10:%s GMT"


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        (b"7", 7.0),
        (b"99999", 600.0),
        (b"Wed", 1.0),
        (DATED % b"01:30", 90.0),
        (DATED % b"59:00", 600.0),
        (b"Wed, 02 Sep 1926 10:00:00 GMT", 1.0),
        (b"Wed, 99 Sep 99999999999999999999 99:99:99 GMT", 1.0),
        (b"\xff\xfe", 1.0),
    ],
)
@pytest_twisted.ensureDeferred
async def test_retry_after(front: FrontEnd, asked: bytes, wait: float, at_end: AtEnd) -> None:
    """A front end that asks for a pause gets it, within reason."""
    headers = b"Date: %s\r\nRetry-After: %s\r\nContent-Length: 0" % (DATED % b"00:00", asked)
    front.replies = [b"HTTP/1.1 503 X\r\n%s\r\n\r\n" % headers]
    koji = front.connection()
    at_end(koji.close)
    with pytest.raises(HTTPStatusError) as caught:
        await koji.getKojiVersion()
    if wait > 1:
        # Nobody of this process asks before it is over, whatever pause it would make itself.
        other = front.connection()
        at_end(other.close)
        with pytest.raises(HTTPStatusError, match="it asks for a pause of") as again:
            await other.listTags()
        assert 0 < again.value.retry_after <= wait
        assert was_not_carried_out(again.value)
        assert len(front.requests) == 1
    said = f"it asks for a pause of {wait:.0f} s"
    assert (said in str(caught.value)) == (wait > 1)
    assert b"accept-encoding: identity\r\n" in front.requests[0].lower()
    policy = RetryPolicy(first=1.0, jitter=0.0)
    times = {"failures": 1, "elapsed": 0.0, "deadline": 1000.0, "write": False}
    assert policy.wait(caught.value, **times) == wait  # type: ignore[arg-type]
    # One that is longer than a call's deadline ends the call, and is the pause of what asks again.
    assert policy.wait(caught.value, **{**times, "deadline": wait}) is None  # type: ignore[arg-type]
    clock, asked_at = Clock(), []

    async def ask() -> None:
        asked_at.append(clock.seconds())
        if len(asked_at) == 1:
            raise caught.value

    asking = Deferred.fromCoroutine(until_answered(ask, clock, policy))
    clock.pump([wait / 2, wait / 2])
    assert asking.called
    assert asked_at == [0.0, wait]


@pytest_twisted.ensureDeferred
async def test_download_by_redirects(front: FrontEnd, tmp_path: Path, at_end: AtEnd) -> None:
    """A file is followed to where it is; a page instead of it is waited out, and harms no part."""
    front.replies = [
        HTML,
        REDIRECT % b"/mirror/a.rpm?signature=1",
        b"HTTP/1.1 206 X\r\nContent-Range: bytes 2-4/5\r\nContent-Length: 3\r\n\r\ncde",
    ]
    koji = front.connection()
    at_end(koji.close)
    koji.client.requester._retry = RetryPolicy(first=0.01)
    (tmp_path / ".a.rpm.part").write_bytes(b"ab")
    base = f"{koji.client.profile.topurl}/a.rpm"
    [path] = await koji.download([RemoteFile("a.rpm", base, 5)], tmp_path)
    assert path.read_bytes() == b"abcde"
    assert front.requests[2].startswith(b"GET /mirror/a.rpm?signature=1 ")
    assert all(b"range: bytes=2-\r\n" in request.lower() for request in front.requests)
    front.replies = [HTML]
    do_not_retry(koji)
    with pytest.raises(NotXMLRPC, match="a web page instead of the file"):
        await koji.download([RemoteFile("b.log", base)], tmp_path)
    assert not (tmp_path / ".b.log.part").exists()
    front.replies = [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b"
    ]
    with pytest.raises(NotXMLRPC, match="the encoding 'gzip', which nobody asked for"):
        await koji.download([RemoteFile("b.log", f"{koji.client.profile.topurl}/b.log")], tmp_path)
    archive = RemoteFile("b.tar.gz", f"{koji.client.profile.topurl}/b.tar.gz")
    [path] = await koji.download([archive], tmp_path)
    assert path.read_bytes() == b"\x1f\x8b"
    front.replies = [REDIRECT % b"/again"]
    with pytest.raises(HTTPStatusError, match="it redirects to itself"):
        await koji.download([RemoteFile("b.log", base)], tmp_path)
