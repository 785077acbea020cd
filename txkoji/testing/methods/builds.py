"""Builds, their RPMs and archives, and what is tagged."""

from __future__ import annotations

import re
from typing import Any

from txkoji import nvr
from txkoji.exceptions import ActionNotAllowed, BuildError, GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.formats import rpms
from txkoji.testing.methods.table import MethodCall, hub_method
from txkoji.testing.tables import lookups
from txkoji.testing.tables.lookups import STATES
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import HubState, Row


@hub_method("getBuild")
def get_build(call: MethodCall, buildInfo: Any, strict: bool = False) -> Any:
    return lookups.find_build(call.state, buildInfo, strict)


@hub_method("findBuildID")
def find_build_id(call: MethodCall, X: Any, strict: bool = False) -> Any:
    row = lookups.find_build_row(call.state, X, strict)
    return row["id"] if row else None


def _glob(pattern: str) -> re.Pattern[str]:
    body = "".join(
        ".*" if letter in "*%" else "." if letter in "?_" else re.escape(letter)
        for letter in pattern
    )
    return re.compile(body, re.IGNORECASE)


@hub_method("listBuilds")
def list_builds(
    call: MethodCall,
    packageID: Any = None,
    userID: Any = None,
    taskID: Any = None,
    prefix: Any = None,
    state: Any = None,
    volumeID: Any = None,
    source: Any = None,
    createdBefore: Any = None,
    createdAfter: Any = None,
    completeBefore: Any = None,
    completeAfter: Any = None,
    type: Any = None,
    typeInfo: Any = None,
    queryOpts: Any = None,
    pattern: Any = None,
    cgID: Any = None,
    draft: Any = None,
    promotedBefore: Any = None,
    promotedAfter: Any = None,
    promoter: Any = None,
) -> Any:
    tables = call.state
    equal: dict[str, Any] = {}
    if packageID is not None:
        package = lookups.find_package(tables, packageID)
        if package is None:
            return apply_query_options([], queryOpts)
        equal["package_id"] = package["id"]
    if userID is not None:
        user = lookups.find_user(tables, userID)
        if user is None:
            return apply_query_options([], queryOpts)
        equal["owner_id"] = user["id"]
    if taskID is not None and taskID != -1:
        equal["task_id"] = taskID
    if state is not None:
        equal["state"] = state
    if draft is not None:
        equal["draft"] = draft
    if promoter is not None:
        user = lookups.find_user(tables, promoter)
        if user is None:
            return apply_query_options([], queryOpts)
        equal["promoter_id"] = user["id"]
    if volumeID is not None:
        equal["volume_id"] = volumeID
    if cgID is not None:
        equal["cg_id"] = cgID
    bounds = (
        ("creation_ts", createdAfter, createdBefore),
        ("completion_ts", completeAfter, completeBefore),
        ("promotion_ts", promotedAfter, promotedBefore),
    )
    limits = [
        (
            column,
            None if after is None else lookups.seconds_of(after),
            None if before is None else lookups.seconds_of(before),
        )
        for column, after, before in bounds
        if after is not None or before is not None
    ]
    source_glob = None if source is None else _glob(source)
    name_glob = None if pattern is None else _glob(pattern)
    found = []
    for row in tables.rows("build", **equal):
        if taskID == -1 and row["task_id"] is None:
            continue
        if prefix and not lookups.package_name(tables, row["package_id"]).startswith(prefix):
            continue
        if source_glob and not (row["source"] and source_glob.fullmatch(row["source"])):
            continue
        if name_glob and not name_glob.fullmatch(lookups.build_nvr(tables, row)):
            continue
        if type is not None and type not in lookups.build_types(tables, row):
            continue
        if not all(_between(row[column], after, before) for column, after, before in limits):
            continue
        columns = lookups.type_columns(type, lookups.build_types(tables, row))
        found.append({**lookups.listed_build_struct(tables, row), **columns})
    return apply_query_options(found, queryOpts)


def _between(value: float | None, after: float | None, before: float | None) -> bool:
    if value is None:
        return False
    return (after is None or value > after) and (before is None or value < before)


@hub_method("getAverageBuildDuration")
def get_average_build_duration(call: MethodCall, package: Any, age: Any = None) -> Any:
    row = lookups.find_package(call.state, package)
    if row is None:
        return None
    since = 0.0 if age is None else call.hub.now() - float(age) * 30 * 86400
    durations = [
        build["completion_ts"] - (build["start_ts"] or build["creation_ts"])
        for build in call.state.rows("build", package_id=row["id"], state=STATES["COMPLETE"])
        if build["task_id"] is not None and build["completion_ts"] > since
    ]
    return sum(durations) / len(durations) if durations else None


@hub_method("getNextRelease")
def get_next_release(call: MethodCall, build_info: Any, incr: int = 1) -> str:
    package = lookups.find_package(call.state, build_info["name"])
    rows = call.state.rows("build", package_id=package["id"]) if package else []
    counted = (STATES["BUILDING"], STATES["COMPLETE"])
    releases = [
        row["release"]
        for row in sorted(rows, key=lambda row: int(row["id"]))
        if row["version"] == build_info["version"] and row["state"] in counted
    ]
    if not releases:
        return "1"
    head, *rest = releases[-1].split(".")
    if not head.isdigit() or len(rest) > 1:
        raise BuildError(f"Unable to increment release value: {releases[-1]}")
    return ".".join([str(int(head) + incr), *rest])


@hub_method("getBuildType")
def get_build_type(call: MethodCall, buildInfo: Any, strict: bool = False) -> Any:
    row = lookups.find_build_row(call.state, buildInfo, strict)
    return lookups.build_types(call.state, row) if row else None


@hub_method("getBuildLogs")
def get_build_logs(call: MethodCall, build: Any) -> list[dict[str, Any]]:
    row = lookups.find_build_row(call.state, build, strict=True)
    assert row is not None
    top = f"{build_directory(call, row)}/data/logs"
    logs = []
    for path in call.hub.files.walk(top):
        directory, _, name = path.rpartition("/")
        logs.append({"name": name, "dir": directory or ".", "path": f"{top}/{path}"})
    return logs


def build_directory(call: MethodCall, row: Row) -> str:
    """Return the directory of a build below the hub's top directory."""
    name = lookups.package_name(call.state, row["package_id"])
    return f"packages/{name}/{row['version']}/{row['release']}"


@hub_method("createEmptyBuild")
def create_empty_build(
    call: MethodCall,
    name: str,
    version: str,
    release: str,
    epoch: Any,
    owner: Any = None,
    draft: bool = False,
) -> int:
    user = call.require_permission("admin")
    package = call.state.one("package", name=name) or call.state.insert("package", {"name": name})
    if call.state.one("build", package_id=package["id"], version=version, release=release):
        raise GenericError(f"Build already exists: {name}-{version}-{release}")
    owner_row = lookups.find_user(call.state, owner, strict=True) if owner is not None else user
    assert owner_row is not None
    row = insert_build(
        call,
        package_id=package["id"],
        version=version,
        release=release,
        epoch=epoch,
        state=STATES["COMPLETE"],
        owner_id=owner_row["id"],
        task_id=None,
        source=None,
        extra=None,
        draft=draft,
    )
    call.state.update("build", row["id"], completion_ts=call.hub.now())
    call.state.announce(lambda: messages.build_changed(call.state, row, None))
    return int(row["id"])


def insert_build(call: MethodCall, **columns: Any) -> Row:
    """Store a new build; columns that are not given are those of a build that just began."""
    now = call.hub.now()
    row = {
        "epoch": None,
        "volume_id": 0,
        "create_event": call.state.event(),
        "creation_ts": now,
        "start_ts": now,
        "completion_ts": None,
        "cg_id": None,
        "draft": False,
        "promoter_id": None,
        "promotion_ts": None,
        **columns,
    }
    return call.state.insert("build", row)


def change_build_state(state: HubState, row: Row, new: int, **columns: Any) -> None:
    """Bring a build into another state, and change other columns with it."""
    old = row["state"]
    state.update("build", row["id"], state=new, **columns)
    state.announce(lambda: messages.build_changed(state, row, old))


def add_build_type(state: HubState, row: Row, name: str, info: dict[str, Any] | None) -> None:
    """Note that a build is of a type, unless it is noted already."""
    if name not in lookups.build_types(state, row):
        state.insert("build_type", {"build_id": row["id"], "name": name, "info": info})


@hub_method("cancelBuild")
def cancel_build(call: MethodCall, buildID: Any, strict: bool = False) -> bool:
    user = call.require_login()
    row = lookups.find_build_row(call.state, buildID, strict=True)
    assert row is not None
    if row["owner_id"] != user["id"] and not call.has_permission("admin"):
        raise ActionNotAllowed("Cannot cancel build, not owner")
    if row["state"] != STATES["BUILDING"]:
        if strict:
            raise GenericError(f"Cannot cancel build {row['id']}, it is not building")
        return False
    if row["task_id"] is not None:
        call.hub.builder.cancel(row["task_id"])
    if row["state"] == STATES["BUILDING"]:
        change_build_state(call.state, row, STATES["CANCELED"], completion_ts=call.hub.now())
    return True


@hub_method("deleteBuild")
def delete_build(
    call: MethodCall, build: Any, strict: bool = True, min_ref_age: Any = 604800
) -> bool:
    call.require_permission("admin")
    state = call.state
    row = lookups.find_build_row(state, build, strict=True)
    assert row is not None
    refusal = None
    tags = [
        lookups.tag_name(state, each["tag_id"])
        for each in state.active("tag_listing", None, build_id=row["id"])
    ]
    if tags:
        refusal = f"Cannot delete build, tagged: {tags}"
    if row["state"] != STATES["COMPLETE"]:
        refusal = f"Cannot delete build, not COMPLETE: {lookups.build_nvr(state, row)}"
    if refusal:
        if strict:
            raise GenericError(refusal)
        return False
    change_build_state(state, row, STATES["DELETED"])
    directory = build_directory(call, row)
    for path in list(call.hub.files.walk(directory)):
        call.hub.files.remove(f"{directory}/{path}")
    return True


@hub_method("promoteBuild", since=(1, 34))
def promote_build(call: MethodCall, build: Any, force: bool = False) -> Any:
    user = call.require_login()
    row = lookups.find_build_row(call.state, build, strict=True)
    assert row is not None
    if not row["draft"]:
        raise GenericError(f"Cannot promote build {lookups.build_nvr(call.state, row)}. Not draft")
    if row["state"] != STATES["COMPLETE"]:
        raise GenericError(f"Cannot promote build {row['id']}: it is not COMPLETE")
    if row["owner_id"] != user["id"] and not call.has_permission("draft-promoter"):
        raise ActionNotAllowed("policy violation (draft_promotion)")
    draft_release = row["release"]
    release = draft_release.partition(",draft_")[0]
    package, version = row["package_id"], row["version"]
    if call.state.one("build", package_id=package, version=version, release=release):
        raise GenericError(f"Cannot promote build: target {release} exists")
    call.state.event()
    call.state.update(
        "build",
        row["id"],
        draft=False,
        release=release,
        promoter_id=user["id"],
        promotion_ts=call.hub.now(),
    )
    call.state.announce(lambda: messages.build_promoted(call.state, row, draft_release, user["id"]))
    return lookups.build_struct(call.state, row)


# What is tagged


def _owned(call: MethodCall, rows: list[tuple[Row, Row]], owner: Any) -> list[tuple[Row, Row]]:
    if owner is None:
        return rows
    user = lookups.find_user(call.state, owner, strict=True)
    assert user is not None
    return [(build, listing) for build, listing in rows if build["owner_id"] == user["id"]]


@hub_method("listTagged")
def list_tagged(
    call: MethodCall,
    tag: Any,
    event: Any = None,
    inherit: bool = False,
    prefix: Any = None,
    latest: Any = False,
    package: Any = None,
    owner: Any = None,
    type: Any = None,
    strict: bool = True,
    extra: bool = False,
    draft: Any = None,
) -> Any:
    struct = lookups.find_tag(call.state, tag, strict, event)
    if struct is None:
        return []
    rows = lookups.tagged(
        call.state,
        struct["id"],
        event=event,
        inherit=inherit,
        latest=latest,
        package=package,
    )
    found = []
    for build, listing in _owned(call, rows, owner):
        if draft is not None and build["draft"] != draft:
            continue
        types = lookups.build_types(call.state, build)
        if type is not None and type not in types:
            continue
        tagged = lookups.tagged_build_struct(call.state, build, listing)
        tagged.update(lookups.type_columns(type, types))
        if prefix and not tagged["name"].lower().startswith(prefix.lower()):
            continue
        if extra:
            tagged["extra"] = build["extra"]
        found.append(tagged)
    return found


@hub_method("getLatestBuilds")
def get_latest_builds(
    call: MethodCall,
    tag: Any,
    event: Any = None,
    package: Any = None,
    type: Any = None,
    draft: Any = None,
) -> Any:
    strict = not isinstance(tag, int)
    return list_tagged(
        call,
        tag,
        event=event,
        inherit=True,
        latest=True,
        package=package,
        type=type,
        strict=strict,
        draft=draft,
    )


@hub_method("listTaggedRPMS")
def list_tagged_rpms(
    call: MethodCall,
    tag: Any,
    event: Any = None,
    inherit: bool = False,
    latest: Any = False,
    package: Any = None,
    arch: Any = None,
    rpmsigs: bool = False,
    owner: Any = None,
    type: Any = None,
    strict: bool = True,
    extra: bool = True,
    draft: Any = None,
) -> Any:
    builds = list_tagged(
        call,
        tag,
        event=event,
        inherit=inherit,
        latest=latest,
        package=package,
        owner=owner,
        type=type,
        strict=strict,
        draft=draft,
    )
    arches = [arch] if isinstance(arch, str) else arch
    found = []
    for build in builds:
        for row in call.state.rows("rpminfo", build_id=build["build_id"]):
            if arches and row["arch"] not in arches:
                continue
            struct = lookups.rpm_struct(row)
            for key in ("external_repo_id", "external_repo_name"):
                del struct[key]
            if not extra:
                del struct["extra"]
            if not rpmsigs:
                found.append(struct)
                continue
            keys = [each["sigkey"] for each in call.state.rows("rpmsigs", rpm_id=row["id"])]
            found += [{**struct, "sigkey": key} for key in ["", *keys]]
    # RPMs come as the database keeps them, not in the order of the builds.
    return [sorted(found, key=lambda struct: int(struct["id"])), builds]


@hub_method("getLatestRPMS")
def get_latest_rpms(
    call: MethodCall,
    tag: Any,
    package: Any = None,
    arch: Any = None,
    event: Any = None,
    rpmsigs: bool = False,
    type: Any = None,
    draft: Any = None,
) -> Any:
    return list_tagged_rpms(
        call,
        tag,
        event=event,
        inherit=True,
        latest=True,
        package=package,
        arch=arch,
        rpmsigs=rpmsigs,
        type=type,
        draft=draft,
    )


@hub_method("untaggedBuilds")
def untagged_builds(
    call: MethodCall, name: Any = None, queryOpts: Any = None, draft: Any = None
) -> Any:
    tagged = {row["build_id"] for row in call.state.active("tag_listing")}
    rows = []
    for row in call.state.rows("build", state=STATES["COMPLETE"]):
        package = lookups.package_name(call.state, row["package_id"])
        if row["id"] in tagged or (name is not None and package != name):
            continue
        struct = {"id": row["id"], "name": package}
        rows.append({**struct, "version": row["version"], "release": row["release"]})
    return apply_query_options(rows, queryOpts)


# RPMs


@hub_method("listRPMs")
def list_rpms(
    call: MethodCall,
    buildID: Any = None,
    buildrootID: Any = None,
    imageID: Any = None,
    componentBuildrootID: Any = None,
    hostID: Any = None,
    arches: Any = None,
    queryOpts: Any = None,
    draft: Any = None,
) -> Any:
    equal: dict[str, Any] = {}
    if buildID is not None:
        build = lookups.find_build_row(call.state, buildID)
        if build is None:
            return apply_query_options([], queryOpts)
        equal["build_id"] = build["id"]
    if buildrootID is not None:
        equal["buildroot_id"] = buildrootID
    wanted = [arches] if isinstance(arches, str) else arches
    rows = []
    for row in call.state.rows("rpminfo", **equal):
        if wanted and row["arch"] not in wanted:
            continue
        if draft is not None and row["draft"] != draft:
            continue
        rows.append(
            {**lookups.rpm_struct(row), "nvr": f"{row['name']}-{row['version']}-{row['release']}"}
        )
    return apply_query_options(rows, queryOpts)


@hub_method("listBuildRPMs")
def list_build_rpms(call: MethodCall, build: Any) -> Any:
    return list_rpms(call, buildID=build)


def find_rpm(call: MethodCall, info: Any) -> Row | None:
    """Find an RPM by id, by the digits of one, by N-V-R.A or by struct."""
    if isinstance(info, int):
        return call.state.get("rpminfo", info)
    if isinstance(info, str):
        if info.isdigit():
            return call.state.get("rpminfo", int(info))
        found = nvr.parse_rpm(info)
        if found is None:
            raise GenericError(f"invalid format: {info}")
        parts = {"version": found.nvr.version, "release": found.nvr.release, "arch": found.arch}
        return call.state.one("rpminfo", name=found.nvr.name, **parts)
    if isinstance(info, dict):
        if "id" in info:
            return call.state.get("rpminfo", info["id"])
        keys = ("name", "version", "release", "arch")
        return call.state.one("rpminfo", **{key: info[key] for key in keys})
    raise GenericError(f"Invalid argument: {info!r}")


@hub_method("getRPM")
def get_rpm(call: MethodCall, rpminfo: Any, strict: bool = False, multi: bool = False) -> Any:
    row = find_rpm(call, rpminfo)
    if row is None:
        if strict:
            raise GenericError(f"No such rpm: {rpminfo!r}")
        return [] if multi else None
    return [lookups.rpm_struct(row)] if multi else lookups.rpm_struct(row)


def rpm_path(call: MethodCall, row: Row) -> str:
    """Return the path of an RPM below the hub's top directory."""
    build = call.state.get("build", row["build_id"])
    assert build is not None
    file = f"{row['name']}-{row['version']}-{row['release']}.{row['arch']}.rpm"
    return f"{build_directory(call, build)}/{row['arch']}/{file}"


@hub_method("getRPMHeaders")
def get_rpm_headers(
    call: MethodCall,
    rpmID: Any = None,
    taskID: Any = None,
    filepath: Any = None,
    headers: Any = None,
    strict: bool = False,
) -> Any:
    if rpmID is not None:
        row = find_rpm(call, rpmID)
        if row is None:
            if strict:
                raise GenericError(f"No such rpm: {rpmID!r}")
            return {}
        path = rpm_path(call, row)
    elif taskID is not None and filepath:
        path = f"work/tasks/{taskID % 10000}/{taskID}/{filepath}"
    else:
        raise GenericError("either rpmID or taskID and filepath must be specified")
    if not call.hub.files.exists(path):
        raise GenericError(f"{path} does not exist")
    tags = rpms.headers(call.hub.files.read(path))
    return {name: tags.get(name) for name in headers or []}


@hub_method("getRPMDeps")
def get_rpm_deps(
    call: MethodCall, rpmID: Any, depType: Any = None, queryOpts: Any = None, strict: bool = False
) -> Any:
    row = find_rpm(call, rpmID)
    if row is None:
        if strict:
            raise GenericError(f"No such rpm: {rpmID!r}")
        return []
    version = f"{row['version']}-{row['release']}"
    provides = {"name": row["name"], "version": version, "flags": 8, "type": 1}
    needs = {
        "name": "rpmlib(CompressedFileNames)",
        "version": "3.0.4-1",
        "flags": 16777226,
        "type": 0,
    }
    rows = [dep for dep in (needs, provides) if depType is None or dep["type"] == depType]
    return apply_query_options(rows, queryOpts)
