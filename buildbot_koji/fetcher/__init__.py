"""The program that fetches files on a worker: a zipapp of real modules.

The worker needs Python 3.9 and nothing else: the modules use Python's own library only.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import txkoji.front_ends
import txkoji.proxy_rules
from txkoji import Connection, RemoteFile
from txkoji.files import part, rpm

FILE_NAME = ".koji-fetch.pyz"
"""The file below the build's directory on the worker; it deletes itself when it runs."""

ATTEMPTS = 6
"""How often a file is asked for."""

REPORT = 60.0
"""Seconds between two lines about a file that arrives: much less than Buildbot's patience."""


@cache
def archive() -> bytes:
    """Return the zipapp: ``python3 fetch.pyz`` runs it, with the request on its standard input."""
    members = {
        "__main__.py": Path(__file__).with_name("__main__.py").read_bytes(),
        # Empty packages: their real __init__ modules need Twisted.
        "txkoji/__init__.py": b"",
        "txkoji/files/__init__.py": b"",
        "txkoji/files/part.py": Path(part.__file__).read_bytes(),
        "txkoji/files/rpm.py": Path(rpm.__file__).read_bytes(),
        "txkoji/front_ends.py": Path(txkoji.front_ends.__file__).read_bytes(),
        "txkoji/proxy_rules.py": Path(txkoji.proxy_rules.__file__).read_bytes(),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in members.items():
            # A fixed time, so that the same modules give the same archive.
            packed.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def request_for(
    connection: Connection, directory: str, files: Iterable[RemoteFile], at_once: int
) -> dict[str, Any]:
    """Return what the program reads from its standard input. Blocks while it reads certificates."""
    settings = connection.settings
    return {
        "directory": directory,
        "files": [asdict(each) for each in files],
        "certificates": connection.authorities(),
        "verify": settings.serverca is not None or not settings.no_ssl_verify,
        "at_once": at_once,
        "attempts": ATTEMPTS,
        "pace": connection.deadline,
        "report": REPORT,
    }
