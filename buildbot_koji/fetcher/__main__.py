"""Fetches files over HTTP, on a worker: with Python's own library only.

Like :mod:`txkoji.files.downloads`, it resumes a download that broke, and gives a file its name only
once it is complete and verified. It runs on Python 3.9.
"""

from __future__ import annotations

import hashlib
import http.client
import json
import ssl
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from txkoji.files.rpm import payload_hash

__all__ = ["main"]

ATTEMPTS = 6
TIMEOUT = 60
PIECE = 1 << 20

HOPELESS = (401, 403, 404, 410)
"""HTTP statuses that another attempt would not change."""


def main(request: dict[str, Any]) -> int:
    """Fetch files, and print what was fetched or why not.

    Args:
        request: ``directory``, where they go; ``files``, each with its ``name``, ``url``, ``size``
            or None, and ``digest``, a kind and hex digits, or None; ``certificates``, the PEM text
            of authorities to trust instead of the system's, or None; ``verify``, whether
            certificates are verified; ``at_once``, how many files are under way at the same time.

    Returns:
        The exit status.
    """
    context = ssl.create_default_context(cadata=request["certificates"])
    if not request["verify"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    directory = Path(request["directory"])
    with ThreadPoolExecutor(request["at_once"]) as pool:
        fetching = [pool.submit(_fetch, directory, each, context) for each in request["files"]]
        failed = [trouble for trouble in (each.result() for each in fetching) if trouble]
    print("\n".join(failed) or f"fetched {len(fetching)} files", flush=True)
    return 1 if failed else 0


def _fetch(directory: Path, file: dict[str, Any], context: ssl.SSLContext) -> str:
    """Fetch one file; returns what went wrong, or nothing."""
    target = directory.joinpath(*file["name"].split("/"))
    part = target.with_name(f".{target.name}.part")
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        resumed = part.exists()
        trouble = _receive(part, file, context) or _compare(part, file)
        if trouble and resumed:
            # An earlier fetch may have left a part of another file: start again from nothing.
            part.unlink(missing_ok=True)
            trouble = _receive(part, file, context) or _compare(part, file)
        if trouble:
            part.unlink(missing_ok=True)
            return f"{file['url']}: {trouble}"
        part.replace(target)
    except OSError as error:
        return f"can't write {target}: {error.strerror or error}"
    print(f"{file['name']}: {target.stat().st_size:,} bytes", flush=True)
    return ""


def _receive(part: Path, file: dict[str, Any], context: ssl.SSLContext) -> str:
    """Receive what is missing of a file; returns what went wrong, or nothing."""
    size = file["size"]
    trouble = ""
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(2 ** (attempt - 1))
        have = part.stat().st_size if part.exists() else 0
        if have and have == size:
            return ""
        if size is not None and have > size:
            part.unlink()
            have = 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        request = urllib.request.Request(file["url"], headers=headers)  # noqa: S310 - the hub's own
        try:
            with urllib.request.urlopen(  # noqa: S310 - the hub's own
                request, timeout=TIMEOUT, context=context
            ) as reply:
                _copy(reply, part, "ab" if reply.status == http.client.PARTIAL_CONTENT else "wb")
        except urllib.error.HTTPError as error:
            trouble = f"HTTP {error.code} {error.reason}"
            if error.code in HOPELESS:
                return trouble
            if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink()
        except (OSError, http.client.HTTPException) as error:
            trouble = f"the connection failed: {getattr(error, 'reason', error)}"
        else:
            if size in (None, part.stat().st_size):
                return ""
            trouble = "it ended early"
    return trouble


def _copy(reply: Any, part: Path, mode: str) -> None:
    with part.open(mode) as out:
        while piece := reply.read(PIECE):
            out.write(piece)


def _compare(part: Path, file: dict[str, Any]) -> str:
    """Compare a file with what the hub says of it; returns what is wrong, or nothing."""
    size = part.stat().st_size
    if file["size"] not in (None, size):
        return f"it has {size:,} bytes instead of {file['size']:,}"
    if file["digest"] is None:
        return ""
    kind, wanted = file["digest"]
    try:
        found = payload_hash(part) if kind == "rpm" else _digest(part, kind)
    except ValueError as error:
        return str(error)
    return "" if wanted in ("", found) else f"its {kind} digest is {found} instead of {wanted}"


def _digest(part: Path, kind: str) -> str:
    digest = hashlib.new(kind, usedforsecurity=False)
    with part.open("rb") as file:
        while piece := file.read(PIECE):
            digest.update(piece)
    return digest.hexdigest()


if __name__ == "__main__":
    # Everything is imported by now.
    Path(sys.argv[0]).unlink()
    sys.exit(main(json.load(sys.stdin)))
