"""The command ``buildbot-koji demo``, in a process of its own, as ``make demo`` runs it."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
import pytest_twisted
from buildbot.process.results import CANCELLED, FAILURE, SUCCESS
from twisted.internet.threads import deferToThread

from tests.buildbot_koji.masters import read_json
from tests.support import PROCESS_LIMIT, REPOSITORY, brokers, forks, poll
from tests.support.brokers import RabbitMQ

pytestmark = pytest.mark.limit(300)

PROGRAM = Path(sys.executable).with_name("buildbot-koji")
COMMIT = "2c" * 20


@pytest.fixture
def temporary(tmp_path: Path) -> Iterator[dict[str, str]]:
    """Give an environment whose temporary directory is empty, and must be so at the end."""
    directory = tmp_path / "temporary"
    directory.mkdir()
    yield {**os.environ, "TMPDIR": str(directory)}
    assert list(directory.iterdir()) == []


def demo(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    return forks.run(PROGRAM, "demo", *arguments, env=environment, timeout=PROCESS_LIMIT)


@contextmanager
def running(
    environment: dict[str, str], *arguments: str
) -> Iterator[tuple[forks.ForkedProcess, list[str]]]:
    """Give a demo that runs, and what it says at its start; it ends well, and says no error."""
    with tempfile.TemporaryFile("w+") as errors:
        process = forks.start(PROGRAM, "demo", *arguments, env=environment, stderr=errors)
        killing = threading.Timer(PROCESS_LIMIT, process.kill)
        killing.start()
        try:
            said = []
            for line in process.stdout or ():
                said.append(line.decode())
                if "Ctrl-C" in said[-1]:
                    break
            yield process, said
            process.send_signal(signal.SIGTERM)
            status = process.wait(PROCESS_LIMIT)
        finally:
            killing.cancel()
            process.kill()
            if process.stdout is not None:
                process.stdout.close()
        errors.seek(0)
        assert (status, errors.read()) == (0, "")


def test_once_with_a_failure(temporary: dict[str, str]) -> None:
    """``--once`` exits 1 where the build fails, and prints the reason and the log's address."""
    done = demo(temporary, "--once", "--build-seconds", "1", "--package", "failarch")
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("FAILURE: failed error building package (arch ")
    assert "/build.log" in done.stdout


def test_until_interrupted(temporary: dict[str, str]) -> None:
    """The demo prints the address of its pages, which show work and a past day, until Ctrl-C."""
    with running(temporary, "--build-seconds", "4") as (process, lines):
        assert list(Path(temporary["TMPDIR"]).iterdir())
        url = lines[0].split()[-1]
        with urlopen(url, timeout=PROCESS_LIMIT) as page:
            assert b"Buildbot" in page.read()
        with urlopen(f"{url}api/v2/builders", timeout=PROCESS_LIMIT) as reply:
            builders = json.load(reply)["builders"]
        names = sorted(builder["name"] for builder in builders)
        assert names == ["approve", "chain", "official", "rebuild", "scratch", "tests"]
        assert any("/#/builders/" in line for line in lines)
        assert lines[2] == (
            "No message bus, so the change source only polls: none was named with --bus\n"
        )
        pages = f"{url}plugins/koji/api/"
        [hub] = fetched(f"{pages}overview")["hubs"]
        [channel] = hub["channels"]
        assert channel["arches"].keys() == {"x86_64", "aarch64", "ppc64le", "noarch"}
        assert sum(point[2] > 0 for point in fetched(f"{pages}history?hub=demo")["points"]) > 5
        while not is_lively(fetched(f"{pages}tasks")["trees"]):
            time.sleep(0.5)
        # The tasks leave one another room.
        while not fetched(f"{pages}mass")["mass_builds"][0]["done"]:
            time.sleep(0.5)
        # What was released becomes a change.
        while not (found := fetched(f"{pages}sources")["sources"][0]["last_changes"]):
            time.sleep(0.5)
        assert found[0]["comments"].startswith("foo-1.0-main was tagged into demo-candidate")
        # It waits for an approval, and the hub refuses to tag it, once.
        while not (gates := delivered(pages, "approved")["gates"]):
            time.sleep(0.5)
        [missing] = gates[0]["votes_missing"]
        assert (gates[0]["nvr"], missing["builder"]) == ("foo-1.0-main", "approve")
        assert any(each["builderid"] == missing["builder_id"] for each in builders)
        while not (dead := delivered(pages, "tested")["dead"]):
            time.sleep(0.5)
        assert dead[0]["reason"].endswith("tag is locked: koji edit-tag --unlock demo-released")
        while delivered(pages, "tested")["dead"]:
            press(f"{pages}deliveries/tested/redeliver", {"ids": None})
            time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        process.wait(PROCESS_LIMIT)


def fetched(url: str) -> Any:
    return json.loads(_fetch(url))


def delivered(pages: str, reporter: str) -> Any:
    """Return what the page shows of a reporter."""
    found = fetched(f"{pages}deliveries")["reporters"]
    return next(each for each in found if each["name"] == reporter)


def press(url: str, body: Any) -> None:
    """Press a button of a Koji page."""
    headers = {"X-Requested-With": "buildbot-koji"}
    request = Request(url, json.dumps(body).encode(), headers)
    with urlopen(request, timeout=PROCESS_LIMIT) as reply:
        assert reply.status == 200


def is_lively(trees: list[dict[str, Any]]) -> bool:
    """Tell whether a rebuild is there, something builds on a named host, and something waits."""
    arches = [arch for tree in trees if tree["usual"] for arch in tree["arches"]]
    builds = any(each["state"] == "OPEN" and each["host"] == "builder1" for each in arches)
    waits = any(each["state"] == "FREE" for each in arches)
    return builds and waits and any(tree["builder"] == "rebuild" for tree in trees)


@pytest.mark.xdist_group("broker")
@pytest.mark.skipif(not brokers.SERVER.exists(), reason="apt-get install rabbitmq-server")
def test_bus(broker: RabbitMQ, temporary: dict[str, str], tmp_path: Path) -> None:
    """``--bus`` names a broker, through which the master hears of new builds at once."""
    address = broker.url.replace("//", f"//{brokers.USER}:{brokers.PASSWORD}@")
    base = tmp_path / "base"
    log = base / "twistd.log"
    with running(temporary, "--idle", "--dir", str(base), "--bus", address) as (process, said):
        assert said[2] == "The hub reports new builds on a message bus.\n"
        while "listening to the message bus" not in log.read_text() and process.poll() is None:
            time.sleep(0.1)
    assert f"listening to the message bus {broker.url}" in log.read_text()
    assert "Traceback" not in log.read_text()


class Pages:
    """The pages of a demo that runs, used as people and git servers use them."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def get(self, path: str) -> Any:
        """Read from the REST API."""
        return await read_json(f"{self.url}api/v2/{path}")

    async def push(self, package: str, revision: str) -> None:
        """Report a push, as a git server does."""
        fields = {
            "author": "alice",
            "comments": "a change",
            "project": package,
            "repository": f"https://git.example.test/rpms/{package}.git",
            "branch": "main",
            "revision": revision,
        }
        await deferToThread(_fetch, f"{self.url}change_hook/base", urlencode(fields).encode())

    async def last_step(self, builder: str) -> dict[str, Any]:
        """Return the last step of a builder's newest build; empty if there is none yet."""
        builds = (await self.get(f"builders/{builder}/builds?order=-number&limit=1"))["builds"]
        steps = (await self.get(f"builds/{builds[0]['buildid']}/steps"))["steps"] if builds else []
        return dict(steps[-1]) if steps else {}

    async def stop(self, builder: str, text: str) -> None:
        """Stop a builder's newest build as soon as its last step says something."""

        async def says() -> dict[str, Any] | None:
            step = await self.last_step(builder)
            return step if text in step.get("state_string", "") else None

        step = await poll(says)
        request = {"id": 1, "jsonrpc": "2.0", "method": "stop", "params": {"reason": "enough"}}
        url = f"{self.url}api/v2/builds/{step['buildid']}"
        await deferToThread(_fetch, url, json.dumps(request).encode(), "application/json")

    async def mass_packages(self, builder: str) -> list[dict[str, Any]]:
        """Return the packages in the report of a builder's newest build."""
        logs = (await self.get(f"steps/{(await self.last_step(builder))['stepid']}/logs"))["logs"]
        log_id = next(log["logid"] for log in logs if log["name"] == "report.json")
        chunks = (await self.get(f"logs/{log_id}/contents"))["logchunks"]
        return list(json.loads("".join(each["content"] for each in chunks))["packages"])

    async def force(self, scheduler: str, builder: str, **parameters: Any) -> None:
        """Press a button."""
        builders = (await self.get("builders"))["builders"]
        builder_id = next(each["builderid"] for each in builders if each["name"] == builder)
        given = {"builderid": builder_id, "owner": "alice", **parameters}
        request = {"id": 1, "jsonrpc": "2.0", "method": "force", "params": given}
        url = f"{self.url}api/v2/forceschedulers/{scheduler}"
        await deferToThread(_fetch, url, json.dumps(request).encode(), "application/json")

    async def ended(
        self, builder: str, count: int = 1, *, results: Collection[int] = (SUCCESS,)
    ) -> list[dict[str, Any]]:
        """Wait until so many builds of a builder have ended; returns their properties."""

        async def enough() -> list[dict[str, Any]]:
            path = f"builders/{builder}/builds?complete=true&property=*&order=number"
            builds = list((await self.get(path))["builds"])
            return builds if len(builds) >= count else []

        builds: list[dict[str, Any]] = await poll(enough)
        assert {each["results"] for each in builds} <= {*results}, builds
        return [{name: value for name, (value, _) in b["properties"].items()} for b in builds]


def _fetch(url: str, body: bytes | None = None, kind: str | None = None) -> bytes:
    headers = {} if kind is None else {"Content-Type": kind}
    with urlopen(Request(url, body, headers), timeout=PROCESS_LIMIT) as reply:
        return bytes(reply.read())


@pytest_twisted.ensureDeferred
async def test_each_builder(temporary: dict[str, str], tmp_path: Path) -> None:
    """Each builder builds, also where the message bus is not there, which the demo says."""
    base = tmp_path / "base"
    options = ["--idle", "--build-seconds", "0.3", "--dir", str(base)]
    with running(temporary, *options, "--bus", "amqp://guest:guest@127.0.0.1:1") as (_, said):
        assert said[2] == (
            "No message bus, so the change source only polls:"
            " nothing listens at amqp://127.0.0.1:1: is the broker up?\n"
        )
        pages = Pages(said[0].split()[-1])
        await build(pages)
        await rebuild(pages)
    log = (base / "twistd.log").read_text()
    assert "Traceback" not in log
    factories = [line for line in log.splitlines() if "ing factory" in line]
    assert [line for line in factories if "BuildbotSite" not in line] == []


async def build(pages: Pages) -> None:
    """A push is built, a build is tested with its RPMs, an update is built in a side tag."""
    await pages.push("hello", "abc123")
    [scratch] = await pages.ended("scratch")
    assert scratch["koji_nvr"] == "hello-1.0-abc123"
    assert "koji_build_id" not in scratch

    await pages.force("build-update", "chain", ref=COMMIT)
    await pages.force("build-package", "official", package="foo", ref="1")
    [official] = await pages.ended("official")
    assert official["koji_nvr"] == "foo-1.0-1"
    [chain] = await pages.ended("chain")
    assert chain["koji_sidetag"].startswith("demo-build-side-")

    await pages.force("build-update", "chain", ref=COMMIT)
    again = (await pages.ended("chain", 2))[-1]
    assert again["koji_nvrs"] == [f"hello-1.0-{COMMIT}", f"world-1.0-{COMMIT}"]

    tests = await pages.ended("tests", 3)
    assert sorted(each["koji_nvr"] for each in tests) == [
        "foo-1.0-1",
        f"hello-1.0-{COMMIT}",
        f"world-1.0-{COMMIT}",
    ]
    assert sorted(name for each in tests for name in each["koji_files"]) == [
        "foo-1.0-1.x86_64.rpm",
        f"hello-1.0-{COMMIT}.x86_64.rpm",
        f"world-1.0-{COMMIT}.x86_64.rpm",
    ]
    # One build of the pushed commit, one of each tagged build, and no other.
    made = (await pages.get("buildrequests"))["buildrequests"]
    names = {each["builderid"]: each["name"] for each in (await pages.get("builders"))["builders"]}
    counts = Counter(names[each["builderid"]] for each in made)
    assert counts == {"scratch": 1, "official": 1, "chain": 2, "tests": 3}


async def rebuild(pages: Pages) -> None:
    """A button rebuilds all packages, another one what a rebuild has not built."""
    await pages.force("rebuild-all", "rebuild")
    # What the build system makes fail is retried after a minute.
    await pages.stop("rebuild", "38 of 40 done, 1 failed, retrying in ")
    [first] = await pages.ended("rebuild", results=[CANCELLED])
    assert (first["koji_mass_built"], first["koji_mass_left"]) == (37, 2)
    await pages.force("rebuild-again", "rebuild", only=["failed"])
    failed = (await pages.ended("rebuild", 2, results=[CANCELLED, FAILURE]))[-1]
    assert failed["koji_mass_failed_packages"] == ["failarch"]
    assert failed["koji_mass_total"] == 1
    await pages.force("rebuild-again", "rebuild", only=["skipped", "missing"])
    await pages.stop("rebuild", "0 of 2 done, retrying in ")
    missing = (await pages.ended("rebuild", 3, results=[CANCELLED, FAILURE]))[-1]
    assert (missing["koji_mass_total"], missing["koji_mass_left"]) == (2, 2)
    rows = await pages.mass_packages("rebuild")
    assert sorted(row["package"] for row in rows) == ["failbuilder", "failroot"]


def test_directory_is_resumed(temporary: dict[str, str], tmp_path: Path) -> None:
    """``--once`` runs a build and prints the result and its links; ``--dir`` names a directory.

    The next demo there resumes, hub included.
    """
    base = tmp_path / "base"
    options = ["--once", "--build-seconds", "1", "--dir", str(base)]
    first = demo(temporary, *options)
    assert (first.returncode, first.stderr) == (0, "")
    result, page, *links = first.stdout.splitlines()
    assert result == "SUCCESS: built hello-1.0-main"
    assert page.strip().endswith("/builds/1")
    assert any("buildArch x86_64" in link and "/koji/taskinfo?taskID=" in link for link in links)
    assert any("build hello-1.0-main: http" in link for link in links)
    example = REPOSITORY / "example_master.cfg"
    assert (base / "master.cfg").read_bytes() == example.read_bytes()
    log = (base / "twistd.log").read_text()
    assert "BuildMaster is running" in log
    assert "Traceback" not in log

    again = demo(temporary, *options)
    assert (again.returncode, again.stderr) == (0, "")
    result, page, *links = again.stdout.splitlines()
    # The hub has the build, the pages are where they were.
    assert result == "SUCCESS: adopted hello-1.0-main, already built from the same source"
    assert page.replace("/builds/2", "/builds/1") in first.stdout
    assert any(link in first.stdout for link in links if "buildinfo" in link)
    log = (base / "twistd.log").read_text()
    # Buildbot's own, if the demo ends while the tests of the first build begin.
    assert log.count("Traceback") == log.count("raise BuildStepCancelled")

    with sqlite3.connect(base / "hub.sqlite") as used:
        used.execute("BEGIN EXCLUSIVE")
        busy = demo(temporary, *options)
        used.rollback()
    used.close()
    assert (busy.returncode, busy.stdout) == (1, "")
    state = base / "hub.sqlite"
    remedy = "another demo uses it, end that first"
    assert busy.stderr == f"can't use {state}: database is locked: {remedy}\n"

    older = sqlite3.connect(state)
    older.execute("PRAGMA user_version = 1")
    older.close()
    refused = demo(temporary, *options)
    said = f"{base} is that of another version: name another directory\n"
    assert (refused.returncode, refused.stderr) == (1, said)

    mistaken = demo(temporary, "--once", "--dir", str(tmp_path))
    assert (mistaken.returncode, mistaken.stdout) == (1, "")
    said = f"{tmp_path} is neither empty nor that of an earlier demo: name another directory\n"
    assert mistaken.stderr == said
