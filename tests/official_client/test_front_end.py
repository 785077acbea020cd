"""Koji's own client, and ours, through a real Apache httpd that is configured as Koji documents."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from twisted.internet import reactor
from twisted.internet.threads import deferToThread

from tests.official_client.conftest import CLIENT
from tests.support import PROCESS_LIMIT, REPOSITORY, apache
from tests.support import kdc as kdcs
from tests.support.apache import BY_TICKET, Apache
from tests.support.kdc import KDC, REALM
from txkoji import Connection, profiles
from txkoji.testing import FakeHub
from txkoji.testing.formats.rpms import make_rpm

HELLO = "git+https://git.example.test/rpms/hello.git#{}"

COMMANDS = (
    ("moshimoshi", "robot!.*Authenticated via {way}"),
    ("hello", "robot"),
    ("call getLoggedInUser", "'name': 'robot'"),
    ("list-permissions --mine", "admin"),
    (f"build --wait demo {HELLO.format(1)}", r"Created task: (?P<task>\d+).*completed successf"),
    (f"build --scratch --wait demo {HELLO.format(2)}", r"task: (?P<scratch>\d+).*completed succ"),
    ("build --scratch --wait demo hello-2.0-1.src.rpm", r"Uploading srpm.*completed successfully"),
    (f"build --nowait --draft demo {HELLO.format(3)}", r"Created task: (?P<draft>\d+)"),
    ("build --nowait --scratch demo {failarch}", r"Created task: (?P<failing>\d+)"),
    ("watch-task {draft}", "completed successfully"),
    ("taskinfo -v -r {task}", r"State: closed.*Task: (?P<arch>\d+)\s+Type: buildArch"),
    ("list-tasks --mine --all --after 2020-01-01", "build"),
    ("watch-logs {arch}", "build.log"),
    ("download-logs --recurse {task}", "Downloading"),
    ("download-task --noprogress {task}", r"Downloading.*\.rpm"),
    ("buildinfo hello-1.0-1", "State: COMPLETE"),
    ("rpminfo hello-1.0-1.x86_64", "hello-1.0-1.*License: MIT"),
    ("list-tagged demo-candidate", "hello-1.0-1 "),
    ("latest-build demo-candidate hello", "hello-1.0-"),
    ("list-builds --package hello", "hello-1.0-1 .*COMPLETE"),
    ("tag-build --wait demo-released hello-1.0-1", "completed successfully"),
    ("untag-build demo-candidate hello-1.0-1", ""),
    ("move-build --wait demo-released demo-candidate hello-1.0-1", "completed successfully"),
    ("list-history --build hello-1.0-1", "untagged|tagged"),
    ("list-targets", "demo-build"),
    ("taginfo demo-build", "Arches: x86_64"),
    ("list-pkgs --tag demo-candidate", "hello"),
    ("add-pkg --owner robot demo-candidate newcomer", "Adding 1 packages"),
    ("block-pkg demo-candidate newcomer", ""),
    ("wait-repo --request --timeout=20 demo-build", r"repo.*\d"),
    ("regen-repo --make-task --nowait demo-build", r"task:? (?P<regen>\d+)"),
    ("cancel {regen}", ""),
    ("resubmit --nowait {failing}", "Resubmitting"),
    ("add-sidetag demo-build", r"(?P<side>demo-build-side-\d+)"),
    ("remove-sidetag {side}", ""),
    ("--noauth call getKojiVersion", r"\d"),
)
"""What CI asks of Koji, in order, and what the client then says; a group's value is used later."""


class Client:
    """Koji's client in a process that forks for each command."""

    def __init__(self, profile: Path, directory: Path, ticket: str, authority: Path) -> None:
        self._options = ["--config", str(profile), "--profile", "t"]
        self._directory = directory
        driver = Path(__file__).with_name("driver.py")
        self.process = subprocess.Popen(
            [sys.executable, str(driver), str(CLIENT)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=REPOSITORY,
            env={
                **os.environ,
                "HOME": str(directory),
                "KRB5CCNAME": ticket,
                "REQUESTS_CA_BUNDLE": str(authority),
            },
        )

    def run(self, command: str) -> tuple[int, str]:
        """Run a command; returns its exit status and what it wrote."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"argv": [*self._options, *command.split()], "directory": str(self._directory)}
        self.process.stdin.write(json.dumps(asked) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["exit"], answer["output"]

    def stop(self) -> None:
        self.process.terminate()
        self.process.communicate(timeout=PROCESS_LIMIT)


@pytest.fixture
def hub_options() -> Iterator[dict[str, Any]]:
    # Beside other runs of pytest, which close their directories to the user that Apache runs as.
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "hub.db")
        yield {"build_seconds": 0.05, "anonymous_user": None, "state_file": path}


@pytest.fixture
def kdc(monkeypatch: pytest.MonkeyPatch) -> Iterator[KDC]:
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        kdc = KDC(Path(directory))
        kdc.start()
        monkeypatch.setenv("KRB5_CONFIG", str(kdc.configuration))
        yield kdc
        kdc.stop()


@pytest.mark.skipif(not apache.is_there(), reason=apache.HOW_TO_INSTALL)
@pytest.mark.parametrize("way", ["ssl", pytest.param("kerberos", marks=kdcs.marks)])
@pytest_twisted.ensureDeferred
async def test_through_apache(
    request: pytest.FixtureRequest,
    hub: FakeHub,
    hub_options: dict[str, Any],
    tmp_path: Path,
    way: str,
) -> None:
    """Commands, uploads, and downloads that resume work with a certificate and with a ticket."""
    robot, ticket = f"robot@{REALM}", ""
    hub.add_user("robot", principals=[robot], permissions=["admin"])
    settings: dict[str, Any] = {"files": hub_options["state_file"].with_name("hub.db.files")}
    login = f"authtype = {way}\n"
    if way == "ssl":
        login += f"cert = {hub.certificate('robot')}\n"
    else:
        kdc: KDC = request.getfixturevalue("kdc")
        service = kdc.keytab("HTTP/127.0.0.1", "service.keytab")
        # The workers of Apache run as another user.
        service.chmod(0o644)
        settings["login"] = BY_TICKET.format(keytab=service)
        keytab = kdc.keytab(robot, "robot.keytab")
        ticket = f"FILE:{kdc.ticket(robot, keytab, 'cache')}"
        login += f"principal = {robot}\nkeytab = {keytab}\n"
    front = Apache.before(hub, tmp_path / "apache", **settings)
    path = tmp_path / "koji.conf"
    path.write_text(
        f"[t]\nserver = {front.url}/kojihub\ntopurl = {front.url}/kojifiles\n{login}"
        f"serverca = {hub.authority.certificate_path}\npoll_interval = 1\nplugins = sidetag\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    client = Client(path, work, ticket, hub.authority.certificate_path)
    koji = Connection(profiles.load("t", config=path), reactor=reactor)
    try:
        await commands(client, work, "client certificate" if way == "ssl" else "Kerberos|GSSAPI")
        await koji.login()
        await files(koji, front, hub, work)
    finally:
        client.stop()
        await koji.close()
        front.stop()


async def commands(client: Client, work: Path, way: str) -> None:
    """Run all commands, and show those that said something else together."""
    data = make_rpm("hello", "2.0", "1", "noarch", source=True, padding=1_500_000)
    (work / "hello-2.0-1.src.rpm").write_bytes(data)
    known = {"way": f"({way})", "failarch": HELLO.format(1).replace("hello", "failarch")}
    wrong = []
    for line, said in COMMANDS:
        try:
            command = line.format_map(known)
        except KeyError:
            # An earlier command did not say it.
            wrong.append(line)
            continue
        status, output = await deferToThread(client.run, command)
        found = re.search(said.replace("{way}", known["way"]), output, re.DOTALL)
        if status or found is None:
            wrong.append(f"{command}: {status}\n{output[-1500:]}")
        known.update(found.groupdict() if found else {})
    assert not wrong, "\n\n".join(wrong)


async def files(koji: Connection, front: Apache, hub: FakeHub, work: Path) -> None:
    """Upload a file, and download it again beginning with a part of it."""
    content = random.Random(5).randbytes(2_500_000)
    (work / "upload").write_bytes(content)
    name = await koji.upload(work / "upload", directory="cli-build/robot")
    assert hub.files.read(f"work/{name}") == content
    [build] = hub.call("listBuilds", hub.call("getPackageID", "hello"), queryOpts={"limit": 1})
    [file, *_] = await koji.files_of_build(build["build_id"])
    [whole] = await koji.download([file], work / "whole")
    kept = whole.stat().st_size // 2
    (work / "resumed").mkdir()
    (work / "resumed" / f".{whole.name}.part").write_bytes(whole.read_bytes()[:kept])
    [resumed] = await koji.download([file], work / "resumed")
    assert resumed.read_bytes() == whole.read_bytes()
    assert f"206 bytes={kept}-" in (front.directory / "access.log").read_text()
