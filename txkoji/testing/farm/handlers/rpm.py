"""RPM builds: ``build`` and its parts, ``chainbuild``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import BuildError, GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.job import MOCK_LOGS, Job, output_of
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.farm.handlers.sources import is_scm_url, nvr_of, parse_source, release_of
from txkoji.testing.formats import rpms
from txkoji.testing.methods.builds import build_directory
from txkoji.testing.methods.rpms import import_rpm
from txkoji.testing.tables.lookups.builds import BUILD_STATES, build_nvr
from txkoji.testing.tables.state import Row

SRPM_SHARE = 0.2

ARCH_LOGS = ("hw_info.log", "installed_pkgs.log")
"""The logs of a build for an architecture that mock writes at its end."""


@handler("build")
async def build(job: Job) -> None:
    """Run ``build``: source RPM, one buildArch an architecture, import, tag."""
    source, target_info, *_ = job.request
    options = job.options
    target = None
    if target_info is not None or not options.get("repo_id"):
        target = job.target(target_info, GenericError)
    scratch = bool(options.get("scratch"))
    if options.get("arch_override") and not scratch:
        raise BuildError("arch_override is only allowed for scratch builds")
    repo_id, build_tag = await job.find_repo(target)
    srpm = await _source_rpm(job, source, build_tag, repo_id, scratch)
    name, _, _ = nvr_of(srpm["srpm"])
    dest_tag = None if target is None or options.get("skip_tag") else target["dest_tag"]
    if not scratch and dest_tag is not None:
        job.check_listed(dest_tag, name)
    row = None if scratch else _begin(job, source, srpm)
    arches = job.arches(build_tag, name, options.get("arch_override"))
    more = {"repo_id": repo_id}
    children = [
        job.child("buildArch", [srpm["srpm"], build_tag, arch, number == 0, more], arch, arch)
        for number, arch in enumerate(arches)
    ]
    results = await job.wait(children)
    if row is None:
        made = [srpm["srpm"], *(path for result in results for path in result["rpms"])]
        job.move_to_scratch(made)
        return
    if row["state"] != BUILD_STATES["COMPLETE"]:
        _import(job, row, srpm, arches, results)
    if dest_tag is not None:
        await job.tag(row, dest_tag)


def _begin(job: Job, source: str, srpm: dict[str, Any]) -> Row:
    resolved = srpm.get("source") or {}
    extra: dict[str, Any] = {"source": {"original_url": resolved.get("url", source)}}
    if job.options.get("custom_user_metadata"):
        extra["custom_user_metadata"] = job.options["custom_user_metadata"]
    return job.begin_build(
        nvr_of(srpm["srpm"]),
        "rpm",
        source=resolved.get("source"),
        extra=extra,
        draft=bool(job.options.get("draft")),
    )


async def _source_rpm(
    job: Job, source: str, build_tag: int, repo_id: int, scratch: bool
) -> dict[str, Any]:
    options = {"repo_id": repo_id, "scratch": scratch or None}
    method = "buildSRPMFromSCM"
    if not is_scm_url(source):
        method = "rebuildSRPM"
        if not scratch:
            job.require_policy("build_from_srpm", exempt=job.hub.allow_srpm_builds)
        if not job.files.exists(f"work/{source}"):
            raise GenericError(f"No such file: {source}")
    return dict(await job.run(method, [source, build_tag, options], "srpm"))


def _import(
    job: Job, row: Row, srpm: dict[str, Any], arches: list[str], results: list[Any]
) -> None:
    """Copy the children's output to the build's directory, and complete the build."""
    state = job.state
    directory = build_directory(job, row)
    binaries = [path for result in results for path in result["rpms"]]
    source = srpm["srpm"].rpartition("/")[2]
    logs = {arch: result["logs"] for arch, result in zip(arches, results, strict=True)}
    with state.transaction():
        job.complete(row)
        import_rpm(job, row, srpm["srpm"], None, srpm["brootid"])
        for result in results:
            for path in result["rpms"]:
                import_rpm(job, row, path, source, result["brootid"])
        for arch, paths in logs.items():
            for path in paths:
                name = path.rpartition("/")[2]
                job.files.copy(f"work/{path}", f"{directory}/data/logs/{arch}/{name}")
        state.announce(lambda: messages.build_imported(state, row, srpm["srpm"], binaries, logs))


@handler("buildSRPMFromSCM")
async def build_srpm_from_scm(job: Job) -> dict[str, Any]:
    """Run ``buildSRPMFromSCM``."""
    source = job.request[0]
    name, revision = parse_source(source)
    checked_out = await failures.check_out(job, source, SRPM_SHARE)
    if revision.startswith("failsrpm"):
        raise BuildError("error building srpm, exit code 1; see root.log")
    job.put("build.log", f"Building SRPM of {name}\n".encode())
    # The spec file of a commit always gives the same release.
    made = job.state.one("build", source=source)
    release = made["release"].partition(",")[0] if made else release_of(revision)
    result = _store_srpm(job, name, "1.0", release)
    return {**result, "source": {"source": checked_out, "url": source}}


@handler("rebuildSRPM")
async def rebuild_srpm(job: Job) -> dict[str, Any]:
    """Run ``rebuildSRPM``."""
    source = job.request[0]
    name, version, release = nvr_of(source)
    await job.sleep(SRPM_SHARE)
    job.put("build.log", b"Rebuilding the SRPM\n")
    result = _store_srpm(job, name, version, release)
    file = source.rpartition("/")[2]
    return {**result, "source": {"source": file, "url": file}}


def _store_srpm(job: Job, name: str, version: str, release: str) -> dict[str, Any]:
    now = int(job.hub.now())
    data = rpms.make_rpm(name, version, release, "noarch", source=True, buildtime=now)
    path = job.put(f"{name}-{version}-{release}.src.rpm", data)
    root_id = job.make_build_root("noarch")
    logs = [f"{output_of(job.id)}/{each}" for each in ("build.log", *MOCK_LOGS)]
    return {"srpm": path, "logs": logs, "brootid": root_id}


@handler("buildArch")
async def build_arch(job: Job) -> dict[str, Any]:
    """Run ``buildArch``: the log grows, then the RPM is there."""
    srpm, _, arch, keep_srpm, *_ = job.request
    name, version, release = nvr_of(srpm)
    root_id = job.make_build_root(arch)
    await failures.work(job, name, arch, pace=job.builder.pace(name, arch, job.id))
    data = rpms.make_rpm(name, version, release, arch, buildtime=int(job.hub.now()))
    path = job.put(f"{name}-{version}-{release}.{arch}.rpm", data)
    kept = []
    if keep_srpm:
        kept = [job.put(srpm.rpartition("/")[2], job.files.read(f"work/{srpm}"))]
    for log in ARCH_LOGS:
        job.put(log, f"{log} of {arch}\n".encode())
    logs = [f"{output_of(job.id)}/{each}" for each in ("build.log", *MOCK_LOGS, *ARCH_LOGS)]
    return {"rpms": [path], "srpms": kept, "logs": logs, "brootid": root_id}


@handler("chainbuild")
async def chain_build(job: Job) -> None:
    """Run ``chainbuild``: level by level, each in a repo that holds the level before."""
    levels, target_info, *_ = job.request
    if job.options.get("scratch"):
        raise GenericError("--scratch is not allowed with chain-builds")
    target = job.target(target_info, GenericError)
    for level, sources in enumerate(levels):
        children = [
            job.child("build", [source, target_info, job.options], f"build {level},{number}")
            for number, source in enumerate(sources)
            if is_scm_url(source)
        ]
        await job.wait(children)
        if level + 1 < len(levels):
            # An entry that is no source names a build that the next level waits for.
            nvrs = [source for source in sources if not is_scm_url(source)] + [
                build_nvr(job.state, row)
                for child in children
                for row in job.state.rows("build", task_id=child)
            ]
            request = [target["build_tag_name"], None, nvrs, None]
            await job.run("waitrepo", request, f"wait {level}")
