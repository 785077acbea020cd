"""Methods that start a task with their arguments: of RPMs, Maven projects, containers, images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.maven import require_maven
from txkoji.testing.methods.table import HubMethod, declare
from txkoji.testing.methods.tasks import absolute_priority, make_task
from txkoji.testing.tables.lookups.targets import require_target
from txkoji.testing.tables.lookups.values import require_type


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


def _anyone(_: MethodCall) -> None:
    # A task needs an owner all the same.
    pass


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
    "buildContainer(src, target, opts=None, priority=None, channel='container-binary')": _Start(
        "buildContainer", _anyone, (str,), plugin=_CONTAINERS
    ),
    "buildSourceContainer(target, opts=None, priority=None, channel='container-source')": _Start(
        "buildSourceContainer", _anyone, plugin=_CONTAINERS
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


def _starter(start: _Start) -> HubMethod:
    def run(call: MethodCall, *args: Any) -> int:
        start.gate(call)
        *request, opts, priority, channel = (*args, start.channel) if start.channel else args
        for value, expected in zip(request, start.types, strict=False):
            if expected is not None:
                require_type(value, expected)
        if start.target is not None:
            require_target(call.state, request[start.target])
        return make_task(
            call,
            start.method,
            [*request, opts or {}],
            channel=channel,
            priority=absolute_priority(call, priority),
        )

    return run


for _signature, _start in _STARTS.items():
    declare(_signature, _starter(_start), plugin=_start.plugin)
