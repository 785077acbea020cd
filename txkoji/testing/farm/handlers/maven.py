"""Maven projects and the RPMs around them: ``maven``, ``chainmaven``, ``wrapperRPM``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import BuildError, BuildrootError, GenericError
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.common import (
    begin_build,
    call_of,
    check_listed,
    complete,
    find_repo,
    move_to_scratch,
    parse_source,
    put_file,
    release_for,
    tag_into,
    write_log,
)
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.formats import rpms
from txkoji.testing.methods.archives import MD5, import_archive
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.rpms import import_rpm
from txkoji.testing.tables.lookups.builds import BUILD_STATES, build_nvr, build_struct
from txkoji.testing.tables.lookups.tags import require_tag
from txkoji.testing.tables.lookups.targets import find_target
from txkoji.testing.tables.state import Row

GROUP = "org.example"
VERSION = "1.0"
MAVEN_SHARE = 0.6
WRAPPER_SHARE = 0.3


def _options(rest: list[Any]) -> dict[str, Any]:
    return (rest[0] if rest else None) or {}


@handler("maven")
async def maven(builder: Builder, task: Row) -> None:
    """Run ``maven``: one child builds, then the artifacts are imported and tagged."""
    url, target_info, *rest = task["request"]
    options = _options(rest)
    call = call_of(builder, task)
    target = find_target(call.state, target_info)
    if target is None:
        raise BuildError(f"unknown build target: {target_info}")
    await find_repo(builder, task, call, target, options)
    tag = require_tag(call.state, target["build_tag"])
    child = builder.subtask(task, "buildMaven", [url, tag, options], "build")
    [result] = await builder.wait(task, [child])
    paths = [
        f"{task_directory(child).removeprefix('work/')}/{directory}/{name}"
        for directory, names in result["files"].items()
        for name in names
    ]
    if options.get("scratch"):
        move_to_scratch(call, task, task["id"], paths)
        return
    info = result["maven_info"]
    name = f"{info['group_id']}-{info['artifact_id']}"
    if not options.get("skip_tag"):
        check_listed(call, target["dest_tag"], name)
    version = info["version"].replace("-", "_")
    release = release_for(call, task, name, version, None)
    row = begin_build(call, task, (name, version, release), "maven", source=url, info=info)
    if row["state"] != BUILD_STATES["COMPLETE"]:
        with call.state.transaction():
            for path in paths:
                import_archive(call, row, "maven", path, checksum_type=MD5, **info)
            complete(call, row)
    if options.get("specfile"):
        struct = build_struct(call.state, row)
        request = [options["specfile"], target, struct, None, {"repo_id": None}]
        await builder.wait(task, [builder.subtask(task, "wrapperRPM", request, "rpm")])
    if not options.get("skip_tag"):
        await tag_into(builder, task, row, target["dest_tag"])


@handler("buildMaven")
async def build_maven(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``buildMaven``."""
    url, *_ = task["request"]
    name, _ = parse_source(url)
    await failures.make_build_root(builder, task, name, "noarch")
    await failures.check_out(builder, task, url, 0.1)
    path = f"{task_directory(task['id'])}/build.log"
    builds = failures.compiles(builder, task, name)
    share = MAVEN_SHARE if builds else MAVEN_SHARE / 2
    await write_log(builder, path, f"[INFO] Building {name}", "[INFO] compiling", share)
    if not builds:
        builder.hub.files.append(path, b"[ERROR] BUILD FAILURE\n")
        # The builder looks at the log of mock itself, and has one code for all that mock does.
        raise BuildrootError(
            "error building Maven package, mock exited with status 1;"
            " see root.log for more information"
        )
    directory = f"{GROUP.replace('.', '/')}/{name}/{VERSION}"
    files = [f"{name}-{VERSION}.jar", f"{name}-{VERSION}.pom"]
    for file in files:
        put_file(builder, task, f"{directory}/{file}", f"{file}\n".encode() * 50)
    info = {"group_id": GROUP, "artifact_id": name, "version": VERSION}
    return {
        "buildroot_id": None,
        "files": {directory: files},
        "logs": ["build.log", "checkout.log", "root.log"],
        "maven_info": info,
    }


@handler("chainmaven")
async def chain_maven(builder: Builder, task: Row) -> list[str]:
    """Run ``chainmaven``: each package after the ones it requires."""
    packages, target_info, *rest = task["request"]
    options = _options(rest)
    call = call_of(builder, task)
    if find_target(call.state, target_info) is None:
        raise BuildError(f"unknown build target: {target_info}")
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
            request = [url, target_info, {**options, **params}]
            children.append(builder.subtask(task, "maven", request, name))
        await builder.wait(task, children)
        for child in children:
            rows = call.state.rows("build", task_id=child)
            done += [build_nvr(call.state, row) for row in rows]
    return done


@handler("wrapperRPM")
async def wrapper_rpm(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``wrapperRPM``: RPMs around the artifacts of a build, into the same or a new build."""
    url, target, build, _, *rest = task["request"]
    options = _options(rest)
    call = call_of(builder, task)
    name, version, release = build["name"], build["version"], build["release"]
    plain, _ = parse_source(url)
    await failures.make_build_root(builder, task, plain, "noarch")
    checked_out = await failures.check_out(builder, task, url, 0.1)
    path = f"{task_directory(task['id'])}/build.log"
    await write_log(builder, path, f"Wrapping {name}", "building", WRAPPER_SHARE)
    if not failures.compiles(builder, task, plain):
        raise BuildError(
            "error building package (arch noarch), mock exited with status 1;"
            " see build.log or root.log for more information"
        )
    now = int(builder.hub.now())
    nvr = f"{name}-{version}-{release}"
    srpm = f"{nvr}.src.rpm"
    data = rpms.make_rpm(name, version, release, "noarch", source=True, buildtime=now)
    source_path = put_file(builder, task, srpm, data)
    data = rpms.make_rpm(name, version, release, "noarch", buildtime=now)
    path = put_file(builder, task, f"{nvr}.noarch.rpm", data)
    if options.get("scratch"):
        move_to_scratch(call, task, task["id"], [source_path, path])
    else:
        row = call.state.row("build", build["id"])
        if options.get("create_build"):
            row = begin_build(call, task, (name, version, release), "rpm", source=url)
        with call.state.transaction():
            import_rpm(call, row, source_path, None)
            import_rpm(call, row, path, srpm)
            if row["state"] != BUILD_STATES["COMPLETE"]:
                complete(call, row)
        if options.get("create_build") and not options.get("skip_tag"):
            await tag_into(builder, task, row, target["dest_tag"])
    return {
        "buildroot_id": None,
        "logs": ["build.log", "root.log", "checkout.log"],
        "rpms": [f"{nvr}.noarch.rpm"],
        "source": {"source": checked_out, "url": url},
        "srpm": srpm,
    }
