"""What the sources of builds say: SCM URLs and source RPMs."""

from __future__ import annotations

import re

from txkoji import nvr
from txkoji.exceptions import GenericError

_SCM = re.compile(
    r"(git|git\+http|git\+https|git\+ssh|git\+rsync|svn|svn\+http|svn\+https|svn\+ssh|cvs|cvs\+ssh)"
    r"://.+"
)


def is_scm_url(source: str) -> bool:
    """Return whether a source is an SCM URL; anything else is an uploaded file."""
    return _SCM.match(source) is not None


def parse_source(source: str) -> tuple[str, str]:
    """Return the package and the revision of an SCM URL."""
    url, _, revision = source.partition("#")
    path, _, module = url.partition("?")
    stem = (module or path).rstrip("/").rpartition("/")[2]
    return stem.removesuffix(".git"), revision


def release_of(revision: str) -> str:
    """Return a valid release made from a revision."""
    return re.sub(r"[^A-Za-z0-9._+~^]", "_", revision)[:40] or "1"


def nvr_of(srpm: str) -> tuple[str, str, str]:
    """Return name, version and release from the path of a source RPM."""
    found = nvr.parse_rpm(srpm)
    if found is None:
        raise GenericError(f"invalid format: {srpm}")
    return found.nvr.name, found.nvr.version, found.nvr.release
