"""Archives: the files of builds that are not RPMs, and the build types that have them."""

from __future__ import annotations

import hashlib
from functools import partial
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.methods.builds import add_build_type, build_directory, make_build
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import declare, hub_method, look_up
from txkoji.testing.methods.tagged import list_tagged
from txkoji.testing.tables.columns import check_name
from txkoji.testing.tables.filters import Filter, equals, select
from txkoji.testing.tables.lookups.builds import (
    build_nvr,
    build_type_name,
    build_types,
    tagged_builds,
)
from txkoji.testing.tables.lookups.structs import archive_struct
from txkoji.testing.tables.lookups.values import check_integers, integer, row_if
from txkoji.testing.tables.queries import apply_query_options, apply_to_list
from txkoji.testing.tables.state import Row

MD5, SHA256 = 0, 2

MORE_COLUMNS = {
    "maven": ("group_id", "artifact_id", "version"),
    "win": ("relpath", "platforms", "flags"),
    "image": ("arch",),
}
"""The additional columns of archives, by the type of their build."""


def archive_directory(call: MethodCall, build: Row, archive: Row) -> str:
    """Return the directory of an archive below the hub's top directory."""
    top = build_directory(call, build)
    if archive["btype"] == "maven":
        group = archive["group_id"].replace(".", "/")
        return f"{top}/maven/{group}/{archive['artifact_id']}/{archive['version']}"
    if archive["btype"] == "win":
        return f"{top}/win/{archive['relpath']}".rstrip("/")
    return f"{top}/images" if archive["btype"] == "image" else f"{top}/files/{archive['btype']}"


def _type_of(call: MethodCall, filename: str, strict: Any = True) -> Any:
    fitting = [
        (len(extension), row)
        for row in call.state.rows("archivetypes")
        for extension in row["extensions"].split()
        if filename.endswith(f".{extension}")
    ]
    _, best = max(fitting, key=lambda each: each[0], default=(0, None))
    return row_if(best, strict, f"unsupported file type: {filename}")


def import_archive(
    call: MethodCall, build: Row, btype: str, path: str, *, checksum_type: int = SHA256, **more: Any
) -> Row:
    """Copy a file to its build's directory and insert its archive.

    Args:
        call: who asks.
        build: the build.
        btype: the type of the build that it belongs to.
        path: the file below ``work``.
        checksum_type: how its checksum is made, 0 for MD5, 2 for SHA-256.
        more: the columns of :data:`MORE_COLUMNS` for the type.

    Returns:
        The row of the archive.
    """
    files, state = call.hub.files, call.state
    filename = path.rpartition("/")[2]
    target = f"{archive_directory(call, build, {'btype': btype, **more})}/{filename}"
    for other in state.rows("archiveinfo", build_id=build["id"], btype=btype, filename=filename):
        if f"{archive_directory(call, build, other)}/{filename}" == target:
            text = f"Error importing archive file, /mnt/koji/{target} already exists"
            raise GenericError(text)
    data = files.read(f"work/{path}")
    digest = hashlib.md5 if checksum_type == MD5 else hashlib.sha256
    columns = {
        "build_id": build["id"],
        "btype": btype,
        "type_id": _type_of(call, filename)["id"],
        "filename": filename,
        "size": len(data),
        "checksum": digest(data).hexdigest(),
    }
    row = state.insert("archiveinfo", {**columns, "checksum_type": checksum_type, **more})
    files.write(target, data)
    struct = archive_struct(state, row)
    state.announce(lambda: messages.archive_imported(state, build, struct, btype, f"work/{path}"))
    return row


@hub_method("importArchive")
def import_archive_file(
    call: MethodCall, filepath: Any, buildinfo: Any, type: Any, typeInfo: Any
) -> None:
    """Import an uploaded file as an archive of a build."""
    if type not in MORE_COLUMNS:
        raise GenericError(f"unsupported archive type: {type}")
    call.require_permission(f"{type}-import")
    row = call.require("build", buildinfo)
    if not call.hub.files.exists(f"work/{filepath}"):
        raise GenericError(f"No such file: work/{filepath}")
    more: dict[str, Any] = {key: typeInfo.get(key, "") for key in MORE_COLUMNS[type]}
    for key in ("platforms", "flags"):
        if key in more:
            more[key] = " ".join(more[key])
    add_build_type(call.state, row, type, typeInfo)
    import_archive(call, row, type, filepath, **more)


def _create_build(
    btype: str, call: MethodCall, build_info: dict[str, Any], info: dict[str, Any] | None = None
) -> None:
    row = call.find("build", build_info)
    if row is None:
        nvr = (build_info[key] for key in ("name", "version", "release"))
        row = make_build(call, *nvr, state="COMPLETE")
    add_build_type(call.state, row, btype, info or {})


declare("createImageBuild(build_info)", partial(_create_build, "image"))
declare("createMavenBuild(build_info, maven_info)", partial(_create_build, "maven"))
declare("createWinBuild(build_info, win_info)", partial(_create_build, "win"))


def _build_of_type(btype: str, kind: str, call: MethodCall, info: Any, strict: bool) -> Any:
    row = call.find("build", info, strict)
    found = build_types(call.state, row).get(btype) if row is not None else None
    if found is None:
        if strict and row is not None:
            raise GenericError(f"no such {kind} build: {build_nvr(call.state, row)}")
        return None
    assert row is not None
    return {"build_id": row["id"], **found}


def _add_type(table: str, call: MethodCall, name: Any, *columns: Any) -> None:
    check_name(name)
    if call.state.one(table, name=name):
        raise GenericError(f"{name} already exists")
    keys = ("description", "extensions", "compression_type")
    call.state.insert(table, {"name": name, **dict(zip(keys, columns, strict=False))})


declare("addBType(name)", partial(_add_type, "btype"))
declare(
    "addArchiveType(name, description, extensions, compression_type=None)",
    partial(_add_type, "archivetypes"),
)


declare("getArchiveTypes()", lambda call: call.state.rows("archivetypes"), "Return all types.")


@hub_method("getArchiveType(filename=None, type_name=None, type_id=None, strict=False)")
def get_archive_type(
    call: MethodCall, filename: Any, type_name: Any, type_id: Any, strict: bool
) -> Any:
    """Return a type of archive."""
    check_integers(type_id)
    for row in call.state.rows("archivetypes"):
        if row["name"] == type_name or row["id"] == type_id:
            return row
    if filename is not None:
        return _type_of(call, filename, strict)
    asked = type_name if type_id is None else type_id
    return row_if(None, strict, f"Invalid archive type: {asked}")


def _archive(call: MethodCall, row: Row) -> dict[str, Any]:
    more = MORE_COLUMNS.get(row["btype"], ())
    return {**archive_struct(call.state, row), **{key: row[key] for key in more}}


look_up("getArchive(archive_id, strict=False)", "archive", _archive)


def _archive_of_type(btype: str, call: MethodCall, archive_id: Any, strict: bool) -> Any:
    found = call.state.one("archiveinfo", id=integer(archive_id), btype=btype)
    row = row_if(found, strict, f"No such archive: {archive_id}")
    return row and {"archive_id": row["id"], **{key: row[key] for key in MORE_COLUMNS[btype]}}


for _btype, _kind in (("image", "image"), ("maven", "maven"), ("win", "windows")):
    _get, _run = f"get{_btype.title()}", partial(_build_of_type, _btype, _kind)
    declare(f"{_get}Build(buildInfo, strict=False)", _run)
    declare(f"{_get}Archive(archive_id, strict=False)", partial(_archive_of_type, _btype))


@hub_method("listArchiveFiles")
def list_archive_files(
    call: MethodCall, archive_id: Any, queryOpts: Any = None, strict: bool = False
) -> Any:
    """Return the files in an archive."""
    call.find("archive", archive_id, strict)
    return apply_to_list([], queryOpts)


_ARCHIVE_FILTERS: dict[str, Filter] = {
    "buildrootID": equals("buildroot_id"),
    "type": equals("btype"),
    "filename": equals("filename"),
    "size": equals("size"),
    "checksum": equals("checksum"),
    "checksum_type": equals("checksum_type"),
    "archiveID": equals("id"),
}


@hub_method(
    "listArchives(buildID=None, buildrootID=None, componentBuildrootID=None, hostID=None,"
    " type=None, filename=None, size=None, checksum=None, checksum_type=None, typeInfo=None,"
    " queryOpts=None, imageID=None, archiveID=None, strict=False)"
)
def list_archives(call: MethodCall, *, type: Any = None, strict: Any = False, **asked: Any) -> Any:
    """Return archives."""
    kind = build_type_name(call.state, type, "archive")
    buildID, typeInfo = asked.get("buildID"), asked.get("typeInfo")
    # The embedded hub has no archives inside archives and no build roots.
    nowhere = [asked.pop(name, None) for name in ("componentBuildrootID", "hostID", "imageID")]
    check_integers(*nowhere)
    found = select(call.state, "archiveinfo", _ARCHIVE_FILTERS, {**asked, "type": kind})
    wanted: dict[str, Any] = {}
    if buildID is not None:
        build = call.find("build", buildID, strict)
        wanted["build_id"] = build["id"] if build else -1
    if typeInfo and kind == "maven":
        wanted.update({key: typeInfo[key] for key in MORE_COLUMNS["maven"] if key in typeInfo})
    more = MORE_COLUMNS.get(kind or "", ())
    rows = [
        {**archive_struct(call.state, row), **{key: row[key] for key in more}}
        for row in found
        if nowhere == [None] * 3 and wanted.items() <= row.items()
    ]
    if strict and not rows:
        raise GenericError("No archives found.")
    return apply_query_options(rows, asked.get("queryOpts"), "listArchives", more)


@hub_method("getLatestMavenArchives")
def get_latest_maven_archives(
    call: MethodCall, tag: Any, event: Any = None, inherit: bool = True
) -> list[Any]:
    """Return the Maven archives of a tag's newest builds."""
    struct = call.require("tagInfo", tag, event)
    found = tagged_builds(call.state, struct["id"], event=event, inherit=inherit, latest=True)
    return [
        archive
        for build, _ in found
        for archive in list_archives(call, buildID=build["id"], type="maven")
    ]


@hub_method(
    "listTaggedArchives(tag, event=None, inherit=False, latest=False, package=None, type=None,"
    " strict=True, extra=True)"
)
def _list_tagged_archives(call: MethodCall, *, extra: Any, **asked: Any) -> Any:
    """Return the archives in a tag, and their builds."""
    builds = list_tagged(call, **asked)
    archives = [
        {**struct, "tag_id": build["tag_id"], "tag_name": build["tag_name"]}
        for build in builds
        for struct in list_archives(call, buildID=build["build_id"], type=asked["type"])
    ]
    return [sorted(archives, key=lambda struct: int(struct["id"])), builds]
