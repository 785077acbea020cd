"""Images: ``livecd``, ``appliance``, ``livemedia``, ``image``, ``kiwiBuild``, and their parts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.job import Job, output_of
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.methods.archives import import_archive
from txkoji.testing.methods.builds import build_directory
from txkoji.testing.methods.output import task_directory
from txkoji.testing.tables.lookups.structs import repo_struct
from txkoji.testing.tables.state import Row

IMAGES = {
    "livecd": ("createLiveCD", "iso"),
    "appliance": ("createAppliance", "raw"),
    "livemedia": ("createLiveMedia", "iso"),
    "image": ("createImage", "qcow2"),
    "kiwiBuild": ("createKiwiImage", "raw.xz"),
}
"""For each top-level task: the task that makes an image, and the extension of its file."""


@dataclass
class Plan:
    """The request of a task of a family.

    Attributes:
        name: the image's name, which is its package.
        version: its version.
        arches: the architectures.
        target: the build target's name or id.
        rest: more arguments of the children: the kickstart file, the description.
        options: the options.
    """

    name: str
    version: str
    arches: list[str]
    target: Any
    rest: list[Any]
    options: dict[str, Any]


def _plan(request: list[Any]) -> Plan:
    name, version, arches, target, source, *more = request
    listed = arches if isinstance(arches, list) else [arches]
    return Plan(name, version, listed, target, [source], (more[0] if more else None) or {})


def _kiwi_plan(request: list[Any]) -> Plan:
    target, arches, url, path, *more = request
    options = (more[0] if more else None) or {}
    name = path.rpartition("/")[2].removesuffix(".kiwi")
    version = options.get("version") or "1.0"
    return Plan(name, version, arches.split(), target, [url, path], options)


@handler("livecd", "appliance", "livemedia", "image")
async def image(job: Job) -> str:
    """Run the tasks that take the name, the version and a file to build from."""
    return await _image(job, _plan(job.request))


@handler("kiwiBuild")
async def kiwi_build(job: Job) -> str:
    """Run ``kiwiBuild``."""
    return await _image(job, _kiwi_plan(job.request))


@handler("indirectionimage")
async def indirection_image(job: Job) -> str:
    """Run ``indirectionimage``: an image of another image, in one task."""
    options = job.options
    for name in ("name", "version", "arch", "target"):
        if not options.get(name):
            raise GenericError(f"Missing required option: {name}")
    plan = Plan(
        options["name"], options["version"], [options["arch"]], options["target"], [], options
    )
    return await _image(job, plan, in_place=True)


async def _image(job: Job, plan: Plan, *, in_place: bool = False) -> str:
    """Make an image for each architecture, import them, tag the build.

    Args:
        job: the task.
        plan: the request.
        in_place: whether the task makes the image itself.
    """
    target = job.require("target", plan.target)
    dest_tag = job.destination(target, plan.name, "package (image)")
    repo_id, build_tag = await job.find_repo(target)
    release = job.release(plan.name, plan.version, plan.options.get("release"))
    nvr = (plan.name, plan.version, release)
    scratch = plan.options.get("scratch")
    if not scratch:
        job.begin_build(nvr, "image", info={})
    arches = plan.arches or job.arches(build_tag, plan.name)
    if in_place:
        results = [await _make(job, nvr, arches[0])]
    else:
        repo = job.state.get("repo", repo_id)
        about = [*nvr, [target, build_tag, repo_struct(job.state, repo) if repo else None]]
        results = await _make_all(job, plan, about, arches)
    if scratch:
        return _keep_as_scratch(job, results)
    fill = partial(_import, job, results)
    row = await job.deliver(nvr, "image", dest_tag, fill, info={})
    directory = build_directory(job, row)
    return f"image build results in: {messages.TOP_DIRECTORY}/{directory}/images"


async def _make_all(
    job: Job, plan: Plan, about: list[Any], arches: list[str]
) -> list[dict[str, Any]]:
    """Make an image in a child for each architecture; those that fail may be optional."""
    *nvr, where = about
    children = [
        job.child(
            IMAGES[job.task["method"]][0],
            [*nvr, arch, *where, *plan.rest, plan.options],
            arch,
            arch,
        )
        for arch in arches
    ]
    optional = _optional(plan.options)
    can_fail = [child for child, arch in zip(children, arches, strict=True) if arch in optional]
    results = [result for result in await job.wait(children, can_fail) if result is not None]
    if not results:
        raise GenericError("all builds failed")
    return results


def _keep_as_scratch(job: Job, results: list[dict[str, Any]]) -> str:
    for result in results:
        directory = output_of(result["task_id"])
        job.move_to_scratch([f"{directory}/{name}" for name in result["files"]], result["task_id"])
    paths = [f"{messages.TOP_DIRECTORY}/{task_directory(each['task_id'])}" for each in results]
    return f"Scratch image build results in: {', '.join(paths)}"


def _optional(options: dict[str, Any]) -> list[str]:
    arches = options.get("optional_arches") or options.get("can_fail") or []
    return arches.split() if isinstance(arches, str) else list(arches)


def _import(job: Job, results: list[dict[str, Any]], row: Row) -> None:
    for result in results:
        for name in result["files"]:
            path = f"{output_of(result['task_id'])}/{name}"
            import_archive(job, row, "image", path, arch=result["arch"])
        for name in result["logs"]:
            logs = f"{build_directory(job, row)}/data/logs/image"
            job.files.copy(f"{task_directory(result['task_id'])}/{name}", f"{logs}/{name}")


async def _make(job: Job, nvr: tuple[str, str, str], arch: str) -> dict[str, Any]:
    name, version, release = nvr
    await failures.work(job, name, arch)
    log = failures.WORKS[job.task["method"]].log.format(arch=arch)
    suffix = dict(IMAGES.values()).get(job.task["method"], "qcow2")
    file = f"{'-'.join(nvr)}.{arch}.{suffix}"
    job.put(file, f"image {file}\n".encode() * 200)
    return {
        "arch": arch,
        "files": [file],
        "logs": [log, "root.log"],
        "name": name,
        "release": release,
        "rpmlist": [],
        "task_id": job.id,
        "version": version,
    }


@handler(*dict(IMAGES.values()))
async def create(job: Job) -> dict[str, Any]:
    """Make the image of one architecture."""
    name, version, release, arch, *_ = job.request
    return await _make(job, (name, version, release), arch)
