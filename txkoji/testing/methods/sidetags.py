"""Side tags: the methods of the hub plugin ``sidetag``."""

from __future__ import annotations

from typing import Any

from txkoji.exceptions import ActionNotAllowed, GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.methods.tags import delete_tag, edit_tag2, insert_tag
from txkoji.testing.methods.targets import create_build_target, delete_build_target
from txkoji.testing.tables.lookups.tags import tag_extra
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import pick


@hub_method("createSideTag(basetag, debuginfo=False, suffix=None)", plugin="sidetag")
def create_side_tag(call: MethodCall, basetag: Any, debuginfo: Any, suffix: Any) -> dict[str, Any]:
    """Make a side tag and a target for it (plugin sidetag)."""
    if suffix and suffix not in call.hub.sidetag_suffixes:
        raise GenericError(f"{suffix} suffix is not allowed for sidetag")
    user = call.require_login()
    base = call.require("tagInfo", basetag)
    call.require_policy("sidetag", tag=base["name"])
    number = max((row["id"] for row in call.state.rows("tag")), default=0) + 1
    name = f"{base['name']}-side-{number}" + (f"-{suffix}" if suffix else "")
    extra = {"sidetag": True, "sidetag_user": user["name"], "sidetag_user_id": user["id"]}
    extra |= {"with_debuginfo": True} if debuginfo else {}
    tag_id = insert_tag(call, name, parent=base["id"], arches=base["arches"], extra=extra)
    create_build_target(call, name, tag_id, tag_id)
    reply: dict[str, Any] = {"name": name, "id": tag_id}
    if call.hub.release >= (1, 34):
        reply["task_id"] = None
    if call.hub.release >= (1, 35):
        reply["request"] = None
    return reply


def _own_side_tag(call: MethodCall, info: Any) -> dict[str, Any]:
    """Return the caller's side tag; refuse what is not theirs."""
    user = call.require_login()
    tag = call.require("tagInfo", info)
    extra = tag_extra(call.state, tag["id"])
    if not extra.get("sidetag"):
        raise GenericError(f"Not a sidetag: {tag['name']}")
    if extra.get("sidetag_user_id") != user["id"] and not call.has_permission("admin"):
        raise ActionNotAllowed("This is not your sidetag")
    return tag


@hub_method("removeSideTag", plugin="sidetag")
def remove_side_tag(call: MethodCall, sidetag: Any) -> None:
    """Remove a side tag and its target (plugin sidetag)."""
    tag = _own_side_tag(call, sidetag)
    delete_build_target(call, tag["name"])
    delete_tag(call, tag["id"])


@hub_method(
    "editSideTag(sidetag, debuginfo=None, rpm_macros=None, remove_rpm_macros=None, extra=None,"
    " remove_extra=None)",
    plugin="sidetag",
)
def edit_side_tag(
    call: MethodCall, sidetag: Any, rpm_macros: Any, remove_rpm_macros: Any, **asked: Any
) -> None:
    """Change a side tag (plugin sidetag)."""
    tag = _own_side_tag(call, sidetag)
    [link] = call.state.active("tag_inheritance", tag_id=tag["id"])
    allowed = tag_extra(call.state, link["parent_id"])
    changes: dict[str, Any] = dict(asked["extra"] or {})
    removed = list(asked["remove_extra"] or [])
    if asked["debuginfo"] is not None:
        if not allowed.get("sidetag_debuginfo_allowed"):
            raise GenericError("Debuginfo setting is not allowed in parent tag.")
        changes["with_debuginfo"] = bool(asked["debuginfo"])
    if rpm_macros or remove_rpm_macros:
        if not allowed.get("sidetag_rpm_macros_allowed"):
            raise GenericError("RPM macros change is not allowed in parent tag.")
        changes.update({f"rpm.macro.{name}": value for name, value in (rpm_macros or {}).items()})
        removed += [f"rpm.macro.{name}" for name in remove_rpm_macros or []]
    edit_tag2(call, tag["id"], extra=changes, remove_extra=removed)


@hub_method("listSideTags", plugin="sidetag")
def list_side_tags(
    call: MethodCall, basetag: Any = None, user: Any = None, queryOpts: Any = None
) -> Any:
    """Return side tags (plugin sidetag)."""
    wanted = call.require("user", user) if user is not None else None
    base = call.require("tagInfo", basetag) if basetag is not None else None
    rows = []
    for mark in call.state.active("tag_extra", key="sidetag"):
        tag = call.state.row("tag", mark["tag_id"])
        extra = tag_extra(call.state, tag["id"])
        if not extra.keys() >= {"sidetag_user", "sidetag_user_id"}:
            # Somebody else marked it.
            continue
        owner, name = extra["sidetag_user_id"], extra["sidetag_user"]
        link = {"tag_id": tag["id"], "parent_id": base["id"] if base else None}
        if wanted and owner != wanted["id"]:
            continue
        if base is None or call.state.active("tag_inheritance", **link):
            rows.append({**pick(tag, "id name"), "user_id": str(owner), "user_name": name})
    return apply_query_options(rows, queryOpts, "listSideTags")
