"""Find the existing build, or the build in progress, that can replace a failed task."""

from __future__ import annotations

import re
from typing import Any

from buildbot_koji.database_values import id_of, member
from buildbot_koji.hubs.builds import build_of_task
from txkoji import Connection, Outcome, build_states, is_refusal, one_line, task_states
from txkoji.exceptions import GenericError, HubFault

GENERATORS = ("buildContainer", "buildSourceContainer", "osbuildImage")
"""Tasks whose build a content generator makes: a service that runs on when the task fails."""

_EXISTS = re.compile(r"Build already exists \(id=([0-9]{1,10}), state=COMPLETE\)")
_IN_PROGRESS = re.compile(r"Build already in progress \(task ([0-9]{1,10})\)")

_COMMIT = re.compile(r"#[0-9a-f]{40,64}$")
"""The end of an SCM URL that names a commit, not a branch or tag."""


async def find_taken_name(connection: Connection, outcome: Outcome) -> Any:
    """Return the build whose NVR a failed task tried to use, or None."""
    build_id = _id_in(_EXISTS, outcome)
    return None if build_id is None else await connection.checked("getBuild", build_id)


def _id_in(fault: re.Pattern[str], outcome: Outcome) -> int | None:
    """Return the id that the fault of a task names, None for no such fault."""
    found = fault.search(outcome.fault.text) if outcome.fault is not None else None
    return None if found is None else id_of(found[1])


async def find_existing_build(
    connection: Connection, outcome: Outcome, source: str, target: str | None
) -> int | Outcome | None:
    """Find the build of the same source that made a task fail because its NVR was taken.

    Args:
        connection: the hub.
        outcome: the outcome of the ``build`` task. If that was someone else's, and closed, its own
            build is what is found: the task may have been for another target.
        source: the SCM URL that was to be built.
        target: the build target whose destination tag the build should be in, None for no tag.

    Returns:
        The id of a task that is building the same source or tagging its build, the outcome of a
        build of it, or None: the task failed for another reason, the NVR is taken by another
        source, or the commit can't be determined. The outcome has a reason if the build is not in
        the target's tag.

    Raises:
        HubFault, TransportError: as for any read.
    """
    if outcome.tree.root.state == task_states.CLOSED:
        build = outcome.build
        return None if build is None else await _outcome_of(connection, outcome, build, target)
    exists, in_progress = _id_in(_EXISTS, outcome), _id_in(_IN_PROGRESS, outcome)
    if exists is not None:
        build = await connection.checked("getBuild", exists)
    elif in_progress is not None:
        build = await build_of_task(connection, in_progress)
    else:
        return None
    ours = await _resolved_source(connection, outcome, source)
    if build is None or ours is None or build.source != ours:
        return None
    task_id = in_progress or build.task_id
    task = None if task_id is None else await connection.checked("getTaskInfo", task_id)
    if task is not None and task.state in task_states.ACTIVE_GROUP:
        # A build is COMPLETE before its task tags it.
        return int(task.id)
    if build.state != build_states.COMPLETE:
        return None
    return await _outcome_of(connection, outcome, build, target)


async def may_be_generated(connection: Connection, outcome: Outcome) -> str:
    """Return why another task could double the build of a content generator's failed task.

    The service may have imported the build, or reserved its name, before the task failed.

    Returns:
        The reason in words, empty if there is certainly no build.

    Raises:
        HubFault, TransportError: the hub can't say now.
    """
    task = outcome.tree.root
    if task.method not in GENERATORS or member(task.params, "opts", "scratch"):
        return ""
    try:
        generators = await connection.call("listCGs")
        if not isinstance(generators, dict):
            raise GenericError("listCGs: no generators")
        # A build that is reserved names no task, and is in no list but that of its generator.
        found = [
            build
            for name in sorted(generators)
            for build in await connection.checked(
                "listBuilds", cgID=name, createdAfter=task.create_ts
            )
        ]
    except HubFault as fault:
        if not is_refusal(fault):
            raise
        return f"the hub can't say whether there is a build ({one_line(fault)})"
    for build in found:
        if _may_be_of(build, task.id):
            return f"{build.nvr} is {build_states.to_str(build.state)}, and may be its build"
    return ""


def _may_be_of(build: Any, task_id: int) -> bool:
    """Return whether a content generator's build is, or may become, that of a task."""
    if build.task_id is None:
        return bool(build.state == build_states.BUILDING)
    return build.task_id == task_id and build.state in (
        build_states.BUILDING,
        build_states.COMPLETE,
    )


async def _resolved_source(connection: Connection, outcome: Outcome, source: str) -> str | None:
    """Return the SCM URL with the commit, None if the commit can't be determined."""
    for task in outcome.tree.descendents():
        if task.method == "buildSRPMFromSCM" and task.state == task_states.CLOSED:
            result = await connection.call("getTaskResult", task.id)
            resolved = member(result, "source", "source")
            if isinstance(resolved, str):
                return resolved
    return source if _COMMIT.search(source) else None


async def _outcome_of(
    connection: Connection, outcome: Outcome, build: Any, target: str | None
) -> Outcome:
    rpms = await connection.checked("listBuildRPMs", build.build_id)
    tags = tuple(tag.name for tag in await connection.checked("listTags", build.build_id))
    wanted = None if target is None else await connection.checked("getBuildTarget", target)
    reason = ""
    if wanted is not None and wanted.dest_tag_name not in tags:
        reason = f"it is not in {wanted.dest_tag_name}: add steps.KojiTag"
    return Outcome(
        outcome.tree,
        reason=reason,
        build=build,
        nvr=build.nvr,
        builds=(build,),
        tags=tags,
        rpms=tuple(f"{rpm.name}-{rpm.version}-{rpm.release}.{rpm.arch}.rpm" for rpm in rpms),
    )
