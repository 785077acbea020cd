"""Tasks that build images: the hub's own, and those of the plugins ``kiwi`` and ``osbuild``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError, ParameterError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tasks import absolute_priority, make_task
from txkoji.testing.tables.lookups.targets import require_target
from txkoji.testing.tables.lookups.values import require_type

IMAGE_TYPES = ("livecd", "appliance", "livemedia")


@hub_method("buildImage")
def build_image(
    call: MethodCall,
    name: Any,
    version: Any,
    arch: Any,
    target: Any,
    ksfile: Any,
    img_type: Any,
    opts: Any = None,
    priority: Any = None,
) -> int:
    """Start a livecd, livemedia or appliance image; return the task's id."""
    if img_type not in IMAGE_TYPES:
        raise GenericError(f"Unrecognized image type: {img_type}")
    call.require_permission(img_type)
    expected = list if img_type == "livemedia" else str
    require_type(arch, expected)
    return make_task(
        call,
        img_type,
        [name, version, arch, target, ksfile, opts or {}],
        channel=img_type,
        arch="noarch" if img_type == "livemedia" else arch,
        priority=absolute_priority(call, priority),
    )


def _words(arches: Any) -> str:
    words = arches.split() if isinstance(arches, str) else arches
    if not isinstance(words, list):
        raise ParameterError(f"Invalid type for value {arches!r}: {type(arches)}")
    return " ".join(words)


@hub_method("kiwiBuild", plugin="kiwi")
def kiwi_build(
    call: MethodCall,
    target: Any,
    arches: Any,
    desc_url: Any,
    desc_path: Any,
    optional_arches: Any = None,
    profile: Any = None,
    scratch: bool = False,
    priority: Any = None,
    make_prep: bool = False,
    repos: Any = None,
    release: Any = None,
    type: Any = None,
    type_attr: Any = None,
    result_bundle_name_format: Any = None,
    use_buildroot_repo: bool = True,
    version: Any = None,
    repo_releasever: Any = None,
) -> int:
    """Start a KIWI image (plugin kiwi); return the task's id."""
    call.require_permission("image")
    for text in (desc_url, desc_path):
        require_type(text, str)
    require_target(call.state, target)
    given = {
        "optional_arches": _words(optional_arches or []),
        "profile": profile,
        "scratch": bool(scratch),
        "make_prep": make_prep,
        "repos": repos or [],
        "release": release,
        "type": type,
        "type_attr": type_attr,
        "result_bundle_name_format": result_bundle_name_format,
        "use_buildroot_repo": use_buildroot_repo,
        "version": version,
        "repo_releasever": repo_releasever,
    }
    options = {name: value for name, value in given.items() if value not in (None, "", [])}
    return make_task(
        call,
        "kiwiBuild",
        [target, _words(arches), desc_url, desc_path, options],
        channel="image",
        priority=absolute_priority(call, priority),
    )


@hub_method("osbuildImage", plugin="osbuild")
def osbuild_image(
    call: MethodCall,
    name: Any,
    version: Any,
    distro: Any,
    image_type: Any,
    target: Any,
    arches: Any,
    opts: Any = None,
    priority: Any = None,
) -> int:
    """Start an image by osbuild (its plugin); return the task's id."""
    call.require_permission("image")
    for text in (name, version, distro, target):
        require_type(text, str)
    require_type(arches, list)
    require_target(call.state, target)
    return make_task(
        call,
        "osbuildImage",
        [name, version, distro, image_type, target, arches, opts or {}],
        channel="image",
        priority=absolute_priority(call, priority),
    )
