"""Tasks that stand alone: ``runroot``, ``sleep``, and those about hosts and their build roots."""

from __future__ import annotations

from twisted.internet.task import deferLater

from txkoji.exceptions import BuildError, BuildrootError, GenericError
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.common import call_of, put_file, write_log
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.methods.hosts import list_hosts
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.repos import DELETED, EXPIRED, READY
from txkoji.testing.tables.lookups.tags import require_tag
from txkoji.testing.tables.state import HubState, Row

RUN_SHARE = 0.6


@handler("runroot")
async def runroot(builder: Builder, task: Row) -> str:
    """Run ``runroot``: every command succeeds except ``false``."""
    root, arch, command, *_ = task["request"]
    words = command if isinstance(command, str) else " ".join(command)
    call = call_of(builder, task)
    _check_repo(call.state, require_tag(call.state, root), task)
    await failures.make_build_root(builder, task, words.split(" ")[0], arch)
    path = f"{task_directory(task['id'])}/runroot.log"
    await write_log(builder, path, f"$ {words}", "running", RUN_SHARE)
    if words.split(" ")[0] == "false":
        raise BuildrootError("false exited with status 1")
    return f"{words} completed successfully"


def _check_repo(state: HubState, tag: Row, task: Row) -> None:
    """Refuse a repo that the request names and that no command can run in."""
    options = task["request"][-1]
    repo_id = options.get("repo_id") if isinstance(options, dict) else None
    if not repo_id:
        return
    repo = state.get("repo", repo_id)
    if repo is None:
        raise GenericError("query returned no rows")
    if repo["tag_id"] != tag["id"]:
        name = state.row("tag", repo["tag_id"])["name"]
        raise BuildError(f"build tag ({tag['name']}) does not match repo tag ({name})")
    if repo["state"] not in (READY, EXPIRED):
        name = "DELETED" if repo["state"] == DELETED else "INIT"
        raise BuildError(f"repos in the {name} state may not be used by runroot")


@handler("sleep")
async def sleep(builder: Builder, task: Row) -> None:
    """Run ``sleep``: its argument in seconds, of the hub's clock."""
    await deferLater(builder.hub.clock, float(task["request"][0]))


@handler("restartHosts")
async def restart_hosts(builder: Builder, task: Row) -> None:
    """Run ``restartHosts``: each enabled host of a channel, or with an architecture, restarts."""
    options = (task["request"] or [None])[0] or {}
    filters = {"arches": options.get("arches"), "channelID": options.get("channel")}
    hosts = list_hosts(call_of(builder, task), enabled=True, **filters)
    restarts = [builder.subtask(task, "restart", [host], f"restart {host['id']}") for host in hosts]
    await builder.wait(task, restarts)
    checks = [
        builder.subtask(task, "restartVerify", [number, host], f"verify {host['id']}")
        for number, host in zip(restarts, hosts, strict=True)
    ]
    await builder.wait(task, checks)


@handler("restart")
@handler("restartVerify")
async def restart(builder: Builder, task: Row) -> None:
    """Run ``restart`` or ``restartVerify``."""
    await builder.sleep(0.1)


@handler("saveFailedTree")
async def save_failed_tree(builder: Builder, task: Row) -> str:
    """Run ``saveFailedTree``: the build root becomes a file."""
    await builder.sleep(0.1)
    name = f"broot-{task['request'][0]}.tar.gz"
    put_file(builder, task, name, b"a build root")
    return name
