"""Files from a hub: whole, compared, from where a download stopped, and nowhere else."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from munch import munchify
from twisted.internet.defer import Deferred, succeed
from twisted.logger import LogEvent, globalLogPublisher

from tests.support import free_port, until
from tests.support.ends import AtEnd
from tests.support.fault_proxy import Fate, FaultProxy
from tests.support.hubs import Connect
from tests.support.peers import Peer
from txkoji import Connection, task_states
from txkoji.exceptions import (
    ConnectionFailed,
    HTTPStatusError,
    KojiException,
    TransferError,
    UnusableAnswer,
)
from txkoji.files.downloads import RemoteFile, download, files_of_build, files_of_task
from txkoji.files.rpm import payload_hash
from txkoji.files.uploads import Progress
from txkoji.retry import RetryPolicy
from txkoji.testing import FakeHub
from txkoji.testing.formats.rpms import make_rpm
from txkoji.testing.methods.output import task_directory

SOURCE = "git+https://git.example.test/rpms/hello.git#{}"
BIG = random.Random(7).randbytes(3_000_000)


@pytest.fixture
def connection_options() -> dict[str, Any]:
    return {
        "deadline": 5,
        "request_timeout": 0.5,
        "retry": RetryPolicy(first=0.01, ceiling=0.05),
    }


async def built(hub: FakeHub, ref: str) -> int:
    """Build a package; returns the id of the task."""
    task_id = int(hub.call("build", SOURCE.format(ref), "demo"))
    await until(lambda: hub.call("getTaskInfo", task_id)["state"] == task_states.CLOSED)
    return task_id


def files_in(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def remote(hub: FakeHub, content: bytes = BIG, **changes: Any) -> RemoteFile:
    """Put a file on the hub; returns what is known of it."""
    hub.files.write("work/big", content)
    digest = ("sha256", hashlib.sha256(content).hexdigest())
    file = RemoteFile("big", f"{hub.topurl}/work/big", len(content), digest)
    return replace(file, **changes)


async def fetch(koji: Connection, file: RemoteFile, directory: Path) -> list[Path]:
    """Download one file."""
    return await download(koji.client, [file], directory, at_once=4, progress=None)


@pytest_twisted.ensureDeferred
async def test_task(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """All files of a task arrive under their names; progress counts them together."""
    task_id = await built(hub, "1")
    arch = next(
        task for task in hub.call("listTasks", {"parent": task_id}) if task["method"] == "buildArch"
    )
    steps: list[Progress] = []
    paths = await koji.download_task(arch["id"], tmp_path, progress=steps.append)
    names = sorted(hub.call("listTaskOutput", arch["id"]))
    assert [path.name for path in paths] == names == files_in(tmp_path)
    assert steps[-1].done == steps[-1].total == sum(path.stat().st_size for path in paths)
    hashes = [payload_hash(path) for path in paths if path.suffix == ".rpm"]
    assert hashes
    assert all(hashes)


@pytest_twisted.ensureDeferred
async def test_build(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """The RPMs of a build arrive and are what the hub says of them, by its name and by its id."""
    task_id = await built(hub, "1")
    [build] = hub.call("listBuilds", taskID=task_id)
    paths = await koji.download_build("hello-1.0-1", tmp_path / "a")
    rpms = hub.call("listRPMs", buildID=build["build_id"])
    assert {path.name: payload_hash(path) for path in paths} == {
        f"{each['nvr']}.{each['arch']}.rpm": each["payloadhash"] for each in rpms
    }
    some = await koji.download_build(build["build_id"], tmp_path / "b", arches=["src"])
    assert [path.name for path in some] == ["hello-1.0-1.src.rpm"]


@pytest.mark.parametrize("canceled", [None, "getTaskInfo", "listTaskOutput"])
@pytest_twisted.ensureDeferred
async def test_log_that_grows(
    koji: Connection, hub: FakeHub, tmp_path: Path, canceled: str | None
) -> None:
    """The log of a running task may grow until it is read, and that of one just canceled, too."""
    hub.builder.seconds = 60
    task_id = int(hub.call("build", SOURCE.format("1"), "demo"))
    path = f"{task_directory(task_id)}/build.log"
    hub.files.write(path, b"one\n")
    steps: list[Progress] = []
    ask = koji.client.call

    async def ask_and_grow(method: str, *arguments: Any, **named: Any) -> Any:
        if method == canceled:
            hub.call("cancelTask", task_id)
        answer = await ask(method, *arguments, **named)
        if method == "listTaskOutput":
            hub.files.append(path, b"two\n")
        return answer

    koji.client.call = ask_and_grow  # type: ignore[method-assign]
    [log] = await koji.download_task(task_id, tmp_path, progress=steps.append)
    assert log.read_bytes() == b"one\ntwo\n"
    assert steps[-1].done == 8


@pytest_twisted.ensureDeferred
async def test_file_on_two_volumes(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """A file that lies on two volumes is downloaded once."""
    task_id = int(hub.call("build", SOURCE.format("1"), "demo"))
    stat = {"st_size": "4"}
    answer: Any = {"a.log": {"archive": stat, "DEFAULT": stat}, "b.log": {"archive": stat}}
    ask = koji.client.call

    def two_volumes(method: str, *arguments: Any, **named: Any) -> Any:
        return succeed(answer) if method == "listTaskOutput" else ask(method, *arguments, **named)

    koji.client.call = two_volumes  # type: ignore[method-assign]
    files = await Deferred.fromCoroutine(files_of_task(koji.client, task_id))
    assert [(file.name, "/vol/archive/" in file.url) for file in files] == [
        ("a.log", False),
        ("b.log", True),
    ]


@pytest_twisted.ensureDeferred
async def test_odd_listing(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """A name that can't be used is left out, and logged; an odd size is unknown."""
    task_id = int(hub.call("build", SOURCE.format("1"), "demo"))
    odd = ["a\x1b[31m.log", "../up.log", "/etc/passwd", "a/../../b", "", "\u0085", "x" * 20_000]
    sizes: dict[str, Any] = {"neg": -1, "text": "x", "big": 2**62, "digits": "12", "none": None}
    listing: dict[str, Any] = {name: {"DEFAULT": {"st_size": "1"}} for name in odd}
    listing.update({name: {"DEFAULT": {"st_size": size}} for name, size in sizes.items()})
    listing.update({f"n{number}": {"DEFAULT": {"st_size": 1}} for number in range(10_000)})
    listing["volumes"], listing["stat"] = [], {"DEFAULT": 7, 5: {}, "\0": {}}
    ask = koji.client.call

    def answer(method: str, *arguments: Any, **named: Any) -> Any:
        return succeed(listing) if method == "listTaskOutput" else ask(method, *arguments, **named)

    koji.client.call = answer  # type: ignore[method-assign]
    logged: list[LogEvent] = []
    globalLogPublisher.addObserver(logged.append)
    try:
        files = await koji.files_of_task(task_id)
        await koji.files_of_task(task_id)
    finally:
        globalLogPublisher.removeObserver(logged.append)
    found = {file.name: file.size for file in files}
    assert len(found) == len(files) == 10_000 + len(sizes) + 1
    assert {name: found[name] for name in (*sizes, "stat")} == {
        "neg": None, "text": None, "big": 2**62, "digits": 12, "none": None, "stat": None,
    }  # fmt: skip
    rows = [event["row"] for event in logged if event.get("method") == "listTaskOutput"]
    assert len(rows) == len({*rows}) == len(odd) + 1
    assert all(row.isprintable() for row in rows)


def answer_about_build(koji: Connection, answers: dict[str, Any]) -> None:
    """Have a hub answer, by method, what it is asked about the build 1, and nothing else."""

    def answer(method: str, *args: Any, **named: Any) -> Any:
        asked = {"build": args[0]} if method == "getBuild" else named
        kind = {"type": "maven"} if "type" in named else {}
        assert asked == ({"build": 1} if method == "getBuild" else {"buildID": 1, **kind})
        return succeed(munchify(answers[method]))

    koji.client.call = answer  # type: ignore[method-assign]


@pytest_twisted.ensureDeferred
async def test_odd_build(koji: Connection, hub: FakeHub) -> None:
    """An odd RPM or archive is left out; its neighbors are listed."""
    rpm = {"id": 1, "nvr": "app-1-1", "arch": "noarch", "size": 3, "payloadhash": None}
    archive = {"btype": "maven", "filename": "a.jar", "group_id": "g", "artifact_id": "a"}
    archive = {**archive, "version": "1", "size": "x", "checksum": None, "checksum_type": 1}
    answers: dict[str, Any] = {
        "getBuild": {"id": 1, "name": "app", "version": "1", "release": "1", "volume_name": 7},
        "listRPMs": [{**rpm, "arch": None}, 7, None, {**rpm, "nvr": "../app"}, rpm],
        "listArchives": [{**archive, "group_id": []}, {**archive, "filename": "../x"}, [], archive],
    }
    answer_about_build(koji, answers)
    files = await koji.files_of_build(1, topurl="http://k")
    assert [(file.name, file.size, file.digest) for file in files] == [
        ("app-1-1.noarch.rpm", 3, None),
        ("a.jar", None, None),
    ]
    for method, value in (("listRPMs", None), ("getBuild", []), ("listArchives", {})):
        good, answers[method] = answers[method], value
        with pytest.raises(UnusableAnswer, match=f"the hub answered {method} with"):
            await koji.files_of_build(1, topurl="http://k")
        answers[method] = good


@pytest_twisted.ensureDeferred
async def test_going_on(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """A part that an earlier download left is resumed."""
    file = remote(hub)
    (tmp_path / ".big.part").write_bytes(BIG[:1_000_001])
    [path] = await fetch(koji, file, tmp_path)
    assert path.read_bytes() == BIG
    assert files_in(tmp_path) == ["big"]


@pytest.mark.parametrize("left", [b"of another file", BIG[:5] + b"x", BIG + b"more", BIG])
@pytest_twisted.ensureDeferred
async def test_left_overs(koji: Connection, hub: FakeHub, tmp_path: Path, left: bytes) -> None:
    """What an earlier download left of another file is replaced; a whole one is only compared."""
    (tmp_path / ".big.part").write_bytes(left)
    [path] = await fetch(koji, remote(hub), tmp_path)
    assert path.read_bytes() == BIG


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"size": len(BIG) - 1}, "more than the 2,999,999 bytes"),
        ({"size": None, "digest": ("sha256", "00")}, "its sha256 digest is "),
        ({"digest": ("md5", "00")}, "its md5 digest is "),
        ({"digest": ("rpm", "00")}, "it is no RPM file"),
    ],
)
@pytest_twisted.ensureDeferred
async def test_not_what_the_hub_says(
    koji: Connection, hub: FakeHub, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    """A file that is not what the hub says of it never gets its name."""
    with pytest.raises(TransferError, match="did not arrive whole") as caught:
        await fetch(koji, remote(hub, **changes), tmp_path)
    assert words in str(caught.value)
    assert files_in(tmp_path) == []


@pytest_twisted.ensureDeferred
async def test_rpm_that_was_changed(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """An RPM with a byte changed is not what its own digest says."""
    data = bytearray(make_rpm("hello", "1", "1", "noarch", padding=5000))
    data[-3] ^= 1
    file = remote(hub, bytes(data), digest=("rpm", "00"))
    with pytest.raises(TransferError, match="its content does not match its digest"):
        await fetch(koji, file, tmp_path)


@pytest.mark.parametrize("fate", [Fate.RESET_BEFORE, Fate.RESET_AFTER, Fate.TRUNCATE, Fate.STALL])
@pytest_twisted.ensureDeferred
async def test_broken_network(
    connect: Connect, hub: FakeHub, tmp_path: Path, fate: Fate, at_end: AtEnd
) -> None:
    """A download that breaks resumes at its offset, as often as it takes."""
    bad = iter([fate] * 3)
    proxy = FaultProxy(hub.url, lambda _: next(bad, Fate.PASS))
    at_end(proxy.stop)
    file = remote(hub)
    url = proxy.url.replace("/kojihub", "/kojifiles/work/big")
    [path] = await fetch(connect(), replace(file, url=url), tmp_path)
    assert path.read_bytes() == BIG
    assert proxy.fates[fate] == 3


@pytest_twisted.ensureDeferred
async def test_file_that_is_not_there(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """A missing file, or host, is reported with what to check, and leaves nothing behind."""
    file = RemoteFile("x", f"{hub.topurl}/work/absent", 10)
    with pytest.raises(HTTPStatusError, match=r"404: .*check 'topurl' of the profile"):
        await fetch(koji, file, tmp_path)
    koji.client.requester.limits = replace(koji.client.requester.limits, deadline=1)
    with pytest.raises(ConnectionFailed, match=r"nothing listens .* 'topurl' of the profile right"):
        await fetch(koji, replace(file, url=f"http://127.0.0.1:{free_port()}/x"), tmp_path)
    assert files_in(tmp_path) == []


@pytest_twisted.ensureDeferred
async def test_what_cannot_be_downloaded(
    koji: Connection, connect: Connect, hub: FakeHub, tmp_path: Path
) -> None:
    """No build, no task, no place for files, no place on disk: one line each."""
    with pytest.raises(TransferError, match="has no build 'nope-1-1'"):
        await koji.download_build("nope-1-1", tmp_path)
    with pytest.raises(TransferError, match="has no task 99999"):
        await koji.download_task(99999, tmp_path)
    with pytest.raises(TransferError, match="does not say where the hub's files are: set topurl"):
        await connect(topurl=None).download_build("hello-1.0-1", tmp_path)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(TransferError, match=r"can't write .*taken/big: (Not a directory|File exi)"):
        await fetch(koji, remote(hub), tmp_path / "taken")


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "a/../../x", "", "a\0b", "..", "\ud800", "a//b", "./x"]
)
def test_names_that_lead_out(tmp_path: Path, name: str) -> None:
    """A hub can't name a file outside of the target directory."""
    with pytest.raises(TransferError, match="outside of the directory"):
        RemoteFile(name, "").local_path(tmp_path)


def test_names_that_stay_inside(tmp_path: Path) -> None:
    """A name may have directories."""
    assert RemoteFile("a/b..c", "").local_path(tmp_path) == tmp_path / "a" / "b..c"


@pytest.mark.parametrize("data", [b"", b"x" * 200, make_rpm("a", "1", "1", "noarch")[:150]])
def test_what_is_no_rpm(tmp_path: Path, data: bytes) -> None:
    """A file that is no RPM, or only part of one, is reported as such."""
    path = tmp_path / "x"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r"no RPM file|no digest"):
        payload_hash(path)


@pytest_twisted.ensureDeferred
async def test_two_files_of_one_name(koji: Connection, hub: FakeHub, tmp_path: Path) -> None:
    """Files that would overwrite each other are refused before anything is fetched."""
    file = remote(hub)
    other = replace(file, url=f"{file.url}?other")
    with pytest.raises(TransferError, match=r"several files would go to .*/big"):
        await download(koji.client, [file, other], tmp_path, at_once=4, progress=None)
    assert files_in(tmp_path) == []


@pytest_twisted.ensureDeferred
async def test_archives_of_one_name(koji: Connection, hub: FakeHub) -> None:
    """Archives of the same name are distinguished by their paths below the build's directory."""
    archive = {
        "btype": "maven", "filename": "app.jar", "size": 3, "checksum": "00", "checksum_type": 1,
        "version": "1", "artifact_id": "app",
    }  # fmt: skip
    odd = {**archive, "filename": "odd.jar", "group_id": "org.c", "checksum_type": 99}
    answers: dict[str, Any] = {
        "getBuild": {"id": 1, "name": "app", "version": "1", "release": "1"},
        "listRPMs": [],
        "listArchives": [
            {**archive, "group_id": "org.a"}, {**archive, "group_id": "org.b"}, odd,
        ],
    }  # fmt: skip

    answer_about_build(koji, answers)
    files = await files_of_build(koji.client, 1, None, topurl="http://k")
    assert [file.name for file in files] == [
        "maven/org/a/app/1/app.jar", "maven/org/b/app/1/app.jar", "odd.jar",
    ]  # fmt: skip
    assert files[2].digest is None


@pytest_twisted.ensureDeferred
async def test_bytes_that_come_again_are_no_progress(
    koji: Connection, tmp_path: Path, at_end: AtEnd
) -> None:
    """A front end that cuts each file and each part ends a download by its deadline."""

    def answer(request: bytes) -> bytes:
        if b"Range" in request:
            return (
                b"HTTP/1.1 206 X\r\nContent-Range: bytes 7-9/999999\r\nContent-Length: 3\r\n\r\nabc"
            )
        return b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"x" * 500_000

    peer = Peer(then=answer, closes=True)
    koji.client.requester.limits = replace(koji.client.requester.limits, deadline=2)
    with pytest.raises(KojiException):
        await fetch(koji, RemoteFile("f", f"http://{peer.start(at_end)}/f", 999_999), tmp_path)
