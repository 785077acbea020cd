"""txkoji inside programs that run on asyncio; each is a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet.threads import deferToThread

from tests.docs.tutorial import blocks
from tests.support import PROCESS_LIMIT, REPOSITORY
from txkoji.testing import FakeHub

PROGRAM = '''
import asyncio
import gc
import os
import socket
import threading
import pytest
from twisted.logger import capturedLogs, formatEvent
from txkoji import Interest, Profile, aio
from txkoji.exceptions import ConfigurationError, GenericError, KojiException

async def started(koji):
    """Wait until the request is on its way: the hub answers it late."""
    made = koji.connection.call("getTag", "demo-build")
    return made, aio.future(made)

@pytest.mark.asyncio
async def test_calls():
    async with aio.connect("koji") as koji:
        assert (await koji.getTag("demo-build")).name == "demo-build"
        tags = await asyncio.gather(*(koji.getTag("demo-build") for _ in range(20)))
        assert len(tags) == 20
        assert "getTag" in await koji.system.listMethods()
        assert await koji.call("echo", 1) == [1]
        names = [tag.name async for tag in koji.pages("listTags", page_size=2)]
        assert len(names) == len(set(names)) > 2

@pytest.mark.asyncio
async def test_a_fault_is_raised():
    async with aio.connect("koji") as koji:
        with pytest.raises(GenericError, match="nope"):
            await koji.getTag("nope", strict=True)

@pytest.mark.asyncio
async def test_a_timeout_cancels_the_call():
    async with aio.connect("koji") as koji:
        call, future = await started(koji)
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(future, 0)
        assert call.called or future.cancelled()
        assert (await koji.getTag("demo-build")).name == "demo-build"

@pytest.mark.asyncio
async def test_a_canceled_call_cancels_the_task():
    async with aio.connect("koji") as koji:
        call, future = await started(koji)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future

@pytest.mark.asyncio
async def test_following_ends_with_the_task():
    interest = Interest(frozenset({"tagged"}), tags=("demo-candidate",))
    async with aio.connect("koji") as koji:
        async def follow():
            async for event in koji.follow(interest, interval=0.1):
                pass
        task = asyncio.ensure_future(follow())
        while not koji.connection.statistics.answered:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

@pytest.mark.asyncio
async def test_calls_end_with_the_connection():
    async with aio.connect("koji") as koji:
        waiting = [koji.getTag("demo-build"), asyncio.ensure_future(anext(koji.pages("listTags")))]
        await asyncio.sleep(0)
    for each in waiting:
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(each, 5)
    with pytest.raises(RuntimeError, match="the connection has ended"):
        koji.getTag("demo-build")
    with pytest.raises(RuntimeError, match="the connection has ended"):
        [row async for row in koji.pages("listTags")]

@pytest.mark.asyncio
@pytest.mark.parametrize("pause", [0, 0.001, 0.01, 0.05])
async def test_any_deferred_ends_with_its_connection(pause, tmp_path):
    """Also one that the connection does not know of, whatever it waits for; another's does not."""
    source = tmp_path / "large.src.rpm"
    source.write_bytes(bytes(30_000_000))
    silent = socket.create_server(("127.0.0.1", 0))
    profile = Profile("t", f"http://localhost:{silent.getsockname()[1]}/kojihub")
    with capturedLogs() as logged:
        await end_in_flight(source, profile, pause)
        gc.collect()
    assert [each["log_failure"] for each in logged if "log_failure" in each] == []
    # The program ended its calls: nothing is wrong with a hub.
    assert [formatEvent(each) for each in logged if "does not answer" in formatEvent(each)] == []
    silent.close()

async def end_in_flight(source, profile, pause):
    """Leave two connections while they are used, and a third one open."""
    async with aio.connect("koji") as other:
        async with aio.connect("koji") as koji, aio.connect(profile) as waiting:
            await koji.login()
            begun = [
                koji.connection.upload(source),
                waiting.connection.call("getTag", "demo-build"),
                waiting.connection.submit("build", "git+https://git.example.test/x#1", "demo"),
            ]
            futures = [aio.future(each) for each in begun]
            await asyncio.sleep(pause)
            kept = aio.future(other.connection.call("getTag", "demo-build"))
        for each in futures:
            with pytest.raises(asyncio.CancelledError):
                await asyncio.wait_for(each, 5)
        assert (await kept).name == "demo-build"

@pytest.mark.asyncio
async def test_what_a_thread_answers_late_ends_with_its_connection(tmp_path):
    """What then wants another thread finds none, and is canceled."""
    source = tmp_path / "p.src.rpm"
    source.write_bytes(b"p")
    async with aio.connect("koji") as koji:
        await koji.login()
        reactor, stopping = koji.connection.reactor, threading.Event()
        reactor.addSystemEventTrigger("before", "shutdown", stopping.set)
        for _ in range(reactor.getThreadPool().max):
            reactor.callInThread(stopping.wait)
        upload = aio.future(koji.connection.upload(source))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(upload, 5)

def sockets():
    """Return the sockets that are open."""
    links = [os.path.join("/proc/self/fd", name) for name in os.listdir("/proc/self/fd")]
    return {os.readlink(link) for link in links if os.path.lexists(link)} - {"/proc/self/fd"}

@pytest.mark.asyncio
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_call_that_is_given_up_leaves_no_socket(scheme):
    silent = socket.create_server(("127.0.0.1", 0))
    profile = Profile("t", f"{scheme}://127.0.0.1:{silent.getsockname()[1]}/kojihub")
    for pause in (0, 0.0005, 0.001, 0.002, 0.003, 0.004, 0.005, 0.01):
        before = sockets()
        async with aio.connect(profile) as koji:
            future = koji.getTag("demo-build")
            await asyncio.sleep(pause)
            future.cancel()
        assert {link for link in sockets() - before if link.startswith("socket")} == set()
    silent.close()

@pytest.mark.asyncio
async def test_unknown_profile():
    with pytest.raises(ConfigurationError, match="nope"):
        async with aio.connect("nope"):
            pass
'''


@pytest.mark.hub(tls=True)
@pytest_twisted.ensureDeferred
async def test_in_pytest_asyncio(hub: FakeHub, empty_home: Path, tmp_path: Path) -> None:
    """Each test has a loop of its own, and a connection on it; cancellation goes both ways.

    So does the test that the how-to shows.
    """
    (empty_home / ".koji").mkdir()
    (empty_home / ".koji" / "config").write_text(
        hub.profile_text("koji", user="kojiadmin"), encoding="utf-8"
    )
    program = tmp_path / "test_program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    page = (REPOSITORY / "docs" / "howto_asyncio.rst").read_text(encoding="utf-8")
    [shown] = [text for kind, _, text in blocks(page) if kind == "python"]
    test_of_page = tmp_path / "test_of_page.py"
    test_of_page.write_text(shown.replace("f44-build", "demo-build"), encoding="utf-8")
    options = ["-p", "no:twisted", "-p", "no:randomly", "-p", "no:xdist", "-p", "no:cacheprovider"]
    options += ["-o", "asyncio_default_fixture_loop_scope=function"]
    done: Any = await deferToThread(
        subprocess.run,
        [sys.executable, "-W", "error", "-m", "pytest", *options, "-q", str(tmp_path)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ},
        timeout=PROCESS_LIMIT,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "15 passed" in done.stdout
