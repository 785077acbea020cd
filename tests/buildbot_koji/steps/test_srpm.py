"""A step that uploads a source RPM and builds it."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import pytest_twisted
from buildbot.plugins import steps

from tests.buildbot_koji.workbench import Workbench
from tests.support import until
from tests.support.hubs import hold
from txkoji.testing.formats import rpms

SRPM = "hello-2.0-1.src.rpm"


def put(directory: Path, name: str = SRPM) -> bytes:
    """Put a source RPM into a directory; returns it."""
    directory.mkdir(parents=True, exist_ok=True)
    data = rpms.make_rpm("hello", "2.0", "1", "noarch", source=True, buildtime=1)
    (directory / name).write_bytes(data)
    return data


@pytest.mark.parametrize("pattern", [SRPM, "out/*.src.rpm"])
@pytest.mark.parametrize("place", ["worker", "master"])
@pytest_twisted.ensureDeferred
async def test_build(bench: Workbench, place: str, pattern: str) -> None:
    """A source RPM, named or found by a pattern, is uploaded, and is what is built."""
    directory = bench.worker_directory if place == "worker" else bench.directory
    data = put(directory / Path(pattern).parent)
    step = steps.KojiBuildSRPM(bench.logging_in, target="demo", srpm=pattern, files_on=place)
    ended = await bench.build(step)
    assert (ended.result, ended.properties["koji_nvr"]) == ("success", "hello-2.0-1"), ended.text
    task = bench.hub.call("getTaskInfo", ended.properties["koji_task_id"], request=True)
    uploaded = task["request"][0]
    assert uploaded.startswith("cli-build/")
    assert bench.hub.files.read(f"work/{uploaded}") == data


@pytest_twisted.ensureDeferred
async def test_files_that_are_not_there(bench: Workbench) -> None:
    """A file that is missing, or a pattern that matches none or two, is reported in one line."""
    for place, directory in (("worker", bench.worker_directory), ("master", bench.directory)):
        put(directory / "two", "a.src.rpm")
        put(directory / "two", "b.src.rpm")
        for pattern, words in (
            ("none-1-1.src.rpm", "none-1-1.src.rpm"),
            ("none*.src.rpm", f"none*.src.rpm on the {place} must match one file; no file matches"),
            ("two/*.src.rpm", "must match one file; 2 files match: "),
        ):
            ended = await bench.build(
                steps.KojiBuildSRPM(bench.logging_in, target="demo", srpm=pattern, files_on=place)
            )
            assert (ended.result, words in ended.text) == ("exception", True), ended.text
    assert not bench.hub.calls["build"]


@pytest.mark.parametrize("place", ["worker", "master"])
@pytest_twisted.ensureDeferred
async def test_no_regular_file(bench: Workbench, place: str) -> None:
    """A pipe, which would stop the worker, a device and a directory are refused at once."""
    directory = bench.worker_directory if place == "worker" else bench.directory
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "directory.src.rpm").mkdir()
    os.mkfifo(directory / "pipe.src.rpm")
    (directory / "device.src.rpm").symlink_to("/dev/zero")
    for name in ("directory", "pipe", "device"):
        ended = await bench.build(
            steps.KojiBuildSRPM(
                bench.logging_in, target="demo", srpm=f"{name}.src.rpm", files_on=place
            )
        )
        assert ended.result == "exception"
        assert re.search("is no regular file|Is a directory", ended.text), ended.text
    assert not bench.hub.calls["rawUpload"]


@pytest_twisted.ensureDeferred
async def test_next_attempt_uploads_nothing(bench: Workbench) -> None:
    """After a lost worker the task is found: nothing is uploaded or submitted again."""
    put(bench.worker_directory)
    release = hold(bench.hub, "buildArch")
    step = steps.KojiBuildSRPM(bench.logging_in, target="demo", srpm=SRPM, scratch=True)
    request = await bench.begin(step)
    await until(lambda: bench.hub.calls["build"] and "submit" not in bench.text())
    uploads = bench.hub.calls["rawUpload"]
    bench.lose_worker()
    release()
    ended = await bench.ended(request)
    assert (ended.result, ended.attempts) == ("success", 2), ended.text
    assert (bench.hub.calls["rawUpload"], bench.hub.calls["build"]) == (uploads, 1)
