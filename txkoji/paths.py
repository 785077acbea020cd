"""Addresses of Koji's web pages (kojiweb) and files (kojifiles). Pure: text in, text out.

The layout is Koji's own: task output under ``work/tasks/<id mod 10000>/<id>``, builds under
``packages/<name>/<version>/<release>``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import SplitResult, parse_qs, quote, urlencode, urlsplit

from txkoji import _values

__all__ = [
    "build_directory",
    "build_url",
    "package_url",
    "parse_web_url",
    "repo_url",
    "rpm_path",
    "tag_url",
    "task_file_url",
    "task_output_path",
    "task_output_url",
    "task_url",
    "url_of",
]

DEFAULT_VOLUME = "DEFAULT"


def _page(weburl: str, page: str, key: str, value: int | str) -> str:
    return f"{weburl.rstrip('/')}/{page}?{urlencode({key: value})}"


def task_url(weburl: str, task_id: int) -> str:
    """Return the address of a task's page.

    >>> task_url("https://koji.example.com/koji", 7)
    'https://koji.example.com/koji/taskinfo?taskID=7'
    """
    return _page(weburl, "taskinfo", "taskID", task_id)


def build_url(weburl: str, build_id: int) -> str:
    """Return the address of a build's page."""
    return _page(weburl, "buildinfo", "buildID", build_id)


def package_url(weburl: str, package_id: int) -> str:
    """Return the address of a package's page."""
    return _page(weburl, "packageinfo", "packageID", package_id)


def repo_url(weburl: str, repo_id: int) -> str:
    """Return the address of a repo's page."""
    return _page(weburl, "repoinfo", "repoID", repo_id)


def tag_url(weburl: str, tag_id: int | str) -> str:
    """Return the address of a tag's page."""
    return _page(weburl, "taginfo", "tagID", tag_id)


def _volume(volume: str | None) -> str:
    return "" if volume in (None, "", DEFAULT_VOLUME) else f"vol/{volume}/"


def task_output_path(task_id: int, name: str, *, volume: str | None = None) -> str:
    """Return the path of a task's output file below the top directory.

    >>> task_output_path(104711, "build.log")
    'work/tasks/4711/104711/build.log'
    """
    return f"{_volume(volume)}work/tasks/{task_id % 10000}/{task_id}/{name}"


def build_directory(name: str, version: str, release: str, *, volume: str | None = None) -> str:
    """Return the path of a build's directory below the top directory."""
    return f"{_volume(volume)}packages/{name}/{version}/{release}"


def rpm_path(
    name: str,
    version: str,
    release: str,
    rpm: str,
    arch: str,
    *,
    volume: str | None = None,
    key: str | None = None,
) -> str:
    """Return the path of an RPM file of a build (of that name, version and release).

    Args:
        name: of the build, as are version and release.
        version: of the build.
        release: of the build.
        rpm: the name of the file.
        arch: the architecture of the RPM.
        volume: the volume of the build.
        key: the id of a key: the path of the copy that it has signed.

    >>> rpm_path("bash", "5.2", "1", "bash-5.2-1.x86_64.rpm", "x86_64", key="6D9F90A6")
    'packages/bash/5.2/1/data/signed/6d9f90a6/x86_64/bash-5.2-1.x86_64.rpm'
    """
    directory = build_directory(name, version, release, volume=volume)
    return f"{directory}/{f'data/signed/{key.lower()}/' if key else ''}{arch}/{rpm}"


def archive_path(directory: str, archive: Mapping[str, Any]) -> str:
    """Return the path of an archive of a build.

    Args:
        directory: the build's directory.
        archive: the hub's description of the archive, as listed by its type (``btype``).
    """
    kind, name = archive["btype"], archive["filename"]
    if kind == "maven":
        group = str(archive["group_id"]).replace(".", "/")
        return f"{directory}/maven/{group}/{archive['artifact_id']}/{archive['version']}/{name}"
    if kind == "win":
        relative = archive.get("relpath")
        return f"{directory}/win/{relative}/{name}" if relative else f"{directory}/win/{name}"
    if kind == "image":
        return f"{directory}/images/{name}"
    return f"{directory}/files/{kind}/{name}"


def url_of(topurl: str, path: str) -> str:
    """Return the address of a path below the top directory, each part percent-encoded.

    Versions hold ``+``, ``~`` and ``^``; a slash separates parts.

    >>> url_of("https://kojipkgs.example.com", "packages/gcc/14.2^1/1")
    'https://kojipkgs.example.com/packages/gcc/14.2%5E1/1'
    """
    return f"{topurl.rstrip('/')}/{quote(path, safe='/~')}"


def task_output_url(topurl: str, task_id: int, name: str, *, volume: str | None = None) -> str:
    """Return the address of a task's output file."""
    return url_of(topurl, task_output_path(task_id, name, volume=volume))


def task_file_url(weburl: str, task_id: int, name: str) -> str:
    """Return the address at which kojiweb gives a task's output file, for a hub without topurl."""
    query = urlencode({"taskID": task_id, "name": name, "offset": 0})
    return f"{weburl.rstrip('/')}/getfile?{query}"


def _number_or_name(text: str) -> int | str | None:
    number = _values.integer(text)
    return number if number is not None else _values.text(text) or None


def split_web_url(url: str) -> SplitResult | None:
    """Return the parts of a URL that a person pasted; None for white space in it, or no URL."""
    if any(character.isspace() for character in url):
        return None
    try:
        return urlsplit(url)
    except ValueError:
        return None


_PAGES: dict[str, tuple[str, str, Callable[[str], int | str | None]]] = {
    "buildinfo": ("buildID", "getBuild", _values.integer),
    "taskinfo": ("taskID", "getTaskInfo", _values.integer),
    "packageinfo": ("packageID", "getPackage", _number_or_name),
    "taginfo": ("tagID", "getTag", _number_or_name),
    "userinfo": ("userID", "getUser", _number_or_name),
    "hostinfo": ("hostID", "getHost", _number_or_name),
    "channelinfo": ("channelID", "getChannel", _values.integer),
    "buildtargetinfo": ("targetID", "getBuildTarget", _values.integer),
    "repoinfo": ("repoID", "repoInfo", _values.integer),
    "rpminfo": ("rpmID", "getRPM", _values.integer),
    "watchlogs": ("taskID", "getTaskInfo", _values.integer),
}


def parse_web_url(url: str) -> tuple[str, int | str] | None:
    """Find what a page of kojiweb shows.

    Args:
        url: the address of the page.

    Returns:
        The hub method that reads the object, and its argument; None for white space in the URL, an
        unknown page or a malformed id.

    >>> parse_web_url("https://koji.example.com/koji/buildinfo?buildID=7")
    ('getBuild', 7)
    """
    parts = split_web_url(url)
    if parts is None:
        return None
    try:
        arguments = parse_qs(parts.query)
    except ValueError:
        # Too many arguments, for one.
        return None
    page = _PAGES.get(parts.path.rstrip("/").rpartition("/")[2])
    if page is None:
        return None
    key, method, read = page
    values = arguments.get(key, [])
    if not values and key == "targetID":
        values = arguments.get("name", [])
        read = _number_or_name
    found = read(values[0]) if len(values) == 1 else None
    return None if found is None else (method, found)
