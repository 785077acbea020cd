"""Whatever a hub says of tasks, builds and tags, steps end and the database takes it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import pytest_twisted
from buildbot.plugins import steps, util
from twisted.internet.threads import deferToThread

from buildbot_koji.durable.store import MasterState
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import mariadb
from tests.support.ends import AtEnd
from tests.support.odd import Mutator

# Buildbot is older than the Twisted and alembic that it runs on.
pytestmark = [
    *mariadb.marks,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.limit(1200),
    pytest.mark.xdist_group("odd results"),
]

SEED = int(os.environ.get("KOJI_TEST_SEED", "20261125"))

BUILDS = 300 if os.environ.get("KOJI_TEST_SOAK") else 40
"""How many builds get an odd answer."""

ODD = "\0\U0001f600\x1b[31m<b>ü"


@pytest_twisted.async_yield_fixture(scope="module")
async def database() -> AsyncIterator[mariadb.MariaDB]:
    """A server, which the tests share."""
    database = mariadb.MariaDB()
    try:
        await deferToThread(database.start)
        yield database
    finally:
        await deferToThread(database.stop)


@pytest_twisted.async_fixture
async def strict(
    database: mariadb.MariaDB, tmp_path: Path, empty_home: Path, at_end: AtEnd
) -> Workbench:
    """A master on MariaDB with an empty database, and a hub."""
    await deferToThread(database.clear)
    bench = Workbench(tmp_path, database=database.url)
    at_end(bench.close)
    await bench.open(empty_home, build_seconds=0.02)
    return bench


@pytest_twisted.ensureDeferred
async def test_large_state(strict: Workbench) -> None:
    """MariaDB takes the pending cancellations of many builds, in several rows, and keeps them."""
    state = MasterState(strict.master, "large", "Test")
    for size in (70_000, 1, 200_000):
        value = [{"call": '\\ü"' * 10}] * (size // 50)
        await state.put("left", value)
        assert await MasterState(strict.master, "large", "Test").get("left") == value


@pytest_twisted.ensureDeferred
async def test_many_links(strict: Workbench) -> None:
    """A step with more links than the database takes has as many as it takes."""
    # Buildbot writes all links of a step again with each: long names fill the column with few.
    version = "a-long-version".replace("-", ".") * 60
    builds = []
    for number in range(80):
        strict.hub.call("createEmptyBuild", "hello", version, str(number), None)
        builds.append(f"hello-{version}-{number}")
    ended = await strict.build(
        steps.KojiTag(strict.logging_in, tag="demo-candidate", builds=builds)
    )
    assert ended.result == "success"
    assert 50 < len(ended.urls) < 80
    assert len(ended.properties["koji_task_ids"]) == 80


@pytest_twisted.ensureDeferred
async def test_odd_texts(strict: Workbench) -> None:
    """What a database refuses is replaced, in a step's name, properties, summaries and logs."""
    refused = [ODD]

    def answer(name: str, _: list[Any], run: Callable[[], Any]) -> Any:
        return refused if name == "getTag" else run()

    strict.hub.answer = answer
    call = partial(steps.KojiCall, strict.profile, method="getTag", args=["demo-candidate"])
    names = (f"call\n{ODD * 20}", None, 7, " ")
    ended = await strict.build(
        *[call(name=util.Transform(lambda each: each, name)) for name in names]
    )
    assert ended.result == "success", ended
    rows = await strict.master.data.get(("builds", 1, "steps"))
    first, *others = [row["name"] for row in rows][-len(names) :]
    assert first.startswith("call \N{REPLACEMENT CHARACTER}")
    assert others == ["KojiCall", "7", "KojiCall_1"]
    assert "\0" not in ended.properties["koji_call_result"][0]


TOLD = (
    "getTaskInfo",
    "listTasks",
    "getTaskResult",
    "listTaskOutput",
    "listBuilds",
    "listTags",
    "listBuildRPMs",
    "getAverageBuildDuration",
)
"""What steps ask for."""


class OddAnswers:
    """Answers one call of a method oddly.

    Args:
        method: the method.
        mutate: changes its result.
    """

    def __init__(self, method: str, mutate: Mutator) -> None:
        self._method = method
        self._mutate = mutate
        self.given = ""

    def __call__(self, name: str, _: list[Any], run: Callable[[], Any]) -> Any:
        """Return the result of a method; :attr:`txkoji.testing.FakeHub.answer`."""
        result = run()
        if self.given or name != self._method or result is None or self._mutate.chance(0.3):
            return result
        odd = self._mutate(result)
        self.given = f"{name}: {odd!r}"[:300]
        return odd


@pytest_twisted.ensureDeferred
async def test_odd_replies(strict: Workbench) -> None:
    """A build whose hub says odd things of its own task ends, with a reason, and no traceback."""
    mutate = Mutator(SEED)
    answers = {
        f"odd {number}": OddAnswers(TOLD[number % len(TOLD)], mutate) for number in range(BUILDS)
    }

    def answer(name: str, params: list[Any], run: Callable[[], Any]) -> Any:
        build = strict.running()
        odd = None if build is None else answers.get(build.currentStep.name)
        return run() if odd is None else odd(name, params, run)

    strict.hub.answer = answer
    made = []
    for number, name in enumerate(answers):
        source = SOURCE.format("failarch" if number % 5 == 4 else "hello", number)
        made.append(steps.KojiBuild(strict.logging_in, name=name, target="demo", source=source))
    for each, ended in zip(answers.values(), await strict.build_all(*made), strict=True):
        shown = f"seed {SEED}: {each.given} gave {ended.text}"
        assert ended.text, shown
        assert "err.text" not in ended.logs, f"{shown}\n{ended.logs.get('err.text')}"
    assert mutate.count > BUILDS // 4
