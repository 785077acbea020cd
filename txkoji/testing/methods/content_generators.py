"""Content generators: the builds that they reserve and import."""

from __future__ import annotations

import hashlib
import json
import secrets
from typing import Any

from txkoji.exceptions import AuthError, GenericError
from txkoji.testing.methods.archives import MORE_COLUMNS, import_archive
from txkoji.testing.methods.builds import (
    add_build_type,
    build_directory,
    change_build_state,
    make_build,
)
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.rpms import import_rpm
from txkoji.testing.methods.table import hub_method
from txkoji.testing.tables.lookups.builds import (
    BUILD_STATES,
    build_struct,
    build_type_name,
)
from txkoji.testing.tables.lookups.users import user_name
from txkoji.testing.tables.lookups.values import hub_error
from txkoji.testing.tables.state import Row


@hub_method("listCGs")
def list_cgs(call: MethodCall) -> dict[str, Any]:
    """Return the content generators and who may use them, by name."""
    result = {}
    for row in call.state.rows("content_generator"):
        grants = call.state.active("cg_users", cg_id=row["id"])
        names = [user_name(call.state, grant["user_id"]) for grant in grants]
        result[row["name"]] = {"id": row["id"], "users": names}
    return result


@hub_method("grantCGAccess")
def grant_cg_access(call: MethodCall, user: Any, cg: Any, create: bool = False) -> None:
    """Allow a user to import as a content generator."""
    grantee = call.require("user", user)
    if create and isinstance(cg, str) and call.state.one("content_generator", name=cg) is None:
        call.state.insert("content_generator", {"name": cg})
    grant = {"cg_id": call.require("content_generator", cg)["id"], "user_id": grantee["id"]}
    if call.state.active("cg_users", **grant):
        raise GenericError(f"User already has access to content generator {cg}")
    call.state.insert_version("cg_users", grant, call.user_id)


@hub_method("revokeCGAccess")
def revoke_cg_access(call: MethodCall, user: Any, cg: Any) -> None:
    """Stop a user from importing as a content generator."""
    grant = {
        "user_id": call.require("user", user)["id"],
        "cg_id": call.require("content_generator", cg)["id"],
    }
    call.state.revoke_all("cg_users", call.user_id, **grant)


def _require_access(call: MethodCall, cg: Any) -> Row:
    row = call.require("content_generator", cg)
    if call.user is None:
        raise AuthError("Not logged-in")
    if not call.state.active("cg_users", cg_id=row["id"], user_id=call.user["id"]):
        raise AuthError(f"Content generator access required ({row['name']})")
    return row


def _begin(call: MethodCall, generator: Row, data: dict[str, Any], **columns: Any) -> Row:
    nvr = (data[key] for key in ("name", "version", "release"))
    columns |= {"epoch": data.get("epoch"), "cg_id": generator["id"]}
    return make_build(call, *nvr, draft=data.get("draft"), **columns)


@hub_method("CGInitBuild")
def cg_init_build(call: MethodCall, cg: Any, data: Any) -> dict[str, Any]:
    """Reserve an NVR for a content generator."""
    generator = _require_access(call, cg)
    row = _begin(call, generator, data)
    token = secrets.token_hex(32)
    call.state.insert("build_reservations", {"build_id": row["id"], "token": token})
    return {"build_id": row["id"], "token": token}


def _reserved(call: MethodCall, build_id: Any, token: Any) -> Row:
    """Return a reserved build."""
    row = call.require("build", build_id)
    if row["state"] != BUILD_STATES["BUILDING"]:
        raise GenericError(f"Build ID {build_id} is not in BUILDING state")
    if not call.state.one("build_reservations", build_id=row["id"], token=token):
        raise GenericError(f"Token doesn't match build ID {build_id}")
    return row


def _read_metadata(call: MethodCall, metadata: Any, directory: str) -> dict[str, Any]:
    """Return the metadata of an import: a struct, JSON, or an uploaded file with JSON."""
    if isinstance(metadata, dict):
        return metadata
    if metadata is None or metadata.endswith(".json"):
        path = f"work/{directory}/{metadata or 'metadata.json'}"
        if not call.hub.files.exists(path):
            raise GenericError(f"No such file: {path}")
        metadata = call.hub.files.read(path)
    try:
        read: dict[str, Any] = json.loads(metadata)
    except ValueError as error:
        raise hub_error(f"{type(error)}: {error}") from error
    return read


@hub_method("CGImport")
def cg_import(call: MethodCall, metadata: Any, directory: Any, token: Any = None) -> Any:
    """Import what a content generator made; return the build."""
    metadata = _read_metadata(call, metadata, directory)
    if metadata.get("metadata_version") != 0:
        raise GenericError(f"Unknown metadata version: {metadata.get('metadata_version')!r}")
    names = sorted({each["content_generator"]["name"] for each in metadata["buildroots"]})
    generators = [_require_access(call, name) for name in names]
    call.require_policy("cg_import")
    data = metadata["build"]
    owner = call.require_login() if data.get("owner") is None else data["owner"]
    columns = {
        "owner_id": call.require("user", owner)["id"],
        "task_id": data.get("task_id"),
        "source": data.get("source"),
        "extra": data.get("extra"),
        "start_ts": data.get("start_time"),
    }
    if token is None:
        row = _begin(call, generators[0], data, **columns)
    else:
        row = _reserved(call, data["build_id"], token)
        call.state.update("build", row["id"], **columns)
    types = (data.get("extra") or {}).get("typeinfo") or {}
    roots = [each["id"] for each in metadata["buildroots"]]
    files = [each for each in metadata["output"] if not each.get("metadata_only")]
    found = [_import_output(call, row, each, directory, roots) for each in files]
    for name, info in {**{each: {} for each in found if each}, **types}.items():
        build_type_name(call.state, name)
        add_build_type(call.state, row, name, info)
    directory = build_directory(call, row)
    call.hub.files.write(f"{directory}/metadata.json", json.dumps(metadata).encode())
    ended = data.get("end_time") or call.hub.now()
    change_build_state(call.state, row, BUILD_STATES["COMPLETE"], completion_ts=ended)
    return build_struct(call.state, row)


def _import_output(
    call: MethodCall, row: Row, output: dict[str, Any], directory: str, roots: list[Any]
) -> str | None:
    """Import an uploaded file; return the type of builds that it belongs to, None for a log."""
    files, name, kind = call.hub.files, output["filename"], output["type"]
    if output["buildroot_id"] not in roots:
        raise GenericError(f"No buildroot {output['buildroot_id']} for {name}")
    path = "/".join(filter(None, (directory, output.get("relpath"), name)))
    if not files.exists(f"work/{path}"):
        raise GenericError(f"No such file: work/{path}")
    if files.size(f"work/{path}") != output["filesize"]:
        raise GenericError(f"File size {output['filesize']} for {name} does not match")
    digest = hashlib.new(output["checksum_type"], files.read(f"work/{path}")).hexdigest()
    if digest != output["checksum"]:
        raise GenericError(f"Checksum {output['checksum']} for {name} does not match")
    if kind == "log":
        files.copy(f"work/{path}", f"{build_directory(call, row)}/data/logs/{name}")
        return None
    if kind == "rpm":
        import_rpm(call, row, path, None if name.endswith(".src.rpm") else name)
        return "rpm"
    extra = output.get("extra") or {}
    types = extra.get("typeinfo") or {key: extra[key] for key in MORE_COLUMNS if key in extra}
    if len(types) != 1:
        raise GenericError(f"Output {name} must have one type, not {sorted(types)}")
    [(btype, info)] = types.items()
    build_type_name(call.state, btype)
    more = {key: (info or {}).get(key, "") for key in MORE_COLUMNS.get(btype, ())}
    import_archive(call, row, btype, path, extra=extra, **more)
    return str(btype)


@hub_method("CGRefundBuild")
def cg_refund_build(call: MethodCall, cg: Any, build_id: Any, token: Any, state: Any = 3) -> None:
    """Release a reserved NVR."""
    _require_access(call, cg)
    row = _reserved(call, build_id, token)
    if state not in (BUILD_STATES["FAILED"], BUILD_STATES["CANCELED"]):
        raise GenericError("Only build states FAILED or CANCELED are allowed")
    change_build_state(call.state, row, state, completion_ts=call.hub.now())
