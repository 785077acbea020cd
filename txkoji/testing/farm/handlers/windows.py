"""Builds on Windows machines: ``winbuild`` and its part ``vmExec``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import BuildError
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
from txkoji.testing.methods.archives import MD5, import_archive
from txkoji.testing.methods.output import task_directory
from txkoji.testing.tables.lookups.builds import BUILD_STATES
from txkoji.testing.tables.lookups.tags import require_tag
from txkoji.testing.tables.lookups.targets import find_target
from txkoji.testing.tables.state import Row

PLATFORM = "2k8r2-x64"
WINDOWS_SHARE = 0.6


@handler("winbuild")
async def win_build(builder: Builder, task: Row) -> None:
    """Run ``winbuild``: a virtual machine builds, then the files are imported and tagged."""
    vm, url, target_info, options = task["request"]
    options = options or {}
    call = call_of(builder, task)
    target = find_target(call.state, target_info)
    if target is None:
        raise BuildError(f"unknown build target: {target_info}")
    await find_repo(builder, task, call, target, options)
    tag = require_tag(call.state, target["build_tag"])
    limits = {key: options[key] for key in ("timeout", "cpus", "mem") if key in options}
    request = [vm, [url, tag, options], limits]
    child = builder.subtask(task, "vmExec", request, str(vm)[:255])
    [result] = await builder.wait(task, [child])
    directory = task_directory(child).removeprefix("work/")
    paths = [f"{directory}/{name}" for name in result["output"]]
    if options.get("scratch"):
        move_to_scratch(call, task, task["id"], paths)
        return
    name, version = result["name"], result["version"]
    if not options.get("skip_tag"):
        check_listed(call, target["dest_tag"], name)
    release = release_for(call, task, name, version, result["release"])
    nvr = (name, version, release)
    info = {"platform": result["platform"]}
    row = begin_build(call, task, nvr, "win", source=url, info=info)
    if row["state"] != BUILD_STATES["COMPLETE"]:
        with call.state.transaction():
            for path in paths:
                file = result["output"][path.rpartition("/")[2]]
                more = {"platforms": " ".join(file["platforms"]), "flags": " ".join(file["flags"])}
                import_archive(call, row, "win", path, checksum_type=MD5, relpath="", **more)
            complete(call, row)
    if not options.get("skip_tag"):
        await tag_into(builder, task, row, target["dest_tag"])


@handler("vmExec")
async def vm_exec(builder: Builder, task: Row) -> dict[str, Any]:
    """Run ``vmExec``."""
    _, task_info, *_ = task["request"]
    name, _ = parse_source(task_info[0])
    await failures.make_build_root(builder, task, name, "noarch")
    await failures.check_out(builder, task, task_info[0], 0.1)
    path = f"{task_directory(task['id'])}/build.log"
    builds = failures.compiles(builder, task, name)
    share = WINDOWS_SHARE if builds else WINDOWS_SHARE / 2
    await write_log(builder, path, f"Building {name} on {PLATFORM}", "cl.exe", share)
    if not builds:
        builder.hub.files.append(path, b"error C2065: undeclared identifier\n")
        raise BuildError("build command failed, see build.log for details")
    file = f"{name}.exe"
    put_file(builder, task, file, f"{file}\n".encode() * 100)
    output = {file: {"platforms": [PLATFORM], "flags": ["static"]}}
    return {
        "buildroot_id": None,
        "description": f"The package {name}",
        "epoch": None,
        "logs": ["build.log"],
        "name": name,
        "output": output,
        "platform": PLATFORM,
        "release": None,
        "version": "1.0",
    }
