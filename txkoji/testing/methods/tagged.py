"""Builds and RPMs of tags."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.tables.lookups.builds import (
    BUILD_STATES,
    build_type_name,
    build_types,
    tagged_build_struct,
    tagged_builds,
    type_columns,
)
from txkoji.testing.tables.lookups.packages import package_name
from txkoji.testing.tables.lookups.structs import rpm_struct
from txkoji.testing.tables.lookups.users import user_name
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import HubState, Row, pick


@hub_method(
    "listTagged(tag, event=None, inherit=False, prefix=None, latest=False, package=None,"
    " owner=None, type=None, strict=True, extra=False, draft=None)"
)
def list_tagged(call: MethodCall, *, strict: Any = True, **asked: Any) -> list[dict[str, Any]]:
    """Return the builds in a tag."""
    struct = call.find("tagInfo", asked["tag"], strict, asked.get("event"))
    if struct is None:
        return []
    which: dict[str, Any] = {
        key: asked.get(key) or None for key in ("event", "inherit", "latest", "package")
    }
    kind = build_type_name(call.state, asked.get("type"))
    return [
        {
            **tagged_build_struct(call.state, build, listing),
            **type_columns(kind, build_types(call.state, build)),
            **({"extra": build["extra"]} if asked.get("extra") else {}),
        }
        for build, listing in tagged_builds(call.state, struct["id"], **which)
        if _is_asked_for(call.state, build, kind, **asked)
    ]


def _is_asked_for(
    state: HubState,
    build: Row,
    kind: str | None,
    owner: Any = None,
    prefix: Any = None,
    draft: Any = None,
    **_: Any,
) -> bool:
    name = package_name(state, build["package_id"])
    return not (
        (owner and owner != user_name(state, build["owner_id"]))
        or (draft is not None and build["draft"] != draft)
        or (kind is not None and kind not in build_types(state, build))
        or (prefix and not name.lower().startswith(prefix.lower()))
    )


def _latest(call: MethodCall, tag: Any) -> dict[str, Any]:
    """Return what asks for the newest builds of a tag: an unknown name is refused, an id is not."""
    if type(tag) is not int:
        call.tag_id(tag)
    return {"tag": tag, "inherit": True, "latest": True, "strict": False}


@hub_method("getLatestBuilds(tag, event=None, package=None, type=None, draft=None)")
def _latest_builds(call: MethodCall, *, tag: Any, **asked: Any) -> list[dict[str, Any]]:
    """Return the newest build of each package in a tag, inherited ones included."""
    return list_tagged(call, **_latest(call, tag), **asked)


@hub_method(
    "listTaggedRPMS(tag, event=None, inherit=False, latest=False, package=None, arch=None,"
    " rpmsigs=False, owner=None, type=None, strict=True, extra=True, draft=None)"
)
def _tagged_rpms(
    call: MethodCall, *, arch: Any, rpmsigs: Any, extra: Any = True, **asked: Any
) -> list[Any]:
    """Return the RPMs in a tag, and their builds."""
    builds = list_tagged(call, **asked)
    arches = [arch] if isinstance(arch, str) else arch
    if arches and not isinstance(arches, list):
        raise GenericError(f"Invalid arch option: {arch}")
    found = []
    for build in builds:
        for row in call.state.rows("rpminfo", build_id=build["build_id"]):
            if arches and row["arch"] not in arches:
                continue
            struct = rpm_struct(call.state, row)
            for key in ("external_repo_id", "external_repo_name"):
                del struct[key]
            if not extra:
                del struct["extra"]
            if not rpmsigs:
                found.append(struct)
                continue
            keys = [each["sigkey"] for each in call.state.rows("rpmsigs", rpm_id=row["id"])]
            found += [{**struct, "sigkey": key} for key in ["", *keys]]
    # The hub lists RPMs by id, not in the order of the builds.
    return [sorted(found, key=lambda struct: int(struct["id"])), builds]


@hub_method(
    "getLatestRPMS(tag, package=None, arch=None, event=None, rpmsigs=False, type=None, draft=None)"
)
def _latest_rpms(call: MethodCall, *, tag: Any, **asked: Any) -> list[Any]:
    """Return the RPMs of a tag's newest builds, and those builds."""
    return _tagged_rpms(call, **_latest(call, tag), **asked)


@hub_method("untaggedBuilds")
def untagged_builds(
    call: MethodCall, name: Any = None, queryOpts: Any = None, draft: Any = None
) -> Any:
    """Return the builds in no tag."""
    tagged = {row["build_id"] for row in call.state.active("tag_listing")}
    rows = []
    for row in call.state.rows("build", state=BUILD_STATES["COMPLETE"]):
        package = package_name(call.state, row["package_id"])
        if row["id"] in tagged or (name and package != name):
            continue
        if draft is not None and row["draft"] is not draft:
            continue
        rows.append({**pick(row, "id version release"), "name": package})
    return apply_query_options(rows, queryOpts, "untaggedBuilds")
