"""Build targets."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.tables.columns import check_name
from txkoji.testing.tables.filters import refers, select
from txkoji.testing.tables.lookups.structs import target_struct
from txkoji.testing.tables.lookups.values import must, row_if
from txkoji.testing.tables.queries import apply_query_options


@hub_method("getBuildTarget")
def get_build_target(call: MethodCall, info: Any, event: Any = None, strict: bool = False) -> Any:
    """Return a build target."""
    if not info:
        # A hub asks for every target then, and finds more than one.
        return row_if(None, strict, f"No such build target: {info}")
    return call.find("target", info, strict, event)


_FILTERS = {
    "info": refers("build_target_id", "build_target"),
    "buildTagID": refers("build_tag", "tag", True),
    "destTagID": refers("dest_tag", "tag", True),
}


@hub_method(
    "getBuildTargets(info=None, event=None, buildTagID=None, destTagID=None, queryOpts=None)"
)
def _get_build_targets(
    call: MethodCall, *, info: Any, event: Any, queryOpts: Any, **tags: Any
) -> Any:
    """Return build targets."""
    state = call.state
    configs = state.active("build_target_config", event)
    # A hub takes an empty name or id for none.
    asked = {"info": info or None, **tags}
    found = select(state, "build_target_config", _FILTERS, asked, configs)
    rows = [
        target_struct(state, state.row("build_target", each["build_target_id"]), each)
        for each in found
    ]
    return apply_query_options(rows, queryOpts, "getBuildTargets")


@hub_method("createBuildTarget")
def create_build_target(call: MethodCall, name: str, build_tag: Any, dest_tag: Any) -> None:
    """Make a build target."""
    state = call.state
    check_name(name)
    if call.find("target", name):
        raise GenericError(f"A build target with the name '{name}' already exists")
    build_id, dest_id = _tag_ids(call, build_tag, dest_tag)
    target = state.one("build_target", name=name) or state.insert("build_target", {"name": name})
    _configure(call, target, build_id, dest_id)


def _configure(call: MethodCall, target: dict[str, Any], build_tag: int, dest_tag: int) -> None:
    config = {"build_target_id": target["id"], "build_tag": build_tag, "dest_tag": dest_tag}
    call.state.insert_version("build_target_config", config, call.user_id)


def _tag_ids(call: MethodCall, build_tag: Any, dest_tag: Any) -> tuple[int, int]:
    build = must(call.find("tag", build_tag), f"build tag '{build_tag}' does not exist")
    dest = must(call.find("tag", dest_tag), f"destination tag '{dest_tag}' does not exist")
    return build["id"], dest["id"]


@hub_method("editBuildTarget")
def edit_build_target(
    call: MethodCall, buildTargetInfo: Any, name: str, build_tag: Any, dest_tag: Any
) -> None:
    """Change a build target."""
    state = call.state
    target = call.require("target", buildTargetInfo)
    build_id, dest_id = _tag_ids(call, build_tag, dest_tag)
    if name != target["name"]:
        if state.one("build_target", name=name):
            raise GenericError(f'name "{name}" is already taken by build target')
        state.update("build_target", target["id"], name=name)
    _configure(call, target, build_id, dest_id)


@hub_method("deleteBuildTarget")
def delete_build_target(call: MethodCall, buildTargetInfo: Any) -> None:
    """Delete a build target."""
    target = call.require("target", buildTargetInfo)
    call.state.revoke_all("build_target_config", call.user_id, build_target_id=target["id"])
