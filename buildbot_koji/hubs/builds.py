"""Names builds such that none is taken for another one, and finds them by these names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from buildbot_koji.database_values import id_of
from buildbot_koji.words import named
from txkoji import Connection, build_states, is_refusal, nvr
from txkoji.exceptions import GenericError, HubFault
from txkoji.gathering import gather

TAGGABLE = (build_states.BUILDING, build_states.COMPLETE)
"""The states of the builds that a tag has, or may get: others have no packages."""


@dataclass(frozen=True)
class BuildName:
    """Which build is meant, as far as its id and its NVR tell.

    A hub that was restored from a backup gives an id to another build, and promotion changes the
    NVR of a draft.

    Attributes:
        build_id: the build's id, None if only its NVR is known.
        nvr: name-version-release, None if only the id is known.
    """

    build_id: int | None
    nvr: str | None

    @classmethod
    def given(cls, build: int | str, name: str | None = None) -> BuildName:
        """Return the name that a user or a property gives: an id, or an NVR.

        Args:
            build: the id, also as text, or the NVR; no NVR is a number.
            name: the NVR of the build with that id, None if unknown.
        """
        number = id_of(build)
        return cls(_draft_id(build), str(build)) if number is None else cls(number, name)

    @property
    def key(self) -> int | str:
        """The argument of a hub method that reads the build."""
        return str(self.nvr) if self.build_id is None else self.build_id

    def may_be(self, other: BuildName) -> bool:
        """Return whether it is the same build, as far as ids and NVRs tell."""
        ids = {self.build_id, other.build_id} - {None}
        nvrs = {_promoted(each) for each in (self.nvr, other.nvr) if each is not None}
        return len(ids) < 2 and len(nvrs) < 2

    def __str__(self) -> str:
        return self.nvr or f"build {self.build_id}"


def _draft_id(build: Any) -> int | None:
    """Return the id in the NVR of a draft; None for anything else."""
    found = nvr.parse(build)
    return None if found is None else id_of(found.draft_id)


def _promoted(name: str) -> str:
    """Return the NVR, without an epoch, that a build has once it is promoted."""
    found = nvr.parse(name)
    return name if found is None else str(replace(found, release=found.target_release))


async def named_build(connection: Connection, build: int | str, name: str | None = None) -> Any:
    """Return a build; a draft that was promoted since is also found by its old NVR.

    Args:
        connection: the hub.
        build: its id or NVR.
        name: the NVR that the build of that id had, None if unknown.

    Raises:
        GenericError: the hub has no such build.
    """
    wanted = BuildName.given(build, name)
    found = await connection.checked("getBuild", wanted.key)
    if found is None:
        raise GenericError(f"the hub has no build {build}")
    if not wanted.may_be(BuildName(found.id, found.nvr)):
        raise GenericError(
            f"the hub has {found.nvr} as build {wanted.key}, not {wanted}: was it restored from a"
            " backup?"
        )
    return found


def lasting_key(build: Any) -> int | str:
    """Return the id or NVR by which a call that changes a build names it: it stays that build's."""
    # Promotion changes the NVR of a draft, and a restored hub gives an id to another build.
    return int(build.id) if build.get("draft") else str(build.nvr)


async def waitable_names(connection: Connection, builds: Sequence[str]) -> list[str]:
    """Return the NVRs of builds that a repo may contain one day: promotion changes a draft's.

    Raises:
        GenericError: the hub has no such build, or it failed: a task would wait until Koji gives
            up, some hours later.
        HubFault, TransportError: the hub can't say now.
    """
    found = await gather(_waitable_name(connection, each) for each in builds)
    dead = [each for each, name in zip(builds, found, strict=True) if name is None]
    if dead:
        raise GenericError(f"the hub has no such build, or it failed: {named(dead)}")
    return found


async def _waitable_name(connection: Connection, build: str) -> str | None:
    try:
        found = await named_build(connection, build)
    except HubFault as fault:
        if not is_refusal(fault):
            raise
        return None
    return str(found.nvr) if found.state in TAGGABLE else None


async def build_of_task(connection: Connection, task_id: int) -> Any:
    """Return the build that a task made, None if it made none.

    A builder that restarted left the build of its first run behind, BUILDING: the COMPLETE one
    counts.
    """
    builds = await connection.checked("listBuilds", taskID=task_id)
    complete = [build for build in builds if build.state == build_states.COMPLETE]
    return next(iter(complete or builds), None)
