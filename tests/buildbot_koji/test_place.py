"""A place to wait in, beside Buildbot's own worker, in real masters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.config.errors import ConfigErrors
from buildbot.plugins import steps, worker

from tests.buildbot_koji.workbench import Workbench


@pytest.mark.parametrize(("kind", "rests"), [(worker.LocalWorker, True), (worker.KojiPlace, False)])
@pytest_twisted.ensureDeferred
async def test_exception(tmp_path: Path, empty_home: Path, kind: Any, rests: bool) -> None:
    """After an exception a place takes the next build at once; Buildbot's own worker rests.

    If a release of Buildbot names its internals differently, or lets no worker rest, one of both
    fails.
    """
    directory = tmp_path / "master"
    directory.mkdir()
    bench = Workbench(directory, worker_class=kind)
    await bench.open(empty_home)
    try:
        ended = await bench.build(steps.KojiTag("no such profile", tag="f44", builds="a-1-1"))
        assert ended.result == "exception"
        [place] = bench.master.workers.workers.values()
        assert place.canStartBuild() is not rests
        if not rests:
            ended = await bench.build(steps.KojiTag("none", tag="f44", builds="a-1-1"))
            assert ended.result == "exception"
    finally:
        await bench.close()


def test_arguments() -> None:
    """The only place needs no name; a misspelt argument is a line of ``checkconfig``."""
    assert worker.KojiPlace(max_builds=2).name == "koji-place"
    with pytest.raises(ConfigErrors) as refused:
        worker.KojiPlace("place", max_build=2)
    assert refused.value.errors == [
        "KojiPlace: max_build is not an argument of KojiPlace: did you mean max_builds?"
    ]
