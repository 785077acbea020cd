"""A killed hub resumes from its state file as if nothing had happened."""

from __future__ import annotations

import functools
import random
import resource
import sqlite3
import subprocess
import sys
import threading
import time
import xmlrpc.client
from collections.abc import Callable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.task import Clock
from twisted.internet.testing import MemoryReactorClock

from tests.support import PROCESS_LIMIT, REPOSITORY, free_port
from tests.support.ends import AtEnd
from txkoji import build_states, task_states
from txkoji.exceptions import GenericError, RetryError, UnknownFault
from txkoji.testing import FakeHub
from txkoji.testing.formats import marshal
from txkoji.testing.tables.file_tree import DiskFileTree
from txkoji.testing.tables.state import HubState
from txkoji.testing.tables.state_file import StateFile

pytestmark = pytest.mark.limit(300)

SOURCE = "git+https://git.example.test/rpms/{}.git#{}"
LIVES = 5
TABLES = ("task", "build", "rpminfo", "tag_listing", "repo", "users", "events", "package")


class HubProcess:
    """``python -m txkoji.testing`` on one state file and one port, killed and started at will."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.port = free_port()
        self.state = directory / "state"
        self.command = [sys.executable, "-m", "txkoji.testing", "--port", str(self.port)]
        self.command += ["--state", str(self.state), "--build-seconds", "0.5", *options]
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self.command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline().startswith("ready ")

    def kill(self) -> None:
        """Send SIGKILL, and wait for the end."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=PROCESS_LIMIT)
            self._process = None

    def call(self, method: str, *params: Any, query: str = "") -> Any:
        """Call the hub by Python's own XML-RPC client."""
        url = f"http://127.0.0.1:{self.port}/kojihub{query}"
        with xmlrpc.client.ServerProxy(url, allow_none=True) as proxy:
            return getattr(proxy, method)(*params)


@pytest.fixture
def hub_process(tmp_path: Path) -> Iterator[HubProcess]:
    hub = HubProcess(tmp_path)
    hub.start()
    yield hub
    hub.kill()


def test_killed_while_it_accepts_builds(hub_process: HubProcess) -> None:
    """Each accepted build survives a SIGKILL, once, and the session stays valid."""
    session = hub_process.call("login", "alice", "alice")
    number = 0

    def build(name: str) -> int:
        query = f"?session-id={session['session-id']}&session-key={session['session-key']}"
        query += f"&callnum={number}"
        request = (SOURCE.format("hello", name), "demo", {"scratch": True})
        return int(hub_process.call("build", *request, query=query))

    seed = time.time_ns()
    chance = random.Random(seed)
    accepted: dict[str, int] = {}
    outcomes = []
    for life in range(LIVES):
        killer = threading.Timer(chance.uniform(0.01, 0.2), hub_process.kill)
        killer.start()
        try:
            while True:
                number += 1
                accepted[f"{life}.{number}"] = build(f"{life}.{number}")
        except (OSError, HTTPException):
            killer.join()
        hub_process.start()
        # The call without a reply, repeated under its number: executed before, or now.
        try:
            accepted[f"{life}.{number}"] = build(f"{life}.{number}")
            outcomes.append("lost with its answer")
        except xmlrpc.client.Fault as fault:
            outcomes.append("done" if fault.faultCode == RetryError.code else str(fault))
    tasks = hub_process.call("listTasks", {"method": "build", "decode": True})
    found = {task["request"][0].rpartition("#")[2]: task["id"] for task in tasks}
    assert set(outcomes) <= {"done", "lost with its answer"}, (seed, outcomes)
    assert len(found) == len(tasks), f"done twice (seed {seed})"
    assert found | accepted == found, f"lost (seed {seed})"
    assert len(found) - len(accepted) == outcomes.count("done"), (seed, outcomes)


def tables(hub: FakeHub) -> dict[str, list[Any]]:
    return {table: [dict(row) for row in hub.state.rows(table)] for table in TABLES}


def killed(hub: FakeHub) -> None:
    """End a hub as SIGKILL does: nothing is flushed or closed properly."""
    hub.builder.stop()
    hub.saved.close()


class Killer:
    """Drops all that hubs write after a number of writes, as SIGKILL does."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = sys.maxsize
        for kind, name in ((StateFile, "save"), (DiskFileTree, "write_at")):
            monkeypatch.setattr(kind, name, self._counted(getattr(kind, name)))

    def _counted(self, write: Callable[..., None]) -> Callable[..., None]:
        def counted(*args: Any, **kwargs: Any) -> None:
            self.left -= 1
            if self.left >= 0:
                write(*args, **kwargs)

        return counted


def request_builds(hub: FakeHub) -> None:
    hub.call("chainBuild", [[GIT], [SOURCE.format("world", "r1")]], "demo")


def request_failing_repo(hub: FakeHub) -> None:
    tag = hub.call("getTag", "failrepo-build") or {"id": hub.add_tag("failrepo-build", arches="i")}
    hub.call("repo.request", tag["id"])


def live(path: Path, request: Callable[[FakeHub], None], killer: Killer) -> FakeHub:
    """Let a hub live until it is killed, or all is done; return it, stopped."""
    reactor = MemoryReactorClock()
    hub = FakeHub(reactor, state_file=path)
    hub.add_demo_content()
    if killer.left > 0 and not hub.state.rows("task"):
        request(hub)
    hub.start()
    # Less than the two hours that a task waits for a repo.
    while killer.left > 0 and reactor.getDelayedCalls() and reactor.seconds() < 3600.0:
        reactor.advance(0.1)
    killed(hub)
    return hub


def check_ends(hub: FakeHub) -> None:
    """Check that all tasks and requests have ended, and what those that succeeded have made."""
    rows = hub.state.rows
    for task in rows("task"):
        assert task["state"] in task_states.DONE_GROUP, task
    assert rows("repo_queue", active=True) == []
    for task in rows("task", method="newRepo", state=task_states.CLOSED):
        assert len(rows("repo", task_id=task["id"])) == 1
    for task in rows("task", method="build", state=task_states.CLOSED):
        [build] = rows("build", task_id=task["id"])
        assert build["state"] == build_states.COMPLETE
        assert len(rows("tag_listing", build_id=build["id"])) == 1


@pytest.mark.parametrize(
    ("request_work", "step"),
    [(request_builds, 29), (request_failing_repo, 1)],
    ids=["builds", "failing repo"],
)
def test_killed_between_two_writes(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request_work: Callable[[FakeHub], None],
    step: int,
) -> None:
    """A hub that is killed after any of its writes ends everything once it runs again."""
    killer = Killer(monkeypatch)
    hub = live(tmp_path / "state", request_work, killer)
    check_ends(hub)
    writes = sys.maxsize - killer.left
    states = sorted(task["state"] for task in hub.state.rows("task"))
    for number in range(step, writes, step):
        path = tmp_path / f"state{number}"
        killer.left = number
        live(path, request_work, killer)
        killer.left = sys.maxsize
        hub = live(path, request_work, killer)
        check_ends(hub)
        assert sorted(task["state"] for task in hub.state.rows("task")) == states, number


def test_killed_at_any_moment_of_a_build(tmp_path: Path) -> None:
    """Whenever a hub is killed during a build, the next one completes it: once, tagged once."""
    for moment in range(0, 130, 5):
        clock = Clock()
        path = tmp_path / f"state{moment}"
        hub = FakeHub(clock, state_file=path)
        hub.add_demo_content()
        task = hub.call("build", SOURCE.format("hello", "r1"), "demo")
        clock.pump([0.1] * moment)
        left = tables(hub)
        killed(hub)
        hub = FakeHub(clock, state_file=path)
        assert hub.restored
        assert tables(hub) == left
        go_on(hub, clock, task)
        [build] = hub.call("listTagged", "demo-candidate")
        assert build["nvr"] == "hello-1.0-r1"
        assert len(hub.state.rows("tag_listing")) == 1
        [source] = hub.call("listRPMs", build["build_id"], arches="src")
        file = f"packages/hello/1.0/r1/src/{source['nvr']}.src.rpm"
        assert hub.files.size(file) == source["size"]
        killed(hub)


def go_on(hub: FakeHub, clock: Clock, task: int) -> None:
    """Wait until a restored hub closes a task."""
    hub.add_demo_content()
    hub.builder.resume()
    clock.pump([0.1] * 400)
    row = hub.state.get("task", task)
    assert row is not None
    assert task_states.to_str(row["state"]) == "CLOSED", row["fault"]


GIT = SOURCE.format("hello", "r1")
OTHERS: dict[str, tuple[str, list[Any], int]] = {
    "kiwiBuild": ("kiwiBuild", ["demo", ["x86_64"], GIT, "hello.kiwi"], 1),
    "osbuildImage": ("osbuildImage", ["hello", "1", "f44", "qcow2", "demo", ["x86_64"]], 1),
    "container": ("buildContainer", [GIT, "demo"], 1),
    "maven": ("mavenBuild", [GIT, "demo"], 1),
    "winbuild": ("winBuild", ["vm", GIT, "demo"], 1),
    "chain": ("chainBuild", [[[GIT], [SOURCE.format("world", "r1")]], "demo"], 2),
    "draft": ("build", [GIT, "demo", {"draft": True}], 1),
    "newRepo": ("newRepo", ["demo-build"], 0),
}


@pytest.mark.parametrize("family", OTHERS)
def test_killed_at_any_moment_of(tmp_path: Path, family: str) -> None:
    """Tasks of every kind resume after a SIGKILL, and make each build once."""
    method, arguments, builds = OTHERS[family]
    for moment in range(3, 140, 17):
        clock = Clock()
        path = tmp_path / f"state{moment}"
        hub = FakeHub(clock, state_file=path)
        hub.add_demo_content()
        task = hub.call(method, *arguments)
        clock.pump([0.1] * moment)
        killed(hub)
        hub = FakeHub(clock, state_file=path)
        go_on(hub, clock, task)
        assert len(hub.call("listBuilds", state=1)) == builds, moment
        assert len(hub.call("listBuilds")) == builds, moment
        assert len(hub.state.rows("tag_listing")) == builds, moment
        assert len(hub.call("listTagged", "demo-candidate")) == builds, moment
        killed(hub)


def test_sequences_go_on(tmp_path: Path) -> None:
    """No id is used twice, not even after a rollback."""
    path = tmp_path / "state"
    hub = FakeHub(Clock(), state_file=path)
    last = hub.add_tag("one")

    def undone() -> None:
        with hub.state.transaction():
            hub.add_tag("two")
            hub.add_tag("unborn", parent="none")

    with pytest.raises(GenericError, match="Parent tag 'none' could not be found"):
        undone()
    killed(hub)
    hub = FakeHub(Clock(), state_file=path)
    assert hub.state.one("tag", name="two") is None
    assert hub.add_tag("three") == last + 2
    killed(hub)


def test_profile_stays_good(tmp_path: Path, at_end: AtEnd) -> None:
    """A restarted hub with TLS keeps its authority and its ports."""
    profile = tmp_path / "koji.conf"
    hub = HubProcess(tmp_path, "--profile-out", str(profile))
    at_end(hub.kill)
    hub.start()
    authority = tmp_path / "koji.conf.certificates" / "serverca.crt"
    before = profile.read_text(), authority.read_bytes()
    hub.kill()
    hub.start()
    assert (profile.read_text(), authority.read_bytes()) == before


def test_state_file_that_is_none(tmp_path: Path) -> None:
    """A file that is not a state file is left alone, and reported in one line."""
    hub = HubProcess(tmp_path)
    hub.state.write_text("no database, and long enough to tell\n" * 100)
    hub.state.chmod(0o644)
    done = subprocess.run(
        hub.command,
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=PROCESS_LIMIT,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == f"can't use the state file {hub.state}: file is not a database\n"
    assert hub.state.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [hub.state]


@pytest.mark.parametrize(
    "statement",
    ["PRAGMA user_version = 1", "DROP TABLE record"],
    ids=["another version", "another program"],
)
def test_state_of_others(tmp_path: Path, statement: str) -> None:
    """The file of another version or program is refused in words, and stays as it is."""
    state = tmp_path / "state"
    StateFile(state, HubState(float)).close()
    database = sqlite3.connect(state)
    database.executescript(f"{statement}; CREATE TABLE theirs (id); PRAGMA journal_mode = DELETE")
    if "DROP" in statement:
        database.execute("PRAGMA user_version = 0")
    database.close()
    before = state.read_bytes()
    with pytest.raises(sqlite3.DatabaseError, match=r"another version .*: name a new file"):
        FakeHub(Clock(), state_file=state)
    assert state.read_bytes() == before
    assert not state.with_name("state-wal").exists()


def test_state_that_is_a_directory(tmp_path: Path) -> None:
    """A directory in the place of the file is refused, and keeps its mode."""
    tmp_path.chmod(0o751)
    with pytest.raises(sqlite3.Error):
        FakeHub(Clock(), state_file=tmp_path)
    assert tmp_path.stat().st_mode & 0o7777 == 0o751


def test_full_disk(tmp_path: Path, at_end: AtEnd) -> None:
    """What a full disk refused is in the file after the next commit that has room."""
    hub = FakeHub(Clock(), state_file=tmp_path / "state")
    hub.add_tag("before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(sqlite3.OperationalError, match="disk"):
            hub.add_tag("full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    hub.add_tag("after")
    hub.saved.close()
    again = FakeHub(Clock(), state_file=tmp_path / "state")
    at_end(again.saved.close)
    assert {tag["name"] for tag in again.call("listTags")} >= {"before", "full", "after"}


@pytest.mark.parametrize(
    "odd",
    [
        2**70,
        xmlrpc.client.Binary(b"x"),
        functools.reduce(lambda inner, _: [inner], range(3000), [0]),
    ],
    ids=["big", "base64", "deep"],
)
def test_values_that_a_hub_cannot_store(tmp_path: Path, at_end: AtEnd, odd: Any) -> None:
    """They are refused, as the database or XML-RPC does, and everything else goes on."""
    hub = FakeHub(Clock(), state_file=tmp_path / "state")
    at_end(hub.saved.close)
    hub.add_tag("mine")
    for method, *args in (
        ("build", "git+http://x/y#1", None, {"x": odd}),
        ("makeTask", "x", [odd]),
    ):
        with pytest.raises(UnknownFault):
            hub.call(method, *args)
    with pytest.raises(UnknownFault):
        hub.call("editTag2", "mine", extra={"x": odd})
    assert hub.call("getTag", "mine")["extra"] == {}
    assert marshal.response(hub.call("listTasks"))
