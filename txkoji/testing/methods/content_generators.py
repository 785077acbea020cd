"""Content generators, and the builds that they reserve."""

from __future__ import annotations

import secrets
from typing import Any

from txkoji.exceptions import ActionNotAllowed, AuthError, GenericError
from txkoji.testing.methods.builds import change_build_state, insert_build
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.tables.lookups.builds import BUILD_STATES, require_build_row
from txkoji.testing.tables.lookups.users import require_user, user_name
from txkoji.testing.tables.lookups.values import must, row_by_info
from txkoji.testing.tables.state import Row


def _require(call: MethodCall, info: Any) -> Row:
    return must(
        row_by_info(call.state, "content_generator", info),
        f"No such entry in table content_generator: {info}",
    )


@hub_method("listCGs")
def list_cgs(call: MethodCall) -> dict[str, Any]:
    """Return the content generators and who may use them, by name."""
    result = {}
    for row in call.state.rows("content_generator"):
        grants = call.state.active("cg_users", None, cg_id=row["id"])
        names = [user_name(call.state, grant["user_id"]) for grant in grants]
        result[row["name"]] = {"id": row["id"], "users": names}
    return result


@hub_method("grantCGAccess")
def grant_cg_access(call: MethodCall, user: Any, cg: Any, create: bool = False) -> None:
    """Allow a user to import as a content generator."""
    granter = call.require_permission("admin")
    grantee = require_user(call.state, user)
    if create and isinstance(cg, str) and call.state.one("content_generator", name=cg) is None:
        call.state.insert("content_generator", {"name": cg})
    grant = {"cg_id": _require(call, cg)["id"], "user_id": grantee["id"]}
    if call.state.active("cg_users", None, **grant):
        raise GenericError(f"User already has access to content generator {cg}")
    call.state.insert_version("cg_users", grant, granter["id"])


@hub_method("revokeCGAccess")
def revoke_cg_access(call: MethodCall, user: Any, cg: Any) -> None:
    """Stop a user from importing as a content generator."""
    revoker = call.require_permission("admin")
    grant = {"user_id": require_user(call.state, user)["id"], "cg_id": _require(call, cg)["id"]}
    for row in call.state.active("cg_users", None, **grant):
        call.state.revoke("cg_users", row["id"], revoker["id"])


def _require_access(call: MethodCall, cg: Any) -> Row:
    row = _require(call, cg)
    if call.user is None:
        raise AuthError("Not logged-in")
    if not call.state.active("cg_users", None, cg_id=row["id"], user_id=call.user["id"]):
        raise AuthError(f"Content generator access required ({row['name']})")
    return row


@hub_method("CGImport")
def cg_import(call: MethodCall, metadata: Any, directory: Any, token: Any = None) -> None:
    """Import what a content generator made."""
    call.require_login()
    raise ActionNotAllowed("this hub imports no builds of content generators")


@hub_method("CGInitBuild")
def cg_init_build(call: MethodCall, cg: Any, data: Any) -> dict[str, Any]:
    """Reserve an NVR for a content generator."""
    generator = _require_access(call, cg)
    user = call.require_login()
    name, version, release = (data[key] for key in ("name", "version", "release"))
    package = call.state.one("package", name=name) or call.state.insert("package", {"name": name})
    key = {"package_id": package["id"], "version": version, "release": release}
    if call.state.one("build", **key):
        raise GenericError(f"Build already exists: {name}-{version}-{release}")
    row = insert_build(
        call,
        **key,
        epoch=data.get("epoch"),
        state=BUILD_STATES["BUILDING"],
        owner_id=user["id"],
        task_id=None,
        source=None,
        extra=None,
    )
    call.state.update("build", row["id"], cg_id=generator["id"])
    token = secrets.token_hex(32)
    call.state.insert("build_reservations", {"build_id": row["id"], "token": token})
    return {"build_id": row["id"], "token": token}


@hub_method("CGRefundBuild")
def cg_refund_build(call: MethodCall, cg: Any, build_id: Any, token: Any, state: Any = 3) -> None:
    """Release a reserved NVR."""
    generator = _require_access(call, cg)
    row = require_build_row(call.state, build_id)
    if row["state"] != BUILD_STATES["BUILDING"] or row["cg_id"] != generator["id"]:
        raise GenericError(f"Build ID {build_id} is not in BUILDING state")
    if not call.state.one("build_reservations", build_id=row["id"], token=token):
        raise GenericError(f"Token doesn't match build ID {build_id}")
    if state not in (BUILD_STATES["FAILED"], BUILD_STATES["CANCELED"]):
        raise GenericError("Only build states FAILED or CANCELED are allowed")
    change_build_state(call.state, row, state, completion_ts=call.hub.now())
