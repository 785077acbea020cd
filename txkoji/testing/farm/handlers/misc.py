"""Tasks that stand alone: ``runroot``, ``sleep``, and those about hosts and their build roots."""

from __future__ import annotations

from twisted.internet.task import deferLater

from txkoji.exceptions import BuildError, BuildrootError, GenericError
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.job import Job
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.methods.hosts import list_hosts
from txkoji.testing.methods.repos import DELETED, EXPIRED, READY
from txkoji.testing.tables.lookups.tags import tag_name
from txkoji.testing.tables.state import Row

RUN_SHARE = 0.6


@handler("runroot")
async def runroot(job: Job) -> str:
    """Run ``runroot``: every command succeeds except ``false``."""
    root, arch, command, *_ = job.request
    words = command if isinstance(command, str) else " ".join(command)
    _check_repo(job, job.require("tagInfo", root))
    await failures.make_build_root(job, words.split(" ")[0], arch)
    await job.log("runroot.log", f"$ {words}", "running", RUN_SHARE)
    if words.split(" ")[0] == "false":
        raise BuildrootError("false exited with status 1")
    return f"{words} completed successfully"


def _check_repo(job: Job, tag: Row) -> None:
    """Refuse a repo that the request names and that no command can run in."""
    if not job.options.get("repo_id"):
        return
    repo = job.state.get("repo", job.options["repo_id"])
    if repo is None:
        raise GenericError("query returned no rows")
    if repo["tag_id"] != tag["id"]:
        name = tag_name(job.state, repo["tag_id"])
        raise BuildError(f"build tag ({tag['name']}) does not match repo tag ({name})")
    if repo["state"] not in (READY, EXPIRED):
        name = "DELETED" if repo["state"] == DELETED else "INIT"
        raise BuildError(f"repos in the {name} state may not be used by runroot")


@handler("sleep")
async def sleep(job: Job) -> None:
    """Run ``sleep``: its argument in seconds, of the hub's clock."""
    seconds = float(job.request[0])
    if not seconds >= 0:
        # NaN would disorder the calls of a test's clock.
        raise ValueError("sleep length must be non-negative")
    await deferLater(job.hub.clock, seconds)


@handler("restartHosts")
async def restart_hosts(job: Job) -> None:
    """Run ``restartHosts``: each enabled host of a channel, or with an architecture, restarts."""
    filters = {"arches": job.options.get("arches"), "channelID": job.options.get("channel")}
    hosts = list_hosts(job, enabled=True, **filters)
    restarts = [job.child("restart", [host], f"restart {host['id']}") for host in hosts]
    await job.wait(restarts)
    checks = [
        job.child("restartVerify", [number, host], f"verify {host['id']}")
        for number, host in zip(restarts, hosts, strict=True)
    ]
    await job.wait(checks)


@handler("restart", "restartVerify")
async def restart(job: Job) -> None:
    """Run ``restart`` or ``restartVerify``."""
    await job.sleep(0.1)


@handler("saveFailedTree")
async def save_failed_tree(job: Job) -> str:
    """Run ``saveFailedTree``: the build root becomes a file."""
    await job.sleep(0.1)
    name = f"broot-{job.request[0]}.tar.gz"
    job.put(name, b"a build root")
    return name
