"""Methods that start tasks: RPMs, Maven projects, images, containers, Windows, runroot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from txkoji.exceptions import GenericError, ParameterError, PreBuildError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import HubMethod, declare, hub_method
from txkoji.testing.methods.tasks import absolute_priority, make_task
from txkoji.testing.tables.lookups.builds import build_struct
from txkoji.testing.tables.lookups.values import require_type

RUNROOT_PRIORITY = 15
IMAGE_TYPES = ("livecd", "appliance", "livemedia")


def require_maven(call: MethodCall) -> None:
    """Refuse an anonymous caller, and every caller if Maven is disabled."""
    call.require_login()
    if not call.hub.maven_enabled:
        raise GenericError("Maven support not enabled")


class _Start(NamedTuple):
    """How a method starts a task.

    Attributes:
        method: the task's method.
        gate: refuses callers who may not start it.
        types: the types of the first arguments; None takes any.
        channel: the task's channel, for a method whose callers can't choose it.
        plugin: the hub plugin that provides the method.
        target: the index of the build target, for a method that refuses an unknown one.
    """

    method: str
    gate: Callable[[MethodCall], object] = MethodCall.require_login
    types: tuple[type | None, ...] = ()
    channel: str | None = None
    plugin: str | None = None
    target: int | None = None


_CONTAINERS = "containerbuild"
_STARTS = {
    "build(src, target, opts=None, priority=None, channel=None)": _Start("build", types=(str,)),
    "chainBuild(srcs, target, opts=None, priority=None, channel=None)": _Start(
        "chainbuild", types=(list,)
    ),
    "mavenBuild(url, target, opts=None, priority=None, channel='maven')": _Start(
        "maven", require_maven, (str,)
    ),
    "chainMaven(builds, target, opts=None, priority=None, channel='maven')": _Start(
        "chainmaven", require_maven, (dict,)
    ),
    # A task needs an owner all the same.
    "buildContainer(src, target, opts=None, priority=None, channel='container-binary')": _Start(
        "buildContainer", lambda _: None, (str,), plugin=_CONTAINERS
    ),
    "buildSourceContainer(target, opts=None, priority=None, channel='container-source')": _Start(
        "buildSourceContainer", lambda _: None, plugin=_CONTAINERS
    ),
    "buildImageOz(name, version, arches, target, inst_tree, opts=None, priority=None)": _Start(
        "image", types=(None, None, list), channel="image"
    ),
    "buildImageIndirection(opts=None, priority=None)": _Start("indirectionimage", channel="image"),
    (
        "osbuildImage(name, version, distro, image_type, target, arches, opts=None, priority=None)"
    ): _Start(
        "osbuildImage",
        types=(str, str, str, None, str, list),
        channel="image",
        plugin="osbuild",
        target=4,
    ),
}
"""The methods, with their arguments; those before ``opts`` are the task's."""


def _submit(
    call: MethodCall,
    method: str,
    request: list[Any],
    channel: Any,
    priority: Any,
    arch: str = "noarch",
) -> int:
    number = absolute_priority(call, priority)
    return make_task(call, method, request, channel=channel, priority=number, arch=arch)


def _starter(start: _Start) -> HubMethod:
    def run(call: MethodCall, *args: Any) -> int:
        start.gate(call)
        *request, opts, priority, channel = (*args, start.channel) if start.channel else args
        for value, expected in zip(request, start.types, strict=False):
            if expected is not None:
                require_type(value, expected)
        if start.target is not None:
            call.require("target", request[start.target])
        return _submit(call, start.method, [*request, opts or {}], channel, priority)

    return run


for _signature, _start in _STARTS.items():
    declare(_signature, _starter(_start), plugin=_start.plugin)


@hub_method("wrapperRPM(build, url, target, priority=None, channel='maven', opts=None)")
def wrapper_rpm(
    call: MethodCall, build: Any, url: Any, target: Any, priority: Any, channel: Any, opts: Any
) -> int:
    """Start the build of RPMs around a Maven build; return the task's id."""
    require_maven(call)
    options = opts or {}
    struct = build_struct(call.state, call.require("build", build))
    if call.state.rows("rpminfo", build_id=struct["id"]) and not (
        options.get("scratch") or options.get("create_build")
    ):
        raise PreBuildError(f"wrapper rpms for {struct['nvr']} have already been built")
    found = call.find("target", target)
    if found is None:
        raise PreBuildError(f"no such build target: {target}")
    return _submit(call, "wrapperRPM", [url, found, struct, None, options], channel, priority)


@hub_method("buildImage(name, version, arch, target, ksfile, img_type, opts=None, priority=None)")
def build_image(
    call: MethodCall, *, arch: Any, img_type: Any, opts: Any, priority: Any, **asked: Any
) -> int:
    """Start a livecd, livemedia or appliance image; return the task's id."""
    if img_type not in IMAGE_TYPES:
        raise GenericError(f"Unrecognized image type: {img_type}")
    call.require_permission(img_type)
    expected = list if img_type == "livemedia" else str
    require_type(arch, expected)
    request = [asked["name"], asked["version"], arch, asked["target"], asked["ksfile"], opts or {}]
    arch = "noarch" if img_type == "livemedia" else arch
    return _submit(call, img_type, request, img_type, priority, arch)


def _words(arches: Any) -> str:
    words = arches.split() if isinstance(arches, str) else arches
    if not isinstance(words, list):
        raise ParameterError(f"Invalid type for value {arches!r}: {type(arches)}")
    return " ".join(words)


@hub_method(
    "kiwiBuild(target, arches, desc_url, desc_path, optional_arches=None, profile=None,"
    " scratch=False, priority=None, make_prep=False, repos=None, release=None, type=None,"
    " type_attr=None, result_bundle_name_format=None, use_buildroot_repo=True, version=None,"
    " repo_releasever=None)",
    plugin="kiwi",
)
def _kiwi_build(call: MethodCall, *, priority: Any, **given: Any) -> int:
    """Start a KIWI image (plugin kiwi); return the task's id."""
    target, arches, *where = map(given.pop, ("target", "arches", "desc_url", "desc_path"))
    for text in where:
        require_type(text, str)
    call.require("target", target)
    given["optional_arches"] = _words(given["optional_arches"] or [])
    given.update(scratch=bool(given["scratch"]), repos=given["repos"] or [])
    options = {name: value for name, value in given.items() if value not in (None, "", [])}
    request = [target, _words(arches), *where, options]
    return _submit(call, "kiwiBuild", request, "image", priority)


@hub_method("winBuild(vm, url, target, opts=None, priority=None, channel='vm')")
def win_build(
    call: MethodCall, vm: Any, url: Any, target: Any, opts: Any, priority: Any, channel: Any
) -> int:
    """Start a build on Windows; return the task's id."""
    call.require_login()
    if not call.hub.win_enabled:
        raise GenericError("Windows support not enabled")
    call.require("target", target)
    call.require_policy("vm")
    return _submit(call, "winbuild", [vm, url, target, opts or {}], channel, priority)


@hub_method("runroot", plugin="runroot")
def runroot(
    call: MethodCall, tagInfo: Any, arch: Any, command: Any, channel: Any = None, **opts: Any
) -> int:
    """Run a command in a build root (plugin runroot); return the task's id."""
    tag = call.require("tagInfo", tagInfo)
    # The channel is the site's own: a hub is not seeded with it.
    if channel is None:
        channel = call.require("channel", "runroot")["id"]
    if arch == "noarch" and not tag["arches"]:
        raise GenericError(f"no arches defined for tag {tag['name']}")
    request = [tag["name"], arch, command, {**opts, "__starstar": True}]
    return make_task(
        call, "runroot", request, channel=channel, arch=arch, priority=RUNROOT_PRIORITY
    )
