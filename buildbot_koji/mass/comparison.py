"""What differs between the builds of two tags. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from buildbot_koji.hubs.builds import BuildName
from txkoji.nvr import NVR, compare_evr

KINDS = ("missing", "older", "newer", "extra")
"""How a package of a tag may differ from that of another tag."""


@dataclass(frozen=True)
class TaggedBuild:
    """A build in a tag.

    Attributes:
        id: the build's id.
        nvr: its name, version, release and epoch; the name is that of the package.
    """

    id: int
    nvr: NVR


class TagContents:
    """The builds in a tag.

    A hub that was restored from a backup gives an id again, and a promotion changes the NVR of a
    draft. So a build is there if its NVR is, or if its id is there with an NVR that it may have by
    now.

    Args:
        builds: the id and the NVR of each build.
    """

    def __init__(self, builds: Iterable[tuple[int, str]]) -> None:
        several = list(builds)
        self._by_id, self._names = dict(several), {nvr for _, nvr in several}

    @classmethod
    def of(cls, builds: Iterable[TaggedBuild]) -> TagContents:
        """Return the contents of a tag that was read."""
        return cls((each.id, str(each.nvr)) for each in builds)

    def has(self, build_id: int, nvr: str) -> bool:
        """Return whether a build, given by its id and its NVR, is there."""
        if nvr in self._names:
            return True
        there = self._by_id.get(build_id)
        return there is not None and BuildName(build_id, there).may_be(BuildName(build_id, nvr))


@dataclass(frozen=True)
class Difference:
    """A package whose latest builds in two tags differ.

    Attributes:
        package: the name of the package.
        kind: one of :data:`KINDS`: what the tag has, seen from the other tag.
        build: the build in the tag, None if it is missing.
        other: the build in the other tag, None if the tag's is extra.
    """

    package: str
    kind: str
    build: NVR | None
    other: NVR | None


def builds_of(rows: Iterable[Any]) -> list[TaggedBuild]:
    """Return the builds in the checked rows of ``listTagged``."""
    return [
        TaggedBuild(row.id, NVR(row.package_name, row.version, row.release, row.epoch))
        for row in rows
    ]


def compare_tags(
    builds: Sequence[TaggedBuild], others: Sequence[TaggedBuild]
) -> Iterator[Difference | None]:
    """Compare the latest builds of a tag with those of another one, by the names of packages.

    Args:
        builds: the builds in the tag; of a package the latest one comes first.
        others: those in the other tag.

    Returns:
        For each package in one of the tags, in the order of names, how it differs; None if both
        tags have the same epoch, version and release.
    """
    latest, others_latest = ({e.nvr.name: e for e in reversed(each)} for each in (builds, others))
    for package in sorted({*latest, *others_latest}):
        build, other = latest.get(package), others_latest.get(package)
        if build is None:
            yield Difference(package, "missing", None, others_latest[package].nvr)
        elif other is None:
            yield Difference(package, "extra", build.nvr, None)
        else:
            order = 0 if build.id == other.id else compare_evr(build.nvr, other.nvr)
            kind = "older" if order < 0 else "newer"
            yield Difference(package, kind, build.nvr, other.nvr) if order else None


def line_of(difference: Difference) -> str:
    """Return a difference as a line of a log."""
    here, there = (
        None if each is None else _with_epoch(each) for each in (difference.build, difference.other)
    )
    words = here or there if here is None or there is None else f"{here}, the other has {there}"
    return f"{difference.kind:8}{words}\n"


def _with_epoch(nvr: NVR) -> str:
    """Return an NVR with its epoch, as RPM writes it: it may be all that differs."""
    return f"{nvr.name}-{nvr.epoch}:{nvr.version}-{nvr.release}" if nvr.epoch else str(nvr)


def row_of(difference: Difference) -> dict[str, Any]:
    """Return a difference as JSON holds it, with the epochs that are not 0: no NVR has them."""
    nvrs = {"build": difference.build, "other": difference.other}
    texts = {name: None if nvr is None else str(nvr) for name, nvr in nvrs.items()}
    epochs = {f"{name}_epoch": nvr.epoch for name, nvr in nvrs.items() if nvr and nvr.epoch}
    return {"package": difference.package, "kind": difference.kind, **texts, **epochs}


def names_of(differences: Sequence[Difference], limit: int) -> dict[str, list[str]]:
    """Return the names of the packages of each kind, at most ``limit`` each."""
    return {kind: [e.package for e in differences if e.kind == kind][:limit] for kind in KINDS}


def plan_tagging(
    builds: Iterable[TaggedBuild],
    target: Iterable[TaggedBuild],
    latest: Iterable[TaggedBuild] = (),
) -> Iterator[tuple[TaggedBuild, str]]:
    """Return why each build need not be tagged.

    Args:
        builds: the builds.
        target: all builds in the tag itself.
        latest: the latest builds in the tag, inherited ones included.

    Returns:
        Each build with the reason, which is empty for a build that is to be tagged.
    """
    newest: dict[str, NVR] = {}
    own = list(target)
    there, names = TagContents.of(own), {str(each.nvr) for each in own}
    for each in chain(own, latest):
        found = newest.setdefault(each.nvr.name, each.nvr)
        if compare_evr(each.nvr, found) > 0:
            newest[each.nvr.name] = each.nvr
    for build in builds:
        other = newest.get(build.nvr.name)
        released = replace(build.nvr, release=build.nvr.target_release)
        if there.has(build.id, str(build.nvr)):
            yield build, "already tagged"
        elif build.nvr != released and str(released) in names:
            yield build, f"a draft of {released}, which is tagged already"
        elif other is not None and compare_evr(other, build.nvr) > 0:
            yield build, f"{_with_epoch(other)} is newer"
        else:
            yield build, ""
