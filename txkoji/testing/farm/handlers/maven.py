"""Maven projects and the RPMs around them: ``maven``, ``chainmaven``, ``wrapperRPM``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.job import Job, output_of
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.farm.handlers.sources import parse_source
from txkoji.testing.formats import rpms
from txkoji.testing.methods.archives import MD5, import_archive
from txkoji.testing.methods.rpms import import_rpm
from txkoji.testing.tables.lookups.builds import BUILD_STATES, build_nvr, build_struct
from txkoji.testing.tables.state import Row

GROUP = "org.example"
VERSION = "1.0"


@handler("maven")
async def maven(job: Job) -> None:
    """Run ``maven``: one child builds, then the artifacts are imported and tagged."""
    url, target_info, *_ = job.request
    options = job.options
    target = job.target(target_info)
    await job.find_repo(target)
    tag = job.require("tagInfo", target["build_tag"])
    child = job.child("buildMaven", [url, tag, options], "build")
    [result] = await job.wait([child])
    paths = [
        f"{output_of(child)}/{directory}/{name}"
        for directory, names in result["files"].items()
        for name in names
    ]
    if options.get("scratch"):
        job.move_to_scratch(paths)
        return
    info = result["maven_info"]
    name = f"{info['group_id']}-{info['artifact_id']}"
    dest_tag = job.destination(target, name)
    version = info["version"].replace("-", "_")

    def fill(row: Row) -> None:
        """Import the archives of the build."""
        for path in paths:
            import_archive(job, row, "maven", path, checksum_type=MD5, **info)

    nvr = (name, version, job.release(name, version, None))
    row = await job.deliver(nvr, "maven", None, fill, source=url, info=info)
    if options.get("specfile"):
        struct = build_struct(job.state, row)
        request = [options["specfile"], target, struct, None, {"repo_id": None}]
        await job.run("wrapperRPM", request, "rpm")
    if dest_tag is not None:
        await job.tag(row, dest_tag)


@handler("buildMaven")
async def build_maven(job: Job) -> dict[str, Any]:
    """Run ``buildMaven``."""
    url = job.request[0]
    name, _ = parse_source(url)
    await failures.work(job, name, source=url)
    directory = f"{GROUP.replace('.', '/')}/{name}/{VERSION}"
    files = [f"{name}-{VERSION}.jar", f"{name}-{VERSION}.pom"]
    for file in files:
        job.put(f"{directory}/{file}", f"{file}\n".encode() * 50)
    info = {"group_id": GROUP, "artifact_id": name, "version": VERSION}
    return {
        "buildroot_id": None,
        "files": {directory: files},
        "logs": ["build.log", "checkout.log", "root.log"],
        "maven_info": info,
    }


@handler("chainmaven")
async def chain_maven(job: Job) -> list[str]:
    """Run ``chainmaven``: each package after the ones it requires."""
    packages, target_info, *_ = job.request
    job.target(target_info)
    done: list[str] = []
    left = dict(packages)
    while left:
        ready = [
            name
            for name, params in left.items()
            if not set(params.get("buildrequires") or []) & set(left) - {name}
        ]
        if not ready:
            raise GenericError(f"Circular dependency: {', '.join(sorted(left))}")
        children = []
        for name in ready:
            params = dict(left.pop(name))
            url = params.pop("scmurl")
            params.pop("buildrequires", None)
            request = [url, target_info, {**job.options, **params}]
            children.append(job.child("maven", request, name))
        await job.wait(children)
        for child in children:
            rows = job.state.rows("build", task_id=child)
            done += [build_nvr(job.state, row) for row in rows]
    return done


@handler("wrapperRPM")
async def wrapper_rpm(job: Job) -> dict[str, Any]:
    """Run ``wrapperRPM``: RPMs around the artifacts of a build, into the same or a new build."""
    url, target, build, *_ = job.request
    options = job.options
    nvr = (build["name"], build["version"], build["release"])
    checked_out = await failures.work(job, parse_source(url)[0], source=url)
    file, srpm = (f"{'-'.join(nvr)}.{arch}.rpm" for arch in ("noarch", "src"))
    now = int(job.hub.now())
    source_path, path = (
        job.put(name, rpms.make_rpm(*nvr, "noarch", source=name == srpm, buildtime=now))
        for name in (srpm, file)
    )
    if options.get("scratch"):
        job.move_to_scratch([source_path, path])
    else:
        row = job.state.row("build", build["id"])
        if options.get("create_build"):
            row = job.begin_build(nvr, "rpm", source=url)
        with job.state.transaction():
            import_rpm(job, row, source_path, None)
            import_rpm(job, row, path, srpm)
            if row["state"] != BUILD_STATES["COMPLETE"]:
                job.complete(row)
        if options.get("create_build") and not options.get("skip_tag"):
            await job.tag(row, target["dest_tag"])
    return {
        "buildroot_id": None,
        "logs": ["build.log", "root.log", "checkout.log"],
        "rpms": [file],
        "source": {"source": checked_out, "url": url},
        "srpm": srpm,
    }
