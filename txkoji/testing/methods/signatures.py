"""Signatures of RPMs."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from txkoji.exceptions import GenericError
from txkoji.testing.announcements import messages
from txkoji.testing.formats import rpms
from txkoji.testing.methods.builds import build_directory
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.rpms import find_rpm, require_rpm, rpm_path
from txkoji.testing.methods.table import hub_method
from txkoji.testing.tables.lookups.structs import rpm_name
from txkoji.testing.tables.lookups.values import require_type
from txkoji.testing.tables.queries import apply_query_options
from txkoji.testing.tables.state import Row, pick


def add_signature(call: MethodCall, row: Row, sigkey: str, header: bytes) -> None:
    """Store a signature of an RPM, without a permission check.

    Args:
        call: who asks.
        row: the RPM.
        sigkey: the id of the key, 8 hex digits.
        header: the signed header.
    """
    state = call.state
    if state.one("rpmsigs", rpm_id=row["id"], sigkey=sigkey):
        raise GenericError(f"Signature already exists for package {rpm_name(row)}, key {sigkey}")
    sighash = hashlib.md5(header).hexdigest()
    state.insert("rpmsigs", {"rpm_id": row["id"], "sigkey": sigkey, "sighash": sighash})
    path = f"data/sigcache/{sigkey}/{row['arch']}/{rpm_name(row)}.rpm.sig"
    build = state.row("build", row["build_id"])
    call.hub.files.write(f"{build_directory(call, build)}/{path}", header)
    state.announce(lambda: messages.rpm_signed(state, row, sigkey, sighash))


@hub_method("addRPMSig")
def add_rpm_sig(call: MethodCall, an_rpm: Any, data: Any) -> None:
    """Add a signature (a base64 header) to an RPM."""
    require_type(data, str)
    row = require_rpm(call, an_rpm)
    header = base64.b64decode(data)
    try:
        sigkey = rpms.signing_key(header)
    except ValueError as error:
        raise GenericError(f"Invalid signature header: {error}") from error
    if rpms.header_hash(header) != row["payloadhash"]:
        raise GenericError(f"wrong md5 for {rpm_name(row)}: {rpms.header_hash(header)}")
    add_signature(call, row, sigkey or "", header)


@hub_method("deleteRPMSig")
def delete_rpm_sig(
    call: MethodCall, rpminfo: Any, sigkey: Any = None, all_sigs: bool = False
) -> None:
    """Delete a signature of an RPM."""
    row = require_rpm(call, rpminfo)
    found = [
        each
        for each in call.state.rows("rpmsigs", rpm_id=row["id"])
        if all_sigs or each["sigkey"] == sigkey
    ]
    if not found:
        raise GenericError(f"{rpm_name(row)} has no matching signatures to delete")
    for each in found:
        call.state.delete("rpmsigs", each["id"])


@hub_method("writeSignedRPM")
def write_signed_rpm(call: MethodCall, an_rpm: Any, sigkey: Any, force: bool = False) -> None:
    """Write the signed copy of an RPM."""
    row = require_rpm(call, an_rpm)
    if not call.state.rows("rpmsigs", rpm_id=row["id"], sigkey=sigkey):
        raise GenericError(f"No cached signature for package {rpm_name(row)}, key {sigkey}")
    build = call.state.row("build", row["build_id"])
    path = f"data/signed/{sigkey}/{row['arch']}/{rpm_name(row)}.rpm"
    call.hub.files.copy(rpm_path(call, row), f"{build_directory(call, build)}/{path}")


@hub_method("queryRPMSigs")
def query_rpm_sigs(
    call: MethodCall, rpm_id: Any = None, sigkey: Any = None, queryOpts: Any = None
) -> Any:
    """Return the signatures of RPMs."""
    if rpm_id is None and sigkey is None:
        raise GenericError("rpm_id or sigkey must be specified")
    wanted = None
    if rpm_id is not None:
        found = find_rpm(call, rpm_id)
        wanted = found["id"] if found else -1
    # Each RPM has an entry for its unsigned header, too.
    rows = [
        {"rpm_id": row["id"], "sighash": row["payloadhash"], "sigkey": ""}
        for row in call.state.rows("rpminfo")
        if sigkey in (None, "") and wanted in (None, row["id"])
    ]
    rows += [
        pick(row, "rpm_id sighash sigkey")
        for row in call.state.rows("rpmsigs")
        if wanted in (None, row["rpm_id"]) and sigkey in (None, row["sigkey"])
    ]
    return apply_query_options(rows, queryOpts, "queryRPMSigs")
