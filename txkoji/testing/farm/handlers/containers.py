"""Containers and osbuild images: builds that an external service imports."""

from __future__ import annotations

import hashlib
from typing import Any

from txkoji.exceptions import BuildError, UnknownFault
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.common import (
    arches_of,
    begin_build,
    call_of,
    check_listed,
    complete,
    parse_source,
    put_file,
    release_for,
    tag_into,
    write_log,
)
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.methods.archives import import_archive
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.tasks import CLOSED, make_task
from txkoji.testing.methods.users import insert_user
from txkoji.testing.tables.lookups.builds import BUILD_STATES, build_nvr, require_build_row
from txkoji.testing.tables.lookups.packages import package_name
from txkoji.testing.tables.lookups.targets import require_target
from txkoji.testing.tables.lookups.users import user_name
from txkoji.testing.tables.state import Row

REGISTRY = "registry.example.test"
CONTAINER_SHARE = 0.6
CONTAINER_ERROR = 2001


def _generator(call: MethodCall, name: str) -> Row:
    state = call.state
    return state.one("content_generator", name=name) or state.insert(
        "content_generator", {"name": name}
    )


def _own_build(call: MethodCall, task: Row) -> Row | None:
    """Find the build that names a task in its ``extra`` only."""
    for row in call.state.rows("build"):
        if (row["extra"] or {}).get("container_koji_task_id") == task["id"]:
            return row
    return None


def _import_container(
    builder: Builder,
    task: Row,
    nvr: tuple[str, str, str],
    arches: list[str],
    source: str | None,
    repositories: list[str],
) -> Row:
    """Import a build as the service does: it owns the build, which names the task in ``extra``."""
    call = call_of(builder, task)
    service = call.state.one("users", name="osbs") or insert_user(call.state, "osbs")
    extra = {
        "container_koji_task_id": task["id"],
        "image": {"index": {"pull": repositories}, "media_types": []},
        "submitter": user_name(call.state, task["owner"]),
        "typeinfo": {"image": {}},
    }
    with call.state.transaction():
        row = begin_build(
            call,
            task,
            nvr,
            "image",
            source=source,
            extra=extra,
            info={},
            task_id=None,
            owner_id=service["id"],
            cg_id=_generator(call, "atomic-reactor")["id"],
        )
        for arch in arches:
            data = f"layers of {'-'.join(nvr)} for {arch}\n".encode() * 100
            digest = hashlib.sha256(data).hexdigest()
            path = put_file(builder, task, f"docker-image-{digest}.{arch}.tar.gz", data)
            archive = import_archive(call, row, "image", path, arch=arch)
            docker = {"digests": {"v2": f"sha256:{digest}"}, "repositories": repositories}
            extra_of = {"docker": docker, "image": {"arch": arch}}
            call.state.update("archiveinfo", archive["id"], extra=extra_of)
            builder.hub.files.remove(f"work/{path}")
        complete(call, row)
    return row


async def _tag(builder: Builder, row: Row, dest_tag: int) -> None:
    """Tag a build as the service does: by a task of its own."""
    state = builder.hub.state
    service = MethodCall(builder.hub, state.get("users", row["owner_id"]))
    if state.active("tag_listing", tag_id=dest_tag, build_id=row["id"]):
        return
    with state.transaction():
        request = [dest_tag, row["id"], False, None]
        task_id = make_task(service, "tagBuild", request, priority=10)
    ended = await builder.ended(task_id)
    if ended["state"] != CLOSED:
        raise UnknownFault(f"Image build failed. Tagging failed: task {task_id}", code=2001)


async def _container(
    builder: Builder,
    task: Row,
    name: str,
    target_info: Any,
    options: dict[str, Any],
    source: str | None,
) -> dict[str, Any]:
    call = call_of(builder, task)
    target = require_target(call.state, target_info)
    scratch = bool(options.get("scratch"))
    if not scratch:
        check_listed(call, target["dest_tag"], name)
    words = options.get("arch_override") or options.get("arches")
    arches = words.split() if words else arches_of(builder, target["build_tag"], name, {})
    row = _own_build(call, task)
    if row is None:
        wanted = options.get("release")
        nvr = (name, "1.0", release_for(call, task, name, "1.0", wanted))
        await _service_logs(builder, task, name, arches)
    else:
        nvr = (name, row["version"], row["release"])
    image = f"{REGISTRY}/{name}:{nvr[1]}-{nvr[2]}"
    repositories = [image]
    if scratch:
        return {"repositories": repositories, "koji_builds": []}
    if row is None:
        row = _import_container(builder, task, nvr, arches, source, repositories)
    await _tag(builder, row, target["dest_tag"])
    return {"repositories": repositories, "koji_builds": [str(row["id"])]}


async def _service_logs(builder: Builder, task: Row, name: str, arches: list[str]) -> None:
    files, directory = builder.hub.files, task_directory(task["id"])
    await failures.make_build_root(builder, task, name, "noarch")
    path = f"{directory}/osbs-build.log"
    builds = failures.compiles(builder, task, name)
    share = CONTAINER_SHARE if builds else CONTAINER_SHARE / 2
    await write_log(builder, path, f"Building the image {name}", "step of the pipeline", share)
    for arch in arches:
        files.write(f"{directory}/{arch}.log", f"building {name} for {arch}\n".encode())
    if not builds:
        files.append(path, b"error: building at STEP RUN: exit status 1\n")
        raise UnknownFault(
            "Image build failed. Error in plugin imagebuilder: exit status 1;"
            f" OSBS build id: {name}-{task['id']}",
            code=CONTAINER_ERROR,
        )


@handler("buildContainer")
async def build_container(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``buildContainer``."""
    source, target, *rest = task["request"]
    name, _ = parse_source(source)
    await failures.check_out(builder, task, source, 0.1)
    return await _container(builder, task, name, target, (rest[0] if rest else None) or {}, source)


@handler("buildSourceContainer")
async def build_source_container(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``buildSourceContainer``: of a container that has been built."""
    target, *rest = task["request"]
    options = (rest[0] if rest else None) or {}
    given = options.get("koji_build_nvr") or options.get("koji_build_id")
    if not given:
        raise BuildError("koji_build_id or koji_build_nvr must be specified")
    call = call_of(builder, task)
    row = require_build_row(call.state, given)
    name = f"{package_name(call.state, row['package_id'])}-source"
    return await _container(builder, task, name, target, {"arches": "noarch", **options}, None)


@handler("osbuildImage")
async def osbuild_image(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``osbuildImage``: a compose of an external service."""
    name, version, _, _, target_info, arches, *rest = task["request"]
    options = (rest[0] if rest else None) or {}
    call = call_of(builder, task)
    target = require_target(call.state, target_info)
    if not options.get("skip_tag"):
        check_listed(call, target["dest_tag"], name, "package (image)")
    release = release_for(call, task, name, version, options.get("release"))
    compose = hashlib.md5(f"{name}-{version}-{release}".encode()).hexdigest()
    composer = {"server": "https://composer.example.test", "id": compose}
    row = begin_build(
        call,
        task,
        (name, version, release),
        "image",
        extra={"typeinfo": {"image": {}}},
        info={},
        cg_id=_generator(call, "osbuild")["id"],
    )
    if row["state"] != BUILD_STATES["COMPLETE"]:
        await _compose(builder, task, row, name, arches)
    if not options.get("skip_tag"):
        await tag_into(builder, task, row, target["dest_tag"])
    return {"composer": composer, "koji": {"build": row["id"]}}


async def _compose(builder: Builder, task: Row, row: Row, name: str, arches: list[str]) -> None:
    call = call_of(builder, task)
    path = f"{task_directory(task['id'])}/compose-status.json"
    await failures.make_build_root(builder, task, name, "noarch")
    await write_log(builder, path, f"compose of {name}", "pending", CONTAINER_SHARE)
    if not failures.compiles(builder, task, name):
        raise BuildError(f"Compose failed (status: failure). See {path.rpartition('/')[2]}")
    with call.state.transaction():
        for arch in arches:
            nvr = build_nvr(call.state, row)
            file = put_file(builder, task, f"{nvr}.{arch}.qcow2", f"image {nvr}\n".encode() * 200)
            import_archive(call, row, "image", file, arch=arch)
        complete(call, row)
