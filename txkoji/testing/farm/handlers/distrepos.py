"""Dist repos: ``distRepo`` and its subtask ``createdistrepo``."""

from __future__ import annotations

from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.farm.handlers.job import Job
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.farm.handlers.repos import REPO_SHARE
from txkoji.testing.methods.repos import EXPIRED, READY
from txkoji.testing.tables.lookups.builds import tagged_builds
from txkoji.testing.tables.lookups.structs import repo_struct, rpm_name


@handler("distRepo")
async def dist_repo(job: Job) -> str:
    """Run ``distRepo``: a child for each architecture, then the repo is READY."""
    tag_name, repo_id, keys, options = job.request
    state = job.state
    repo = state.row("repo", repo_id)
    children = [
        job.child("createdistrepo", [tag_name, repo_id, arch, keys, options], arch)
        for arch in options["arch"]
    ]
    await job.wait(children)
    with state.transaction():
        before = repo_struct(state, repo)
        state.announce(lambda: messages.repo_done(before, expire=False))
        for old in state.rows("repo", tag_id=repo["tag_id"], state=READY, dist=True):
            state.update("repo", old["id"], state=EXPIRED, state_ts=job.hub.now())
        state.update("repo", repo_id, state=READY, state_ts=job.hub.now())
    return f"Dist repository #{repo_id} successfully generated"


@handler("createdistrepo")
async def create_dist_repo(job: Job) -> None:
    """Run ``createdistrepo``: the signed RPMs of a tag for one architecture."""
    tag_name, repo_id, arch, keys, options = job.request
    await job.sleep(REPO_SHARE)
    tag_id = job.tag_id(tag_name)
    tagged = tagged_builds(
        job.state,
        tag_id,
        event=options.get("event"),
        inherit=bool(options.get("inherit", True)),
        latest=options.get("latest"),
    )
    names: list[str] = []
    unsigned: list[str] = []
    for build, _ in tagged:
        for rpm in job.state.rows("rpminfo", build_id=build["id"]):
            if rpm["arch"] not in (arch, "noarch"):
                continue
            file = f"{rpm_name(rpm)}.rpm"
            signatures = job.state.rows("rpmsigs", rpm_id=rpm["id"])
            found = {each["sigkey"] for each in signatures}
            (names if not keys or found & set(keys) else unsigned).append(file)
    if unsigned:
        job.put("missing_signatures.log", "\n".join(unsigned).encode())
        if not (options.get("allow_missing_signatures") or options.get("skip_missing_signatures")):
            raise GenericError("Unsigned packages found. See missing_signatures.log")
        if options.get("allow_missing_signatures"):
            names += unsigned
    top = f"repos-dist/{tag_name}/{repo_id}/{arch}"
    job.files.write(f"{top}/repodata/repomd.xml", b"<repomd/>\n")
    job.files.write(f"{top}/pkglist", "\n".join(sorted(names)).encode())
