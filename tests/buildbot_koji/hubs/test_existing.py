"""Builds that the text of a fault names."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import pytest_twisted

from buildbot_koji.hubs.existing import find_existing_build, find_taken_name
from tests.support import until
from txkoji import Connection, read_fault, task_states
from txkoji.exceptions import AuthExpired, GenericError, HubFault, ServerOffline
from txkoji.testing import FakeHub
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers.registry import HANDLERS
from txkoji.testing.tables.state import Row


@pytest.mark.parametrize(
    "words", ["exists (id={}, state=COMPLETE): {{}}", "in progress (task {})"], ids=["id", "task"]
)
@pytest.mark.parametrize(
    "digits", [f"{2**31}", "9" * 30, "9" * 5000, "\u0663"], ids=["bits", "30", "5000", "odd"]
)
@pytest_twisted.ensureDeferred
async def test_number_that_is_no_id(words: str, digits: str) -> None:
    """The hub is not asked for a number that it can't have."""
    failed = SimpleNamespace(root=SimpleNamespace(state=task_states.FAILED))
    fault = GenericError(f"Build already {words.format(digits)}")
    outcome: Any = SimpleNamespace(fault=fault, tree=failed)
    nobody: Any = None
    assert await find_taken_name(nobody, outcome) is None
    assert await find_existing_build(nobody, outcome, "git+https://a/b#c", None) is None


@pytest.mark.hub(anonymous_user=None)
@pytest_twisted.ensureDeferred
async def test_largest_ids(koji: Connection, hub: FakeHub) -> None:
    """Ids have 32 bits, up to ten digits: a build and a task of such an id are found."""
    commit = f"git+https://src.test/rpms/hello#{'a' * 40}"
    with hub.state.transaction():
        for table in ("build", "task"):
            hub.state.rewind(table, 2**31 - 9)
    task_id = hub.call("build", commit, "demo")
    await until(lambda: hub.call("taskFinished", task_id))
    build = await koji.checked("getBuild", hub.call("listBuilds", "hello")[0]["build_id"])
    assert min(build.build_id, task_id) > 10**9
    failed = SimpleNamespace(root=SimpleNamespace(state=task_states.FAILED))
    exists = GenericError(f"Build already exists (id={build.build_id}, state=COMPLETE): {{}}")
    in_progress = GenericError(f"Build already in progress (task {task_id})")
    outcome: Any = SimpleNamespace(fault=exists, tree=failed)
    assert (await find_taken_name(koji, outcome)).nvr == build.nvr
    failed.descendents = lambda: ()
    for fault in (exists, in_progress):
        outcome.fault = fault
        found = await find_existing_build(koji, outcome, build.source, None)
        assert (found.build.build_id, found.nvr) == (build.build_id, build.nvr)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (ServerOffline("database outage"), "database outage"),
        (AuthExpired("session expired"), "session expired"),
        (GenericError("one: {'a': 1}\ntwo"), "one"),
        (None, "the hub does not say why"),
    ],
    ids=["offline", "session", "any", "none"],
)
@pytest_twisted.ensureDeferred
async def test_fault_that_a_builder_had_with_the_hub(
    koji: Connection,
    hub: FakeHub,
    monkeypatch: pytest.MonkeyPatch,
    fault: HubFault | None,
    reason: str,
) -> None:
    """A task that failed because the hub was offline for its builder has failed: nobody waits."""

    async def end(builder: Builder, task: Row) -> None:
        assert (builder.hub, task["method"]) == (hub, "sleep")
        if fault is not None:
            raise fault

    monkeypatch.setitem(HANDLERS, "sleep", end)
    task_id = hub.call("makeTask", "sleep", [0])
    await until(lambda: hub.call("taskFinished", task_id))
    found, why = await read_fault(koji, task_id)
    assert (type(found), why) == (type(fault), reason)
