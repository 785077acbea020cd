"""What a step does on a hub that answers late, when another master has taken its request."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import Any

import pytest_twisted
from buildbot.plugins import steps
from buildbot.process.results import RETRY

from buildbot_koji.hubs.hub import get_hub
from buildbot_koji.steps.framework.base import SUPERSEDED
from tests.buildbot_koji.workbench import SOURCE, Workbench
from tests.support import REPOSITORY, until
from tests.support.fault_proxy import Fate
from txkoji import Call, Connection, Kind, RetryPolicy

HARMLESS = {"repo.request"}
"""Writes that may be sent by a master that lost its claim: the hub has one of them anyway."""


@pytest_twisted.ensureDeferred
async def test_claim_is_lost_before_a_call_is_sent_again(bench: Workbench) -> None:
    """No step writes to the hub once another master runs its build request."""
    nvr = await bench.built("hello")
    draft = await bench.built("world", draft=True)
    bench.hub.call("tagBuildBypass", "demo-released", nvr)
    sidetag = bench.hub.call("createSideTag", "demo-build")["name"]
    source = SOURCE.format("hello", "another")
    profile: Any = bench.profile
    connection = (await get_hub(bench.master, profile)).connection
    connection.client.requester._retry = RetryPolicy(first=0.1, factor=1.0)
    writes: list[str] = []
    bench.proxy.decide = interrupt_writes(bench, writes)
    for step in (
        steps.KojiCall(profile, method="createTag", args=["claimed"]),
        steps.KojiCancel(profile, tasks=[1]),
        steps.KojiCancel(profile, builds=nvr),
        steps.KojiCreateSideTag(profile, basetag="demo-build"),
        steps.KojiRemoveSideTag(profile, sidetags=[sidetag]),
        steps.KojiTag(profile, tag="demo-build", builds=nvr),
        steps.KojiUntag(profile, tag="demo-released", builds=nvr),
        steps.KojiMove(profile, from_tag="demo-released", to_tag="demo-build", builds=nvr),
        steps.KojiPromote(profile, draft=draft),
        steps.KojiBuild(profile, target="demo", source=source),
    ):
        await check(bench, step, writes)


async def check(bench: Workbench, step: Any, writes: list[str]) -> None:
    """Let another master take the request of a step that waits for the hub."""
    writes.clear()
    request = await bench.begin(step)
    await until(lambda: writes)
    running = bench.running().currentStep
    requests = bench.master.db.buildrequests
    await requests._unclaim_buildrequests_for_master([request], bench.master.masterid)
    heir = await bench.master.db.masters.findMasterId("heir")
    await requests._claim_buildrequests_for_master([request], 1, heir)
    bench.hub.online()
    await until(lambda: running.results is not None and bench.running() is None)
    assert (running.results, len(writes)) == (RETRY, 1), (running, writes)
    assert running.getResultSummary()["step"].startswith(SUPERSEDED)


def interrupt_writes(bench: Workbench, writes: list[str]) -> Callable[[bytes], Fate]:
    """Return what takes the hub offline at the first write, and lists the writes."""

    def decide(data: bytes) -> Fate:
        if b"<methodName>" in data:
            method = data.partition(b"<methodName>")[2].partition(b"<")[0].decode()
            if method != "multiCall" and is_write(method):
                if not writes:
                    bench.hub.offline("a moment")
                writes.append(method)
        return Fate.PASS

    return decide


def is_write(method: str) -> bool:
    return Call(method).kind is Kind.WRITE


def test_each_write_names_its_check() -> None:
    """The plugins write by ``Hub.write``, or by a submission: both check the claim last."""
    found = set()
    for path in sorted((REPOSITORY / "buildbot_koji").rglob("*.py")):
        if "cli" in path.parts or path.name == "cancellations.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                first = node.args[0] if node.args else None
                if name in ("call", "checked", "callRemote") and isinstance(first, ast.Constant):
                    name = str(first.value)
                elif not ast.unparse(node.func.value).endswith(("connection", "koji")):
                    continue
                # SQLAlchemy's connections have methods in one word.
                is_koji = name != name.lower() and not hasattr(Connection, name)
                if is_write(name) and (is_koji or "." in name):
                    found.add(name)
    assert found == HARMLESS
