"""Builds: listed, made, canceled, deleted, promoted."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from typing import Any

from txkoji.exceptions import ActionNotAllowed, BuildError, GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import HubMethod, declare, hub_method, look_up
from txkoji.testing.tables.filters import (
    Test,
    after,
    before,
    equals,
    matches,
    refers,
    select,
    starts,
)
from txkoji.testing.tables.lookups.builds import (
    BUILD_STATES,
    TYPE_COLUMNS,
    build_nvr,
    build_struct,
    build_type_name,
    build_types,
    listed_build_struct,
    type_columns,
)
from txkoji.testing.tables.lookups.find import find
from txkoji.testing.tables.lookups.packages import package_name
from txkoji.testing.tables.lookups.tags import tag_name
from txkoji.testing.tables.lookups.values import seconds_of
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import HubState, Row


def _of_state(struct: Callable[[HubState, Row], Any], call: MethodCall, row: Row) -> Any:
    return struct(call.state, row)


for _signature, _struct, _doc in (
    ("getBuild(buildInfo, strict=False)", build_struct, "a build"),
    ("findBuildID(X, strict=False)", lambda _, row: row["id"], "the id of a build"),
    ("getBuildType(buildInfo, strict=False)", build_types, "a build's types, with their details"),
):
    look_up(_signature, "build", partial(_of_state, _struct), f"Return {_doc}.")


def _of_task(state: HubState, task_id: Any) -> Test:
    if task_id == -1:
        return lambda row: row["task_id"] is not None
    return equals("task_id")(state, task_id)


def _of_type(state: HubState, name: Any) -> Test:
    wanted = build_type_name(state, name)
    return lambda row: wanted in build_types(state, row)


_BUILD_FILTERS = {
    "packageID": refers("package_id", "package"),
    "userID": refers("owner_id", "user"),
    "taskID": _of_task,
    "prefix": starts(lambda state, row: package_name(state, row["package_id"])),
    "state": equals("state"),
    "volumeID": equals("volume_id"),
    "source": matches(lambda _, row: row["source"]),
    "createdBefore": before("creation_ts"),
    "createdAfter": after("creation_ts"),
    "completeBefore": before("completion_ts"),
    "completeAfter": after("completion_ts"),
    "type": _of_type,
    "pattern": matches(build_nvr),
    "cgID": refers("cg_id", "content_generator"),
    "draft": lambda _, wanted: lambda row: bool(row["draft"]) is bool(wanted),
    "promotedBefore": before("promotion_ts"),
    "promotedAfter": after("promotion_ts"),
    "promoter": refers("promoter_id", "user"),
}


@hub_method(
    "listBuilds(packageID=None, userID=None, taskID=None, prefix=None, state=None, volumeID=None,"
    " source=None, createdBefore=None, createdAfter=None, completeBefore=None, completeAfter=None,"
    " type=None, typeInfo=None, queryOpts=None, pattern=None, cgID=None, draft=None,"
    " promotedBefore=None, promotedAfter=None, promoter=None)"
)
def _list_builds(call: MethodCall, *, type: Any, queryOpts: Any, **filters: Any) -> Any:
    """Return builds. Those of an unknown package are none."""
    rows = select(call.state, "build", _BUILD_FILTERS, {**filters, "type": type})
    kind = build_type_name(call.state, type)
    found = [
        {**listed_build_struct(call.state, row), **type_columns(kind, build_types(call.state, row))}
        for row in rows
    ]
    package = filters["packageID"]
    if package is not None and call.find("package", package) is None:
        # Nothing is asked of the database, which would refuse an unknown order.
        return apply_query_options([], queryOpts)
    more = TYPE_COLUMNS.get(kind or "", {}).values()
    return apply_query_options(found, queryOpts, "listBuilds", more)


@hub_method("getAverageBuildDuration")
def get_average_build_duration(call: MethodCall, package: Any, age: Any = None) -> Any:
    """Return how long the builds of a package take on average."""
    row = call.find("package", package)
    if row is None:
        return None
    since = 0.0 if age is None else call.hub.now() - float(age) * 30 * 86400
    durations = [
        build["completion_ts"] - (build["start_ts"] or build["creation_ts"])
        for build in call.state.rows("build", package_id=row["id"], state=BUILD_STATES["COMPLETE"])
        if build["task_id"] is not None and build["completion_ts"] > since
    ]
    return sum(durations) / len(durations) if durations else None


@hub_method("getNextRelease")
def get_next_release(call: MethodCall, build_info: Any, incr: int = 1) -> str:
    """Return the release that comes after the newest regular build's."""
    package = call.find("package", build_info["name"])
    rows = call.state.rows("build", package_id=package["id"]) if package else []
    counted = (BUILD_STATES["BUILDING"], BUILD_STATES["COMPLETE"])
    releases = [
        row["release"]
        for row in sorted(rows, key=lambda row: int(row["id"]))
        if row["version"] == build_info["version"] and row["state"] in counted and not row["draft"]
    ]
    if not releases:
        return "1"
    head, *rest = releases[-1].split(".")
    if not head.isdigit() or len(rest) > 1:
        raise BuildError(f"Unable to increment release value: {releases[-1]}")
    return ".".join([str(int(head) + incr), *rest])


@hub_method("getBuildLogs")
def get_build_logs(call: MethodCall, build: Any) -> list[dict[str, Any]]:
    """Return where the logs of an imported build are, relative to the top of kojifiles."""
    row = call.require("build", build)
    top = f"{build_directory(call, row)}/data/logs"
    logs = []
    for path in call.hub.files.walk(top):
        directory, _, name = path.rpartition("/")
        logs.append({"name": name, "dir": directory or ".", "path": f"{top}/{path}"})
    return logs


def build_directory(call: MethodCall, row: Row) -> str:
    """Return the directory of a build below the hub's top directory."""
    name = package_name(call.state, row["package_id"])
    return f"packages/{name}/{row['version']}/{row['release']}"


@hub_method("createEmptyBuild(name, version, release, epoch, owner=None, draft=False)")
def create_empty_build(
    call: MethodCall, name: str, version: str, release: str, epoch: Any, owner: Any, draft: bool
) -> int:
    """Make a build without content; return its id. Needs admin."""
    if not name:
        raise GenericError("No name or package id provided for build")
    owner_id = call.user_id if owner is None else call.require("user", owner)["id"]
    more = {"epoch": epoch, "owner_id": owner_id, "draft": draft}
    return int(make_build(call, name, version, release, state="COMPLETE", **more)["id"])


def make_build(
    call: MethodCall,
    name: str,
    version: str,
    release: str,
    *,
    draft: Any = False,
    state: str = "BUILDING",
    **columns: Any,
) -> Row:
    """Store a new build, or restart one that failed or was canceled: only its id stays.

    Args:
        call: who makes it: its owner, unless ``columns`` say another.
        name: the package; it is made if necessary.
        version: the version.
        release: the release; that of a draft gets the build's id.
        draft: make a draft, on a hub that has them; none of a regular build.
        state: the build's state: BUILDING, or COMPLETE at once.
        columns: more columns of the row.

    Raises:
        GenericError: the build exists or is in progress.
    """
    package = call.state.one("package", name=name) or call.state.insert("package", {"name": name})
    keys = {"package_id": package["id"], "version": version, "release": release}
    row = _new_build(call, state, bool(draft), columns)
    before = call.state.one("build", **keys)
    if before is not None:
        _check_restartable(before, {"name": name, **keys, **row, "state": BUILD_STATES[state]})
    if before is not None and not row["draft"]:
        for kind in call.state.rows("build_type", build_id=before["id"]):
            call.state.delete("build_type", kind["id"])
        change_build_state(call.state, before, BUILD_STATES[state], **row)
        return before
    made = call.state.insert("build", {**keys, **row, "state": BUILD_STATES[state]})
    if made["draft"]:
        call.state.update("build", made["id"], release=f"{release},draft_{made['id']}")
    call.state.announce(lambda: messages.build_changed(call.state, made, None))
    return made


_EMPTY = ("epoch", "task_id", "source", "extra", "cg_id", "promoter_id", "promotion_ts")


def _new_build(call: MethodCall, state: str, draft: bool, columns: dict[str, Any]) -> Row:
    """Return the columns of a new build, except its name."""
    now = call.hub.now()
    ended = now if state == "COMPLETE" else None
    times = {"creation_ts": now, "start_ts": now, "completion_ts": ended}
    more = {"volume_id": 0, "create_event": call.state.event()}
    owner = {} if "owner_id" in columns else {"owner_id": call.user_id}
    draft = draft and call.hub.release >= (1, 34)
    return {**dict.fromkeys(_EMPTY), **times, **more, "draft": draft, **owner, **columns}


def _check_restartable(row: Row, new: dict[str, Any]) -> None:
    """Refuse to restart a build that is in progress or done, in a hub's words."""
    if row["state"] == BUILD_STATES["BUILDING"]:
        raise GenericError(f"Build already in progress (task {row['task_id']})")
    if row["state"] in (BUILD_STATES["FAILED"], BUILD_STATES["CANCELED"]):
        return
    data = {
        **{key: new[key] for key in ("name", "version", "release", "epoch", "task_id", "source")},
        "extra": json.dumps(new["extra"]) if new["extra"] is not None else None,
        "owner": new["owner_id"],
        "state": new["state"],
        "completion_time": None if new["completion_ts"] is None else "NOW",
        "pkg_id": row["package_id"],
        "start_time": "NOW",
        "volume_id": 0,
        "draft": new["draft"],
    }
    names = {number: each for each, number in BUILD_STATES.items()}
    raise GenericError(
        f"Build already exists (id={row['id']}, state={names[row['state']]}): {data}"
    )


def change_build_state(state: HubState, row: Row, new: int, **columns: Any) -> None:
    """Change the state of a build, and other columns with it."""
    old = row["state"]
    state.update("build", row["id"], state=new, **columns)
    state.announce(lambda: messages.build_changed(state, row, old))


def _editor(column: str, convert: Callable[[HubState, Any], Any]) -> HubMethod:
    def edit(call: MethodCall, build: Any, value: Any) -> None:
        row = call.require("build", build)
        call.state.update("build", row["id"], **{column: convert(call.state, value)})

    return edit


declare(
    "setBuildOwner(build, user)",
    _editor("owner_id", lambda state, user: find(state, "user", user, True)["id"]),
)
declare(
    "setBuildTimestamp(build, ts)", _editor("completion_ts", lambda _, moment: seconds_of(moment))
)


@hub_method("resetBuild")
def reset_build(call: MethodCall, build: Any) -> None:
    """Cancel a build, however it ended, and forget its RPMs and tags. Needs admin."""
    row = call.find("build", build)
    if row is None:
        return
    call.state.revoke_all("tag_listing", call.user_id, build_id=row["id"])
    for table in ("rpminfo", "archiveinfo", "build_type"):
        for each in call.state.rows(table, build_id=row["id"]):
            call.state.delete(table, each["id"])
    change_build_state(call.state, row, BUILD_STATES["CANCELED"])


def add_build_type(state: HubState, row: Row, name: str, info: dict[str, Any] | None) -> None:
    """Add a type to a build, unless it has it."""
    if name not in build_types(state, row):
        state.insert("build_type", {"build_id": row["id"], "name": name, "info": info})


@hub_method("cancelBuild")
def cancel_build(call: MethodCall, buildID: Any, strict: bool = False) -> bool:
    """Cancel a build in progress; tell whether it was one."""
    user = call.require_login()
    row = call.find("build", buildID, strict)
    if row is None:
        return False
    if row["owner_id"] != user["id"] and not call.has_permission("admin"):
        raise ActionNotAllowed("Cannot cancel build, not owner")
    if row["state"] != BUILD_STATES["BUILDING"]:
        return False
    if row["task_id"] is not None:
        call.hub.runner.cancel(row["task_id"])
    if row["state"] == BUILD_STATES["BUILDING"]:
        change_build_state(call.state, row, BUILD_STATES["CANCELED"], completion_ts=call.hub.now())
    return True


@hub_method("deleteBuild(build, strict=True, min_ref_age=604800)")
def delete_build(call: MethodCall, build: Any, strict: bool, **_: Any) -> bool:
    """Delete a build. Needs admin."""
    state = call.state
    row = call.require("build", build)
    refusal = None
    tags = [
        tag_name(state, each["tag_id"]) for each in state.active("tag_listing", build_id=row["id"])
    ]
    if tags:
        refusal = f"Cannot delete build, tagged: {tags}"
    if row["state"] != BUILD_STATES["COMPLETE"]:
        refusal = f"Cannot delete build, not COMPLETE: {build_nvr(state, row)}"
    if refusal:
        if strict:
            raise GenericError(refusal)
        return False
    change_build_state(state, row, BUILD_STATES["DELETED"])
    directory = build_directory(call, row)
    for path in list(call.hub.files.walk(directory)):
        call.hub.files.remove(f"{directory}/{path}")
    return True


@hub_method("promoteBuild", since=(1, 34))
def promote_build(call: MethodCall, build: Any, force: bool = False) -> Any:
    """Make a draft build a regular one."""
    user = call.require_login()
    row = call.require("build", build)
    refused = f"Cannot promote build {build_nvr(call.state, row)}. Reason:"
    if not row["draft"]:
        raise GenericError(f"{refused} Not a draft build")
    if row["state"] != BUILD_STATES["COMPLETE"]:
        raise GenericError(f"{refused} Not in COMPLETE state")
    call.require_policy("draft_promotion", force=force, exempt=row["owner_id"] == user["id"])
    draft_release = row["release"]
    release = draft_release.partition(",draft_")[0]
    package, version = row["package_id"], row["version"]
    if call.state.one("build", package_id=package, version=version, release=release):
        raise GenericError(f"{refused} Target build already exists")
    before = build_directory(call, row)
    call.state.event()
    call.state.update(
        "build",
        row["id"],
        draft=False,
        release=release,
        promoter_id=user["id"],
        promotion_ts=call.hub.now(),
    )
    for rpm in call.state.rows("rpminfo", build_id=row["id"]):
        call.state.update("rpminfo", rpm["id"], draft=False)
    # The old directory stays, as a link.
    for path in list(call.hub.files.walk(before)):
        call.hub.files.copy(f"{before}/{path}", f"{build_directory(call, row)}/{path}")
    call.state.announce(lambda: messages.build_promoted(call.state, row, draft_release, user["id"]))
    return build_struct(call.state, row)
