"""RPMs of builds."""

from __future__ import annotations

from typing import Any

from txkoji import nvr
from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.formats import rpms
from txkoji.testing.methods.builds import build_directory, insert_empty_build
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method
from txkoji.testing.tables.filters import Filter, Test, equals, select
from txkoji.testing.tables.lookups.builds import find_build_row, require_build_row
from txkoji.testing.tables.lookups.rpms import rpm_struct
from txkoji.testing.tables.lookups.values import check_integers, database_integer, hub_error, must
from txkoji.testing.tables.queries import apply_query_options
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


def list_rpms(call: MethodCall, *, queryOpts: Any = None, **filters: Any) -> Any:
    """Return RPMs."""
    # RPMs are not components of build roots or images here.
    components = [filters.pop(name, None) for name in ("imageID", "componentBuildrootID")]
    check_integers(*components)
    nothing = components != [None, None]
    found = [] if nothing else select(call.state, "rpminfo", _RPM_FILTERS, filters)
    rows = [
        {**rpm_struct(row), "nvr": f"{row['name']}-{row['version']}-{row['release']}"}
        for row in found
    ]
    return apply_query_options(rows, queryOpts, "listRPMs")


declare(
    "listRPMs(buildID=None, buildrootID=None, imageID=None, componentBuildrootID=None, hostID=None,"
    " arches=None, queryOpts=None, draft=None)",
    list_rpms,
    by_name=True,
)


@hub_method("listBuildRPMs")
def list_build_rpms(call: MethodCall, build: Any) -> Any:
    """Return the RPMs of a build."""
    build_id = build if isinstance(build, int) else require_build_row(call.state, build)["id"]
    return list_rpms(call, buildID=build_id)


def find_rpm(call: MethodCall, info: Any) -> Row | None:
    """Find an RPM by id, by the digits of one, by N-V-R.A or by struct."""
    if isinstance(info, bool):
        raise hub_error("operator does not exist: integer = boolean")
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
    raise GenericError(f"Invalid type for rpminfo: {type(info)}")


def require_rpm(call: MethodCall, info: Any) -> Row:
    """Find an RPM, or refuse."""
    asked = info
    if isinstance(info, int):
        asked = {"id": info}
    elif isinstance(info, str) and (found := nvr.parse_rpm(info)) is not None:
        name, version, release = found.nvr.name, found.nvr.version, found.nvr.release
        asked = {"release": release, "version": version, "name": name, "epoch": ""}
        asked |= {"arch": found.arch, "src": found.arch == "src"}
    return must(find_rpm(call, info), f"No such rpm: {asked!r}")


@hub_method("getRPM")
def get_rpm(call: MethodCall, rpminfo: Any, strict: bool = False, multi: bool = False) -> Any:
    """Return an RPM."""
    row = (require_rpm if strict else find_rpm)(call, rpminfo)
    if row is None:
        return [] if multi else None
    return [rpm_struct(row)] if multi else rpm_struct(row)


def rpm_path(call: MethodCall, row: Row) -> str:
    """Return the path of an RPM below the hub's top directory."""
    build = call.state.row("build", row["build_id"])
    file = f"{row['name']}-{row['version']}-{row['release']}.{row['arch']}.rpm"
    return f"{build_directory(call, build)}/{row['arch']}/{file}"


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
    rpm = state.insert(
        "rpminfo",
        {
            "build_id": row["id"],
            "name": tags["NAME"],
            "version": tags["VERSION"],
            "release": tags["RELEASE"],
            "epoch": None,
            "arch": arch,
            "payloadhash": rpms.payload_hash(data),
            "size": len(data),
            "buildtime": tags["BUILDTIME"],
            "buildroot_id": buildroot_id,
            "external_repo_id": 0,
            "metadata_only": False,
            "extra": None,
            "draft": row["draft"],
        },
    )
    state.announce(lambda: messages.rpm_imported(state, row, rpm, f"work/{path}", source))
    return rpm


@hub_method("importRPM")
def import_uploaded_rpm(call: MethodCall, path: Any, basename: Any) -> dict[str, Any]:
    """Import an uploaded RPM; a source RPM without a build makes one. Needs admin."""
    user = call.require_permission("admin")
    uploaded = f"{path}/{basename}"
    if not call.hub.files.exists(f"work/{uploaded}"):
        raise GenericError(f"No such file: /mnt/koji/work/{uploaded}")
    tags = rpms.headers(call.hub.files.read(f"work/{uploaded}"))
    source = tags.get("SOURCERPM")
    names = {"name": tags["NAME"], "version": tags["VERSION"], "release": tags["RELEASE"]}
    if call.state.one("rpminfo", arch="src" if source is None else tags["ARCH"], **names):
        raise GenericError(f"rpm file already exists: {basename}")
    if source is None:
        build = find_build_row(call.state, names) or insert_empty_build(call, user, **names)
    else:
        found = find_build_row(call.state, source.removesuffix(".src.rpm"))
        build = must(found, "No such build")
    return rpm_struct(import_rpm(call, build, uploaded, source))


@hub_method("getRPMHeaders")
def get_rpm_headers(
    call: MethodCall,
    rpmID: Any = None,
    taskID: Any = None,
    filepath: Any = None,
    headers: Any = None,
    strict: bool = False,
) -> Any:
    """Return headers of an RPM, by their names in any case: all of them, or those asked for."""
    if rpmID is not None:
        row = (require_rpm if strict else find_rpm)(call, rpmID)
        if row is None:
            return {}
        path = rpm_path(call, row)
    elif taskID is not None and filepath:
        path = f"work/tasks/{taskID % 10000}/{taskID}/{filepath}"
    else:
        raise GenericError("either rpmID or taskID and filepath must be specified")
    if not call.hub.files.exists(path):
        raise GenericError(f"{path} does not exist")
    tags = rpms.headers(call.hub.files.read(path))
    names = map(str.title, tags) if headers is None else headers
    return {name: tags.get(str(name).upper()) for name in names}


@hub_method("getRPMDeps")
def get_rpm_deps(
    call: MethodCall, rpmID: Any, depType: Any = None, queryOpts: Any = None, strict: bool = False
) -> Any:
    """Return what an RPM requires, provides, and so on."""
    row = (require_rpm if strict else find_rpm)(call, rpmID)
    if row is None:
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


@hub_method("listRPMFiles")
def list_rpm_files(call: MethodCall, rpmID: Any, queryOpts: Any = None) -> Any:
    # The RPMs of the embedded builder hold no files.
    """Return the files of an RPM."""
    find_rpm(call, rpmID)
    return apply_query_options([], queryOpts)
