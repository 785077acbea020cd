"""Find a build by the name or id that users and properties give it."""

from __future__ import annotations

import re
from typing import Any

from buildbot_koji.database_values import member
from txkoji import Connection, build_states
from txkoji.exceptions import GenericError, HubFault, fault_from
from txkoji.retry import is_passing

__all__ = ["build_of_task", "fault_of_task", "is_draft_name", "named_build"]

_DRAFT = re.compile(r",draft_([0-9]{1,9})$")
"""The suffix of a draft build's release, with the build's id."""


def is_draft_name(build: Any) -> bool:
    """Return whether an NVR is that of a draft; promotion changes it."""
    return isinstance(build, str) and _DRAFT.search(build) is not None


async def named_build(connection: Connection, build: int | str) -> Any:
    """Return a build; a draft that was promoted since is also found by its old NVR.

    Raises:
        GenericError: the hub has no such build.
    """
    # A form returns text, and no NVR is a number.
    is_id = isinstance(build, str) and re.fullmatch("[0-9]{1,9}", build)
    key = int(build) if is_id else build
    found = await connection.checked("getBuild", key)
    # Promotion keeps the build's id, which is in the NVR of a draft.
    draft = _DRAFT.search(key) if isinstance(key, str) else None
    if found is None and draft is not None:
        found = await connection.checked("getBuild", int(draft[1]))
        if found is not None and found.nvr != draft.string[: draft.start()]:
            found = None
    if found is None:
        raise GenericError(f"the hub has no build {build}")
    return found


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
