"""Find a build by the name or id that users and properties give it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from buildbot_koji.database_values import id_of, member
from txkoji import Connection, build_states, is_refusal, nvr
from txkoji.exceptions import GenericError, HubFault, fault_from
from txkoji.retry import is_passing


async def named_build(connection: Connection, build: int | str, name: str | None = None) -> Any:
    """Return a build; a draft that was promoted since is also found by its old NVR.

    Args:
        connection: the hub.
        build: its id or NVR.
        name: the NVR that the build of that id had, None if unknown.

    Raises:
        GenericError: the hub has no such build.
    """
    # No NVR is a number.
    key = id_of(build) or build
    found = await connection.checked("getBuild", key)
    draft = _draft(key)
    if found is None and draft is not None:
        # Promotion keeps the build's id, which is in the NVR of a draft.
        found = await connection.checked("getBuild", draft.draft_id)
        found = found if found is not None and found.nvr == _promoted(str(key)) else None
    if found is None:
        raise GenericError(f"the hub has no build {build}")
    if name is not None and not may_be(found.nvr, name):
        raise GenericError(
            f"the hub has {found.nvr} as build {build}, not {name}: was it restored from a backup?"
        )
    return found


def may_be(name: str, other: str) -> bool:
    """Return whether two NVRs may be those of one build: its promotion changes that of a draft."""
    return _promoted(name) == _promoted(other)


def _promoted(name: str) -> str:
    draft = _draft(name)
    return name if draft is None else str(replace(draft, release=draft.target_release))


async def waitable_name(connection: Connection, build: str) -> str | None:
    """Return the NVR of a build that a repo may contain one day; None if there is no such build.

    Raises:
        HubFault, TransportError: the hub can't say now.
    """
    try:
        found = await named_build(connection, build)
    except HubFault as fault:
        if not is_refusal(fault):
            raise
        return None
    alive = found.state in (build_states.BUILDING, build_states.COMPLETE)
    return str(found.nvr) if alive else None


def _draft(build: Any) -> nvr.NVR | None:
    """Return the parts of an NVR if it is that of a draft, else None."""
    found = nvr.parse(build)
    return found if found is not None and id_of(found.draft_id) is not None else None


async def build_of_task(connection: Connection, task_id: int) -> Any:
    """Return the build that a task made, None if it made none.

    A builder that restarted left the build of its first run behind, BUILDING: the COMPLETE one
    counts.
    """
    builds = await connection.checked("listBuilds", taskID=task_id)
    complete = [build for build in builds if build.state == build_states.COMPLETE]
    return next(iter(complete or builds), None)


async def fault_of_task(connection: Connection, task_id: int) -> HubFault | None:
    """Return the fault of a task, or the hub's refusal to say; None if its result is no fault.

    Raises:
        HubFault, TransportError: the hub can't say now.
    """
    try:
        # A fault in place of a result is the task's; one that is raised is the hub's.
        result = await connection.call("getTaskResult", task_id, raise_fault=False)
    except HubFault as fault:
        if is_passing(fault):
            raise
        return fault
    code = member(result, "faultCode")
    return fault_from(code, str(member(result, "faultString"))) if isinstance(code, int) else None
