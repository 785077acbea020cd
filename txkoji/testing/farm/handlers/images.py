"""Images: ``livecd``, ``appliance``, ``livemedia``, ``image``, ``kiwiBuild``, and their parts."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from twisted.internet.defer import Deferred

from txkoji.exceptions import ApplianceError, GenericError, HubFault, LiveCDError, LiveMediaError
from txkoji.testing.announcements import messages
from txkoji.testing.farm.builder import Builder
from txkoji.testing.farm.handlers import failures
from txkoji.testing.farm.handlers.common import (
    arches_of,
    begin_build,
    call_of,
    check_listed,
    complete,
    find_repo,
    move_to_scratch,
    put_file,
    release_for,
    tag_into,
    write_log,
)
from txkoji.testing.farm.handlers.registry import handler
from txkoji.testing.methods.archives import import_archive
from txkoji.testing.methods.builds import build_directory
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.output import task_directory
from txkoji.testing.tables.lookups.builds import BUILD_STATES
from txkoji.testing.tables.lookups.repos import repo_struct
from txkoji.testing.tables.lookups.targets import require_target
from txkoji.testing.tables.state import Row

IMAGE_SHARE = 0.6


@dataclass(frozen=True)
class Family:
    """How a kind of image is built.

    Attributes:
        child: the method of the task that makes the image of one architecture.
        suffix: the extension of its file.
        log: the name of its log.
        error: the fault of a failed build.
        text: its text.
    """

    child: str
    suffix: str
    log: str
    error: type[HubFault]
    text: str


FAMILIES = {
    "livecd": Family(
        "createLiveCD",
        "iso",
        "livecd.log",
        LiveCDError,
        "Could not create LiveCD: livecd-creator exited with status 1;"
        " see root.log or livecd.log for more information",
    ),
    "appliance": Family(
        "createAppliance",
        "raw",
        "appliance.log",
        ApplianceError,
        "Could not create appliance: appliance-creator exited with status 1;"
        " see root.log or appliance.log for more information",
    ),
    "livemedia": Family(
        "createLiveMedia",
        "iso",
        "livemedia-out.log",
        LiveMediaError,
        "Could not create livemedia: livemedia-creator exited with status 1;"
        " see root.log or livemedia-out.log for more information",
    ),
    "image": Family(
        "createImage",
        "qcow2",
        "oz-{arch}.log",
        ApplianceError,
        "Image status is FAILED: Timed out waiting for the guest to install",
    ),
    "kiwiBuild": Family(
        "createKiwiImage",
        "raw.xz",
        "image-root.{arch}.log",
        GenericError,
        "Kiwi failed: see image-root.{arch}.log",
    ),
}
"""By the method of the top-level task."""


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


@handler("livecd")
@handler("appliance")
@handler("livemedia")
@handler("image")
async def image(builder: Builder, task: Row) -> str:
    """Run the tasks that take the name, the version and a file to build from."""
    return await _image(builder, task, _plan(task["request"]))


@handler("kiwiBuild")
async def kiwi_build(builder: Builder, task: Row) -> str:
    """Run ``kiwiBuild``."""
    return await _image(builder, task, _kiwi_plan(task["request"]))


@handler("indirectionimage")
async def indirection_image(builder: Builder, task: Row) -> str:
    """Run ``indirectionimage``: an image of another image, in one task."""
    [options] = task["request"]
    for name in ("name", "version", "arch", "target"):
        if not options.get(name):
            raise GenericError(f"Missing required option: {name}")
    plan = Plan(
        options["name"], options["version"], [options["arch"]], options["target"], [], options
    )
    return await _image(builder, task, plan, in_place=True)


async def _image(builder: Builder, task: Row, plan: Plan, *, in_place: bool = False) -> str:
    """Make an image for each architecture, import them, tag the build.

    Args:
        builder: the builder.
        task: the task.
        plan: the request.
        in_place: whether the task makes the image itself.
    """
    call = call_of(builder, task)
    target = require_target(call.state, plan.target)
    scratch = bool(plan.options.get("scratch"))
    to_tag = not scratch and not plan.options.get("skip_tag")
    if to_tag:
        check_listed(call, target["dest_tag"], plan.name, "package (image)")
    repo_id, build_tag = await find_repo(builder, task, call, target, plan.options)
    repo = builder.hub.state.get("repo", repo_id)
    release = release_for(call, task, plan.name, plan.version, plan.options.get("release"))
    nvr = (plan.name, plan.version, release)
    row = None if scratch else begin_build(call, task, nvr, "image", info={})
    arches = plan.arches or arches_of(builder, build_tag, plan.name, {})
    if in_place:
        results = [await _make(builder, task, nvr, arches[0], FAMILIES["image"])]
    else:
        about = [target, build_tag, repo_struct(builder.hub.state, repo) if repo else None]
        family = FAMILIES[task["method"]]
        children = [
            builder.subtask(
                task, family.child, [*nvr, arch, *about, *plan.rest, plan.options], arch, arch=arch
            )
            for arch in arches
        ]
        optional = _optional(plan.options)
        can_fail = [child for child, arch in zip(children, arches, strict=True) if arch in optional]
        waited = await builder.wait(task, children, can_fail=can_fail)
        results = [result for result in waited if result is not None]
        if not results:
            raise GenericError("all builds failed")
    if row is None:
        for result in results:
            _to_scratch(call, task, result)
        paths = [f"work/{_directory(result)}" for result in results]
        top = ", ".join(f"{messages.TOP_DIRECTORY}/{path}" for path in paths)
        return f"Scratch image build results in: {top}"
    if row["state"] != BUILD_STATES["COMPLETE"]:
        _import(call, row, results)
    if to_tag:
        await tag_into(builder, task, row, target["dest_tag"])
    directory = build_directory(call, row)
    return f"image build results in: {messages.TOP_DIRECTORY}/{directory}/images"


def _optional(options: dict[str, Any]) -> list[str]:
    arches = options.get("optional_arches") or options.get("can_fail") or []
    return arches.split() if isinstance(arches, str) else list(arches)


def _directory(result: dict[str, Any]) -> str:
    return task_directory(result["task_id"]).removeprefix("work/")


def _to_scratch(call: MethodCall, task: Row, result: dict[str, Any]) -> None:
    paths = [f"{_directory(result)}/{name}" for name in result["files"]]
    move_to_scratch(call, task, result["task_id"], paths)


def _import(call: MethodCall, row: Row, results: list[dict[str, Any]]) -> None:
    with call.state.transaction():
        for result in results:
            for name in result["files"]:
                path = f"{_directory(result)}/{name}"
                import_archive(call, row, "image", path, arch=result["arch"])
            for name in result["logs"]:
                logs = f"{build_directory(call, row)}/data/logs/image"
                call.hub.files.copy(f"work/{_directory(result)}/{name}", f"{logs}/{name}")
        complete(call, row)


async def _make(
    builder: Builder, task: Row, nvr: tuple[str, str, str], arch: str, family: Family
) -> dict[str, Any]:
    name, version, release = nvr
    await failures.make_build_root(builder, task, name, arch)
    log = family.log.format(arch=arch)
    path = f"{task_directory(task['id'])}/{log}"
    builds = failures.compiles(builder, task, name)
    share = IMAGE_SHARE if builds else IMAGE_SHARE / 2
    await write_log(builder, path, f"Making {name} for {arch}", "installing", share)
    if not builds:
        builder.hub.files.append(path, b"ERROR: no space left on device\n")
        raise family.error(family.text.format(arch=arch))
    file = f"{name}-{version}-{release}.{arch}.{family.suffix}"
    put_file(builder, task, file, f"image {file}\n".encode() * 200)
    return {
        "arch": arch,
        "files": [file],
        "logs": [log, "root.log"],
        "name": name,
        "release": release,
        "rpmlist": [],
        "task_id": task["id"],
        "version": version,
    }


def _register(family: Family) -> None:
    @handler(family.child)
    def create(builder: Builder, task: Row) -> Coroutine[Deferred[Any], Any, dict[str, Any]]:
        name, version, release, arch, *_ = task["request"]
        return _make(builder, task, (name, version, release), arch, family)


for _family in FAMILIES.values():
    _register(_family)
