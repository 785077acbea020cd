"""Files that clients send to the embedded hub: raw chunks, and base64 text in a call.

The rules and texts are those of koji's hub (recordings: ``rawUpload``, ``checkUpload``).
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

from txkoji.exceptions import ActionNotAllowed, AuthError, GenericError
from txkoji.testing.methods.call import MethodCall
from txkoji.testing.methods.table import hub_method
from txkoji.testing.tables.lookups.values import hub_error


def _path(filepath: str, filename: str, volume: str | None) -> str:
    if not filename or "/" in filename or filename.startswith("."):
        raise GenericError(f"Invalid upload filename: {filename}")
    parts = filepath.split("/")
    if ".." in parts:
        raise GenericError(f"Invalid upload directory: {filepath}")
    if filepath.startswith("/"):
        raise hub_error(f"{PermissionError}: [Errno 13] Permission denied: {filepath!r}")
    root = "work" if volume in (None, "", "DEFAULT") else f"vol/{volume}/work"
    return "/".join([root, *(part for part in parts if part), filename])


def _claim(call: MethodCall, filepath: str) -> None:
    """Let the first uploader own a directory; refuse all others."""
    user = call.require_login()
    top = filepath.strip("/")
    if top.split("/")[0] == "tasks":
        # Only the builder that runs a task uploads its output, and builders live inside this hub.
        raise AuthError(f"User {user['id']} is not a host")
    row = call.state.one("upload_directory", path=top) or call.state.insert(
        "upload_directory", {"path": top, "user_id": user["id"]}
    )
    if row["user_id"] != user["id"]:
        raise GenericError(f"Invalid upload directory, not owner: {top}")


def digest(kind: str, data: bytes) -> str:
    """Return the hex digest of data: adler32 (8 digits), md5 or sha256."""
    if kind == "adler32":
        return f"{zlib.adler32(data) & 0xFFFFFFFF:08x}"
    if kind in ("md5", "sha256"):
        return hashlib.new(kind, data).hexdigest()
    raise GenericError(f"Unknown verify type: {kind}")


def raw_upload(call: MethodCall, query: dict[str, str], data: bytes) -> dict[str, Any]:
    """Store one chunk of a raw upload; returns its size and digest."""
    if call.user is None:
        raise ActionNotAllowed("you must be logged-in to upload a file")
    for name in ("filename", "filepath", "fileverify", "offset"):
        if name not in query:
            raise GenericError(f"missing upload parameter: {name}")
    path = _path(query["filepath"], query["filename"], query.get("volume"))
    _claim(call, query["filepath"])
    offset = int(query["offset"])
    overwrite = query.get("overwrite") in ("1", "True", "true")
    files = call.hub.files
    size = files.size(path) if files.exists(path) else None
    if offset == -1:
        offset = size or 0
    if size is not None and not overwrite:
        if offset == 0:
            raise GenericError(f"upload path exists: {path}")
        # The end of the chunk must become the end of the file.
        if not offset <= size <= offset + len(data):
            raise GenericError(f"upload of {offset} to {offset + len(data)}, the file has {size}")
    kind = query["fileverify"]
    verified = digest(kind, data)
    files.write_at(path, offset, data, truncate=overwrite)
    # The hub counts an upload as a change: its session's call number is stored.
    call.state.touch()
    return {"size": len(data), "fileverify": kind, "offset": offset, "hexdigest": verified}


@hub_method("checkUpload")
def check_upload(
    call: MethodCall, path: str, name: str, verify: Any = None, tail: Any = None, volume: Any = None
) -> Any:
    """Return the size and digest of an uploaded file, None if there is none."""
    full = _path(path, name, volume)
    files = call.hub.files
    if not files.exists(full):
        return None
    reply: dict[str, Any] = {"size": files.size(full), "mtime": files.modified(full)}
    if verify:
        data = files.read(full)
        if tail is not None:
            data = data[-int(tail) :]
        reply.update(sumlength=len(data), hexdigest=digest(verify, data))
    return reply


@hub_method("uploadFile(path, name, size, md5sum, offset, data, volume=None, checksum=None)")
def upload_file(
    call: MethodCall, path: str, size: Any, offset: Any, checksum: Any, **asked: Any
) -> bool:
    """Store one chunk of base64 text; returns False if its size or digest is wrong."""
    if call.user is None:
        raise ActionNotAllowed("you must be logged-in to upload a file")
    full = _path(path, asked["name"], asked["volume"])
    _claim(call, path)
    content = base64.b64decode(asked["data"])
    kind, expected = "md5", asked["md5sum"]
    if isinstance(checksum, list):
        kind, expected = checksum
    elif checksum:
        expected = checksum
    files = call.hub.files
    if int(offset) == -1:
        whole = files.read(full) if files.exists(full) else b""
        return len(whole) == int(size) and digest(kind, whole) == expected
    if len(content) != int(size) or (expected and digest(kind, content) != expected):
        return False
    files.write_at(full, int(offset), content)
    call.state.touch()
    return True
