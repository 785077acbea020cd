"""A master whose builds end as the test says, and what its reporters store."""

from __future__ import annotations

from typing import Any

from buildbot.process.results import SUCCESS

from tests.buildbot_koji.masters import MasterProcess
from tests.support import poll
from txkoji.testing import FakeHub

CONFIG = """\
import os
from buildbot.plugins import reporters, schedulers, steps, util, worker
from buildbot.process.buildstep import BuildStep

class Result(BuildStep):
    async def run(self):
        return int(self.getProperty("result"))

SOURCE = "git+https://git.example.test/rpms/hello.git#main"
SCRATCH = steps.KojiBuild("fake", target="demo", source=SOURCE, scratch=True)
BUILDERS = ["plain", "first", "second", "third", "idle"]

def tagging(name, **options):
    return reporters.KojiTagReporter(profile="fake", name=name, **options)

def ci_messages(name, **options):
    return reporters.KojiCIMessages(profile=util.KojiHub("fake"), name=name, **options)

BuildmasterConfig = {
    "workers": [worker.KojiPlace(name) for name in BUILDERS],
    "builders": [
        *[
            util.BuilderConfig(name=name, workernames=[name],
                               canStartBuild=lambda *_: not os.path.exists("hold"),
                               factory=util.BuildFactory([Result(warnOnWarnings=True)]))
            for name in BUILDERS
        ],
        util.BuilderConfig(name="scratch", workernames=["idle"],
                           factory=util.BuildFactory([SCRATCH])),
        util.BuilderConfig(name="misspelled", workernames=["idle"],
                           factory=util.BuildFactory([steps.KojiRedelivery(reporter="nosuch")])),
        util.BuilderConfig(name="redelivery", workernames=["idle"],
                           factory=util.BuildFactory([steps.KojiRedelivery(reporter="plain")])),
    ],
    "schedulers": [
        schedulers.ForceScheduler(
            name="force",
            builderNames=[*BUILDERS, "scratch", "redelivery", "misspelled"],
            codebases=[util.CodebaseParameter("", hide=True)],
            properties=[
                util.StringParameter(name=name, default="")
                for name in ("koji_build_id", "koji_nvr", "result", "stage")
            ],
        )
    ],
    "services": [REPORTERS],
    "collapseRequests": False,
}
"""


def config(*reporters: str) -> str:
    return CONFIG.replace("[REPORTERS]", "[\n" + "".join(reporters) + "    ]")


def add_build(hub: FakeHub, release: str, *tags: str) -> int:
    """Add a finished Koji build in some tags; returns its id."""
    build_id = int(hub.call("createEmptyBuild", "hello", "1", release, None))
    for tag in tags:
        hub.call("tagBuildBypass", tag, build_id)
    return build_id


async def run(master: MasterProcess, builder: str, koji_build: int, result: int = SUCCESS) -> Any:
    """Run a build that is about a Koji build; returns it."""
    request = await master.force(
        builder, koji_build_id=str(koji_build), result=str(result), stage="tested"
    )
    return await master.ended(request)


async def records(master: MasterProcess, build: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return what is stored of the deliveries of a build, by their names."""
    path = f"builds/{build['buildid']}/data"
    stored = [
        await master.get(f"{path}/{each['name']}/value")
        for each in (await master.get(path))["build_data"]
    ]
    return {each["name"]: each for each in stored}


async def settled(master: MasterProcess, build: dict[str, Any], name: str = "tag") -> str:
    """Wait for the end of a delivery of a build; returns state and words."""

    async def final() -> Any:
        found = (await records(master, build)).get(name)
        return found if found and found["state"] in ("delivered", "dead") else None

    found = await poll(final)
    return f"{found['state']}: {found['said']}"
