"""A connection against the embedded hub, over a real socket."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import mock
import pytest
import pytest_twisted
from twisted.internet import error, reactor
from twisted.internet._sslverify import IOpenSSLTrustRoot
from twisted.internet.defer import fail
from twisted.internet.task import Clock, deferLater
from twisted.internet.threads import deferToThread

from tests.support import ONE_ATTEMPT, PROCESS_LIMIT, HubInMemory, free_port, until
from tests.support.cables import Cable
from tests.support.ends import AtEnd
from tests.support.peers import Peer
from txkoji import Connection, Profile, TaskWatcher
from txkoji.build import Build
from txkoji.exceptions import (
    ConnectionFailed,
    ForbiddenXML,
    GenericError,
    HTTPStatusError,
    NotXMLRPC,
    ReplyTooLarge,
    RequestTimeout,
    ServerOffline,
    TruncatedReply,
)
from txkoji.task import Task
from txkoji.testing import FakeHub


@pytest_twisted.ensureDeferred
async def test_any_method_is_an_attribute(koji: Connection) -> None:
    """A hub method is an attribute; its result is a Munch."""
    tag = await koji.getTag("demo-build")
    assert tag.arches == "x86_64 aarch64 ppc64le"


@pytest_twisted.ensureDeferred
async def test_named_arguments(koji: Connection) -> None:
    """Keyword arguments travel as Koji's named arguments; a fault has its class and the method."""
    with pytest.raises(GenericError, match="getTag: No such tagInfo: 'nope'") as caught:
        await koji.getTag("nope", strict=True)
    assert (caught.value.code, caught.value.method) == (1000, "getTag")


@pytest_twisted.ensureDeferred
async def test_names_of_first_arguments(koji: Connection, hub: FakeHub) -> None:
    """Programs may name the first argument as they do with the existing txkoji."""
    await built(koji, "hello", "n1")
    build = await koji.getBuild(build_id="hello-1.0-n1", strict=True)
    assert build.package_name == (await koji.getPackage(name="hello")).name == "hello"
    assert (await koji.getChannel(channel_id=1)).name == "default"
    assert [each.nvr for each in await koji.listBuilds(package="hello", state=1)] == [build.nvr]


@pytest_twisted.ensureDeferred
async def test_attributes_are_values(connect: Callable[..., Connection], hub: FakeHub) -> None:
    """What programs look at is no hub method, and a session can be taken over."""
    first = connect(authtype="password", user="alice", password="alice")
    assert (first.serverca, first.callnum) == (None, None)
    assert IOpenSSLTrustRoot.providedBy(first.trustRoot)
    assert (await first.proxy.callRemote("getTag", "demo-build")).name == "demo-build"
    await first.login()
    second = connect()
    second.session_id, second.session_key = first.session_id, first.session_key
    second.callnum = 5
    assert (await second.getLoggedInUser()).name == "alice"
    assert second.callnum == 6
    second.session_id = None
    assert (second.session_id, second.session_key) == (None, None)
    assert connect(serverca="/etc/ca.pem").serverca == "/etc/ca.pem"


async def built(koji: Connection, package: str, ref: str) -> int:
    task_id = int(await koji.build(f"git+https://src.test/rpms/{package}.git#{ref}", "demo"))
    await TaskWatcher(koji, reactor, interval=0.05).watch(task_id).done
    return task_id


@pytest_twisted.ensureDeferred
async def test_build_is_rich(koji: Connection, hub: FakeHub) -> None:
    """A build knows its page, its times, its tags, its task and its target."""
    task_id = await koji.build("git+https://src.test/rpms/hello.git#r1", "demo")
    await TaskWatcher(koji, reactor, interval=0.05).watch(task_id).done
    build = await koji.getBuild("hello-1.0-r1")
    assert isinstance(build, Build)
    assert build.url == f"{hub.weburl}/buildinfo?buildID={build.id}"
    assert build.completed > build.started
    assert build.duration == build.completed - build.started
    assert [tag.name for tag in await build.tags()] == ["demo-candidate"]
    assert (await build.task()).id == task_id
    assert await build.target() == "demo"
    assert await build.estimate_completion() == build.completed
    [listed] = await koji.listTagged("demo-candidate")
    assert (listed.nvr, listed.completed) == (build.nvr, build.completed)
    assert listed.connection is koji


@pytest_twisted.ensureDeferred
async def test_task_is_rich(koji: Connection) -> None:
    """A task knows its parameters and its descendents."""
    source = "git+https://src.test/rpms/hello.git#r2"
    task_id = await koji.build(source, "demo", {"scratch": True})
    task = await koji.getTaskInfo(task_id)
    assert (task.params.src, task.target, task.package) == (source, "demo", "hello")
    assert task.is_scratch
    await TaskWatcher(koji, reactor, interval=0.05).watch(task_id).done
    archs = await task.descendents(method="buildArch")
    assert [child.label for child in archs] == ["x86_64", "aarch64", "ppc64le"]
    assert task.channel.connection is koji
    assert await task.channel.total_capacity() == 2.0
    below = await koji.getTaskDescendents(task_id)
    assert [type(each) for each in below] == [Task] * len(below)
    assert [each.id for each in below] == [each.id for each in await task.descendents()]


@pytest_twisted.ensureDeferred
async def test_multicall(koji: Connection) -> None:
    """A multicall gives each call its result, and raises at the one that failed."""
    multicall = koji.MultiCall()
    multicall.getTag("demo-build")
    multicall.getTag("nope", strict=True)
    multicall.call("getBuild", "nope-1-1")
    assert [call.method for call in multicall.calls] == ["getTag", "getTag", "getBuild"]
    results = await multicall()
    with pytest.raises(GenericError, match="No such tagInfo"):
        results[1]
    assert [call.method for call in results.calls] == ["getTag", "getTag", "getBuild"]
    assert results[0].name == next(results).name == "demo-build"
    with pytest.raises(GenericError, match="No such tagInfo"):
        next(results)
    assert next(results) is None
    assert next(results, "end") == "end"


@pytest_twisted.ensureDeferred
async def test_from_web(koji: Connection, hub: FakeHub) -> None:
    """A page's address gives its object; an odd one gives None."""
    tag = await koji.from_web(f"{hub.weburl}/taginfo?tagID=demo-build")
    assert tag.name == "demo-build"
    assert await koji.from_web(f"{hub.weburl}/taginfo?tagID= x") is None
    assert await koji.from_web(f"{hub.weburl}/buildinfo?buildID=x1") is None
    assert await koji.from_web(f"{hub.weburl}/nosuchpage?x=1") is None


@pytest.mark.parametrize("is_back", [True, False])
def test_offline_hub(is_back: bool) -> None:
    """A read that meets an offline hub is sent again, until the hub is back or the deadline."""
    site = HubInMemory(deadline=20)
    site.hub.offline("closed for lunch")
    ends: list[Any] = []
    site.koji.getTag("demo-build").addBoth(ends.append)
    site.pass_time(9)
    assert (ends, site.hub.requests > 2) == ([], True)
    if is_back:
        site.hub.online()
    site.pass_time(11)
    [end] = ends
    if is_back:
        assert (end.name, site.hub.calls["getTag"]) == ("demo-build", 1)
    else:
        assert "closed for lunch" in str(end.trap(ServerOffline) and end.value)


@pytest_twisted.ensureDeferred
async def test_hub_that_is_not_there() -> None:
    """A refused connection is one line that names the address and what to check."""
    number = free_port()
    profile = Profile(name="gone", server=f"http://127.0.0.1:{number}/kojihub")
    connection = Connection(profile, reactor=reactor, retry=ONE_ATTEMPT)
    with pytest.raises(ConnectionFailed, match=f"nothing listens at http://127.0.0.1:{number}"):
        await connection.getTag("x")


def refused(method: bytes, uri: bytes, headers: Any, body: Any) -> Any:
    assert (method, uri) == (b"POST", b"http://hub.test/kojihub")
    return fail(error.ConnectionRefusedError())


@pytest.mark.parametrize(("options", "seconds"), [({}, 5), ({"first_deadline": None}, 120)])
def test_hub_that_never_answered(options: dict[str, Any], seconds: int) -> None:
    """A hub that takes no connection and never answered is given up soon, unless disabled."""
    clock = Clock()
    agent = SimpleNamespace(request=refused)
    profile = Profile(name="gone", server="http://hub.test/kojihub")
    koji = Connection(profile, reactor=clock, agent=agent, **options)
    failures: list[Any] = []
    koji.getTag("x").addErrback(failures.append)
    clock.pump([0.5] * seconds)
    assert failures == []
    clock.pump([0.5] * (seconds + 2))
    [failure] = failures
    failure.trap(ConnectionFailed)
    assert clock.getDelayedCalls() == []


def test_hub_that_answered_before() -> None:
    """A hub that answered once is waited for until the deadline."""
    site = HubInMemory()
    found: list[Any] = []
    site.koji.getTag("demo-build").addCallback(found.append)
    site.answer()
    assert len(found) == 1
    with mock.patch.object(site.agent, "request", side_effect=refused):
        site.koji.getTag("demo-build").addCallback(found.append)
        site.pass_time(60)
        assert len(found) == 1
    site.pass_time(61)
    assert len(found) == 2


TRIAL = """\
from pathlib import Path
from twisted.internet import defer
from twisted.trial.unittest import TestCase
from txkoji import Connection, KojiException

class TestHub(TestCase):
    @defer.inlineCallbacks
    def test_one_after_the_other(self):
        koji = Connection("fake")
        for _ in range(3):
            yield koji.getTag("demo-build")
            yield koji.listTags()
        yield self.assertFailure(koji.getTag("nope", strict=True), KojiException)

    @defer.inlineCallbacks
    def test_session(self):
        koji = Connection("fake")
        yield koji.login()
        yield koji.createTag("another")
        yield koji.upload(Path(__file__))

    def test_at_once(self):
        koji = Connection("fake")
        return defer.gatherResults([koji.listTags(), koji.listUsers(), koji.getTag("demo-build")])

    def test_multicall(self):
        multicall = Connection("fake").MultiCall()
        multicall.getTag("demo-build")
        return multicall()
"""


@pytest.mark.hub(tls=True, anonymous_user=None)
@pytest_twisted.ensureDeferred
async def test_trial(hub: FakeHub, tmp_path: Path, empty_home: Path) -> None:
    """Program row 18: tests that close nothing leave a clean reactor; few connections are made."""
    (empty_home / ".koji").mkdir()
    profile = hub.profile_text(user="kojiadmin")
    (empty_home / ".koji" / "config").write_text(profile, encoding="utf-8")
    (tmp_path / "test_hub.py").write_text(TRIAL, encoding="utf-8")
    command = [sys.executable, "-m", "twisted.trial", "test_hub"]
    trial = await deferToThread(
        lambda: subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, timeout=PROCESS_LIMIT
        )
    )
    assert "PASSED (successes=4)" in trial.stdout, trial.stdout


@pytest.mark.parametrize(("keep_alive", "opened"), [(False, [1, 2]), (True, [2, 2])])
@pytest_twisted.ensureDeferred
async def test_idle_connections(profile: Profile, keep_alive: bool, opened: list[int]) -> None:
    """Calls that follow one another share a connection; it is kept over a pause only if asked."""
    port = urlsplit(profile.server).port
    assert port is not None
    cable = Cable(port)
    server = profile.server.replace(f":{port}/", f":{cable.start()}/")
    koji = Connection(replace(profile, server=server), keep_alive=keep_alive)
    found = []
    for pause in (0, 0.1):
        await deferLater(reactor, pause, lambda: None)
        for _ in range(2):
            await koji.getTag("demo-build")
        found.append(sum(not each.is_answer for each in cable.ends))
    await koji.close()
    await cable.stop()
    assert found == opened


@pytest.mark.hub(tls=True, anonymous_user=None)
@pytest_twisted.ensureDeferred
async def test_close_after_the_hub_did(hub: FakeHub, profile: Profile) -> None:
    """A front end closes an idle connection after a while; closing it again is no error."""
    authority = str(hub.authority.certificate_path)
    koji = Connection(replace(profile, serverca=authority), keep_alive=True)
    for _ in range(2):
        await koji.getTag("demo-build")
    [agents] = koji.client.transport._agents.values()
    [[kept]] = agents._pool._connections.values()
    await hub.stop()
    await until(lambda: kept.state != "QUIESCENT")
    await koji.close()


def ok(body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: %d\r\n\r\n" % size + body


BOMB = b"<?xml version='1.0'?><!DOCTYPE b [<!ENTITY a 'aaaa'>]><methodResponse/>"


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (ok(b"<html>Welcome</html>"), NotXMLRPC, "it begins '<html>Welcome</html>'"),
        (ok(b"<?xml version='1.0'?><methodResponse>", 4000), TruncatedReply, "inside the reply"),
        (ok(b"<?xml version='1.0'?><methodResponse>"), TruncatedReply, "ends in the middle"),
        (ok(BOMB), ForbiddenXML, "document type"),
        (ok(b" " * 3000), ReplyTooLarge, "larger than 2,000 bytes"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nxxx", HTTPStatusError, "status 404"),
        (b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n", HTTPStatusError, "asks for a login"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", HTTPStatusError, "in trouble"),
        (b"", ConnectionFailed, "broke before the hub answered"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_bad_answers(answer: bytes, kind: type[Exception], words: str, at_end: AtEnd) -> None:
    """What is no hub's answer is one clear line of its own class, and nothing hangs."""
    connection = Peer(then=answer, closes=True).connect(at_end, max_reply_bytes=2000)
    with pytest.raises(kind) as caught:
        await connection.getTag("x")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("answer", [b"", ok(b"<?xml version='1.0'?>", 4000)])
@pytest_twisted.ensureDeferred
async def test_stalled_hub(answer: bytes, at_end: AtEnd) -> None:
    """A hub that says nothing, or stops inside a reply, is a RequestTimeout."""
    connection = Peer(then=answer).connect(at_end, request_timeout=0.1)
    with pytest.raises(RequestTimeout):
        await connection.getTag("x")


@pytest.mark.parametrize(("profile", "given"), [(0.1, {}), (3600, {"request_timeout": 0.1})])
@pytest_twisted.ensureDeferred
async def test_timeout_of_the_profile(profile: float, given: Any, at_end: AtEnd) -> None:
    """A profile's ``timeout`` limits each request, unless the connection is given another."""
    connection = Peer().connect(at_end, profile={"timeout": profile}, **given)
    with pytest.raises(RequestTimeout, match=r"within 0\.1 s"):
        await connection.build("git+https://src.test/rpms/hello.git#1", "demo")


@pytest_twisted.ensureDeferred
async def test_write_is_not_sent_again(at_end: AtEnd) -> None:
    """A write whose reply is lost fails at once: whether it was carried out is not known."""
    connection = Peer(closes=True).connect(at_end)
    with pytest.raises(ConnectionFailed) as caught:
        await connection.build("git+https://src.test/rpms/hello.git#1", "demo")
    assert caught.value.may_have_arrived
