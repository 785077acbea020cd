"""The commands other than demo and doctor, each as its user runs it."""

from __future__ import annotations

import io
import os
import pty
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from buildbot_koji.cli import Mistake
from buildbot_koji.cli.create import create, example
from buildbot_koji.cli.watch import watch
from tests.buildbot_koji.masters import BUILDBOT
from tests.buildbot_koji.www.served import ServedMaster
from tests.buildbot_koji.www.test_api import guarded, until_listening
from tests.support import PROCESS_LIMIT, REPOSITORY, forks, until
from txkoji import UnknownTask
from txkoji.exceptions import ConnectionFailed, GenericError
from txkoji.testing import FakeHub
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers.registry import HANDLERS
from txkoji.testing.tables.state import Row

__all__ = ["guarded"]

Run = Callable[..., Any]


async def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process."""
    return await deferToThread(
        forks.run,
        "buildbot_koji",
        *arguments,
        timeout=PROCESS_LIMIT,
        env={**os.environ, **environment},
    )


@pytest.fixture
def at_home(hub: FakeHub, empty_home: Path) -> FakeHub:
    """Give a hub that the profile ``fake`` names."""
    (empty_home / ".koji").mkdir()
    (empty_home / ".koji" / "config").write_text(hub.profile_text("fake"), encoding="utf-8")
    return hub


@pytest_twisted.ensureDeferred
async def test_version_and_example() -> None:
    """``--version`` names the distribution's version, ``example`` prints the file verbatim."""
    assert (await run("--version")).stdout == f"buildbot-koji {version('buildbot-koji')}\n"
    text = (REPOSITORY / "example_master.cfg").read_text(encoding="utf-8")
    assert (await run("example")).stdout == text == example()


def test_output_that_ends() -> None:
    """A full disk is one line; a pager that was left is none."""
    reader, left = os.pipe()
    os.close(reader)
    with Path("/dev/full").open("w") as full, os.fdopen(left, "w") as pager:
        for out, said in ((full, "example ends: No space left on device\n"), (pager, "")):
            command = [sys.executable, "-m", "buildbot_koji", "example"]
            done = subprocess.run(
                command, stdout=out, stderr=subprocess.PIPE, text=True, check=False
            )
            assert (done.returncode, done.stderr) == (2, said)


@pytest.mark.limit(300)
@pytest_twisted.ensureDeferred
async def test_init(at_home: FakeHub, tmp_path: Path, empty_home: Path) -> None:
    """It creates a master that checkconfig accepts, asks the hub first, and overwrites nothing."""
    directory = tmp_path / "new" / "our master"
    for target, said in (("DMEO", r": did you mean demo\?"), ("nope", "; there are: demo$")):
        with pytest.raises(Mistake, match=f"no target {target}{said}"):
            await create(reactor, directory, io.StringIO(), profile="fake", target=target)
    assert not directory.parent.exists()
    out = io.StringIO()
    await create(reactor, directory, out, profile="fake", target="demo")
    for command in ("buildbot checkconfig", "buildbot-koji doctor --config", "buildbot start"):
        assert f"  {command} '{directory}'\n" in out.getvalue()
    text = (directory / "master.cfg").read_text(encoding="utf-8")
    assert 'HUB = "fake"\n' in text
    assert 'CANDIDATE_TAG = "demo-candidate"\n' in text
    assert "TESTED_TAG = None\n" in text
    assert "APPROVED_TAG = None\n" in text
    checked = await deferToThread(forks.run, BUILDBOT, "checkconfig", str(directory))
    assert checked.stdout == "Config file is good!\n", checked.stderr
    named = at_home.profile_text().replace("[fake]", "[f\u00e4ke]")
    with (empty_home / ".koji" / "config").open("a", encoding="utf-8") as config:
        config.write(named)
    await create(reactor, tmp_path / "other", out, profile="f\u00e4ke", target="demo")
    text = (tmp_path / "other" / "master.cfg").read_text(encoding="utf-8")
    assert 'HUB = "f\u00e4ke"\n' in text
    again = await run("init", str(directory), "--profile", "fake", "--target", "demo")
    assert (again.returncode, again.stderr) == (
        2,
        f"{directory} is not empty: name a new directory\n",
    )
    below = directory / "master.cfg" / "x"
    wrong = await run("init", str(below), "--profile", "fake", "--target", "demo")
    assert wrong.stderr == f"can't write {below}: Not a directory\n"


async def fail_with_colours(builder: Builder, task: Row) -> None:
    assert task["method"] == "sleep"
    raise GenericError("red \x1b[31mhat")


@pytest_twisted.ensureDeferred
async def test_watch(at_home: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each change, and the outcome; a build, an address and an id name the same."""
    source = "git+https://git.example.test/rpms/{}.git#1"
    task_id = at_home.call("build", source.format("hello"), "demo")
    out = io.StringIO()
    assert await watch(reactor, str(task_id), out, profile="fake") == 0
    assert f"task {task_id} CLOSED: hello-1.0-1\n" in out.getvalue()
    assert "buildArch x86_64: CLOSED\n" in out.getvalue()
    for what in ("hello-1.0-1", f"{at_home.weburl}/taskinfo?taskID={task_id}"):
        out = io.StringIO()
        assert await watch(reactor, what, out, profile="fake") == 0
        assert f"task {task_id} CLOSED" in out.getvalue()
    failing = at_home.call("build", source.format("failarch"), "demo")
    out = io.StringIO()
    assert await watch(reactor, str(failing), out, profile="fake") == 1
    assert "FAILED: error building package" in out.getvalue()
    assert "/build.log\n" in out.getvalue()
    monkeypatch.setitem(HANDLERS, "sleep", fail_with_colours)
    odd = at_home.call("makeTask", "sleep", [0])
    out = io.StringIO()
    assert await watch(reactor, str(odd), out, profile="fake") == 1
    assert "FAILED: red " in out.getvalue()
    assert "\x1b" not in out.getvalue()
    page = f"{at_home.weburl}/taginfo?tagID=1"
    with pytest.raises(Mistake, match="is the page of neither a task nor a build"):
        await watch(reactor, page, io.StringIO(), profile="fake")
    for nothing in (
        "99999",
        "9" * 20,
        "0",
        "nothing-1-1",
        "http://elsewhere.example.test/taskinfo?taskID=1",
    ):
        with pytest.raises((Mistake, UnknownTask)):
            await watch(reactor, nothing, io.StringIO(), profile="fake")
    await at_home.stop()
    with pytest.raises(ConnectionFailed, match="nothing listens at"):
        await watch(reactor, str(task_id), io.StringIO(), profile="fake")


@pytest.mark.parametrize("kind", ["lines", "terminal"])
@pytest_twisted.ensureDeferred
async def test_watch_through_an_outage(
    at_home: FakeHub, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says since when the hub does not answer and why, and when it answers again."""
    out = io.StringIO()
    if kind == "terminal":
        pytest.importorskip("rich")
        monkeypatch.setenv("TERM", "xterm")
        out.isatty = lambda: True  # type: ignore[method-assign]
    at_home.builder.seconds = 600
    task_id = at_home.call("build", "git+https://git.example.test/rpms/hello.git#1", "demo")
    watching = Deferred.fromCoroutine(watch(reactor, str(task_id), out, profile="fake"))
    await until(lambda: "build: OPEN" in out.getvalue())
    at_home.offline("the database is upgraded")
    await until(lambda: "does not answer: " in out.getvalue())
    assert "the database is upgraded" in out.getvalue()
    at_home.online()
    await until(lambda: "answers again, after" in out.getvalue())
    at_home.call("cancelTask", task_id)
    assert await watching == 1
    assert f"task {task_id} CANCELED" in out.getvalue()


@pytest_twisted.ensureDeferred
async def test_watch_in_a_terminal(at_home: FakeHub) -> None:
    """In a terminal the tree is drawn, and names from the hub are not markup."""
    pytest.importorskip("rich")
    task_id = at_home.call("build", "git+https://git.example.test/rpms/hello.git#1", "demo")
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        assert await watch(reactor, str(task_id), terminal, profile="fake") == 0
        terminal.flush()
        shown = (await deferToThread(os.read, ours, 100_000)).decode("utf-8", "replace")
    os.close(ours)
    assert "└──" in shown
    assert f"{task_id} build: " in shown
    # Ctrl-C leaves the terminal as it was, with a cursor.
    at_home.builder.seconds = 600
    task_id = at_home.call("build", "git+https://git.example.test/rpms/hello.git#2", "demo")
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "buildbot_koji", "watch", str(task_id), "--profile", "fake"]

    def read() -> str:
        """Return what is written next, or at all once nobody writes any more."""
        return os.read(ours, 100_000).decode("utf-8", "replace")

    with await deferToThread(subprocess.Popen, command, stdout=theirs) as process:
        os.close(theirs)
        shown = ""
        while f"{task_id} build" not in shown:
            shown += await deferToThread(read)
        process.send_signal(signal.SIGINT)
        while "\x1b[?25h" not in shown:
            shown += await deferToThread(read)
        assert await deferToThread(process.wait, PROCESS_LIMIT) == 130
    os.close(ours)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["watch", "1", "--profile", "nope"], "no Koji profile 'nope'"),
        (["watch", "1"], "; --profile names another one"),
        (
            ["pause", "koji", "--url", "http://127.0.0.1:9"],
            "no answer from http://127.0.0.1:9: Connection refused; is the master up",
        ),
        (["pause", "koji", "--url", "http://127.0.0.1:x"], "no http:// or https:// address"),
        (["pause", "koji", "--url", "http://me:x@127.0.0.1:9"], "give --user, and BUILDBOT_PASS"),
        (["dead-letters", "--redeliver", "--url", "http://127.0.0.1:9"], "needs the name"),
        (["pause", "koji", "--url", "http://127.0.0.1:9", "--user", "ann"], "needs the password"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_mistakes(arguments: list[str], said: str) -> None:
    """A user's mistake is one line."""
    done = await run(*arguments)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_characters_that_a_terminal_lacks(encoding: str, empty_home: Path) -> None:
    """They are escaped: no command ends by what a hub or a profile is named."""
    command = [sys.executable, "-m", "buildbot_koji", "doctor", "k\u00f6"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (2, b"")
    assert done.stdout.startswith(b"hub k" + "\u00f6".encode(encoding, "backslashreplace"))


@pytest_twisted.ensureDeferred
async def test_a_running_master(guarded: ServedMaster) -> None:
    """Pause, resume and dead letters use the master's pages, and obey its authorization."""
    await until_listening(guarded)
    url = guarded.url.removesuffix("plugins/koji/")
    refused = await run("pause", "koji", "--url", url)
    assert refused.returncode == 2
    assert "you need to have role 'admins': log in with --user NAME" in refused.stderr
    ann = {"BUILDBOT_PASSWORD": "ann's"}
    paused = await run("pause", "koji", "--url", url, "--user", "ann", **ann)
    assert (paused.returncode, paused.stdout) == (0, "koji is paused\n")
    page = f"{url}#/koji/sources"
    resumed = await run("resume", "koji", "--url", page, "--user", "ann", **ann)
    assert resumed.returncode == 0
    for name, words in (
        ("git", ": check the name"),
        ("", ": check the name"),
        ("koij", ": did you mean koji?"),
    ):
        unknown = await run("pause", name, "--url", url, "--user", "ann", **ann)
        assert unknown.returncode == 2
        assert unknown.stderr == f"there is no Koji change source {name}{words}\n"
    wrong = await run("pause", "koji", "--url", url, "--user", "ann", BUILDBOT_PASSWORD="no")
    assert wrong.returncode == 2
    none = await run("dead-letters", "--url", guarded.url)
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "no dead letters\n")
    unknown = await run("dead-letters", "other", "--url", url)
    assert (unknown.returncode, "no Koji reporter other" in unknown.stderr) == (2, True)
