"""Steps that download: to the worker by a command that runs there, or to the master."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util

from buildbot_koji.words import size_in_words
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import poll, until

ARCHES = ["aarch64", "ppc64le", "x86_64"]


def files_in(directory: Path) -> dict[str, bytes]:
    """Return what is below a directory, hidden files too."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def work(bench: Workbench, name: str = "") -> Path:
    """Return a directory of the worker, below that of its builds."""
    return bench.worker_directory / name


def package(bench: Workbench, path: str) -> bytes:
    """Return a file of a build on the hub."""
    return bytes(bench.hub.files.read(f"packages/hello/1.0/main/{path}"))


@pytest.mark.parametrize("to", ["worker", "master"])
@pytest_twisted.ensureDeferred
async def test_build(bench: Workbench, to: str) -> None:
    """The RPMs of a build come whole, and are named by a property."""
    nvr = await bench.built()
    directory = f"rpms-{to}"
    step = steps.KojiDownloadBuild(
        bench.profile, build_name=util.Property("nvr"), to=to, directory=directory
    )
    ended = await bench.build(step, nvr=nvr)
    assert ended.result == "success", ended.logs
    expected = {f"{nvr}.{arch}.rpm": package(bench, f"{arch}/{nvr}.{arch}.rpm") for arch in ARCHES}
    expected[f"{nvr}.src.rpm"] = package(bench, f"src/{nvr}.src.rpm")
    place = work(bench, directory) if to == "worker" else bench.directory / directory
    assert files_in(place) == expected
    assert sorted(ended.properties["koji_files"]) == sorted(expected)
    size = sum(map(len, expected.values()))
    assert ended.text == f"downloaded 4 files of {nvr}, {size_in_words(size)}"


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        ({"build_name": "hello-1.0-main", "arches": "x86_64 src"}, ["src", "x86_64"]),
        ({"build_name": "hello", "latestfrom": "demo-candidate"}, [*ARCHES, "src"]),
        ({"build_name": "hello-1.0-main.x86_64", "rpm": True}, ["x86_64"]),
    ],
)
@pytest_twisted.ensureDeferred
async def test_choice_of_a_build(
    bench: Workbench, arguments: dict[str, Any], names: list[str]
) -> None:
    """Builds are found by NVR, tag or RPM; architectures are chosen."""
    await bench.built()
    step = steps.KojiDownloadBuild(bench.profile, to="master", directory="chosen", **arguments)
    ended = await bench.build(step)
    assert ended.result == "success", ended.text
    origin = arguments["build_name"] if "rpm" in arguments else "hello-1.0-main"
    assert f" of {origin}, " in ended.text
    found = sorted(name.split(".")[-2] for name in ended.properties["koji_files"])
    assert found == sorted(names)


@pytest_twisted.ensureDeferred
async def test_archives(bench: Workbench) -> None:
    """Archives of a type come by themselves, and are compared with the hub's digests."""
    task_id = bench.hub.call("mavenBuild", SOURCE.format("hello", "main"), "demo")
    await until(lambda: bench.hub.call("taskFinished", task_id))
    [build] = bench.hub.call("listBuilds", taskID=task_id)
    archives = bench.hub.call("listArchives", build["build_id"], type="maven")
    assert archives
    step = steps.KojiDownloadBuild(
        bench.profile, build_name=task_id, task_id=True, type="maven", directory="maven"
    )
    ended = await bench.build(step)
    assert ended.result == "success", ended.logs
    assert f" of {build['nvr']}, " in ended.text
    found = files_in(work(bench, "maven"))
    assert {name: len(data) for name, data in found.items()} == {
        each["filename"]: each["size"] for each in archives
    }


@pytest_twisted.ensureDeferred
async def test_task(bench: Workbench) -> None:
    """The RPMs and logs of a task and those below it come, also where there is no build."""
    task_id = bench.hub.call("build", SOURCE.format("hello", "main"), "demo", {"scratch": True})
    step = steps.KojiDownloadTask(
        bench.profile,
        task_id=util.Property("koji_task_id"),
        arches="x86_64",
        with_logs=True,
        directory="task",
    )
    ended = await bench.build(step, koji_task_id=task_id)
    assert ended.result == "success", ended.logs
    assert f" of task {task_id}, " in ended.text
    mock = ("hw_info", "installed_pkgs", "mock_config", "mock_output", "state")
    assert set(files_in(work(bench, "task"))) == {
        "build.x86_64.log",
        "hello-1.0-main.x86_64.rpm",
        "root.x86_64.log",
        *(f"{name}.x86_64.log" for name in mock),
    }
    step = steps.KojiDownloadTask(
        bench.profile,
        task_id=task_id,
        all=True,
        dirpertask=True,
        filter="log$",
        skip="root|_|state",
    )
    ended = await bench.build(step)
    assert ended.result == "success", ended.logs
    assert {name.partition("/")[2] for name in ended.properties["koji_files"]} == {
        "build.log",
        "checkout.log",
    }


@pytest_twisted.ensureDeferred
async def test_file_that_is_not_what_the_hub_says(bench: Workbench) -> None:
    """A file that is broken on the hub gets no name on the worker; the step says which."""
    nvr = await bench.built()
    path = f"packages/hello/1.0/main/x86_64/{nvr}.x86_64.rpm"
    data = bytes(bench.hub.files.read(path))
    bench.hub.files.write(path, data[:-1] + bytes([data[-1] ^ 1]))
    step = steps.KojiDownloadBuild(bench.profile, build_name=nvr, directory="broken")
    ended = await bench.build(step)
    assert ended.result == "failure"
    assert ended.text.startswith("failed: on the worker: http://")
    assert ended.text.endswith(f"/{path}: its content does not match its digest")
    assert set(files_in(work(bench, "broken"))) == {
        f"{nvr}.{arch}.rpm" for arch in ("aarch64", "ppc64le", "src")
    }


@pytest_twisted.ensureDeferred
async def test_download_goes_on(bench: Workbench) -> None:
    """A part that an earlier fetch left is resumed; one of another file is replaced."""
    nvr = await bench.built()
    arch = f"{nvr}.x86_64.rpm"
    data = package(bench, f"x86_64/{arch}")
    step = steps.KojiDownloadBuild(
        bench.profile, build_name=nvr, arches="x86_64", directory="again"
    )
    for begin in (data[:100], b"of another file" * 30):
        directory = work(bench, "again")
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f".{arch}.part").write_bytes(begin)
        (directory / arch).unlink(missing_ok=True)
        ended = await bench.build(step)
        assert ended.result == "success", ended.logs
        assert files_in(directory) == {arch: data}


@pytest_twisted.ensureDeferred
async def test_what_is_not_there(bench: Workbench) -> None:
    """What the hub does not have is a failure, in one line."""
    nvr = await bench.built()
    for arguments, words in (
        ({"build_name": "a-b-c"}, "the hub has no build a-b-c"),
        ({"build_name": "9" * 30}, "9" * 30),
        ({"build_name": "9" * 30, "task_id": True}, "is not the id of a task"),
        ({"build_name": nvr, "arches": "s390x"}, f"build {nvr} has no RPM of s390x"),
        ({"build_name": nvr, "key": "aabbccdd"}, "is not signed by the key aabbccdd"),
        ({"build_name": "foo", "latestfrom": "demo-candidate"}, "has no build of foo"),
        ({"build_name": nvr, "python": "no-such-python"}, "failed: on the worker: "),
    ):
        ended = await bench.build(steps.KojiDownloadBuild(bench.profile, **arguments))
        assert (ended.result, words in ended.text) == ("failure", True), ended.text
    ended = await bench.build(steps.KojiDownloadTask(bench.profile, task_id=999999))
    assert (ended.result, ended.text) == ("failure", "failed: the hub has no task 999999")
    given = {"build_name": nvr, "arches": "s390x x86_64", "nofailarch": True}
    ended = await bench.build(steps.KojiDownloadBuild(bench.profile, **given))
    assert (ended.result, len(ended.properties["koji_files"])) == ("success", 1)


@pytest.mark.parametrize("how", ["stop", "timeout", "lost worker"])
@pytest_twisted.ensureDeferred
async def test_interrupted_download(bench: Workbench, tmp_path: Path, how: str) -> None:
    """The command on the worker ends with the step; after a lost worker there is another."""
    nvr = await bench.built()
    began = tmp_path / "began"
    python = tmp_path / "python"
    # It hangs the first time.
    python.write_text(
        f'#!/bin/sh\nif [ -e {began} ]; then exec python3 "$@"; fi\n'
        f"echo $$ > {began}\nexec sleep 1000\n"
    )
    python.chmod(0o755)
    step = steps.KojiDownloadBuild(
        bench.profile,
        build_name=nvr,
        directory=how,
        python=str(python),
        timeout=3600 if how == "timeout" else None,
    )
    request = await bench.begin(step)
    await poll(lambda: began.exists() and began.read_text())
    if how == "lost worker":
        bench.lose_worker()
    elif how == "stop":
        await bench.stop_build()
    else:
        bench.expire()
    ended = await bench.ended(request)
    if how == "lost worker":
        assert (ended.result, ended.attempts) == ("success", 2), ended.logs
    else:
        assert ended.result == {"stop": "cancelled", "timeout": "failure"}[how]
        pid = int(began.read_text())
        await poll(lambda: not Path(f"/proc/{pid}").exists())


@pytest.mark.parametrize(
    ("name", "arch", "local"),
    [
        ("build.log", "x86_64", "build.x86_64.log"),
        ("logs/a.b.log", "noarch", "logs/a.b.noarch.log"),
        ("build.log", "a/b", "build.a/b.log"),
        ("build.log", None, "build.log"),
    ],
)
def test_name_of_a_log(name: str, arch: str | None, local: str) -> None:
    """A log is named by its task's architecture, whatever the hub says of that."""
    step = steps.KojiDownloadTask("koji", task_id=1, with_logs=True)
    task = SimpleNamespace(id=1, arch=arch, method="buildArch")
    assert step._local_name(task, name) == local
