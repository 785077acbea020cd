"""Parse and compare the names of builds and RPMs. Pure.

A build is named ``name-version-release`` (an NVR), an RPM ``name-version-release.arch`` (an NVRA).
Only the name may hold a dash, so both are read from the right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import zip_longest

__all__ = ["NVR", "NVRA", "compare_evr", "compare_versions", "parse", "parse_rpm"]

_DRAFT = re.compile(r",draft_([0-9]{1,18})\Z")
_EPOCH = re.compile(r"(?:([0-9]{1,18}):)?([^:]+)\Z")
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+|[~^]")


@dataclass(frozen=True)
class NVR:
    """The name of a build. Its text is ``name-version-release``, without the epoch.

    Attributes:
        name: the package's name.
        version: the version.
        release: the release, of a draft build with the suffix ``,draft_<build id>``.
        epoch: the epoch, None if the text names none.
    """

    name: str
    version: str
    release: str
    epoch: int | None = None

    def __str__(self) -> str:
        return f"{self.name}-{self.version}-{self.release}"

    @property
    def draft_id(self) -> int | None:
        """The build id of a draft build, None for any other build."""
        found = _DRAFT.search(self.release)
        return int(found.group(1)) if found else None

    @property
    def target_release(self) -> str:
        """The release once the build is promoted, without the draft suffix."""
        return _DRAFT.sub("", self.release)


@dataclass(frozen=True)
class NVRA:
    """The name of an RPM. Its text is ``name-version-release.arch``.

    Attributes:
        nvr: name, version and release of the RPM; they may differ from its build's.
        arch: the architecture, ``src`` and ``nosrc`` for a source RPM.
    """

    nvr: NVR
    arch: str

    def __str__(self) -> str:
        return f"{self.nvr}.{self.arch}"


def parse(text: object) -> NVR | None:
    """Split an NVR into its parts.

    An epoch stands before the name, as Koji writes it (``1:bash-5.2-1``), or before the version, as
    RPM does (``bash-1:5.2-1``).

    Args:
        text: any value.

    Returns:
        The parts, or None if the value is not an NVR.

    >>> parse("python3-requests-2.32.3-1.fc44")
    NVR(name='python3-requests', version='2.32.3', release='1.fc44', epoch=None)
    >>> parse("bash-1:5.2-1").epoch, parse("bash-5.2-1,draft_7").draft_id
    (1, 7)
    >>> parse("bash") is None
    True
    """
    if not isinstance(text, str):
        return None
    name, _, rest = text.rpartition("-")[0].rpartition("-")
    release = text.rpartition("-")[2]
    before_name, before_version = _EPOCH.match(name), _EPOCH.match(rest)
    if not before_name or not before_version or not release:
        return None
    epochs = [each for each in (before_name.group(1), before_version.group(1)) if each]
    if len(epochs) > 1:
        return None
    epoch = int(epochs[0]) if epochs else None
    return NVR(before_name.group(2), before_version.group(2), release, epoch)


def parse_rpm(text: object) -> NVRA | None:
    """Split the name of an RPM into its parts.

    Args:
        text: any value: an NVRA, or the path or URL of an RPM file (``.rpm`` is dropped), possibly
            followed by ``@`` and the external repository that the RPM is from.

    Returns:
        The parts, or None if the value is not the name of an RPM.

    >>> found = parse_rpm("https://koji.example.com/bash-5.2-1.fc44.x86_64.rpm")
    >>> found.nvr.name, found.arch
    ('bash', 'x86_64')
    """
    if not isinstance(text, str):
        return None
    file = text.partition("@")[0].rpartition("/")[2]
    stem, _, arch = file.removesuffix(".rpm").rpartition(".")
    nvr = parse(stem)
    return NVRA(nvr, arch) if nvr is not None and arch and "-" not in arch else None


def compare_versions(one: str, two: str) -> int:
    """Compare two versions, or two releases, as RPM does.

    Args:
        one: a version.
        two: another version.

    Returns:
        1 if the first is newer, -1 if it is older, 0 if RPM holds them equal.

    >>> compare_versions("1.10", "1.9"), compare_versions("2.0~rc1", "2.0")
    (1, -1)
    """
    # The empty segment stands for the end of a version.
    for a, b in zip_longest(_SEGMENT.findall(one), _SEGMENT.findall(two), fillvalue=""):
        left, right = _order(a), _order(b)
        if left != right:
            return 1 if left > right else -1
    return 0


def _order(segment: str) -> tuple[int, int, str]:
    """Return what a segment of a version sorts by."""
    if segment.isdigit():
        # By length first: a number may have more digits than Python converts.
        digits = segment.lstrip("0")
        return 4, len(digits), digits
    # A tilde is older than the end of the version; a caret is newer, but older than all else.
    return (("~", "", "^").index(segment), 0, "") if segment in ("~", "", "^") else (3, 0, segment)


def compare_evr(one: NVR, two: NVR) -> int:
    """Compare the epochs, versions and releases of two builds as RPM does; names don't matter.

    A draft build compares like the build that it is promoted to.

    Returns:
        1 if the first is newer, -1 if it is older, 0 if RPM holds them equal.

    >>> compare_evr(parse("bash-5.2-1"), parse("bash-1:5.1-1"))
    -1
    """
    epochs = one.epoch or 0, two.epoch or 0
    if epochs[0] != epochs[1]:
        return 1 if epochs[0] > epochs[1] else -1
    return compare_versions(one.version, two.version) or compare_versions(
        one.target_release, two.target_release
    )
