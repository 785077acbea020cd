"""Containers and osbuild images: builds that an external service imports."""

from __future__ import annotations

import hashlib
from typing import Any

from txkoji.exceptions import BuildError, UnknownFault
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.job import Job
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.farm.handlers.sources import parse_source
from txkoji.testing.methods.archives import import_archive
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.tasks import CLOSED, make_task
from txkoji.testing.methods.users import insert_user
from txkoji.testing.tables.lookups.builds import BUILD_STATES, build_nvr
from txkoji.testing.tables.lookups.packages import package_name
from txkoji.testing.tables.lookups.users import user_name
from txkoji.testing.tables.state import HubState, Row

REGISTRY = "registry.example.test"


def _generator(state: HubState, name: str) -> int:
    row = state.one("content_generator", name=name)
    return int((row or state.insert("content_generator", {"name": name}))["id"])


def _own_build(job: Job) -> Row | None:
    """Find the build that names a task in its ``extra`` only."""
    for row in job.state.rows("build"):
        if (row["extra"] or {}).get("container_koji_task_id") == job.id:
            return row
    return None


def _import_container(
    job: Job,
    nvr: tuple[str, str, str],
    arches: list[str],
    source: str | None,
    repositories: list[str],
) -> Row:
    """Import a build as the service does: it owns the build, which names the task in ``extra``."""
    state = job.state
    service = state.one("users", name="osbs") or insert_user(state, "osbs")
    extra = {
        "container_koji_task_id": job.id,
        "image": {"index": {"pull": repositories}, "media_types": []},
        "submitter": user_name(state, job.task["owner"]),
        "typeinfo": {"image": {}},
    }
    with state.transaction():
        row = job.begin_build(
            nvr,
            "image",
            source=source,
            extra=extra,
            info={},
            task_id=None,
            owner_id=service["id"],
            cg_id=_generator(state, "atomic-reactor"),
        )
        for arch in arches:
            data = f"layers of {'-'.join(nvr)} for {arch}\n".encode() * 100
            digest = hashlib.sha256(data).hexdigest()
            path = job.put(f"docker-image-{digest}.{arch}.tar.gz", data)
            archive = import_archive(job, row, "image", path, arch=arch)
            docker = {"digests": {"v2": f"sha256:{digest}"}, "repositories": repositories}
            extra_of = {"docker": docker, "image": {"arch": arch}}
            state.update("archiveinfo", archive["id"], extra=extra_of)
            job.files.remove(f"work/{path}")
        job.complete(row)
    return row


async def _tag(job: Job, row: Row, dest_tag: int) -> None:
    """Tag a build as the service does: by a task of its own."""
    state = job.state
    service = MethodCall(job.hub, state.get("users", row["owner_id"]))
    if state.active("tag_listing", tag_id=dest_tag, build_id=row["id"]):
        return
    with state.transaction():
        request = [dest_tag, row["id"], False, None]
        task_id = make_task(service, "tagBuild", request, priority=10)
    ended = await job.builder.ended(task_id)
    if ended["state"] != CLOSED:
        raise UnknownFault(f"Image build failed. Tagging failed: task {task_id}", code=2001)


async def _container(
    job: Job,
    name: str,
    target_info: Any,
    options: dict[str, Any],
    source: str | None,
) -> dict[str, Any]:
    target = job.require("target", target_info)
    scratch = bool(options.get("scratch"))
    if not scratch:
        job.check_listed(target["dest_tag"], name)
    words = options.get("arch_override") or options.get("arches")
    arches = words.split() if words else job.arches(target["build_tag"], name)
    row = _own_build(job)
    if row is None:
        wanted = options.get("release")
        nvr = (name, "1.0", job.release(name, "1.0", wanted))
        for arch in arches:
            job.put(f"{arch}.log", f"building {name} for {arch}\n".encode())
        await failures.work(job, name)
    else:
        nvr = (name, row["version"], row["release"])
    image = f"{REGISTRY}/{name}:{nvr[1]}-{nvr[2]}"
    repositories = [image]
    if scratch:
        return {"repositories": repositories, "koji_builds": []}
    if row is None:
        row = _import_container(job, nvr, arches, source, repositories)
    await _tag(job, row, target["dest_tag"])
    return {"repositories": repositories, "koji_builds": [str(row["id"])]}


@handler("buildContainer")
async def build_container(job: Job) -> dict[str, Any]:
    """Run ``buildContainer``."""
    source, target, *_ = job.request
    name, _ = parse_source(source)
    await failures.check_out(job, source, 0.1)
    return await _container(job, name, target, job.options, source)


@handler("buildSourceContainer")
async def build_source_container(job: Job) -> dict[str, Any]:
    """Run ``buildSourceContainer``: of a container that has been built."""
    target, options = job.request[0], job.options
    given = options.get("koji_build_nvr") or options.get("koji_build_id")
    if not given:
        raise BuildError("koji_build_id or koji_build_nvr must be specified")
    row = job.require("build", given)
    name = f"{package_name(job.state, row['package_id'])}-source"
    return await _container(job, name, target, {"arches": "noarch", **options}, None)


@handler("osbuildImage")
async def osbuild_image(job: Job) -> dict[str, Any]:
    """Run ``osbuildImage``: a compose of an external service."""
    name, version, _, _, target_info, arches, *_ = job.request
    options = job.options
    target = job.require("target", target_info)
    if not options.get("skip_tag"):
        job.check_listed(target["dest_tag"], name, "package (image)")
    release = job.release(name, version, options.get("release"))
    compose = hashlib.md5(f"{name}-{version}-{release}".encode()).hexdigest()
    composer = {"server": "https://composer.example.test", "id": compose}
    row = job.begin_build(
        (name, version, release),
        "image",
        extra={"typeinfo": {"image": {}}},
        info={},
        cg_id=_generator(job.state, "osbuild"),
    )
    if row["state"] != BUILD_STATES["COMPLETE"]:
        await _compose(job, row, name, arches)
    if not options.get("skip_tag"):
        await job.tag(row, target["dest_tag"])
    return {"composer": composer, "koji": {"build": row["id"]}}


async def _compose(job: Job, row: Row, name: str, arches: list[str]) -> None:
    await failures.work(job, name)
    with job.state.transaction():
        for arch in arches:
            nvr = build_nvr(job.state, row)
            file = job.put(f"{nvr}.{arch}.qcow2", f"image {nvr}\n".encode() * 200)
            import_archive(job, row, "image", file, arch=arch)
        job.complete(row)
