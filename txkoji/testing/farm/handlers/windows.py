"""Builds on Windows machines: ``winbuild`` and its part ``vmExec``."""

from __future__ import annotations

from typing import Any

from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.job import Job, output_of
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.farm.handlers.sources import parse_source
from txkoji.testing.methods.archives import MD5, import_archive
from txkoji.testing.tables.state import Row

PLATFORM = "2k8r2-x64"


@handler("winbuild")
async def win_build(job: Job) -> None:
    """Run ``winbuild``: a virtual machine builds, then the files are imported and tagged."""
    vm, url, target_info, _ = job.request
    options = job.options
    target = job.target(target_info)
    await job.find_repo(target)
    tag = job.require("tagInfo", target["build_tag"])
    limits = {key: options[key] for key in ("timeout", "cpus", "mem") if key in options}
    child = job.child("vmExec", [vm, [url, tag, options], limits], str(vm)[:255])
    [result] = await job.wait([child])
    paths = [f"{output_of(child)}/{name}" for name in result["output"]]
    if options.get("scratch"):
        job.move_to_scratch(paths)
        return
    name, version = result["name"], result["version"]
    dest_tag = job.destination(target, name)

    def fill(row: Row) -> None:
        """Import the archives of the build."""
        for path in paths:
            file = result["output"][path.rpartition("/")[2]]
            more = {"platforms": " ".join(file["platforms"]), "flags": " ".join(file["flags"])}
            import_archive(job, row, "win", path, checksum_type=MD5, relpath="", **more)

    nvr = (name, version, job.release(name, version, result["release"]))
    info = {"platform": result["platform"]}
    await job.deliver(nvr, "win", dest_tag, fill, source=url, info=info)


@handler("vmExec")
async def vm_exec(job: Job) -> dict[str, Any]:
    """Run ``vmExec``."""
    source = job.request[1][0]
    name, _ = parse_source(source)
    await failures.work(job, name, source=source)
    file = f"{name}.exe"
    job.put(file, f"{file}\n".encode() * 100)
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
