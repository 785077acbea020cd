"""Masters that share a database and a router, and how they see each other."""

from __future__ import annotations

from collections.abc import Sequence

from tests.buildbot_koji.masters import MasterProcess

CONFIG = """\
from datetime import timedelta

from buildbot.data import masters
from buildbot.plugins import changes, reporters, schedulers, steps, util, worker
from buildbot.process.buildstep import BuildStep
from buildbot.util import service
from buildbot_koji.mass.options import MassTiming

# A master is dead after six seconds instead of ten minutes.
masters.EXPIRE_MINUTES = 6 / 60
service.ClusteredBuildbotService.POLL_INTERVAL_SEC = 1

class Heartbeat(service.BuildbotService):
    name = "heartbeat"

    def startService(self):
        self.master.masterHeartbeatService.step = 1
        return super().startService()

class Success(BuildStep):
    async def run(self):
        return 0

    # Buildbot permanently cancels a step that a shutdown meets before it runs.
    def interrupt(self, reason):
        return service.defer.succeed(None)

SOURCE = "git+https://git.example.test/rpms/%(prop:package)s.git#%(prop:ref)s"
BUILD = steps.KojiBuild("fake", target="demo", source=util.Interpolate(SOURCE))

class MassBuild(steps.KojiMassBuild):
    mass_timing = MassTiming(tick=0.3, store_interval=0.3)

MASS = MassBuild("fake", "demo", ["p%d" % number for number in range(PACKAGES)], at_once=5,
                 source="git+https://git.example.test/rpms/{package}.git#main")
BuildmasterConfig = {
    "multiMaster": True,
    "mq": {"type": "wamp", "router_url": "ROUTER", "realm": "buildbot"},
    "workers": [worker.LocalWorker("NAME-" + name) for name in ("test", "more", "build", "mass")],
    "change_source": [
        changes.KojiChangeSource("fake", name="koji", tags=["candidate"], poll_interval=1,
                                 overlap=10, since=timedelta(minutes=1))
    ],
    "schedulers": [
        schedulers.AnyBranchScheduler(
            name="candidates", builderNames=["test", "more"],
            change_filter=util.KojiChangeFilter(tags=["candidate"])),
        schedulers.ForceScheduler(
            name="force", builderNames=["build", "test", "mass"],
            codebases=[util.CodebaseParameter("", hide=True)],
            properties=[util.StringParameter(name=name, default="")
                        for name in ("package", "ref", "koji_build_id")]),
    ],
    "builders": [
        *[util.BuilderConfig(name=name, workernames=["NAME-" + name], collapseRequests=False,
                             factory=util.BuildFactory([Success()]))
          for name in ("test", "more")],
        util.BuilderConfig(name="build", workernames=["NAME-build"], collapseRequests=False,
                           factory=util.BuildFactory([BUILD])),
        util.BuilderConfig(name="mass", workernames=["NAME-mass"],
                           factory=util.BuildFactory([MASS])),
    ],
    "services": [
        Heartbeat(),
        reporters.KojiTagReporter(profile="fake", builders=["test"],
                                  on_success={"tag": "tested"}),
        # The two that it waits for run on any of the masters.
        reporters.KojiTagReporter(name="gate", profile="fake", requires=["test", "more"],
                                  on_success={"tag": "gated"}),
    ],
    "www": {"plugins": {"koji": {}}},
}
"""

PACKAGES = 30


def config(name: str, router: str, packages: int = 1) -> str:
    """Return the configuration of a master of a cluster, whose mass build has some packages."""
    text = CONFIG.replace("NAME", name).replace("ROUTER", router)
    return text.replace("PACKAGES", str(packages))


async def owner(master: MasterProcess) -> int | None:
    """Return the id of the master in which the change source is active, or None."""
    [source] = (await master.get("changesources"))["changesources"]
    return source["master"] and int(source["master"]["masterid"])


async def master_ids(masters: Sequence[MasterProcess]) -> dict[int, MasterProcess]:
    """Return the masters of a cluster by their ids."""
    found = (await masters[0].get("masters"))["masters"]
    return {
        each["masterid"]: next(
            master for master in masters if each["name"].endswith(str(master.directory))
        )
        for each in found
    }


async def is_declared_dead(peer: MasterProcess, master_id: int) -> bool:
    """Return whether a master has sent no heartbeat for too long, as a peer sees it."""
    [found] = (await peer.get(f"masters/{master_id}"))["masters"]
    return not found["active"]
