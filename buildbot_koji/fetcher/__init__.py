"""The program that fetches files on a worker: a zipapp of real modules.

The worker needs Python 3.9 and nothing else: the modules use Python's own library only.
"""

from __future__ import annotations

import io
import zipfile
from functools import cache
from pathlib import Path

from txkoji.files import part, rpm

__all__ = ["FILE_NAME", "archive"]

FILE_NAME = ".koji-fetch.pyz"
"""The file below the build's directory on the worker; it deletes itself when it runs."""


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
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as packed:
        for name, text in members.items():
            # A fixed time, so that the same modules give the same archive.
            packed.writestr(zipfile.ZipInfo(name), text, zipfile.ZIP_DEFLATED)
    return content.getvalue()
