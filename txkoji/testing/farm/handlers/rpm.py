"""RPM builds: ``build`` and its parts, ``chainbuild``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import BuildError, GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.common import (
    MOCK_LOGS,
    ONLY_ADMINS,
    arches_of,
    begin_build,
    call_of,
    check_listed,
    find_repo,
    is_scm_url,
    move_to_scratch,
    new_build_root,
    nvr_of,
    parse_source,
    put_file,
    release_of,
    tag_into,
    write_log,
)
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.formats import rpms
from txkoji.testing.methods.builds import build_directory, change_build_state
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.output import task_directory
from txkoji.testing.methods.rpms import import_rpm
from txkoji.testing.tables.lookups.builds import BUILD_STATES, build_nvr
from txkoji.testing.tables.lookups.targets import find_target
from txkoji.testing.tables.state import Row

SRPM_SHARE = 0.2
ARCH_SHARE = 0.6

ARCH_LOGS = ("hw_info.log", "installed_pkgs.log")
"""The logs of a build for an architecture that mock writes at its end."""


@handler("build")
async def build(builder: Builder, task: Row) -> None:
    """Run ``build``: source RPM, one buildArch an architecture, import, tag."""
    source, target_info, *rest = task["request"]
    options: dict[str, Any] = (rest[0] if rest else None) or {}
    call = call_of(builder, task)
    state = builder.hub.state
    target = find_target(state, target_info) if target_info is not None else None
    if target is None and not (target_info is None and options.get("repo_id")):
        raise GenericError(f"unknown build target: {target_info}")
    scratch = bool(options.get("scratch"))
    if options.get("arch_override") and not scratch:
        raise BuildError("arch_override is only allowed for scratch builds")
    repo_id, build_tag = await find_repo(builder, task, call, target, options)
    srpm = await _source_rpm(builder, task, call, source, build_tag, repo_id, scratch)
    name, _, _ = nvr_of(srpm["srpm"])
    dest_tag = target["dest_tag"] if target else None
    if not scratch and dest_tag is not None and not options.get("skip_tag"):
        check_listed(call, dest_tag, name)
    row = None
    if not scratch:
        row = _begin(call, task, source, srpm, options)
    arches = arches_of(builder, build_tag, name, options)
    children = [
        builder.subtask(
            task,
            "buildArch",
            [srpm["srpm"], build_tag, arch, number == 0, {"repo_id": repo_id}],
            arch,
            arch=arch,
        )
        for number, arch in enumerate(arches)
    ]
    results = await builder.wait(task, children)
    if row is None:
        made = [srpm["srpm"], *(path for result in results for path in result["rpms"])]
        move_to_scratch(call, task, task["id"], made)
        return
    if row["state"] != BUILD_STATES["COMPLETE"]:
        _import(call, row, srpm, arches, results)
    if dest_tag is not None and not options.get("skip_tag"):
        await tag_into(builder, task, row, dest_tag)


def _begin(
    call: MethodCall, task: Row, source: str, srpm: dict[str, Any], options: dict[str, Any]
) -> Row:
    resolved = srpm.get("source") or {}
    extra: dict[str, Any] = {"source": {"original_url": resolved.get("url", source)}}
    if options.get("custom_user_metadata"):
        extra["custom_user_metadata"] = options["custom_user_metadata"]
    return begin_build(
        call,
        task,
        nvr_of(srpm["srpm"]),
        "rpm",
        source=resolved.get("source"),
        extra=extra,
        draft=bool(options.get("draft")),
    )


async def _source_rpm(
    builder: Builder,
    task: Row,
    call: MethodCall,
    source: str,
    build_tag: int,
    repo_id: int,
    scratch: bool,
) -> dict[str, Any]:
    options = {"repo_id": repo_id, "scratch": scratch or None}
    if is_scm_url(source):
        child = builder.subtask(task, "buildSRPMFromSCM", [source, build_tag, options], "srpm")
    else:
        if not (scratch or builder.hub.allow_srpm_builds or call.has_permission("admin")):
            raise call.denied("build_from_srpm", ONLY_ADMINS)
        if not builder.hub.files.exists(f"work/{source}"):
            raise GenericError(f"No such file: {source}")
        child = builder.subtask(task, "rebuildSRPM", [source, build_tag, options], "srpm")
    [result] = await builder.wait(task, [child])
    return dict(result)


def _import(
    call: MethodCall, row: Row, srpm: dict[str, Any], arches: list[str], results: list[Any]
) -> None:
    """Copy the children's output to the build's directory, and complete the build."""
    files, state = call.hub.files, call.state
    directory = build_directory(call, row)
    binaries = [path for result in results for path in result["rpms"]]
    source = srpm["srpm"].rpartition("/")[2]
    logs = {arch: result["logs"] for arch, result in zip(arches, results, strict=True)}
    with state.transaction():
        change_build_state(state, row, BUILD_STATES["COMPLETE"], completion_ts=call.hub.now())
        import_rpm(call, row, srpm["srpm"], None, srpm["brootid"])
        for result in results:
            for path in result["rpms"]:
                import_rpm(call, row, path, source, result["brootid"])
        for arch, paths in logs.items():
            for path in paths:
                name = path.rpartition("/")[2]
                files.copy(f"work/{path}", f"{directory}/data/logs/{arch}/{name}")
        state.announce(lambda: messages.build_imported(state, row, srpm["srpm"], binaries, logs))


@handler("buildSRPMFromSCM")
async def build_srpm_from_scm(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``buildSRPMFromSCM``."""
    source = task["request"][0]
    name, revision = parse_source(source)
    checked_out = await failures.check_out(builder, task, source, SRPM_SHARE)
    if revision.startswith("failsrpm"):
        raise BuildError("error building srpm, exit code 1; see root.log")
    put_file(builder, task, "build.log", f"Building SRPM of {name}\n".encode())
    # The spec file of a commit always gives the same release.
    made = builder.hub.state.one("build", source=source)
    release = made["release"].partition(",")[0] if made else release_of(revision)
    result = _store_srpm(builder, task, name, "1.0", release)
    return {**result, "source": {"source": checked_out, "url": source}}


@handler("rebuildSRPM")
async def rebuild_srpm(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``rebuildSRPM``."""
    source = task["request"][0]
    name, version, release = nvr_of(source)
    directory = task_directory(task["id"])
    await builder.sleep(SRPM_SHARE)
    builder.hub.files.write(f"{directory}/build.log", b"Rebuilding the SRPM\n")
    result = _store_srpm(builder, task, name, version, release)
    file = source.rpartition("/")[2]
    return {**result, "source": {"source": file, "url": file}}


def _store_srpm(
    builder: Builder, task: Row, name: str, version: str, release: str
) -> dict[str, Any]:
    directory = task_directory(task["id"])
    file = f"{name}-{version}-{release}.src.rpm"
    data = rpms.make_rpm(
        name, version, release, "noarch", source=True, buildtime=int(builder.hub.now())
    )
    builder.hub.files.write(f"{directory}/{file}", data)
    relative = directory.removeprefix("work/")
    root_id = new_build_root(builder, task, "noarch")
    names = ("build.log", *MOCK_LOGS)
    logs = [f"{relative}/{each}" for each in names]
    return {"srpm": f"{relative}/{file}", "logs": logs, "brootid": root_id}


@handler("buildArch")
async def build_arch(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``buildArch``: the log grows, then the RPM is there."""
    srpm, _, arch, keep_srpm, *_ = task["request"]
    name, version, release = nvr_of(srpm)
    directory = task_directory(task["id"])
    relative = directory.removeprefix("work/")
    root_id = new_build_root(builder, task, arch)
    await failures.make_build_root(builder, task, name, arch)
    path = f"{directory}/build.log"
    fails = not failures.compiles(builder, task, name)
    # A failing architecture fails while the others still compile.
    share = ARCH_SHARE / 2 if fails else ARCH_SHARE
    share *= builder.pace(name, arch, task["id"])
    await write_log(builder, path, f"Building for target {arch}", f"compiling {name}", share)
    if fails:
        builder.hub.files.append(path, b"error: Bad exit status from %build\n")
        raise BuildError(
            f"error building package (arch {arch}), mock exited with status 1;"
            " see build.log or root.log for more information"
        )
    file = f"{name}-{version}-{release}.{arch}.rpm"
    data = rpms.make_rpm(name, version, release, arch, buildtime=int(builder.hub.now()))
    builder.hub.files.write(f"{directory}/{file}", data)
    kept = []
    if keep_srpm:
        source = srpm.rpartition("/")[2]
        builder.hub.files.copy(f"work/{srpm}", f"{directory}/{source}")
        kept = [f"{relative}/{source}"]
    for log in ARCH_LOGS:
        put_file(builder, task, log, f"{log} of {arch}\n".encode())
    logs = [f"{relative}/{each}" for each in ("build.log", *MOCK_LOGS, *ARCH_LOGS)]
    return {"rpms": [f"{relative}/{file}"], "srpms": kept, "logs": logs, "brootid": root_id}


@handler("chainbuild")
async def chain_build(builder: Builder, task: Row) -> None:
    """Run ``chainbuild``: level by level, each in a repo that holds the level before."""
    levels, target_info, *rest = task["request"]
    options = (rest[0] if rest else None) or {}
    state = builder.hub.state
    if options.get("scratch"):
        raise GenericError("--scratch is not allowed with chain-builds")
    target = find_target(state, target_info)
    if target is None:
        raise GenericError(f"unknown build target: {target_info}")
    for level, sources in enumerate(levels):
        children = [
            builder.subtask(
                task, "build", [source, target_info, options], f"build {level},{number}"
            )
            for number, source in enumerate(sources)
            if is_scm_url(source)
        ]
        await builder.wait(task, children)
        if level + 1 < len(levels):
            # An entry that is no source names a build that the next level waits for.
            nvrs = [source for source in sources if not is_scm_url(source)] + [
                build_nvr(state, row)
                for child in children
                for row in state.rows("build", task_id=child)
            ]
            request = [target["build_tag_name"], None, nvrs, None]
            waiting = builder.subtask(task, "waitrepo", request, f"wait {level}")
            await builder.wait(task, [waiting])
