"""RPMs of builds."""

from __future__ import annotations

from typing import Any

from txkoji import nvr
from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.formats import rpms
from txkoji.testing.methods.builds import build_directory, make_build
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method
from txkoji.testing.tables.filters import Filter, Test, equals, select
from txkoji.testing.tables.lookups.structs import rpm_name, rpm_struct
from txkoji.testing.tables.lookups.values import (
    check_integers,
    database_integer,
    hub_error,
    must,
)
from txkoji.testing.tables.queries import apply_query_options, apply_to_list
from txkoji.testing.tables.state import HubState, Row


def _on_arch(_: HubState, wanted: Any) -> Test:
    if not isinstance(wanted, list | str):
        raise GenericError(f'Invalid type for "arches" parameter: {type(wanted)}')
    if wanted == []:
        raise hub_error('syntax error at or near ")"')
    arches = wanted if isinstance(wanted, list) else [wanted]
    return lambda row: row["arch"] in arches


def _on_host(state: HubState, wanted: Any) -> Test:
    rows = state.rows("buildroot", host_id=database_integer(wanted))
    buildroots = {row["id"] for row in rows}
    return lambda row: row["buildroot_id"] in buildroots


_RPM_FILTERS: dict[str, Filter] = {
    "buildID": equals("build_id"),
    "buildrootID": equals("buildroot_id"),
    "hostID": _on_host,
    "arches": _on_arch,
    "draft": equals("draft"),
}


@hub_method(
    "listRPMs(buildID=None, buildrootID=None, imageID=None, componentBuildrootID=None, hostID=None,"
    " arches=None, queryOpts=None, draft=None)"
)
def list_rpms(call: MethodCall, *, queryOpts: Any = None, **filters: Any) -> Any:
    """Return RPMs."""
    # RPMs are not components of build roots or images here.
    components = [filters.pop(name, None) for name in ("imageID", "componentBuildrootID")]
    check_integers(*components)
    nothing = components != [None, None]
    found = [] if nothing else select(call.state, "rpminfo", _RPM_FILTERS, filters)
    rows = [
        {**rpm_struct(call.state, row), "nvr": f"{row['name']}-{row['version']}-{row['release']}"}
        for row in found
    ]
    return apply_query_options(rows, queryOpts, "listRPMs")


@hub_method("listBuildRPMs")
def list_build_rpms(call: MethodCall, build: Any) -> Any:
    """Return the RPMs of a build."""
    build_id = build if isinstance(build, int) else call.require("build", build)["id"]
    return list_rpms(call, buildID=build_id)


def _parsed(text: str) -> dict[str, Any] | None:
    """Return the parts of an N-V-R.A, None if it is none."""
    found = nvr.parse_rpm(text)
    if found is None:
        return None
    parts = {key: getattr(found.nvr, key) for key in ("release", "version", "name")}
    return {**parts, "epoch": "", "arch": found.arch, "src": found.arch == "src"}


def _matching(state: HubState, info: Any) -> list[Row]:
    """Find RPMs by id, by the digits of one, by N-V-R.A or by struct.

    First the hub's own regular one, then its drafts, the newest first, then external ones.
    """
    if isinstance(info, str) and info.isdigit():
        info = int(info)
    if isinstance(info, int):
        info = {"id": info}
    location = None
    if isinstance(info, str):
        location = info.partition("@")[2]
        info = must(_parsed(info), f"invalid format: {info}")
    if not isinstance(info, dict):
        raise GenericError(f"Invalid type for rpminfo: {type(info)}")
    if "id" in info:
        rows = state.rows("rpminfo", id=database_integer(info["id"]))
    else:
        equal = {key: info[key] for key in ("name", "version", "release", "arch")}
        rows = state.rows("rpminfo", **equal)
    if location := info.get("location", location):
        repo = state.one("external_repo", name=location)
        return [row for row in rows if repo and row["external_repo_id"] == repo["id"]]

    def place(row: Row) -> tuple[Any, ...]:
        return row["external_repo_id"], row["draft"], -row["id"] if row["draft"] else row["id"]

    return sorted(rows, key=place)


def find_rpm(call: MethodCall, info: Any) -> Row | None:
    """Find an RPM by id, by the digits of one, by N-V-R.A or by struct."""
    return next(iter(_matching(call.state, info)), None)


def require_rpm(call: MethodCall, info: Any) -> Row:
    """Find an RPM, or refuse."""
    asked = info
    if isinstance(info, int):
        asked = {"id": info}
    elif isinstance(info, str):
        asked = _parsed(info) or info
    return must(find_rpm(call, info), f"No such rpm: {asked!r}")


@hub_method("getRPM")
def get_rpm(call: MethodCall, rpminfo: Any, strict: bool = False, multi: bool = False) -> Any:
    """Return an RPM."""
    row = (require_rpm if strict else find_rpm)(call, rpminfo)
    if multi:
        return [rpm_struct(call.state, each) for each in _matching(call.state, rpminfo)]
    return row and rpm_struct(call.state, row)


def rpm_path(call: MethodCall, row: Row) -> str:
    """Return the path of an RPM below the hub's top directory."""
    build = call.state.row("build", row["build_id"])
    return f"{build_directory(call, build)}/{row['arch']}/{rpm_name(row)}.rpm"


def import_rpm(
    call: MethodCall, row: Row, path: str, source: str | None, buildroot_id: int | None = None
) -> Row:
    """Copy an RPM to its build's directory, and insert and return its row.

    Args:
        call: who asks.
        row: the build.
        path: the RPM's path below ``work``.
        source: the file name of its source RPM; None for a source RPM.
        buildroot_id: the build root that it was built in.
    """
    files, state = call.hub.files, call.state
    file = path.rpartition("/")[2]
    arch = "src" if source is None else file.removesuffix(".rpm").rpartition(".")[2]
    files.copy(f"work/{path}", f"{build_directory(call, row)}/{arch}/{file}")
    data = files.read(f"work/{path}")
    tags = rpms.headers(data)
    columns = {key: tags[key.upper()] for key in ("name", "version", "release", "buildtime")}
    columns |= {"arch": arch, "payloadhash": rpms.payload_hash(data), "size": len(data)}
    columns |= {"build_id": row["id"], "buildroot_id": buildroot_id, "draft": row["draft"]}
    rpm = state.insert("rpminfo", columns)
    state.announce(lambda: messages.rpm_imported(state, row, rpm, f"work/{path}", source))
    return rpm


@hub_method("importRPM")
def import_uploaded_rpm(call: MethodCall, path: Any, basename: Any) -> dict[str, Any]:
    """Import an uploaded RPM; a source RPM without a build makes one. Needs admin."""
    uploaded = f"{path}/{basename}"
    if not call.hub.files.exists(f"work/{uploaded}"):
        raise GenericError(f"No such file: /mnt/koji/work/{uploaded}")
    tags = rpms.headers(call.hub.files.read(f"work/{uploaded}"))
    source = tags.get("SOURCERPM")
    names = {"name": tags["NAME"], "version": tags["VERSION"], "release": tags["RELEASE"]}
    if call.state.one("rpminfo", arch="src" if source is None else tags["ARCH"], **names):
        raise GenericError(f"rpm file already exists: {basename}")
    if source is None:
        build = call.find("build", names) or make_build(call, **names, state="COMPLETE")
    else:
        found = call.find("build", source.removesuffix(".src.rpm"))
        build = must(found, "No such build")
    return rpm_struct(call.state, import_rpm(call, build, uploaded, source))


_EXTERNAL: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("name", "version", "release"), str),
    "epoch": (int, type(None)),
    **dict.fromkeys(("arch", "payloadhash"), str),
    **dict.fromkeys(("size", "buildtime"), int),
}
"""The columns that describe an RPM of an external repo, with their types."""


@hub_method("addExternalRPM")
def add_external_rpm(
    call: MethodCall, rpminfo: Any, external_repo: Any, strict: bool = True
) -> None:
    """Describe an RPM of an external repo."""
    for field, kind in _EXTERNAL.items():
        if field not in rpminfo:
            raise GenericError(f"{field} field missing: {rpminfo!r}")
        if not isinstance(rpminfo[field], kind):
            raise GenericError(f"Invalid value for {field}: {rpminfo[field]!r}")
    row = {field: rpminfo[field] for field in _EXTERNAL}
    repo = must(call.find("external_repo", external_repo), f"No such repo: {external_repo}")
    keys = {key: row[key] for key in ("name", "version", "release", "arch")}
    known = call.state.one("rpminfo", **keys, external_repo_id=repo["id"])
    what = f"{rpm_name(row)}@{repo['name']}"
    if known is None:
        call.state.insert("rpminfo", {**row, "external_repo_id": repo["id"]})
    elif strict:
        raise GenericError(f"external rpm already exists: {what}")
    elif known["payloadhash"] != row["payloadhash"]:
        hashes = f"({known['payloadhash']} -> {row['payloadhash']})"
        raise GenericError(f"hash changed for external rpm: {what} {hashes}")


@hub_method("getRPMHeaders(rpmID=None, taskID=None, filepath=None, headers=None, strict=False)")
def get_rpm_headers(
    call: MethodCall, rpmID: Any, taskID: Any, filepath: Any, headers: Any, strict: bool
) -> Any:
    """Return headers of an RPM, by their names in any case: all of them, or those asked for."""
    if rpmID is not None:
        row = (require_rpm if strict else find_rpm)(call, rpmID)
        if row is None or row["build_id"] is None:
            return {}
        path = rpm_path(call, row)
    elif taskID is not None and filepath:
        path = f"work/tasks/{taskID % 10000}/{taskID}/{filepath}"
    else:
        raise GenericError("either rpmID or taskID and filepath must be specified")
    if not call.hub.files.exists(path):
        raise GenericError(f"{path} does not exist")
    data = call.hub.files.read(path)
    names = map(str.title, rpms.headers(data)) if headers is None else headers
    try:
        return rpms.header_fields(data, names)
    except KeyError as error:
        raise GenericError(f"No such rpm header field: {error.args[0]}") from error


def _files(call: MethodCall, row: Row | None) -> list[dict[str, Any]]:
    if row is None or row["build_id"] is None:
        return []
    return rpms.list_files(call.hub.files.read(rpm_path(call, row)))


@hub_method("getRPMDeps")
def get_rpm_deps(
    call: MethodCall, rpmID: Any, depType: Any = None, queryOpts: Any = None, strict: bool = False
) -> Any:
    """Return what an RPM requires, provides, and so on."""
    row = (require_rpm if strict else find_rpm)(call, rpmID)
    if row is None or row["build_id"] is None:
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
    return apply_to_list(rows, queryOpts)


declare(
    "listRPMFiles(rpmID, queryOpts=None)",
    lambda call, rpm, options: apply_to_list(_files(call, find_rpm(call, rpm)), options),
    "Return the files of an RPM.",
)


@hub_method("getRPMFile")
def get_rpm_file(call: MethodCall, rpmID: Any, filename: Any, strict: bool = False) -> Any:
    """Return a file of an RPM."""
    row = find_rpm(call, rpmID)
    for found in _files(call, row):
        if found["name"] == filename:
            return {"rpm_id": row and row["id"], **found}
    if strict:
        raise GenericError(
            f"No such file: {filename} in RPM: {rpmID}" if row else f"No such RPM: {rpmID}"
        )
    return {}
