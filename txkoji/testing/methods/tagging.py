"""Tagging and untagging."""

from __future__ import annotations

from typing import Any

from txkoji import build_states
from txkoji.exceptions import ActionNotAllowed, GenericError, TagError
from txkoji.testing.announcements import messages
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.packages import package_config
from txkoji.testing.methods.table import declare, hub_method
from txkoji.testing.methods.tasks import make_task
from txkoji.testing.tables.lookups.builds import (
    BUILD_STATES,
    build_nvr,
    tagged_builds,
)
from txkoji.testing.tables.lookups.packages import package_name
from txkoji.testing.tables.state import HubState, Row

TAG_PRIORITY = 10


def listing_of(state: HubState, tag_id: int, build_id: int) -> Row | None:
    """Return the listing of a build in a tag, in force now, or None."""
    return state.current("tag_listing", tag_id=tag_id, build_id=build_id)


def tag_build_row(
    state: HubState, tag_id: int, build: Row, user_id: int, *, force: bool = False
) -> None:
    """Tag a build at this transaction's event.

    Raises:
        TagError: it is tagged already, and ``force`` is false.
    """
    tag = state.row("tag", tag_id)
    if not force and listing_of(state, tag_id, build["id"]):
        raise TagError(f"build {build_nvr(state, build)} already tagged ({tag['name']})")
    state.insert_version("tag_listing", {"tag_id": tag_id, "build_id": build["id"]}, user_id)
    state.announce(lambda: messages.tagging("Tag", state, tag_id, build, user_id, force=force))


def untag_build_row(
    state: HubState,
    tag_id: int,
    build: Row,
    user_id: int,
    *,
    strict: bool = True,
    force: bool | None = None,
) -> None:
    """Untag a build at this transaction's event.

    Raises:
        TagError: it is not in the tag, if ``strict``.
    """
    own = listing_of(state, tag_id, build["id"])
    if own is None:
        if strict:
            tag = state.row("tag", tag_id)
            nvr = build_nvr(state, build)
            raise TagError(f"build {nvr} not in tag {tag['name']}")
        return
    state.revoke("tag_listing", own["id"], user_id)
    state.announce(
        lambda: messages.tagging("Untag", state, tag_id, build, user_id, force=force, strict=strict)
    )


def check_access(call: MethodCall, tag: dict[str, Any], force: bool) -> None:
    """Refuse a tag that is locked, or that needs a permission that the caller lacks."""
    if force and call.has_permission("admin"):
        return
    if tag["locked"]:
        raise ActionNotAllowed("tag is locked")
    # Unlike elsewhere, `admin` does not imply the permission.
    if tag["perm"] and tag["perm"] not in call.permissions:
        raise ActionNotAllowed(f"tag requires {tag['perm']} permission")


def _check_package(
    call: MethodCall, tag: dict[str, Any], package_id: int, force: bool, noun: str = ""
) -> None:
    if force and call.has_permission("admin"):
        return
    name = package_name(call.state, package_id)
    entry = package_config(call, tag["id"], package_id)
    if entry is None:
        raise TagError(f"Package {name} not in list for {noun}{tag['name']}")
    if entry["blocked"]:
        raise TagError(f"Package {name} is blocked in {tag['name']}")


def _check_complete(call: MethodCall, row: Row) -> None:
    if row["state"] != BUILD_STATES["COMPLETE"]:
        state = build_states.to_str(row["state"])
        raise TagError(f"build {build_nvr(call.state, row)} not complete: state {state}")


def _checked(call: MethodCall, tag: Any, build: Any, force: bool) -> tuple[dict[str, Any], Row]:
    row = call.require("build", build)
    found = call.require("tagInfo", tag)
    _check_complete(call, row)
    check_access(call, found, force)
    _check_package(call, found, row["package_id"], force)
    call.require_policy("tag", force=force, tag=found["name"])
    return found, row


@hub_method("tagBuild")
def tag_build(
    call: MethodCall, tag: Any, build: Any, force: bool = False, fromtag: Any = None
) -> int:
    """Start the tagging of a build; return the task's id."""
    call.require_login()
    request = _task_request(call, tag, build, force, fromtag)
    return int(make_task(call, "tagBuild", request, priority=TAG_PRIORITY))


def _task_request(call: MethodCall, tag: Any, build: Any, force: bool, fromtag: Any) -> list[Any]:
    """Return the parameters of a task that tags a build, or refuse it."""
    found, row = _checked(call, tag, build, force)
    from_id = None
    if fromtag is not None:
        source = call.require("tagInfo", fromtag)
        check_access(call, source, force)
        # Whether it has the build is the task's to find out.
        from_id = source["id"]
    return [found["id"], row["id"], force, from_id]


declare(
    "moveBuild(tag1, tag2, build, force=False)",
    lambda call, tag1, tag2, build, force: tag_build(call, tag2, build, force, tag1),
    "Start the move of a build; return the task's id.",
)


@hub_method("moveAllBuilds")
def move_all_builds(
    call: MethodCall, tag1: Any, tag2: Any, package: Any, force: bool = False
) -> list[int]:
    """Start the move of a package's builds; return the tasks' ids."""
    call.require_login()
    source = call.require("tagInfo", tag1)
    row = call.require("package", package)
    target = call.require("tagInfo", tag2)
    _check_package(call, target, row["id"], force, noun="tag ")
    for tag in (source, target):
        # Even if there is nothing to move.
        check_access(call, tag, force)
    tagged = tagged_builds(call.state, source["id"], package=row["name"])
    oldest_first = sorted((build for build, _ in tagged), key=lambda build: build["id"])
    tasks: list[int] = []
    for build in oldest_first:
        # Each waits for the one before, so that the newest build becomes the latest.
        request = _task_request(call, tag2, build["id"], force, tag1)
        started = make_task(call, "dependantTask", [tasks[-1:], [["tagBuild", request]]])
        tasks.append(started)
    return tasks


@hub_method("untagBuild")
def untag_build(
    call: MethodCall, tag: Any, build: Any, strict: bool = True, force: bool = False
) -> None:
    """Untag a build."""
    call.require_login()
    row = call.require("build", build)
    found = call.require("tagInfo", tag)
    call.require_policy("tag", force=force, tag=found["name"])
    _untag(call, found, row, strict, force)


def _untag(call: MethodCall, tag: Row, row: Row, strict: bool, force: bool) -> None:
    check_access(call, tag, force)
    # The message of an unforced call has None here.
    untag_build_row(call.state, tag["id"], row, call.user_id, strict=strict, force=force or None)


@hub_method("tagBuildBypass(tag, build, force=False, notify=False)")
def tag_build_bypass(call: MethodCall, tag: Any, build: Any, force: bool, **_: Any) -> None:
    """Tag a build at once, without a task, package list or policy. Needs the permission tag."""
    found, row = call.require("tagInfo", tag), call.require("build", build)
    check_access(call, found, force)
    _check_complete(call, row)
    tag_build_row(call.state, found["id"], row, call.user_id, force=force)


@hub_method("untagBuildBypass(tag, build, strict=True, force=False, notify=False)")
def untag_build_bypass(
    call: MethodCall, tag: Any, build: Any, strict: bool, force: bool, **_: Any
) -> None:
    """Untag a build without policy. Needs the permission tag."""
    found, row = call.require("tagInfo", tag), call.require("build", build)
    _untag(call, found, row, strict, force)


@hub_method("massTag", since=(1, 30))
def mass_tag(call: MethodCall, tag: Any, builds: Any) -> None:
    """Tag many builds at once, unchecked. Needs the permission tag."""
    found = call.require("tagInfo", tag)
    if not isinstance(builds, list):
        raise GenericError("builds must be a list")
    for build in builds:
        row = call.require("build", build)
        tag_build_row(call.state, found["id"], row, call.user_id, force=True)
