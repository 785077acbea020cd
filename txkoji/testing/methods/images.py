"""Tasks that build images: the hub's own, and those of the plugin ``kiwi``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError, ParameterError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method
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


def _kiwi_build(
    call: MethodCall,
    *,
    target: Any,
    arches: Any,
    desc_url: Any,
    desc_path: Any,
    priority: Any,
    **given: Any,
) -> int:
    """Start a KIWI image (plugin kiwi); return the task's id."""
    for text in (desc_url, desc_path):
        require_type(text, str)
    require_target(call.state, target)
    given["optional_arches"] = _words(given["optional_arches"] or [])
    given.update(scratch=bool(given["scratch"]), repos=given["repos"] or [])
    options = {name: value for name, value in given.items() if value not in (None, "", [])}
    return make_task(
        call,
        "kiwiBuild",
        [target, _words(arches), desc_url, desc_path, options],
        channel="image",
        priority=absolute_priority(call, priority),
    )


declare(
    "kiwiBuild(target, arches, desc_url, desc_path, optional_arches=None, profile=None,"
    " scratch=False, priority=None, make_prep=False, repos=None, release=None, type=None,"
    " type_attr=None, result_bundle_name_format=None, use_buildroot_repo=True, version=None,"
    " repo_releasever=None)",
    _kiwi_build,
    plugin="kiwi",
    by_name=True,
)
